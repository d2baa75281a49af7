//! What an entry of a batch or transaction may ask, and what it answers: operations, searches by POST, the general
//! parameters and `Prefer` (FHIR R4 `http.html`, 3.1.0.11; `operations.html`).

use serde_json::{Value, json};

use super::conditional::statuses;
use super::{entries, patient};
use crate::support::{Client, TestApp, on_both_databases};

fn send(client: &mut Client, kind: &str, entries: &[Value]) -> Value {
    client.post("", &json!({"resourceType": "Bundle", "type": kind, "entry": entries})).expect(200).json()
}

fn entry(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

fn with(method: &str, url: &str, resource: Value) -> Value {
    json!({"resource": resource, "request": {"method": method, "url": url}})
}

/// The text of the outcome of an entry.
fn told(entry: &Value) -> String {
    entry["response"]["outcome"]["issue"][0]["diagnostics"].as_str().unwrap_or_default().to_owned()
}

on_both_databases! {
    fn operations_that_read(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let person = json!({"resourceType": "Patient", "id": "m", "name": [{"family": "Chalmers", "given": ["Peter"]}], "birthDate": "1974-12-25"});
        let asked = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": person}, {"name": "count", "valueInteger": 1}]});
        // In a transaction they come after the writes.
        for kind in ["transaction", "batch"] {
            let list = [with("POST", "Patient/$match", asked.clone()), with("PUT", "Patient/m", person.clone()),
                entry("GET", "SearchParameter/$reindex-status"), entry("POST", "SearchParameter/$reindex-status")];
            let answer = send(&mut client, kind, &list);
            let answered = entries(&answer);
            assert_eq!(statuses(&answer)[2..], ["200", "200"], "{answer}");
            let matched = &answered[0]["resource"];
            assert_eq!((&matched["type"], &matched["total"], &matched["entry"][0]["resource"]["id"]), (&json!("searchset"), &json!(1), &json!("m")), "{answer}");
            assert_eq!(answered[2]["resource"]["parameter"][0]["name"], "complete");
            assert_eq!(answered[3]["resource"], answered[2]["resource"]);
        }
        // What is wrong with one is told in its own entry.
        let list = [with("POST", "Patient/$match", json!({"resourceType": "Observation"})), entry("POST", "Patient/$match"),
            entry("GET", "Patient/$match"), entry("POST", "Patient/$nonsense"), entry("POST", "Observation/$match")];
        let answer = send(&mut client, "batch", &list);
        assert_eq!(statuses(&answer), ["400", "400", "405", "400", "400"], "{answer}");
        let answered = entries(&answer);
        assert!(told(&answered[2]).contains("$match") && told(&answered[3]).contains("$nonsense") && told(&answered[4]).contains("$match"), "{answer}");
        let direct = client.get("Patient/$match").expect(405);
        assert_eq!(direct.header("allow"), Some("POST"));
    }

    fn what_cannot_be_undone_is_for_batches(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for active in [true, false] {
            let body = json!({"resourceType": "Patient", "id": "e", "active": active});
            client.put("Patient/e", &body);
        }
        let all = json!({"resourceType": "Parameters", "parameter": [{"name": "expungePreviousVersions", "valueBoolean": true}]});
        for (refused, named) in [(with("POST", "Patient/e/$expunge", all.clone()), "$expunge"), (entry("DELETE", "Patient/e/_history/1"), "expunge"), (entry("DELETE", "Patient/e/_history"), "expunge")] {
            let body = json!({"resourceType": "Bundle", "type": "transaction", "entry": [with("POST", "Patient", patient("No")), refused]});
            let outcome = client.post("", &body).expect_outcome(400);
            let issue = &outcome["issue"][0];
            assert!(issue["diagnostics"].as_str().unwrap().contains(named), "{outcome}");
            assert_eq!(issue["expression"][0], "Bundle.entry[1].request");
        }
        assert_eq!(client.get("Patient/e/_history").expect(200).json()["total"], 2);
        assert_eq!(client.count("Patient?family=no"), 0);
        let answer = send(&mut client, "batch", &[with("POST", "Patient/e/$expunge", all), entry("GET", "Patient/e/_history")]);
        assert_eq!(entries(&answer)[0]["resource"]["parameter"][0]["valueInteger"], 1, "{answer}");
        assert_eq!(entries(&answer)[1]["resource"]["total"], 1, "{answer}");
        client.put("Patient/e", &json!({"resourceType": "Patient", "id": "e", "active": true})).expect(200);
        let answer = send(&mut client, "batch", &[entry("DELETE", "Patient/e/_history/2"), entry("DELETE", "Patient/e/_history/3"), entry("POST", "Patient/e/$expunge")]);
        assert_eq!(statuses(&answer), ["204", "409", "400"], "{answer}");
    }

    fn searches_by_post(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/s", &json!({"resourceType": "Patient", "id": "s", "name": [{"family": "Sought"}], "active": true})).expect(201);
        let form = |kind: &str, text: &str| json!({"resourceType": "Binary", "contentType": kind, "data": text});
        const FORM: &str = "application/x-www-form-urlencoded";
        // family=sought&_elements=active, and family=other
        let (good, other) = ("ZmFtaWx5PXNvdWdodCZfZWxlbWVudHM9YWN0aXZl", "ZmFtaWx5PW90aGVy");
        for kind in ["batch", "transaction"] {
            let list = [entry("POST", "Patient/_search?family=sought"), with("POST", "Patient/_search?active=true", form(FORM, good)),
                with("POST", "Patient/_search?active=true", form(FORM, other)), entry("POST", "_search?_type=Patient&_id=s")];
            let answer = send(&mut client, kind, &list);
            let totals: Vec<_> = entries(&answer).iter().map(|e| e["resource"]["total"].clone()).collect();
            assert_eq!(totals, [json!(1), json!(1), json!(0), json!(1)], "{answer}");
            assert_eq!(entries(&answer)[1]["resource"]["entry"][0]["resource"].get("name"), None, "{answer}");
        }
        let list = [with("POST", "Patient/_search", json!({"resourceType": "Parameters"})), with("POST", "Patient/_search", form("text/plain", good)), with("POST", "Patient/_search", form(FORM, "?"))];
        assert_eq!(statuses(&send(&mut client, "batch", &list)), ["400", "415", "400"]);
    }

    fn general_parameters_of_entries(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = json!({"resourceType": "Patient", "id": "g", "active": true, "birthDate": "1970-01-01", "photo": [{"title": "x"}]});
        client.put("Patient/g", &body).expect(201);
        // The format is that of the whole answer.
        let list = [entry("GET", "Patient/g?_summary=true"), entry("GET", "Patient/g?_elements=active&_format=xml"), entry("GET", "Patient?_id=g&_summary=count"),
            entry("GET", "Patient/g/_history?_summary=data&_pretty=true"), entry("GET", "Patient/g/_history/1?_summary=text")];
        let answered = entries(&send(&mut client, "batch", &list));
        let resource = |n: usize| answered[n]["resource"].clone();
        assert_eq!((resource(0).get("photo"), &resource(0)["birthDate"]), (None, &json!("1970-01-01")));
        assert_eq!((resource(1).get("birthDate"), &resource(1)["active"]), (None, &json!(true)));
        assert_eq!((resource(2).get("entry"), &resource(2)["total"]), (None, &json!(1)));
        assert_eq!(resource(3)["entry"][0]["resource"]["photo"][0]["title"], "x");
        assert_eq!(resource(4).get("active"), None);
        // A write shows as much as its entry asks for.
        let mut changed = body.clone();
        changed["active"] = json!(false);
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [with("PUT", "Patient/g?_elements=active", changed)]});
        let answer = client.with_body("POST", "", &[("Prefer", "return=representation")], &bundle).expect(200).json();
        let shown = &answer["entry"][0]["resource"];
        assert_eq!((shown.get("birthDate"), &shown["active"], &shown["meta"]["tag"][0]["code"]), (None, &json!(false), &json!("SUBSETTED")), "{answer}");
        assert_eq!(client.get("Patient/g").expect(200).json()["birthDate"], "1970-01-01");
        let answer = send(&mut client, "batch", &[with("PUT", "Patient/g?_summary=count", body), entry("DELETE", "Patient/g?nonsense=1&_summary=nonsense")]);
        assert_eq!(statuses(&answer), ["400", "400"], "{answer}");
    }

    fn a_batch_has_independent_entries(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let urn = "urn:uuid:55555555-5555-4555-8555-555555555555";
        let refers = |to: &str| json!({"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": to}});
        let mut maker = with("POST", "Patient", patient("Made"));
        maker["fullUrl"] = json!(urn);
        let list = [maker.clone(), with("POST", "Basic", refers(urn)), with("POST", "Basic", refers("Patient/other"))];
        let answer = send(&mut client, "batch", &list);
        assert_eq!(statuses(&answer), ["201", "400", "201"], "{answer}");
        assert!(told(&entries(&answer)[1]).contains("entry 0"), "{answer}");
        assert_eq!(statuses(&send(&mut client, "transaction", &list)), ["201", "201", "201"]);
    }

    fn reads_that_are_wrong_refuse_a_transaction(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for wrong in ["Patient?birthdate=nonsense", "Patient?name:nonsense=x", "Patient?_summary=nonsense", "Patient/1?_elements=a.b", "Nonsense/1", "Patient/a_b"] {
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [with("POST", "Patient", patient("No")), entry("GET", wrong)]});
            let answer = client.post("", &bundle);
            assert!((400..500).contains(&answer.status), "{wrong}: {}", answer.text());
            assert!(answer.text().contains("Bundle.entry[1]"), "{}", answer.text());
        }
        assert_eq!(client.count("Patient"), 0);
        // What is not there is told in the entry: the writes are done by then.
        assert_eq!(statuses(&send(&mut client, "transaction", &[with("POST", "Patient", patient("Yes")), entry("GET", "Patient/none")])), ["201", "404"]);
    }

    fn what_a_response_holds(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let list = [with("PUT", "Patient/r", json!({"resourceType": "Patient", "id": "r"})), with("POST", "Patient", patient("R")),
            entry("GET", "Patient/r"), entry("GET", "Patient/r"), entry("HEAD", "Patient/r"), entry("GET", "Patient?_id=r"), entry("DELETE", "Patient/none")];
        for prefer in ["return=minimal", "return=representation", "return=OperationOutcome"] {
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": list});
            let answer = client.with_body("POST", "", &[("Prefer", prefer)], &bundle).expect(200).json();
            let answered = entries(&answer);
            assert_eq!((answered.len(), answer.get("total"), answer.get("link")), (list.len(), None, None));
            assert_eq!(answered[0].get("resource").is_some(), prefer == "return=representation", "{answer}");
            assert_eq!(answered[1]["response"].get("outcome").is_some(), prefer == "return=OperationOutcome", "{answer}");
            assert!(answered[1]["response"]["location"].as_str().unwrap().ends_with("/_history/1"), "{answer}");
            assert!(answered[..5].iter().all(|e| e["response"]["etag"] == "W/\"1\"" && e["response"]["lastModified"].is_string()), "{answer}");
            assert!(answered[4].get("resource").is_none() && answered[4].get("fullUrl").is_none(), "{answer}");
            // bdl-7 and bdl-8: what has an identity says it, without its version and once.
            let urls: Vec<_> = answered.iter().filter_map(|e| e["fullUrl"].as_str()).collect();
            let ours = urls.iter().filter(|url| url.ends_with("/fhir/Patient/r")).count();
            assert_eq!((ours, urls.iter().any(|url| url.contains("_history"))), (1, false), "{answer}");
        }
    }
}
