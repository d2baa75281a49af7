//! Cases from a seed: each is one mutation of one resource.

use serde_json::Value;

use super::kinds::{self, Kind};
use super::random::Random;
use super::site::{Site, sites};
use super::{invariants, structure};

/// A resource that is changed.
pub struct Base {
    /// Its name.
    pub id: String,
    /// The resource.
    pub json: Value,
    /// Its places.
    sites: Vec<Site>,
}

impl Base {
    /// Of a resource.
    pub fn new(id: &str, json: Value) -> Self {
        Self { id: id.to_owned(), sites: sites(&json), json }
    }
}

/// One mutation.
pub struct Case {
    /// The base, the kind, and a number.
    pub id: String,
    /// What was done.
    pub kind: &'static Kind,
    /// The FHIRPath of the element that was changed.
    pub path: String,
    /// The resource.
    pub text: String,
}

/// All kinds.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    kinds::KINDS.iter().chain(structure::KINDS).chain([&invariants::KIND])
}

/// Most tries to find a place for a case: some kinds have few.
const TRIES: usize = 2000;

/// `count` mutations of each kind.
pub fn cases(bases: &[Base], seed: u64, count: usize) -> Vec<Case> {
    let mut found = Vec::new();
    for (number, kind) in all().enumerate() {
        let mut random = Random::new(seed.wrapping_mul(1000) + number as u64);
        let made = (0..count * TRIES).filter_map(|_| case(bases, kind, &mut random)).take(count);
        found.extend(made.enumerate().map(|(n, case)| Case { id: format!("{}#{}#{n}", case.id, kind.name), ..case }));
    }
    found
}

fn case(bases: &[Base], kind: &'static Kind, random: &mut Random) -> Option<Case> {
    let base = random.pick(bases);
    let site = random.pick(&base.sites);
    let mut json = base.json.clone();
    let path = (kind.apply)(&mut json, site, random)?;
    (json != base.json).then(|| Case { id: base.id.clone(), kind, path, text: json.to_string() })
}
