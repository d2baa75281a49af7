//! `Patient/$match`.

use serde_json::{Value, json};

use super::entries;
use crate::support::{TestApp, on_both_databases};

fn person(id: &str, family: &str, given: &str, born: &str, mrn: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family, "given": [given]}], "birthDate": born, "gender": "male",
        "identifier": [{"system": "http://mrn", "value": mrn}], "telecom": [{"system": "phone", "value": format!("555-{mrn}")}]})
}

/// Ids with grades, in order; scores fall and stay within 0 and 1.
fn graded(bundle: &Value) -> Vec<(String, String)> {
    let matches: Vec<Value> = entries(bundle).into_iter().filter(|e| e["search"]["mode"] == "match").collect();
    let scores: Vec<f64> = matches.iter().map(|e| e["search"]["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| (0.0..=1.0).contains(s)), "{scores:?}");
    assert_eq!((bundle["type"].as_str(), bundle["total"].as_u64()), (Some("searchset"), Some(matches.len() as u64)));
    matches
        .iter()
        .map(|entry| {
            let extension = &entry["search"]["extension"][0];
            assert_eq!(extension["url"], "http://hl7.org/fhir/StructureDefinition/match-grade");
            let id = entry["resource"]["id"].as_str().unwrap();
            assert!(entry["fullUrl"].as_str().unwrap().ends_with(&format!("/Patient/{id}")));
            (id.to_owned(), extension["valueCode"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn asked(patient: Value, only_certain: bool, count: Option<u32>) -> Value {
    let mut parameters = vec![
        json!({"name": "resource", "resource": patient}),
        json!({"name": "onlyCertainMatches", "valueBoolean": only_certain}),
    ];
    parameters.extend(count.map(|count| json!({"name": "count", "valueInteger": count})));
    json!({"resourceType": "Parameters", "parameter": parameters})
}

on_both_databases! {
    fn patients_are_matched_and_graded(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for patient in [person("a", "Chalmers", "Peter", "1974-12-25", "12345"), person("b", "Chalmars", "Peter", "1974-12-25", "2"),
            person("c", "Chalmers", "Petra", "1974-12-25", "3"), person("d", "Windsor", "Jim", "1950-01-01", "4"),
            person("e", "Chalmers", "Olaf", "1999-01-01", "5")] {
            client.put(&format!("Patient/{}", patient["id"].as_str().unwrap()), &patient).expect(201);
        }
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        let whole = person("", "Chalmers", "Peter", "1974-12-25", "12345");
        let mut whole = whole;
        whole.as_object_mut().unwrap().remove("id");
        let found = client.post("Patient/$match", &asked(whole.clone(), false, None)).expect(200).json();
        assert_eq!(graded(&found)[0], ("a".to_owned(), "certain".to_owned()), "{found}");
        let bare = client.post("Patient/$match", &whole).expect(200).json();
        assert_eq!(graded(&bare), graded(&found));
        let sure = client.post("Patient/$match", &asked(whole, true, None)).expect(200).json();
        assert_eq!(graded(&sure), pairs(&[("a", "certain")]));
        let named = json!({"resourceType": "Patient", "name": [{"family": "Chalmers", "given": ["Peter"]}], "birthDate": "1974-12-25"});
        let found = client.post("Patient/$match", &asked(named.clone(), false, None)).expect(200).json();
        let grades = graded(&found);
        assert_eq!(grades[..2], pairs(&[("a", "probable"), ("b", "probable")]), "{grades:?}");
        assert!(grades.iter().all(|(id, _)| id != "d" && id != "e"), "{grades:?}");
        let one = client.post("Patient/$match", &asked(named.clone(), false, Some(1))).expect(200).json();
        assert_eq!(graded(&one), pairs(&[("a", "probable")]));
        assert!(graded(&client.post("Patient/$match", &asked(named, true, None)).expect(200).json()).is_empty());
        let stranger = json!({"resourceType": "Patient", "name": [{"family": "Nobody"}], "birthDate": "1900-01-01"});
        let none = client.post("Patient/$match", &asked(stranger, false, None)).expect(200).json();
        assert!(graded(&none).is_empty());
    }

    fn two_certain_matches_are_not_certain(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for id in ["a", "b"] {
            client.put(&format!("Patient/{id}"), &person(id, "Same", "Person", "1970-01-01", "1")).expect(201);
        }
        let wanted = json!({"resourceType": "Patient", "identifier": [{"system": "http://mrn", "value": "1"}]});
        let both = client.post("Patient/$match", &asked(wanted.clone(), false, None)).expect(200).json();
        assert_eq!(graded(&both).len(), 2);
        let sure = client.post("Patient/$match", &asked(wanted, true, None)).expect(200).json();
        assert!(graded(&sure).is_empty());
        assert_eq!(entries(&sure)[0]["search"]["mode"], "outcome");
    }

    fn what_cannot_be_matched_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for body in [json!({"resourceType": "Patient", "gender": "male"}), json!({"resourceType": "Observation"}), json!({"resourceType": "Parameters"}),
            asked(json!({"resourceType": "Group"}), false, None), asked(json!({"resourceType": "Patient", "birthDate": "1970"}), false, Some(0)),
            json!({"resourceType": "Parameters", "parameter": [{"name": "nonsense", "valueString": "x"}]})] {
            client.post("Patient/$match", &body).expect_outcome(400);
        }
        let patient = json!({"resourceType": "Patient", "birthDate": "1970"});
        for path in ["$match", "Group/$match", "Patient/1/$match"] {
            client.post(path, &patient).expect_outcome(400);
        }
        let statement = client.get("metadata").expect(200).json();
        let types = statement["rest"][0]["resource"].as_array().unwrap();
        let listed: Vec<&Value> = types.iter().filter(|t| t["operation"].as_array().is_some_and(|all| all.iter().any(|o| o["name"] == "match"))).collect();
        assert_eq!((listed.len(), &listed[0]["type"]), (1, &json!("Patient")));
        let own = listed[0]["operation"].as_array().unwrap().iter().find(|o| o["name"] == "match").unwrap();
        assert_eq!(own["definition"], "http://hl7.org/fhir/OperationDefinition/Patient-match");
    }
}
