//! The CapabilityStatement, both ways: what it lists works, and what works is listed.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_databases};

fn list<'a>(json: &'a Value, name: &str) -> Vec<&'a Value> {
    json[name].as_array().into_iter().flatten().collect()
}

/// A FHIRPath Patch that sets what is not set by the others.
const IN_XML: &str = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>
    <part><name value="type"/><valueCode value="add"/></part><part><name value="path"/><valueString value="Patient"/></part>
    <part><name value="name"/><valueString value="gender"/></part><part><name value="value"/><valueCode value="other"/></part>
    </parameter></Parameters>"#;

on_both_databases! {
    fn the_statement_is_true(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        assert_eq!((&statement["resourceType"], &statement["fhirVersion"]), (&json!("CapabilityStatement"), &json!("4.0.1")));
        for needed in ["status", "date", "kind", "format"] {
            assert!(!statement[needed].is_null(), "{needed} is required");
        }
        let rest = &statement["rest"][0];
        let types = list(rest, "resource");
        assert_eq!(types.len(), 145);
        assert!(types.iter().all(|t| t["type"] != "Parameters"));
        for kind in &types {
            let name = kind["type"].as_str().unwrap();
            let codes: Vec<&str> = list(kind, "interaction").iter().map(|i| i["code"].as_str().unwrap()).collect();
            for code in ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"] {
                assert!(codes.contains(&code), "{name} {code} works, but is not listed");
            }
            assert_eq!(codes.len(), 9, "{name}: {codes:?}");
            client.get(&format!("{name}/none")).expect_outcome(404);
            client.get(&format!("{name}/none/_history/1")).expect_outcome(404);
            assert_eq!(client.count(name), 0);
        }
        let system: Vec<&Value> = list(rest, "interaction").iter().map(|i| &i["code"]).collect();
        assert!(system.contains(&&json!("transaction")) && system.contains(&&json!("batch")), "{system:?}");
        assert!(system.contains(&&json!("history-system")), "{system:?}");
        assert_eq!(client.get("_history").expect(200).json()["total"], 0);
        assert!(system.contains(&&json!("search-system")), "{system:?}");
        assert_eq!(list(rest, "compartment").len(), 5);
        for url in list(rest, "compartment") {
            let name = url.as_str().unwrap().strip_prefix("http://hl7.org/fhir/CompartmentDefinition/").unwrap();
            let kind = name[..1].to_uppercase() + &name[1..];
            assert_eq!(client.count(&format!("{kind}/none/*")), 0);
        }
        for param in list(rest, "searchParam") {
            let name = param["name"].as_str().unwrap();
            let value = match (name, param["type"].as_str().unwrap()) {
                ("_filter", _) => "_id eq x",
                ("_has", _) => continue,
                ("_type", _) => "Patient",
                (_, "date") => "2020",
                _ => "x",
            };
            assert_eq!(client.count(&format!("?{name}={}", value.replace(' ', "%20"))), 0, "{name}");
        }
    }

    fn listed_parameters_work(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        let strict = [("Prefer", "handling=strict")];
        let mut asked = 0;
        for kind in list(&statement["rest"][0], "resource") {
            let name = kind["type"].as_str().unwrap();
            for param in list(kind, "searchParam") {
                let code = param["name"].as_str().unwrap();
                let value = match param["type"].as_str().unwrap() {
                    "date" => "2020",
                    "number" | "quantity" => "1",
                    "composite" | "special" => continue,
                    // of truth values too
                    "token" => "true",
                    _ => "x",
                };
                let answer = client.send("GET", &format!("/fhir/{name}?{code}={value}"), &strict, &[]);
                assert_eq!(answer.status, 200, "{name}?{code}={value}: {}", answer.text());
                asked += 1;
            }
        }
        assert!(asked > 1000, "{asked}");
        client.send("GET", "/fhir/Patient?not-listed=x", &strict, &[]).expect_outcome(400);
    }

    fn the_definitions_of_its_own_operations_are_there(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        let rest = &statement["rest"][0];
        let base = statement["implementation"]["url"].as_str().unwrap().to_owned();
        let all = list(rest, "operation").into_iter().chain(list(rest, "resource").into_iter().flat_map(|kind| list(kind, "operation")));
        let mut found = std::collections::BTreeSet::new();
        for operation in all {
            let url = operation["definition"].as_str().unwrap();
            let Some(path) = url.strip_prefix(&format!("{base}/")) else { continue };
            if !found.insert(path.to_owned()) {
                continue;
            }
            let definition = client.get(path).expect(200);
            assert_eq!(definition.header("etag"), Some("W/\"1\""));
            let definition = definition.json();
            assert_eq!((&definition["url"], &definition["code"]), (&json!(url), &operation["name"]), "{path}");
            client.send("GET", &format!("/fhir/{path}"), &[("Accept", "application/fhir+xml")], &[]).expect(200);
        }
        assert!(found.len() >= 3, "{found:?}");
        // what is stored there is read in its place, and a deletion is one
        client.get("OperationDefinition/match").expect_outcome(404);
        client.get("Patient/expunge").expect_outcome(404);
        let mut own = client.get("OperationDefinition/expunge").expect(200).json();
        own["title"] = json!("Another");
        client.put("OperationDefinition/expunge", &own).expect(201);
        assert_eq!(client.get("OperationDefinition/expunge").expect(200).json()["title"], "Another");
        client.delete("OperationDefinition/expunge").expect(204);
        client.get("OperationDefinition/expunge").expect_outcome(410);
    }

    fn what_it_says_of_itself_is_valid(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        let rest = &statement["rest"][0];
        let all = list(rest, "operation").into_iter().chain(list(rest, "resource").into_iter().flat_map(|kind| list(kind, "operation")));
        let base = statement["implementation"]["url"].as_str().unwrap();
        let own = all.filter_map(|operation| operation["definition"].as_str()?.strip_prefix(&format!("{base}/")).map(str::to_owned));
        let own: std::collections::BTreeSet<String> = own.collect();
        let pages = ["metadata", "metadata?mode=normative", "metadata?mode=terminology"].map(str::to_owned).into_iter().chain(own);
        for page in pages {
            let resource = client.get(&page).expect(200).json();
            let kind = resource["resourceType"].as_str().unwrap().to_owned();
            let verdict = client.post(&format!("{kind}/$validate"), &resource).expect(200).json();
            let errors: Vec<&Value> = list(&verdict, "issue").into_iter().filter(|issue| issue["severity"] == "error" || issue["severity"] == "fatal").collect();
            assert!(errors.is_empty(), "{page}: {errors:?}");
            let xml = client.send("GET", &format!("/fhir/{page}"), &[("Accept", "application/fhir+xml")], &[]).expect(200);
            let again = client.send("POST", "/fhir/$convert", &[("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")], &xml.body).expect(200).json();
            assert_eq!(again, resource, "{page}");
        }
    }

    fn the_statement_has_modes_parts_and_a_tag(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let full = client.get("metadata").expect(200);
        let tag = full.header("etag").expect("an ETag").to_owned();
        client.send("GET", "/fhir/metadata", &[("If-None-Match", &tag)], &[]).expect(304);
        client.send("GET", "/fhir/metadata", &[("If-None-Match", "W/\"1\"")], &[]).expect(200);
        assert_eq!(client.get("metadata?mode=full").expect(200).body, full.body);
        let full = full.json();
        assert_eq!(full["rest"][0]["security"]["cors"], true);
        assert_eq!(full["rest"][0]["resource"][0]["conditionalRead"], "full-support");
        assert!(full["software"]["version"].is_string() && full["implementation"]["url"].as_str().unwrap().ends_with("/fhir"));
        let normative = client.get("metadata?mode=normative").expect(200).json();
        let (rest, kind) = (&normative["rest"][0], &normative["rest"][0]["resource"][0]);
        assert!(rest.get("security").is_none() && kind.get("versioning").is_none() && kind.get("searchInclude").is_none(), "{kind}");
        assert_eq!(kind["interaction"], full["rest"][0]["resource"][0]["interaction"]);
        let terminology = client.get("metadata?mode=terminology").expect(200).json();
        assert_eq!((&terminology["resourceType"], &terminology["kind"]), (&json!("TerminologyCapabilities"), &json!("instance")));
        let systems = terminology["codeSystem"].as_array().unwrap();
        let is_listed = |uri: &str| systems.iter().any(|system| system["uri"] == uri);
        assert!(is_listed("http://hl7.org/fhir/administrative-gender") && !is_listed("http://snomed.info/sct"));
        assert_eq!(terminology["codeSearch"], "explicit");
        let part = client.get("metadata?_elements=software").expect(200).json();
        assert_eq!((&part["meta"]["tag"][0]["code"], part.get("rest")), (&json!("SUBSETTED"), None));
        assert!(part["software"].is_object() && part["fhirVersion"] == "4.0.1", "mandatory elements stay");
        let summary = client.get("metadata?_summary=true").expect(200).json();
        assert!(summary["rest"][0]["resource"][0].get("searchParam").is_none() && summary["rest"][0]["mode"] == "server");
        client.get("metadata?mode=nonsense").expect_outcome(400);
        client.get("metadata?_summary=count").expect_outcome(400);
        // The statements are resources like others: what this server says of itself it would also take.
        for statement in [full, normative, terminology] {
            client.post(statement["resourceType"].as_str().unwrap(), &statement).expect(201);
        }
    }

    fn listed_patch_formats_and_includes_work(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p", "active": true})).expect(201);
        let formats = list(&statement, "patchFormat");
        assert_eq!(formats.len(), 5);
        for format in formats {
            let format = format.as_str().unwrap();
            let body = match format {
                "application/json-patch+json" => json!([{"op": "replace", "path": "/active", "value": false}]),
                "application/merge-patch+json" => json!({"active": null}),
                _ => json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
                    {"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"}, {"name": "name", "valueString": "active"},
                    {"name": "value", "valueBoolean": true}]}]}),
            };
            let body = match format {
                "application/fhir+xml" => IN_XML.to_owned(),
                "application/xml-patch+xml" => r#"<diff xmlns="http://hl7.org/fhir"><replace sel="Patient/active/@value">true</replace></diff>"#.to_owned(),
                _ => body.to_string(),
            };
            let answer = client.send("PATCH", "/fhir/Patient/p", &[("Content-Type", format)], body.as_bytes());
            assert_eq!(answer.status, 200, "{format}: {}", answer.text());
        }
        assert_eq!(client.get("Patient/p").expect(200).json()["gender"], "other");
        client.send("PATCH", "/fhir/Patient/p", &[("Content-Type", "application/patch+xml")], b"<diff/>").expect_outcome(415);
        for kind in list(&statement["rest"][0], "resource").iter().step_by(4) {
            let name = kind["type"].as_str().unwrap();
            for include in list(kind, "searchInclude") {
                client.get(&format!("{name}?_include={}", include.as_str().unwrap())).expect(200);
            }
            for include in list(kind, "searchRevInclude").iter().step_by(9) {
                client.get(&format!("{name}?_revinclude={}", include.as_str().unwrap())).expect(200);
            }
        }
    }
}
