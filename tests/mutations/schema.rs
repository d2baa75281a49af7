//! The official JSON schema as a second opinion: whatever it refuses, the validator refuses too.

use std::collections::BTreeMap;

use cresset::fhir::validate::Registry;
use serde_json::Value;

use super::make::cases;
use super::{bases, errors};
use crate::support::official;

/// The seed of these cases, and how many of each kind.
const SEED: u64 = 11;
const COUNT: usize = 100;

#[test]
fn whatever_the_schema_refuses_is_refused() {
    let Some(folder) = official::folder() else { return };
    let schema: Value = serde_json::from_slice(&official::definitions(&folder)["fhir.schema"]).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let (mut refused, mut all) = (BTreeMap::<&str, usize>::new(), 0_usize);
    let mut passed = Vec::new();
    for case in cases(&bases(&folder), SEED, COUNT) {
        all += 1;
        let json: Value = serde_json::from_str(&case.text).unwrap();
        // to this library a no-break space is white space, to the specification it is not
        if case.text.contains('\u{a0}') || schema.is_valid(&json) {
            continue;
        }
        *refused.entry(case.kind.name).or_default() += 1;
        if errors(Registry::core(), &case.text).is_empty() {
            passed.push(format!("{} at {}: {}", case.id, case.path, case.text));
        }
    }
    let count: usize = refused.values().sum();
    assert!(count > all / 6 && refused.len() > 20, "{count} of {all} refused: {refused:?}");
    assert!(passed.is_empty(), "{} of {count} passed:\n{}", passed.len(), passed.join("\n"));
}
