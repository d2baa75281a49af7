//! Tenants: served beside each other, and nothing of one is seen by another.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, Postgres, TestApp, on_both_databases, parallel, signal};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");

/// A server with the tenants `ward` and `lab`.
#[track_caller]
fn start(database: Database) -> TestApp {
    let mut app = TestApp::start(database);
    app.kill();
    for name in ["ward", "lab"] {
        let output = app.run(&["tenant", "add", name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    app.restart(&[]);
    app
}

#[track_caller]
fn put(client: &mut Client, base: &str, name: &str, more: &Value) -> Answer {
    let (kind, id) = name.split_once('/').unwrap();
    let mut body = json!({"resourceType": kind, "id": id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.send("PUT", &format!("{base}/{name}"), &[JSON], body.to_string().as_bytes())
}

#[track_caller]
fn get(client: &mut Client, target: &str) -> Value {
    client.send("GET", target, &[], &[]).expect(200).json()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?.iter();
    let url = links.filter(|link| link["relation"] == relation).find_map(|link| link["url"].as_str())?;
    let path = url.strip_prefix("http://").map(|rest| rest[rest.find('/').unwrap()..].to_owned());
    Some(path.unwrap_or_else(|| url.to_owned()))
}

const BASES: [&str; 3] = ["/fhir", "/t/ward/fhir", "/t/lab/fhir"];

on_both_databases! {
    fn search_parameters_belong_to_their_tenant(database) {
        let app = start(database);
        let mut client = app.client();
        for (base, expression) in BASES.iter().zip(["Patient.language", "Patient.gender"]) {
            put(&mut client, base, "Patient/p", &json!({"language": "de", "gender": "other"})).expect(201);
            put(&mut client, base, "SearchParameter/s", &json!({"url": "http://x/s", "name": "n", "status": "active",
                "description": "d", "code": "mine", "base": ["Patient"], "type": "token", "expression": expression})).expect(201);
        }
        let strict = [("Prefer", "handling=strict")];
        for (base, value, total) in [(BASES[0], "de", 1), (BASES[0], "other", 0), (BASES[1], "de", 0), (BASES[1], "other", 1)] {
            let answer = client.send("GET", &format!("{base}/Patient?mine={value}"), &strict, &[]).expect(200).json();
            assert_eq!(answer["total"], total, "{base} {value}");
        }
        client.send("GET", &format!("{}/Patient?mine=de", BASES[2]), &strict, &[]).expect_outcome(400);
        for (base, count) in BASES.iter().zip([1, 1, 0]) {
            let statement = client.send("GET", &format!("{base}/metadata"), &[], &[]).expect(200).text();
            assert_eq!(statement.matches("\"mine\"").count(), count, "{base}");
        }
    }

    fn nothing_of_one_tenant_is_seen_by_another(database) {
        let app = start(database);
        let mut client = app.client();
        // The same ids in all of them, with other content.
        for (n, base) in BASES.iter().enumerate() {
            for i in 0..=n {
                let id = format!("Patient/p{i}");
                put(&mut client, base, &id, &json!({"name": [{"family": format!("F{n}")}], "identifier": [{"system": "urn:x", "value": "1"}]})).expect(201);
            }
            put(&mut client, base, "Observation/o", &json!({"status": "final", "code": {"text": "c"}, "subject": {"reference": "Patient/p0"}})).expect(201);
        }
        for (n, base) in BASES.iter().enumerate() {
            let read = client.send("GET", &format!("{base}/Patient/p0"), &[], &[]).expect(200);
            assert_eq!((read.header("etag"), &read.json()["name"][0]["family"]), (Some("W/\"1\""), &json!(format!("F{n}"))));
            client.send("GET", &format!("{base}/Patient/p{}", n + 1), &[], &[]).expect_outcome(404);
            let found = get(&mut client, &format!("{base}/Patient?identifier=urn:x|1"));
            assert_eq!(found["total"], n + 1, "{base}");
            let history = get(&mut client, &format!("{base}/_history"));
            assert_eq!(history["total"], n + 2, "{base}");
            let chained = get(&mut client, &format!("{base}/Observation?subject.family=F{n}"));
            assert_eq!(chained["total"], 1, "{base}");
            let foreign = get(&mut client, &format!("{base}/Observation?subject.family=F{}", (n + 1) % 3));
            assert_eq!(foreign["total"], 0, "{base}");
            // Every URL that is answered leads back to the tenant.
            let full = found["entry"][0]["fullUrl"].as_str().unwrap().to_owned();
            assert!(full.ends_with(&format!("{base}/Patient/p0")), "{full}");
            assert!(link(&found, "self").unwrap().starts_with(&format!("{base}/Patient?")), "{found}");
            let statement = get(&mut client, &format!("{base}/metadata"));
            assert!(statement["implementation"]["url"].as_str().unwrap().ends_with(base), "{base}");
        }
        // A delete and a conditional create of one are nothing to the others.
        client.send("DELETE", "/t/ward/fhir/Patient/p0", &[], &[]).expect(204);
        client.send("GET", "/t/ward/fhir/Patient/p0", &[], &[]).expect_outcome(410);
        client.send("GET", "/t/lab/fhir/Patient/p0", &[], &[]).expect(200);
        let body = json!({"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "2"}]}).to_string();
        let condition = [JSON, ("If-None-Exist", "identifier=urn:x|2")];
        for base in BASES {
            let created = client.send("POST", &format!("{base}/Patient"), &condition, body.as_bytes()).expect(201);
            assert!(created.header("location").unwrap().contains(&format!("{base}/Patient/")), "{created:?}");
            client.send("POST", &format!("{base}/Patient"), &condition, body.as_bytes()).expect(200);
        }
    }

    fn references_and_pages_belong_to_one_tenant(database) {
        let app = start(database);
        let mut client = app.client();
        let host = app.base().trim_end_matches("/fhir").to_owned();
        for base in BASES {
            (0..5).for_each(|n| drop(put(&mut client, base, &format!("Patient/p{n}"), &json!({"active": true})).expect(201)));
        }
        // An absolute reference below the tenant's base is local there, and foreign elsewhere.
        let subject = json!({"status": "final", "code": {"text": "c"}, "subject": {"reference": format!("{host}/t/ward/fhir/Patient/p1")}});
        for base in BASES {
            put(&mut client, base, "Observation/o", &subject).expect(201);
            let found = get(&mut client, &format!("{base}/Observation?subject=Patient/p1"));
            assert_eq!(found["total"], u8::from(base == "/t/ward/fhir"), "{base}");
        }
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": format!("{host}/t/ward/fhir/Patient/p1")}}]}).to_string();
        let status = |client: &mut Client, base: &str| {
            let answer = client.send("POST", base, &[JSON], batch.as_bytes()).expect(200).json();
            answer["entry"][0]["response"]["status"].as_str().unwrap()[..3].to_owned()
        };
        assert_eq!(status(&mut client, "/t/ward/fhir"), "200");
        assert_eq!(status(&mut client, "/t/lab/fhir"), "400", "an entry is below the base of its own tenant");
        // Pages: within the tenant, and a token of one is none of another.
        let first = get(&mut client, "/t/ward/fhir/Patient?_count=2&_sort=-_lastUpdated");
        let next = link(&first, "next").unwrap();
        assert!(next.starts_with("/t/ward/fhir"), "{next}");
        assert_eq!(get(&mut client, &next)["entry"].as_array().unwrap().len(), 2);
        let by_id = link(&get(&mut client, "/t/ward/fhir/Patient?_count=2&_sort=_id"), "next").unwrap();
        assert_eq!(get(&mut client, &by_id)["entry"].as_array().unwrap().len(), 2);
        for other in ["/fhir", "/t/lab/fhir"] {
            client.send("GET", &next.replacen("/t/ward/fhir", other, 1), &[], &[]).expect_outcome(400);
            client.send("GET", &by_id.replacen("/t/ward/fhir", other, 1), &[], &[]).expect_outcome(400);
        }
        let (mut seen, mut page) = (0, get(&mut client, "/t/ward/fhir/_history?_count=2"));
        loop {
            seen += page["entry"].as_array().unwrap().len();
            let Some(next) = link(&page, "next") else { break };
            assert!(next.starts_with("/t/ward/fhir/_history?"), "{next}");
            page = get(&mut client, &next);
        }
        assert_eq!(seen, 6);
    }

    fn a_tenant_says_how_much_is_asked_of_its_resources(database) {
        let mut app = start(database);
        let incomplete = json!({"status": "final", "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2023-02-30"});
        let misshapen = json!({"status": ["final"]});
        let write = |app: &TestApp, base: &str, id: &str, body: &Value| {
            put(&mut app.client(), base, &format!("Observation/{id}"), body).status
        };
        assert_eq!(write(&app, "/t/ward/fhir", "a", &incomplete), 400);
        let change = |app: &mut TestApp, arguments: &[&str], is_well: bool| {
            app.kill();
            let output = app.run(arguments);
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.success(), is_well, "{arguments:?}: {text}");
            app.restart(&[]);
            text
        };
        change(&mut app, &["tenant", "set", "ward", "--validation", "off"], true);
        change(&mut app, &["tenant", "add", "research", "--validation", "off"], true);
        for base in ["/t/ward/fhir", "/t/research/fhir"] {
            assert_eq!(write(&app, base, "a", &incomplete), 201, "{base}");
            assert_eq!(write(&app, base, "b", &misshapen), 400, "{base}");
            let found = get(&mut app.client(), &format!("{base}/Observation?subject=Patient/p&status=final"));
            assert_eq!(found["total"], 1, "{base}");
            assert_eq!(get(&mut app.client(), &format!("{base}/Observation?date=2023"))["total"], 0, "{base}");
        }
        for base in ["/fhir", "/t/lab/fhir"] {
            assert_eq!(write(&app, base, "a", &incomplete), 400, "{base}");
        }
        let list = change(&mut app, &["tenant", "list"], true);
        assert!(list.contains("default\nlab\nresearch validation=off\nward validation=off\n"), "{list}");
        change(&mut app, &["tenant", "set", "ward", "--validation", "none"], false);
        change(&mut app, &["tenant", "set", "default", "--validation", "off"], false);
        change(&mut app, &["tenant", "set", "nobody", "--validation", "off"], false);
        change(&mut app, &["tenant", "set", "ward", "--validation", "default"], true);
        assert_eq!(write(&app, "/t/ward/fhir", "c", &incomplete), 400);
        // What is stored stays; a patch of it is asked for what an update would be.
        let mut client = app.client();
        assert_eq!(get(&mut client, "/t/ward/fhir/Observation/a")["effectiveDateTime"], "2023-02-30");
        let patch = [("Content-Type", "application/merge-patch+json")];
        client.send("PATCH", "/t/ward/fhir/Observation/a", &patch, br#"{"status":"amended"}"#).expect_outcome(400);
        client.send("PATCH", "/t/research/fhir/Observation/a", &patch, br#"{"status":"amended"}"#).expect(200);
        app.restart_with(&[], &[("CRESSET_VALIDATION_MODE", "off")]);
        assert_eq!(write(&app, "/fhir", "a", &incomplete), 201);
        assert_eq!(write(&app, "/t/ward/fhir", "c", &incomplete), 201);
    }

    fn tenants_are_added_removed_and_looked_after(database) {
        let mut app = start(database);
        let mut client = app.client();
        for unknown in ["/t/nobody/fhir/Patient/1", "/t/nobody/fhir/metadata", "/t/Ward/fhir/Patient", "/t/ward", "/t/ward/Patient", "/t/../fhir/Patient"] {
            client.send("GET", unknown, &[], &[]).expect_outcome(404);
        }
        assert_eq!(get(&mut client, "/t/default/fhir/Patient")["total"], 0, "the default tenant has two names");
        put(&mut client, "/t/ward/fhir", "Patient/w", &json!({"active": true})).expect(201);
        put(&mut client, "/t/lab/fhir", "Patient/l", &json!({"active": true})).expect(201);
        app.kill();
        let run = |arguments: &[&str], is_well: bool| {
            let output = app.run(arguments);
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.success(), is_well, "{arguments:?}: {text}");
            text
        };
        assert!(run(&["tenant", "list"], true).contains("default\nlab\nward\n"));
        run(&["tenant", "add", "ward"], false);
        run(&["tenant", "add", "No"], false);
        run(&["tenant", "remove", "default"], false);
        run(&["tenant", "remove", "nobody"], false);
        assert!(run(&["doctor", "--deep", "--tenant", "ward"], true).contains("log of 1 entries, index of 1 documents, 0 findings"));
        assert!(run(&["reindex", "--tenant", "ward"], true).contains("1 documents from 1 entries"));
        run(&["doctor", "--tenant", "nobody"], false);
        run(&["tenant", "remove", "lab"], true);
        run(&["tenant", "add", "new"], true);
        app.restart_with(&[], &[("CRESSET_LIMIT_OPEN_TENANTS", "1")]);
        let mut client = app.client();
        // With room for one at a time they are closed and opened again in turn.
        for _ in 0..3 {
            assert_eq!(get(&mut client, "/t/ward/fhir/Patient")["total"], 1);
            assert_eq!(get(&mut client, "/t/new/fhir/Patient")["total"], 0);
            client.send("GET", "/t/lab/fhir/Patient/l", &[], &[]).expect_outcome(404);
        }
        put(&mut client, "/t/new/fhir", "Patient/w", &json!({"active": false})).expect(201);
        assert_eq!(get(&mut client, "/t/ward/fhir/Patient/w")["active"], true);
        assert_eq!(get(&mut client, "/t/new/fhir/Patient/w")["active"], false);
    }

    fn one_that_floods_is_refused_and_the_others_are_answered(database) {
        let mut app = start(database);
        app.restart_with(&[], &[("CRESSET_LIMIT_TENANT_REQUESTS", "8")]);
        let mut client = app.client();
        let body = r#"{"resourceType":"Patient"}"#;
        // Requests that stay under way: their bodies have not come.
        let begin = |_| {
            let mut stream = TcpStream::connect(app.address()).unwrap();
            let head = "POST /t/ward/fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\nConnection: close";
            write!(stream, "{head}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
            stream.read_exact(&mut [0; 25]).unwrap();
            stream
        };
        let mut open: Vec<TcpStream> = (0..8).map(begin).collect();
        let refused = client.send("GET", "/t/ward/fhir/Patient", &[], &[]);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let outcome = refused.expect_outcome(429);
        assert_eq!(outcome["issue"][0]["code"], "throttled");
        for base in ["/fhir", "/t/lab/fhir"] {
            put(&mut client, base, "Patient/p", &json!({"active": true})).expect(201);
            assert_eq!(get(&mut client, &format!("{base}/Patient?active=true"))["total"], 1, "{base}");
        }
        let metrics = client.send("GET", "/metrics", &[], &[]).text();
        for line in [
            "cresset_tenant_requests{tenant=\"ward\"} 8\n", "cresset_tenant_refused_total{tenant=\"ward\"} 1\n",
            "cresset_tenant_refused_total{tenant=\"lab\"} 0\n", "cresset_log_head_seq{tenant=\"lab\"} 1\n",
            "cresset_log_head_seq{tenant=\"default\"} 1\n", "cresset_index_documents{tenant=\"lab\"} 1\n",
        ] {
            assert!(metrics.contains(line), "{line}{metrics}");
        }
        for stream in &mut open {
            stream.write_all(body.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        }
        assert_eq!(get(&mut client, "/t/ward/fhir/Patient")["total"], 8);
    }

    fn a_tenant_is_answered_while_others_are_opened_closed_and_flooded(database) {
        let mut app = start(database);
        app.restart_with(&[], &[("CRESSET_LIMIT_OPEN_TENANTS", "1")]);
        // Two tenants take turns in the only place, while both are written to and the default one is searched.
        let counts = parallel(5, |thread| {
            let mut client = app.client();
            let base = ["/t/ward/fhir", "/t/lab/fhir", "/fhir"][thread % 3];
            for n in 0..25 {
                let id = format!("Patient/t{thread}-{n}");
                put(&mut client, base, &id, &json!({"active": true})).expect(201);
                assert_eq!(get(&mut client, &format!("{base}/Patient?_id=t{thread}-{n}"))["total"], 1);
            }
            25
        });
        assert_eq!(counts.len(), 5);
        let mut client = app.client();
        for (base, total) in [("/t/ward/fhir", 50), ("/t/lab/fhir", 50), ("/fhir", 25)] {
            assert_eq!(get(&mut client, &format!("{base}/Patient?_summary=count"))["total"], total, "{base}");
        }
        let pid = app.pid().to_string();
        signal("TERM", &pid);
        assert!(app.ended().success());
        for tenant in ["ward", "lab"] {
            assert!(app.run(&["doctor", "--deep", "--tenant", tenant]).status.success(), "{tenant}");
        }
    }

    fn each_is_backed_up_restored_and_exported_by_itself(database) {
        let mut app = start(database);
        let mut client = app.client();
        for (n, base) in BASES.iter().enumerate() {
            (0..=n).for_each(|i| drop(put(&mut client, base, &format!("Patient/p{i}"), &json!({"active": true})).expect(201)));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let run = |app: &TestApp, arguments: &[&str], code: i32| {
            let output = app.run(arguments);
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
            text
        };
        run(&app, &["backup", "--to", &path("b"), "--tenant", "ward"], 0);
        // kept also by a run that finds nothing new in the log
        app.kill();
        run(&app, &["tenant", "set", "ward", "--validation", "off"], 0);
        app.restart(&[]);
        assert!(!folder.path().join("b/default").exists());
        let text = run(&app, &["backup", "--to", &path("b"), "--all-tenants"], 0);
        assert!(text.contains("ward: nothing new") && text.contains("lab: 3 entries") && text.contains("default: 1 entries"), "{text}");
        run(&app, &["backup", "--to", &path("b"), "--tenant", "nobody"], 1);
        run(&app, &["export", "--out", &path("one"), "--tenant", "lab"], 0);
        let lines = |name: &str| std::fs::read_to_string(path(name)).unwrap().lines().count();
        assert_eq!(lines("one/Patient.ndjson"), 3);
        run(&app, &["export", "--out", &path("all"), "--all-tenants"], 0);
        assert_eq!((lines("all/default/Patient.ndjson"), lines("all/ward/Patient.ndjson")), (1, 2));

        // One into a store that has others, all into an empty one.
        let mut other = TestApp::start(database);
        put(&mut other.client(), "/fhir", "Patient/own", &json!({"active": true})).expect(201);
        other.kill();
        run(&other, &["restore", "--from", &path("b"), "--tenant", "lab"], 0);
        run(&other, &["restore", "--from", &path("b"), "--tenant", "lab"], 2);
        run(&other, &["restore", "--from", &path("b"), "--all-tenants"], 2);
        run(&other, &["restore", "--from", &path("b"), "--tenant", "nobody"], 2);
        run(&other, &["doctor", "--deep", "--tenant", "lab"], 0);
        // The log of another tenant of this name is not added to.
        let text = run(&other, &["backup", "--to", &path("b"), "--tenant", "default"], 2);
        assert!(text.contains("of another log?"), "{text}");
        other.restart(&[]);
        let mut client = other.client();
        assert_eq!(get(&mut client, "/t/lab/fhir/Patient?active=true")["total"], 3);
        assert_eq!(get(&mut client, "/fhir/Patient")["total"], 1);
        client.send("GET", "/t/ward/fhir/Patient", &[], &[]).expect_outcome(404);
        let mut whole = TestApp::start(database);
        whole.kill();
        // as backups were before
        std::fs::remove_file(folder.path().join("b/lab/settings.json")).unwrap();
        run(&whole, &["restore", "--from", &path("b"), "--all-tenants"], 0);
        whole.restart(&[]);
        for (n, base) in BASES.iter().enumerate() {
            assert_eq!(get(&mut whole.client(), &format!("{base}/Patient?active=true"))["total"], n + 1, "{base}");
        }
        whole.kill();
        let modes = run(&whole, &["tenant", "list"], 0);
        let of = |tenant: &str| modes.lines().find(|line| line.starts_with(tenant)).unwrap().contains("off");
        assert_eq!(["ward", "lab", "default"].map(of), [true, false, false], "{modes}");
    }
}

#[test]
fn the_pages_of_every_tenant_are_followed_on_any_node() {
    if !Postgres::available() {
        return;
    }
    let first = start(Database::Postgres);
    let second = first.second_node();
    let mut clients = [first.client(), second.client()];
    for base in BASES {
        (0..9).for_each(|n| {
            drop(put(&mut clients[0], base, &format!("Patient/p{n}"), &json!({"active": true})).expect(201))
        });
    }
    for base in BASES {
        let mut page = get(&mut clients[0], &format!("{base}/Patient?_count=2&_sort=-_lastUpdated"));
        let mut seen = Vec::new();
        for n in 1.. {
            let entries = page["entry"].as_array().unwrap();
            seen.extend(entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()));
            assert!(
                entries.iter().all(|entry| entry["fullUrl"].as_str().unwrap().contains(&format!("{base}/Patient/")))
            );
            // What is written meanwhile is on no page.
            put(&mut clients[1], base, &format!("Patient/late{n}"), &json!({"active": true})).expect(201);
            let Some(next) = link(&page, "next") else { break };
            assert!(next.starts_with(base), "{next}");
            for other in BASES.iter().filter(|other| **other != base) {
                clients[1].send("GET", &next.replacen(base, other, 1), &[], &[]).expect_outcome(400);
            }
            page = get(&mut clients[n % 2], &next);
        }
        let wanted: Vec<String> = (0..9).rev().map(|n| format!("p{n}")).collect();
        assert_eq!(seen, wanted, "{base}");
    }
}

#[test]
fn what_was_removed_on_one_node_is_gone_on_the_others() {
    if !Postgres::available() {
        return;
    }
    let first = start(Database::Postgres);
    let mut second = first.second_node();
    for node in [&first, &second] {
        put(&mut node.client(), "/t/ward/fhir", "Patient/w", &json!({"active": true}));
        assert_eq!(get(&mut node.client(), "/t/ward/fhir/Patient")["total"], 1);
    }
    let number = first.sql("SELECT tenant FROM tenants WHERE name = 'ward'").trim().to_owned();
    let index = |node: &TestApp| node.folder().join(format!("index-{number}"));
    assert!(index(&first).exists() && index(&second).exists());
    // The data folders are in use, so it is removed by a third node.
    let third = TestApp::over(Some(first.database().unwrap()));
    let removed = third.run(&["tenant", "remove", "ward"]);
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    for node in [&first, &second] {
        node.client().send("GET", "/t/ward/fhir/Patient/w", &[], &[]).expect_outcome(404);
        let sent = put(&mut node.client(), "/t/ward/fhir", "Patient/x", &json!({"active": true}));
        sent.expect_outcome(404);
    }
    for table in ["heads", "versions", "current", "superseded", "type_heads", "identifiers", "referrals"] {
        assert_eq!(first.sql(&format!("SELECT count(*) FROM {table} WHERE tenant = {number}")).trim(), "0", "{table}");
    }
    second.restart(&[]);
    assert!(!index(&second).exists(), "the index of a removed tenant is still there");
}
