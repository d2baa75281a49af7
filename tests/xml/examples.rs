//! The reader and the writer over all official examples.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cresset::fhir::json;
use cresset::fhir::xml::{Layout, parse, write};
use serde_json::Value;

use super::compare::{differences, document};
use crate::support::{has_program, official, skip};

fn to_json(xml: &[u8]) -> Result<Value, String> {
    let tree = parse(xml, 64).map_err(|fault| fault.to_string())?;
    let mut text = Vec::new();
    json::write(&tree, &mut text);
    Ok(serde_json::from_slice(&text).unwrap())
}

fn to_xml(text: &[u8], layout: Layout) -> Vec<u8> {
    let mut out = Vec::new();
    write(&json::parse(text).unwrap(), layout, &mut out).unwrap();
    out
}

/// In how many examples the two official forms say something else, by what it is. The two come from different builds
/// of the specification: what a build makes by itself (times, generated narratives, `meta`, identifiers of generated
/// questionnaires) differs, and so do five texts that were corrected between them. `value`: the JSON form of the
/// decimals of `observation-decimal` has 1.0 for 1.0e0 and 1E-22 for 0.0000000000000000000001.
const KNOWN: [(&str, usize); 13] = [
    ("only in JSON: linkId", 1),
    ("only in JSON: meta", 842),
    ("only in JSON: tag", 32),
    ("text of a narrative", 411),
    ("value of date", 1324),
    ("value of definition", 1),
    ("value of documentation", 1),
    ("value of identifier", 116),
    ("value of lastUpdated", 1153),
    ("value of text", 1),
    ("value of timestamp", 116),
    ("value of value", 1),
    ("white space in a narrative", 1202),
];

fn official_json(text: &[u8]) -> Value {
    serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).unwrap()
}

#[test]
fn the_official_xml_reads_as_the_official_json() {
    let Some(folder) = official::folder() else { return };
    let (json, xml) = (official::json(&folder), official::xml(&folder));
    assert_eq!((json.len(), xml.len()), (2902, 2646));
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut equal = 0;
    for (name, text) in &xml {
        let other = to_json(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let found = differences(&official_json(&json[name]), &other);
        equal += usize::from(found.is_empty());
        found.into_iter().for_each(|kind| kinds.entry(kind).or_default().push(name));
    }
    let told = kinds
        .iter()
        .map(|(kind, names)| format!("{kind}: {} ({})\n", names.len(), names[..names.len().min(3)].join(", ")));
    let told: String = told.collect();
    let counts: Vec<(&str, usize)> = kinds.iter().map(|(kind, names)| (kind.as_str(), names.len())).collect();
    assert_eq!(counts, KNOWN, "equal: {equal}\n{told}");
    assert_eq!(equal, EQUAL);
}

/// How many of the official XML forms read exactly as their JSON.
const EQUAL: usize = 363;

#[test]
fn both_formats_carry_everything() {
    let Some(folder) = official::folder() else { return };
    for (name, text) in official::json(&folder) {
        let official = official_json(&text);
        for layout in [Layout::Compact, Layout::Pretty] {
            let again = to_json(&to_xml(&text, layout)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(again, official, "{name}");
        }
    }
    for (name, text) in official::xml(&folder) {
        let mut out = Vec::new();
        let tree = parse(&text, 64).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        write(&tree, Layout::Compact, &mut out).unwrap();
        let lines = |text: &[u8]| document(std::str::from_utf8(text).unwrap());
        assert_eq!(lines(&out), lines(&text), "{name}");
    }
}

/// The names of the files that the schema accepts.
fn valid(schema: &Path, folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let done = Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).args(&files).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    let good = told.lines().filter_map(|line| line.strip_suffix(" validates"));
    good.map(|path| Path::new(path).file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_written_is_valid_by_the_schemas_where_the_official_xml_is() {
    let Some(folder) = official::folder() else { return };
    if !has_program("xmllint") {
        return skip("xmllint", "REQUIRE_TOOLS");
    }
    let place = tempfile::tempdir().unwrap();
    let schema = official::schema(&folder, &place.path().join("schema"));
    let write = |kind: &str, name: &str, text: &[u8]| {
        let folder = place.path().join(kind);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    };
    for (name, text) in official::xml(&folder) {
        write("official", &name, &text);
    }
    for (name, text) in official::json(&folder) {
        write("compact", &name, &to_xml(&text, Layout::Compact));
        write("pretty", &name, &to_xml(&text, Layout::Pretty));
    }
    let [official, compact, pretty] =
        ["official", "compact", "pretty"].map(|kind| valid(&schema, &place.path().join(kind)));
    let missing: Vec<_> = official.iter().filter(|name| !compact.contains(name) || !pretty.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!((official.len(), compact.len(), pretty.len()), (2447, 2704, 2704));
}
