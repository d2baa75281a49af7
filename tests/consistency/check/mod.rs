//! The checker: whether what clients saw can be explained by one order of everything that happened.
//!
//! **What is decided.** Strict serializability, in the order that the server itself claims: its log, as the history of the
//! whole system tells it. Every change that happened has a place there, a run of neighbouring entries. Everything
//! else (reads, searches, histories, refused changes, changes that changed nothing) must be explained by a *cut*, a state
//! between two changes. The history is accepted if places and cuts can be chosen such that
//!
//! 1. every entry of the log is one version of a change that was asked for, once, and not one of a change that was
//!    refused; every change that was answered is there whole; one whose outcome is unknown is there whole or not at all;
//! 2. every change does at its place what a model of a few lines does (`model`): preconditions, conditions, versions,
//!    the content that a patch leaves alone, and the answer;
//! 3. every answer that changed nothing is what the model answers at its cut: of a search that means matches, versions,
//!    total, includes and order, and that all its pages together are what one cut selects;
//! 4. real time is kept: what was called after another was answered comes after it, whoever the clients were and whichever
//!    nodes they spoke to.
//!
//! **Why it is sound and complete for that.** Places are given, so only cuts are to be chosen. Operations are visited in
//! the order of their calls; each gets the least cut that explains it and is not before the cut or place of anything
//! answered before its call (`order`). Whatever was answered before was called before, so it has been visited. By
//! induction every operation has the least cut that any choice could give it; a change whose place is before that least
//! bound would be so in every choice. So the greedy choice fails only where all fail, and where it succeeds it is itself
//! the order that proves the history right. A general search over orders (Wing and Gong, Lowe) is exponential in
//! what is concurrent; here the claimed log takes the place of the search, and lying about it fails in 1, 2 or 4.
//!
//! An operation without an answer bounds nothing that comes after it: it may take effect at any time after its call.
//!
//! **What is weaker.** Under `_sort=_id` a page may be of a new snapshot when its own is gone. Such a page is explained by
//! a cut between the changes answered before its call and those called after its answer, not by the greedy choice.
//! A version that a conditional create found, or a read inside a transaction shows, is explained on its own.

mod changes;
mod model;
mod order;
mod reads;
mod searches;

use std::collections::BTreeMap;

use super::seen::{Entry, History, Operation};
use super::timeline::Timeline;
use changes::Places;
use order::Walk;

/// What a run may do that a quiet one may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Nodes ended: pages that they held may be gone, or of a new snapshot under `_sort=_id`.
    pub nodes_end: bool,
}

/// Sums that no change may change: over the resources of a group, at every cut behind the first one that has them.
#[derive(Debug, Clone, Copy)]
pub enum Invariant {
    /// The amounts of a group are this in sum.
    Sum { group: u32, sum: i64 },
    /// The amounts of a group are at least this in sum.
    AtLeast { group: u32, sum: i64 },
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What cannot be explained.
    pub complaints: Vec<String>,
    /// Operations checked, by what they are.
    pub counts: BTreeMap<&'static str, usize>,
}

/// Checks everything that was seen.
pub fn check(history: &History, tolerance: Tolerance, invariants: &[Invariant]) -> Verdict {
    let mut verdict = Verdict::default();
    log_is_orderly(&history.log, &mut verdict.complaints);
    let timeline = Timeline::new(&history.log);
    let mut operations: Vec<&Operation> = history.operations.iter().collect();
    operations.sort_by_key(|operation| operation.called);
    let places = Places::find(&timeline, &operations, &mut verdict.complaints);
    for invariant in invariants {
        holds_throughout(&timeline, &places, *invariant, &mut verdict.complaints);
    }
    Walk::new(&timeline, &places, &operations, tolerance).check(&mut verdict);
    verdict
}

/// Versions run 1, 2, 3 ..., a deletion is of something, and times never decrease.
fn log_is_orderly(log: &[Entry], complaints: &mut Vec<String>) {
    let mut last = BTreeMap::new();
    for (at, entry) in log.iter().enumerate() {
        let row = &entry.row;
        let before = last.insert(&row.key, (row.version, row.content.is_some()));
        let expected = before.map_or(1, |(version, _)| version + 1);
        if row.version != expected {
            complaints.push(format!("log {}: {} has version {}, expected {expected}", at + 1, row.key, row.version));
        }
        if row.content.is_none() && !before.is_some_and(|(_, alive)| alive) {
            complaints.push(format!("log {}: {} is deleted, and was not there", at + 1, row.key));
        }
        if at > 0 && log[at - 1].updated > entry.updated {
            complaints.push(format!("log {}: the time {} is before that of the entry before", at + 1, entry.updated));
        }
    }
}

fn holds_throughout(timeline: &Timeline<'_>, places: &Places, invariant: Invariant, complaints: &mut Vec<String>) {
    let (Invariant::Sum { group, .. } | Invariant::AtLeast { group, .. }) = invariant;
    let mut amounts = BTreeMap::new();
    for (at, entry) in timeline.log.iter().enumerate() {
        let row = &entry.row;
        match &row.content {
            Some(content) if content.group == group => _ = amounts.insert(&row.key, content.amount),
            _ => _ = amounts.remove(&row.key),
        }
        if amounts.is_empty() || !places.is_cut(at + 1) {
            continue;
        }
        let total: i64 = amounts.values().sum();
        let broken = match invariant {
            Invariant::Sum { sum, .. } => total != sum,
            Invariant::AtLeast { sum, .. } => total < sum,
        };
        if broken {
            complaints.push(format!("log {}: the amounts are {total} in sum: {invariant:?}", at + 1));
            return;
        }
    }
}
