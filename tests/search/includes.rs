//! `_include` and `_revinclude` with `*`, once and in steps, against every reference of the raw JSON.

use std::collections::BTreeSet;

use super::joined::{Ask, EACH, compare, data, those};
use crate::support::{TestApp, on_both_databases};

/// What some resources refer to.
fn forward(from: &BTreeSet<usize>) -> BTreeSet<usize> {
    from.iter().flat_map(|n| data().resources[*n].references.values().copied()).collect()
}

/// What refers to some resources.
fn backward(to: &BTreeSet<usize>) -> BTreeSet<usize> {
    those("", |n, _| data().resources[n].references.values().any(|target| to.contains(target))).into_iter().collect()
}

/// From some resources to others.
type Step = fn(&BTreeSet<usize>) -> BTreeSet<usize>;

/// What is added to a match by steps of some kinds; again from what was added as long as it `iterates`.
fn added(n: usize, steps: &[Step], iterates: bool) -> Vec<usize> {
    let (mut seen, mut current) = (BTreeSet::from([n]), BTreeSet::from([n]));
    loop {
        let next: BTreeSet<usize> =
            steps.iter().flat_map(|step| step(&current)).filter(|other| !seen.contains(other)).collect();
        seen.extend(&next);
        current = next;
        if current.is_empty() || !iterates {
            break;
        }
    }
    seen.remove(&n);
    seen.into_iter().collect()
}

fn asks() -> Vec<Ask> {
    let mut asks = Vec::new();
    for kind in ["Patient", "Observation", "Encounter", "Condition", "Practitioner", "List", "Provenance", "Group"] {
        for n in those(kind, |_, _| true).into_iter().rev().take(EACH) {
            let mut ask = |query: &str, included| {
                asks.push(Ask { target: format!("{kind}?_id={{#{n}}}&{query}"), expected: vec![n], included });
            };
            ask("_include=*", added(n, &[forward], false));
            ask(&format!("_include={kind}:*"), added(n, &[forward], false));
            ask("_revinclude=*", added(n, &[backward], false));
            ask("_include=*&_revinclude=*", added(n, &[forward, backward], false));
            ask("_include:iterate=*", added(n, &[forward], true));
            ask("_revinclude:iterate=*", added(n, &[backward], true));
        }
    }
    asks
}

on_both_databases! {
    fn every_reference_is_followed(database) {
        let asks = asks();
        assert!(asks.iter().filter(|ask| !ask.included.is_empty()).count() > 150);
        compare(&TestApp::start(database), &asks);
    }
}
