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
