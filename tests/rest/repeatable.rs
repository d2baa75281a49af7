//! Whole answers, with nothing redacted: a clock that stands still and seeded ids make them the same on every run and on
//! both databases.

use serde_json::json;

use super::patient;
use crate::support::{Answer, StillApp, on_both_databases};

/// Everything of an answer but the time that the HTTP library puts on it.
fn whole(name: &str, answer: &Answer) -> String {
    let mut text = format!("## {name}\n{}\n", answer.status);
    for (header, value) in answer.headers.iter().filter(|(header, _)| header != "date") {
        text.push_str(&format!("{header}: {value}\n"));
    }
    text + "\n" + &answer.text() + "\n\n"
}

on_both_databases! {
    fn answers_repeat_to_the_byte(database) {
        let app = StillApp::start(database);
        let mut client = app.client();
        let mut text = String::new();
        text += &whole("create", &client.post("Patient", &patient("Still")));
        app.advance(1_500_000);
        text += &whole("update", &client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p", "active": true})));
        text += &whole("the same again", &client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p", "active": true})));
        text += &whole("search", &client.get("Patient?_sort=family&_count=1"));
        app.advance(1_000);
        text += &whole("delete", &client.delete("Patient/p"));
        text += &whole("read what is deleted", &client.get("Patient/p"));
        text += &whole("history", &client.get("Patient/p/_history"));
        text += &whole("an error", &client.post("Patient", &json!({"resourceType": "Patient", "birthDate": "2023-02-30"})));
        insta::assert_snapshot!("repeatable", text);
    }

    fn bundles_repeat_to_the_byte(database) {
        let app = StillApp::start(database);
        let mut client = app.client();
        let url = "urn:uuid:11111111-1111-4111-8111-111111111111";
        let mark = json!([{"system": "http://a", "value": "1"}]);
        let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": url}});
        let bundle = |kind: &str, entries: serde_json::Value| json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let mut text = String::new();
        text += &whole("transaction", &client.post("", &bundle("transaction", json!([
            {"fullUrl": url, "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=http://a|1"},
                "resource": {"resourceType": "Patient", "identifier": mark}},
            {"request": {"method": "PUT", "url": "Observation/o"},
                "resource": {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "y"}}},
            {"request": {"method": "POST", "url": "Observation"}, "resource": observation},
            {"request": {"method": "DELETE", "url": "Patient/never"}},
            {"request": {"method": "GET", "url": "Observation/o"}},
        ]))));
        app.advance(1_000_000);
        text += &whole("batch", &client.post("", &bundle("batch", json!([
            {"request": {"method": "HEAD", "url": "Observation/o/_history/1"}},
            {"request": {"method": "GET", "url": "Observation/o/_history/1", "ifNoneMatch": "W/\"1\""}},
            {"request": {"method": "DELETE", "url": "Observation/o"}},
            {"request": {"method": "GET", "url": "Observation/o/_history/1"}},
            {"request": {"method": "PUT", "url": "Observation/o", "ifMatch": "W/\"7\""},
                "resource": {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "z"}}},
            {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=http://a|1"}, "resource": {"resourceType": "Patient"}},
        ]))));
        text += &whole("include", &client.get("Observation?status=final&_include=Observation:subject&nonsense=1"));
        text += &whole("a transaction that fails", &client.post("", &bundle("transaction", json!([
            {"request": {"method": "PUT", "url": "Patient/n"}, "resource": {"resourceType": "Patient", "id": "n", "name": {"family": "x"}}},
        ]))));
        insta::assert_snapshot!("bundles", text);
    }

    fn headers_of_every_answer(database) {
        let app = StillApp::start(database);
        let mut client = app.client();
        let ids = [("X-Request-Id", "not harmless <>"), ("X-Correlation-Id", "mine")];
        let statement = client.send("GET", "/fhir/metadata", &ids, &[]).expect(200);
        let again = client.send("HEAD", "/fhir/metadata", &ids[..1], &[]).expect(200);
        assert!(statement.header("etag").is_some_and(|tag| tag.starts_with("W/\"")), "{:?}", statement.headers);
        assert_eq!(statement.header("etag"), again.header("etag"));
        // What it was asked with comes back; so does a request id that the server replaces.
        assert_eq!(statement.header("x-correlation-id"), Some("mine"));
        assert_eq!(again.header("x-correlation-id"), Some("not harmless <>"));
        assert_ne!(again.header("x-request-id"), Some("not harmless <>"));
        let kept = client.send("GET", "/fhir/Patient/x", &[("X-Request-Id", "kept")], &[]).expect(404);
        assert_eq!((kept.header("x-request-id"), kept.header("x-correlation-id")), (Some("kept"), None));
    }
}
