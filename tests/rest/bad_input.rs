//! Bad input: a clear 4xx each time, with its place, in bounded time, and nothing stored.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, TestApp, on_both_databases};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");

/// Long even for a busy machine and a debug build.
const BOUND: Duration = Duration::from_secs(20);

#[track_caller]
fn refused(client: &mut Client, method: &str, target: &str, body: &[u8]) -> serde_json::Value {
    let start = Instant::now();
    let answer = client.send(method, target, &[JSON, ("Prefer", "handling=strict")], body);
    let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    assert!((400..500).contains(&answer.status), "{target:.200} {shown}: {} {:.500}", answer.status, answer.text());
    assert!(start.elapsed() < BOUND, "{target:.200} took {:?}", start.elapsed());
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    assert!(outcome["issue"][0]["diagnostics"].as_str().is_some_and(|d| !d.is_empty()), "{outcome}");
    outcome
}

on_both_databases! {
    fn json_that_is_wrong_names_its_place(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let outcome = refused(&mut client, "POST", "/fhir/Patient", b"{\n  \"resourceType\": \"Patient\",\n  \"active\": tru\n}");
        let text = outcome.to_string();
        assert!(text.contains("line 3") || text.contains("3:"), "no line: {text}");
        let deep = format!("{{\"resourceType\":\"Patient\",\"extension\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        for body in [
            b"".as_slice(),
            b"[]",
            b"\"x\"",
            b"{\"resourceType\":\"Patient\"",
            b"{\"resourceType\":\"Patient\"} x",
            b"{\"resourceType\":\"Patient\",\"active\":true,\"active\":true}",
            b"{\"resourceType\":\"Patient\",\"language\":\"\xff\xfe\"}",
            b"{\"resourceType\":\"Patient\",\"name\":[]}",
            b"{\"resourceType\":\"Patient\",\"name\":[{}]}",
            b"{\"resourceType\":\"Patient\",\"name\":null}",
            b"{\"resourceType\":\"Patient\",\"multipleBirthInteger\":1e999999999}",
            b"{\"resourceType\":\"Nonsense\"}",
            b"{\"name\":[{\"family\":\"x\"}]}",
            b"{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},\"valueQuantity\":{\"value\":01}}",
            deep.as_bytes(),
        ] {
            refused(&mut client, "POST", "/fhir/Patient", body);
        }
        assert_eq!(client.count("Patient"), 0);
    }

    fn structure_that_is_wrong_names_the_element(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let long = "a".repeat(65);
        for (body, place) in [
            (json!({"resourceType": "Patient", "nonsense": 1}), "nonsense"),
            (json!({"resourceType": "Patient", "name": {"family": "not a list"}}), "name"),
            (json!({"resourceType": "Patient", "active": "true"}), "active"),
            (json!({"resourceType": "Patient", "birthDate": "2023-02-30"}), "birthDate"),
            (json!({"resourceType": "Patient", "birthDate": "23-2-3"}), "birthDate"),
            (json!({"resourceType": "Patient", "deceasedBoolean": true, "deceasedDateTime": "2020"}), "deceased"),
            (json!({"resourceType": "Patient", "name": [{"family": ["a"]}]}), "family"),
            (json!({"resourceType": "Observation", "code": {"text": "x"}}), "status"),
            (json!({"resourceType": "Patient", "contact": [{"name": {"nonsense": "x"}}]}), "contact[0].name"),
        ] {
            let kind = body["resourceType"].as_str().unwrap().to_owned();
            let outcome = refused(&mut client, "POST", &format!("/fhir/{kind}"), body.to_string().as_bytes());
            let issues = outcome["issue"].to_string();
            assert!(issues.contains(place) && issues.contains("expression"), "{place}: {issues}");
        }
        let body = json!({"resourceType": "Patient", "id": long});
        refused(&mut client, "PUT", &format!("/fhir/Patient/{long}"), body.to_string().as_bytes());
        refused(&mut client, "PUT", "/fhir/Patient/a%20b", br#"{"resourceType":"Patient","id":"a b"}"#);
        assert_eq!(client.count("Patient"), 0);
    }

    fn numbers_cost_nothing(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let digits = "9".repeat(500);
        for number in [digits.as_str(), "1e999999999", "1e-999999999", "-0.0000000000000000000000000000000000000000001"] {
            let start = Instant::now();
            let body = format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"n"}},"valueQuantity":{{"value":{number}}}}}"#);
            let answer = client.send("POST", "/fhir/Observation", &[JSON], body.as_bytes());
            assert!(matches!(answer.status, 201 | 400 | 422), "{number:.40}: {} {:.300}", answer.status, answer.text());
            if answer.status == 201 {
                let (name, _) = answer.location();
                assert!(client.get(&name).expect(200).text().contains(number), "{number:.40} is kept as written");
            }
            for prefix in ["", "gt", "ap", "ne"] {
                let answer = client.get(&format!("Observation?value-quantity={prefix}{number}"));
                assert!(matches!(answer.status, 200 | 400), "{number:.40}: {}", answer.status);
                let answer = client.get(&format!("RiskAssessment?probability={prefix}{number}"));
                assert!(matches!(answer.status, 200 | 400), "{number:.40}: {}", answer.status);
            }
            assert!(start.elapsed() < BOUND);
        }
    }

    fn values_that_are_wrong(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for query in [
            "birthdate=2023-02-30", "birthdate=x", "birthdate=ge", "birthdate=2020-13", "_lastUpdated=yesterday", "_count=-1", "_count=x",
            "_sort=nonsense", "_include=Patient", "_include=Patient:nonsense", "name:missing=maybe", "_total=much", "_summary=nonsense",
            "nonsense.name=x", "organization.nonsense=x", "_has:Observation:patient=x", "_has:Nonsense:patient:code=x",
            "_has:Observation:nonsense:code=x", "_id=a%20b", "birthdate=2020-01-01T25:00:00Z", "active=maybe", "active:not=1",
        ] {
            let outcome = refused(&mut client, "GET", &format!("/fhir/Patient?{query}&_pretty=false"), b"");
            assert!(outcome["issue"][0]["diagnostics"].is_string(), "{query}: {outcome}");
        }
        refused(&mut client, "GET", "/fhir/Observation?value-quantity=x", b"");
        refused(&mut client, "GET", "/fhir/RiskAssessment?probability=1,x", b"");
        refused(&mut client, "GET", "/fhir/Observation?code-value-quantity=x", b"");
        refused(&mut client, "GET", "/fhir/Patient?name=%ff", b"");
        refused(&mut client, "GET", "/fhir?_page=nonsense", b"");
    }

    fn large_queries_have_bounds(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/x7", &json!({"resourceType": "Patient", "id": "x7", "name": [{"family": "Or"}]})).expect(201);
        let chain = format!("/fhir/Encounter?{}status=finished", "part-of.".repeat(20));
        refused(&mut client, "GET", &chain, b"");
        let has = format!("/fhir/Patient?{}code=x", "_has:Observation:patient:".repeat(20));
        refused(&mut client, "GET", &has, b"");
        let ors = (0..1000).map(|n| format!("x{n}")).collect::<Vec<_>>().join(",");
        let answer = client.get(&format!("Patient?_id={ors}"));
        assert!(answer.status == 200 && answer.json()["total"] == 1 || answer.status == 400, "{:.300}", answer.text());
        let names = (0..1000).map(|n| format!("name{n}")).collect::<Vec<_>>().join(",");
        let answer = client.get(&format!("Patient?family={names},or"));
        assert!(answer.status == 200 && answer.json()["total"] == 1 || answer.status == 400, "{:.300}", answer.text());
        let ands = "&family=o".repeat(1000);
        let answer = client.get(&format!("Patient?active:missing=true{ands}"));
        assert!(answer.status == 200 && answer.json()["total"] == 1 || answer.status == 400, "{:.300}", answer.text());
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let value = format!("family={}", "a".repeat(1 << 20));
        let start = Instant::now();
        let answer = client.send("POST", "/fhir/Patient/_search", &form, value.as_bytes());
        assert!(matches!(answer.status, 200 | 400 | 413 | 414), "{}", answer.status);
        let mut other = app.client();
        if let Ok(answer) = other.try_send("GET", &format!("/fhir/Patient?{value}"), &[], &[]) {
            assert!(matches!(answer.status, 200 | 400 | 413 | 414 | 431), "{}", answer.status);
        }
        assert!(start.elapsed() < BOUND);
        app.client().get("Patient/x7").expect(200);
    }
}
