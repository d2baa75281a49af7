//! The generator's face: a seed, a day that counts as today, and Bundles by number.

use crate::cli::generate::directory::Directory;
use crate::cli::generate::hospital as site;
use crate::cli::generate::out::Bundle;
use crate::cli::generate::patient::{self as record, Depth};
use crate::cli::generate::when::Day;

/// A Bundle of JSON text.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The text of the transaction Bundle.
    pub bytes: Vec<u8>,
    /// The number of its entries.
    pub resources: usize,
    /// The size of its resources as NDJSON.
    pub ndjson_bytes: usize,
}

/// Makes Bundles. Cheap to clone; shared by threads.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    today: Day,
    depth: Depth,
    directory: Directory,
}

impl Generator {
    /// The generator of `seed`; nothing lies after `today` but appointments.
    pub fn new(seed: u64, today: Day, depth: Depth) -> Self {
        Self { seed, today, depth, directory: Directory::new(seed) }
    }

    /// What every patient refers to.
    pub fn hospital(&self) -> Generated {
        site::bundle(self.seed, self.today, &self.directory).into()
    }

    /// The record of patient `number`.
    pub fn patient(&self, number: u64) -> Generated {
        record::bundle(self.seed, number, self.today, self.depth, &self.directory).into()
    }
}

impl From<Bundle> for Generated {
    fn from(bundle: Bundle) -> Self {
        let (resources, ndjson_bytes) = (bundle.resources(), bundle.ndjson_bytes());
        Self { resources, ndjson_bytes, bytes: bundle.finish() }
    }
}

/// The day that counts as today unless one is given: what it generates never changes.
pub fn fixed_today() -> Day {
    Day::of(2026, 11, 2)
}

/// The hospital's Bundle for tests: with a fixed today.
pub fn hospital(seed: u64) -> Vec<u8> {
    Generator::new(seed, fixed_today(), Depth::Years).hospital().bytes
}

/// The Bundle of patient `number` for tests: with a fixed today.
pub fn patient(seed: u64, number: u64) -> Vec<u8> {
    Generator::new(seed, fixed_today(), Depth::Years).patient(number).bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fhir::json::{Json, parse};

    fn entries(bytes: &[u8]) -> Vec<Json> {
        let bundle = parse(bytes).expect("valid JSON");
        bundle.get("entry").and_then(Json::as_array).expect("entries").to_vec()
    }

    #[test]
    fn equal_seeds_give_equal_bytes() {
        assert_eq!(patient(1, 5), patient(1, 5));
        assert_eq!(hospital(1), hospital(1));
        assert_ne!(patient(1, 5), patient(2, 5));
        assert_ne!(patient(1, 5), patient(1, 6));
    }

    /// Stores, tests and measurements are compared over months: a change of what a seed gives must be meant.
    #[test]
    fn the_bytes_of_a_seed_stay() {
        let hash = |bytes: &[u8]| twox_hash::XxHash3_64::oneshot(bytes);
        let found = [hash(&hospital(1)), hash(&patient(1, 0)), hash(&patient(1, 7))];
        assert_eq!(
            found,
            [2_251_032_784_895_152_891, 6_210_078_929_801_854_905, 7_257_824_428_184_234_205],
            "if the change is meant, put these numbers here"
        );
    }

    #[test]
    fn records_are_as_large_as_real_ones() {
        let (mut count, mut bytes) = (0, 0);
        for number in 0..40 {
            let found = Generator::new(1, fixed_today(), Depth::Years).patient(number);
            assert_eq!(entries(&found.bytes).len(), found.resources);
            count += found.resources;
            bytes += found.bytes.len();
        }
        assert!((100..500).contains(&(count / 40)), "{} resources a patient", count / 40);
        assert!((600..1500).contains(&(bytes / count)), "{} bytes a resource", bytes / count);
        let visit = Generator::new(1, fixed_today(), Depth::Visit).patient(3);
        assert_eq!(visit.resources, 10);
    }

    /// Every reference within a Bundle has its entry, every shared one its identifier in the hospital.
    #[test]
    fn references_resolve() {
        let site = String::from_utf8(hospital(3)).expect("UTF-8");
        for number in 0..30 {
            let text = String::from_utf8(patient(3, number)).expect("UTF-8");
            for part in text.split("\"reference\":\"").skip(1) {
                let reference = part.split('"').next().unwrap_or_default();
                if reference.starts_with("urn:uuid:") {
                    assert!(text.contains(&format!("\"fullUrl\":\"{reference}\"")), "{reference}");
                    continue;
                }
                let (kind, identifier) = reference.split_once("?identifier=").expect("a conditional reference");
                let once = format!("\"url\":\"{kind}\",\"ifNoneExist\":\"identifier={identifier}\"");
                assert!(site.contains(&once), "{reference}");
            }
        }
        assert!(!site.contains("\"reference\":\"Pr"), "the hospital refers to its own entries");
    }

    #[test]
    fn every_resource_has_a_valid_structure() {
        let visit = Generator::new(4, fixed_today(), Depth::Visit).patient(9).bytes;
        for bytes in [hospital(4), visit].into_iter().chain((0..25).map(|number| patient(4, number))) {
            for entry in entries(&bytes) {
                let resource = entry.get("resource").expect("a resource");
                if let Err(fault) = crate::fhir::validate::structure(resource) {
                    panic!("{:?}: {resource:?}", fault.issues());
                }
            }
        }
    }

    #[test]
    fn there_is_something_of_everything() {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut text = Vec::new();
        for bytes in std::iter::once(hospital(1)).chain((0..40).map(|number| patient(1, number))) {
            for entry in entries(&bytes) {
                let resource = entry.get("resource").expect("a resource");
                let kind = resource.get("resourceType").and_then(Json::as_str).expect("a type");
                *kinds.entry(kind.to_owned()).or_default() += 1;
            }
            text.extend(bytes);
        }
        assert!(kinds.len() >= 28, "{kinds:?}");
        let text = String::from_utf8(text).expect("UTF-8");
        for sign in
            ["[lb_av]", "mmol/L", "+05:30", "\"comparator\":\"<\"", "onsetPeriod", "dataAbsentReason", "é", "1e-2"]
        {
            assert!(text.contains(sign), "{sign} is missing");
        }
    }
}
