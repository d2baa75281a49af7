//! `_summary` and `_elements` on every interaction that answers resources (FHIR R4 `search.html`, 3.1.1.5.8 and 3.1.1.5.9).

use serde_json::{Value, json};

use super::entries;
use crate::support::{Client, TestApp, on_both_databases};

const STRICT: &[(&str, &str)] = &[("Prefer", "handling=strict")];

fn ann(n: u8) -> Value {
    json!({"resourceType": "Patient", "id": "ann", "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Ann</div>"},
        "name": [{"family": "Ann"}], "birthDate": "2001-02-03", "multipleBirthInteger": n,
        "photo": [{"contentType": "image/png", "data": "AAAA"}],
        "contact": [{"name": {"family": "Mother"}}]})
}

fn observation(n: u8) -> Value {
    json!({"resourceType": "Observation", "id": format!("o{n}"), "status": "final", "code": {"text": "c"},
        "subject": {"reference": "Patient/ann"}, "valueInteger": n, "note": [{"text": "n"}]})
}

/// The names of a resource's properties, sorted; fails unless it is tagged.
#[track_caller]
fn names(resource: &Value) -> String {
    let tag = &resource["meta"]["tag"][0];
    assert_eq!(
        (&tag["code"], &tag["system"]),
        (&json!("SUBSETTED"), &json!("http://terminology.hl7.org/CodeSystem/v3-ObservationValue")),
        "{resource}"
    );
    assert!(resource["meta"]["versionId"].is_string() && resource["meta"]["lastUpdated"].is_string());
    let mut names: Vec<&str> = resource.as_object().unwrap().keys().map(String::as_str).collect();
    names.retain(|name| !matches!(*name, "resourceType" | "id" | "meta"));
    names.sort_unstable();
    names.join(" ")
}

#[track_caller]
fn shown(client: &mut Client, path: &str) -> String {
    names(&client.get(path).expect(200).json())
}

on_both_databases! {
    fn a_read_shows_a_part(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/ann", &ann(1)).expect(201);
        client.put("Observation/o1", &observation(1)).expect(201);
        for path in ["Patient/ann", "Patient/ann/_history/1"] {
            let answer = client.get(&format!("{path}?_summary=true")).expect(200);
            assert_eq!(answer.header("etag"), Some("W/\"1\""), "the version is that of the resource");
            assert_eq!(names(&answer.json()), "birthDate name");
            assert_eq!(shown(&mut client, &format!("{path}?_summary=text")), "text");
            assert_eq!(shown(&mut client, &format!("{path}?_summary=data")), "birthDate contact multipleBirthInteger name photo");
            assert_eq!(shown(&mut client, &format!("{path}?_elements=multipleBirth,contact")), "contact multipleBirthInteger");
            let whole = client.get(&format!("{path}?_summary=false")).expect(200);
            assert_eq!(whole.body, client.get(path).expect(200).body);
        }
        assert_eq!(shown(&mut client, "Observation/o1?_elements=note"), "code note status", "what is mandatory stays");
        assert_eq!(shown(&mut client, "Observation/o1?_summary=text"), "code status");
        let tag = [("If-None-Match", "W/\"1\"")];
        client.send("GET", "/fhir/Patient/ann?_summary=true", &tag, &[]).expect(304);
        for bad in ["_summary=count", "_summary=yes", "_summary=true&_elements=name", "_elements=name.family", "_elements=name&_elements=id"] {
            client.get(&format!("Patient/ann?{bad}")).expect_outcome(400);
        }
        client.get("Patient/ann?_elements=nonsense").expect(200);
        client.send("GET", "/fhir/Patient/ann?_elements=nonsense", STRICT, &[]).expect_outcome(400);
    }

    fn a_write_answers_a_part_and_a_part_is_not_stored(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let created = client.put("Patient/ann?_elements=birthDate", &ann(1)).expect(201);
        assert_eq!(names(&created.json()), "birthDate");
        let part = client.get("Patient/ann?_summary=true").expect(200).json();
        let outcome = client.put("Patient/ann", &part).expect_outcome(422);
        assert_eq!(outcome["issue"][0]["code"], "business-rule");
        client.post("Patient", &part).expect_outcome(422);
        assert_eq!(client.get("Patient/ann").expect(200).json()["multipleBirthInteger"], 1);
    }

    fn a_search_shows_parts_on_every_page(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/ann", &ann(1)).expect(201);
        (1..=5).for_each(|n| drop(client.put(&format!("Observation/o{n}"), &observation(n)).expect(201)));
        for (query, expected) in [
            ("_summary=true", "code status subject valueInteger"), ("_summary=text", "code status"),
            ("_elements=subject", "code status subject"), ("_summary=data", "code note status subject valueInteger"),
        ] {
            let (matches, total) = client.search_all(&format!("Observation?{query}&_sort=-_id&_count=2"));
            assert_eq!(total, Some(5));
            let ids: Vec<_> = matches.iter().map(|m| m["id"].as_str().unwrap()).collect();
            assert_eq!(ids, ["o5", "o4", "o3", "o2", "o1"], "{query}");
            matches.iter().for_each(|m| assert_eq!(names(m), expected, "{query}"));
        }
        let page = client.get("Observation?_elements=subject&_count=2").expect(200).json();
        assert!(page["link"][0]["url"].as_str().unwrap().contains("_elements=subject"), "{page}");
        // Included resources are whole under _elements, and a part under _summary.
        let page = client.get("Observation?_id=o1&_elements=subject&_include=Observation:subject").expect(200).json();
        let included = &entries(&page)[1];
        assert_eq!(included["search"]["mode"], "include");
        assert!(included["resource"]["text"].is_object() && included["resource"]["meta"].get("tag").is_none(), "{included}");
        let page = client.get("Observation?_id=o1&_summary=true&_include=Observation:subject").expect(200).json();
        assert_eq!(names(&entries(&page)[1]["resource"]), "birthDate name");
        client.get("Observation?_summary=text&_include=Observation:subject").expect_outcome(400);
        client.get("Patient?_summary=text&_revinclude=Observation:subject").expect_outcome(400);
        client.get("Observation?_summary=true&_summary=data").expect_outcome(400);
        let counted = client.get("Observation?_summary=count&_elements=subject").expect(200).json();
        assert_eq!((&counted["total"], entries(&counted).len()), (&json!(5), 0));
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let page = client.send("POST", "/fhir/Observation/_search?_id=o1", &form, b"_elements=subject").expect(200).json();
        assert_eq!(names(&entries(&page)[0]["resource"]), "code status subject");
    }

    fn entries_of_a_batch_show_parts(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/ann", &ann(1)).expect(201);
        let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [get("Patient/ann?_elements=birthDate"), get("Patient?_summary=true")]});
        let answer = client.post("", &batch).expect(200).json();
        assert_eq!(names(&entries(&answer)[0]["resource"]), "birthDate");
        assert_eq!(names(&entries(&entries(&answer)[1]["resource"])[0]["resource"]), "birthDate name");
    }
}
