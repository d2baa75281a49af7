//! What a write is asked for beyond its structure, by the mode of the tenant.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, TestApp, on_both_databases};

const CONTACT: &str = r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#;

fn app(database: Database, mode: &str) -> TestApp {
    let mut app = TestApp::start(database);
    app.restart_with(&[], &[("CRESSET_VALIDATION_MODE", mode)]);
    app
}

/// Severity, code and place of every issue that is an error.
fn errors(outcome: &Value) -> Vec<(String, String)> {
    let issues = outcome["issue"].as_array().unwrap().iter().filter(|issue| issue["severity"] == "error");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    issues.map(|issue| (text(&issue["code"]), text(&issue["expression"][0]))).collect()
}

fn refused(answer: Answer, wanted: &[(&str, &str)]) {
    let outcome = answer.expect_outcome(422);
    let wanted: Vec<_> = wanted.iter().map(|(code, place)| ((*code).to_owned(), (*place).to_owned())).collect();
    assert_eq!(errors(&outcome), wanted, "{outcome}");
}

fn resource(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A heart rate that says so with its code only, or with its profile.
fn heart_rate(profile: Option<&str>) -> Value {
    let mut json = json!({"resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}});
    if let Some(profile) = profile {
        json["meta"] = json!({"profile": [profile]});
    }
    json
}

on_both_databases! {
    fn rules_of_the_base_definitions_are_asked_for(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        refused(client.post("Patient", &resource(CONTACT)), &[("invariant", "Patient.contact[0]")]);
        let outcome = client.post("Patient", &resource(CONTACT)).json();
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().starts_with("pat-1: "), "{outcome}");
        let code = json!({"resourceType": "Patient", "gender": "masculine"});
        refused(client.post("Patient", &code), &[("code-invalid", "Patient.gender")]);
        let target = json!({"resourceType": "Patient", "managingOrganization": {"reference": "Patient/1"}});
        refused(client.post("Patient", &target), &[("structure", "Patient.managingOrganization")]);
        // its shape comes first
        let mut both = resource(CONTACT);
        both["nickname"] = json!("x");
        client.post("Patient", &both).expect_outcome(400);
        assert_eq!(client.count("Patient"), 0);
        let entry = |json: Value| json!({"resource": json, "request": {"method": "POST", "url": "Patient"}});
        let entries = vec![entry(json!({"resourceType": "Patient"})), entry(resource(CONTACT)), entry(code)];
        let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let wanted = [("invariant", "Bundle.entry[1].resource.contact[0]"), ("code-invalid", "Bundle.entry[2].resource.gender")];
        refused(client.post("", &bundle("transaction")), &wanted);
        assert_eq!(client.count("Patient"), 0);
        let answer = client.post("", &bundle("batch")).expect(200).json();
        let statuses: Vec<&str> = answer["entry"].as_array().unwrap().iter().map(|e| &e["response"]["status"].as_str().unwrap()[..3]).collect();
        assert_eq!(statuses, ["201", "422", "422"]);
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p", "contact": [{"gender": "male", "name": {"text": "x"}}]})).expect(201);
        let patch = [("Content-Type", "application/json-patch+json")];
        let body = br#"[{"op":"remove","path":"/contact/0/name"}]"#;
        refused(client.send("PATCH", "/fhir/Patient/p", &patch, body), &[("invariant", "Patient.contact[0]")]);
        assert_eq!(client.get("Patient/p").json()["meta"]["versionId"], "1");
    }

    fn profiles_are_asked_for_by_mode(database) {
        let known = "http://hl7.org/fhir/StructureDefinition/heartrate";
        let post = |client: &mut Client, profile: Option<&str>| client.post("Observation", &heart_rate(profile));
        let app = TestApp::start(database);
        let mut client = app.client();
        let outcome = post(&mut client, Some(known)).expect_outcome(422);
        assert!(errors(&outcome).iter().any(|(_, place)| place == "Observation.category"), "{outcome}");
        post(&mut client, None).expect(201);
        post(&mut client, Some("http://example.org/unknown")).expect(201);
        drop(app);
        let app = self::app(database, "base");
        let mut client = app.client();
        post(&mut client, Some(known)).expect(201);
        refused(client.post("Patient", &resource(CONTACT)), &[("invariant", "Patient.contact[0]")]);
        drop(app);
        let app = self::app(database, "strict");
        let mut client = app.client();
        let outcome = post(&mut client, Some("http://example.org/unknown")).expect_outcome(422);
        assert!(errors(&outcome).iter().any(|(_, place)| place == "Observation.meta.profile[0]"), "{outcome}");
        client.post("Patient", &json!({"resourceType": "Patient"})).expect(201);
        drop(app);
        let app = self::app(database, "off");
        app.client().post("Patient", &resource(CONTACT)).expect(201);
    }

    fn warnings_are_told_to_those_who_ask(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = json!({"resourceType": "Patient", "extension": [{"url": "http://example.org/x", "valueBoolean": true}]}).to_string();
        let mut send = |prefer: &str, at: &str, body: &str| {
            let headers = [("Content-Type", "application/fhir+json"), ("Prefer", prefer)];
            client.send("POST", at, &headers, body.as_bytes())
        };
        let told = send("return=OperationOutcome", "/fhir/Patient", &body).expect(201).json();
        let issues = told["issue"].as_array().unwrap();
        assert_eq!(issues[0]["severity"], "information", "{told}");
        let is_it = |issue: &Value| issue["severity"] == "warning" && issue["expression"][0] == "Patient.extension[0]";
        assert!(issues.iter().any(is_it), "{told}");
        let whole = send("return=representation", "/fhir/Patient", &body).expect(201).json();
        assert_eq!(whole["resourceType"], "Patient");
        let bundle = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{body},"request":{{"method":"POST","url":"Patient"}}}}]}}"#);
        let told = send("return=OperationOutcome", "/fhir", &bundle).expect(200).json();
        let issues = told["entry"][0]["response"]["outcome"]["issue"].as_array().unwrap();
        assert!(issues.iter().any(is_it), "{told}");
    }

    fn a_transaction_of_faults_has_a_bounded_answer(database) {
        let app = TestApp::start(database);
        let entry = json!({"resource": resource(CONTACT), "request": {"method": "POST", "url": "Patient"}});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; 1000]});
        let outcome = app.client().post("", &bundle).expect_outcome(422);
        assert!((200..210).contains(&outcome["issue"].as_array().unwrap().len()));
    }
}
