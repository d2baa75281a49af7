//! A history being made by hand.

use crate::consistency::check::{Invariant, Tolerance, check};
use crate::consistency::seen::{
    Content, End, Entry, Filter, History, Key, Kind, Moment, Operation, Order, Outcome, Page, Row, Scope, Search, Seen,
    What, Write, Written,
};

/// Nothing happens to the nodes.
pub const QUIET: Tolerance = Tolerance { nodes_end: false };

/// A page: the total, and rows of id, version and mark.
pub type Shown<'a> = (u64, &'a [(&'a str, u64, u64)]);

/// A history being made. Moments are small numbers: an operation is a call and an answer.
#[derive(Default)]
pub struct Made(pub History);

/// An Observation.
pub fn key(id: &str) -> Key {
    Key::new(Kind::Observation, id)
}

/// The content with a mark, in group 1.
pub fn content(mark: u64) -> Content {
    Content { mark, group: 1, amount: 0, subject: None, business: None }
}

/// A version; a mark of 0 is a deletion.
pub fn row(id: &str, version: u64, mark: u64) -> Row {
    Row { key: key(id), version, content: (mark > 0).then(|| content(mark)) }
}

/// An update.
pub fn put(id: &str, mark: u64) -> Write {
    Write::Put { key: key(id), content: content(mark), if_match: None, only_new: false }
}

/// An update with `If-Match`.
pub fn put_if(id: &str, mark: u64, version: u64) -> Write {
    Write::Put { key: key(id), content: content(mark), if_match: Some(version), only_new: false }
}

/// A deletion.
pub fn delete(id: &str) -> Write {
    Write::Delete { key: key(id), if_match: None }
}

/// A conditional create.
pub fn create_on(mark: u64, business: u64) -> Write {
    let content = Content { business: Some(business), ..content(mark) };
    Write::CreateOn { kind: Kind::Observation, content }
}

/// The answer to a change.
pub fn answer(status: u16, id: &str, version: u64) -> Written {
    Written { status, at: Some((key(id), version)) }
}

/// What a read shows.
pub fn there(version: u64, mark: u64) -> Seen {
    Seen::There(version, content(mark))
}

impl Made {
    /// The log, oldest first: a mark of 0 is a deletion.
    pub fn log(rows: &[(&str, u64, u64)]) -> Self {
        Self::of(rows.iter().map(|(id, version, mark)| row(id, *version, *mark)).collect())
    }

    /// The same of whole versions.
    pub fn of(rows: Vec<Row>) -> Self {
        let time = |n: usize| format!("2026-01-01T00:00:{n:02}.000Z");
        let log = rows.into_iter().enumerate().map(|(n, row)| Entry { row, updated: time(n) }).collect();
        Self(History { operations: Vec::new(), log })
    }

    /// One more operation.
    pub fn add(mut self, called: Moment, answered: Moment, what: What) -> Self {
        self.0.operations.push(Operation { client: 0, called, answered, what });
        self
    }

    /// Changes and their outcome.
    pub fn change(self, called: Moment, answered: Moment, writes: Vec<Write>, outcome: Outcome) -> Self {
        self.add(called, answered, What::Change { writes, reads: Vec::new(), outcome })
    }

    /// A change that was answered.
    pub fn done(self, called: Moment, answered: Moment, write: Write, written: Written) -> Self {
        self.change(called, answered, vec![write], Outcome::Done { written: vec![written], reads: Vec::new() })
    }

    /// A change that was refused.
    pub fn refused(self, called: Moment, answered: Moment, write: Write, status: u16) -> Self {
        self.change(called, answered, vec![write], Outcome::Refused(status))
    }

    /// A change without an answer.
    pub fn unknown(self, called: Moment, answered: Moment, write: Write) -> Self {
        self.change(called, answered, vec![write], Outcome::Unknown)
    }

    /// A transaction of two.
    pub fn pair(self, called: Moment, answered: Moment, writes: [Write; 2], written: [Written; 2]) -> Self {
        let outcome = Outcome::Done { written: written.to_vec(), reads: Vec::new() };
        self.change(called, answered, writes.to_vec(), outcome)
    }

    /// A read.
    pub fn read(self, called: Moment, answered: Moment, id: &str, seen: Seen) -> Self {
        self.add(called, answered, What::Read { key: key(id), seen })
    }

    /// A search of group 1 whose pages take one moment each, with two matches a page.
    pub fn search(self, called: Moment, order: Order, pages: &[Shown<'_>]) -> Self {
        let search = search(order, 2);
        let page = |(n, (total, rows)): (usize, &Shown<'_>)| Page {
            called: called + 10 * n as u64,
            answered: called + 10 * n as u64 + 1,
            total: Some(*total),
            matches: rows.iter().map(|(id, version, mark)| row(id, *version, *mark)).collect(),
            included: Vec::new(),
            more: n + 1 < pages.len(),
        };
        let seen = pages.iter().enumerate().map(page).collect();
        self.add(called, called + 1, What::Search { search, pages: seen, end: End::Followed })
    }

    /// A history of the type.
    pub fn history(self, called: Moment, rows: &[(&str, u64, u64)], total: u64, more: bool) -> Self {
        let rows = Some(rows.iter().map(|(id, version, mark)| row(id, *version, *mark)).collect());
        self.add(called, called + 1, What::History { scope: Scope::Type(Kind::Observation), rows, total, more })
    }

    /// The complaints.
    pub fn verdict(&self, tolerance: Tolerance, invariants: &[Invariant]) -> Vec<String> {
        check(&self.0, tolerance, invariants).complaints
    }

    /// Nothing is wrong.
    #[track_caller]
    pub fn is_good(&self) {
        assert_eq!(self.verdict(QUIET, &[]), Vec::<String>::new());
    }

    /// Wrong, and a complaint says why.
    #[track_caller]
    pub fn is_bad(&self, why: &str) {
        let found = self.verdict(QUIET, &[]);
        assert!(found.iter().any(|complaint| complaint.contains(why)), "{why}: {found:?}");
    }
}

/// A search of group 1.
pub fn search(order: Order, count: usize) -> Search {
    Search { kind: Kind::Observation, filter: Filter::Group(1), order, count, include: false }
}

/// `a` is written twice, one after the other.
pub fn two_versions() -> Made {
    Made::log(&[("a", 1, 1), ("a", 2, 2)]).done(0, 10, put("a", 1), answer(201, "a", 1)).done(
        20,
        30,
        put("a", 2),
        answer(200, "a", 2),
    )
}
