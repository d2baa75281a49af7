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

    fn references_lead_to_what_is_stored(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let organization = |id: &str, part_of: &str| json!({"resourceType": "Organization", "id": id, "name": id,
            "partOf": {"reference": part_of}});
        for at in (1..=12).rev() {
            let (id, part_of) = (format!("o{at}"), format!("Organization/o{}", at + 1));
            let body = if at == 12 { json!({"resourceType": "Organization", "id": id, "name": id}) } else { organization(&id, &part_of) };
            client.put(&format!("Organization/{id}"), &body).expect(201);
        }
        let patient = |family: &str| json!({"resourceType": "Patient", "id": "a", "name": [{"family": family}],
            "managingOrganization": {"reference": "Organization/o8"}});
        client.put("Patient/a", &patient("A")).expect(201);
        client.put("Patient/a", &patient("B")).expect(200);
        client.put("Patient/gone", &json!({"resourceType": "Patient", "id": "gone"})).expect(201);
        client.delete("Patient/gone").expect(204);
        let subject = |reference: &str| json!({"resourceType": "Observation", "id": "o", "status": "final",
            "code": {"text": "x"}, "subject": {"reference": reference}});
        client.put("Observation/o", &subject("Patient/a")).expect(201);
        let expression = |text: &str| text.replace(' ', "%20").replace('\'', "%27").replace('|', "%7C").replace('&', "%26").replace("%x", "%25x");
        for (target, text, expected) in [
            ("Observation/o/", "subject.resolve().name.family", vec!["B"]),
            ("Observation/o/", "'Patient/a/_history/1'.resolve().name.family", vec!["A"]),
            ("Observation/o/", "subject.resolve().managingOrganization.resolve().name", vec!["o8"]),
            ("Observation/o/", "subject.resolve().managingOrganization.resolve().repeat(partOf.resolve()).name",
                vec!["o9", "o10", "o11", "o12"]),
            ("", "'Patient/no-such'.resolve().exists().toString()", vec!["false"]),
            ("", "'Patient/gone'.resolve().exists().toString()", vec!["false"]),
            ("", "'http://elsewhere/fhir/Patient/a'.resolve().exists().toString()", vec!["false"]),
        ] {
            let answer = client.get(&format!("{target}$fhirpath?expression={}", expression(text))).expect(200).json();
            let found: Vec<Value> = results(&answer).into_iter().flat_map(|(_, values)| values).cloned().collect();
            assert_eq!(found, expected.into_iter().map(Value::from).collect::<Vec<_>>(), "{text}: {answer}");
        }
        // the resource is sent, and refers to what is stored
        let answer = client.post("$fhirpath?expression=subject.resolve().name.family", &subject("Patient/a")).expect(200).json();
        assert_eq!(results(&answer), [(None, vec![&json!("B")])]);
        let answer = client.get("Observation/o/$fhirpath?expression=subject.resolve()").expect(200).json();
        assert_eq!(answer["parameter"][1]["part"][0]["resource"]["id"], "a");
        let nine = "(1|2|3|4|5|6|7|8|9)";
        let many = format!("{nine}.select(defineVariable('x').select({nine}.select(('Patient/' & %x.toString() & $this.toString()).resolve())))");
        for text in ["'Organization/o1'.resolve().repeat(partOf.resolve())", &many] {
            let outcome = client.get(&format!("$fhirpath?expression={}", expression(text))).expect_outcome(400);
            assert!(outcome.to_string().contains("too-costly"), "{outcome}");
        }
        // very many references are not noted one by one
        let items: Vec<Value> = (0..20_000).map(|n| json!({"item": {"reference": format!("Patient/n{n}")}})).collect();
        let list = json!({"resourceType": "List", "status": "current", "mode": "working", "entry": items});
        let outcome = client.post("$fhirpath?expression=entry.item.resolve().count()", &json!({"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": list}]})).expect_outcome(400);
        assert!(outcome.to_string().contains("too-costly"), "{outcome}");
    }

    fn elements_have_definitions_and_canonical_urls_lead_to_theirs(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = json!({"resourceType": "Patient", "id": "a", "birthDate": "2000-01-01", "name": [{"given": ["A", "B"]}],
            "maritalStatus": {"text": "x"}, "link": [{"type": "seealso", "other": {"reference": "Patient/b"}}]});
        client.put("Patient/a", &patient).expect(201);
        let profile = json!({"resourceType": "StructureDefinition", "id": "own", "url": "http://here/own", "version": "1.0",
            "name": "Own", "status": "active", "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": [{"id": "Patient", "path": "Patient"}]}});
        client.put("StructureDefinition/own", &profile).expect(201);
        for (version, title) in [("1", "first"), ("2", "second")] {
            let measure = json!({"resourceType": "Measure", "id": format!("m{version}"), "url": "http://here/Measure/m", "version": version,
                "title": title, "status": "active"});
            client.put(&format!("Measure/m{version}"), &measure).expect(201);
        }
        let base = "http://hl7.org/fhir/StructureDefinition";
        for (text, expected) in [
            ("elementDefinition().path".to_owned(), vec!["Patient"]),
            ("birthDate.elementDefinition().short".to_owned(), vec!["The date of birth for the individual"]),
            ("name.given.elementDefinition().path".to_owned(), vec!["HumanName.given", "HumanName.given"]),
            ("maritalStatus.elementDefinition().binding.strength.toString()".to_owned(), vec!["extensible"]),
            ("link.type.elementDefinition().min.toString()".to_owned(), vec!["1"]),
            ("link.other.elementDefinition().type.code.toString()".to_owned(), vec!["Reference"]),
            ("name.elementDefinition().type.code.elementDefinition().path".to_owned(), vec!["ElementDefinition.type.code"]),
            ("name.given.first().substring(0).elementDefinition().exists().toString()".to_owned(), vec!["false"]),
            (format!("'{base}/Patient'.resolve().name"), vec!["Patient"]),
            (format!("'{base}/Patient|4.0.1'.resolve().name"), vec!["Patient"]),
            (format!("'{base}/Patient|3.0.1'.resolve().exists().toString()"), vec!["false"]),
            (format!("'{base}/Patient'.resolve().snapshot.element.where(path = 'Patient.gender').binding.valueSet.resolve().name"),
                vec!["AdministrativeGender"]),
            ("'http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips'.resolve().type.toString()".to_owned(), vec!["Patient"]),
            ("'http://here/own'.resolve().name".to_owned(), vec!["Own"]),
            ("'http://here/own|1.0'.resolve().id.toString()".to_owned(), vec!["own"]),
            ("'http://here/own|2.0'.resolve().exists().toString()".to_owned(), vec!["false"]),
            ("'http://here/Measure/m'.resolve().title".to_owned(), vec!["second"]),
            ("'http://here/Measure/m|1'.resolve().title".to_owned(), vec!["first"]),
            ("'http://here/Measure/m|3'.resolve().exists().toString()".to_owned(), vec!["false"]),
            ("'http://nowhere/profile'.resolve().exists().toString()".to_owned(), vec!["false"]),
        ] {
            let body = json!({"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": text}]});
            let answer = client.post("Patient/a/$fhirpath", &body).expect(200).json();
            let found: Vec<Value> = results(&answer).into_iter().flat_map(|(_, values)| values).cloned().collect();
            assert_eq!(found, expected.into_iter().map(Value::from).collect::<Vec<_>>(), "{text}: {answer}");
        }
        // what the tenant has deleted is not there any more
        client.delete("StructureDefinition/own").expect(204);
        let answer = client.get("$fhirpath?expression=%27http://here/own%27.resolve().exists().toString()").expect(200).json();
        assert_eq!(results(&answer), [(None, vec![&json!("false")])]);
    }

    fn nothing_is_no_result(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for text in ["%7B%7D", "%25resource", "$this", "1.where(false)"] {
            let answer = client.get(&format!("$fhirpath?expression={text}")).expect(200).json();
            assert_eq!(answer["parameter"].as_array().unwrap().len(), 1, "{text}: {answer}");
        }
        let patient = json!({"resourceType": "Patient", "name": [{"family": "A"}]});
        let answer = client.post("$fhirpath?expression=given&context=name", &patient).expect(200).json();
        assert_eq!(results(&answer), [(Some("Patient.name[0]"), vec![])]);
    }

    fn codes_of_elements_have_the_system_of_their_binding(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = json!({"resourceType": "Patient", "id": "a", "gender": "male"});
        client.put("Patient/a", &patient).expect(201);
        for text in ["%25terminologies.lookup(gender)", "%25terminologies.lookup(%27Patient/a%27.resolve().gender)"] {
            let text = format!("{text}.parameter.where(name=%27display%27).value");
            let answer = client.get(&format!("Patient/a/$fhirpath?expression={text}")).expect(200).json();
            assert_eq!(results(&answer), [(None, vec![&json!("Male")])], "{text}");
        }
        for text in ["gender.memberOf(%27http://hl7.org/fhir/ValueSet/administrative-gender%7C9.9%27)",
            "conformsTo(%27http://hl7.org/fhir/StructureDefinition/Patient%7C9.9%27)", "1%20is%20System.foo"] {
            client.get(&format!("Patient/a/$fhirpath?expression={text}")).expect_outcome(400);
        }
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
