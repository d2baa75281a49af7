//! `$document`, and `$diff`.

use serde_json::{Value, json};

use super::entries;
use crate::support::{Client, TestApp, on_both_databases};

fn reference(to: &str) -> Value {
    json!({"reference": to})
}

/// The keys of a document, the Composition first.
fn keys(bundle: &Value) -> Vec<String> {
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("document")), "{bundle}");
    assert_eq!(bundle["identifier"]["system"], "urn:ietf:rfc:3986");
    assert!(
        bundle["identifier"]["value"].as_str().unwrap().starts_with("urn:uuid:") && bundle["timestamp"].is_string()
    );
    let of = |entry: &Value| {
        let key = format!(
            "{}/{}",
            entry["resource"]["resourceType"].as_str().unwrap(),
            entry["resource"]["id"].as_str().unwrap()
        );
        assert!(entry["fullUrl"].as_str().unwrap().ends_with(&format!("/fhir/{key}")), "{entry}");
        key
    };
    entries(bundle).iter().map(of).collect()
}

fn load(client: &mut Client) -> Value {
    let composition = json!({"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "t"}, "date": "2020-01-01", "title": "t",
        "subject": reference("Patient/p"), "author": [reference("Practitioner/d")], "custodian": reference("Organization/o"),
        "section": [{"title": "s", "entry": [reference("Observation/x")], "section": [{"title": "inner", "entry": [reference("MedicationRequest/m")]}]}]});
    for resource in [
        json!({"resourceType": "Patient", "id": "p"}),
        json!({"resourceType": "Patient", "id": "z"}),
        json!({"resourceType": "Practitioner", "id": "d"}),
        json!({"resourceType": "Organization", "id": "o", "name": "O", "partOf": reference("Organization/top")}),
        json!({"resourceType": "Organization", "id": "top", "name": "Top"}),
        json!({"resourceType": "Medication", "id": "pill"}),
        json!({"resourceType": "Observation", "id": "others", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/z")}),
        json!({"resourceType": "Observation", "id": "x", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/p"), "performer": [reference("Practitioner/d")],
            "focus": [reference("Patient/z")], "derivedFrom": [reference("Observation/others"), reference("Observation/none")]}),
        json!({"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order", "medicationReference": reference("Medication/pill"), "subject": reference("Patient/p")}),
        composition.clone(),
    ] {
        client
            .put(
                &format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap()),
                &resource,
            )
            .expect(201);
    }
    composition
}

on_both_databases! {
    fn a_document_has_all_that_the_composition_refers_to(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let composition = load(&mut client);
        let made = client.get("Composition/c/$document").expect(200).json();
        let all = ["Composition/c", "Patient/p", "Practitioner/d", "Organization/o", "Observation/x", "MedicationRequest/m", "Organization/top", "Medication/pill"];
        assert_eq!((keys(&made), made.get("id")), (all.map(str::to_owned).to_vec(), None), "{made}");
        let again = client.get("Composition/$document?id=c").expect(200).json();
        assert_ne!(again["identifier"], made["identifier"]);
        assert_eq!(keys(&again), keys(&made));
        // A stored document is one that passes every check of a Bundle that is sent.
        client.post("Bundle", &made).expect(201);
        assert_eq!(client.count("Bundle"), 1);
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": true}, {"name": "id", "valueUri": "c"}]});
        let stored = client.post("Composition/$document", &body).expect(200);
        let location = stored.header("location").unwrap().to_owned();
        let stored = stored.json();
        assert!(location.ends_with(&format!("/Bundle/{}/_history/1", stored["id"].as_str().unwrap())), "{location}");
        let read = client.get(&format!("Bundle/{}", stored["id"].as_str().unwrap())).expect(200).json();
        assert_eq!((&read, keys(&read)), (&stored, keys(&made)));
        let xml = client.send("GET", "/fhir/Composition/c/$document", &[("Accept", "application/fhir+xml")], b"").expect(200).text();
        assert!(xml.contains("<type value=\"document\"/>"), "{xml}");
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Composition/c/$document"}}]});
        assert_eq!(keys(&client.post("", &batch).expect(200).json()["entry"][0]["resource"]), keys(&made));
        for (path, status) in [("Composition/none/$document", 404), ("Composition/c/$document?id=c", 400), ("Composition/$document", 400), ("Composition/$document?id=http://other/fhir/Composition/1", 400),
            ("Composition/c/$document?persist=maybe", 400), ("Composition/c/$document?x=1", 400), ("Composition/c/$document?graph=http://none", 422), ("Patient/p/$document", 400)] {
            client.get(path).expect_outcome(status);
        }
        for (place, to) in [("author", "Practitioner/none"), ("author", "http://other/fhir/Practitioner/1"), ("author", "Practitioner?name=x")] {
            let mut broken = composition.clone();
            broken["id"] = json!("broken");
            broken[place] = json!([reference(to)]);
            client.put("Composition/broken", &broken);
            let outcome = client.get("Composition/broken/$document").expect_outcome(422);
            assert_eq!(outcome["issue"][0]["expression"][0], "Composition.author[0]", "{outcome}");
        }
    }

    fn a_graph_says_what_a_document_has(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        load(&mut client);
        client.put("Provenance/pv", &json!({"resourceType": "Provenance", "id": "pv", "target": [reference("Composition/c")], "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": reference("Practitioner/d")}]})).expect(201);
        let graph = |min: u32| json!({"resourceType": "GraphDefinition", "id": "g", "url": "http://g", "name": "g", "status": "active", "start": "Composition", "link": [
            {"path": "Composition.section.section.entry", "min": min, "target": [{"type": "MedicationRequest", "link": [{"path": "MedicationRequest.medication", "target": [{"type": "Medication"}]}]}]},
            {"target": [{"type": "Provenance", "params": "target={ref}"}]}]});
        client.put("GraphDefinition/g", &graph(1)).expect(201);
        let made = client.get("Composition/c/$document?graph=http://g").expect(200).json();
        let all = ["Composition/c", "Patient/p", "Practitioner/d", "Organization/o", "Observation/x", "MedicationRequest/m", "Medication/pill", "Provenance/pv"];
        assert_eq!(keys(&made), all.map(str::to_owned), "{made}");
        client.put("GraphDefinition/g", &graph(2)).expect(200);
        client.get("Composition/c/$document?graph=http://g").expect_outcome(422);
    }

    fn versions_are_compared(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let first = json!({"resourceType": "Patient", "id": "a", "meta": {"tag": [{"code": "x"}]}, "name": [{"family": "A", "given": ["x", "y"]}], "birthDate": "1970"});
        let second = json!({"resourceType": "Patient", "id": "a", "name": [{"family": "B", "given": ["y"]}], "gender": "female", "contact": [{"name": {"family": "C"}}]});
        client.put("Patient/a", &first).expect(201);
        client.get("Patient/a/$diff").expect_outcome(404);
        client.put("Patient/a", &second).expect(200);
        let made = client.get("Patient/a/$diff").expect(200).json();
        assert_eq!(made["parameter"].as_array().unwrap().len(), 5, "{made}");
        assert!(!made.to_string().contains("meta"));
        for other in ["Patient/a/$diff?fromVersion=1", "$diff?from=Patient/a/_history/1&to=Patient/a", "Patient/$diff?from=Patient/a/_history/1&to=a"] {
            assert_eq!(client.get(other).expect(200).json(), made, "{other}");
        }
        let with_meta = client.get("Patient/a/$diff?includeMeta=true").expect(200).json();
        assert!(with_meta.to_string().contains("Patient.meta"), "{with_meta}");
        assert_eq!(client.get("$diff?from=Patient/a&to=Patient/a").expect(200).json(), json!({"resourceType": "Parameters"}));
        // Applied to the first version it gives the second.
        client.put("Patient/b", &json!({"resourceType": "Patient", "id": "b", "name": first["name"], "birthDate": "1970"})).expect(201);
        let patched = client.with_body("PATCH", "Patient/b", &[], &made).expect(200).json();
        for name in ["name", "gender", "contact", "birthDate"] {
            assert_eq!(patched.get(name), second.get(name), "{name}");
        }
        client.put("Group/1", &json!({"resourceType": "Group", "id": "1", "type": "person", "actual": true})).expect(201);
        for (path, status) in [("$diff?from=Patient/a&to=Group/1", 400), ("$diff?from=Patient/a", 400), ("$diff?from=Patient/a&to=Patient/none", 404), ("Patient/a/$diff?fromVersion=9", 404),
            ("Patient/a/$diff?fromVersion=x", 400), ("$diff?from=a&to=b", 400), ("Group/$diff?from=Patient/a&to=1", 400), ("Patient/none/$diff", 404), ("Patient/a/$diff?from=x", 400)] {
            client.get(path).expect_outcome(status);
        }
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "from", "valueString": "Patient/a/_history/1"}, {"name": "to", "valueString": "Patient/a/_history/2"}]});
        assert_eq!(client.post("$diff", &body).expect(200).json(), made);
    }
}
