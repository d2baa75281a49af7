//! History of an instance and of a type (FHIR R4 `http.html`, 3.1.0.9).

use serde_json::json;

use super::{entries, patient};
use crate::support::{TestApp, on_both_databases, redact};

on_both_databases! {
    fn history_is_newest_first_and_lists_deletions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |n: u8| json!({"resourceType": "Patient", "id": "h", "multipleBirthInteger": n});
        (1..=3).for_each(|n| drop(client.put("Patient/h", &body(n))));
        client.delete("Patient/h").expect(204);
        let answer = client.get("Patient/h/_history").expect(200);
        insta::assert_snapshot!("history", redact(&answer));
        let bundle = answer.json();
        assert_eq!((&bundle["type"], &bundle["total"]), (&json!("history"), &json!(4)));
        let methods: Vec<_> = entries(&bundle).iter().map(|e| e["request"]["method"].clone()).collect();
        assert_eq!(methods, ["DELETE", "PUT", "PUT", "PUT"]);
        assert!(entries(&bundle)[0].get("resource").is_none());
        client.get("Patient/never/_history").expect_outcome(404);
    }

    fn history_has_pages_and_since(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        (0..7).for_each(|n| drop(client.post("Patient", &patient(&format!("F{n}"))).expect(201)));
        client.post("Observation", &json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})).expect(201);
        let mut families = Vec::new();
        let mut page = client.get("Patient/_history?_count=3").expect(200).json();
        assert_eq!(page["total"], 7);
        // A write between two pages neither skips nor repeats.
        client.post("Patient", &patient("Late")).expect(201);
        loop {
            families.extend(entries(&page).iter().map(|e| e["resource"]["name"][0]["family"].as_str().unwrap().to_owned()));
            let next = page["link"].as_array().unwrap().iter().find(|l| l["relation"] == "next").cloned();
            let Some(next) = next else { break };
            let url = next["url"].as_str().unwrap().to_owned();
            page = client.send("GET", &url[url.find("/fhir").unwrap()..], &[], &[]).expect(200).json();
        }
        assert_eq!(families, ["F6", "F5", "F4", "F3", "F2", "F1", "F0"]);
        let since = client.get("Patient/_history?_since=2100-01-01T00:00:00Z").expect(200).json();
        assert!(entries(&since).is_empty(), "{since}");
        let all = client.get("Patient/_history?_since=2000-01-01T00:00:00Z").expect(200).json();
        assert_eq!(entries(&all).len(), 8);
        client.get("Patient/_history?_since=yesterday").expect_outcome(400);
        client.get("Patient/_history?_count=x").expect_outcome(400);
    }
}
