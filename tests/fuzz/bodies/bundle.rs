//! Bundles, sent to the whole server: no answer is a 5xx, every refusal says why, and a transaction is done whole or not at all.

use serde_json::Value;

use super::server::{WHOLE, server};

/// Laws of batches and transactions. The data is the body of a `POST [base]`.
pub fn bundle(data: &[u8]) -> bool {
    let mut guard = server(&WHOLE);
    let Some(server) = guard.as_mut() else { return false };
    let before = server.head();
    let answer = server.client.send("POST", "/fhir", &[("Content-Type", "application/fhir+json")], data);
    let body = answer.json();
    if answer.status != 200 {
        is_refusal(answer.status, &body);
        assert_eq!(server.head(), before, "what was refused left something");
        return false;
    }
    let request: Value = serde_json::from_slice(data).expect("JSON");
    let kind = request["type"].as_str().unwrap_or_default();
    assert_eq!(body["type"], format!("{kind}-response"), "{body}");
    let (asked, done) = (entries(&request), entries(&body));
    assert_eq!(done.len(), asked.len(), "every entry is answered");
    let mut written = 0;
    for (asked, done) in asked.iter().zip(done) {
        let status = done["response"]["status"].as_str().and_then(|text| text.get(..3)?.parse().ok()).unwrap_or(0);
        let is_read = matches!(asked["request"]["method"].as_str(), Some("GET" | "HEAD"));
        if (200..400).contains(&status) {
            written += usize::from(!is_read);
            continue;
        }
        is_refusal(status, &done["response"]["outcome"]);
        assert!(kind == "batch" || is_read, "a part of a transaction failed: {done}");
    }
    let changes = server.head().0 - before.0;
    // A conditional delete may take away several.
    let is_one_each = !asked.iter().any(|entry| entry["request"]["method"] == "DELETE");
    assert!(!is_one_each || changes <= written as i64, "{changes} changes of {written} entries");
    if let Some(location) = created(done) {
        let read = server.client.get(location);
        assert!(matches!(read.status, 200 | 410), "{location} was created: {}", read.status);
    }
    true
}

fn entries(bundle: &Value) -> &[Value] {
    bundle["entry"].as_array().map_or(&[], Vec::as_slice)
}

/// `Type/id` of the first entry that was created.
fn created(entries: &[Value]) -> Option<&str> {
    let location = entries.iter().find_map(|entry| {
        let response = &entry["response"];
        response["status"].as_str()?.starts_with("201").then_some(response["location"].as_str()?)
    })?;
    let path = location.strip_prefix("http://cresset.test/fhir/").unwrap_or(location);
    path.split_once("/_history").map(|(key, _)| key)
}

/// A 4xx with an OperationOutcome that says something.
pub fn is_refusal(status: u16, outcome: &Value) {
    assert!((400..500).contains(&status), "{status} {outcome}");
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{status} {outcome}");
    let issue = &outcome["issue"][0];
    assert!(issue["code"].is_string(), "{outcome}");
    assert!(issue["diagnostics"].as_str().is_some_and(|text| !text.is_empty()), "{outcome}");
}
