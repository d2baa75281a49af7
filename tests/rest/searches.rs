//! What the searches of `tests/search` do not compare: how a search is explained, and what is refused because it is not
//! clear.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

fn put(client: &mut Client, resource: &Value) {
    let target = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    client.put(&target, resource).expect(201);
}

fn observation(id: &str, subject: &str, code: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [{"code": code}]},
        "subject": {"reference": subject}})
}

/// The entry with the mode `outcome`.
fn outcome(bundle: &Value) -> Option<&Value> {
    let entries = bundle["entry"].as_array()?;
    entries.iter().find(|entry| entry["search"]["mode"] == "outcome").map(|entry| &entry["resource"])
}

/// The parts of an explanation with a name.
fn parts<'a>(outcome: &'a Value, name: &str) -> Vec<&'a Value> {
    let parts = outcome["extension"][0]["extension"].as_array().unwrap();
    parts.iter().filter(|part| part["url"] == name).collect()
}

on_both_databases! {
    fn a_search_is_explained(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Able"}]}));
        for (id, code) in [("a", "x"), ("b", "x"), ("c", "y")] {
            put(&mut client, &observation(id, "Patient/p", code));
        }
        let query = "code=x&subject:Patient.name=able&_id=a,c&_include=Observation:subject";
        let plain = client.get(&format!("Observation?{query}")).expect(200).json();
        assert_eq!((&plain["total"], outcome(&plain)), (&json!(1), None), "nothing is told that was not asked for");
        for (way, path) in [("GET", "Observation"), ("POST", "Observation/_search"), ("GET", "Patient/p/Observation"), ("GET", "")] {
            let query = if path.is_empty() { "_id=a,c&_type=Observation" } else { query };
            let form = [("Content-Type", "application/x-www-form-urlencoded")];
            let asked = format!("{query}&_explain=true");
            let answer = match way {
                "POST" => client.send("POST", &format!("/fhir/{path}"), &form, asked.as_bytes()),
                _ => client.get(&format!("{path}?{asked}")),
            };
            let bundle = answer.expect(200).json();
            assert_eq!(bundle["total"], if path.is_empty() { 2 } else { 1 }, "{path}");
            assert!(bundle["link"][0]["url"].as_str().unwrap().contains("_explain=true"));
            let told = outcome(&bundle).expect("an explanation");
            assert!(told["issue"].as_array().unwrap().iter().all(|issue| issue["severity"] == "information"));
            let names: Vec<&Value> = parts(told, "phase").iter().map(|part| &part["extension"][0]["valueCode"]).collect();
            assert_eq!(names, ["parse", "wait", "compile", "search", "includes", "fetch", "fetch-includes"]);
            assert!(parts(told, "phase").iter().all(|part| part["extension"][1]["valueInteger"].is_u64()));
            let clauses: Vec<(&str, u64)> = parts(told, "clause").iter().map(|part| {
                let said = &part["extension"];
                (said[0]["valueString"].as_str().unwrap(), said[1]["valueInteger"].as_u64().unwrap())
            }).collect();
            let mut expected = vec![("code=x", 2), ("subject->(Patient: name=able*)", 3), ("id [a, c]", 2)];
            match path {
                "" => expected = vec![("id [a, c]", 2)],
                "Patient/p/Observation" => expected.insert(0, ("in Patient/p", 3)),
                _ => {}
            }
            assert_eq!(clauses, expected, "{path}");
            assert!(!parts(told, "compiled")[0]["valueString"].as_str().unwrap().is_empty());
        }
        let warned = client.get("Observation?nothing=x&_explain=true&_summary=count").expect(200).json();
        let issues = outcome(&warned).unwrap()["issue"].as_array().unwrap();
        assert_eq!((&issues[0]["severity"], &issues[1]["severity"]), (&json!("warning"), &json!("information")));
        let many = vec!["code=x"; 100].join("&");
        let long = client.get(&format!("Observation?{many}&_explain=true")).expect(200).json();
        assert_eq!(parts(outcome(&long).unwrap(), "clause").len(), 32);
        client.get("Observation?_explain=maybe").expect_outcome(400);
        let not = client.get("Observation?_explain=false").expect(200).json();
        assert_eq!(outcome(&not), None);
    }

    fn an_id_of_two_types_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "same"}));
        put(&mut client, &json!({"resourceType": "Group", "id": "same", "type": "person", "actual": true}));
        put(&mut client, &observation("a", "Patient/same", "x"));
        assert_eq!(client.count("Observation?subject=same"), 1, "only one is referred to");
        put(&mut client, &observation("b", "Group/same", "x"));
        let refused = client.get("Observation?subject=same").expect_outcome(400);
        let said = refused["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(said.contains("Patient/same") || said.contains("Group/same"), "{said}");
        for clear in ["subject=Group/same", "subject:Patient=same", "patient=same", "subject:Patient._id=same"] {
            assert_eq!(client.count(&format!("Observation?{clear}")), 1, "{clear}");
        }
        client.delete("Observation/b").expect(204);
        assert_eq!(client.count("Observation?subject=same"), 1);
    }

    fn what_every_resource_has_is_never_missing(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "p"}));
        for (query, total) in [("_id:missing=true", 0), ("_id:missing=false", 1), ("_lastUpdated:missing=true", 0), ("_lastUpdated:missing=false", 1)] {
            assert_eq!(client.count(&format!("Patient?{query}")), total, "{query}");
        }
        let lenient = client.send("GET", "/fhir/Patient?nothing=x", &[("Prefer", "handling=lenient")], &[]).expect(200).json();
        assert!(outcome(&lenient).unwrap()["issue"][0]["diagnostics"].as_str().unwrap().contains("nothing"));
        client.send("GET", "/fhir/Patient?nothing=x", &[("Prefer", "respond-async, handling=strict")], &[]).expect_outcome(400);
        client.get("Patient?_query=anything").expect_outcome(400);
    }
}
