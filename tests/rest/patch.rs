//! PATCH in its forms, by id and by condition, alone and in Bundles (FHIR R4 `http.html`, 3.1.0.6; `fhirpatch.html`).

use serde_json::{Value, json};

use super::conditional::statuses;
use crate::support::{Answer, Client, TestApp, on_both_databases, redact};

const JSON_PATCH: (&str, &str) = ("Content-Type", "application/json-patch+json");
const MERGE_PATCH: (&str, &str) = ("Content-Type", "application/merge-patch+json");
const FHIR: (&str, &str) = ("Content-Type", "application/fhir+json");

fn send(client: &mut Client, target: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    client.send("PATCH", &format!("/fhir/{target}"), headers, body.to_string().as_bytes())
}

fn part(name: &str, value: (&str, Value)) -> Value {
    json!({"name": name, value.0: value.1})
}

/// A FHIRPath Patch of one operation.
fn parameters(parts: &[Value]) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
}

fn replace(path: &str, value: (&str, Value)) -> Value {
    parameters(&[
        part("type", ("valueCode", json!("replace"))),
        part("path", ("valueString", json!(path))),
        part("value", value),
    ])
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn body(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": "http://p", "value": id}],
        "name": [{"family": "Before", "given": ["A", "B"]}], "birthDate": "1970-01-01"})
}

on_both_databases! {
    fn in_three_forms(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &body("p")).expect(201);
        let patch = json!([{"op": "test", "path": "/name/0/given/1", "value": "B"}, {"op": "add", "path": "/name/0/given/-", "value": "C"}]);
        let patched = send(&mut client, "Patient/p", &[JSON_PATCH], &patch).expect(200);
        insta::assert_snapshot!("patched", redact(&patched));
        send(&mut client, "Patient/p", &[MERGE_PATCH], &json!({"birthDate": null, "active": true})).expect(200);
        let fhirpath = replace("Patient.name[0].family", ("valueString", json!("After")));
        let answer = send(&mut client, "Patient/p", &[FHIR], &fhirpath).expect(200);
        assert_eq!(answer.header("etag"), Some("W/\"4\""));
        assert_eq!(answer.location(), ("Patient/p".to_owned(), "4".to_owned()));
        let read = client.get("Patient/p").expect(200).json();
        assert_eq!((&read["name"][0]["family"], &read["name"][0]["given"], &read["active"], read.get("birthDate")),
            (&json!("After"), &json!(["A", "B", "C"]), &json!(true), None));
        assert_eq!((client.count("Patient?family=after"), client.count("Patient?family=before")), (1, 0));
        // What changes nothing makes no version.
        let same = send(&mut client, "Patient/p", &[MERGE_PATCH], &json!({"active": true})).expect(200);
        assert_eq!(same.header("etag"), Some("W/\"4\""));
        let history = client.get("Patient/p/_history").expect(200).json();
        assert_eq!((history["total"].as_u64(), &history["entry"][0]["request"]["method"]), (Some(4), &json!("PUT")));
    }

    fn what_does_not_fit_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &body("p")).expect(201);
        for (headers, patch, status) in [
            (JSON_PATCH, json!([{"op": "replace", "path": "/nothing", "value": 1}]), 422),
            (JSON_PATCH, json!([{"op": "test", "path": "/birthDate", "value": "x"}]), 422),
            (JSON_PATCH, json!({"op": "remove", "path": "/birthDate"}), 400),
            (JSON_PATCH, json!([{"op": "remove", "path": "/id"}]), 400),
            (JSON_PATCH, json!([{"op": "replace", "path": "/id", "value": "q"}]), 400),
            (JSON_PATCH, json!([{"op": "add", "path": "/nonsense", "value": 1}]), 400),
            (JSON_PATCH, json!([{"op": "replace", "path": "/birthDate", "value": "1970-02-30"}]), 400),
            (MERGE_PATCH, json!({"resourceType": "Person"}), 400),
            (MERGE_PATCH, json!([]), 400),
            (FHIR, replace("Patient.maritalStatus", ("valueCode", json!("M"))), 422),
            (FHIR, replace("Patient.birthDate", ("valueString", json!("1970"))), 422),
            (FHIR, replace("Patient.name.given", ("valueString", json!("x"))), 422),
            (FHIR, replace("Patient.birthDate + 1 year", ("valueDate", json!("1970"))), 422),
            (FHIR, replace("Patient.(", ("valueDate", json!("1970"))), 400),
            (FHIR, body("p"), 400),
            (("Content-Type", "application/xml-patch+xml"), json!([]), 400),
            (("Content-Type", "text/plain"), json!([]), 415),
        ] {
            let answer = send(&mut client, "Patient/p", &[headers], &patch);
            assert_eq!(answer.status, status, "{patch}: {}", answer.text());
            answer.expect_outcome(status);
        }
        let refused = send(&mut client, "Patient/p", &[("Content-Type", "text/plain")], &json!([]));
        assert!(refused.header("accept-patch").is_some_and(|list| list.contains("application/xml-patch+xml")), "{refused:?}");
        client.send("PATCH", "/fhir/Patient/p", &[JSON_PATCH], b"[{").expect_outcome(400);
        client.send("PATCH", "/fhir/Patient/p", &[JSON_PATCH], b"").expect_outcome(400);
        send(&mut client, "Patient/unknown", &[MERGE_PATCH], &json!({"active": true})).expect_outcome(404);
        assert_eq!(client.get("Patient/p").expect(200).json()["meta"]["versionId"], "1");
        client.delete("Patient/p").expect(204);
        send(&mut client, "Patient/p", &[MERGE_PATCH], &json!({"active": true})).expect_outcome(410);
    }

    fn in_xml(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut patient = body("p");
        patient["text"] = json!({"status": "empty", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>a&#160;b</div>"});
        client.put("Patient/p", &patient).expect(201);
        let diff = |operations: &str| format!(r#"<diff xmlns:f="http://hl7.org/fhir">{operations}</diff>"#);
        let mut patch = |target: &str, headers: &[(&str, &str)], operations: &str| {
            let headers = [&[("Content-Type", "application/xml-patch+xml")], headers].concat();
            client.send("PATCH", &format!("/fhir/{target}"), &headers, diff(operations).as_bytes())
        };
        let operations = r#"<replace sel="f:Patient/f:birthDate/@value">1980-02-29</replace><remove sel="f:Patient/f:name/f:given[2]"/>
            <add sel="f:Patient"><f:active value="true"/></add><add sel="f:Patient/f:name/f:given" pos="before"><f:given value="&#196;"/></add>
            <replace sel="f:Patient/f:identifier[f:system/@value='http://p']/f:value/@value">q</replace>"#;
        let patched = patch("Patient/p", &[("If-Match", "W/\"1\"")], operations).expect(200);
        assert_eq!((patched.header("etag"), patched.location()), (Some("W/\"2\""), ("Patient/p".to_owned(), "2".to_owned())));
        let read = patched.json();
        assert_eq!((&read["birthDate"], &read["active"], &read["name"][0]["given"], &read["identifier"][0]["value"], &read["text"]),
            (&json!("1980-02-29"), &json!(true), &json!(["Ä", "A"]), &json!("q"), &patient["text"]));
        patch("Patient/p", &[("If-Match", "W/\"1\"")], operations).expect_outcome(412);
        let same = patch("Patient/p", &[], r#"<replace sel="f:Patient/f:active/@value">true</replace>"#).expect(200);
        assert_eq!(same.header("etag"), Some("W/\"2\""));
        // The answer has the form that is asked for.
        let xml = patch("Patient?identifier=http://p%7Cq", &[("Accept", "application/fhir+xml")], r#"<remove sel="f:Patient/f:active"/>"#).expect(200);
        assert!(xml.text().contains("<birthDate value=\"1980-02-29\"/>") && !xml.text().contains("active"), "{}", xml.text());
        patch("Patient?identifier=http://p%7Cnone", &[], operations).expect_outcome(404);
        for (operations, status, told) in [
            (r#"<remove sel="f:Patient/f:gender"/>"#, 422, "operation 0 (remove f:Patient/f:gender)"),
            // Names without a prefix are in no namespace here, and FHIR has no such elements.
            (r#"<remove sel="Patient/birthDate"/>"#, 422, "namespace"),
            (r#"<add sel="f:Patient"><gender value="male"/></add>"#, 400, "namespace"),
            (r#"<replace sel="f:Patient/f:birthDate/@value">1980-02-30</replace>"#, 400, "birthDate"),
            (r#"<replace sel="f:Patient/f:id/@value">q</replace>"#, 400, "id"),
            (r#"<add sel="f:Patient"><f:nickname value="x"/></add>"#, 400, "nickname"),
            (r#"<remove sel="//f:birthDate"/>"#, 400, "selector"),
            ("<remove sel='f:Patient/f:birthDate'>", 400, "invalid XML"),
            ("", 400, "no operation"),
        ] {
            let outcome = patch("Patient/p", &[], operations).expect_outcome(status);
            assert!(outcome.to_string().contains(told), "{operations}: {outcome}");
        }
        let hostile = format!("<!DOCTYPE d [<!ENTITY a 'b'>]>{}", diff(r#"<remove sel="f:Patient/f:birthDate"/>"#));
        client.send("PATCH", "/fhir/Patient/p", &[("Content-Type", "application/xml-patch+xml")], hostile.as_bytes()).expect_outcome(400);
        assert_eq!(client.get("Patient/p").expect(200).json()["meta"]["versionId"], "3");
    }

    fn by_version_and_by_condition(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &body("p")).expect(201);
        let active = |is: bool| json!({"active": is});
        send(&mut client, "Patient/p", &[MERGE_PATCH, ("If-Match", "W/\"1\"")], &active(true)).expect(200);
        send(&mut client, "Patient/p", &[MERGE_PATCH, ("If-Match", "W/\"1\"")], &active(false)).expect_outcome(412);
        let found = "Patient?identifier=http://p%7Cp";
        send(&mut client, found, &[MERGE_PATCH, ("If-Match", "W/\"1\"")], &active(false)).expect_outcome(412);
        let answer = send(&mut client, found, &[MERGE_PATCH, ("If-Match", "W/\"2\"")], &active(false)).expect(200);
        assert_eq!(answer.location(), ("Patient/p".to_owned(), "3".to_owned()));
        send(&mut client, "Patient?family=before", &[MERGE_PATCH], &active(true)).expect(200);
        send(&mut client, "Patient?identifier=http://p%7Cq", &[MERGE_PATCH], &active(true)).expect_outcome(404);
        client.put("Patient/q", &body("q")).expect(201);
        send(&mut client, "Patient?family=before", &[MERGE_PATCH], &active(false)).expect_outcome(412);
        send(&mut client, "Patient", &[MERGE_PATCH], &active(false)).expect_outcome(400);
        let minimal = send(&mut client, "Patient/q", &[MERGE_PATCH, ("Prefer", "return=minimal")], &active(true)).expect(200);
        assert!(minimal.body.is_empty() && minimal.header("etag") == Some("W/\"2\"") && minimal.header("last-modified").is_some());
        let outcome = send(&mut client, "Patient/q", &[MERGE_PATCH, ("Prefer", "return=OperationOutcome")], &active(false));
        assert_eq!(outcome.expect(200).json()["resourceType"], "OperationOutcome");
    }

    fn in_bundles(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &body("p")).expect(201);
        client.put("Patient/q", &body("q")).expect(201);
        let entry = |url: &str, resource: Value| json!({"resource": resource, "request": {"method": "PATCH", "url": url}});
        let urn = "urn:uuid:44444444-4444-4444-8444-444444444444";
        let doctor = json!({"fullUrl": urn, "resource": {"resourceType": "Practitioner"}, "request": {"method": "POST", "url": "Practitioner"}});
        let add = parameters(&[
            part("type", ("valueCode", json!("add"))),
            part("path", ("valueString", json!("Patient"))),
            part("name", ("valueString", json!("generalPractitioner"))),
            part("value", ("valueReference", json!({"reference": urn}))),
        ]);
        // [{"op":"remove","path":"/birthDate"}]
        let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json",
            "data": "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2JpcnRoRGF0ZSJ9XQ=="});
        let held = |kind: &str, text: &str| json!({"resourceType": "Binary", "contentType": kind, "data": base64(text)});
        client.put("Patient/x", &body("x")).expect(201);
        client.put("Patient/m", &body("m")).expect(201);
        let forms = [
            entry("Patient/x", held("application/xml-patch+xml", r#"<diff xmlns="http://hl7.org/fhir"><remove sel="Patient/birthDate"/></diff>"#)),
            entry("Patient/m", held("application/merge-patch+json", r#"{"birthDate":null}"#)),
            entry("Patient/x", held("text/plain", "x")),
            entry("Patient/x", held("application/xml-patch+xml", "<diff/>")),
            entry("Patient/x", json!({"resourceType": "Binary", "contentType": "application/json-patch+json"})),
        ];
        let answer = client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": forms})).expect(200).json();
        assert_eq!(statuses(&answer), ["200", "200", "400", "400", "400"], "{answer}");
        for id in ["x", "m"] {
            assert_eq!(client.get(&format!("Patient/{id}")).expect(200).json().get("birthDate"), None);
        }
        let mut bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [doctor, entry("Patient/p", add), entry("Patient?identifier=http://p|q", binary)]});
        let answer = client.post("", &bundle).expect(200).json();
        assert_eq!(statuses(&answer), ["201", "200", "200"]);
        let reference = client.get("Patient/p").expect(200).json()["generalPractitioner"][0]["reference"].clone();
        assert!(reference.as_str().unwrap().starts_with("Practitioner/"), "{reference}");
        assert_eq!(client.get("Patient/q").expect(200).json().get("birthDate"), None);
        // All or nothing, and the same resource once only.
        let wrong = entry("Patient/q", replace("Patient.nonsense", ("valueString", json!("x"))));
        bundle["entry"] = json!([entry("Patient/p", replace("Patient.birthDate", ("valueDate", json!("1980")))), wrong]);
        let outcome = client.post("", &bundle).expect_outcome(422);
        assert!(outcome["issue"][0]["expression"][0].as_str().unwrap().starts_with("Bundle.entry[1]"), "{outcome}");
        let twice = entry("Patient?identifier=http://p|p", replace("Patient.birthDate", ("valueDate", json!("1980"))));
        bundle["entry"] = json!([twice, {"request": {"method": "DELETE", "url": "Patient/p"}}]);
        client.post("", &bundle).expect_outcome(400);
        assert_eq!(client.get("Patient/p").expect(200).json()["birthDate"], "1970-01-01");
        let good = entry("Patient/p", replace("Patient.birthDate", ("valueDate", json!("1980"))));
        let stale = json!({"resource": replace("Patient.birthDate", ("valueDate", json!("1990"))),
            "request": {"method": "PATCH", "url": "Patient/p", "ifMatch": "W/\"1\""}});
        bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [stale, good]});
        assert_eq!(statuses(&client.post("", &bundle).expect(200).json()), ["412", "200"]);
    }

    fn hostile_patches_are_bounded(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &body("p")).expect(201);
        let mut doubling = vec![json!({"op": "add", "path": "/x", "value": ["0123456789"]})];
        doubling.extend((0..60).map(|_| json!({"op": "copy", "from": "/x", "path": "/x/-"})));
        send(&mut client, "Patient/p", &[JSON_PATCH], &Value::Array(doubling)).expect_outcome(422);
        let many = vec![json!({"op": "test", "path": "/id", "value": "p"}); 1001];
        send(&mut client, "Patient/p", &[JSON_PATCH], &Value::Array(many)).expect_outcome(400);
        let deep = format!("Patient{}", ".repeat(name | children())".repeat(200));
        let answer = send(&mut client, "Patient/p", &[FHIR], &replace(&deep, ("valueString", json!("x"))));
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        client.get("Patient/p").expect(200);
    }
}
