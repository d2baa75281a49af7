//! The log as a function of time: the state after every entry.

use std::collections::{BTreeSet, HashMap};

use super::seen::{Content, Entry, Filter, Key, Kind, Row, Scope};

/// A place between entries of the log: the state after so many of them.
pub type Cut = usize;

/// The log, with what is needed to look at any cut of it.
#[derive(Debug)]
pub struct Timeline<'a> {
    /// The entries; the first makes cut 1 of cut 0.
    pub log: &'a [Entry],
    keys: Vec<&'a Key>,
    numbers: HashMap<&'a Key, usize>,
    /// Of each key, where its entries are.
    changes: Vec<Vec<usize>>,
    /// Keys that ever had a value.
    ever: HashMap<(Kind, Filter), BTreeSet<usize>>,
    kinds: [Vec<usize>; 2],
    /// How many resources of each type there are at each cut.
    alive: [Vec<u64>; 2],
    everything: Vec<usize>,
}

impl<'a> Timeline<'a> {
    /// Reads the log once.
    pub fn new(log: &'a [Entry]) -> Self {
        let mut made = Self {
            log,
            keys: Vec::new(),
            numbers: HashMap::new(),
            changes: Vec::new(),
            ever: HashMap::new(),
            kinds: [Vec::new(), Vec::new()],
            alive: [vec![0], vec![0]],
            everything: (0..log.len()).collect(),
        };
        for (at, entry) in log.iter().enumerate() {
            made.add(at, entry);
        }
        made
    }

    fn add(&mut self, at: usize, entry: &'a Entry) {
        let key = &entry.row.key;
        let next = self.keys.len();
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.keys.push(key);
            self.changes.push(Vec::new());
        }
        let before = self.changes[number].last().is_some_and(|at| self.log[*at].row.content.is_some());
        self.changes[number].push(at);
        self.kinds[key.kind as usize].push(at);
        for (n, alive) in self.alive.iter_mut().enumerate() {
            let mut count = alive[at];
            if n == key.kind as usize {
                count += u64::from(entry.row.content.is_some());
                count -= u64::from(before);
            }
            alive.push(count);
        }
        let Some(content) = &entry.row.content else { return };
        let filters = [
            Some(Filter::Group(content.group)),
            Some(Filter::Mark(content.mark)),
            content.business.map(Filter::Business),
            content.subject.clone().map(Filter::Subject),
        ];
        for filter in filters.into_iter().flatten() {
            self.ever.entry((key.kind, filter)).or_default().insert(number);
        }
    }

    /// The version of a resource at a cut.
    pub fn version(&self, key: &Key, cut: Cut) -> Option<&'a Row> {
        self.numbers.get(key).and_then(|number| self.version_of(*number, cut))
    }

    fn version_of(&self, number: usize, cut: Cut) -> Option<&'a Row> {
        let changes = &self.changes[number];
        let before = changes.partition_point(|at| *at < cut);
        before.checked_sub(1).map(|n| &self.log[changes[n]].row)
    }

    /// The content of a resource at a cut, if it exists then.
    pub fn content(&self, key: &Key, cut: Cut) -> Option<&'a Content> {
        self.version(key, cut).and_then(|row| row.content.as_ref())
    }

    /// Where a version of a resource is in the log.
    pub fn place(&self, key: &Key, version: u64) -> Option<usize> {
        let changes = &self.changes[*self.numbers.get(key)?];
        let guess = usize::try_from(version).ok()?.checked_sub(1)?;
        changes.get(guess).copied().filter(|at| self.log[*at].row.version == version)
    }

    /// Where the versions of a scope are.
    pub fn places(&self, scope: &Scope) -> &[usize] {
        match scope {
            Scope::Instance(key) => self.numbers.get(key).map_or(&[], |number| &self.changes[*number]),
            Scope::Type(kind) => &self.kinds[*kind as usize],
            Scope::System => &self.everything,
        }
    }

    /// The numbers of matches of a filter at a cut.
    pub fn total(&self, kind: Kind, filter: &Filter, cut: Cut) -> u64 {
        match filter {
            Filter::All => self.alive[kind as usize][cut],
            _ => self.matches(kind, filter, cut).len() as u64,
        }
    }

    /// What a filter selects at a cut, in the order of ids.
    pub fn matches(&self, kind: Kind, filter: &Filter, cut: Cut) -> Vec<&'a Row> {
        let there = |number: &usize| self.version_of(*number, cut).filter(|row| row.content.is_some());
        let mut found: Vec<&Row> = match filter {
            Filter::All => {
                (0..self.keys.len()).filter(|n| self.keys[*n].kind == kind).filter_map(|n| there(&n)).collect()
            }
            Filter::SubjectGroup(group) => {
                let patients = self.matches(Kind::Patient, &Filter::Group(*group), cut);
                let of = |row: &&Row| self.matches(kind, &Filter::Subject(row.key.clone()), cut);
                patients.iter().flat_map(of).collect()
            }
            _ => {
                let candidates = self.ever.get(&(kind, filter.clone())).into_iter().flatten();
                let holds = |row: &&Row| row.content.as_ref().is_some_and(|content| selects(filter, content));
                candidates.filter_map(there).filter(holds).collect()
            }
        };
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }

    /// What matches include at a cut, sorted: the subjects of Observations, the Observations of Patients.
    pub fn included(&self, kind: Kind, matches: &[Row], cut: Cut) -> Vec<&'a Row> {
        let mut found: Vec<&Row> = match kind {
            Kind::Observation => {
                let subjects = matches.iter().filter_map(|row| row.content.as_ref()?.subject.as_ref());
                subjects.filter_map(|key| self.version(key, cut)).filter(|row| row.content.is_some()).collect()
            }
            Kind::Patient => {
                let of = |row: &Row| self.matches(Kind::Observation, &Filter::Subject(row.key.clone()), cut);
                matches.iter().flat_map(of).collect()
            }
        };
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.dedup();
        found
    }
}

fn selects(filter: &Filter, content: &Content) -> bool {
    match filter {
        Filter::All => true,
        Filter::Group(group) => content.group == *group,
        Filter::Mark(mark) => content.mark == *mark,
        Filter::Business(business) => content.business == Some(*business),
        Filter::Subject(key) => content.subject.as_ref() == Some(key),
        // Of another resource: `matches` looks there.
        Filter::SubjectGroup(_) => false,
    }
}
