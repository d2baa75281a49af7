//! The walk: operations in the order of their calls, each at the least cut that explains it.

use super::changes::Places;
use super::model::{Effect, effect};
use super::reads::{history_at, read_at, vread_at};
use super::searches::search_at;
use super::{Tolerance, Verdict};
use crate::consistency::seen::{End, Key, Operation, Outcome, Seen, What, Write, Written};
use crate::consistency::timeline::{Cut, Timeline};

/// The state of the walk.
pub struct Walk<'a> {
    timeline: &'a Timeline<'a>,
    places: &'a Places,
    operations: &'a [&'a Operation],
    tolerance: Tolerance,
    /// Operations by their answers.
    answered: Vec<usize>,
    /// How many of them were answered before the present call, and the greatest cut of these.
    passed: usize,
    bound: Cut,
    /// The cuts that were chosen.
    cuts: Vec<Option<Cut>>,
}

/// What an operation is, and whether some cut explains it: the least one, or what is wrong.
type Explained = (&'static str, Result<Option<Cut>, String>);

impl<'a> Walk<'a> {
    /// At the beginning. The operations are in the order of their calls.
    pub fn new(
        timeline: &'a Timeline<'a>,
        places: &'a Places,
        operations: &'a [&'a Operation],
        tolerance: Tolerance,
    ) -> Self {
        let mut answered: Vec<usize> = (0..operations.len()).collect();
        answered.sort_by_key(|n| operations[*n].answered);
        let cuts = vec![None; operations.len()];
        Self { timeline, places, operations, tolerance, answered, passed: 0, bound: 0, cuts }
    }

    /// Walks to the end.
    pub fn check(mut self, verdict: &mut Verdict) {
        for (n, operation) in self.operations.iter().enumerate() {
            self.pass(operation.called);
            let (name, explained) = self.explain(n, operation);
            *verdict.counts.entry(name).or_default() += 1;
            match explained {
                Ok(cut) => self.cuts[n] = cut,
                Err(what) => {
                    let range = format!("between {} and {}", self.bound, self.places.latest(operation.answered));
                    verdict.complaints.push(format!("{what} ({range}): {operation:?}"));
                }
            }
        }
    }

    /// Whatever was answered before a call is before it.
    fn pass(&mut self, called: u64) {
        while let Some(n) = self.answered.get(self.passed).filter(|n| self.operations[**n].answered < called) {
            // What has no answer bounds nothing.
            let unknown = matches!(self.operations[*n].what, What::Change { outcome: Outcome::Unknown, .. });
            if let Some(cut) = self.cuts[*n].filter(|_| !unknown) {
                self.bound = self.bound.max(cut);
            }
            self.passed += 1;
        }
    }

    fn explain(&self, n: usize, operation: &Operation) -> Explained {
        let found = match &operation.what {
            What::Read { key, seen } => {
                self.least(operation, |cut| read_at(self.timeline, key, seen, cut), "no state has this")
            }
            What::Vread { key, version, seen } => {
                let at = |cut| vread_at(self.timeline, key, *version, seen, cut);
                self.least(operation, at, "no state has this version")
            }
            What::History { scope, rows, total, more } => {
                let at = |cut| history_at(self.timeline, scope, rows.as_deref(), *total, *more, cut);
                self.least(operation, at, "no state has this history")
            }
            What::Search { end: End::Gone, .. } if !self.tolerance.nodes_end => {
                Err("a page is gone, and no node ended".to_owned())
            }
            What::Search { search, pages, .. } => {
                let at = |cut| search_at(self.timeline, self.places, search, pages, self.tolerance, cut);
                self.least_of_all(pages[0].answered, at, "no state has these pages")
            }
            What::Change { writes, reads, outcome } => self.change(n, operation, writes, reads, outcome),
        };
        (operation.what.name(), found)
    }

    fn change(
        &self,
        n: usize,
        operation: &Operation,
        writes: &[Write],
        reads: &[Key],
        outcome: &Outcome,
    ) -> Result<Option<Cut>, String> {
        if let Some(place) = self.places.of(n) {
            if place.before < self.bound {
                let what = "what was answered before this was called comes after it, in place";
                return Err(format!("{what} {}..{}", place.before + 1, place.behind));
            }
            if let Outcome::Done { reads: seen, .. } = outcome {
                let latest = self.places.latest(operation.answered);
                return self.reads_inside(place.behind, latest, reads, seen).map(|()| Some(place.behind));
            }
            return Ok(Some(place.behind));
        }
        let timeline = self.timeline;
        match outcome {
            Outcome::Unknown => Ok(None),
            Outcome::Done { written, .. } => {
                let same =
                    |given: &Written, effect: &Effect| matches!(effect, Effect::Nothing(answer) if answer == given);
                let at =
                    |cut| writes.iter().zip(written).all(|(w, given)| same(given, &effect(timeline, cut, w, None)));
                self.least(operation, at, "in no state this changes nothing and is answered so")
            }
            // Nothing is said about the state, only that it is not done.
            Outcome::Refused(503) => Ok(None),
            Outcome::Refused(status) => {
                let refused = |effect: Effect| matches!(effect, Effect::Refused(with) if with.contains(status));
                let at = |cut| writes.iter().any(|write| refused(effect(timeline, cut, write, None)));
                self.least(operation, at, "in no state this is refused so")
            }
        }
    }

    /// The reads of a transaction see its writes, and perhaps later ones.
    fn reads_inside(&self, from: Cut, to: Cut, reads: &[Key], seen: &[Seen]) -> Result<(), String> {
        for (key, seen) in reads.iter().zip(seen) {
            if !(from..=to).any(|cut| self.places.is_cut(cut) && read_at(self.timeline, key, seen, cut)) {
                return Err(format!("the read of {key} inside the transaction, from {from}, is of no state"));
            }
        }
        Ok(())
    }

    fn least(&self, operation: &Operation, holds: impl Fn(Cut) -> bool, what: &str) -> Result<Option<Cut>, String> {
        self.least_of_all(operation.answered, holds, what)
    }

    fn least_of_all(&self, answered: u64, holds: impl Fn(Cut) -> bool, what: &str) -> Result<Option<Cut>, String> {
        let cuts = self.bound..=self.places.latest(answered);
        cuts.filter(|cut| self.places.is_cut(*cut)).find(|cut| holds(*cut)).map(Some).ok_or_else(|| what.to_owned())
    }
}
