//! Arbitrary resources, searched in every way: `extract` with `matches`, the compiled query over the index, and the
//! evaluator of the search tests find the same.
//!
//! The resources and searches are those of `tests/search/arbitrary`, which like the evaluator imports nothing of the
//! product. A round takes a share of the types, makes resources of each, puts them into one index, and searches by every
//! parameter. A disagreement is made small: what can be taken out of the resource without ending it is taken out.
//! `CRESSET_AGREEMENT_ROUNDS` and `CRESSET_AGREEMENT_SEED` choose rounds and seed.

mod nested;
mod product;
mod shrink;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::search::arbitrary::asks::{Asker, Search};
use crate::search::arbitrary::matrix::Matrix;
use crate::search::arbitrary::random::Random;
use crate::search::arbitrary::resources::Maker;
use crate::search::asks::Wanted;
use crate::search::definitions::{Definitions, Param, definitions};
use crate::search::holds::holds;
use crate::search::time::Range;
use crate::search::values::{Date, Found, Reference, To, values};
use crate::support::{parallel, variable};
use product::{BASE, NOW, World, updated};

/// Rounds without the variable: every type once or more.
const ROUNDS: usize = 5;

/// Resources of a type in a round.
const EACH: usize = 14;

/// Searches by each parameter in a round.
const SEARCHES: usize = 6;

/// Searches by each parameter of the types that are in every round.
const MANY: usize = 24;

/// Types that have parameters of kinds that are rare, in every round.
const ALWAYS: [&str; 10] = [
    "Observation",
    "RiskAssessment",
    "DocumentReference",
    "MolecularSequence",
    "ImmunizationRecommendation",
    "ChargeItem",
    "Location",
    "PlanDefinition",
    "Substance",
    "Patient",
];

/// The fewest searches of each class in a run, and of these the telling ones.
const LEAST: [usize; 2] = [8, 3];

/// So many disagreements of a round are made small, which takes its time.
const SMALL: usize = 3;

/// Of a hundred pairs of a resource and a search the evaluator decides so many.
const DECIDED: usize = 97;

/// What a round has found.
#[derive(Debug, Default)]
struct Outcome {
    matrix: Matrix,
    /// Pairs of a resource and a search, and those that FHIR leaves open.
    pairs: [usize; 2],
    /// Searches for a plain id by which resources of several types are referred to.
    refused: usize,
    made_small: usize,
    wrong: Vec<String>,
}

/// The values of a parameter in a resource, those of the server's own elements too.
fn values_of<'a>(
    all: &'static Definitions,
    param: &Param,
    json: &'a Value,
    (n, written): (usize, &'a str),
) -> Vec<Found<'a>> {
    match param.code.as_str() {
        "_id" => vec![Found::Uri(json["id"].as_str().unwrap())],
        "_lastUpdated" => {
            let start = updated(n);
            let range = Range { start, end: start + 1000 };
            vec![Found::Date(Date { range, texts: (Some(written), Some(written)), is_calendar: false })]
        }
        _ => values(all, param, json, BASE),
    }
}

/// A parameter that is searched here, with its type.
fn is_asked(param: &Param) -> bool {
    param.expression.is_some() && param.code != "_id"
}

/// Makes the resources of a round, and asks.
fn round(all: &'static Definitions, seed: u64, turn: usize) -> Outcome {
    let mut random = Random::new(seed.wrapping_add(turn as u64));
    let mut kinds: Vec<&str> = ALWAYS.to_vec();
    let share = all.resources.iter().enumerate().filter(|(n, _)| n % ROUNDS == turn % ROUNDS);
    kinds.extend(share.map(|(_, kind)| kind.as_str()).filter(|kind| !ALWAYS.contains(kind)));
    let mut resources: Vec<(&str, Value)> = Vec::new();
    for kind in &kinds {
        let mut maker = Maker { all, random: &mut random, base: BASE, is_sound: false };
        resources.extend((0..EACH).map(|n| (*kind, maker.resource(kind, &format!("r{n}")))));
    }
    let world = World::new(resources.iter().map(|(_, json)| json));
    let written: Vec<String> = (0..resources.len()).map(|n| product::written(updated(n))).collect();
    let mut outcome = Outcome::default();
    for kind in kinds {
        let of: Vec<usize> = (0..resources.len()).filter(|n| resources[*n].0 == kind).collect();
        for param in all.params_of(kind).filter(|param| is_asked(param)) {
            let found: Vec<Vec<Found<'_>>> =
                of.iter().map(|n| values_of(all, param, &resources[*n].1, (*n, &written[*n]))).collect();
            let flat: Vec<&Found<'_>> = found.iter().flatten().collect();
            // their forms are many
            let times = if matches!(param.kind.as_str(), "quantity" | "composite") { 4 } else { 1 };
            let count = times * if ALWAYS.contains(&kind) { MANY } else { SEARCHES };
            let start = random.below(1000);
            for n in 0..count {
                let search = Asker { all, random: &mut random }.search(param, &flat, start + n);
                let Some(search) = search.filter(|search| is_offered(param, search)) else { continue };
                let expected: Vec<Option<bool>> =
                    found.iter().map(|found| holds(param, found, &search.ask, NOW)).collect();
                outcome.check(
                    &world,
                    kind,
                    param,
                    &search,
                    (&of, &expected, is_ambiguous(param, &search, &flat)),
                    &resources,
                );
            }
        }
    }
    outcome
}

/// Whether resources of several types are referred to by a plain id (3.1.1.4.12): "servers SHOULD reject" that.
fn is_ambiguous(param: &Param, search: &Search, found: &[&Found<'_>]) -> bool {
    let kinds = |wanted: &str| -> BTreeSet<&str> {
        let targets = found.iter().filter_map(|found| match found {
            Found::Reference(Reference { to: Some(To::Local(kind, id)), .. }) if *id == wanted => Some(*kind),
            _ => None,
        });
        targets.filter(|kind| param.targets.is_empty() || param.targets.iter().any(|target| target == kind)).collect()
    };
    let is_plain = search.ask.modifier.is_empty();
    is_plain
        && search.ask.values.iter().any(|wanted| matches!(wanted, Wanted::Local(None, id, _) if kinds(id).len() > 1))
}

/// `_lastUpdated` has no `:missing` that some resources would have.
fn is_offered(param: &Param, search: &Search) -> bool {
    !(param.code == "_lastUpdated" && search.ask.modifier == "missing")
}

impl Outcome {
    fn check(
        &mut self,
        world: &World,
        kind: &str,
        param: &Param,
        search: &Search,
        (of, expected, is_ambiguous): (&[usize], &[Option<bool>], bool),
        resources: &[(&str, Value)],
    ) {
        let (name, value) = search.ask.pair(&param.code, BASE);
        let found = match world.found(kind, &name, &value, of) {
            Ok(found) => found,
            Err(_) if is_ambiguous => return self.refused += 1,
            Err(refusal) => return self.wrong.push(format!("{kind}?{name}={value} is refused: {refusal}")),
        };
        if is_ambiguous {
            return self
                .wrong
                .push(format!("{kind}?{name}={value} is not refused: resources of several types have the id"));
        }
        let hits = found.iter().filter(|(_, indexed)| *indexed).count();
        self.matrix.count(&search.classes, hits > 0 && hits < of.len());
        let mut is_told = false;
        for (at, (in_memory, indexed)) in found.iter().enumerate() {
            self.pairs = [self.pairs[0] + 1, self.pairs[1] + usize::from(expected[at].is_none())];
            let agree = in_memory == indexed && expected[at].is_none_or(|expected| expected == *indexed);
            if agree || is_told {
                continue;
            }
            is_told = true;
            self.made_small += 1;
            let json = if self.made_small <= SMALL {
                shrink::shrunk(definitions().unwrap(), kind, param, &search.ask, &resources[of[at]].1)
            } else {
                Value::Null
            };
            let says = format!("evaluator {:?}, matches {in_memory}, index {indexed}", expected[at]);
            self.wrong.push(format!("{kind}?{name}={value}: {says}\n    {json}"));
        }
    }
}

#[test]
fn arbitrary_resources_are_found_alike_by_all() {
    let Some(all) = definitions() else { return };
    let number = |name: &str, default: u64| variable(name).map_or(default, |text| text.parse().unwrap());
    let seed = number("CRESSET_AGREEMENT_SEED", 20_261_128);
    let rounds = number("CRESSET_AGREEMENT_ROUNDS", ROUNDS as u64) as usize;
    let next = AtomicUsize::new(0);
    let outcomes = parallel(4, |_| {
        let mut sum = Outcome::default();
        loop {
            let turn = next.fetch_add(1, Ordering::SeqCst);
            if turn >= rounds || sum.wrong.len() > 50 {
                return sum;
            }
            let found = round(all, seed, turn);
            sum.matrix.add(&found.matrix);
            sum.pairs = [sum.pairs[0] + found.pairs[0], sum.pairs[1] + found.pairs[1]];
            sum.refused += found.refused;
            sum.wrong.extend(found.wrong.into_iter().map(|what| format!("round {turn}: {what}")));
        }
    });
    let mut sum = Outcome::default();
    for outcome in outcomes {
        sum.matrix.add(&outcome.matrix);
        sum.pairs = [sum.pairs[0] + outcome.pairs[0], sum.pairs[1] + outcome.pairs[1]];
        sum.refused += outcome.refused;
        sum.wrong.extend(outcome.wrong);
    }
    let [asked, telling] = sum.matrix.sums();
    let [pairs, open] = sum.pairs;
    let told = format!(
        "seed {seed}, {rounds} rounds: {asked} searches, {telling} telling; {pairs} pairs of a resource and a search, {open} open"
    );
    eprintln!("{told}");
    let wrong: Vec<&str> = sum.wrong.iter().take(60).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} searches are wrong; {told}:\n{}", sum.wrong.len(), wrong.join("\n"));
    if rounds >= ROUNDS {
        let poor = sum.matrix.poor(LEAST[0], LEAST[1]);
        assert!(poor.is_empty(), "classes with too few searches: {}; {told}", poor.join("; "));
        assert!((pairs - open) * 100 >= pairs * DECIDED && sum.refused > 20, "{told}, {} refused", sum.refused);
    }
}

/// A count of what is known of each class would be worthless if the same search were asked again and again.
#[test]
fn searches_are_many() {
    let Some(all) = definitions() else { return };
    let mut random = Random::new(9);
    let json = Maker { all, random: &mut random, base: BASE, is_sound: false }.resource("Observation", "r");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for param in all.params_of("Observation").filter(|param| is_asked(param)) {
        let found = values(all, param, &json, BASE);
        let flat: Vec<&Found<'_>> = found.iter().collect();
        for turn in 0..200 {
            if let Some(search) = (Asker { all, random: &mut random }).search(param, &flat, turn) {
                *seen.entry(search.ask.query(&param.code, BASE)).or_default() += 1;
            }
        }
    }
    assert!(seen.len() > 500, "{}", seen.len());
}
