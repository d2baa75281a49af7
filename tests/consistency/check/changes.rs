//! Where in the log each change took place, and whether it did there what it had to.

use std::collections::HashMap;

use super::model::{Effect, effect};
use crate::consistency::seen::{Key, Operation, Outcome, Row, What, Write, Written};
use crate::consistency::timeline::{Cut, Timeline};

/// The entries of a change: from the cut before the first one to the cut behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The state that it finds.
    pub before: Cut,
    /// The state that it leaves.
    pub behind: Cut,
}

/// The places of all changes.
#[derive(Debug)]
pub struct Places {
    /// Of each operation; `None`: it is not in the log.
    of: Vec<Option<Place>>,
    /// Whether a cut lies inside of no change.
    whole: Vec<bool>,
    /// Changes by their calls, each with the least `before` of it and all later ones.
    later: Vec<(u64, Cut)>,
    /// Changes by their answers, each with the greatest `behind` of it and all earlier ones.
    earlier: Vec<(u64, Cut)>,
}

/// Who asked for an entry: operation and change.
type Origin = (usize, usize);

impl Places {
    /// Finds them, and says what is wrong with the log and the changes.
    pub fn find(timeline: &Timeline<'_>, operations: &[&Operation], complaints: &mut Vec<String>) -> Self {
        let mut entries = Origins::of(operations).entries(timeline, operations, complaints);
        claim_unknown_deletions(timeline, operations, &mut entries, complaints);
        let mut made = Self {
            of: vec![None; operations.len()],
            whole: vec![true; timeline.log.len() + 1],
            later: Vec::new(),
            earlier: Vec::new(),
        };
        for (n, own) in entries.iter_mut().enumerate().filter(|(_, own)| !own.is_empty()) {
            own.sort_unstable();
            let (first, last) = (own[0], own[own.len() - 1]);
            if last - first + 1 != own.len() {
                let at: Vec<usize> = own.iter().map(|at| at + 1).collect();
                complaints.push(format!("torn: entries {at:?} of the log are one change: {:?}", operations[n]));
                continue;
            }
            made.whole[first + 1..=last].fill(false);
            made.of[n] = Some(Place { before: first, behind: last + 1 });
        }
        made.bounds(operations);
        for (n, operation) in operations.iter().enumerate() {
            made.is_right(n, operation, timeline, complaints);
        }
        made
    }

    /// The place of an operation.
    pub fn of(&self, operation: usize) -> Option<Place> {
        self.of[operation]
    }

    /// Whether a cut lies inside of no change.
    pub fn is_cut(&self, cut: Cut) -> bool {
        self.whole[cut]
    }

    /// The last cut that an answer of this moment can be of: what was called later had not happened.
    pub fn latest(&self, answered: u64) -> Cut {
        let next = self.later.partition_point(|(called, _)| *called <= answered);
        self.later.get(next).map_or(self.whole.len() - 1, |(_, cut)| *cut)
    }

    /// The first cut that a call of this moment can be of, as far as changes go.
    pub fn earliest(&self, called: u64) -> Cut {
        let before = self.earlier.partition_point(|(answered, _)| *answered < called);
        before.checked_sub(1).map_or(0, |n| self.earlier[n].1)
    }

    fn bounds(&mut self, operations: &[&Operation]) {
        let placed = self.of.iter().zip(operations).filter_map(|(place, operation)| Some(((*place)?, *operation)));
        let placed: Vec<(Place, &Operation)> = placed.collect();
        self.later = placed.iter().map(|(place, operation)| (operation.called, place.before)).collect();
        self.later.sort_unstable();
        for n in (1..self.later.len()).rev() {
            self.later[n - 1].1 = self.later[n - 1].1.min(self.later[n].1);
        }
        let answered = placed.iter().filter(|(_, operation)| is_done(operation));
        self.earlier = answered.map(|(place, operation)| (operation.answered, place.behind)).collect();
        self.earlier.sort_unstable();
        for n in 1..self.earlier.len() {
            self.earlier[n].1 = self.earlier[n].1.max(self.earlier[n - 1].1);
        }
    }

    /// Whether a change that took place is whole, did what the model does, and was answered so.
    fn is_right(&self, n: usize, operation: &Operation, timeline: &Timeline<'_>, complaints: &mut Vec<String>) {
        let What::Change { writes, outcome, .. } = &operation.what else { return };
        let Some(place) = self.of[n] else { return };
        let own = &timeline.log[place.before..place.behind];
        let mut left: Vec<&Row> = own.iter().map(|entry| &entry.row).collect();
        let answers = match outcome {
            Outcome::Done { written, .. } => Some(written),
            _ => None,
        };
        for (n, write) in writes.iter().enumerate() {
            let new = own.iter().map(|entry| &entry.row).find(|row| made_by(row, write)).map(|row| &row.key);
            let (row, answer) = match effect(timeline, place.before, write, new) {
                Effect::Makes { row, answer } => (Some(row), answer),
                Effect::Nothing(answer) => (None, answer),
                Effect::Refused(_) => {
                    let what = "a precondition did not hold where the change took place";
                    complaints.push(format!("log {}: {what}: {write:?} of {operation:?}", place.before + 1));
                    continue;
                }
            };
            if let Some(row) = row {
                match left.iter().position(|left| **left == row) {
                    Some(at) => _ = left.swap_remove(at),
                    None => complaints.push(format!(
                        "log {}..{}: expected {row:?}, found {left:?}: {operation:?}",
                        place.before + 1,
                        place.behind
                    )),
                }
            }
            // What was found is of the moment of finding it, perhaps an older version.
            let expected = |given: &Written| match write {
                Write::CreateOn { .. } if answer.status == 200 => {
                    (given.status, given.at.as_ref().map(|at| &at.0)) == (200, answer.at.as_ref().map(|at| &at.0))
                }
                _ => *given == answer,
            };
            if let Some(given) = answers.map(|answers| &answers[n]).filter(|given| !expected(given)) {
                complaints
                    .push(format!("log {}: answered {given:?}, expected {answer:?}: {write:?}", place.before + 1));
            }
        }
        if !left.is_empty() {
            complaints.push(format!("log {}: not asked for: {left:?} in {operation:?}", place.before + 1));
        }
    }
}

fn is_done(operation: &Operation) -> bool {
    !matches!(&operation.what, What::Change { outcome: Outcome::Unknown, .. })
}

fn made_by(row: &Row, write: &Write) -> bool {
    row.content.as_ref().is_some_and(|content| Some(content.mark) == write.mark())
}

/// Who asked for what: versions are known by their marks, deletions by their answers.
struct Origins {
    marks: HashMap<u64, Origin>,
    deletions: HashMap<(Key, u64), Origin>,
}

impl Origins {
    fn of(operations: &[&Operation]) -> Self {
        let mut made = Self { marks: HashMap::new(), deletions: HashMap::new() };
        for (n, operation) in operations.iter().enumerate() {
            let What::Change { writes, outcome, .. } = &operation.what else { continue };
            made.marks.extend(writes.iter().enumerate().filter_map(|(at, write)| Some((write.mark()?, (n, at)))));
            let Outcome::Done { written, .. } = outcome else { continue };
            for (at, (write, answer)) in writes.iter().zip(written).enumerate() {
                if let (Write::Delete { .. }, Some((key, version))) = (write, &answer.at) {
                    made.deletions.insert((key.clone(), *version), (n, at));
                }
            }
        }
        made
    }

    /// The entries of the log of each operation, but for deletions of which nobody was told.
    fn entries(
        &self,
        timeline: &Timeline<'_>,
        operations: &[&Operation],
        complaints: &mut Vec<String>,
    ) -> Vec<Vec<usize>> {
        let mut entries = vec![Vec::new(); operations.len()];
        let mut seen: HashMap<Origin, usize> = HashMap::new();
        for (at, entry) in timeline.log.iter().enumerate() {
            let row = &entry.row;
            let origin = match &row.content {
                Some(content) => self.marks.get(&content.mark),
                None => self.deletions.get(&(row.key.clone(), row.version)),
            };
            let Some(origin) = origin else {
                if row.content.is_some() {
                    complaints.push(format!("log {}: nobody wrote {row:?}", at + 1));
                }
                continue;
            };
            if let Some(before) = seen.insert(*origin, at) {
                complaints.push(format!("log {}: {row:?} was written already at {}", at + 1, before + 1));
                continue;
            }
            if let What::Change { outcome: Outcome::Refused(status), .. } = &operations[origin.0].what {
                complaints.push(format!("log {}: {row:?} was refused with {status}, and is there", at + 1));
            }
            entries[origin.0].push(at);
        }
        for (mark, (n, at)) in &self.marks {
            self.is_there((*n, *at), *mark, operations, &seen, complaints);
        }
        for ((key, version), origin) in &self.deletions {
            if !seen.contains_key(origin) {
                complaints.push(format!("lost: the deletion {version} of {key}, which was answered"));
            }
        }
        entries
    }

    fn is_there(
        &self,
        origin: Origin,
        mark: u64,
        operations: &[&Operation],
        seen: &HashMap<Origin, usize>,
        complaints: &mut Vec<String>,
    ) {
        let What::Change { writes, outcome: Outcome::Done { written, .. }, .. } = &operations[origin.0].what else {
            return;
        };
        let (write, answer) = (&writes[origin.1], &written[origin.1]);
        let found = matches!(write, Write::CreateOn { .. }) && answer.status == 200;
        if !found && !seen.contains_key(&origin) {
            complaints.push(format!("lost: mark {mark}, answered with {answer:?}: {write:?}"));
        }
    }
}

/// Deletions that nobody was told of belong to changes whose outcome is unknown. A transaction deletes first, so its
/// deletion stands right before its other entries (clients delete what transactions delete in no other way). A single one
/// with `If-Match` fits one entry only, and takes it unless it was called after something behind the entry was answered.
/// The others are given in the order of their calls, the only order that can hold if any does, since a call bounds its
/// entry only from below.
fn claim_unknown_deletions(
    timeline: &Timeline<'_>,
    operations: &[&Operation],
    entries: &mut [Vec<usize>],
    complaints: &mut Vec<String>,
) {
    let known = known_from(timeline, operations, entries);
    let mut taken = vec![false; timeline.log.len()];
    entries.iter().flatten().for_each(|at| taken[*at] = true);
    let mut single: HashMap<&Key, Vec<(usize, Option<u64>)>> = HashMap::new();
    for (n, operation) in operations.iter().enumerate() {
        let What::Change { writes, outcome: Outcome::Unknown, .. } = &operation.what else { continue };
        for write in writes {
            let Write::Delete { key, if_match } = write else { continue };
            if writes.len() == 1 {
                single.entry(key).or_default().push((n, *if_match));
                continue;
            }
            let Some(before) = entries[n].iter().min().and_then(|first| first.checked_sub(1)) else { continue };
            let row = &timeline.log[before].row;
            if !taken[before] && row.content.is_none() && row.key == *key {
                taken[before] = true;
                entries[n].push(before);
            }
        }
    }
    for (at, entry) in timeline.log.iter().enumerate().filter(|(at, _)| !taken[*at]) {
        let row = &entry.row;
        if row.content.is_some() {
            continue;
        }
        let waiting = single.entry(&row.key).or_default();
        let fits = |(n, if_match): &(usize, Option<u64>)| {
            if_match.is_some_and(|version| version + 1 == row.version) && operations[*n].called <= known[at]
        };
        let chosen = waiting.iter().position(fits).or_else(|| waiting.iter().position(|(_, wanted)| wanted.is_none()));
        match chosen {
            Some(chosen) => entries[waiting.remove(chosen).0].push(at),
            None => complaints.push(format!("log {}: nobody deleted {row:?}", at + 1)),
        }
    }
}

/// Of each entry, the first moment at which something behind it was answered.
fn known_from(timeline: &Timeline<'_>, operations: &[&Operation], entries: &[Vec<usize>]) -> Vec<u64> {
    let mut known = vec![u64::MAX; timeline.log.len()];
    for (operation, own) in operations.iter().zip(entries).filter(|(operation, _)| is_done(operation)) {
        own.iter().for_each(|at| known[*at] = operation.answered);
    }
    for at in (1..known.len()).rev() {
        known[at - 1] = known[at - 1].min(known[at]);
    }
    known
}
