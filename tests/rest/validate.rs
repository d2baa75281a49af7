//! `$validate`: verdicts, profiles, modes, and what cannot be read.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/fhir+json")];

/// Asks, and gives severities and places of what comes back, errors first.
fn judged(client: &mut Client, at: &str, body: &Value) -> Vec<(String, String)> {
    issues(&client.post(at, body).expect(200).json())
}

fn issues(outcome: &Value) -> Vec<(String, String)> {
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = outcome["issue"].as_array().unwrap().iter();
    all.map(|issue| (text(&issue["severity"]), text(&issue["expression"][0]))).collect()
}

fn errors(issues: &[(String, String)]) -> Vec<&str> {
    issues.iter().filter(|issue| issue.0 == "error").map(|issue| issue.1.as_str()).collect()
}

fn parameters(parts: &[Value]) -> Value {
    json!({"resourceType": "Parameters", "parameter": parts})
}

on_both_databases! {
    fn verdicts_are_answers(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let good = json!({"resourceType": "Patient", "text": {"status": "generated",
            "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}, "active": true});
        let told = judged(&mut client, "Patient/$validate", &good);
        assert_eq!(told, [("information".to_owned(), String::new())]);
        let bad = json!({"resourceType": "Patient", "nickname": "x", "birthDate": "2023-02-30", "gender": "masculine",
            "contact": [{"gender": "male"}], "extension": [{"url": "http://example.org/x", "valueBoolean": true}]});
        let told = judged(&mut client, "Patient/$validate", &bad);
        for place in ["Patient", "Patient.birthDate", "Patient.gender", "Patient.contact[0]"] {
            assert!(errors(&told).iter().any(|error| error.starts_with(place)), "{place}: {told:?}");
        }
        assert!(told.contains(&("warning".to_owned(), "Patient.extension[0]".to_owned())), "{told:?}");
        let wrapped = parameters(&[json!({"name": "resource", "resource": bad})]);
        assert_eq!(judged(&mut client, "Patient/$validate", &wrapped), told);
        assert_eq!(judged(&mut client, "$validate", &bad), told);
        assert_eq!(errors(&judged(&mut client, "Observation/$validate", &good)), ["Patient"]);
        assert_eq!(client.count("Patient"), 0, "nothing is stored");
        // what is no resource is not valid, and that has a place
        for (body, place) in [("{\"resourceType\":\"Patient\",\n \"name\":[}", "line 2"), ("{\"resourceType\":\"Patient\",\"id\":\"a\",\"id\":\"b\"}", "line 1"), ("[]", ""), ("x", "line 1")] {
            let outcome = client.send("POST", "/fhir/Patient/$validate", &JSON, body.as_bytes()).expect(200).json();
            assert!(!errors(&issues(&outcome)).is_empty(), "{outcome}");
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains(place), "{outcome}");
        }
        let xml = [("Content-Type", "application/fhir+xml")];
        let body = "<Patient xmlns=\"http://hl7.org/fhir\"><nickname value=\"x\"/></Patient>";
        let outcome = client.send("POST", "/fhir/Patient/$validate", &xml, body.as_bytes()).expect(200).json();
        assert!(!errors(&issues(&outcome)).is_empty(), "{outcome}");
        // what is judged is read as it stands, what is stored without the white space around values
        let body = body.replace("<nickname value=\"x\"/>", "<gender value=\"male \"/>");
        let outcome = client.send("POST", "/fhir/Patient/$validate", &xml, body.as_bytes()).expect(200).json();
        assert_eq!(errors(&issues(&outcome)), ["Patient.gender", "Patient.gender"], "{outcome}");
        let stored = client.send("POST", "/fhir/Patient", &xml, body.as_bytes()).expect(201);
        assert!(stored.text().contains("\"male\""), "{}", stored.text());
        for (at, body) in [
            ("Patient/$validate", parameters(&[])),
            ("Patient/$validate?mode=delete", good.clone()),
            ("Patient/$validate?mode=update", good.clone()),
            ("Patient/$validate?mode=read", good.clone()),
            ("Patient/p/$validate?mode=profile", good.clone()),
        ] {
            client.post(at, &body).expect_outcome(400);
        }
        client.send("POST", "/fhir/Patient/$validate", &JSON, b"").expect_outcome(400);
        client.get("Patient/$validate").expect_outcome(400);
        client.get("Patient/none/$validate").expect_outcome(404);
        let entry = json!({"resource": bad, "request": {"method": "POST", "url": "Patient/$validate"}});
        let answer = client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})).expect(200).json();
        let response = &answer["entry"][0]["response"];
        assert_eq!(response["status"].as_str().unwrap()[..3], *"200", "{answer}");
        assert_eq!(issues(&answer["entry"][0]["resource"]), told);
    }

    fn profiles_are_named_or_claimed(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let rate = json!({"resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/p"}, "code": {"text": "pulse"}});
        let heart = "http://hl7.org/fhir/StructureDefinition/heartrate";
        assert!(errors(&judged(&mut client, "Observation/$validate", &rate)).is_empty());
        let told = judged(&mut client, &format!("Observation/$validate?profile={heart}"), &rate);
        assert!(errors(&told).contains(&"Observation.category"), "{told:?}");
        let wrapped = parameters(&[json!({"name": "resource", "resource": rate}), json!({"name": "profile", "valueUri": heart})]);
        assert_eq!(judged(&mut client, "Observation/$validate", &wrapped), told);
        client.post("Observation/$validate?profile=http://hl7.org/fhir/StructureDefinition/heartrate%7C9.9", &rate).expect_outcome(404);
        let twice = parameters(&[json!({"name": "resource", "resource": rate}), json!({"name": "resource", "resource": rate})]);
        client.post("Observation/$validate", &twice).expect_outcome(400);
        let outcome = client.post("Observation/$validate?profile=http://example.org/none", &rate).expect_outcome(404);
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains("http://example.org/none"), "{outcome}");
        // a profile of another type
        let told = judged(&mut client, "Observation/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", &rate);
        assert!(!errors(&told).is_empty(), "{told:?}");
        // what it answers is the resource of an entry
        let entry = json!({"resource": rate, "request": {"method": "POST", "url": "Observation/$validate"}});
        let batch = client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})).expect(200).json();
        assert_eq!(batch["entry"][0]["resource"]["resourceType"], "OperationOutcome", "{batch}");
        client.put("Observation/o", &rate).expect(201);
        assert!(errors(&issues(&client.get("Observation/o/$validate").expect(200).json())).is_empty());
        let told = issues(&client.get(&format!("Observation/o/$validate?mode=profile&profile={heart}")).expect(200).json());
        assert!(errors(&told).contains(&"Observation.category"), "{told:?}");
        // the code alone asks for it, when one asks
        let mut implied = rate;
        implied["code"] = json!({"coding": [{"system": "http://loinc.org", "code": "8867-4"}]});
        assert!(errors(&judged(&mut client, "Observation/$validate", &implied)).contains(&"Observation.category"));
    }

    fn modes_ask_whether_it_would_be_done(database) {
        let mut app = TestApp::start(database);
        app.restart_with(&[], &[("CRESSET_REFERENTIAL_INTEGRITY", "true"), ("CRESSET_UPDATE_CREATE", "false")]);
        let mut client = app.client();
        let stored = client.post("Patient", &json!({"resourceType": "Patient"})).expect(201).json();
        let own = stored["id"].as_str().unwrap();
        let patient = format!("Patient/{own}");
        let rate = |subject: &str| json!({"resourceType": "Observation", "status": "final", "subject": {"reference": subject}, "code": {"text": "pulse"}});
        let is_fine = |client: &mut Client, at: &str, body: &Value| errors(&judged(client, at, body)).is_empty();
        assert!(is_fine(&mut client, "Observation/$validate?mode=create", &rate(&patient)));
        assert!(!is_fine(&mut client, "Observation/$validate?mode=create", &rate("Patient/none")));
        assert!(is_fine(&mut client, "Observation/$validate", &rate("Patient/none")));
        let body = |id: &str| json!({"resourceType": "Patient", "id": id});
        assert!(is_fine(&mut client, &format!("{patient}/$validate?mode=update"), &body(own)));
        assert!(!is_fine(&mut client, &format!("{patient}/$validate?mode=update"), &body("other")));
        assert!(!is_fine(&mut client, "Patient/unknown/$validate?mode=update", &body("unknown")));
        let outcome = client.with_body("POST", &format!("{patient}/$validate?mode=update"), &[("If-Match", "W/\"7\"")], &body(own));
        assert!(!errors(&issues(&outcome.expect(200).json())).is_empty());
        let nothing = json!({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]});
        assert!(is_fine(&mut client, &format!("{patient}/$validate"), &nothing));
        client.post("Observation", &rate(&patient)).expect(201);
        assert!(!is_fine(&mut client, &format!("{patient}/$validate"), &nothing));
        client.post("Patient/none/$validate", &nothing).expect_outcome(404);
        assert_eq!((client.count("Observation"), client.count("Patient")), (1, 1));
    }
}
