//! History of an instance and of a type (FHIR R4 `http.html`, 3.1.0.9).

use serde_json::{Value, json};

use super::{entries, patient};
use crate::support::{Client, StillApp, TestApp, on_both_databases, redact};

/// `Type/id/version` of every entry over all pages, and the total of the first.
#[track_caller]
fn versions(client: &mut Client, path: &str) -> (Vec<String>, Option<u64>) {
    let mut page = client.get(path).expect(200).json();
    let total = page["total"].as_u64();
    let mut found = Vec::new();
    loop {
        assert_eq!(page["type"], "history");
        found.extend(entries(&page).iter().map(version));
        let links: Vec<Value> = page["link"].as_array().unwrap().clone();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { return (found, total) };
        let url = next["url"].as_str().unwrap();
        page = client.send("GET", &url[url.find("/fhir").unwrap()..], &[], &[]).expect(200).json();
        assert!(page["link"].as_array().unwrap().iter().any(|link| link["relation"] == "first"), "{page}");
    }
}

fn version(entry: &Value) -> String {
    let name = entry["fullUrl"].as_str().unwrap().rsplit('/').take(2).collect::<Vec<_>>();
    let version = entry["response"]["etag"].as_str().unwrap().trim_matches(|c| matches!(c, 'W' | '/' | '"')).to_owned();
    assert!(entry["response"]["lastModified"].is_string() && entry["response"]["status"].is_string(), "{entry}");
    assert_eq!(entry.get("resource").is_none(), entry["request"]["method"] == "DELETE", "{entry}");
    let location = entry["response"]["location"].as_str().map(|location| location.replace("_history/", ""));
    let whole = format!("{}/{}/{version}", name[1], name[0]);
    assert_eq!(location, entry.get("resource").map(|_| whole.clone()), "{entry}");
    whole
}

/// The page of a link.
fn follow(client: &mut Client, page: &Value, relation: &str) -> Option<Value> {
    let link = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == relation)?;
    let url = link["url"].as_str().unwrap();
    Some(client.send("GET", &url[url.find("/fhir").unwrap()..], &[], &[]).expect(200).json())
}

on_both_databases! {
    fn pages_lead_back_to_what_was_there(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |n: usize| json!({"resourceType": "Patient", "id": "b", "multipleBirthInteger": n});
        for n in 0..9 {
            client.put("Patient/b", &body(n));
            client.post("Basic", &json!({"resourceType": "Basic", "code": {"text": "x"}})).expect(201);
        }
        for path in ["Patient/b/_history?_count=2", "Patient/_history?_count=2", "_history?_count=4", "Patient/_history?_count=2&_at=gt2000",
            "Patient/b/_history?_count=2&_since=2000-01-01T00:00:00Z"] {
            let mut pages = vec![client.get(path).expect(200).json()];
            assert_eq!(follow(&mut client, &pages[0], "previous"), None);
            while let Some(next) = follow(&mut client, pages.last().unwrap(), "next") {
                // What comes later is on none of them.
                client.put("Patient/b", &body(100 + pages.len())).expect(200);
                pages.push(next);
            }
            assert!(pages.len() >= 4, "{path}: {}", pages.len());
            let mut page = pages.last().unwrap().clone();
            for before in pages.iter().rev().skip(1) {
                page = follow(&mut client, &page, "previous").unwrap();
                assert_eq!(page["entry"], before["entry"], "{path}");
            }
            assert_eq!(follow(&mut client, &page, "previous"), None);
        }
        for forged in ["h1.3", "h2.0", "h2.3.2", "h2.x", "x"] {
            client.get(&format!("Patient/b/_history?_page={forged}")).expect_outcome(400);
        }
    }

    fn history_is_newest_first_and_lists_deletions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |n: u8| json!({"resourceType": "Patient", "id": "h", "multipleBirthInteger": n});
        (1..=3).for_each(|n| drop(client.put("Patient/h", &body(n))));
        client.delete("Patient/h").expect(204);
        let answer = client.get("Patient/h/_history").expect(200);
        insta::assert_snapshot!("history", redact(&answer));
        let bundle = answer.json();
        assert_eq!((&bundle["type"], &bundle["total"]), (&json!("history"), &json!(4)));
        let methods: Vec<_> = entries(&bundle).iter().map(|e| e["request"]["method"].clone()).collect();
        assert_eq!(methods, ["DELETE", "PUT", "PUT", "PUT"]);
        assert!(entries(&bundle)[0].get("resource").is_none());
        client.get("Patient/never/_history").expect_outcome(404);
    }

    fn history_has_pages_and_since(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        (0..7).for_each(|n| drop(client.post("Patient", &patient(&format!("F{n}"))).expect(201)));
        client.post("Observation", &json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})).expect(201);
        let mut families = Vec::new();
        let mut page = client.get("Patient/_history?_count=3").expect(200).json();
        assert_eq!(page["total"], 7);
        // A write between two pages neither skips nor repeats.
        client.post("Patient", &patient("Late")).expect(201);
        loop {
            families.extend(entries(&page).iter().map(|e| e["resource"]["name"][0]["family"].as_str().unwrap().to_owned()));
            let next = page["link"].as_array().unwrap().iter().find(|l| l["relation"] == "next").cloned();
            let Some(next) = next else { break };
            let url = next["url"].as_str().unwrap().to_owned();
            page = client.send("GET", &url[url.find("/fhir").unwrap()..], &[], &[]).expect(200).json();
        }
        assert_eq!(families, ["F6", "F5", "F4", "F3", "F2", "F1", "F0"]);
        let since = client.get("Patient/_history?_since=2100-01-01T00:00:00Z").expect(200).json();
        assert!(entries(&since).is_empty(), "{since}");
        let all = client.get("Patient/_history?_since=2000-01-01T00:00:00Z").expect(200).json();
        assert_eq!(entries(&all).len(), 8);
        client.get("Patient/_history?_since=yesterday").expect_outcome(400);
        client.get("Patient/_history?_count=x").expect_outcome(400);
    }

    fn history_of_everything(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        assert_eq!(versions(&mut client, "_history"), (vec![], Some(0)));
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a"})).expect(201);
        client.put("Observation/o", &json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}})).expect(201);
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a", "active": true})).expect(200);
        client.delete("Observation/o").expect(204);
        let (name, _) = client.post("Patient", &patient("New")).expect(201).location();
        let expected = [format!("{name}/1"), "Observation/o/2".into(), "Patient/a/2".into(), "Observation/o/1".into(), "Patient/a/1".into()];
        assert_eq!(versions(&mut client, "_history"), (expected.to_vec(), Some(5)));
        assert_eq!(versions(&mut client, "_history?_count=2"), (expected.to_vec(), Some(5)));
        let page = client.get("_history?_count=2").expect(200).json();
        assert_eq!(entries(&page)[0]["request"], json!({"method": "POST", "url": "Patient"}));
        assert_eq!(entries(&page)[1]["request"], json!({"method": "DELETE", "url": "Observation/o"}));
        assert!(page["link"][0]["url"].as_str().unwrap().ends_with("/fhir/_history?_count=2"), "{page}");
        let part = client.get("_history?_count=1&_elements=active").expect(200).json();
        assert_eq!(entries(&part)[0]["resource"]["meta"]["tag"][0]["code"], "SUBSETTED");
        assert!(entries(&part)[0]["resource"].get("name").is_none());
        let counted = client.get("_history?_summary=count").expect(200).json();
        assert_eq!((&counted["total"], entries(&counted).len()), (&json!(5), 0));
        let head = client.send("HEAD", "/fhir/_history", &[], &[]).expect(200);
        assert!(head.body.is_empty());
        for bad in ["_list=Patient/1", "_list=a%20b", "_list=$nothing", "_sort=_lastUpdated", "_count=1&_count=2", "_since=2020-01-01T00:00:00Z&_since=2020-01-01T00:00:00Z",
            "_at=yesterday", "_at=ne2020", "_at=2020&_at=2021", "_page=nonsense", "_summary=maybe"] {
            client.get(&format!("_history?{bad}")).expect_outcome(400);
            client.get(&format!("Patient/_history?{bad}")).expect_outcome(400);
            client.get(&format!("Patient/a/_history?{bad}")).expect_outcome(400);
        }
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "_history?_count=3"}}]});
        let answer = client.post("", &batch).expect(200).json();
        assert_eq!(entries(&entries(&answer)[0]["resource"]).len(), 3);
    }

    fn history_of_what_is_in_a_list(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = |id: &str, n: u8| json!({"resourceType": "Patient", "id": id, "multipleBirthInteger": n});
        for n in 1..=4 {
            ["a", "b", "c"].iter().for_each(|id| drop(client.put(&format!("Patient/{id}"), &patient(id, n))));
        }
        client.put("Condition/k", &json!({"resourceType": "Condition", "id": "k", "subject": {"reference": "Patient/a"}})).expect(201);
        let item = |reference: &str| json!({"item": {"reference": reference}});
        let mut list = json!({"resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "code": {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]},
            "entry": [item("Patient/a"), item("Patient/b/_history/2"), item("Patient/b/_history/3"), item("Patient/none"),
                item("http://other.example.org/fhir/Patient/c"), item("Condition/k")]});
        client.put("List/l", &list).expect(201);
        let a = ["Patient/a/4", "Patient/b/3", "Patient/a/3", "Patient/b/2", "Patient/a/2", "Patient/a/1"];
        let whole = [&["Condition/k/1"][..], &a[..]].concat();
        let of = |texts: &[&str]| (texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), Some(texts.len() as u64));
        for list in ["l", "List/l"] {
            assert_eq!(versions(&mut client, &format!("_history?_list={list}")), of(&whole));
            assert_eq!(versions(&mut client, &format!("Patient/_history?_list={list}")), of(&a));
            assert_eq!(versions(&mut client, &format!("Patient/b/_history?_list={list}")), of(&["Patient/b/3", "Patient/b/2"]));
        }
        for count in 1..4 {
            assert_eq!(versions(&mut client, &format!("_history?_list=l&_count={count}")).0, of(&whole).0, "{count}");
        }
        assert_eq!(versions(&mut client, "Patient/c/_history?_list=l").0, Vec::<String>::new());
        assert_eq!(versions(&mut client, "_history?_list=none").0, Vec::<String>::new());
        assert_eq!(versions(&mut client, "_history?_list=l&_since=2100-01-01T00:00:00Z").0, Vec::<String>::new());
        assert_eq!(versions(&mut client, "Patient/_history?_list=l&_at=ge2100").0, ["Patient/a/4"]);
        client.get("Patient/never/_history?_list=l").expect_outcome(404);
        // a list by its function: all versions of what it holds
        let current = versions(&mut client, "Patient/_history?_list=$current-problems").0;
        assert_eq!(current.len(), 8, "{current:?}");
        list["entry"] = (0..1001).map(|n| item(&format!("Patient/x{n}"))).collect();
        client.put("List/l", &list).expect(200);
        client.get("_history?_list=l").expect_outcome(400);
    }

    fn history_of_what_was_current_at_a_time(database) {
        // 2024-02-29T12:34:56.789Z; a minute between any two writes
        let app = StillApp::start(database);
        let mut client = app.client();
        let write = |client: &mut Client, id: &str, n: u8| {
            client.put(&format!("Patient/{id}"), &json!({"resourceType": "Patient", "id": id, "multipleBirthInteger": n}));
            app.advance(60_000_000);
        };
        write(&mut client, "a", 1); // 12:34:56.789
        write(&mut client, "b", 1); // 12:35
        write(&mut client, "a", 2); // 12:36
        client.delete("Patient/b").expect(204); // 12:37
        app.advance(60_000_000);
        write(&mut client, "a", 3); // 12:38
        let mut at = |path: &str| versions(&mut client, path).0.join(" ");
        for (time, expected) in [
            ("2024-02-29T12:34:56Z", "Patient/a/1"),
            ("2024-02-29T12:34:55Z", ""),
            ("2024-02-29T12:35Z", "Patient/b/1 Patient/a/1"),
            ("2024-02-29T12:36:30Z", "Patient/b/1 Patient/a/1"),
            ("2024-02-29T12:36Z", "Patient/a/2 Patient/b/1 Patient/a/1"),
            ("2024-02-29T12:36:57Z", "Patient/a/2 Patient/b/1"),
            ("2024-02-29T12:37:58Z", "Patient/b/2 Patient/a/2"),
            ("2024-02-29T12:37:58%2B00:00", "Patient/b/2 Patient/a/2"),
            ("2024", "Patient/a/3 Patient/b/2 Patient/a/2 Patient/b/1 Patient/a/1"),
            ("2023", ""),
            ("2025", "Patient/a/3 Patient/b/2"),
            ("ge2024-02-29T12:38:00Z", "Patient/a/3 Patient/b/2 Patient/a/2"),
            ("lt2024-02-29T12:36:00Z", "Patient/b/1 Patient/a/1"),
        ] {
            for path in ["_history", "Patient/_history", "_history?_count=1", "Patient/_history?_count=2"] {
                let joint = if path.contains('?') { '&' } else { '?' };
                assert_eq!(at(&format!("{path}{joint}_at={time}")), expected, "{path} {time}");
            }
            let of_a: Vec<_> = expected.split(' ').filter(|v| v.starts_with("Patient/a")).collect();
            assert_eq!(at(&format!("Patient/a/_history?_at={time}&_count=1")), of_a.join(" "), "{time}");
        }
        assert_eq!(at("_history?_at=2024&_since=2024-02-29T12:37:00Z"), "Patient/a/3 Patient/b/2");
        assert_eq!(at("_history?_since=2024-02-29T12:37:56.789Z"), "Patient/a/3 Patient/b/2");
        client.get("Patient/never/_history?_at=2024").expect_outcome(404);
    }
}
