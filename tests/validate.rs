//! `cresset validate`: packages and profiles from the command line, exit codes and both outputs; and the official examples
//! against the verdicts of HL7's validator, where these are at hand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use cresset::fhir::json::parse;
use cresset::fhir::validate::{Options, Registry, validate};
use serde_json::{Value, json};

use crate::support::{official, skip, variable};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cresset")).arg("validate").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A package with one profile, which has no snapshot, and one value set.
fn package(path: &Path) {
    let url = "http://example.org/StructureDefinition/named";
    let profile = json!({
        "resourceType": "StructureDefinition", "url": url, "type": "Patient", "kind": "resource", "abstract": false,
        "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"path": "Patient"}, {"path": "Patient.name", "min": 1}]},
    });
    let manifest =
        json!({"name": "example", "version": "1.0.0", "dependencies": {"hl7.fhir.r4.core": "4.0.1", "other": "2.0.0"}});
    let mut tar = tar::Builder::new(Vec::new());
    for (name, json) in [("package/package.json", manifest), ("package/StructureDefinition-named.json", profile)] {
        let text = json.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let mut gz = flate2::write::GzEncoder::new(std::fs::File::create(path).unwrap(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().unwrap()).unwrap();
    gz.finish().unwrap();
}

#[test]
fn files_packages_and_profiles_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    package(Path::new(&path("example.tgz")));
    write("good.json", r#"{"resourceType":"Patient","name":[{"text":"x"}]}"#);
    write("bad.xml", r#"<Patient xmlns="http://hl7.org/fhir"><contact><gender value="male"/></contact></Patient>"#);
    write("many.ndjson", "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"nonsense\":1}\n");

    let output = run(&[&path("good.json")]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).ends_with("1 resources: 1 valid, 0 invalid\n"), "{}", printed(&output));

    write("empty.json", " \n");
    let output = run(&[&path("empty.json")]);
    assert!(printed(&output).ends_with("1 resources: 0 valid, 1 invalid\n"), "{}", printed(&output));

    let output = run(&["--errors-only", &path("good.json"), &path("bad.xml"), &path("many.ndjson")]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error       Patient.contact[0]: pat-1: "), "{text}");
    assert!(text.contains("many.ndjson:2: invalid\n") && text.contains("unknown element \"nonsense\""), "{text}");
    assert!(text.ends_with("4 resources: 2 valid, 2 invalid\n"), "{text}");

    let profile = ["--profile", "http://example.org/StructureDefinition/named", "--package", &path("example.tgz")];
    let with_profile = |more: &[&str]| run(&[&profile, more].concat());
    let output = with_profile(&[&path("good.json")]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("example#1.0.0 needs other#2.0.0, which is missing"), "{errors}");
    let output = with_profile(&["--output", "json", "--errors-only", &path("many.ndjson")]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = printed(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["valid"], false);
    assert_eq!(lines[0]["outcome"]["issue"][0]["expression"][0], "Patient.name");
    assert!(lines[0]["file"].as_str().unwrap().ends_with("many.ndjson:1"), "{}", lines[0]);

    write("linked.json", r#"{"resourceType":"Patient","link":[{"type":"refer","other":{"reference":"Patient/1"}}]}"#);
    write("target.json", r#"{"resourceType":"Patient","id":"1","name":[{"text":"<b>x</b>"}]}"#);
    let (linked, target) = (path("linked.json"), path("target.json"));
    assert_eq!(run(&[&linked]).status.code(), Some(0));
    assert_eq!(run(&["--references", &linked, &target]).status.code(), Some(0));
    let output = run(&["--references", &linked]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("Patient.link[0].other.reference: Patient/1 is none of"), "{}", printed(&output));
    assert_eq!(run(&["--no-examples", &target]).status.code(), Some(0));
    assert_eq!(run(&["--no-markup", &target]).status.code(), Some(1));

    // files are told by the names and in the order that they were given, and what is fine by an outcome that is one
    let output = run(&["--output", "json", "--errors-only", &target, &path("good.json"), &linked]);
    let lines: Vec<Value> = printed(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<&str> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(files, [&*target, &*path("good.json"), &*linked]);
    assert_eq!(lines[0]["outcome"]["issue"][0]["severity"], "information", "{}", lines[0]);

    // a package that is unpacked
    let unpacked = folder.path().join("unpacked/package");
    std::fs::create_dir_all(&unpacked).unwrap();
    let archive = std::fs::File::open(path("example.tgz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(folder.path().join("unpacked")).unwrap();
    let bad = path("many.ndjson");
    for place in [path("unpacked"), path("unpacked/package")] {
        let output = run(&["--package", &place, "--profile", "http://example.org/StructureDefinition/named", &bad]);
        assert!(printed(&output).contains("Patient.name"), "{place}: {}", printed(&output));
    }
    let one = "http://example.org/StructureDefinition/named|9.9";
    assert_eq!(run(&["--package", &path("example.tgz"), "--profile", one, &target]).status.code(), Some(2));
    assert_eq!(run(&["--package", &folder.path().display().to_string(), &target]).status.code(), Some(2));

    for arguments in [
        vec!["--profile", "http://example.org/unknown", "good.json"],
        vec!["--package", "missing.tgz", "good.json"],
        vec!["missing.json"],
        vec![],
    ] {
        let arguments: Vec<String> =
            arguments.iter().map(|one| if one.ends_with(".json") { path(one) } else { (*one).to_owned() }).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// Where we do not agree with HL7's validator about an official example, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("endpoint-examples-general-template.json", "a MIME type that is not in a short list"),
    ("implementationguide-example.json", "rules for what HL7 publishes"),
    ("measure-hiv-indicators.json", "CQL in a Library that is not at hand"),
    ("questionnaire-profile-example-ussg-fht.json", "links to definitions outside"),
    ("structuremap-example.json", "variables of a StructureMap"),
    ("structuremap-supplyrequest-transform.json", "paths of a StructureMap"),
];

/// `CRESSET_ORACLE` is a file with a line of JSON for each example: `id` (the file's name) and `verdict` (whether it has an error).
#[test]
fn official_examples_as_by_the_official_validator() {
    let (Some(oracle), Some(folder)) = (variable("CRESSET_ORACLE"), official::folder()) else {
        return skip("the verdicts of the official validator", "REQUIRE_ORACLE");
    };
    let lines = std::fs::read_to_string(oracle).unwrap();
    let verdicts: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let examples: BTreeMap<String, Vec<u8>> = official::archive(&folder.join("examples-json-4.0.1-instances.tgz"));
    let options = Options { by_meta: true, is_thorough: true, ..Options::default() };
    let mut differing = Vec::new();
    for verdict in &verdicts {
        let name = verdict["id"].as_str().unwrap().rsplit('/').next().unwrap();
        let json = parse(&examples[name.trim_end_matches(".json")]).unwrap();
        let is_bad = !validate(Registry::shipped(), &json, &[], options).is_empty();
        if verdict["verdict"] != is_bad {
            differing.push(name.to_owned());
        }
    }
    differing.sort();
    assert!(verdicts.len() >= 735, "{} verdicts", verdicts.len());
    assert_eq!(differing, OTHERWISE.iter().map(|row| row.0).collect::<Vec<_>>());
}
