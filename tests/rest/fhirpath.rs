//! `$fhirpath`.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_databases};

/// The results: of each its place, and the values of its parts.
fn results(answer: &Value) -> Vec<(Option<&str>, Vec<&Value>)> {
    let list = answer["parameter"].as_array().unwrap().iter().filter(|parameter| parameter["name"] == "result");
    let value = |part: &'static str| move |of: &Value| of[part] != Value::Null;
    list.map(|result| {
        let parts = result["part"].as_array().map(Vec::as_slice).unwrap_or_default();
        let values = parts.iter().filter(|part| value("valueString")(part)).map(|part| &part["valueString"]);
        (result["valueString"].as_str(), values.collect())
    })
    .collect()
}

on_both_databases! {
    fn expressions_are_evaluated_on_what_is_stored_and_what_is_sent(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = json!({"resourceType": "Patient", "id": "a", "name": [{"family": "A", "given": ["B"]}, {"family": "C"}]});
        client.put("Patient/a", &patient).expect(201);
        let (a, c) = (json!("A"), json!("C"));
        for target in ["Patient/a/$fhirpath?expression=name.family", "$fhirpath?expression=name.family&resource=Patient/a",
            "Patient/$fhirpath?expression=Patient.name.family&resource=Patient/a"] {
            let answer = client.get(target).expect(200).json();
            assert_eq!(results(&answer), [(None, vec![&a, &c])], "{target}");
            assert_eq!(answer["parameter"][0]["part"][0]["name"], "evaluator");
        }
        let answer = client.get("Patient/a/$fhirpath?expression=family&context=name").expect(200).json();
        assert_eq!(results(&answer), [(Some("Patient.name[0]"), vec![&a]), (Some("Patient.name[1]"), vec![&c])]);
        let answer = client.post("$fhirpath?expression=name.family", &patient).expect(200).json();
        assert_eq!(results(&answer), [(None, vec![&a, &c])]);
        let answer = client.get("$fhirpath?expression=1%20%2B%201").expect(200).json();
        assert_eq!(answer["parameter"][1]["part"][0]["valueInteger"], 2);
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient},
            {"name": "expression", "valueString": "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient') and %n = 5"},
            {"name": "variables", "part": [{"name": "n", "valueInteger": 5}]}]});
        let answer = client.post("$fhirpath", &body).expect(200).json();
        assert_eq!(answer["parameter"][1]["part"][0]["valueBoolean"], true, "{answer}");
    }

    fn what_cannot_be_evaluated_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a"})).expect(201);
        for (target, status, text) in [
            ("$fhirpath", 400, "expression"),
            ("$fhirpath?expression=a.", 400, "column"),
            ("$fhirpath?expression=nonsense()", 400, "unknown function"),
            ("$fhirpath?expression=1&nonsense=1", 400, "nonsense"),
            ("$fhirpath?expression=1&expression=2", 400, "once"),
            ("$fhirpath?expression=1&resource=nowhere", 400, "reference"),
            ("$fhirpath?expression=1&resource=Patient/b", 404, "Patient/b"),
            ("Patient/b/$fhirpath?expression=1", 404, "Patient/b"),
            ("Patient/a/$fhirpath?expression=1&resource=Patient/a", 400, "more than one"),
            ("Observation/$fhirpath?expression=1&resource=Patient/a", 400, "not a Observation"),
            ("Patient/a/$fhirpath?expression=nonsense&validate=true", 400, "no element"),
            ("Patient/a/$fhirpath?expression=1&validate=perhaps", 400, "Boolean"),
            ("$fhirpath?expression=1.repeatAll($this)", 400, "more than"),
            ("$fhirpath?expression=code&resource=%7B%22resourceType%22", 400, ""),
        ] {
            let outcome = client.get(target).expect_outcome(status);
            assert!(outcome.to_string().contains(text), "{target}: {outcome}");
        }
        client.send("DELETE", "/fhir/Patient/a/$fhirpath", &[], b"").expect_outcome(405);
    }
}
