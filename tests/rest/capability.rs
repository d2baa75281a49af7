//! The CapabilityStatement, both ways: what it lists works, and what works is listed.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_databases};

fn list<'a>(json: &'a Value, name: &str) -> Vec<&'a Value> {
    json[name].as_array().into_iter().flatten().collect()
}

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
            let (name, value) = (param["name"].as_str().unwrap(), if param["type"] == "date" { "2020" } else { "x" });
            assert_eq!(client.count(&format!("?{name}={value}")), 0);
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
}
