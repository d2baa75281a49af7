//! SearchParameter resources: what is posted can be searched.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

/// A definition in force, with further elements.
pub fn definition(code: &str, base: &str, kind: &str, expression: &str, more: Value) -> Value {
    let mut resource = json!({"resourceType": "SearchParameter", "id": code, "url": format!("http://x/{code}"),
        "name": "n", "status": "active", "description": format!("about {code}"), "code": code, "base": [base], "type": kind,
        "expression": expression});
    for (name, value) in more.as_object().into_iter().flatten() {
        resource[name] = value.clone();
    }
    resource
}

fn define(client: &mut Client, code: &str, base: &str, kind: &str, expression: &str, more: Value) {
    client.put(&format!("SearchParameter/{code}"), &definition(code, base, kind, expression, more)).expect(201);
}

fn extended(id: &str, extensions: Value) -> Value {
    json!({"resourceType": "Patient", "id": id, "extension": extensions})
}

/// The ids that a search finds, in order; it has no warning and knows all of its parameters.
#[track_caller]
fn ids(client: &mut Client, query: &str) -> Vec<String> {
    let answer =
        client.send("GET", &format!("/fhir/{query}"), &[("Prefer", "handling=strict")], &[]).expect(200).json();
    let entries = answer["entry"].as_array().cloned().unwrap_or_default();
    assert!(entries.iter().all(|entry| entry["search"]["mode"] != "outcome"), "{query}: {answer}");
    entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

/// What an operation says of a definition.
pub fn state(client: &mut Client, code: &str) -> Value {
    let answer = client.get("SearchParameter/$reindex-status").expect(200).json();
    let each = answer["parameter"].as_array().unwrap().iter().filter(|each| each["name"] == "searchParameter");
    let value = |each: &Value, name: &str, kind: &str| {
        each["part"]
            .as_array()
            .unwrap()
            .iter()
            .find(|part| part["name"] == name)
            .map_or(Value::Null, |part| part[kind].clone())
    };
    let mut found = each.filter(|each| value(each, "code", "valueCode") == code);
    found.next().map_or(Value::Null, |each| value(each, "state", "valueCode"))
}

on_both_databases! {
    fn every_type_of_parameter_on_extensions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let of = |name: &str| format!("Patient.extension.where(url='http://x/{name}').value");
        let a = json!([
            {"url": "http://x/text", "valueString": "Grüße aus Köln"},
            {"url": "http://x/code", "valueCoding": {"system": "http://s", "code": "blue", "display": "Sky blue"}},
            {"url": "http://x/word", "valueString": "MiXed"},
            {"url": "http://x/ref", "valueReference": {"reference": "Organization/o"}},
            {"url": "http://x/when", "valueDate": "2024-02-29"},
            {"url": "http://x/number", "valueDecimal": 1.50},
            {"url": "http://x/amount", "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "g", "unit": "g"}},
            {"url": "http://x/link", "valueUri": "http://y/z"},
            {"url": "http://x/pair", "extension": [{"url": "c", "valueCode": "k"}, {"url": "n", "valueInteger": 5}]},
            {"url": "http://x/pair", "extension": [{"url": "c", "valueCode": "m"}, {"url": "n", "valueInteger": 9}]}]);
        // What was there before is found as well as what comes after.
        client.put("Organization/o", &json!({"resourceType": "Organization", "id": "o", "name": "House"})).expect(201);
        client.put("Patient/a", &extended("a", a)).expect(201);
        for (name, kind) in [("text", "string"), ("code", "token"), ("word", "token"), ("ref", "reference"), ("when", "date"),
            ("number", "number"), ("amount", "quantity"), ("link", "uri")] {
            let target = if kind == "reference" { json!({"target": ["Organization"]}) } else { json!({}) };
            define(&mut client, &format!("x-{name}"), "Patient", kind, &of(name), target);
        }
        define(&mut client, "x-c", "Patient", "token", "Patient.extension.where(url='http://x/pair').extension.where(url='c').value", json!({}));
        define(&mut client, "x-n", "Patient", "number", "Patient.extension.where(url='http://x/pair').extension.where(url='n').value", json!({}));
        define(&mut client, "x-pair", "Patient", "composite", "Patient.extension.where(url='http://x/pair')", json!({"component": [
            {"definition": "http://x/x-c", "expression": "extension.where(url='c').value"},
            {"definition": "http://x/x-n", "expression": "extension.where(url='n').value"}]}));
        let b = json!([{"url": "http://x/text", "valueString": "grusse"}, {"url": "http://x/when", "valueDateTime": "2025-01-01T00:00:00Z"},
            {"url": "http://x/number", "valueInteger": 7}, {"url": "http://x/code", "valueCode": "green"}]);
        client.put("Patient/b", &extended("b", b)).expect(201);
        let (a, b, ab) = (vec!["a"], vec!["b"], vec!["a", "b"]);
        for (query, expected) in [
            ("x-text=GRUSSE", &ab), ("x-text:exact=grusse", &b), ("x-text:contains=koln", &a), ("x-text:missing=true", &vec![]),
            ("x-code=http://s%7Cblue", &a), ("x-code=blue,green", &ab), ("x-code:not=blue", &b), ("x-code:text=sky", &a),
            ("x-word=mixed", &a), ("x-word=MIXED", &a), ("x-word:missing=true", &b),
            ("x-ref=Organization/o", &a), ("x-ref:Organization=o", &a), ("x-ref.name=house", &a), ("x-ref:Organization.name=house", &a),
            ("x-when=2024-02", &a), ("x-when=gt2024-06", &b), ("x-when=ge2024", &ab), ("x-when:missing=false", &ab),
            ("x-number=1.5", &a), ("x-number=gt2", &b), ("x-number=le7", &ab),
            ("x-amount=1000%7Chttp://unitsofmeasure.org%7Cmg", &a), ("x-amount=lt2", &a),
            ("x-link=http://y/z", &a), ("x-link:below=http://y", &a),
            ("x-pair=k$5", &a), ("x-pair=k$9", &vec![]), ("x-pair=m$gt8", &a),
            ("_filter=x-number%20gt%202%20or%20x-code%20eq%20blue", &ab),
            ("x-text=grusse&x-number=7", &b),
        ] {
            assert_eq!(&ids(&mut client, &format!("Patient?{query}&_sort=_id")), expected, "{query}");
        }
        assert_eq!(ids(&mut client, "Patient?_sort=x-number"), ["a", "b"]);
        assert_eq!(ids(&mut client, "Patient?_sort=-x-when"), ["b", "a"]);
        assert_eq!(ids(&mut client, "Organization?_has:Patient:x-ref:x-text=grusse"), ["o"]);
        assert_eq!(ids(&mut client, "Patient?_id=a&_include=Patient:x-ref"), ["a", "o"]);
        assert_eq!(ids(&mut client, "Patient?_id=a&_include=Patient:*"), ["a", "o"]);
        assert_eq!(ids(&mut client, "Organization?_revinclude=Patient:x-ref:Organization"), ["o", "a"]);
        assert_eq!(ids(&mut client, "Organization?_revinclude=*"), ["o", "a"]);
        // Conditions.
        client.put("Patient?x-number=7", &json!({"resourceType": "Patient", "active": true})).expect(200);
        assert_eq!(client.get("Patient/b").expect(200).json()["active"], true);
        client.with_body("POST", "Patient", &[("If-None-Exist", "x-text=gr%C3%BC%C3%9Fe")], &extended("", json!(null))).expect_outcome(400);
        let twin = json!({"resourceType": "Patient", "active": true});
        client.with_body("POST", "Patient", &[("If-None-Exist", "x-code=blue")], &twin).expect(200);
        client.delete("Patient?x-number=1.5").expect(204);
        client.get("Patient/a").expect_outcome(410);
    }

    fn what_is_retired_or_deleted_is_unknown_again(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a", "language": "de"})).expect(201);
        let unknown = |client: &mut Client| {
            client.send("GET", "/fhir/Patient?tongue=de", &[("Prefer", "handling=strict")], &[]).expect_outcome(400);
        };
        let mut tongue = definition("tongue", "Patient", "token", "Patient.language", json!({}));
        for status in ["draft", "retired", "unknown"] {
            tongue["status"] = json!(status);
            client.put("SearchParameter/tongue", &tongue);
            unknown(&mut client);
        }
        tongue["status"] = json!("active");
        client.put("SearchParameter/tongue", &tongue).expect(200);
        assert_eq!((ids(&mut client, "Patient?tongue=de"), state(&mut client, "tongue")), (vec!["a".to_owned()], json!("complete")));
        // Of another definition other values are found, and none of the former.
        tongue["expression"] = json!("Patient.gender");
        client.put("SearchParameter/tongue", &tongue).expect(200);
        assert_eq!(ids(&mut client, "Patient?tongue=de"), [""; 0]);
        let patch = json!([{"op": "replace", "path": "/status", "value": "retired"}]);
        let kind = [("Content-Type", "application/json-patch+json")];
        client.send("PATCH", "/fhir/SearchParameter/tongue", &kind, patch.to_string().as_bytes()).expect(200);
        unknown(&mut client);
        assert_eq!(state(&mut client, "tongue"), Value::Null);
        tongue["status"] = json!("active");
        client.put("SearchParameter/tongue", &tongue).expect(200);
        client.put("Patient/b", &json!({"resourceType": "Patient", "id": "b", "gender": "other"})).expect(201);
        assert_eq!(ids(&mut client, "Patient?tongue=other"), ["b"]);
        client.delete("SearchParameter/tongue").expect(204);
        unknown(&mut client);
        // The resources themselves are resources like others.
        assert_eq!(client.count("SearchParameter?code=tongue"), 0);
    }

    fn definitions_and_data_of_one_transaction(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let entry = |resource: &Value| json!({"resource": resource, "request": {"method": "PUT",
            "url": format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())}});
        let bundle = |entries: &[Value]| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let tongue = definition("tongue", "Patient", "token", "Patient.language", json!({}));
        let patient = |id: &str| json!({"resourceType": "Patient", "id": id, "language": "de"});
        client.post("", &bundle(&[entry(&patient("a")), entry(&tongue), entry(&patient("b"))])).expect(200);
        assert_eq!(ids(&mut client, "Patient?tongue=de&_sort=_id"), ["a", "b"]);
        // Two of one code: neither is stored, and the place is named.
        let twice = ["one", "two"].map(|id| {
            let mut same = definition("same", "Patient", "token", "Patient.language", json!({}));
            same["id"] = json!(id);
            entry(&same)
        });
        let outcome = client.post("", &bundle(&twice)).expect_outcome(409);
        assert_eq!(outcome["issue"][0]["expression"][0], "Bundle.entry[1].resource.code");
        assert_eq!(client.count("SearchParameter"), 1);
    }

    fn what_cannot_be_used_is_not_stored(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        define(&mut client, "tongue", "Patient", "token", "Patient.language", json!({}));
        for (code, kind, expression, more, status, place) in [
            ("name", "string", "Patient.language", json!({}), 409, "code"),
            ("tongue", "token", "Patient.gender", json!({}), 409, "code"),
            ("a", "token", "Patient.where(", json!({}), 422, "expression"),
            ("a", "token", "Patient.langage", json!({}), 422, "expression"),
            ("a", "special", "Patient.language", json!({}), 422, "type"),
            ("a", "composite", "Patient.name", json!({"component": [{"definition": "http://none", "expression": "given"}]}), 422, "component[0].definition"),
        ] {
            let mut resource = definition(code, "Patient", kind, expression, more);
            resource.as_object_mut().unwrap().remove("id");
            let outcome = client.post("SearchParameter", &resource).expect_outcome(status);
            assert_eq!(outcome["issue"][0]["expression"][0], format!("SearchParameter.{place}"), "{outcome}");
            // As a draft it can be kept.
            resource["status"] = json!("draft");
            client.post("SearchParameter", &resource).expect(201);
        }
        assert_eq!(client.count("SearchParameter?status=active"), 1);
        // What the specification has and an implementation guide describes again goes on as it is.
        let mut described = definition("birthdate", "Patient", "date", "Patient.birthDate", json!({"derivedFrom": "http://hl7.org/fhir/SearchParameter/individual-birthdate"}));
        described["id"] = json!("described");
        client.put("SearchParameter/described", &described).expect(201);
        assert_eq!(state(&mut client, "birthdate"), "official");
        client.get("Patient?birthdate=2020").expect(200);
    }

    fn what_a_definition_restricts_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        define(&mut client, "one", "Patient", "token", "Patient.language", json!({"multipleOr": false, "multipleAnd": false, "modifier": ["missing"]}));
        define(&mut client, "day", "Patient", "date", "Patient.birthDate", json!({"comparator": ["eq", "gt"]}));
        define(&mut client, "doctor", "Patient", "reference", "Patient.generalPractitioner", json!({"target": ["Practitioner"], "chain": ["name"], "modifier": ["identifier"]}));
        for good in ["one=de", "one:missing=true", "day=2020", "day=eq2020", "day=gt2020", "doctor.name=x", "doctor=1", "doctor:identifier=a%7Cb"] {
            assert_eq!(ids(&mut client, &format!("Patient?{good}")), [""; 0]);
        }
        for bad in ["one=de,fr", "one=de&one=fr", "one=de&one:missing=false", "one:not=de", "day=lt2020", "doctor.family=x", "doctor:Practitioner=1", "doctor:Practitioner.name=x"] {
            let outcome = client.get(&format!("Patient?{bad}")).expect_outcome(400);
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains("definition of the parameter"), "{bad}: {outcome}");
        }
        // What is contained has no values of added parameters.
        client.get("Patient?_contained=both&one=de").expect_outcome(400);
        client.get("Patient?_contained=both&language=de").expect(200);
    }

    fn the_statement_lists_what_is_added(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (tag, before) = (|answer: &crate::support::Answer| answer.header("etag").unwrap().to_owned(), client.get("metadata").expect(200));
        define(&mut client, "doctor", "Patient", "reference", "Patient.generalPractitioner", json!({"target": ["Practitioner"]}));
        let after = client.get("metadata").expect(200);
        assert_ne!(tag(&before), tag(&after));
        let statement = after.json();
        let of = |name: &str| statement["rest"][0]["resource"].as_array().unwrap().iter().find(|kind| kind["type"] == name).unwrap().clone();
        let listed = of("Patient")["searchParam"].as_array().unwrap().iter().find(|param| param["name"] == "doctor").cloned();
        assert_eq!(listed, Some(json!({"name": "doctor", "definition": "http://x/doctor", "type": "reference", "documentation": "about doctor"})));
        assert!(of("Patient")["searchInclude"].as_array().unwrap().contains(&json!("Patient:doctor")));
        assert!(of("Practitioner")["searchRevInclude"].as_array().unwrap().contains(&json!("Patient:doctor")));
        client.delete("SearchParameter/doctor").expect(204);
        assert_eq!(tag(&client.get("metadata").expect(200)), tag(&before));
    }
}
