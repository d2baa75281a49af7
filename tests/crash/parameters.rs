//! A re-index for a new search parameter: in the background, over kills, on several nodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Database, TestApp, on_both_databases, signal};

/// More than is done before the write of a definition is answered.
const MANY: u64 = 6000;

fn fill(client: &mut Client, from: u64, to: u64) {
    for piece in (from..to).step_by(1000) {
        let entry = |n: u64| {
            json!({"resource": {"resourceType": "Basic", "id": format!("b{n}"), "code": {"text": "x"}, "language": "de"},
                "request": {"method": "PUT", "url": format!("Basic/b{n}")}})
        };
        let entries: Vec<Value> = (piece..to.min(piece + 1000)).map(entry).collect();
        client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).expect(200);
    }
}

fn tongue(expression: &str) -> Value {
    json!({"resourceType": "SearchParameter", "id": "tongue", "url": "http://x/tongue", "name": "n", "status": "active",
        "description": "d", "code": "tongue", "base": ["Basic"], "type": "token", "expression": expression})
}

/// The state of the one definition, and how many resources are done.
fn status(client: &mut Client) -> (String, i64) {
    let answer = client.get("SearchParameter/$reindex-status").expect(200).json();
    let parts = answer["parameter"][1]["part"].as_array().cloned().unwrap_or_default();
    let part = |name: &str| parts.iter().find(|part| part["name"] == name).cloned().unwrap_or_default();
    (
        part("state")["valueCode"].as_str().unwrap_or_default().to_owned(),
        part("done")["valueInteger"].as_i64().unwrap_or(-1),
    )
}

#[track_caller]
fn wait_until_complete(client: &mut Client) {
    let patience = Instant::now() + Duration::from_secs(90);
    while status(client).0 != "complete" {
        assert!(Instant::now() < patience, "the re-index does not end: {:?}", status(client));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The matches of a search, and whether it says that there may be more.
fn found(client: &mut Client) -> (u64, bool) {
    let answer = client.get("Basic?tongue=de&_count=1").expect(200).json();
    let outcome = answer["entry"].as_array().into_iter().flatten().find(|entry| entry["search"]["mode"] == "outcome");
    (
        answer["total"].as_u64().unwrap(),
        outcome.is_some_and(|outcome| outcome["resource"]["issue"][0]["code"] == "incomplete"),
    )
}

on_both_databases! {
    fn a_search_says_so_while_its_parameter_is_incomplete(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client, 0, MANY);
        client.put("SearchParameter/tongue", &tongue("Basic.language")).expect(201);
        let mut seen = 0;
        loop {
            let (before, (count, is_partial), after) = (status(&mut client), found(&mut client), status(&mut client));
            assert!(is_partial || count == MANY, "{count} of {MANY} without a warning");
            if before.0 == "indexing" && after.0 == "indexing" {
                assert!(is_partial, "{before:?} {after:?}");
                seen += 1;
            }
            let twin = json!({"resourceType": "Basic", "code": {"text": "y"}});
            let condition = [("If-None-Exist", "tongue=none"), ("Content-Type", "application/fhir+json")];
            let answer = client.send("POST", "/fhir/Basic", &condition, twin.to_string().as_bytes());
            if status(&mut client).0 == "indexing" {
                answer.expect_outcome(503);
            }
            // What is written meanwhile is found at once.
            let new = client.post("Basic", &json!({"resourceType": "Basic", "code": {"text": "z"}, "language": "fr"})).expect(201);
            let (name, _) = new.location();
            let id = name.split('/').nth(1).unwrap();
            assert_eq!(client.count(&format!("Basic?tongue=fr&_id={id}")), 1);
            if after.0 == "complete" {
                break;
            }
        }
        assert!(seen > 0, "it was over before it was seen");
        assert_eq!(found(&mut client), (MANY, false));
    }

    fn a_reindex_goes_on_after_a_kill(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client, 0, MANY);
        client.put("SearchParameter/tongue", &tongue("Basic.language")).expect(201);
        let mut done = 0;
        for _ in 0..3 {
            // Something of it is committed.
            let patience = Instant::now() + Duration::from_secs(30);
            loop {
                let (state, now) = status(&mut client);
                if state == "complete" || now > done || Instant::now() > patience {
                    done = now.max(done);
                    break;
                }
            }
            signal("KILL", &app.pid().to_string());
            app.restart(&[]);
            client = app.client();
            let (state, now) = status(&mut client);
            assert!(state == "complete" || (state == "indexing" && now >= done), "{state} {now}: {done} were done before");
            let (count, is_partial) = found(&mut client);
            assert!(is_partial || count == MANY, "{count} without a warning");
        }
        wait_until_complete(&mut client);
        assert_eq!(found(&mut client), (MANY, false));
        // An index that is made anew knows it from its start, and so does one that was closed in order.
        app.kill();
        assert!(app.run(&["reindex"]).status.success());
        app.restart(&[]);
        let mut client = app.client();
        assert_eq!((status(&mut client).0, found(&mut client)), ("complete".to_owned(), (MANY, false)));
        app.restart(&[]);
        let mut client = app.client();
        assert_eq!((status(&mut client).0, found(&mut client)), ("complete".to_owned(), (MANY, false)));
    }

    fn what_is_updated_and_deleted_meanwhile_stays_so(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client, 0, MANY);
        client.put("SearchParameter/tongue", &tongue("Basic.language")).expect(201);
        // From the end, where the re-index comes last.
        let last: Vec<u64> = (MANY - 300..MANY).collect();
        for n in &last {
            match n % 2 {
                0 => client.put(&format!("Basic/b{n}"), &json!({"resourceType": "Basic", "id": format!("b{n}"), "code": {"text": "x"}, "language": "en"})).expect(200),
                _ => client.delete(&format!("Basic/b{n}")).expect(204),
            };
        }
        wait_until_complete(&mut client);
        assert_eq!(found(&mut client), (MANY - 300, false));
        assert_eq!(client.count("Basic?tongue=en"), 150);
        assert_eq!(client.count("Basic"), MANY - 150);
        // A definition that is replaced while it is indexed starts again.
        client.put("SearchParameter/tongue", &tongue("Basic.code.text")).expect(200);
        client.put("SearchParameter/tongue", &tongue("Basic.language")).expect(200);
        wait_until_complete(&mut client);
        assert_eq!(found(&mut client), (MANY - 300, false));
    }
}

#[test]
fn nodes_learn_of_parameters_from_the_log() {
    if !crate::support::Postgres::available() {
        return;
    }
    let app = TestApp::start(Database::Postgres);
    let mut other = app.second_node();
    let (mut here, mut there) = (app.client(), other.client());
    fill(&mut here, 0, 100);
    here.put("SearchParameter/tongue", &tongue("Basic.language")).expect(201);
    // A search on any node that comes after the answer knows the parameter.
    let strict = [("Prefer", "handling=strict")];
    let answer = there.send("GET", "/fhir/Basic?tongue=de&_count=1", &strict, &[]).expect(200).json();
    assert_eq!(answer["total"], 100);
    // What one node writes without having heard of it yet is found by it as well.
    for n in 0..20 {
        let (writer, reader) = if n % 2 == 0 { (&mut here, &mut there) } else { (&mut there, &mut here) };
        let code = format!("t{n}");
        let mut definition = tongue("Basic.language");
        (definition["id"], definition["code"]) = (json!(code), json!(code));
        writer.put(&format!("SearchParameter/{code}"), &definition).expect(201);
        reader
            .put(
                &format!("Basic/n{n}"),
                &json!({"resourceType": "Basic", "id": format!("n{n}"), "code": {"text": "x"}, "language": "fr"}),
            )
            .expect(201);
        for client in [&mut here, &mut there] {
            assert_eq!(client.count(&format!("Basic?{code}=fr")), n + 1, "{n}");
        }
    }
    // Two definitions of one code at the same time: one of them is refused.
    let race = |client: &mut Client, n: usize, side: &str| {
        let mut definition = tongue("Basic.language");
        (definition["id"], definition["code"]) = (json!(format!("{side}{n}")), json!(format!("race{n}")));
        client.put(&format!("SearchParameter/{side}{n}"), &definition).status
    };
    for n in 0..10 {
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| race(&mut here, n, "a"));
            let b = scope.spawn(|| race(&mut there, n, "b"));
            (a.join().unwrap(), b.join().unwrap())
        });
        let mut both = [a, b];
        both.sort_unstable();
        assert_eq!(both, [201, 409], "{n}");
    }
    // A node that starts later, with an index of its own, agrees.
    other.kill();
    other.restart(&[]);
    let mut there = other.client();
    assert_eq!(there.count("Basic?t3=fr"), here.count("Basic?t3=fr"));
    here.delete("SearchParameter/tongue").expect(204);
    there.send("GET", "/fhir/Basic?tongue=de", &strict, &[]).expect_outcome(400);
}
