//! How a search was understood, for `_explain`: what it asks, what it was compiled to, and how much each condition finds
//! by itself.

use std::fmt::{self, Write};

use super::index::Searcher;
use super::query::{Query, Total};
use crate::base::fault::Result;
use crate::base::limits::Limits;

/// Most conditions whose candidates are counted.
const CLAUSES_MAX: usize = 32;
/// Most bytes of a compiled query that are shown.
const COMPILED_MAX: usize = 4096;
/// Most bytes of a condition that are shown.
const CLAUSE_MAX: usize = 1024;

/// How a search was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The types that are searched.
    pub types: Vec<&'static str>,
    /// The conditions, in order, with what each finds alone; of very many the first.
    pub clauses: Vec<Candidates>,
    /// How many conditions there are.
    pub conditions: usize,
    /// The query of the index, as it shows itself; cut.
    pub compiled: String,
}

/// What one condition finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// The condition; cut.
    pub clause: String,
    /// How many resources of the searched types it finds without the others.
    pub count: u64,
}

/// Explains a search on a snapshot: every condition is searched once by itself.
///
/// # Errors
/// 400 when a part of it cannot be done or is too costly; 500 when the index cannot be read.
pub fn explain(searcher: &Searcher, query: &Query, limits: &Limits) -> Result<Explanation> {
    let mut clauses = Vec::new();
    for clause in query.clauses.iter().take(CLAUSES_MAX) {
        let alone = Query { clauses: vec![clause.clone()], total: Total::Accurate, ..query.clone() };
        let count = searcher.search(&alone, 0, 0, limits)?.total.unwrap_or_default();
        clauses.push(Candidates { clause: cut(clause, CLAUSE_MAX), count });
    }
    let compiled = cut(searcher.compile(query, limits)?.shown(), COMPILED_MAX);
    let types = query.types.iter().map(|kind| kind.name()).collect();
    Ok(Explanation { types, clauses, conditions: query.clauses.len(), compiled })
}

/// The beginning of a text; what comes after it is not even written.
fn cut(text: impl fmt::Display, most: usize) -> String {
    let mut room = Room { text: String::new(), most };
    if write!(room, "{text}").is_err() {
        room.text.push('…');
    }
    room.text
}

struct Room {
    text: String,
    most: usize,
}

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.text.len() + c.len_utf8() > self.most {
                return Err(fmt::Error);
            }
            self.text.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc…");
        assert_eq!(cut("aéé", 4), "aé…");
    }
}
