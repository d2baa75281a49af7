//! The public R4 cases of HL7's validator that need no package, where they are at hand: the verdict of each is compared
//! with the recorded one. What differs is listed with its reason.

use std::collections::BTreeMap;
use std::io::Read;

use super::tests::data;
use super::{Beside, Options, Registry, validate_beside};
use crate::fhir::definitions::package::Package;
use crate::fhir::json::{Json, parse};
use crate::fhir::xml;

/// The cases that are judged otherwise, and why; those of profiles have `+`. The list may only become shorter.
const OTHERWISE: &[(&str, &str)] = &[
    ("bundle-bad-by-param", "a profile for certain entries, which the run is given"),
    ("bundle-id-5", "a display of CVX"),
    ("choice-invalid-type-qr", "a text as the answer to a choice, which the case itself calls wrong"),
    ("cs-narrative-status-pub", "what HL7 asks of its own publications"),
    ("de-address-example+", "profiles of data types that are not known: a warning here"),
    ("mr-covid-m2", "a display of SNOMED CT"),
    ("obs-temp-code2", "a code of SNOMED CT"),
    ("patient-circle1-bad-linked1+", "the target of a reference, which is not among the files"),
    ("patient-circle1-bad-source1+", "the target of a reference, which is not among the files"),
    ("patient-circle2-bad-source1+", "the target of a reference, which is not among the files"),
    ("patient-translated-codes+", "displays that a value set gives to codes of another system"),
    ("sdoh-type-slice", "a display of LOINC"),
    ("sdoh-type-slice+", "a display of LOINC"),
    ("string-with-coding-async-qr", "subdivisions of countries (ISO 3166-2)"),
    ("vs-bad-code", "codes of SNOMED CT"),
];

/// How many verdicts there are.
const CASES: usize = 272;

/// What the official validator always loads.
const PACKAGES: [&str; 2] = ["hl7.terminology.r4-7.0.1.tgz", "hl7.fhir.uv.extensions.r4-5.3.0-ballot-tc1.tgz"];

type Files = BTreeMap<String, Vec<u8>>;

fn read(archive: &std::path::Path) -> Files {
    let file = std::fs::File::open(archive).expect("the cases");
    let mut files = Files::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().expect("the cases") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").to_string_lossy().trim_start_matches("./").to_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("a file");
        files.insert(name, text);
    }
    files
}

fn resource(files: &Files, name: &str) -> Option<Json> {
    let text = files.get(&format!("files/{name}"))?;
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let is_xml = text.trim_ascii_start().starts_with(b"<");
    if is_xml { xml::parse(text, 256).ok() } else { parse(text).ok() }
}

/// The definitions in a file, which may be a Bundle.
fn definitions(json: Json, found: &mut Vec<Json>) {
    if json.get("resourceType").and_then(Json::as_str) != Some("Bundle") {
        return found.push(json);
    }
    for entry in json.get("entry").and_then(Json::as_array).unwrap_or_default() {
        entry.get("resource").into_iter().for_each(|resource| definitions(resource.clone(), found));
    }
}

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json.get(name).and_then(Json::as_str).unwrap_or("")
}

/// Whether the recorded outcome of a case has an error.
fn expected(case: &Json, files: &Files) -> Option<bool> {
    let outcome = match case.get("java")? {
        Json::String(name) => parse(files.get(&format!("outcomes/{name}"))?).ok()?,
        inline => inline.clone(),
    };
    let outcome = outcome.get("outcome").cloned().unwrap_or(outcome);
    let issues = outcome.get("issue").and_then(Json::as_array).unwrap_or_default();
    Some(issues.iter().any(|issue| matches!(text(issue, "severity"), "error" | "fatal")))
}

fn supporting(case: &Json, files: &Files, found: &mut Vec<Json>) {
    for list in ["supporting", "supporting5", "profiles"] {
        let names = case.get(list).and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_str);
        names.filter_map(|name| resource(files, name)).for_each(|json| definitions(json, found));
    }
}

/// What a case asks for beyond what is always checked.
fn settings(case: &Json) -> Options {
    let is = |name: &str, value: bool| case.get(name).and_then(Json::as_bool) == Some(value);
    Options {
        refuses_examples: is("examples", false),
        refuses_markup: is("security-checks", true),
        ..Options::default()
    }
}

#[test]
fn verdicts_are_as_recorded() {
    let Some(folder) = data("tests") else { return };
    let files = read(&folder.join("validator-r4.tgz"));
    let manifest = parse(&files["manifest.json"]).expect("the manifest");
    let packages = folder.join("../packages");
    let base = PACKAGES.iter().flat_map(|name| {
        let file = std::fs::File::open(packages.join(name)).expect("a package");
        Package::read(std::io::BufReader::new(file)).expect("a package").resources
    });
    let base: &'static Registry = Box::leak(Box::new(Registry::with(base)));
    let (mut all, mut otherwise) = (0, Vec::new());
    let mut judge = |case: &Json, json: Option<&Json>, others: &[Json], profiles: &[&str], expected: bool| {
        let (name, settings, follows) =
            (text(case, "name"), settings(case), text(case, "validateReference") == "CHECK_EXISTS_AND_TYPE");
        let registry = Registry::over(base, others.iter().cloned());
        let options = Options { by_meta: true, is_thorough: true, ..settings };
        let given: Vec<Json> = json.into_iter().cloned().collect();
        let beside = follows.then(|| Beside::new(&given));
        let is_bad = json
            .is_none_or(|json| !validate_beside(&registry, None, beside.as_ref(), json, profiles, options).is_empty());
        all += 1;
        if is_bad != expected {
            otherwise.push(format!("{name}{}", if profiles.is_empty() { "" } else { "+" }));
        }
    };
    for case in manifest.get("test-cases").and_then(Json::as_array).expect("cases") {
        let json = resource(&files, text(case, "file"));
        let mut others = Vec::new();
        supporting(case, &files, &mut others);
        if let Some(expected) = expected(case, &files) {
            judge(case, json.as_ref(), &others, &[], expected);
        }
        let Some(profile) = case.get("profile") else { continue };
        supporting(profile, &files, &mut others);
        let source = text(profile, "source");
        let definition = resource(&files, source);
        let url = definition.as_ref().map_or(source, |json| text(json, "url")).to_owned();
        others.extend(definition);
        if let Some(expected) = expected(profile, &files) {
            judge(case, json.as_ref(), &others, &[&url], expected);
        }
    }
    otherwise.sort();
    assert_eq!(otherwise, OTHERWISE.iter().map(|row| row.0).collect::<Vec<_>>());
    assert_eq!(all, CASES);
}
