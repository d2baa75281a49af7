//! FHIR packages: loaded over HTTP and from the command line, in use by one tenant, in the CapabilityStatement, by searches, on writes,
//! after a restart, on another node.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Database, TestApp, on_both_databases};

const TONGUES: &str = "http://example.org/CodeSystem/t";
const PROFILE: &str = "http://example.org/StructureDefinition/named";

/// An archive of these files.
fn archive(files: &[(&str, String)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().unwrap()).unwrap();
    gz.finish().unwrap()
}

/// A package with a profile of Patient that wants so many names, a search parameter, a value set, and what it needs.
fn guide(version: &str, names: u32) -> Vec<u8> {
    let manifest = json!({"name": "example.guide", "version": version, "canonical": "http://example.org",
        "dependencies": {"hl7.fhir.r4.core": "4.0.1", "example.other": "1.0.0", "example.none": "2.0.0"}});
    let profile = json!({"resourceType": "StructureDefinition", "id": "named", "url": PROFILE, "version": version, "name": "Named", "status": "active",
        "type": "Patient", "kind": "resource", "abstract": false, "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"path": "Patient"}, {"path": "Patient.name", "min": names}]}});
    let tongue = json!({"resourceType": "SearchParameter", "id": "tongue", "url": "http://example.org/SearchParameter/tongue", "name": "tongue",
        "status": "active", "description": "x", "code": "tongue", "base": ["Patient"], "type": "token", "expression": "Patient.communication.language"});
    let guide = json!({"resourceType": "ImplementationGuide", "id": "g", "url": "http://example.org/ImplementationGuide/g", "version": version});
    let tongues = json!({"resourceType": "CodeSystem", "id": "t", "url": TONGUES, "version": version, "status": "active", "content": "complete",
        "concept": [{"code": "de", "display": "German"}]});
    archive(&[
        ("package/package.json", manifest.to_string()),
        ("package/CodeSystem-t.json", tongues.to_string()),
        ("package/StructureDefinition-named.json", profile.to_string()),
        ("package/SearchParameter-tongue.json", tongue.to_string()),
        ("package/ImplementationGuide-g.json", guide.to_string()),
    ])
}

fn other() -> Vec<u8> {
    archive(&[("package/package.json", json!({"name": "example.other.r4", "version": "1.1.0"}).to_string())])
}

const GZIP: [(&str, &str); 1] = [("Content-Type", "application/gzip")];

fn load(client: &mut Client, base: &str, query: &str, bytes: &[u8]) -> Value {
    client.send("POST", &format!("{base}/$package-load{query}"), &GZIP, bytes).expect(200).json()
}

fn parts(parameter: &Value, name: &str) -> Vec<Value> {
    let all = parameter["part"].as_array().unwrap().iter();
    let named = all.filter(|part| part["name"] == name);
    named
        .map(|part| part.as_object().unwrap().iter().find(|(key, _)| key.starts_with("value")).unwrap().1.clone())
        .collect()
}

/// The package with a version, as it is listed.
fn listed(client: &mut Client, base: &str, name: &str, version: &str) -> Value {
    let list = client.send("GET", &format!("{base}/$packages"), &[], &[]).expect(200).json();
    let all = list["parameter"].as_array().cloned().unwrap_or_default();
    let found = all
        .into_iter()
        .find(|p| p["part"].is_array() && parts(p, "name") == [name] && parts(p, "version") == [version]);
    found.unwrap_or_else(|| panic!("{name}#{version} is not listed: {list}"))
}

fn claims() -> Value {
    json!({"resourceType": "Patient", "meta": {"profile": [PROFILE]}, "communication": [{"language": {"coding": [{"system": "urn:l", "code": "de"}]}}]})
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A registry of these packages: name, version, archive, and whether its checksum is right. It answers until the test ends.
fn registry(packages: Vec<(&'static str, &'static str, Vec<u8>, bool)>) -> String {
    use sha1::Digest as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let base = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if std::io::Read::read(&mut stream, &mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let archive = packages.iter().find(|(name, version, ..)| path == format!("{name}/-/{version}.tgz"));
            let of_name: Vec<_> = packages.iter().filter(|(name, ..)| path == *name).collect();
            let body = match archive {
                Some((_, _, archive, _)) => archive.clone(),
                None => {
                    let mut about = json!({"versions": {}});
                    for (name, version, archive, is_right) in &of_name {
                        let sum: String =
                            sha1::Sha1::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
                        let sum = if *is_right { sum } else { "0".repeat(40) };
                        about["versions"][version] =
                            json!({"dist": {"tarball": format!("{base}/{name}/-/{version}.tgz"), "shasum": sum}});
                    }
                    about.to_string().into_bytes()
                }
            };
            let status = if archive.is_some() || !of_name.is_empty() { "200 OK" } else { "404 Not Found" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

/// A package without definitions that needs others.
fn plain(name: &str, version: &str, needs: &[(&str, &str)]) -> Vec<u8> {
    let needs: serde_json::Map<String, Value> =
        needs.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    archive(&[("package/package.json", json!({"name": name, "version": version, "dependencies": needs}).to_string())])
}

on_both_databases! {
    fn packages_come_from_a_registry_that_is_allowed(database) {
        let mut app = TestApp::start(database);
        let ask = |name: &str, version: &str| json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": name},
            {"name": "version", "valueString": version}, {"name": "activate", "valueBoolean": true}]});
        let outcome = app.client().post("$package-install", &ask("example.guide", "1.0.0")).expect_outcome(422);
        assert!(outcome.to_string().contains("packages.registry"), "{outcome}");
        let registry = registry(vec![
            ("example.guide", "1.0.0", guide("1.0.0", 1), true),
            ("example.guide", "1.1.0-ballot", guide("1.1.0-ballot", 1), true),
            ("example.other", "1.0.0", plain("example.other", "1.0.0", &[("example.third", "3.0.x"), ("hl7.terminology.r4", "6.5.0"), ("hl7.fhir.r4.core", "4.0.1")]), true),
            ("example.third", "3.0.9", plain("example.third", "3.0.9", &[("example.guide", "1.0.0")]), true),
            ("example.third", "3.0.10", plain("example.third", "3.0.10", &[("example.dev", "dev")]), true),
            ("example.changed", "1.0.0", plain("example.changed", "1.0.0", &[]), false),
            ("example.liar", "1.0.0", plain("example.lie", "1.0.0", &[]), true),
        ]);
        app.restart_with(&[], &[("CRESSET_PACKAGES_REGISTRY", &registry)]);
        let mut client = app.client();
        let told = client.post("$package-install", &ask("example.guide", "1.0.x")).expect(200).json();
        let all = told["parameter"].as_array().unwrap();
        let fetched: Vec<String> = all.iter().filter(|p| p["name"] == "package").map(|p| format!("{}#{}", parts(p, "name")[0].as_str().unwrap(), parts(p, "version")[0].as_str().unwrap())).collect();
        assert_eq!(fetched, ["example.guide#1.0.0", "example.other#1.0.0", "example.third#3.0.10"], "{told}");
        let texts = |name: &str| all.iter().filter(|p| p["name"] == name).map(|p| p["valueString"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(texts("present"), ["hl7.terminology.r4#7.0.1"]);
        let missing = texts("missing");
        assert!(missing.len() == 2 && missing[0].starts_with("example.none#2.0.0: ") && missing[1].contains("builds in progress"), "{missing:?}");
        client.post("Patient", &claims()).expect_outcome(422);
        let status = listed(&mut client, "/fhir", "example.other", "1.0.0");
        assert_eq!((parts(&status, "active"), parts(&status, "missing")), (vec![json!(true)], vec![]), "what it needs was had: {status}");
        for (name, version, status, said) in [
            ("example.changed", "1.0.0", 503, "SHA-1"),
            ("example.liar", "1.0.0", 400, "says that it is example.lie#1.0.0"),
            ("example.unknown", "1.0.0", 404, "example.unknown"),
            ("example.guide", "9.x", 404, "example.guide#9.x"),
            ("example.guide", "current", 400, "builds in progress"),
            ("../etc", "1.0.0", 400, "no name and version"),
        ] {
            let outcome = client.post("$package-install", &ask(name, version)).expect_outcome(status);
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains(said), "{said}: {outcome}");
        }
        drop(client);
        app.kill();
        let file = app.folder().join("registry.toml");
        std::fs::write(&file, format!("[packages]\nregistry = \"{registry}\"\n")).unwrap();
        let output = app.run(&["package", "install", "example.guide@1.1.0-ballot", "--activate", "--config", &file.display().to_string()]);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("default uses example.guide#1.1.0-ballot") && text.contains("example.other#1.0.0 was there"), "{text}");
    }

    fn a_backup_holds_packages_and_code_systems(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        load(&mut client, "/fhir", "?activate=true", &guide("1.0.0", 1));
        load(&mut client, "/fhir", "", &guide("1.1.0", 0));
        let off = json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "hl7.fhir.uv.ips"}]});
        client.post("$package-deactivate", &off).expect(200);
        let codes: Vec<Value> = (0..3000).map(|n| json!({"code": format!("c{n}"), "display": format!("Concept number {n}")})).collect();
        let system = json!({"resourceType": "CodeSystem", "url": "http://x/large", "version": "1", "status": "active", "content": "complete", "concept": codes});
        let file = app.folder().join("large.json");
        std::fs::write(&file, system.to_string()).unwrap();
        let run = |app: &TestApp, arguments: &[&str]| {
            let output = app.run(arguments);
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{arguments:?}: {text}");
            text
        };
        run(&app, &["terminology", "load", "codesystem", &file.display().to_string()]);
        client.post("Patient", &json!({"resourceType": "Patient"})).expect(201);
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().display().to_string();
        assert!(run(&app, &["backup", "--to", &backup]).contains("packages and large code systems: 3"));
        // what is gone does not stay, what is there is not copied again
        client.post("$package-remove", &json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "example.guide"}, {"name": "version", "valueString": "1.1.0"}]})).expect(200);
        assert!(run(&app, &["backup", "--to", &backup]).contains("packages and large code systems: 2"));
        for other in [Database::Sqlite, database] {
            let mut restored = TestApp::start(other);
            restored.kill();
            let said = run(&restored, &["restore", "--from", &backup]);
            assert!(said.contains("package example.guide#1.0.0: restored") && said.contains("code system http://x/large|1: restored, 3000 concepts"), "{said}");
            restored.restart(&[]);
            let mut client = restored.client();
            client.post("Patient", &claims()).expect_outcome(422);
            assert_eq!(parts(&listed(&mut client, "/fhir", "hl7.fhir.uv.ips", "2.0.0"), "active"), [false]);
            let lookup = client.get("CodeSystem/$lookup?system=http://x/large&code=c2999").expect(200).json();
            assert!(lookup.to_string().contains("Concept number 2999"), "{lookup}");
        }
        // damage is told, and nothing is begun
        let damaged = std::fs::read_dir(folder.path().join(".installation")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.display().to_string().contains("package-"));
        let damaged = damaged.unwrap();
        let bytes = std::fs::read(&damaged).unwrap();
        std::fs::write(&damaged, &bytes[..bytes.len() - 5]).unwrap();
        let mut last = TestApp::start(database);
        last.kill();
        let output = last.run(&["restore", "--from", &backup]);
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("it is damaged"));
        app.kill();
    }

    fn a_package_is_loaded_used_and_removed(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        client.post("Patient", &claims()).expect(201);
        let told = load(&mut client, "/fhir", "", &guide("1.0.0", 1));
        let told = json!({"part": told["parameter"]});
        assert_eq!((parts(&told, "name"), parts(&told, "definitions"), parts(&told, "active")), (vec![json!("example.guide")], vec![json!(4)], vec![json!(false)]));
        client.post("Patient", &claims()).expect(201);
        client.get("Patient?tongue=de&_total=accurate").expect(200);
        let lookup = format!("CodeSystem/$lookup?system={TONGUES}&code=de");
        assert!(client.get(&lookup).status >= 400);
        let name = json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "example.guide"}]});
        client.post("$package-activate", &name).expect(200);
        let status = listed(&mut client, "/fhir", "example.guide", "1.0.0");
        assert_eq!(parts(&status, "active"), [true]);
        assert_eq!(parts(&status, "missing"), ["example.other#1.0.0", "example.none#2.0.0"]);
        load(&mut client, "/fhir", "?activate=true", &other());
        let status = listed(&mut client, "/fhir", "example.guide", "1.0.0");
        assert_eq!(parts(&status, "missing"), ["example.none#2.0.0"]);
        assert!(parts(&status, "warning")[0].as_str().unwrap().contains("example.other.r4#1.1.0 is used instead"), "{status}");
        let check = |client: &mut Client| {
            let outcome = client.post("Patient", &claims()).expect_outcome(422);
            assert_eq!(outcome["issue"][0]["expression"][0], "Patient.name", "{outcome}");
            client.post(&format!("Patient/$validate?profile={PROFILE}"), &json!({"resourceType": "Patient", "name": [{"text": "x"}]})).expect(200);
            let statement = client.get("metadata").expect(200).json();
            assert!(statement["implementationGuide"].as_array().unwrap().contains(&json!("http://example.org/ImplementationGuide/g|1.0.0")));
            let patient = statement["rest"][0]["resource"].as_array().unwrap().iter().find(|r| r["type"] == "Patient").unwrap().clone();
            assert!(patient["supportedProfile"].as_array().unwrap().contains(&json!(PROFILE)));
            assert!(patient["searchParam"].as_array().unwrap().iter().any(|p| p["name"] == "tongue"));
            assert!(client.get(&lookup).expect(200).json().to_string().contains("German"));
            eventually("the parameter is known of all", || client.count("Patient?tongue=de") == 2);
        };
        check(&mut client);
        drop(client);
        app.restart(&[]);
        let mut client = app.client();
        check(&mut client);
        // in use: not removed
        let both = json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "example.guide"}, {"name": "version", "valueString": "1.0.0"}]});
        client.post("$package-remove", &both).expect_outcome(409);
        // and not changed
        client.send("POST", "/fhir/$package-load", &GZIP, &guide("1.0.0", 2)).expect_outcome(409);
        let active = |answer: &Value| answer["parameter"].as_array().unwrap().iter().find(|part| part["name"] == "active").unwrap()["valueBoolean"].clone();
        assert_eq!(active(&load(&mut client, "/fhir", "", &guide("1.0.0", 1))), true, "it is in use");
        client.post("$package-deactivate", &both).expect(200);
        assert_eq!(active(&load(&mut client, "/fhir", "", &guide("1.0.0", 1))), false);
        client.post("Patient", &claims()).expect(201);
        client.post(&format!("Patient/$validate?profile={PROFILE}"), &claims()).expect_outcome(404);
        assert!(!client.get("metadata").expect(200).json()["implementationGuide"].to_string().contains("example.org"));
        client.post("$package-remove", &both).expect(200);
        client.post("$package-activate", &name).expect_outcome(404);
    }

    fn what_is_part_of_the_program_is_in_use_from_the_start(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        let statement = client.get("metadata").expect(200).json();
        let guides = statement["implementationGuide"].to_string();
        assert!(["hl7.terminology|7.0.1", "ImplementationGuide/hl7.fhir.uv.ips|2.0.0", "extensions|5.3.0-ballot-tc1"].iter().all(|guide| guides.contains(guide)), "{guides}");
        // a profile of the IPS, an extension's rules, and a code system that R4 does not have
        let ips = "http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips";
        let claims = json!({"resourceType": "Patient", "meta": {"profile": [ips]}, "name": [{"text": "x"}]});
        let outcome = client.post("Patient", &claims).expect_outcome(422);
        assert_eq!(outcome["issue"][0]["expression"][0], "Patient.birthDate", "{outcome}");
        let extended = |value: Value| {
            let mut extension = json!({"url": "http://hl7.org/fhir/StructureDefinition/patient-preferredPharmacy"});
            extension.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            json!({"resourceType": "Patient", "extension": [extension]})
        };
        let outcome = client.post("Patient", &extended(json!({"valueString": "x"}))).expect_outcome(422);
        assert!(outcome["issue"][0]["expression"][0].as_str().unwrap().starts_with("Patient.extension[0]"), "{outcome}");
        let lookup = "CodeSystem/$lookup?system=http://terminology.hl7.org/CodeSystem/adverse-event-causality-method&code=bayesian";
        assert!(client.get(lookup).expect(200).json().to_string().contains("7.0.1") || client.get(lookup).expect(200).json().to_string().contains("Bayesian"));
        // its search parameters are for those who choose it
        let has_param = |client: &mut Client, name: &str| {
            let statement = client.get("metadata").expect(200).json();
            let patient = statement["rest"][0]["resource"].as_array().unwrap().iter().find(|r| r["type"] == "Patient").unwrap().clone();
            patient["searchParam"].as_array().unwrap().iter().any(|p| p["name"] == name)
        };
        assert!(!has_param(&mut client, "mothersMaidenName"));
        let of = |name: &str| json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": name}]});
        client.post("$package-activate", &of("hl7.fhir.uv.extensions.r4")).expect(200);
        assert!(has_param(&mut client, "mothersMaidenName"));
        // it can be taken out of use, not removed
        let mut both = of("hl7.fhir.uv.ips");
        both["parameter"].as_array_mut().unwrap().push(json!({"name": "version", "valueString": "2.0.0"}));
        let outcome = client.post("$package-remove", &both).expect_outcome(409);
        assert!(outcome.to_string().contains("part of the program"), "{outcome}");
        client.post("$package-deactivate", &both).expect(200);
        client.post("Patient", &claims).expect(201);
        let status = listed(&mut client, "/fhir", "hl7.fhir.uv.ips", "2.0.0");
        assert_eq!(parts(&status, "active"), [false]);
        drop(client);
        app.restart_with(&[], &[("CRESSET_PACKAGES_ACTIVE", "")]);
        let mut client = app.client();
        assert!(!client.get("metadata").expect(200).json()["implementationGuide"].to_string().contains("terminology"));
        client.post("$package-activate", &of("hl7.fhir.uv.ips")).expect(200);
        client.post("Patient", &claims).expect_outcome(422);
    }

    fn naming_systems_of_packages_are_known(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let ask = |id: &str, kind: &str| format!("NamingSystem/$preferred-id?id={id}&type={kind}");
        let result = |client: &mut Client, id: &str, kind: &str| client.get(&ask(id, kind)).expect(200).json()["parameter"][0]["valueString"].clone();
        assert_eq!(result(&mut client, "http://loinc.org", "oid"), "2.16.840.1.113883.6.1");
        assert_eq!(result(&mut client, "urn:oid:2.16.840.1.113883.6.1", "uri"), "http://loinc.org");
        // one that is retired is not meant where there is another; of two others nobody knows which
        assert_eq!(result(&mut client, "1.0.3166.1", "uri"), "urn:iso:std:iso:3166");
        assert!(client.get(&ask("http://hl7.org/fhir/sid/icd-9-cm", "oid")).expect_outcome(400).to_string().contains("several"));
        client.get(&ask("urn:oid:1.2.3.4.5.6", "uri")).expect_outcome(404);
        // what is stored here counts more
        let own = json!({"resourceType": "NamingSystem", "id": "own", "name": "Own", "status": "active", "kind": "codesystem", "date": "2020",
            "uniqueId": [{"type": "uri", "value": "http://loinc.org"}, {"type": "oid", "value": "1.2.3"}]});
        client.put("NamingSystem/own", &own).expect(201);
        assert_eq!(result(&mut client, "http://loinc.org", "oid"), "1.2.3");
        let mut package = json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "hl7.terminology.r4"}]});
        package["parameter"].as_array_mut().unwrap().push(json!({"name": "version", "valueString": "7.0.1"}));
        client.post("$package-deactivate", &package).expect(200);
        client.get(&ask("1.0.3166.1", "uri")).expect_outcome(404);
    }

    fn tenants_choose_for_themselves_and_versions_differ(database) {
        let mut app = TestApp::start(database);
        app.kill();
        assert!(app.run(&["tenant", "add", "ward"]).status.success());
        let file = app.folder().join("guide.tgz");
        std::fs::write(&file, guide("1.0.0", 1)).unwrap();
        let run = |app: &TestApp, arguments: &[&str]| {
            let output = app.run(arguments);
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            (output.status.success(), text)
        };
        let (is_well, text) = run(&app, &["package", "add", &file.display().to_string()]);
        assert!(is_well && text.contains("example.guide#1.0.0 is there, with 4 definitions"), "{text}");
        let (is_well, text) = run(&app, &["package", "activate", "example.guide", "--tenant", "ward"]);
        assert!(is_well && text.contains("ward uses example.guide#1.0.0"), "{text}");
        let (_, text) = run(&app, &["package", "list", "--tenant", "ward"]);
        assert!(text.contains("* example.guide#1.0.0") && text.contains("example.none#2.0.0, which is missing"), "{text}");
        assert!(run(&app, &["package", "list"]).1.contains("  example.guide#1.0.0"));
        // unpacked, and a folder without a package
        let (unpacked, empty) = (app.folder().join("unpacked"), app.folder().join("empty"));
        std::fs::create_dir(&empty).unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(&guide("2.0.0", 1)[..])).unpack(&unpacked).unwrap();
        let (is_well, text) = run(&app, &["package", "add", &unpacked.display().to_string()]);
        assert!(is_well && text.contains("example.guide#2.0.0 is there, with 4 definitions"), "{text}");
        let (is_well, text) = run(&app, &["package", "add", &empty.display().to_string()]);
        assert!(!is_well && text.contains("there is no package in this folder"), "{text}");
        assert!(run(&app, &["package", "remove", "example.guide#2.0.0"]).0);
        std::fs::write(&file, "nonsense").unwrap();
        let (is_well, text) = run(&app, &["package", "add", &file.display().to_string()]);
        assert!(!is_well && text.contains("guide.tgz: not a FHIR package"), "{text}");
        assert!(!run(&app, &["package", "activate", "example.unknown"]).0);
        app.restart(&[]);
        let mut client = app.client();
        let json = [("Content-Type", "application/fhir+json")];
        let mut post = |base: &str, version: &str| {
            let mut body = claims();
            body["meta"]["profile"] = json!([format!("{PROFILE}{version}")]);
            client.send("POST", &format!("{base}/Patient"), &json, body.to_string().as_bytes()).status
        };
        assert_eq!((post("/fhir", ""), post("/t/ward/fhir", "")), (201, 422));
        load(&mut app.client(), "/t/ward/fhir", "?activate=true", &guide("1.1.0", 0));
        assert_eq!((post("/t/ward/fhir", ""), post("/t/ward/fhir", "|1.0.0"), post("/fhir", "|1.0.0")), (201, 422, 201));
        // the configuration names one for all
        app.restart_with(&[], &[("CRESSET_PACKAGES_ACTIVE", "example.guide#1.0.0")]);
        let mut client = app.client();
        client.post("Patient", &claims()).expect_outcome(422);
    }

    fn what_is_no_package_is_refused(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let manifest = || ("package/package.json", json!({"name": "a", "version": "1"}).to_string());
        let big = ("package/big.json", " ".repeat(65 << 20));
        for (bytes, said) in [
            (b"nonsense".to_vec(), "not a FHIR package"),
            (Vec::new(), "not a FHIR package"),
            (archive(&[("package/x.json", "{}".to_owned())]), "package.json"),
            (archive(&[("package/package.json", "{".to_owned())]), "package/package.json"),
            (archive(&[("package/package.json", json!({"name": "a b", "version": "1"}).to_string())]), "package.json"),
            (archive(&[manifest(), big]), "package/big.json"),
            (archive(&[manifest()])[..40].to_vec(), "not a FHIR package"),
        ] {
            let outcome = client.send("POST", "/fhir/$package-load", &GZIP, &bytes).expect_outcome(400);
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains(said), "{said}: {outcome}");
        }
        client.post("$package-load", &json!({"resourceType": "Parameters"})).expect_outcome(400);
        client.post("$package-load", &json!({"resourceType": "Patient"})).expect_outcome(400);
        client.post("$package-activate", &json!({"resourceType": "Parameters"})).expect_outcome(400);
        client.post("Patient/$package-load", &json!({"resourceType": "Parameters"})).expect_outcome(400);
        client.get("$package-load").expect_outcome(405);
        let list = client.get("$packages").expect(200).json();
        assert_eq!(list["parameter"].as_array().unwrap().len(), 3, "what is part of the program: {list}");
        // a file that cannot be read does not keep the others out
        let told = load(&mut client, "/fhir", "", &archive(&[manifest(), ("package/broken.json", "{".to_owned())]));
        assert!(told.to_string().contains("package/broken.json"), "{told}");
    }
}

#[test]
fn another_node_sees_what_is_in_use() {
    let first = TestApp::start(Database::Postgres);
    let second = first.second_node();
    let (mut here, mut there) = (first.client(), second.client());
    load(&mut here, "/fhir", "?activate=true", &guide("1.0.0", 1));
    here.post("Patient", &claims()).expect_outcome(422);
    eventually("the other node refuses too", || there.post("Patient", &claims()).status == 422);
    let both = json!({"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "example.guide"}]});
    here.post("$package-deactivate", &both).expect(200);
    eventually("the other node takes it again", || there.post("Patient", &claims()).status == 201);
}
