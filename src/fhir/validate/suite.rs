//! The base definitions as a whole: every invariant is understood, every definition compiles, and the official examples
//! are judged as recorded here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::registry::base;
use super::tests::data;
use super::{Options, Registry, validate};
use crate::base::fault::Issue;
use crate::fhir::definitions::element::{TypeKind, all_types};
use crate::fhir::json::parse;

/// The invariants of R4 that are not checked, and why.
const UNCHECKED: &[(&str, &str)] = &[];

#[test]
fn every_definition_compiles_and_every_invariant_is_understood() {
    let registry = Registry::core();
    let mut keys = BTreeSet::new();
    let mut broken = BTreeMap::new();
    for url in registry.profile_urls() {
        let profile = match registry.profile(url).expect(url) {
            Ok(profile) => profile,
            Err(why) => {
                assert!(why.contains("unknown type") || why.contains("has no element"), "{url}: {why}");
                broken.insert(url.to_owned(), why.to_owned());
                continue;
            }
        };
        for constraint in profile.rules.iter().flat_map(|rule| &rule.constraints) {
            keys.insert(constraint.key.to_string());
            if let Some(why) = constraint.broken() {
                broken.insert(constraint.key.to_string(), why.to_owned());
            }
        }
    }
    // of 246 distinct ones of R4, less `ele-1`, `ext-1`, and those of one key with several expressions
    assert!(keys.len() > 235, "{} invariants", keys.len());
    let unchecked: Vec<&str> = UNCHECKED.iter().map(|row| row.0).collect();
    // a logical model, which is about no type
    broken.retain(|key, _| {
        !unchecked.contains(&key.as_str()) && !key.ends_with("/MetadataResource") && !key.ends_with("/example")
    });
    assert!(broken.is_empty(), "{broken:#?}");
    for type_id in all_types().filter(|id| id.kind() != TypeKind::Primitive) {
        assert!(base(type_id).is_some(), "{}", type_id.name());
    }
}

/// Why official examples are refused, and how many issues there are of each kind.
const REFUSED: &[(&str, usize)] = &[
    ("a canonical URL must be absolute", 116),
    ("a reference to", 4),
    // the parts of a document or message under URLs that the references do not lead to
    ("but not under the URL", 3),
    // invented for the example
    ("is not in the code system", 15),
    // a vital sign without a time
    ("is required by the profile", 1),
    ("must be a full URI", 4),
    ("must end with the type and id", 18),
    ("must have a fullUrl", 1),
    ("no OID", 2),
    ("no UUID", 2),
    ("no contained resource", 2),
    ("the extension", 2),
    ("txt-2", 4),
];

/// The kind of an issue: its text without what differs.
fn kind(issue: &Issue) -> String {
    let text = &issue.diagnostics;
    let known = [
        "a canonical URL must be absolute",
        "is not in the code system",
        "must end with the type and id",
        "is not in the value set",
        "a reference to",
        "txt-2",
        "no UUID",
        "no OID",
        "no contained resource",
        "but not under the URL",
        "must have a fullUrl",
        "must be a full URI",
        "the extension",
        "is required by the profile",
    ];
    known.iter().find(|known| text.contains(**known)).map_or_else(|| text.clone(), |known| (*known).to_owned())
}

#[test]
fn official_examples_are_judged_as_recorded() {
    let Some(folder) = data("fhir-r4") else { return };
    let file = std::fs::File::open(folder.join("examples-json-4.0.1-instances.tgz")).expect("the examples");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut refused = 0;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in tar.entries().expect("the examples") {
        let mut text = Vec::new();
        let mut entry = entry.expect("an entry");
        if !entry.path().expect("a path").to_string_lossy().ends_with(".json") {
            continue;
        }
        entry.read_to_end(&mut text).expect("an example");
        let json = parse(&text).expect("JSON");
        let options = Options { by_meta: true, ..Options::default() };
        let issues = validate(Registry::core(), &json, &[], options);
        refused += usize::from(!issues.is_empty());
        issues.iter().for_each(|issue| *kinds.entry(kind(issue)).or_default() += 1);
    }
    let found: Vec<(&str, usize)> = kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(found, REFUSED);
    assert_eq!(refused, 93);
}
