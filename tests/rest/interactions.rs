//! read, vread, create, update, delete, conditional create, search by GET and POST, and their headers.

use serde_json::{Value, json};

use super::{entries, patient};
use crate::support::{TestApp, on_both_databases, redact};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");

on_both_databases! {
    fn create_and_read(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let created = client.post("Patient", &patient("Ängström")).expect(201);
        insta::assert_snapshot!("create", redact(&created));
        let (name, version) = created.location();
        assert_eq!((version.as_str(), created.header("etag")), ("1", Some("W/\"1\"")));
        let read = client.get(&name).expect(200);
        insta::assert_snapshot!("read", redact(&read));
        assert_eq!(read.body, client.get(&format!("{name}/_history/1")).expect(200).body);
        let head = client.send("HEAD", &format!("/fhir/{name}"), &[], &[]).expect(200);
        assert!(head.body.is_empty() && head.header("etag") == Some("W/\"1\""), "{head:?}");
        client.get("Patient/unknown").expect_outcome(404);
        client.get(&format!("{name}/_history/2")).expect_outcome(404);
    }

    fn the_server_assigns_the_id_and_keeps_the_rest_as_written(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = br#"{ "resourceType":"Observation", "id":"mine", "meta":{"versionId":"9","tag":[{"code":"x"}]},
            "status":"final", "code":{"text":"a\u00e9\n\"b\""}, "valueQuantity":{"value":1.00,"unit":"kg"} }"#;
        let created = client.send("POST", "/fhir/Observation", &[JSON], body).expect(201);
        let (name, _) = created.location();
        assert_ne!(name, "Observation/mine");
        let text = client.get(&name).expect(200).text();
        assert!(text.contains("1.00") && text.contains(r#""versionId":"1""#) && text.contains(r#""tag""#), "{text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["code"]["text"], "aé\n\"b\"");
        let order: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(order.last().map(|s| s.as_str()), Some("valueQuantity"), "{order:?}");
    }

    fn update_makes_versions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let with_id = |family: &str| json!({"resourceType": "Patient", "id": "p1", "name": [{"family": family}]});
        let created = client.put("Patient/p1", &with_id("One")).expect(201);
        assert_eq!(created.location(), ("Patient/p1".to_owned(), "1".to_owned()));
        let updated = client.put("Patient/p1", &with_id("Two")).expect(200);
        assert_eq!(updated.header("etag"), Some("W/\"2\""));
        let same = client.put("Patient/p1", &with_id("Two")).expect(200);
        assert_eq!(same.header("etag"), Some("W/\"2\""), "an identical body makes no new version");
        client.put("Patient/p2", &with_id("Two")).expect_outcome(400);
        client.put("Patient/p1", &patient("Without id")).expect_outcome(400);
        client.put("Observation/p1", &with_id("Other type")).expect_outcome(400);
        assert_eq!(client.get("Patient/p1/_history/1").expect(200).json()["name"][0]["family"], "One");
        assert_eq!(client.get("Patient/p1").expect(200).json()["meta"]["versionId"], "2");
    }

    fn update_with_conditions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |n: u8| json!({"resourceType": "Patient", "id": "p1", "multipleBirthInteger": n});
        client.put("Patient/p1", &body(1)).expect(201);
        client.with_body("PUT", "Patient/p1", &[("If-Match", "W/\"1\"")], &body(2)).expect(200);
        client.with_body("PUT", "Patient/p1", &[("If-Match", "W/\"1\"")], &body(3)).expect_outcome(412);
        client.with_body("PUT", "Patient/p1", &[("If-Match", "nonsense")], &body(3)).expect_outcome(400);
        client.with_body("PUT", "Patient/p1", &[("If-None-Match", "*")], &body(3)).expect_outcome(412);
        assert_eq!(client.get("Patient/p1").expect(200).json()["multipleBirthInteger"], 2);
    }

    fn delete_leaves_history(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &patient("Gone")).expect(201).location();
        client.delete(&name).expect(204);
        client.delete(&name).expect(204);
        client.delete("Patient/never-there").expect(204);
        let gone = client.get(&name);
        insta::assert_snapshot!("gone", redact(&gone));
        gone.expect_outcome(410);
        client.get(&format!("{name}/_history/1")).expect(200);
        client.get(&format!("{name}/_history/2")).expect_outcome(410);
        assert_eq!(client.count("Patient?family=Gone"), 0);
        let id = name.split('/').nth(1).unwrap();
        let again = client.put(&name, &json!({"resourceType": "Patient", "id": id, "active": true})).expect(201);
        assert_eq!(again.header("etag"), Some("W/\"3\""));
    }

    fn conditional_reads_answer_not_modified(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &patient("Same")).expect(201).location();
        let target = format!("/fhir/{name}");
        let read = client.get(&name).expect(200);
        let modified = read.header("last-modified").unwrap().to_owned();
        let unchanged = client.send("GET", &target, &[("If-None-Match", "W/\"1\"")], &[]).expect(304);
        assert!(unchanged.body.is_empty());
        client.send("GET", &target, &[("If-None-Match", "W/\"7\"")], &[]).expect(200);
        client.send("GET", &target, &[("If-Modified-Since", &modified)], &[]).expect(304);
        client.send("GET", &target, &[("If-Modified-Since", "Mon, 01 Jan 2001 00:00:00 GMT")], &[]).expect(200);
    }

    fn conditional_create(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = json!({"resourceType": "Patient", "identifier": [{"system": "http://a", "value": "1"}], "name": [{"family": "Cond"}]});
        let condition = [("If-None-Exist", "identifier=http://a|1")];
        let first = client.with_body("POST", "Patient", &condition, &body).expect(201);
        let second = client.with_body("POST", "Patient", &condition, &body).expect(200);
        assert_eq!(second.header("etag"), Some("W/\"1\""));
        assert_eq!(client.count("Patient?identifier=http://a%7C1"), 1);
        client.with_body("POST", "Patient", &[("If-None-Exist", "family=cond")], &body).expect(200);
        client.post("Patient", &body).expect(201);
        client.with_body("POST", "Patient", &condition, &body).expect_outcome(412);
        client.with_body("POST", "Patient", &[("If-None-Exist", "family:nonsense=x")], &body).expect_outcome(400);
        client.delete(&first.location().0).expect(204);
        client.with_body("POST", "Patient", &condition, &body).expect(200);
    }

    fn preferences(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let prefer = |value| [("Prefer", value)];
        let minimal = client.with_body("POST", "Patient", &prefer("return=minimal"), &patient("A")).expect(201);
        assert!(minimal.body.is_empty(), "{}", minimal.text());
        let whole = client.with_body("POST", "Patient", &prefer("return=representation"), &patient("A")).expect(201).json();
        assert_eq!((&whole["resourceType"], &whole["meta"]["versionId"]), (&json!("Patient"), &json!("1")));
        let outcome = client.with_body("POST", "Patient", &prefer("return=OperationOutcome"), &patient("A")).expect(201).json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let strict = client.send("GET", "/fhir/Patient?nonsense=1", &prefer("handling=strict"), &[]);
        strict.expect_outcome(400);
        let lenient = client.get("Patient?nonsense=1").expect(200).json();
        let warning = entries(&lenient).into_iter().find(|e| e["search"]["mode"] == "outcome").unwrap();
        assert!(warning["resource"]["issue"][0]["diagnostics"].as_str().unwrap().contains("nonsense"), "{warning}");
    }

    fn formats(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &patient("A")).expect(201).location();
        let target = format!("/fhir/{name}");
        for accept in ["application/fhir+json", "*/*", "text/html;q=0.1, application/fhir+json;q=0.5"] {
            let read = client.send("GET", &target, &[("Accept", accept)], &[]).expect(200);
            assert_eq!(read.header("content-type"), Some("application/fhir+json; charset=utf-8"), "{accept}");
        }
        client.send("GET", &target, &[("Accept", "text/turtle")], &[]).expect_outcome(406);
        client.get(&format!("{name}?_format=json")).expect(200);
        client.get(&format!("{name}?_format=ttl")).expect_outcome(406);
        assert!(client.get(&format!("{name}?_pretty=true")).expect(200).text().contains("\n  "));
        let wrong = client.send("POST", "/fhir/Patient", &[("Content-Type", "text/plain")], b"{}");
        wrong.expect_outcome(415);
        let id = client.send("GET", &target, &[("X-Request-Id", "my-request")], &[]).expect(200);
        assert_eq!(id.header("x-request-id"), Some("my-request"));
    }

    fn searches_by_get_and_post(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for family in ["Alpha", "Beta", "Alphonse"] {
            client.post("Patient", &patient(family)).expect(201);
        }
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let by_form = client.send("POST", "/fhir/Patient/_search", &form, b"family=alph&_sort=family").expect(200);
        insta::assert_snapshot!("search", redact(&by_form));
        assert_eq!(by_form.json()["total"], 2);
        let both = client.send("POST", "/fhir/Patient/_search?family=alph", &form, b"family=alphon").expect(200);
        assert_eq!(both.json()["total"], 1);
        let count = client.get("Patient?_summary=count").expect(200).json();
        assert_eq!((&count["total"], count.get("entry")), (&json!(3), None));
        assert_eq!(client.get("Patient?_count=0").expect(200).json().get("entry"), None);
        let page = client.get("Patient?_count=2&family=a,b").expect(200).json();
        let link = |relation: &str| page["link"].as_array().unwrap().iter().find(|l| l["relation"] == relation).cloned();
        assert!(link("self").unwrap()["url"].as_str().unwrap().contains("family="), "{page}");
        assert!(link("next").is_some() && link("previous").is_none(), "{page}");
    }

    fn what_is_not_there_says_so(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.get("Nonsense/1").expect_outcome(404);
        client.get("patient/1").expect_outcome(404);
        client.send("GET", "/nowhere", &[], &[]).expect_outcome(404);
        client.post("Patient", &patient("A")).expect(201);
        let wrong = client.send("PUT", "/fhir/Patient/_search", &[JSON], b"{}");
        assert!((400..500).contains(&wrong.status), "{}", wrong.text());
        for target in [
            "Patient/1/$everything", "_history?_list=Patient/1", "Organization/1/Observation",
            "Patient?name:nonsense=x", "Patient?birthdate:exact=2000", "Patient?_filter=name+is+x", "Patient?_query=x",
        ] {
            let answer = client.get(target);
            assert!((400..500).contains(&answer.status), "{target}: {} {}", answer.status, answer.text());
            assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{target}");
        }
        assert_eq!(client.count("Patient"), 1);
    }

    fn health_answers(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.send("GET", "/livez", &[], &[]).expect(200);
        client.send("GET", "/readyz", &[], &[]).expect(200);
        let metrics = client.send("GET", "/metrics", &[], &[]).expect(200).text();
        assert!(metrics.contains("# TYPE"), "{metrics}");
    }
}
