//! The conformance resources of a tenant as definitions for validation: profiles, value sets and code systems that are stored, changed
//! and deleted; of one tenant only, after a restart, on another node.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Database, TestApp, on_both_databases};

const PROFILE: &str = "http://example.org/StructureDefinition/kind-patient";
const SET: &str = "http://example.org/ValueSet/kinds";
const SYSTEM: &str = "http://example.org/CodeSystem/kinds";

/// A profile with a differential alone: this many names, and a marital status of the value set.
fn profile(names: u32) -> Value {
    json!({"resourceType": "StructureDefinition", "id": "kind-patient", "url": PROFILE, "version": names.to_string(), "name": "KindPatient",
        "status": "active", "fhirVersion": "4.0.1", "type": "Patient", "kind": "resource", "abstract": false, "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [
            {"id": "Patient", "path": "Patient"},
            {"id": "Patient.name", "path": "Patient.name", "min": names},
            {"id": "Patient.maritalStatus", "path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": SET}}]}})
}

fn value_set() -> Value {
    json!({"resourceType": "ValueSet", "id": "kinds", "url": SET, "status": "active", "compose": {"include": [{"system": SYSTEM}]}})
}

fn code_system(codes: &[&str]) -> Value {
    let concepts: Vec<Value> = codes.iter().map(|code| json!({"code": code, "display": code})).collect();
    json!({"resourceType": "CodeSystem", "id": "kinds", "url": SYSTEM, "status": "active", "content": "complete", "concept": concepts})
}

fn patient(code: Option<&str>, names: usize) -> Value {
    let mut patient = json!({"resourceType": "Patient", "meta": {"profile": [PROFILE]}});
    if names > 0 {
        patient["name"] = vec![json!({"text": "x"}); names].into();
    }
    if let Some(code) = code {
        patient["maritalStatus"] = json!({"coding": [{"system": SYSTEM, "code": code}]});
    }
    patient
}

fn refused(client: &mut Client, resource: &Value, place: &str) {
    let kind = resource["resourceType"].as_str().unwrap();
    let outcome = client.post(kind, resource).expect_outcome(422);
    let issues = outcome["issue"].as_array().unwrap();
    assert!(issues.iter().any(|issue| issue["expression"][0].as_str().unwrap_or("").starts_with(place)), "{outcome}");
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

on_both_databases! {
    fn what_is_stored_counts_from_the_answer_on(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        client.post("Patient", &patient(None, 0)).expect(201);
        client.post(&format!("Patient/$validate?profile={PROFILE}"), &patient(None, 1)).expect_outcome(404);
        // a profile, with the base that its snapshot is made of
        client.put("StructureDefinition/kind-patient", &profile(1)).expect(201);
        refused(&mut client, &patient(None, 0), "Patient.name");
        client.post("Patient", &patient(Some("a"), 1)).expect(201);
        let outcome = client.post(&format!("Patient/$validate?profile={PROFILE}"), &json!({"resourceType": "Patient"})).expect(200).json();
        assert!(outcome.to_string().contains("Patient.name"), "{outcome}");
        // the value set of its binding, and the code system of that
        client.put("CodeSystem/kinds", &code_system(&["a", "b"])).expect(201);
        client.put("ValueSet/kinds", &value_set()).expect(201);
        client.post("Patient", &patient(Some("a"), 1)).expect(201);
        refused(&mut client, &patient(Some("c"), 1), "Patient.maritalStatus");
        client.put("CodeSystem/kinds", &code_system(&["b", "c"])).expect(200);
        client.post("Patient", &patient(Some("c"), 1)).expect(201);
        refused(&mut client, &patient(Some("a"), 1), "Patient.maritalStatus");
        // expressions know them, too
        for (code, expected) in [("c", true), ("a", false)] {
            let asked = json!({"resourceType": "Parameters", "parameter": [
                {"name": "expression", "valueString": format!("maritalStatus.memberOf('{SET}')")}, {"name": "resource", "resource": patient(Some(code), 1)}]});
            let answer = client.post("$fhirpath", &asked).expect(200).json();
            assert!(answer.to_string().contains(&format!("\"valueBoolean\":{expected}")), "{answer}");
        }
        // an update takes effect, by a patch too
        client.put("StructureDefinition/kind-patient", &profile(2)).expect(200);
        refused(&mut client, &patient(None, 1), "Patient.name");
        client.post("Patient", &patient(None, 2)).expect(201);
        let patch = json!([{"op": "replace", "path": "/differential/element/1/min", "value": 3}]);
        let json_patch = [("Content-Type", "application/json-patch+json")];
        client.send("PATCH", "/fhir/StructureDefinition/kind-patient", &json_patch, patch.to_string().as_bytes()).expect(200);
        refused(&mut client, &patient(None, 2), "Patient.name");
        // after a restart
        drop(client);
        app.restart(&[]);
        let mut client = app.client();
        refused(&mut client, &patient(None, 2), "Patient.name");
        refused(&mut client, &patient(Some("a"), 3), "Patient.maritalStatus");
        client.post("Patient", &patient(Some("b"), 3)).expect(201);
        // what is deleted counts no more, however it was deleted
        client.delete("CodeSystem/kinds").expect(204);
        client.delete("ValueSet/kinds").expect(204);
        client.post("Patient", &patient(Some("a"), 3)).expect(201);
        client.delete(&format!("StructureDefinition?url={PROFILE}")).expect(204);
        client.post("Patient", &patient(None, 0)).expect(201);
        // it comes back, in a transaction
        let entry = json!({"resource": profile(1), "request": {"method": "PUT", "url": "StructureDefinition/kind-patient"}});
        client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).expect(200);
        refused(&mut client, &patient(None, 0), "Patient.name");
    }

    fn profiles_are_told_and_questionnaires_count(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let told = |client: &mut Client| {
            let statement = client.get("metadata").expect(200).json();
            let all = statement["rest"][0]["resource"].as_array().unwrap().clone();
            let patient = all.iter().find(|one| one["type"] == "Patient").unwrap().clone();
            patient["supportedProfile"].as_array().is_some_and(|urls| urls.contains(&json!(PROFILE)))
        };
        assert!(!told(&mut client));
        client.put("StructureDefinition/kind-patient", &profile(1)).expect(201);
        assert!(told(&mut client));
        client.delete("StructureDefinition/kind-patient").expect(204);
        assert!(!told(&mut client));

        let answers = |items: Value| json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "http://example.org/Questionnaire/q", "item": items});
        let wrong = answers(json!([{"linkId": "other", "answer": [{"valueString": "x"}]}]));
        client.post("QuestionnaireResponse", &wrong).expect(201);
        let questions = json!({"resourceType": "Questionnaire", "id": "q", "url": "http://example.org/Questionnaire/q", "status": "active",
            "item": [{"linkId": "a", "text": "How old?", "type": "integer", "required": true}]});
        client.put("Questionnaire/q", &questions).expect(201);
        refused(&mut client, &wrong, "QuestionnaireResponse");
        refused(&mut client, &answers(json!([{"linkId": "a", "answer": [{"valueString": "x"}]}])), "QuestionnaireResponse.item[0]");
        client.post("QuestionnaireResponse", &answers(json!([{"linkId": "a", "answer": [{"valueInteger": 7}]}]))).expect(201);
        client.delete("Questionnaire/q").expect(204);
        client.post("QuestionnaireResponse", &wrong).expect(201);
    }

    fn a_code_system_names_the_value_set_of_its_codes(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut system = code_system(&["a", "b"]);
        system["valueSet"] = json!("http://example.org/ValueSet/all-kinds");
        client.put("CodeSystem/kinds", &system).expect(201);
        let expand = "ValueSet/$expand?url=http://example.org/ValueSet/all-kinds";
        assert_eq!(client.get(expand).expect(200).json()["expansion"]["total"], 2);
        let check = format!("ValueSet/$validate-code?url=http://example.org/ValueSet/all-kinds&system={SYSTEM}&code=");
        assert_eq!(client.get(&format!("{check}a")).expect(200).json()["parameter"][0]["valueBoolean"], true);
        assert_eq!(client.get(&format!("{check}c")).expect(200).json()["parameter"][0]["valueBoolean"], false);
        client.delete("CodeSystem/kinds").expect(204);
        client.get(expand).expect(404);
    }

    fn a_profile_that_cannot_be_used_says_why(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut broken = profile(1);
        broken["baseDefinition"] = json!("http://example.org/StructureDefinition/none");
        let told = client.send("PUT", "/fhir/StructureDefinition/kind-patient", &[("Content-Type", "application/fhir+json"), ("Prefer", "return=OperationOutcome")], broken.to_string().as_bytes());
        let told = told.expect(201).json();
        assert!(told.to_string().contains("http://example.org/StructureDefinition/none is not known"), "{told}");
        let outcome = client.post(&format!("Patient/$validate?profile={PROFILE}"), &patient(None, 1)).expect_outcome(422);
        assert!(outcome.to_string().contains("cannot be used"), "{outcome}");
        client.post("Patient", &patient(None, 0)).expect(201);
        // of several with one URL the latest version counts, and the one that is asked for
        client.put("StructureDefinition/kind-patient", &profile(2)).expect(200);
        let mut older = profile(1);
        older["id"] = json!("older");
        client.put("StructureDefinition/older", &older).expect(201);
        refused(&mut client, &patient(None, 1), "Patient.name");
        let mut claims = patient(None, 1);
        claims["meta"]["profile"] = json!([format!("{PROFILE}|1")]);
        client.post("Patient", &claims).expect(201);
        // what R4 itself defines stays what it is
        let mut base = profile(5);
        base["url"] = json!("http://hl7.org/fhir/StructureDefinition/Patient");
        base["derivation"] = json!("specialization");
        client.post("StructureDefinition", &base);
        client.post("Patient", &json!({"resourceType": "Patient", "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}})).expect(201);
    }

    fn a_tenant_has_its_own(database) {
        let mut app = TestApp::start(database);
        app.kill();
        assert!(app.run(&["tenant", "add", "ward"]).status.success());
        app.restart(&[]);
        let mut client = app.client();
        let json = [("Content-Type", "application/fhir+json")];
        let put = |client: &mut Client| client.send("PUT", "/t/ward/fhir/StructureDefinition/kind-patient", &json, profile(1).to_string().as_bytes()).expect(201);
        put(&mut client);
        client.send("POST", "/t/ward/fhir/Patient", &json, patient(None, 0).to_string().as_bytes()).expect_outcome(422);
        client.post("Patient", &patient(None, 0)).expect(201);
    }
}

#[test]
fn another_node_knows_it_soon() {
    let first = TestApp::start(Database::Postgres);
    let second = first.second_node();
    let (mut here, mut there) = (first.client(), second.client());
    there.post("Patient", &patient(None, 0)).expect(201);
    here.put("StructureDefinition/kind-patient", &profile(1)).expect(201);
    here.post("Patient", &patient(None, 0)).expect_outcome(422);
    eventually("the other node refuses too", || there.post("Patient", &patient(None, 0)).status == 422);
    here.delete("StructureDefinition/kind-patient").expect(204);
    here.post("Patient", &patient(None, 0)).expect(201);
    eventually("the other node takes it again", || there.post("Patient", &patient(None, 0)).status == 201);
}
