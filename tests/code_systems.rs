//! Large code systems from the command line: loaded beside a running server, listed, replaced, removed, killed in the middle.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_databases};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn run(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// A CodeSystem of some codes, each below the one before.
fn file(app: &TestApp, name: &str, version: &str, codes: usize) -> PathBuf {
    let concept = |n: usize| {
        let parents: Vec<Value> =
            (n > 0).then(|| json!({"code": "parent", "valueCode": format!("c{}", n - 1)})).into_iter().collect();
        json!({"code": format!("c{n}"), "display": format!("Concept number {n}"), "property": parents})
    };
    let concepts: Vec<Value> = (0..codes).map(concept).collect();
    let system = json!({"resourceType": "CodeSystem", "url": "http://x/large", "version": version, "status": "active",
        "content": "complete", "caseSensitive": true, "hierarchyMeaning": "is-a", "concept": concepts});
    let path = app.folder().join(name);
    std::fs::write(&path, system.to_string()).unwrap();
    path
}

on_both_databases! {
    fn code_systems_are_loaded_listed_and_removed(database) {
        let app = TestApp::start(database);
        assert_eq!(run(&app, &["terminology", "list"]), "");
        let small = file(&app, "small.json", "1", 3);
        let load = |path: &PathBuf| run(&app, &["terminology", "load", "codesystem", path.to_str().unwrap()]);
        assert!(load(&small).starts_with("http://x/large|1: 3 concepts in "));
        // the same version again takes the place of the first
        let more = file(&app, "more.json", "1", 4);
        load(&more);
        load(&file(&app, "next.json", "2", 2));
        assert_eq!(run(&app, &["terminology", "list"]), "http://x/large|1  4 concepts\nhttp://x/large|2  2 concepts\n");
        let refused = app.run(&["terminology", "remove", "http://x/large"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused).contains("there are several versions of http://x/large"));
        run(&app, &["terminology", "remove", "http://x/large|1"]);
        run(&app, &["terminology", "remove", "http://x/large"]);
        assert_eq!(run(&app, &["terminology", "list"]), "");
        assert_eq!(app.run(&["terminology", "remove", "http://x/large"]).status.code(), Some(1));
        // a file with a fault leaves nothing behind
        let broken = app.folder().join("broken.json");
        std::fs::write(&broken, std::fs::read_to_string(&more).unwrap().replace("\"c3\"", "7")).unwrap();
        let refused = app.run(&["terminology", "load", "codesystem", broken.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused).contains("broken.json: invalid type: integer `7`, expected a string at line 1 column"), "{}", text(&refused));
        assert_eq!(run(&app, &["terminology", "list"]), "");
    }

    fn icd_10_cm_is_in_the_program(database) {
        let app = TestApp::start(database);
        let said = run(&app, &["terminology", "load", "icd-10-cm"]);
        assert!(said.starts_with("http://hl7.org/fhir/sid/icd-10-cm|2026-04: 98505 concepts in "), "{said}");
        assert_eq!(run(&app, &["terminology", "list"]), "http://hl7.org/fhir/sid/icd-10-cm|2026-04  98505 concepts\n");
    }

    fn what_is_loaded_is_known_to_the_server_that_runs(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let lookup = "CodeSystem/$lookup?system=http://hl7.org/fhir/sid/icd-10-cm&code=E11.9";
        assert_ne!(client.get(lookup).status, 200);
        run(&app, &["terminology", "load", "icd-10-cm"]);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let found = client.get(lookup).expect(200).text();
        assert!(found.contains("Type 2 diabetes mellitus without complications"), "{found}");
        let subsumes = "CodeSystem/$subsumes?system=http://hl7.org/fhir/sid/icd-10-cm&codeA=E11&codeB=E11.9";
        assert!(client.get(subsumes).expect(200).text().contains("\"subsumes\""));
        let url = "ValueSet/$expand?url=http://hl7.org/fhir/sid/icd-10-cm?fhir_vs&count=5";
        let whole = client.get(url).expect(200).json();
        assert_eq!(whole["expansion"]["total"], 98_505);
        let expand = |client: &mut crate::support::Client, filter: &str| {
            let found = client.get(&format!("{url}&filter={filter}")).expect(200).json();
            let codes = found["expansion"]["contains"].as_array().unwrap().iter();
            codes.map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(expand(&mut client, "type%202%20diabetes%20without%20compl")[..1], ["E11.9"]);
        assert_eq!(expand(&mut client, "E11.9"), ["E11.9"]);
        let started = std::time::Instant::now();
        assert!(!expand(&mut client, "diabtes%20mellitus").is_empty(), "a letter is missing");
        println!("expand with a filter: {:?}", started.elapsed());

        // the statement names it with its version
        let terms = client.get("metadata?mode=terminology").expect(200).json();
        let systems = terms["codeSystem"].as_array().unwrap();
        let listed: Vec<_> = systems.iter().filter(|one| one["uri"] == "http://hl7.org/fhir/sid/icd-10-cm").collect();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["version"], json!([{"code": "2026-04", "isDefault": true}]));

        // what it does not have is refused on writes, and known to expressions
        let condition = |code: &str| {
            let coding = json!([{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]);
            json!({"resourceType": "Condition", "subject": {"reference": "Patient/p"}, "code": {"coding": coding}})
        };
        let refused = client.post("Condition", &condition("E11.999")).expect(422).text();
        assert!(refused.contains("Condition.code.coding[0].code") && refused.contains("E11.999"), "{refused}");
        let judged = client.post("Condition/$validate", &condition("E11.999")).text();
        assert!(judged.contains("is not in the code system http://hl7.org/fhir/sid/icd-10-cm"), "{judged}");
        for (expression, expected) in [
            ("code.memberOf('http://hl7.org/fhir/sid/icd-10-cm?fhir_vs')", "\"valueBoolean\":true"),
            ("code.coding.subsumedBy(%context.code.coding)", "\"valueBoolean\":true"),
        ] {
            let resource = json!({"name": "resource", "resource": condition("E11.9")});
            let body = json!({"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": expression}, resource]});
            let found = client.post("$fhirpath", &body).expect(200).text();
            assert!(found.contains(expected), "{expression}: {found}");
        }

        // searches by what codes mean
        let system = "http://hl7.org/fhir/sid/icd-10-cm";
        for (id, coding) in [
            ("a", json!([{"system": "urn:x", "code": "1"}, {"system": system, "code": "E11.9"}])),
            ("b", json!([{"system": system, "code": "E10.9"}])),
            ("c", json!([{"system": system, "code": "S06.0X0A"}])),
            ("d", json!([{"code": "E11.9"}])),
        ] {
            let body = json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"}, "code": {"coding": coding}});
            client.put(&format!("Condition/{id}"), &body).expect(201);
        }
        let none = json!({"resourceType": "Condition", "id": "e", "subject": {"reference": "Patient/p"}});
        client.put("Condition/e", &none).expect(201);
        let ids = |client: &mut crate::support::Client, query: &str| {
            let found = client.get(&format!("Condition?_sort=_id&{query}")).expect(200).json();
            let entries = found["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect::<String>()
        };
        for (query, expected) in [
            ("code:below=http://hl7.org/fhir/sid/icd-10-cm%7CE11", "a"),
            ("code:below=E08-E13", "ab"),
            ("code:above=S06.0X0A", "c"),
            ("code:in=http://hl7.org/fhir/sid/icd-10-cm?fhir_vs", "abc"),
            ("code:not-in=http://hl7.org/fhir/sid/icd-10-cm?fhir_vs", "de"),
            ("_filter=code%20ss%20E08-E13%20and%20code%20ni%20http://hl7.org/fhir/sid/icd-10-cm?fhir_vs", ""),
        ] {
            assert_eq!(ids(&mut client, query), expected, "{query}");
        }
        client.get("Condition?code:below=nothing").expect_outcome(400);
        run(&app, &["terminology", "remove", system]);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        client.get("Condition?code:below=http://hl7.org/fhir/sid/icd-10-cm%7CE11").expect_outcome(400);
    }

    fn a_load_that_is_killed_leaves_nothing_and_can_be_made_again(database) {
        let app = TestApp::start(database);
        let large = file(&app, "large.json", "1", 60_000);
        let before = file(&app, "before.json", "1", 5);
        run(&app, &["terminology", "load", "codesystem", before.to_str().unwrap()]);
        for millis in [200, 500, 1000, 1500, 2000, 2500] {
            let mut child = app.spawn(&["terminology", "load", "codesystem", large.to_str().unwrap()]);
            std::thread::sleep(std::time::Duration::from_millis(millis));
            child.kill().unwrap();
            child.wait().unwrap();
            let listed = run(&app, &["terminology", "list"]);
            let is_old = listed == "http://x/large|1  5 concepts\n";
            assert!(is_old || listed == "http://x/large|1  60000 concepts\n", "{listed}");
            if !is_old {
                break;
            }
        }
        run(&app, &["terminology", "load", "codesystem", large.to_str().unwrap()]);
        assert_eq!(run(&app, &["terminology", "list"]), "http://x/large|1  60000 concepts\n");
        if app.database().is_some() {
            assert_eq!(app.sql("SELECT COUNT(*) FROM code_systems").trim(), "1");
            let others = "SELECT COUNT(*) FROM concept_pieces WHERE system NOT IN (SELECT system FROM code_systems)";
            assert_eq!(app.sql(others).trim(), "0");
        }
    }
}
