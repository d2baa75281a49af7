//! Tenants: served beside each other, and nothing of one is seen by another.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, TestApp, on_both_databases};

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
}
