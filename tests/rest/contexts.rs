//! Searches over all types and in compartments: paths, methods, links, faults, and entries of Bundles.

use serde_json::{Value, json};

use super::{entries, patient};
use crate::support::{Client, TestApp, on_both_databases};

const STRICT: [(&str, &str); 1] = [("Prefer", "handling=strict")];

/// A patient with an observation and a condition, and somebody else.
fn fill(client: &mut Client) {
    client.put("Patient/p", &with_id(patient("A"), "p")).expect(201);
    client.put("Patient/q", &with_id(patient("B"), "q")).expect(201);
    for (n, subject) in ["p", "p", "q"].iter().enumerate() {
        let subject = json!({"reference": format!("Patient/{subject}")});
        let observation =
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject});
        client.put(&format!("Observation/o{n}"), &with_id(observation, &format!("o{n}"))).expect(201);
        let condition = json!({"resourceType": "Condition", "subject": subject});
        client.put(&format!("Condition/c{n}"), &with_id(condition, &format!("c{n}"))).expect(201);
    }
}

fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    links.iter().find(|l| l["relation"] == relation)?["url"].as_str().map(str::to_owned)
}

on_both_databases! {
    fn contexts_by_every_method(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client);
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        for (path, query, total) in [
            ("", "_type=Patient,Observation", 5), ("", "", 8), ("", "_type=Patient&_id=p", 1), ("", "_id=p,o1,c2", 3),
            ("/Patient/p/*", "", 4), ("/Patient/p/Observation", "status=final", 2), ("/Patient/q/Condition", "", 1),
            ("/Patient/none/*", "", 0), ("/Patient/p/*", "_type=Condition", 2), ("/Patient/p/Patient", "", 0),
        ] {
            let got = client.send("GET", &format!("/fhir{path}?{query}&_count=2"), &[], &[]).expect(200).json();
            assert_eq!(got["total"], total, "{path}?{query}");
            let own = link(&got, "self").unwrap();
            let joint = if query.is_empty() { "" } else { "&" };
            assert_eq!(own, format!("{}{path}?{query}{joint}_count=2", app.base()), "the self link says what was used");
            let posted = client.send("POST", &format!("/fhir{path}/_search?_count=2"), &form, query.as_bytes()).expect(200).json();
            assert_eq!(posted["total"], total, "POST {path}");
            // several clients search by GET where the specification has POST only; the body is not looked at
            let body = b"_id=nothing";
            let same = client.send("GET", &format!("/fhir{path}/_search?{query}&_count=2"), &form, body).expect(200).json();
            assert_eq!((&same["total"], link(&same, "self")), (&got["total"], Some(own.clone())), "GET {path}/_search");
            let (all, _) = client.search_all(&format!("{}?{query}&_count=2", path.trim_start_matches('/')));
            assert_eq!(all.len(), total, "{path}?{query}");
            if total > 2 {
                let next = link(&got, "next").unwrap();
                assert!(next.starts_with(&format!("{}{path}?_page=", app.base())), "{next}");
                let second = client.send("GET", &next[next.find("/fhir").unwrap()..], &[], &[]).expect(200).json();
                assert_eq!(second["total"], total);
                assert!(link(&second, "previous").is_some());
            }
            assert_eq!(client.send("HEAD", &format!("/fhir{path}?{query}"), &[], &[]).status, 200);
        }
    }

    fn what_is_wrong_with_a_context_is_said(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client);
        for (path, status, text) in [
            ("Organization/1/*", 404, "no compartments of type Organization"),
            ("Patient/p/Medication", 404, "never in the compartment"),
            ("Patient/p/Nothing", 404, "nothing is at"),
            ("Patient/a_b/*", 400, "id"),
            ("?_type=Nothing", 400, "Nothing"),
            ("?code=x", 400, "not common to all types"),
            ("?_type=Patient,Practitioner&name=x", 400, "not common to all types"),
            ("?_type:not=Patient", 400, "modifier"),
            ("Patient?_type=Observation", 400, "none of these types"),
            ("Patient/p/*?code=x", 400, "not common"),
            ("Patient/p/Observation?code:nonsense=x", 400, "nonsense"),
        ] {
            let outcome = client.get(path).expect_outcome(status);
            let said = outcome["issue"][0]["diagnostics"].as_str().unwrap();
            assert!(said.contains(text), "{path}: {said}");
        }
        let lenient = client.get("?unheard=x&_type=Patient").expect(200).json();
        assert_eq!(lenient["total"], 2);
        assert!(!link(&lenient, "self").unwrap().contains("unheard"));
        assert!(entries(&lenient).iter().any(|e| e["search"]["mode"] == "outcome"));
        client.send("GET", "/fhir?unheard=x", &STRICT, &[]).expect_outcome(400);
        client.send("DELETE", "/fhir/Patient/p/Observation", &[], &[]).expect_outcome(405);
    }

    fn bundles_search_contexts(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client);
        for kind in ["batch", "transaction"] {
            let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
            let mut urls = vec!["Patient/p/Observation?status=final", "Patient/p/*", "?_type=Patient,Condition", "Organization/1/*"];
            let bundle = |urls: &[&str]| json!({"resourceType": "Bundle", "type": kind, "entry": urls.iter().map(|url| get(url)).collect::<Vec<_>>()});
            if kind == "transaction" {
                // That there is no such compartment is known before anything is done.
                client.post("", &bundle(&urls)).expect_outcome(404);
                urls.pop();
            }
            let answer = client.post("", &bundle(&urls)).expect(200).json();
            let answered = entries(&answer);
            let totals: Vec<&Value> = answered.iter().map(|e| &e["resource"]["total"]).collect();
            assert_eq!(totals[..3], [&json!(2), &json!(4), &json!(5)]);
            assert!(answered.iter().skip(3).all(|e| e["response"]["status"].as_str().unwrap().starts_with("404")));
        }
    }
}
