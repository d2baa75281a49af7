//! The public suites of snapshot generation, where they are at hand: what matters to validation is compared, element by
//! element, with the expected snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::Registry;
use super::tests::data;
use crate::fhir::json::{Json, parse, write};
use crate::fhir::xml;

type Files = BTreeMap<String, Json>;

fn read(archive: &std::path::Path) -> (Files, String) {
    let file = std::fs::File::open(archive).expect("an archive");
    let mut files = Files::new();
    let mut manifest = String::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let name =
            entry.path().expect("a path").file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("a file");
        if name == "manifest.xml" {
            manifest = String::from_utf8(text).expect("UTF-8");
            continue;
        }
        let json = if name.ends_with(".json") { parse(&text) } else { xml::parse(&text, 256) };
        if let Ok(json) = json {
            let stem = name.rsplit_once('.').expect("an ending").0;
            let key = if files.contains_key(stem) { name.clone() } else { stem.to_owned() };
            files.insert(key, json);
        }
    }
    (files, manifest)
}

/// What validation needs of an element.
fn essence(element: &Json) -> BTreeMap<String, String> {
    let text = |json: &Json| {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    let mut found = BTreeMap::new();
    for (name, value) in element.as_object().expect("an object").iter() {
        let name = name.as_str();
        let is_value = ["fixed", "pattern", "minValue", "maxValue"].iter().any(|start| name.starts_with(start));
        let value = match (name, value.as_str()) {
            ("contentReference", Some(text)) => &Json::string(text.rsplit_once('#').map_or(text, |parts| parts.1)),
            _ => value,
        };
        if matches!(name, "path" | "min" | "max" | "sliceName" | "contentReference" | "maxLength") || is_value {
            found.insert(name.to_owned(), text(value));
        }
    }
    let types = element.get("type").and_then(Json::as_array).unwrap_or_default();
    let types: Vec<String> = types
        .iter()
        .map(|t| {
            let code = t.get("code").and_then(Json::as_str).unwrap_or("");
            // the stripped base definitions name the FHIR type of ids and urls
            let code = if code.starts_with("http://hl7.org/fhirpath/") || matches!(code, "uri" | "id") {
                "string"
            } else {
                code
            };
            let urls = |name: &str| t.get(name).map(text).unwrap_or_default().replace("|4.0.1", "");
            format!("{code} {} {}", urls("profile"), urls("targetProfile"))
        })
        .collect();
    // what must not be there has no type that matters
    let is_forbidden = element.get("max").and_then(Json::as_str) == Some("0");
    found.insert("type".to_owned(), if is_forbidden { String::new() } else { types.join(", ") });
    if let Some(set) = element.get("binding").filter(|b| b.get("strength").and_then(Json::as_str) == Some("required")) {
        let url = set.get("valueSet").map(text).unwrap_or_default();
        found.insert("binding".to_owned(), url.split('|').next().unwrap_or("").trim_matches('"').to_owned());
    }
    found
}

fn elements(definition: &Json) -> BTreeMap<String, BTreeMap<String, String>> {
    let list = definition.get("snapshot").and_then(|s| s.get("element")).and_then(Json::as_array).unwrap_or_default();
    let id = |json: &Json| json.get("id").and_then(Json::as_str).unwrap_or("").to_owned();
    list.iter().map(|json| (id(json), essence(json))).collect()
}

/// The differences of one case; none when there is nothing to compare.
fn differences(name: &str, files: &Files) -> Option<Vec<String>> {
    let find = |ends: &[&str]| ends.iter().find_map(|end| files.get(&format!("{name}{end}")));
    let input = find(&["-input", ""])?;
    let expected = find(&["-expected", "-output"])?;
    let others = files
        .iter()
        .filter(|(file, _)| !file.ends_with("-expected") && !file.ends_with("-output") && !file.ends_with("-input"));
    let registry = Registry::with(others.map(|(_, json)| json.clone()).chain([input.clone()]));
    let url = input.get("url").and_then(Json::as_str)?;
    let made = match registry.made_snapshot(url) {
        Ok(made) => made,
        Err(why) => return Some(vec![why]),
    };
    let made = Json::object([("snapshot", Json::object([("element", Json::Array(made))]))]);
    let (mine, theirs) = (elements(&made), elements(expected));
    let ids: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    let mut found = Vec::new();
    for id in ids {
        match (mine.get(id), theirs.get(id)) {
            (Some(a), Some(b)) => {
                let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                let differ = names.into_iter().filter(|name| a.get(*name) != b.get(*name));
                found.extend(differ.map(|name| format!("{id} {name}: {:?} not {:?}", a.get(name), b.get(name))));
            }
            (Some(_), None) => found.push(format!("{id} is not expected")),
            _ => found.push(format!("{id} is missing")),
        }
    }
    // R4B allows more subjects
    found.retain(|text| !text.starts_with("Observation.subject type"));
    Some(found)
}

/// The cases that differ, and why.
const DIFFERING: &[(&str, &str)] = &[
    ("au3", "R4B binds the category as required"),
    ("obs-rebind", "R4B binds the code as required"),
    ("uk-core-composition", "R4B has another value set for confidentiality"),
    ("logical1", "a logical model"),
    ("eob-nested", "its base is not in the suite"),
    ("nl-core-NursingIntervention", "its base is not in the suite"),
    ("obs-2-1", "its base is not in the suite"),
    ("org2a", "its base is in US Core"),
    ("t26", "the expected snapshot has no ids"),
    ("choice_min_1", "the expected snapshot leaves out a type"),
    ("medstmt-nsw", "slices repeat as their element does, though their extension does not"),
    ("t13", "slices repeat as their element does, though their extension does not"),
    ("t15", "slices repeat as their element does, though their extension does not"),
    ("StructureDefinition-ratio-measure-cqfm", "the extensions of a slice are needed when one of its slices is"),
    ("slice-cardinality-derived", "the base is made anew here, with another minimum"),
    ("ext-sort-issue", "its base is of DSTU 2, where a value is named by its type"),
    ("qr-sdc-onr5", "R5 cross-version extensions"),
];

#[test]
fn snapshots_are_as_expected() {
    let mut equal = Vec::new();
    let mut differing = Vec::new();
    for archive in ["tests/snapshot-generation-r4b.tgz", "tests/snapshot-generation-rX.tgz"] {
        let Some(folder) = data("tests") else { return };
        let (files, manifest) = read(&folder.join(archive.trim_start_matches("tests/")));
        for name in manifest.split(" id=\"").skip(1).filter_map(|part| part.split('"').next()) {
            match differences(name, &files) {
                Some(found) if found.is_empty() => equal.push(name.to_owned()),
                Some(found) => {
                    eprintln!(
                        "{name}: {} differences\n  {}",
                        found.len(),
                        found.iter().take(6).cloned().collect::<Vec<_>>().join("\n  ")
                    );
                    differing.push(name.to_owned());
                }
                None => eprintln!("{name}: nothing to compare"),
            }
        }
    }
    differing.sort();
    let mut known: Vec<&str> = DIFFERING.iter().map(|row| row.0).collect();
    known.sort_unstable();
    assert_eq!(differing, known);
    assert!(equal.len() > 32, "{} equal", equal.len());
}
