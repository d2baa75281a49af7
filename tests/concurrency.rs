//! Many at a time: preconditions hold, no update is lost, a transaction is never seen half, and an answered write is
//! found by the next search; on one node, and across two nodes over one PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Client, Database, Postgres, TestApp, on_both_databases, parallel};

fn patient(value: &str) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": "http://p", "value": value}],
        "name": [{"family": "Parallel"}], "birthDate": "1990-01-01"})
}

/// 200 creates on one condition at the same time, spread over the nodes.
fn only_one(nodes: &[&TestApp], condition: &str) {
    let answers = parallel(200, |n| {
        let mut client = nodes[n % nodes.len()].client();
        client.with_body("POST", "Patient", &[("If-None-Exist", condition)], &patient("one")).status
    });
    let created = answers.iter().filter(|status| **status == 201).count();
    let found = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((created, found), (1, 199), "{answers:?}");
    for node in nodes {
        assert_eq!(node.client().count("Patient"), 1);
    }
}

/// 200 conditional updates with one identifier at the same time, spread over the nodes: one resource, every body a version.
fn one_of_many_updates(nodes: &[&TestApp], condition: &str) {
    let answers = parallel(200, |n| {
        let mut body = patient("one");
        body["multipleBirthInteger"] = json!(n);
        nodes[n % nodes.len()].client().put(&format!("Patient?{condition}"), &body).status
    });
    let created = answers.iter().filter(|status| **status == 201).count();
    let updated = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((created, updated), (1, 199), "{answers:?}");
    for node in nodes {
        let (matches, total) = node.client().search_all("Patient");
        assert_eq!((total, &matches[0]["meta"]["versionId"]), (Some(1), &json!("200")));
    }
}

/// Several clients each append to one list, by patch and without If-Match: nothing is lost.
fn no_lost_patch(nodes: &[&TestApp]) {
    let body = json!({"resourceType": "Patient", "id": "l", "name": [{"given": ["first"]}]});
    nodes[0].client().put("Patient/l", &body).expect(201);
    parallel(8, |thread| {
        let mut client = nodes[thread % nodes.len()].client();
        for n in 0..12 {
            let patch = json!([{"op": "add", "path": "/name/0/given/-", "value": format!("{thread}-{n}")}]).to_string();
            let json_patch = [("Content-Type", "application/json-patch+json")];
            client.send("PATCH", "/fhir/Patient/l", &json_patch, patch.as_bytes()).expect(200);
        }
    });
    let last = nodes[0].client().get("Patient/l").expect(200).json();
    let mut given: Vec<&str> =
        last["name"][0]["given"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!((given.len(), &last["meta"]["versionId"]), (97, &json!("97")));
}

/// Several clients count one number up, each with If-Match.
fn no_lost_update(nodes: &[&TestApp]) {
    let body = |n: i64| json!({"resourceType": "Observation", "id": "n", "status": "final", "code": {"text": "n"}, "valueInteger": n});
    nodes[0].client().put("Observation/n", &body(0)).expect(201);
    let each = 12;
    parallel(8, |thread| {
        let mut client = nodes[thread % nodes.len()].client();
        let mut done = 0;
        while done < each {
            let read = client.get("Observation/n").expect(200);
            let etag = read.header("etag").unwrap().to_owned();
            let next = read.json()["valueInteger"].as_i64().unwrap() + 1;
            let status = client.with_body("PUT", "Observation/n", &[("If-Match", &etag)], &body(next)).status;
            assert!(matches!(status, 200 | 412), "{status}");
            done += i64::from(status == 200);
        }
    });
    let last = nodes[0].client().get("Observation/n").expect(200).json();
    assert_eq!((last["valueInteger"].as_i64(), last["meta"]["versionId"].as_str()), (Some(8 * each), Some("97")));
}

/// Transactions write pairs; a search never sees two halves that differ.
fn never_half(nodes: &[&TestApp]) {
    let entry = |id: &str, n: usize| {
        let resource = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "pair"},
            "identifier": [{"system": "http://pair", "value": "p"}], "valueInteger": n});
        json!({"resource": resource, "request": {"method": "PUT", "url": format!("Observation/{id}")}})
    };
    let pair =
        |n: usize| json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry("a", n), entry("b", n)]});
    nodes[0].client().post("", &pair(0)).expect(200);
    let looked = AtomicUsize::new(0);
    parallel(4, |thread| {
        let mut client = nodes[thread % nodes.len()].client();
        // Two write until the others have looked often enough.
        for n in (1..).take_while(|_| looked.load(Ordering::SeqCst) < 40) {
            if thread < 2 {
                client.post("", &pair(n * 2 + thread)).expect(200);
                continue;
            }
            let (matches, total) = client.search_all("Observation?identifier=http://pair%7Cp");
            assert_eq!((matches.len(), total), (2, Some(2)));
            assert_eq!(matches[0]["valueInteger"], matches[1]["valueInteger"], "half of a transaction: {matches:?}");
            looked.fetch_add(1, Ordering::SeqCst);
        }
    });
}

/// Writes at one node, and looks at the next: created, changed, deleted.
fn read_your_writes(nodes: &[&TestApp]) {
    parallel(4, |thread| {
        let mut writer = nodes[thread % nodes.len()].client();
        let mut reader = nodes[(thread + 1) % nodes.len()].client();
        let count = |client: &mut Client, value: &str| client.count(&format!("Patient?identifier=http://p%7C{value}"));
        for n in 0..15 {
            let (first, second) = (format!("w{thread}-{n}"), format!("x{thread}-{n}"));
            let (name, _) = writer.post("Patient", &patient(&first)).expect(201).location();
            assert_eq!(count(&mut reader, &first), 1, "a create is not found");
            let mut changed = patient(&second);
            changed["id"] = json!(name.split('/').nth(1));
            writer.put(&name, &changed).expect(200);
            assert_eq!((count(&mut reader, &first), count(&mut reader, &second)), (0, 1), "an update is not found");
            writer.delete(&name).expect(204);
            assert_eq!(count(&mut reader, &second), 0, "a deletion is not found");
        }
    });
}

on_both_databases! {
    fn parallel_creates_on_an_identifier_make_one(database) {
        only_one(&[&TestApp::start(database)], "identifier=http://p|one");
    }

    fn parallel_creates_on_another_condition_make_one(database) {
        only_one(&[&TestApp::start(database)], "family=parallel&birthdate=1990-01-01");
    }

    fn parallel_updates_on_an_identifier_make_one(database) {
        one_of_many_updates(&[&TestApp::start(database)], "identifier=http://p%7Cone");
    }

    fn parallel_updates_on_another_condition_make_one(database) {
        one_of_many_updates(&[&TestApp::start(database)], "family=parallel&birthdate=1990-01-01");
    }

    fn parallel_patches_lose_nothing(database) {
        no_lost_patch(&[&TestApp::start(database)]);
    }

    fn updates_with_if_match_lose_nothing(database) {
        no_lost_update(&[&TestApp::start(database)]);
    }

    fn a_transaction_is_never_seen_half(database) {
        never_half(&[&TestApp::start(database)]);
    }

    fn an_answered_write_is_found(database) {
        read_your_writes(&[&TestApp::start(database)]);
    }
}

/// Runs a scenario on two nodes over one PostgreSQL.
fn on_two_nodes(scenario: impl FnOnce(&[&TestApp])) {
    if Postgres::available() {
        let first = TestApp::start(Database::Postgres);
        let second = first.second_node();
        scenario(&[&first, &second]);
    }
}

#[test]
fn two_nodes_make_one_of_an_identifier() {
    on_two_nodes(|nodes| only_one(nodes, "identifier=http://p|one"));
}

#[test]
fn two_nodes_make_one_of_another_condition() {
    on_two_nodes(|nodes| only_one(nodes, "family=parallel&birthdate=1990-01-01"));
}

#[test]
fn two_nodes_make_one_by_conditional_updates() {
    on_two_nodes(|nodes| one_of_many_updates(nodes, "identifier=http://p%7Cone"));
}

#[test]
fn two_nodes_make_one_by_updates_on_another_condition() {
    on_two_nodes(|nodes| one_of_many_updates(nodes, "family=parallel&birthdate=1990-01-01"));
}

#[test]
fn two_nodes_lose_no_patch() {
    on_two_nodes(no_lost_patch);
}

#[test]
fn two_nodes_lose_no_update() {
    on_two_nodes(no_lost_update);
}

#[test]
fn two_nodes_never_show_half() {
    on_two_nodes(never_half);
}

#[test]
fn two_nodes_read_each_others_writes() {
    on_two_nodes(read_your_writes);
}
