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
}
