//! `cresset backup`, `restore` and `export`: consistent while writing, whole again in either database, up to any moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Client, Database, Postgres, TestApp, on_both_databases, parallel};

fn patient(id: &str, value: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": "http://p", "value": value}]})
}

#[track_caller]
fn run(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.run(arguments);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Every version of every patient: what it was, when, and how it came to be.
fn history(client: &mut Client) -> BTreeMap<String, Value> {
    let mut versions = BTreeMap::new();
    let mut target = Some("Patient/_history?_count=500".to_owned());
    while let Some(path) = target {
        let page = client.get(&path).expect(200).json();
        for entry in page["entry"].as_array().unwrap() {
            let name = format!("{} {}", entry["request"]["url"], entry["response"]["etag"]);
            let place = format!("{name} {}", entry["response"]["lastModified"]);
            let mut entry = entry.clone();
            entry.as_object_mut().unwrap().remove("fullUrl");
            assert!(versions.insert(place, entry).is_none(), "{name} twice");
        }
        let links = page["link"].as_array().unwrap();
        let next = links.iter().find(|link| link["relation"] == "next").map(|link| link["url"].as_str().unwrap());
        target = next.map(|url| url.split_once("/fhir/").unwrap().1.to_owned());
    }
    versions
}

/// An empty store that no server runs on.
fn empty(database: Database) -> TestApp {
    let mut app = TestApp::start(database);
    app.kill();
    app
}

fn databases() -> Vec<Database> {
    let mut all = vec![Database::Sqlite];
    all.extend(Postgres::available().then_some(Database::Postgres));
    all
}

/// Creates, updates and deletes.
fn write(client: &mut Client, mark: &str) {
    for n in 0..40 {
        let id = format!("{mark}-{n}");
        client.put(&format!("Patient/{id}"), &patient(&id, &id)).expect(201);
        if n % 2 == 0 {
            client.put(&format!("Patient/{id}"), &patient(&id, &format!("{id}-again"))).expect(200);
        }
        if n % 5 == 0 {
            client.delete(&format!("Patient/{id}")).expect(204);
        }
    }
}

fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

on_both_databases! {
    fn what_was_backed_up_while_others_wrote_is_whole_in_either_database(database) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start(database);
        write(&mut app.client(), "first");
        let is_over = AtomicBool::new(false);
        parallel(3, |thread| match thread {
            0 => {
                for _ in 0..3 {
                    run(&app, &["backup", "--to", path(folder.path())]);
                }
                is_over.store(true, Ordering::SeqCst);
            }
            _ => {
                for round in 0.. {
                    write(&mut app.client(), &format!("t{thread}-{round}"));
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            }
        });
        run(&app, &["backup", "--to", path(folder.path())]);
        assert!(run(&app, &["backup", "--to", path(folder.path())]).contains("nothing new"));
        let before = history(&mut app.client());

        for other in databases() {
            let mut restored = empty(other);
            run(&restored, &["restore", "--from", path(folder.path())]);
            let again = restored.run(&["restore", "--from", path(folder.path())]);
            assert_eq!(again.status.code(), Some(2), "{}", said(&again));
            run(&restored, &["doctor", "--deep"]);
            restored.restart(&[]);
            let mut client = restored.client();
            assert_eq!(history(&mut client), before);
            assert_eq!(client.count("Patient?identifier=http://p|first-2-again"), 1);
            assert_eq!(client.count("Patient?identifier=http://p|first-2"), 0);
            // The same content is no new version, another one is the next.
            let etag = client.put("Patient/first-2", &patient("first-2", "first-2-again")).expect(200);
            assert_eq!(etag.header("etag"), Some("W/\"2\""));
            client.put("Patient/first-2", &patient("first-2", "new")).expect(200);
            let twice = client.with_body("POST", "Patient", &[("If-None-Exist", "identifier=http://p|first-4-again")], &patient("x", "y"));
            assert_eq!(twice.status, 200, "{}", twice.text());
        }
    }

    fn a_moment_can_be_restored(database) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start(database);
        let mut client = app.client();
        write(&mut client, "early");
        let before = history(&mut client);
        let moment = client.get("Patient/_history?_count=1").expect(200).json()["entry"][0]["response"]["lastModified"].clone();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(&mut client, "late");
        run(&app, &["backup", "--to", path(folder.path())]);
        run(&app, &["backup", "--full", "--to", path(folder.path())]);

        let mut restored = empty(database);
        run(&restored, &["restore", "--from", path(folder.path()), "--at", moment.as_str().unwrap()]);
        restored.restart(&[]);
        assert_eq!(history(&mut restored.client()), before);
        assert_eq!(restored.client().count("Patient"), 32);
    }

    fn an_export_has_every_resource_once(database) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start(database);
        write(&mut app.client(), "one");
        let out = folder.path().join("out");
        run(&app, &["export", "--out", path(&out)]);
        let text = std::fs::read_to_string(out.join("Patient.ndjson")).unwrap();
        let mut client = app.client();
        for line in text.lines() {
            let exported: Value = serde_json::from_str(line).unwrap();
            let read = client.get(&format!("Patient/{}", exported["id"].as_str().unwrap())).expect(200);
            assert_eq!(read.text(), line);
        }
        assert_eq!(text.lines().count() as u64, client.count("Patient"));
        assert_eq!(app.run(&["export", "--out", path(&out)]).status.code(), Some(2), "nothing is written over");
        assert!(!app.run(&["export", "--out", path(&out), "--type", "Patiend"]).status.success());
    }
}

#[test]
fn a_damaged_backup_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::start(Database::Sqlite);
    write(&mut app.client(), "one");
    run(&app, &["backup", "--to", path(folder.path())]);
    let files = std::fs::read_dir(folder.path().join("default")).unwrap().map(|entry| entry.unwrap().path());
    let part = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let whole = std::fs::read(&part).unwrap();
    for damaged in [whole[..whole.len() - 9].to_vec(), [b"x", &whole[1..]].concat(), Vec::new()] {
        std::fs::write(&part, damaged).unwrap();
        let output = empty(Database::Sqlite).run(&["restore", "--from", path(folder.path())]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("backup: "), "{}", said(&output));
    }
    let output = empty(Database::Sqlite).run(&["restore", "--from", path(&folder.path().join("none"))]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
