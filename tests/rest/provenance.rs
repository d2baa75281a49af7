//! `X-Provenance`, and that an update with the same content, in whatever order and format, makes no version.

use serde_json::{Value, json};

use super::patient;
use crate::support::{Client, TestApp, on_both_databases};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");

fn provenances(client: &mut Client) -> Vec<Value> {
    client.search_all("Provenance").0
}

on_both_databases! {
    fn a_provenance_in_the_header_is_stored_with_the_resource(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let header = r#"{"resourceType":"Provenance","recorded":"2026-11-25T10:00:00Z","agent":[{"who":{"display":"Dr. Ö"}}]}"#;
        let header = header.replace('Ö', "\\u00d6");
        let with = |text: &str| [("X-Provenance", text.to_owned())];
        let send = |client: &mut Client, method: &str, path: &str, text: &str, body: &Value| {
            let [(name, value)] = with(text);
            client.with_body(method, path, &[(name, &value)], body)
        };
        let created = send(&mut client, "POST", "Patient", &header, &patient("Of")).expect(201);
        let (name, _) = created.location();
        assert_eq!(created.json()["name"][0]["family"], "Of");
        let found = provenances(&mut client);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["target"], json!([{"reference": name}]));
        assert_eq!(found[0]["agent"][0]["who"]["display"], "Dr. Ö");
        let update = json!({"resourceType": "Patient", "id": "p", "active": true});
        send(&mut client, "PUT", "Patient/p", &header, &update).expect(201);
        assert_eq!(client.count("Provenance?target=Patient/p"), 1);
        // Nothing of a pair is stored when the other is wrong.
        for bad in [
            "", "[]", "{", r#"{"resourceType":"Patient"}"#, r#"{"resourceType":"Provenance"}"#,
            &header.replacen('{', r#"{"target":[{"reference":"Patient/p"}],"#, 1),
            &header.replace("recorded", "nonsense"),
        ] {
            send(&mut client, "POST", "Patient", bad, &patient("Bad")).expect_outcome(400);
        }
        send(&mut client, "POST", "Patient", &header, &json!({"resourceType": "Patient", "nonsense": 1})).expect_outcome(400);
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": patient("In"), "request": {"method": "POST", "url": "Patient"}}]});
        send(&mut client, "POST", "", &header, &bundle).expect_outcome(400);
        client.send("DELETE", "/fhir/Patient/p", &[("X-Provenance", &header)], b"").expect_outcome(400);
        assert_eq!((client.count("Patient"), client.count("Provenance")), (2, 2));
    }

    fn the_same_content_is_no_new_version(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let put = |client: &mut Client, media: &str, body: &str| {
            let answer = client.send("PUT", "/fhir/Patient/same", &[("Content-Type", media), ("Accept", "application/fhir+json")], body.as_bytes());
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
            answer.header("etag").unwrap().to_owned()
        };
        let body = r#"{"resourceType":"Patient","id":"same","active":true,"name":[{"family":"F","given":["A","B"]}],"birthDate":"2000-01-01"}"#;
        assert_eq!(put(&mut client, JSON.1, body), "W/\"1\"");
        let other = r#"{"birthDate":"2000-01-01","name":[{"given":["A","B"],"family":"F"}],"id":"same","active":true,"resourceType":"Patient"}"#;
        assert_eq!(put(&mut client, JSON.1, other), "W/\"1\"");
        let xml = r#"<Patient xmlns="http://hl7.org/fhir"><id value="same"/><active value="true"/><name><family value="F"/><given value="A"/><given value="B"/></name><birthDate value="2000-01-01"/></Patient>"#;
        assert_eq!(put(&mut client, "application/fhir+xml", xml), "W/\"1\"");
        assert_eq!(put(&mut client, JSON.1, &body.replace(r#""A","B""#, r#""B","A""#)), "W/\"2\"");
        assert_eq!(client.get("Patient/same/_history").json()["total"], 2);
    }

    fn thousands_of_conditions_in_one_transaction(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.post("Patient", &patient("name1x")).expect(201);
        let entry = |n: usize| json!({"resource": patient(&format!("name{n}x")), "request": {
            "method": "POST", "url": "Patient", "ifNoneExist": format!("family:exact=name{n}x")}});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": (0..3000).map(entry).collect::<Vec<_>>()});
        let answer = client.post("", &bundle).expect(200).json();
        let status = |n: usize| answer["entry"][n]["response"]["status"].as_str().unwrap()[..3].to_owned();
        assert_eq!((status(0), status(1), status(2999)), ("201".into(), "200".into(), "201".into()));
        assert_eq!(client.count("Patient"), 3000);
        // References by conditions are tried on each resource of the transaction, which has a bound.
        let entry = |n: usize| json!({"resource": {"resourceType": "Patient", "name": [{"family": format!("ref{n}x")}],
            "link": [{"type": "seealso", "other": {"reference": format!("Patient?family:exact=name{n}x")}}]},
            "request": {"method": "POST", "url": "Patient"}});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": (0..2500).map(entry).collect::<Vec<_>>()});
        let outcome = client.post("", &bundle).expect_outcome(413);
        assert_eq!(outcome["issue"][0]["code"], "too-costly");
        assert_eq!(client.count("Patient"), 3000);
    }
}
