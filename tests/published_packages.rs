//! Packages as their publishers give them out: four versions of US Core, bulk data, SMART App Launch and the backport of subscriptions,
//! one after the other in one server. Skipped where they do not lie beside the repository.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Database, TestApp, shared};

const RACE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
const PATIENT: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient";
const ASSERTED: &str = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate";

fn load(client: &mut Client, folder: &Path, file: &str) {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let told =
        client.send("POST", "/fhir/$package-load", &[("Content-Type", "application/gzip")], &bytes).expect(200).json();
    let of = |name: &str| told["parameter"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    assert!(of("definitions").is_some_and(|one| one["valueInteger"].as_u64() > Some(5)), "{file}: {told}");
    assert!(!told.to_string().contains("passed"), "{file}: {told}");
}

fn named(name: &str, version: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": name}, {"name": "version", "valueString": version}]})
}

/// The values of a part of the package with a name and version, as it is listed.
fn listed(client: &mut Client, (name, version): (&str, &str), part: &str) -> Vec<String> {
    let list = client.get("$packages").expect(200).json();
    let values = |package: &Value, part: &str| -> Vec<String> {
        let parts = package["part"].as_array().cloned().unwrap_or_default();
        let named = parts.into_iter().filter(|one| one["name"] == part);
        named
            .map(|one| {
                let value = one.as_object().unwrap().iter().find(|(key, _)| key.starts_with("value")).unwrap().1;
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect()
    };
    let all = list["parameter"].as_array().unwrap();
    let found = all.iter().find(|one| values(one, "name") == [name] && values(one, "version") == [version]);
    values(found.unwrap_or_else(|| panic!("{name}#{version} is not listed")), part)
}

fn told(client: &mut Client, kind: &str) -> (Value, Value) {
    let statement = client.get("metadata").expect(200).json();
    let all = statement["rest"][0]["resource"].as_array().unwrap();
    let of_type = all.iter().find(|one| one["type"] == kind).unwrap().clone();
    (statement["implementationGuide"].clone(), of_type)
}

fn has(list: &Value, wanted: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(wanted))
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A patient that every version of US Core takes.
fn patient() -> Value {
    let race = |url: &str, value: Value| {
        let mut part = json!({"url": url});
        part.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        part
    };
    json!({"resourceType": "Patient",
        "extension": [{"url": RACE, "extension": [
            race("ombCategory", json!({"valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}})),
            race("text", json!({"valueString": "White"}))]}],
        "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
        "name": [{"family": "Mill", "given": ["Ann"]}], "gender": "female", "birthDate": "1980-01-01"})
}

/// The status of a search that refuses parameters that are not known.
fn strictly(client: &mut Client, search: &str) -> u16 {
    client.send("GET", &format!("/fhir/{search}"), &[("Prefer", "handling=strict")], &[]).status
}

/// US Core in one version: used, searched by, validated against, taken out of use and removed.
fn us_core(client: &mut Client, folder: &Path, version: &str, missing: &[&str]) {
    let name = "hl7.fhir.us.core";
    load(client, folder, &format!("{name}-{version}.tgz"));
    assert_eq!(listed(client, (name, version), "active"), ["false"]);
    assert_eq!(strictly(client, "Patient?race=2106-3"), 400, "{version} is not in use");
    client.post("$package-activate", &named(name, version)).expect(200);
    assert_eq!(listed(client, (name, version), "missing"), missing, "{version}");

    let (guides, of_patient) = told(client, "Patient");
    let guide = format!("http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|{version}");
    assert!(has(&guides, &json!(guide)), "{guides}");
    assert!(has(&of_patient["supportedProfile"], &json!(PATIENT)), "{version}");
    assert!(of_patient["searchParam"].as_array().unwrap().iter().any(|one| one["name"] == "race"));

    // what was there before is found too, once it was read again
    eventually("race is known of all", || client.count("Patient?race=2106-3") == 1);
    assert_eq!(client.count("Patient?race=2028-9"), 0);
    if version != "3.1.1" {
        eventually("asserted-date is known of all", || client.count("Condition?asserted-date=2020-05-01") == 1);
    }

    let mut claims = patient();
    claims["meta"] = json!({"profile": [PATIENT]});
    client.post("Patient/$validate", &claims).expect(200);
    let issues = client.post(&format!("Patient/$validate?profile={PATIENT}"), &patient()).expect(200).json();
    assert!(!issues.to_string().contains("\"error\""), "{version}: {issues}");
    claims.as_object_mut().unwrap().remove("identifier");
    let outcome = client.post("Patient", &claims).expect_outcome(422);
    assert_eq!(outcome["issue"][0]["expression"][0], "Patient.identifier", "{version}: {outcome}");
    if version == "3.1.1" {
        // the later ones leave the codes of races to a package that is not here
        claims["identifier"] = json!([{"system": "http://example.org/mrn", "value": "2"}]);
        claims["extension"][0]["extension"][0]["valueCoding"]["code"] = json!("1");
    }
    let outcome = client.post("Patient", &claims).expect_outcome(422);
    let place = if version == "3.1.1" { "Patient.extension[0]" } else { "Patient.identifier" };
    assert!(outcome["issue"][0]["expression"][0].as_str().unwrap().starts_with(place), "{version}: {outcome}");

    client.post("$package-remove", &named(name, version)).expect_outcome(409);
    client.post("$package-deactivate", &named(name, version)).expect(200);
    client.post("$package-remove", &named(name, version)).expect(200);
    client.post("$package-activate", &named(name, version)).expect_outcome(404);
    let (guides, of_patient) = told(client, "Patient");
    assert!(!guides.to_string().contains("us/core") && !has(&of_patient["supportedProfile"], &json!(PATIENT)));
    assert_eq!(strictly(client, "Patient?race=2106-3"), 400, "{version} is gone");
}

#[test]
fn they_are_loaded_used_and_removed() {
    let Some(folder) = shared("packages") else { return };
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    let id = client.post("Patient", &patient()).expect(201).json()["id"].as_str().unwrap().to_owned();
    let condition = json!({"resourceType": "Condition", "subject": {"reference": format!("Patient/{id}")},
        "extension": [{"url": ASSERTED, "valueDateTime": "2020-05-01"}]});
    client.post("Condition", &condition).expect(201);
    let topic = "http://example.org/topics/admission";
    let subscription = json!({"resourceType": "Subscription", "status": "requested", "reason": "to know", "criteria": topic,
        "channel": {"type": "rest-hook", "endpoint": "https://example.org/in", "payload": "application/fhir+json"}});
    client.post("Subscription", &subscription).expect(201);

    // what has no snapshots: they are made here
    for (name, version, file, kind, profile) in [
        ("hl7.fhir.uv.bulkdata", "3.0.0", "hl7.fhir.uv.bulkdata-3.0.0-unofficial.tgz", "Group", "bulkdata"),
        (
            "hl7.fhir.uv.smart-app-launch",
            "2.2.0",
            "hl7.fhir.uv.smart-app-launch-2.2.0-unofficial.tgz",
            "Task",
            "smart-app-launch",
        ),
        (
            "hl7.fhir.uv.subscriptions-backport.r4",
            "1.1.0",
            "hl7.fhir.uv.subscriptions-backport.r4-1.1.0-unofficial.tgz",
            "Subscription",
            "subscriptions-backport",
        ),
    ] {
        load(&mut client, &folder, file);
        client.post("$package-activate", &named(name, version)).expect(200);
        assert_eq!(
            (listed(&mut client, (name, version), "active"), listed(&mut client, (name, version), "missing")),
            (vec!["true".to_owned()], vec![])
        );
        let (guides, of_type) = told(&mut client, kind);
        assert!(guides.to_string().contains(profile), "{name}: {guides}");
        let profiles = of_type["supportedProfile"].as_array().cloned().unwrap_or_default();
        let own: Vec<&str> = profiles.iter().filter_map(Value::as_str).filter(|url| url.contains(profile)).collect();
        assert!(!own.is_empty(), "{name}: {profiles:?}");
        for url in own {
            let outcome = client
                .post(&format!("{kind}/$validate?profile={url}"), &json!({"resourceType": kind}))
                .expect(200)
                .json();
            let says = outcome.to_string();
            assert!(says.contains("\"error\"") && !says.contains("cannot be used"), "{url}: {outcome}");
        }
    }
    eventually("topic is known of all", || client.count(&format!("Subscription?topic={topic}")) == 1);

    let apart = ["us.nlm.vsac", "hl7.fhir.uv.sdc", "us.cdc.phinvads"];
    let missing = |versions: [&str; 3]| {
        apart.iter().zip(versions).map(|(name, version)| format!("{name}#{version}")).collect::<Vec<_>>()
    };
    for (version, versions) in [
        ("3.1.1", None),
        ("6.1.0", Some(["0.10.0", "3.0.0", "0.12.0"])),
        ("7.0.0", Some(["0.18.0", "3.0.0", "0.12.0"])),
        ("8.0.0", Some(["0.23.0", "3.0.0", "0.12.0"])),
    ] {
        let mut wanted = versions.map(missing).unwrap_or_default();
        if version == "6.1.0" {
            wanted.push("ihe.formatcode.fhir#1.1.0".to_owned());
        }
        us_core(&mut client, &folder, version, &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
