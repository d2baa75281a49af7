//! Conditional update and delete, and what the configuration allows (FHIR R4 `http.html`, 3.1.0.4.1, 3.1.0.4.3, 3.1.0.7.1).

use serde_json::{Value, json};

use super::{entries, patient};
use crate::support::{TestApp, on_both_databases, redact};

fn known(value: &str, family: &str) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": "http://c", "value": value}], "name": [{"family": family}]})
}

/// The status codes of the entries of a response.
pub fn statuses(bundle: &Value) -> Vec<String> {
    let code = |entry: &Value| entry["response"]["status"].as_str().unwrap()[..3].to_owned();
    entries(bundle).iter().map(code).collect()
}

fn with_id(id: &str, mut resource: Value) -> Value {
    resource["id"] = json!(id);
    resource
}

fn transaction(entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn entry(method: &str, url: &str, resource: Option<Value>) -> Value {
    match resource {
        Some(resource) => json!({"resource": resource, "request": {"method": method, "url": url}}),
        None => json!({"request": {"method": method, "url": url}}),
    }
}

on_both_databases! {
    fn conditional_update(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let url = "Patient?identifier=http://c%7C1";
        let created = client.put(url, &known("1", "One")).expect(201);
        insta::assert_snapshot!("conditional_update", redact(&created));
        let (name, _) = created.location();
        let id = name.split('/').nth(1).unwrap().to_owned();
        let updated = client.put(url, &known("1", "Two")).expect(200);
        assert_eq!((updated.header("etag"), updated.location().0), (Some("W/\"2\""), name.clone()));
        let same = client.put(url, &with_id(&id, known("1", "Two"))).expect(200);
        assert_eq!(same.header("etag"), Some("W/\"2\""), "nothing changed");
        client.put(url, &with_id("other", known("1", "Three"))).expect_outcome(400);
        client.put("Patient?family=two", &known("1", "Three")).expect(200);
        assert_eq!(client.get(&name).expect(200).json()["name"][0]["family"], "Three");
        // Several.
        client.post("Patient", &known("1", "Four")).expect(201);
        client.put(url, &known("1", "Five")).expect_outcome(412);
        // No condition, a wrong one, another type.
        client.put("Patient", &known("1", "x")).expect_outcome(400);
        client.put("Patient?nonsense=1", &known("1", "x")).expect_outcome(400);
        client.put("Observation?identifier=1", &known("1", "x")).expect_outcome(400);
        assert_eq!(client.count("Patient"), 2);
    }

    fn conditional_update_with_an_id(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let url = "Patient?identifier=http://c%7C7";
        let created = client.put(url, &with_id("mine", known("7", "One"))).expect(201);
        assert_eq!(created.location(), ("Patient/mine".to_owned(), "1".to_owned()));
        client.put(url, &with_id("mine", known("7", "Two"))).expect(200);
        // The id is taken by one that the condition does not find.
        client.put("Patient?identifier=http://c%7C8", &with_id("mine", known("8", "Three"))).expect_outcome(409);
        client.delete("Patient/mine").expect(204);
        let again = client.put(url, &with_id("mine", known("7", "Again"))).expect(201);
        assert_eq!(again.header("etag"), Some("W/\"4\""));
        client.put(url, &with_id("not an id", known("7", "x"))).expect_outcome(400);
    }

    fn conditional_update_with_versions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let url = "Patient?identifier=http://c%7C1";
        client.with_body("PUT", url, &[("If-Match", "W/\"1\"")], &known("1", "x")).expect_outcome(412);
        client.put(url, &known("1", "One")).expect(201);
        client.with_body("PUT", url, &[("If-Match", "W/\"1\"")], &known("1", "Two")).expect(200);
        client.with_body("PUT", url, &[("If-Match", "W/\"1\"")], &known("1", "Three")).expect_outcome(412);
        client.with_body("PUT", url, &[("If-None-Match", "*")], &known("1", "Three")).expect_outcome(412);
        let minimal = client.with_body("PUT", url, &[("Prefer", "return=minimal")], &known("1", "Four")).expect(200);
        assert!(minimal.body.is_empty() && minimal.header("last-modified").is_some());
    }

    fn conditional_delete(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let url = "Patient?identifier=http://c%7C1";
        client.delete(url).expect(204);
        let (name, _) = client.post("Patient", &known("1", "One")).expect(201).location();
        let target = format!("/fhir/{url}");
        client.send("DELETE", &target, &[("If-Match", "W/\"2\"")], &[]).expect_outcome(412);
        client.send("DELETE", &target, &[("If-Match", "W/\"1\"")], &[]).expect(204);
        client.send("DELETE", &target, &[("If-Match", "W/\"1\"")], &[]).expect_outcome(412);
        client.get(&name).expect_outcome(410);
        let names: Vec<String> = (0..2).map(|_| client.post("Patient", &known("1", "Two")).expect(201).location().0).collect();
        client.delete(url).expect_outcome(412);
        client.delete("Patient?family=two").expect_outcome(412);
        names.iter().for_each(|name| _ = client.get(name).expect(200));
        client.delete("Patient").expect_outcome(400);
        client.delete("Patient?nonsense=1").expect_outcome(400);
        assert_eq!(client.count("Patient"), 2);
    }

    fn conditional_delete_of_several(database) {
        let mut app = TestApp::start(database);
        app.restart_with(&[], &[("CRESSET_CONDITIONAL_DELETE", "multiple")]);
        let mut client = app.client();
        for n in 0..7 {
            client.post("Patient", &known(if n < 3 { "1" } else { "2" }, "Several")).expect(201);
        }
        let statement = client.get("metadata").expect(200).json();
        assert_eq!(statement["rest"][0]["resource"][0]["conditionalDelete"], "multiple");
        client.delete("Patient?identifier=http://c%7C1").expect(204);
        assert_eq!(client.count("Patient?family=several"), 4);
        let outcome = client.send("DELETE", "/fhir/Patient?family=several", &[("Prefer", "return=OperationOutcome")], &[]);
        assert!(outcome.clone().expect(200).text().contains("deleted 4 resources"), "{}", outcome.text());
        assert_eq!(client.count("Patient"), 0);
        // In a transaction, with the rest.
        for _ in 0..2 {
            client.post("Patient", &known("3", "Bundled")).expect(201);
        }
        let bundle = transaction(&[entry("DELETE", "Patient?identifier=http://c|3", None), entry("POST", "Patient", Some(known("3", "New")))]);
        assert_eq!(statuses(&client.post("", &bundle).expect(200).json()), ["204", "201"]);
        assert_eq!(client.count("Patient?identifier=http://c%7C3"), 1);
    }

    fn in_transactions_and_batches(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (old, _) = client.post("Patient", &known("old", "Old")).expect(201).location();
        let (kept, _) = client.post("Patient", &known("kept", "Kept")).expect(201).location();
        let urn = "urn:uuid:33333333-3333-4333-8333-333333333333";
        let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": urn}});
        let mut update = entry("PUT", "Patient?identifier=http://c|kept", Some(known("kept", "Changed")));
        update["fullUrl"] = json!(urn);
        let bundle = transaction(&[
            entry("GET", "Patient?identifier=http://c|kept", None),
            update,
            entry("POST", "Observation", Some(observation)),
            entry("PUT", "Patient?identifier=http://c|new", Some(known("new", "New"))),
            entry("DELETE", "Patient?identifier=http://c|old", None),
            entry("DELETE", "Patient?identifier=http://c|nobody", None),
        ]);
        let answer = client.post("", &bundle).expect(200).json();
        let answered = entries(&answer);
        assert_eq!(statuses(&answer), ["200", "200", "201", "201", "204", "204"]);
        assert_eq!(answered[0]["resource"]["entry"][0]["resource"]["name"][0]["family"], "Changed");
        client.get(&old).expect_outcome(410);
        assert_eq!(client.count(&format!("Observation?subject={kept}")), 1, "the full URL leads to what was found");
        // The same in a batch: each on its own.
        let mut batch = transaction(&[
            entry("PUT", "Patient?identifier=http://c|kept", Some(known("kept", "Once more"))),
            entry("DELETE", "Patient?identifier=http://c|new", None),
            entry("PUT", "Patient?identifier=http://c|kept", Some(with_id("other", known("kept", "x")))),
        ]);
        batch["type"] = json!("batch");
        assert_eq!(statuses(&client.post("", &batch).expect(200).json()), ["200", "204", "400"]);
    }

    fn identities_do_not_overlap(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &known("1", "One")).expect(201).location();
        let id = name.split('/').nth(1).unwrap().to_owned();
        let find = "Patient?identifier=http://c|1";
        for pair in [
            [entry("PUT", find, Some(known("1", "x"))), entry("DELETE", &name, None)],
            [entry("DELETE", find, None), entry("PUT", &name, Some(with_id(&id, known("1", "x"))))],
            [entry("PUT", find, Some(known("1", "x"))), entry("DELETE", find, None)],
            [entry("PUT", find, Some(known("1", "x"))), entry("PUT", "Patient?family=one", Some(known("1", "y")))],
            // The conditional update comes after the create, and would find it too.
            [entry("POST", "Patient", Some(known("2", "x"))), entry("PUT", "Patient?identifier=http://c|2", Some(known("2", "y")))],
            [entry("PUT", "Patient?identifier=http://c|3", Some(known("3", "x"))), entry("PUT", "Patient?identifier=http://c|3", Some(known("3", "y")))],
        ] {
            client.post("", &transaction(&pair)).expect_outcome(400);
        }
        assert_eq!(client.get(&name).expect(200).json()["meta"]["versionId"], "1");
        assert_eq!(client.count("Patient"), 1);
    }

    fn update_as_create_can_be_off(database) {
        let mut app = TestApp::start(database);
        app.client().put("Patient/old", &with_id("old", patient("Old"))).expect(201);
        app.restart_with(&[], &[("CRESSET_UPDATE_CREATE", "false")]);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        assert_eq!(statement["rest"][0]["resource"][0]["updateCreate"], false);
        let refused = client.put("Patient/new", &with_id("new", patient("New")));
        assert!(refused.header("allow").is_some_and(|allow| allow.contains("PUT")), "{:?}", refused.headers);
        refused.expect_outcome(405);
        client.put("Patient?family=nobody", &with_id("new", patient("New"))).expect_outcome(405);
        client.post("", &transaction(&[entry("PUT", "Patient/new", Some(with_id("new", patient("New"))))])).expect_outcome(405);
        client.put("Patient/old", &with_id("old", patient("Changed"))).expect(200);
        client.delete("Patient/old").expect(204);
        client.put("Patient/old", &with_id("old", patient("Back"))).expect(201);
        client.put("Patient?family=nobody", &patient("New")).expect(201);
    }
}
