//! What only a terminology can decide of tokens: `:in`, `:not-in`, `:above`, `:below`, and `in`, `ni`, `ss`, `sb` of `_filter`
//! (FHIR R4 `search.html`, 3.1.1.4.10).
//!
//! Parsing notes what was asked. Before the search is compiled, whoever knows code systems and value sets answers with the
//! codes that are meant (`concept_tests`, `repo/meaning`); from then on it is a set of codes, in memory and in the index alike.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asked {
    /// In the value set with this canonical URL (perhaps with `|version`), or at this reference.
    In(Box<str>),
    /// A code, or one that subsumes it.
    Above(AskedCode),
    /// A code, or one that it subsumes.
    Below(AskedCode),
}

/// A code whose hierarchy is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskedCode {
    /// Its system, if one is named.
    pub system: Option<Box<str>>,
    /// The code.
    pub code: Box<str>,
}

impl std::fmt::Display for AskedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.system {
            Some(system) => write!(f, "{system}|{}", self.code),
            None => f.write_str(&self.code),
        }
    }
}

/// A test on tokens by their meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptTest {
    /// What was asked.
    pub asked: Asked,
    /// Whether the parameter's elements are all of type `code`: these have no system of their own, and so one without a system
    /// is compared by its code alone.
    pub is_code: bool,
    /// The codes; `None` until they are known.
    pub codes: Option<Arc<CodeSet>>,
}

/// Codes with their systems.
#[derive(Debug, Default, PartialEq)]
pub struct CodeSet {
    systems: HashMap<Box<str>, HashSet<Box<str>>>,
    count: usize,
}

impl CodeSet {
    /// Adds a code; how many there are then.
    pub fn insert(&mut self, system: &str, code: &str) -> usize {
        let codes = self.systems.entry_ref(system).or_default();
        if !codes.contains(code) {
            codes.insert(code.into());
            self.count += 1;
        }
        self.count
    }

    /// How many codes there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All codes with their systems, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.systems.iter().flat_map(|(system, codes)| codes.iter().map(move |code| (&**system, &**code)))
    }
}

impl ConceptTest {
    /// Not yet known.
    pub fn new(asked: Asked, is_code: bool) -> Self {
        Self { asked, is_code, codes: None }
    }

    /// Whether a value passes.
    pub fn passes(&self, system: Option<&str>, code: Option<&str>) -> bool {
        let (Some(codes), Some(code)) = (&self.codes, code) else { return false };
        match system {
            Some(system) => codes.systems.get(system).is_some_and(|codes| codes.contains(code)),
            None => self.is_code && codes.systems.values().any(|codes| codes.contains(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_system_counts_only_where_none_can_be() {
        let mut codes = CodeSet::default();
        assert_eq!((codes.insert("s", "a"), codes.insert("s", "a"), codes.insert("t", "b")), (1, 1, 2));
        let codes = Arc::new(codes);
        let test =
            |is_code| ConceptTest { codes: Some(codes.clone()), ..ConceptTest::new(Asked::In("x".into()), is_code) };
        for (system, code, expected) in [
            (Some("s"), Some("a"), [true, true]),
            (Some("t"), Some("a"), [false, false]),
            (None, Some("a"), [false, true]),
            (None, Some("c"), [false, false]),
            (Some("s"), None, [false, false]),
        ] {
            assert_eq!(
                [false, true].map(|is_code| test(is_code).passes(system, code)),
                expected,
                "{system:?} {code:?}"
            );
        }
        assert!(!ConceptTest::new(Asked::In("x".into()), true).passes(Some("s"), Some("a")));
    }
}
