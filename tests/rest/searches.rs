//! What the searches of `tests/search` do not compare: how a search is explained, and what is refused because it is not
//! clear.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

fn put(client: &mut Client, resource: &Value) {
    let target = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    client.put(&target, resource).expect(201);
}

fn observation(id: &str, subject: &str, code: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [{"code": code}]},
        "subject": {"reference": subject}})
}

/// The entry with the mode `outcome`.
fn outcome(bundle: &Value) -> Option<&Value> {
    let entries = bundle["entry"].as_array()?;
    entries.iter().find(|entry| entry["search"]["mode"] == "outcome").map(|entry| &entry["resource"])
}

/// The parts of an explanation with a name.
fn parts<'a>(outcome: &'a Value, name: &str) -> Vec<&'a Value> {
    let parts = outcome["extension"][0]["extension"].as_array().unwrap();
    parts.iter().filter(|part| part["url"] == name).collect()
}

on_both_databases! {
    fn a_search_is_explained(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Able"}]}));
        for (id, code) in [("a", "x"), ("b", "x"), ("c", "y")] {
            put(&mut client, &observation(id, "Patient/p", code));
        }
        let query = "code=x&subject:Patient.name=able&_id=a,c&_include=Observation:subject";
        let plain = client.get(&format!("Observation?{query}")).expect(200).json();
        assert_eq!((&plain["total"], outcome(&plain)), (&json!(1), None), "nothing is told that was not asked for");
        for (way, path) in [("GET", "Observation"), ("POST", "Observation/_search"), ("GET", "Patient/p/Observation"), ("GET", "")] {
            let query = if path.is_empty() { "_id=a,c&_type=Observation" } else { query };
            let form = [("Content-Type", "application/x-www-form-urlencoded")];
            let asked = format!("{query}&_explain=true");
            let answer = match way {
                "POST" => client.send("POST", &format!("/fhir/{path}"), &form, asked.as_bytes()),
                _ => client.get(&format!("{path}?{asked}")),
            };
            let bundle = answer.expect(200).json();
            assert_eq!(bundle["total"], if path.is_empty() { 2 } else { 1 }, "{path}");
            assert!(bundle["link"][0]["url"].as_str().unwrap().contains("_explain=true"));
            let told = outcome(&bundle).expect("an explanation");
            assert!(told["issue"].as_array().unwrap().iter().all(|issue| issue["severity"] == "information"));
            let names: Vec<&Value> = parts(told, "phase").iter().map(|part| &part["extension"][0]["valueCode"]).collect();
            assert_eq!(names, ["wait", "parse", "compile", "search", "includes", "fetch", "fetch-includes"]);
            assert!(parts(told, "phase").iter().all(|part| part["extension"][1]["valueInteger"].is_u64()));
            let clauses: Vec<(&str, u64)> = parts(told, "clause").iter().map(|part| {
                let said = &part["extension"];
                (said[0]["valueString"].as_str().unwrap(), said[1]["valueInteger"].as_u64().unwrap())
            }).collect();
            let mut expected = vec![("code=x", 2), ("subject->(Patient: name=able*)", 3), ("id [a, c]", 2)];
            match path {
                "" => expected = vec![("id [a, c]", 2)],
                "Patient/p/Observation" => expected.insert(0, ("in Patient/p", 3)),
                _ => {}
            }
            assert_eq!(clauses, expected, "{path}");
            assert!(!parts(told, "compiled")[0]["valueString"].as_str().unwrap().is_empty());
        }
        let warned = client.get("Observation?nothing=x&_explain=true&_summary=count").expect(200).json();
        let issues = outcome(&warned).unwrap()["issue"].as_array().unwrap();
        assert_eq!((&issues[0]["severity"], &issues[1]["severity"]), (&json!("warning"), &json!("information")));
        let many = vec!["code=x"; 100].join("&");
        let long = client.get(&format!("Observation?{many}&_explain=true")).expect(200).json();
        assert_eq!(parts(outcome(&long).unwrap(), "clause").len(), 32);
        client.get("Observation?_explain=maybe").expect_outcome(400);
        let not = client.get("Observation?_explain=false").expect(200).json();
        assert_eq!(outcome(&not), None);
    }

    fn an_id_of_two_types_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "same"}));
        put(&mut client, &json!({"resourceType": "Group", "id": "same", "type": "person", "actual": true}));
        put(&mut client, &observation("a", "Patient/same", "x"));
        assert_eq!(client.count("Observation?subject=same"), 1, "only one is referred to");
        put(&mut client, &observation("b", "Group/same", "x"));
        let refused = client.get("Observation?subject=same").expect_outcome(400);
        let said = refused["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(said.contains("Patient/same") || said.contains("Group/same"), "{said}");
        for clear in ["subject=Group/same", "subject:Patient=same", "patient=same", "subject:Patient._id=same"] {
            assert_eq!(client.count(&format!("Observation?{clear}")), 1, "{clear}");
        }
        client.delete("Observation/b").expect(204);
        assert_eq!(client.count("Observation?subject=same"), 1);
    }

    fn lists_have_functions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let allergy = |id: &str, patient: &str, category: &str| json!({"resourceType": "AllergyIntolerance", "id": id,
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
            "category": [category], "patient": {"reference": format!("Patient/{patient}")}});
        for patient in ["p", "q"] {
            put(&mut client, &json!({"resourceType": "Patient", "id": patient, "name": [{"family": patient}]}));
        }
        for (id, patient, category) in [("food", "p", "food"), ("drug", "p", "medication"), ("old", "p", "food"), ("other", "q", "food")] {
            put(&mut client, &allergy(id, patient, category));
        }
        let list = |id: &str, patient: &str, status: &str, mode: &str, code: Value, items: &[&str]| {
            let entries: Vec<Value> = items.iter().map(|item| json!({"item": {"reference": format!("AllergyIntolerance/{item}")}})).collect();
            json!({"resourceType": "List", "id": id, "status": status, "mode": mode, "code": {"coding": [code]},
                "subject": {"reference": format!("Patient/{patient}")}, "entry": entries})
        };
        let loinc = || json!({"system": "http://loinc.org", "code": "52472-8"});
        put(&mut client, &list("l1", "p", "current", "working", loinc(), &["food", "drug"]));
        put(&mut client, &list("l2", "p", "current", "snapshot", loinc(), &["old"]));
        put(&mut client, &list("l3", "p", "retired", "working", loinc(), &["old"]));
        put(&mut client, &list("l4", "p", "current", "working", json!({"system": "http://loinc.org", "code": "46105-3"}), &["old"]));
        let used = json!({"system": "http://terminology.hl7.org/CodeSystem/list-example-use-codes", "code": "allergies"});
        // somebody else's list names an allergy of p
        put(&mut client, &list("l5", "q", "current", "working", used, &["other", "old"]));
        for (query, total) in [
            ("AllergyIntolerance?patient=p&_list=$current-allergies", 2),
            ("AllergyIntolerance?patient=Patient/p&_list=$current-allergies", 2),
            ("AllergyIntolerance?patient=p&_list=$current-drug-allergies", 1),
            ("AllergyIntolerance?patient=q&_list=$current-allergies", 1),
            ("AllergyIntolerance?patient.name=q&_list=$current-allergies", 1),
            ("AllergyIntolerance?patient=p,q&_list=$current-allergies", 4),
            ("AllergyIntolerance?_list=$current-allergies", 4),
            ("AllergyIntolerance?patient=p&_list=$current-problems", 1),
            ("AllergyIntolerance?patient=none&_list=$current-allergies", 0),
            ("Patient/p/AllergyIntolerance?_list=$current-allergies", 2),
            ("Patient/p/*?_list=$current-allergies", 2),
            ("Condition?patient=p&_list=$current-problems", 0),
        ] {
            assert_eq!(client.count(query), total, "{query}");
        }
        client.get("Condition?_list=$current-nonsense").expect_outcome(400);
        client.put("List/l1", &list("l1", "p", "current", "snapshot", loinc(), &["food", "drug"])).expect(200);
        assert_eq!(client.count("AllergyIntolerance?patient=p&_list=$current-allergies"), 0);
    }

    fn canonicals_are_chained_and_included(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for (id, version, title) in [("one", "1.0", "First"), ("two", "2.0-Beta", "Second")] {
            put(&mut client, &json!({"resourceType": "Questionnaire", "id": id, "status": "active", "title": title,
                "url": "http://example.org/Questionnaire/q", "version": version}));
        }
        put(&mut client, &json!({"resourceType": "Questionnaire", "id": "bare", "status": "active", "title": "Bare", "url": "http://example.org/Questionnaire/bare"}));
        let canonicals = [("any", "q"), ("v1", "q|1.0"), ("v2", "q|2.0-Beta"), ("v3", "q|3"), ("b", "bare#part"), ("none", "other")];
        for (id, canonical) in canonicals {
            put(&mut client, &json!({"resourceType": "QuestionnaireResponse", "id": id, "status": "completed",
                "questionnaire": format!("http://example.org/Questionnaire/{canonical}")}));
        }
        let ids = |client: &mut Client, query: &str, mode: &str| -> Vec<String> {
            let bundle = client.get(query).expect(200).json();
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            let mut ids: Vec<String> = entries.iter().filter(|e| e["search"]["mode"] == mode)
                .map(|e| e["resource"]["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let include = "&_include=QuestionnaireResponse:questionnaire";
        for (query, mode, expected) in [
            (format!("QuestionnaireResponse?_id=any{include}"), "include", &["one", "two"][..]),
            (format!("QuestionnaireResponse?_id=v1{include}"), "include", &["one"]),
            (format!("QuestionnaireResponse?_id=v2,b{include}"), "include", &["bare", "two"]),
            (format!("QuestionnaireResponse?_id=v3,none{include}"), "include", &[]),
            (format!("QuestionnaireResponse?_id=v1{include}:Questionnaire"), "include", &["one"]),
            ("QuestionnaireResponse?_id=v1&_include=*".into(), "include", &["one"]),
            ("Questionnaire?_id=one&_revinclude=QuestionnaireResponse:questionnaire".into(), "include", &["any", "v1"]),
            ("Questionnaire?_id=two,bare&_revinclude=QuestionnaireResponse:questionnaire".into(), "include", &["any", "b", "v2"]),
            ("QuestionnaireResponse?questionnaire.title=first".into(), "match", &["any", "v1"]),
            ("QuestionnaireResponse?questionnaire:Questionnaire.title=second".into(), "match", &["any", "v2"]),
            ("QuestionnaireResponse?questionnaire.title=bare".into(), "match", &["b"]),
            ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=v1".into(), "match", &["one"]),
            ("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=any".into(), "match", &["one", "two"]),
            ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed".into(), "match", &["bare", "one", "two"]),
        ] {
            assert_eq!(ids(&mut client, &query, mode), expected, "{query}");
        }
        client.delete("Questionnaire/one").expect(204);
        assert_eq!(ids(&mut client, &format!("QuestionnaireResponse?_id=any{include}"), "include"), ["two"]);
        // a resource may have the URL of another one's canonical without being of its type
        put(&mut client, &json!({"resourceType": "Library", "id": "lib", "status": "active", "type": {"text": "logic"}, "url": "http://example.org/Library/l",
            "relatedArtifact": [{"type": "depends-on", "resource": "http://example.org/Library/m|2"}]}));
        put(&mut client, &json!({"resourceType": "Library", "id": "m", "status": "active", "type": {"text": "logic"}, "url": "http://example.org/Library/m", "version": "2"}));
        assert_eq!(ids(&mut client, "Library?_id=lib&_include=Library:depends-on", "include"), ["m"]);
        assert_eq!(ids(&mut client, "Library?depends-on:Library.version=2", "match"), ["lib"]);
    }

    fn contained_resources_are_searched(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let medication = |id: &str, code: &str, lot: &str| json!({"resourceType": "Medication", "id": id, "status": "active",
            "code": {"coding": [{"system": "urn:m", "code": code}]}, "batch": {"lotNumber": lot}, "manufacturer": {"reference": "#maker"}});
        let maker = |name: &str| json!({"resourceType": "Organization", "id": "maker", "name": name});
        let request = |id: &str, contained: Vec<Value>, reference: &str| json!({"resourceType": "MedicationRequest", "id": id, "status": "active",
            "intent": "order", "subject": {"reference": "Patient/p"}, "medicationReference": {"reference": reference},
            "supportingInformation": contained.iter().map(|one| json!({"reference": format!("#{}", one["id"].as_str().unwrap())})).collect::<Vec<_>>(),
            "contained": contained});
        put(&mut client, &json!({"resourceType": "Patient", "id": "p"}));
        put(&mut client, &json!({"resourceType": "Medication", "id": "own", "status": "active", "code": {"coding": [{"system": "urn:m", "code": "a"}]}}));
        put(&mut client, &request("r1", vec![medication("m1", "a", "1"), medication("m2", "b", "2"), maker("Acme")], "#m1"));
        put(&mut client, &request("r2", vec![medication("m1", "b", "1"), maker("Bcme")], "#m1"));
        put(&mut client, &json!({"resourceType": "MedicationRequest", "id": "r3", "status": "active", "intent": "order",
            "subject": {"reference": "Patient/p"}, "medicationReference": {"reference": "Medication/own"}}));
        let urls = |client: &mut Client, query: &str| -> Vec<String> {
            let mut entries = Vec::new();
            let mut page = client.get(&format!("{query}&_count=1")).expect(200).json();
            let total = page["total"].as_u64();
            loop {
                entries.extend(page["entry"].as_array().cloned().unwrap_or_default());
                let links = page["link"].as_array().unwrap();
                let next = links.iter().find(|l| l["relation"] == "next").map(|l| l["url"].as_str().unwrap().to_owned());
                let Some(next) = next else { break };
                page = client.send("GET", &next[next.find("/fhir").unwrap()..], &[], &[]).expect(200).json();
            }
            assert_eq!(total, Some(entries.len() as u64), "{query}");
            let mut urls: Vec<String> = entries.iter().filter(|e| e["search"]["mode"] == "match").map(|e| {
                let url = e["fullUrl"].as_str().unwrap();
                let rest = url.strip_prefix(&format!("{}/", app.base())).unwrap();
                let id = rest.rsplit(['/', '#']).next().unwrap();
                assert_eq!(e["resource"]["id"], id, "{query}");
                rest.to_owned()
            }).collect();
            urls.sort();
            urls
        };
        for (query, expected) in [
            // without _contained they are not searched, but chains see them
            ("Medication?code=a", &["Medication/own"][..]),
            ("Medication?_id=m1", &[]),
            ("?_id=m1", &[]),
            ("MedicationRequest?medication.code=a", &["MedicationRequest/r1", "MedicationRequest/r3"]),
            ("MedicationRequest?medication:Medication.code=b", &["MedicationRequest/r2"]),
            ("MedicationRequest?medication.manufacturer.name=acme", &["MedicationRequest/r1"]),
            ("MedicationRequest?_filter=medication.code%20eq%20b", &["MedicationRequest/r2"]),
            ("MedicationRequest?medication:missing=true", &[]),
            ("Medication?_has:MedicationRequest:medication:status=active", &["Medication/own"]),
            ("MedicationRequest?medication=Medication/m1", &[]),
            ("Medication?code=a&_contained=false", &["Medication/own"]),
            ("Medication?code=a&_contained=true", &["MedicationRequest/r1"]),
            ("Medication?code=b&_contained=true&_containedType=container", &["MedicationRequest/r1", "MedicationRequest/r2"]),
            ("Medication?code=a&_contained=both", &["Medication/own", "MedicationRequest/r1"]),
            ("Medication?code=b&_contained=true&_containedType=contained", &["MedicationRequest/r1#m2", "MedicationRequest/r2#m1"]),
            ("Medication?code=a&_contained=both&_containedType=contained", &["Medication/own", "MedicationRequest/r1#m1"]),
            // conditions hold for one and the same contained resource
            ("Medication?code=b&lot-number=1&_contained=true", &["MedicationRequest/r2"]),
            ("Medication?code:not=a&_contained=true&_containedType=contained", &["MedicationRequest/r1#m2", "MedicationRequest/r2#m1"]),
            ("Medication?_id=m2&_contained=true&_containedType=contained", &["MedicationRequest/r1#m2"]),
            ("Medication?manufacturer.name=bcme&_contained=true", &["MedicationRequest/r2"]),
            ("?_type=Medication,Organization&_contained=true&_containedType=contained&_id=m2,maker",
                &["MedicationRequest/r1#m2", "MedicationRequest/r1#maker", "MedicationRequest/r2#maker"]),
            ("Observation?_contained=true", &[]),
            ("Medication?_contained=true&_containedType=contained&_sort=-lot-number&lot-number=1,2",
                &["MedicationRequest/r1#m1", "MedicationRequest/r1#m2", "MedicationRequest/r2#m1"]),
        ] {
            assert_eq!(urls(&mut client, query), expected, "{query}");
        }
        let sorted = client.get("Medication?_contained=true&_containedType=contained&_sort=-lot-number&_elements=batch").expect(200).json();
        assert_eq!(sorted["entry"][0]["resource"]["batch"]["lotNumber"], "2");
        assert_eq!(sorted["entry"][0]["resource"]["code"], Value::Null);
        let included = client.get("MedicationRequest?_id=r1,r3&_include=MedicationRequest:medication").expect(200).json();
        let count = included["entry"].as_array().unwrap().len();
        assert_eq!(count, 3, "a contained resource is in its container already");
        for bad in ["_contained=maybe", "_containedType=both", "_contained:not=true", "_contained=true&_sort=lot-number", "_contained=true&_contained=both"] {
            client.get(&format!("Medication?{bad}")).expect_outcome(400);
        }
        // what is contained goes with what contains it
        client.put("MedicationRequest/r1", &request("r1", vec![medication("m3", "c", "9"), maker("Acme")], "#m3")).expect(200);
        for (query, total) in [("code=a", 0), ("code=b", 1), ("code=c", 1)] {
            assert_eq!(client.count(&format!("Medication?{query}&_contained=true")), total, "{query}");
        }
        assert_eq!(client.count("MedicationRequest?medication.code=c"), 1);
        client.delete("MedicationRequest/r2").expect(204);
        assert_eq!(client.count("Medication?_contained=true"), 1);
        assert_eq!(client.count("Medication?_contained=both"), 2);
        let searched = [("If-None-Exist", "code=c&_contained=true"), ("Content-Type", "application/fhir+json")];
        client.send("POST", "/fhir/Medication", &searched, br#"{"resourceType":"Medication"}"#).expect_outcome(400);
    }

    fn an_include_brings_the_version_that_is_named(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = |family: &str| json!({"resourceType": "Patient", "id": "p", "name": [{"family": family}]});
        put(&mut client, &patient("One"));
        client.put("Patient/p", &patient("Two")).expect(200);
        client.put("Patient/p", &patient("Three")).expect(200);
        for (id, subject) in [("old", "Patient/p/_history/1"), ("new", "Patient/p"), ("same", "Patient/p/_history/3"), ("gone", "Patient/p/_history/9")] {
            put(&mut client, &observation(id, subject, "x"));
        }
        let included = |client: &mut Client, query: &str| -> Vec<String> {
            let bundle = client.get(query).expect(200).json();
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            let mut found: Vec<String> = entries.iter().filter(|e| e["search"]["mode"] == "include").map(|e| {
                assert!(e["fullUrl"].as_str().unwrap().ends_with("/Patient/p"));
                e["resource"]["meta"]["versionId"].as_str().unwrap().to_owned()
            }).collect();
            found.sort();
            found
        };
        for (query, expected) in [
            ("_id=old&_include=Observation:subject", &["1"][..]),
            ("_id=old&_include=Observation:subject:Patient", &["1"]),
            ("_id=old&_include=Observation:subject:Group", &[]),
            ("_id=old&_include=*", &["1"]),
            ("_id=new&_include=Observation:patient", &["3"]),
            ("_id=same&_include=Observation:patient", &["3"]),
            ("_id=old,new&_include=Observation:patient", &["1", "3"]),
            ("_id=old,same&_include=Observation:patient", &["1", "3"]),
            ("_id=gone&_include=Observation:patient", &["3"]),
            ("_id=old", &[]),
        ] {
            assert_eq!(included(&mut client, &format!("Observation?{query}")), expected, "{query}");
        }
        let chained = client.get("Observation?patient.family=three&_id=old").expect(200).json();
        assert_eq!(chained["total"], 1, "chains go to the current version");
        let said = outcome(&chained).unwrap()["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(said.contains("Observation/old") && said.contains("current"), "{said}");
        let plain = client.get("Observation?patient.family=three&_id=new").expect(200).json();
        assert_eq!((&plain["total"], outcome(&plain)), (&json!(1), None));
        assert_eq!(client.count("Observation?patient.family=one"), 0);
        client.delete("Patient/p").expect(204);
        assert_eq!(included(&mut client, "Observation?_id=old&_include=Observation:subject"), ["1"]);
        assert_eq!(included(&mut client, "Observation?_id=new&_include=Observation:subject"), Vec::<String>::new());
    }

    fn what_every_resource_has_is_never_missing(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &json!({"resourceType": "Patient", "id": "p"}));
        for (query, total) in [("_id:missing=true", 0), ("_id:missing=false", 1), ("_lastUpdated:missing=true", 0), ("_lastUpdated:missing=false", 1)] {
            assert_eq!(client.count(&format!("Patient?{query}")), total, "{query}");
        }
        let lenient = client.send("GET", "/fhir/Patient?nothing=x", &[("Prefer", "handling=lenient")], &[]).expect(200).json();
        assert!(outcome(&lenient).unwrap()["issue"][0]["diagnostics"].as_str().unwrap().contains("nothing"));
        client.send("GET", "/fhir/Patient?nothing=x", &[("Prefer", "respond-async, handling=strict")], &[]).expect_outcome(400);
        client.get("Patient?_query=anything").expect_outcome(400);
    }
}
