//! Batches and transactions (FHIR R4 `http.html`, 3.1.0.11).

use serde_json::{Value, json};

use super::{entries, patient};
use crate::support::{Client, TestApp, on_both_databases, redact};

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn post(url: &str, resource: Value) -> Value {
    let kind = resource["resourceType"].clone();
    json!({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind}})
}

fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

fn observation(subject: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}})
}

const P: &str = "urn:uuid:11111111-1111-4111-8111-111111111111";
const O: &str = "urn:uuid:22222222-2222-4222-8222-222222222222";

on_both_databases! {
    fn references_by_urn_are_resolved(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut body = observation(P);
        body["extension"] = json!([{"url": "http://x", "valueReference": {"reference": P}}]);
        let answer = client.post("", &bundle("transaction", &[post(O, body), post(P, patient("T"))])).expect(200);
        insta::assert_snapshot!("transaction", redact(&answer));
        let answered = entries(&answer.json());
        let location = |n: usize| answered[n]["response"]["location"].as_str().unwrap().split("/_history").next().unwrap().to_owned();
        let name = |n: usize| location(n).rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        let read = client.get(&name(0)).expect(200).json();
        assert_eq!(read["subject"]["reference"], name(1).as_str());
        assert_eq!(read["extension"][0]["valueReference"]["reference"], name(1).as_str());
        assert_eq!(client.count(&format!("Observation?subject={}", name(1))), 1);
    }

    fn references_to_full_urls_of_another_server_are_resolved(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let at = |path: &str| format!("http://source.example/r4/{path}");
        let mut subject = |reference: &str, patient: &Value, full_url: Option<String>| {
            let mut observed = post("", observation(reference));
            match full_url {
                Some(url) => observed["fullUrl"] = json!(url),
                None => _ = observed.as_object_mut().unwrap().remove("fullUrl"),
            }
            let answered = entries(&client.post("", &bundle("transaction", &[patient.clone(), observed])).expect(200).json());
            let location = |n: usize| answered[n]["response"]["location"].as_str().unwrap().to_owned();
            let read = client.get(&location(1)).expect(200).json()["subject"]["reference"].as_str().unwrap().to_owned();
            (read, location(0))
        };
        let created = post(&at("Patient/777"), patient("Source"));
        let same = || Some(at("Observation/1"));
        for reference in ["Patient/777", &at("Patient/777")] {
            let (read, location) = subject(reference, &created, same());
            assert_eq!(read, location.replace("/_history/1", ""), "{reference}");
        }
        // A reference to a version stays one, to the version that is made.
        for reference in ["Patient/777/_history/9", &at("Patient/777/_history/9")] {
            let (read, location) = subject(reference, &created, same());
            assert_eq!(read, location, "{reference}");
        }
        // From another root, or from nowhere, a relative reference means another resource.
        for url in [None, Some("urn:uuid:99999999-9999-4999-8999-999999999999".to_owned()), Some("http://other.example/Observation/1".to_owned())] {
            assert_eq!(subject("Patient/777", &created, url).0, "Patient/777");
        }
        let updated = json!({"fullUrl": at("Patient/777"), "resource": {"resourceType": "Patient", "id": "here"}, "request": {"method": "PUT", "url": "Patient/here"}});
        assert_eq!(subject(&at("Patient/777"), &updated, same()).0, "Patient/here");
        assert_eq!(subject("Patient/777", &updated, same()).0, "Patient/here");
        let versioned = json!({"fullUrl": at("Patient/777/_history/1"), "resource": patient("x"), "request": {"method": "POST", "url": "Patient"}});
        client.post("", &bundle("transaction", &[versioned])).expect_outcome(400);
    }

    fn references_to_versions_of_what_is_updated_lead_to_those_that_are_made(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let at = |path: &str| format!("http://source.example/r4/{path}");
        let put = |id: &str, resource: Value| json!({"fullUrl": at(&format!("Basic/{id}")), "resource": resource,
            "request": {"method": "PUT", "url": format!("Basic/{id}")}});
        let basic = |id: &str, text: &str, to: &str| json!({"resourceType": "Basic", "id": id, "code": {"text": text},
            "subject": {"reference": at(&format!("Basic/{to}/_history/77"))}});
        let subject = |client: &mut Client, id: &str| {
            let read = client.get(&format!("Basic/{id}")).expect(200).json();
            (read["meta"]["versionId"].as_str().unwrap().to_owned(), read["subject"]["reference"].as_str().unwrap().to_owned())
        };
        let send = |client: &mut Client, all: &[Value]| drop(client.post("", &bundle("transaction", all)).expect(200));
        let is = |client: &mut Client, id: &str, version: &str, to: &str| {
            assert_eq!(subject(client, id), (version.to_owned(), to.to_owned()), "{id}");
        };
        // new under ids of their own; each refers to the other
        let both = |text: &str| [put("a", basic("a", text, "b")), put("b", basic("b", "same", "a"))];
        send(&mut client, &both("1"));
        is(&mut client, "a", "1", "Basic/b/_history/1");
        is(&mut client, "b", "1", "Basic/a/_history/1");
        // the same again is no new version of either
        send(&mut client, &both("1"));
        is(&mut client, "a", "1", "Basic/b/_history/1");
        // one that is new makes the other one new, for its reference is another
        send(&mut client, &both("2"));
        is(&mut client, "a", "2", "Basic/b/_history/2");
        is(&mut client, "b", "2", "Basic/a/_history/2");
        // what stays the same keeps its version
        let alone = json!({"resourceType": "Basic", "id": "c", "code": {"text": "c"}});
        client.put("Basic/c", &alone).expect(201);
        send(&mut client, &[put("c", alone.clone()), put("d", basic("d", "d", "c"))]);
        is(&mut client, "d", "1", "Basic/c/_history/1");
        // deleted, and then there again
        client.delete("Basic/c").expect(204);
        send(&mut client, &[put("c", alone), put("d", basic("d", "d", "c"))]);
        is(&mut client, "d", "2", "Basic/c/_history/3");
        // a patch makes a version too
        let patch = json!({"fullUrl": at("Basic/c"), "request": {"method": "PATCH", "url": "Basic/c"}, "resource": {"resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Basic.code.text"},
                {"name": "value", "valueString": "patched"}]}]}});
        send(&mut client, &[patch, put("d", basic("d", "d", "c"))]);
        is(&mut client, "d", "3", "Basic/c/_history/4");
        assert_eq!(client.get("Basic/c/_history/4").expect(200).json()["code"]["text"], "patched");
    }

    fn conditional_references_are_resolved(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let known = json!({"resourceType": "Patient", "identifier": [{"system": "http://a", "value": "7"}]});
        let (name, _) = client.post("Patient", &known).expect(201).location();
        let answer = client.post("", &bundle("transaction", &[post(O, observation("Patient?identifier=http://a|7"))])).expect(200);
        let location = entries(&answer.json())[0]["response"]["location"].as_str().unwrap().to_owned();
        let id = location.split("/_history").next().unwrap().rsplit('/').next().unwrap().to_owned();
        assert_eq!(client.get(&format!("Observation/{id}")).expect(200).json()["subject"]["reference"], name.as_str());
        let nobody = client.post("", &bundle("transaction", &[post(O, observation("Patient?identifier=http://a|8"))]));
        assert!(matches!(nobody.status, 400 | 404 | 412 | 422), "{}", nobody.text());
        client.post("Patient", &known).expect(201);
        let several = client.post("", &bundle("transaction", &[post(O, observation("Patient?identifier=http://a|7"))]));
        assert!(matches!(several.status, 400 | 412 | 422), "{}", several.text());
        assert_eq!(client.count("Observation"), 1);
    }

    fn all_or_nothing(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let bad = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "nonsense": 1});
        let outcome = client.post("", &bundle("transaction", &[post(P, patient("Half")), post(O, bad)]));
        assert!((400..500).contains(&outcome.status), "{}", outcome.text());
        assert!(outcome.text().contains("entry[1]"), "{}", outcome.text());
        let stale = json!({"resource": {"resourceType": "Patient", "id": "s"}, "request": {"method": "PUT", "url": "Patient/s", "ifMatch": "W/\"5\""}});
        client.post("", &bundle("transaction", &[post(P, patient("Half")), stale])).expect_outcome(412);
        assert_eq!(client.count("Patient"), 0);
        assert_eq!(client.count("Observation"), 0);
    }

    fn order_and_reads_inside(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/old", &json!({"resourceType": "Patient", "id": "old"})).expect(201);
        let put = json!({"resource": {"resourceType": "Patient", "id": "new", "name": [{"family": "Inside"}]}, "request": {"method": "PUT", "url": "Patient/new"}});
        let delete = json!({"request": {"method": "DELETE", "url": "Patient/old"}});
        let list = [get("Patient?family=inside"), get("Patient/new"), put, post(P, patient("Inside")), delete];
        let answered = entries(&client.post("", &bundle("transaction", &list)).expect(200).json());
        let status = |n: usize| answered[n]["response"]["status"].as_str().unwrap()[..3].to_owned();
        assert_eq!((0..5).map(status).collect::<Vec<_>>(), ["200", "200", "201", "201", "204"]);
        assert_eq!(answered[0]["resource"]["total"], 2);
        assert_eq!(answered[1]["resource"]["id"], "new");
        client.get("Patient/old").expect(410);
    }

    fn a_batch_answers_each_entry(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let list = [post(P, patient("Good")), post(O, json!({"resourceType": "Patient", "nonsense": 1})), get("Patient/unknown"), get("Patient?family=good")];
        let answer = client.post("", &bundle("batch", &list)).expect(200);
        insta::assert_snapshot!("batch", redact(&answer));
        let answered = entries(&answer.json());
        assert_eq!(answer.json()["type"], "batch-response");
        assert!(answered[0]["response"]["status"].as_str().unwrap().starts_with("201"));
        assert!(answered[1]["response"]["status"].as_str().unwrap().starts_with('4'));
        assert_eq!(answered[1]["response"]["outcome"]["resourceType"], "OperationOutcome");
        assert!(answered[2]["response"]["status"].as_str().unwrap().starts_with("404"));
        assert_eq!(answered[3]["resource"]["total"], 1);
    }

    fn conditional_creates_in_one_transaction_see_each_other(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let same = |url: &str| {
            let mut entry = post(url, json!({"resourceType": "Patient", "identifier": [{"system": "http://a", "value": "1"}]}));
            entry["request"]["ifNoneExist"] = json!("identifier=http://a|1");
            entry
        };
        client.post("", &bundle("transaction", &[same(P)])).expect(200);
        let again = client.post("", &bundle("transaction", &[same(P), post(O, observation(P))])).expect(200).json();
        assert!(entries(&again)[0]["response"]["status"].as_str().unwrap().starts_with("200"), "{again}");
        assert_eq!(client.count("Patient"), 1);
        assert_eq!(client.count("Observation?patient.identifier=http://a%7C1"), 1);
    }

    fn a_history_is_taken_over(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let (name, _) = client.post("Patient", &patient("First")).expect(201).location();
        let id = name.rsplit('/').next().unwrap();
        let mut second = patient("Second");
        second["id"] = json!(id);
        client.put(&name, &second).expect(200);
        client.put("Observation/o", &json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "subject": {"reference": name}})).expect(201);
        client.put("Basic/gone", &json!({"resourceType": "Basic", "id": "gone", "code": {"text": "x"}})).expect(201);
        client.delete("Basic/gone").expect(204);
        let history = client.get("_history").expect(200).json();
        let other = TestApp::start(database);
        let mut copy = other.client();
        copy.put("Basic/gone", &json!({"resourceType": "Basic", "id": "gone", "code": {"text": "y"}})).expect(201);
        let answer = copy.post("", &history).expect(200).json();
        assert_eq!(answer["type"], "transaction-response");
        let told: Vec<_> = entries(&answer).iter().map(|e| (e["response"]["status"].as_str().unwrap()[..3].to_owned(), e["response"].get("outcome").is_some())).collect();
        assert_eq!(told, [("204", false), ("200", true), ("201", false), ("201", false), ("200", true)].map(|(s, o)| (s.to_owned(), o)), "{answer}");
        copy.get("Basic/gone").expect(410);
        assert_eq!(copy.get(&name).expect(200).json()["name"][0]["family"], "Second");
        assert_eq!(copy.count(&format!("Observation?subject={name}")), 1);
        // Again it changes nothing.
        let again = copy.post("", &history).expect(200).json();
        assert_eq!(entries(&again)[2]["response"]["status"], "200 OK", "{again}");
        assert_eq!(copy.get(&format!("{name}/_history")).expect(200).json()["total"], 1);
    }

    fn bundles_that_are_wrong(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let twice = json!({"resource": {"resourceType": "Patient", "id": "x"}, "request": {"method": "PUT", "url": "Patient/x"}});
        for body in [
            bundle("searchset", &[]),
            bundle("transaction", &[json!({"resource": {"resourceType": "Patient"}})]),
            bundle("transaction", &[json!({"request": {"method": "POST", "url": "Patient"}})]),
            bundle("transaction", &[json!({"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Observation"}})]),
            bundle("transaction", &[twice.clone(), twice]),
            bundle("transaction", &[post(P, patient("a")), post(P, patient("b"))]),
            patient("not a Bundle"),
        ] {
            let answer = client.post("", &body);
            assert!((400..500).contains(&answer.status), "{body}: {} {}", answer.status, answer.text());
            assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        }
        assert_eq!(client.count("Patient"), 0);
    }

    fn a_condition_may_not_find_what_another_entry_writes(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |active: bool| json!({"resourceType": "Patient", "id": "o", "active": active, "identifier": [{"system": "urn:s", "value": "1"}]});
        client.put("Patient/o", &body(true)).expect(201);
        let mut create = post(P, body(true));
        create["request"]["ifNoneExist"] = json!("identifier=urn:s|1");
        let update = json!({"resource": body(false), "request": {"method": "PUT", "url": "Patient/o"}});
        let outcome = client.post("", &bundle("transaction", &[create.clone(), update])).expect_outcome(400);
        assert_eq!(outcome["issue"][0]["code"], "duplicate");
        assert_eq!(client.get("Patient/o").expect(200).json()["active"], true);
        // On its own the condition finds it, and nothing is made.
        let answered = client.post("", &bundle("transaction", &[create])).expect(200).json();
        assert_eq!(entries(&answered)[0]["response"]["status"], "200 OK");
        assert_eq!(client.count("Patient"), 1);
    }

    fn a_thousand_entries_in_one_go(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let url = |n: usize| format!("urn:uuid:00000000-0000-4000-8000-{n:012}");
        let list: Vec<Value> = (0..1000).map(|n| post(&url(n), if n == 0 { patient("Many") } else { observation(&url(0)) })).collect();
        let answered = client.post("", &bundle("transaction", &list)).expect(200).json();
        assert_eq!(entries(&answered).len(), 1000);
        assert_eq!(client.count("Observation?patient.family=many"), 999);
    }
}
