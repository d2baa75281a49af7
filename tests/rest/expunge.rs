//! Taking content away for good: DELETE of a history or a version, and `$expunge`.

use serde_json::{Value, json};

use super::patient;
use crate::support::{Answer, Client, TestApp, on_both_databases};

fn versions(client: &mut Client, id: &str, count: usize) {
    for n in 0..count {
        let body = json!({"resourceType": "Patient", "id": id, "name": [{"family": format!("Version{n}")}]});
        client.put(&format!("Patient/{id}"), &body).expect(if n == 0 { 201 } else { 200 });
    }
}

fn expunge(client: &mut Client, target: &str, parameters: &[Value]) -> Answer {
    client.post(target, &json!({"resourceType": "Parameters", "parameter": parameters}))
}

fn flag(name: &str) -> Value {
    json!({"name": name, "valueBoolean": true})
}

fn counted(answer: Answer) -> i64 {
    let answer = answer.expect(200).json();
    assert_eq!((&answer["resourceType"], &answer["parameter"][0]["name"]), (&json!("Parameters"), &json!("count")));
    answer["parameter"][0]["valueInteger"].as_i64().unwrap()
}

/// Versions in a history, newest first, with its total.
fn history(client: &mut Client, target: &str) -> (Vec<String>, u64) {
    let bundle = client.get(target).expect(200).json();
    let etag = |entry: &Value| entry["response"]["etag"].as_str().unwrap().to_owned();
    let entries = bundle["entry"].as_array().map(|entries| entries.iter().map(etag).collect());
    (entries.unwrap_or_default(), bundle["total"].as_u64().unwrap())
}

/// The doctor agrees, also after the index was made anew.
fn healthy(mut app: TestApp) {
    app.kill();
    for command in [&["doctor", "--deep"][..], &["reindex"], &["doctor", "--deep"]] {
        let output = app.run(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

on_both_databases! {
    fn a_history_is_deleted(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        versions(&mut client, "a", 4);
        client.delete("Patient/a/_history/2").expect(204);
        client.get("Patient/a/_history/2").expect_outcome(404);
        client.delete("Patient/a/_history/2").expect_outcome(404);
        client.delete("Patient/a/_history/9").expect_outcome(404);
        client.delete("Patient/a/_history/4").expect_outcome(409);
        client.get("Patient/a/_history/1").expect(200);
        let left = vec!["W/\"4\"".to_owned(), "W/\"3\"".to_owned(), "W/\"1\"".to_owned()];
        assert_eq!(history(&mut client, "Patient/a/_history"), (left.clone(), 3));
        assert_eq!(history(&mut client, "Patient/a/_history?_count=2").0, left[..2]);
        assert_eq!(history(&mut client, "Patient/_history"), (left.clone(), 3));
        assert_eq!(history(&mut client, "_history"), (left, 3));
        client.delete("Patient/a/_history").expect(204);
        assert_eq!(history(&mut client, "Patient/a/_history"), (vec!["W/\"4\"".to_owned()], 1));
        assert_eq!(history(&mut client, "_history"), (vec!["W/\"4\"".to_owned()], 1));
        assert_eq!(client.get("Patient/a").expect(200).json()["meta"]["versionId"], "4");
        assert_eq!((client.count("Patient?family=version3"), client.count("Patient")), (1, 1));
        client.delete("Patient/never/_history").expect_outcome(404);
        // Numbers go on.
        let next = client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a"})).expect(200);
        assert_eq!(next.header("etag"), Some("W/\"5\""));
        healthy(app);
    }

    fn deleted_resources_are_expunged(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        versions(&mut client, "gone", 2);
        versions(&mut client, "here", 2);
        client.delete("Patient/gone").expect(204);
        client.post("Observation", &json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})).expect(201);
        assert_eq!(counted(expunge(&mut client, "Patient/here/$expunge", &[flag("expungeDeletedResources")])), 0);
        assert_eq!(counted(expunge(&mut client, "Patient/$expunge", &[flag("expungeDeletedResources")])), 3);
        client.get("Patient/gone").expect_outcome(404);
        client.get("Patient/gone/_history").expect_outcome(404);
        client.get("Patient/gone/_history/1").expect_outcome(404);
        assert_eq!(history(&mut client, "Patient/_history").1, 2);
        assert_eq!(counted(expunge(&mut client, "$expunge", &[flag("expungeDeletedResources"), flag("expungePreviousVersions")])), 1);
        assert_eq!((history(&mut client, "_history").1, client.count("Patient"), client.count("Observation")), (2, 1, 1));
        // It can come back, under the next number.
        let back = client.put("Patient/gone", &json!({"resourceType": "Patient", "id": "gone"})).expect(201);
        assert_eq!(back.header("etag"), Some("W/\"4\""));
        assert_eq!(history(&mut client, "Patient/gone/_history"), (vec!["W/\"4\"".to_owned()], 1));
        healthy(app);
    }

    fn everything_is_expunged(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut body = patient("One");
        body["identifier"] = json!([{"system": "http://e", "value": "1"}]);
        let (name, _) = client.post("Patient", &body).expect(201).location();
        versions(&mut client, "other", 3);
        assert_eq!(counted(expunge(&mut client, &format!("{name}/$expunge"), &[flag("expungeEverything")])), 2);
        client.get(&name).expect_outcome(404);
        assert_eq!((client.count("Patient"), client.count("Patient?identifier=http://e%7C1")), (1, 0));
        client.with_body("POST", "Patient", &[("If-None-Exist", "identifier=http://e|1")], &body).expect(201);
        assert_eq!(counted(expunge(&mut client, "$expunge", &[flag("expungeEverything")])), 6);
        assert_eq!((client.count("Patient"), history(&mut client, "_history").1), (0, 0));
        client.post("Patient", &body).expect(201);
        healthy(app);
    }

    fn a_limit_bounds_a_call(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        versions(&mut client, "a", 6);
        let limit = json!({"name": "limit", "valueInteger": 2});
        let some = [limit.clone(), flag("expungePreviousVersions")];
        let counts: Vec<i64> = (0..4).map(|_| counted(expunge(&mut client, "Patient/a/$expunge", &some))).collect();
        assert_eq!(counts, [2, 2, 1, 0]);
        for bad in [vec![], vec![limit], vec![flag("nonsense")], vec![json!({"name": "limit", "valueInteger": 0})],
            vec![json!({"name": "expungeEverything", "valueString": "true"})]] {
            expunge(&mut client, "Patient/$expunge", &bad).expect_outcome(400);
        }
        client.send("POST", "/fhir/$expunge", &[], &[]).expect_outcome(400);
        client.get("Patient/$expunge").expect_outcome(405);
        expunge(&mut client, "Patient/never/$expunge", &[flag("expungeEverything")]).expect_outcome(404);
        client.post("Patient/$nonsense", &json!({})).expect_outcome(400);
        let entry = json!({"request": {"method": "DELETE", "url": "Patient/a/_history"}});
        client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).expect_outcome(400);
        client.get("Patient/a").expect(200);
    }

    fn a_page_leads_to_nothing_that_is_gone(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for n in 0..4 {
            versions(&mut client, &format!("p{n}"), 1);
        }
        let page = client.get("Patient?_count=2&_sort=_id").expect(200).json();
        let next = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next").unwrap()["url"].clone();
        expunge(&mut client, "Patient/p2/$expunge", &[flag("expungeEverything")]).expect(200);
        let target = next.as_str().unwrap().split_once("/fhir").unwrap().1.to_owned();
        let page = client.send("GET", &format!("/fhir{target}"), &[], &[]).expect(200).json();
        let ids: Vec<&str> = page["entry"].as_array().unwrap().iter().map(|e| e["resource"]["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["p3"]);
    }
}
