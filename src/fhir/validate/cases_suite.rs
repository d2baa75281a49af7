//! The public R4 cases of HL7's validator that need no package, where they are at hand: the verdict of each is compared
//! with the recorded one. What is accepted here and refused there needs a terminology server, the hash of an attachment, rules for
//! what HL7 publishes, and such; the numbers below may only get better.

use std::collections::BTreeMap;
use std::io::Read;

use super::tests::data;
use super::{Options, Registry, validate};
use crate::fhir::definitions::package::Package;
use crate::fhir::json::{Json, parse};
use crate::fhir::xml;

/// The cases that are refused here and accepted there, and why.
const STRICTER: &[(&str, &str)] = &[
    ("choice-invalid-type-qr", "a text as the answer to a choice, which the case itself calls wrong"),
    ("extension-version-restriction-range-r4", "an extension that nobody knows, under a URL that the run allows"),
    ("patient-translated-codes", "displays that a value set gives to codes of another system"),
    ("qr-enablewhen-2", "a namespace of XML schemas in the resource"),
    ("standards-status-x-r4", "a context that stands for several types, by a class of R5"),
];

/// How many verdicts there are, and how many are the same.
const AGREED: (usize, usize) = (272, 234);

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
    for list in ["supporting", "profiles"] {
        let names = case.get(list).and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_str);
        names.filter_map(|name| resource(files, name)).for_each(|json| definitions(json, found));
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
    let (mut all, mut same) = (0, 0);
    let mut stricter = Vec::new();
    let mut judge = |name: &str, json: Option<&Json>, others: &[Json], profiles: &[&str], expected: bool| {
        let registry = Registry::over(base, others.iter().cloned());
        let options = Options { by_meta: true, is_thorough: true, ..Options::default() };
        let is_bad = json.is_none_or(|json| !validate(&registry, json, profiles, options).is_empty());
        all += 1;
        same += usize::from(is_bad == expected);
        if is_bad && !expected {
            stricter.push(name.to_owned());
        }
    };
    for case in manifest.get("test-cases").and_then(Json::as_array).expect("cases") {
        let name = text(case, "name");
        let json = resource(&files, text(case, "file"));
        let mut others = Vec::new();
        supporting(case, &files, &mut others);
        if let Some(expected) = expected(case, &files) {
            judge(name, json.as_ref(), &others, &[], expected);
        }
        let Some(profile) = case.get("profile") else { continue };
        supporting(profile, &files, &mut others);
        let source = text(profile, "source");
        let definition = resource(&files, source);
        let url = definition.as_ref().map_or(source, |json| text(json, "url")).to_owned();
        others.extend(definition);
        if let Some(expected) = expected(profile, &files) {
            judge(name, json.as_ref(), &others, &[&url], expected);
        }
    }
    stricter.sort();
    assert_eq!(stricter, STRICTER.iter().map(|row| row.0).collect::<Vec<_>>());
    assert_eq!((all, same), AGREED);
}
