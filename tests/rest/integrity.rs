//! Referential integrity, where it is on: what a reference needs, what a delete may take.

use serde_json::{Value, json};

use super::patient;
use crate::support::{Client, Database, Postgres, TestApp, on_both_databases, parallel};

const ON: (&str, &str) = ("CRESSET_REFERENTIAL_INTEGRITY", "true");

fn strict(database: Database) -> TestApp {
    let mut app = TestApp::start(database);
    app.restart_with(&[], &[ON]);
    app
}

fn observation(subject: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}})
}

fn entry(method: &str, url: &str, resource: Option<Value>) -> Value {
    match resource {
        Some(resource) => json!({"resource": resource, "request": {"method": method, "url": url}}),
        None => json!({"request": {"method": method, "url": url}}),
    }
}

fn transaction(client: &mut Client, entries: &[Value]) -> crate::support::Answer {
    client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
}

fn with_id(id: &str, mut resource: Value) -> Value {
    resource["id"] = json!(id);
    resource
}

/// Observations whose subject is not there.
fn dangling(client: &mut Client) -> usize {
    let (observations, _) = client.search_all("Observation");
    let subjects = observations.iter().map(|o| o["subject"]["reference"].as_str().unwrap().to_owned());
    subjects.filter(|subject| client.get(subject).status != 200).count()
}

on_both_databases! {
    fn references_lead_somewhere(database) {
        let app = strict(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        assert_eq!(statement["rest"][0]["resource"][0]["referencePolicy"], json!(["literal", "logical", "enforced"]));
        client.post("Observation", &observation("Patient/none")).expect_outcome(409);
        client.put("Observation/o", &with_id("o", observation("Patient/none"))).expect_outcome(409);
        let (name, _) = client.post("Patient", &patient("A")).expect(201).location();
        let (seen, _) = client.post("Observation", &observation(&name)).expect(201).location();
        client.post("Observation", &observation(&format!("{}/{name}/_history/1", app.base()))).expect(201);
        client.post("Observation", &observation("http://elsewhere/fhir/Patient/none")).expect(201);
        client.post("Observation", &observation("urn:uuid:11111111-1111-4111-8111-111111111111")).expect(201);
        let patch = json!([{"op": "replace", "path": "/subject/reference", "value": "Patient/none"}]).to_string();
        let json_patch = [("Content-Type", "application/json-patch+json")];
        client.send("PATCH", &format!("/fhir/{seen}"), &json_patch, patch.as_bytes()).expect_outcome(409);
        client.put("Patient/self", &json!({"resourceType": "Patient", "id": "self",
            "link": [{"other": {"reference": "Patient/self"}, "type": "seealso"}]})).expect(201);
        client.delete("Patient/self").expect(204);
    }

    fn what_is_referred_to_stays(database) {
        let app = strict(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &patient("A")).expect(201).location();
        let (seen, _) = client.post("Observation", &observation(&name)).expect(201).location();
        let outcome = client.delete(&name).expect_outcome(409);
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains(&seen), "{outcome}");
        client.delete("Patient?family=a").expect_outcome(409);
        // The reference goes elsewhere: now it may go.
        let (other, _) = client.post("Patient", &patient("B")).expect(201).location();
        let id = seen.split('/').nth(1).unwrap();
        client.put(&seen, &with_id(id, observation(&other))).expect(200);
        client.delete(&name).expect(204);
        client.put(&seen, &with_id(id, observation(&name))).expect_outcome(409);
        client.delete(&seen).expect(204);
        client.delete(&other).expect(204);
    }

    fn a_transaction_is_seen_as_a_whole(database) {
        let app = strict(database);
        let mut client = app.client();
        let (a, b) = (with_id("a", patient("A")), with_id("o", observation("Patient/a")));
        transaction(&mut client, &[entry("PUT", "Observation/o", Some(b.clone())), entry("PUT", "Patient/a", Some(a.clone()))]).expect(200);
        transaction(&mut client, &[entry("DELETE", "Patient/a", None)]).expect_outcome(409);
        transaction(&mut client, &[entry("DELETE", "Patient/a", None), entry("PUT", "Observation/p", Some(with_id("p", observation("Patient/a"))))])
            .expect_outcome(409);
        transaction(&mut client, &[entry("DELETE", "Patient/a", None), entry("DELETE", "Observation/o", None)]).expect(200);
        // The other way round, and in a circle.
        let link = |id: &str, to: &str| json!({"resourceType": "Patient", "id": id, "link": [{"other": {"reference": to}, "type": "seealso"}]});
        transaction(&mut client, &[entry("PUT", "Patient/x", Some(link("x", "Patient/y"))), entry("PUT", "Patient/y", Some(link("y", "Patient/x")))]).expect(200);
        client.delete("Patient/x").expect_outcome(409);
        transaction(&mut client, &[entry("DELETE", "Patient/x", None), entry("DELETE", "Patient/y", None)]).expect(200);
    }

    fn it_can_be_switched_on_later(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/a", &with_id("a", patient("A"))).expect(201);
        client.put("Patient/b", &with_id("b", patient("B"))).expect(201);
        client.put("Observation/o", &with_id("o", observation("Patient/b"))).expect(201);
        client.put("Observation/o", &with_id("o", observation("Patient/a"))).expect(200);
        client.put("Observation/p", &with_id("p", observation("Patient/none"))).expect(201);
        app.restart_with(&[], &[ON]);
        app.client().delete("Patient/a").expect_outcome(409);
        app.client().delete("Patient/b").expect(204);
        // Off, and on again.
        app.restart(&[]);
        let mut client = app.client();
        client.put("Observation/q", &with_id("q", observation("Patient/a"))).expect(201);
        client.delete("Observation/o").expect(204);
        client.delete("Observation/p").expect(204);
        app.restart_with(&[], &[ON]);
        let mut client = app.client();
        let outcome = client.delete("Patient/a").expect_outcome(409);
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains("Observation/q"), "{outcome}");
        client.delete("Observation/q").expect(204);
        client.delete("Patient/a").expect(204);
        app.kill();
        let output = app.run(&["doctor", "--deep"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    fn no_race_leaves_a_reference_that_leads_nowhere(database) {
        let app = strict(database);
        race(&[&app]);
    }
}

/// Some delete patients while others refer to them.
fn race(nodes: &[&TestApp]) {
    for n in 0..20 {
        nodes[0].client().put(&format!("Patient/r{n}"), &with_id(&format!("r{n}"), patient("R"))).expect(201);
    }
    let statuses = parallel(8, |thread| {
        let mut client = nodes[thread / 2 % nodes.len()].client();
        let one = |n: usize| {
            let name = format!("Patient/r{n}");
            if thread % 2 == 0 {
                client.delete(&name).status
            } else {
                client.post("Observation", &observation(&name)).status
            }
        };
        (0..20).map(one).collect::<Vec<_>>()
    });
    let all: Vec<u16> = statuses.into_iter().flatten().collect();
    assert!(all.iter().all(|status| matches!(status, 201 | 204 | 409)), "{all:?}");
    assert_eq!(dangling(&mut nodes[0].client()), 0);
}

#[test]
fn two_nodes_leave_no_reference_that_leads_nowhere() {
    if Postgres::available() {
        let first = strict(Database::Postgres);
        let mut second = first.second_node();
        second.restart_with(&[], &[ON]);
        race(&[&first, &second]);
    }
}

#[test]
fn a_node_without_integrity_is_caught_up_with() {
    if Postgres::available() {
        let first = strict(Database::Postgres);
        let second = first.second_node();
        second.client().put("Patient/a", &with_id("a", patient("A"))).expect(201);
        second.client().put("Observation/o", &with_id("o", observation("Patient/a"))).expect(201);
        first.client().delete("Patient/a").expect_outcome(409);
        second.client().delete("Observation/o").expect(204);
        first.client().delete("Patient/a").expect(204);
    }
}
