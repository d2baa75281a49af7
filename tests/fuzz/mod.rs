//! The fuzz targets without a fuzzer: the corpus with every finding is replayed, and property tests make more of it.
//!
//! The bodies are those that libFuzzer runs (`fuzz/`, `docs/TESTING.md`). A change to a seed follows what found most:
//! words of the target's dictionary put in, parts of another seed, parts doubled and taken away.

mod bodies;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

/// Panics when a law is broken; else tells whether the bytes were taken.
type Body = fn(&[u8]) -> bool;

/// The targets, with the number of documents that their property test makes. Of those one in fifty must be taken.
const TARGETS: [(&str, Body, u32); 11] = [
    ("json", bodies::json::json, 4000),
    ("xml", bodies::xml::xml, 2000),
    ("search", bodies::search::search, 1000),
    ("fhirpath", bodies::fhirpath::fhirpath, 2000),
    ("patch", bodies::patch::patch, 2000),
    ("bundle", bodies::bundle::bundle, 300),
    ("page", bodies::page::page, 500),
    ("http", bodies::http::http, 500),
    ("validate", bodies::validate::validated, 500),
    ("graphql", bodies::graphql::graphql, 1000),
    ("view", bodies::view::view, 1000),
];

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target)
}

/// The files of a folder by their names; none where it is not there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect()
}

/// The words of a dictionary: quoted, a line each, with `\xHH` for what is not plain.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let path = folder("dictionaries", &format!("{target}.dict"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|line| word(line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap())).collect()
}

fn word(quoted: &str) -> Vec<u8> {
    let mut parts = quoted.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// Gives every seed and every finding to the body.
fn replay(target: &str) {
    let (_, body, _) = TARGETS.iter().find(|(name, ..)| *name == target).unwrap();
    let seeds = files(&folder("corpus", target));
    assert!(seeds.len() > 10, "{target} has {} seeds", seeds.len());
    for (name, data) in seeds.into_iter().chain(files(&folder("findings", target))) {
        let passed = std::panic::catch_unwind(|| body(&data));
        assert!(passed.is_ok(), "{target}: {name}");
    }
}

/// One change to a document.
#[derive(Debug, Clone)]
enum Change {
    /// A word is put in.
    Word(Index, Index),
    /// A part of another seed is put in.
    Splice(Index, Index, Index, u8),
    /// A part is doubled.
    Double(Index, u8),
    /// A part is taken away.
    Cut(Index, u8),
    /// A byte becomes another.
    Byte(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), at()).prop_map(|(at, word)| Change::Word(at, word)),
        2 => (at(), at(), at(), any::<u8>()).prop_map(|(at, seed, from, length)| Change::Splice(at, seed, from, length)),
        1 => (at(), 1..60_u8).prop_map(|(at, length)| Change::Double(at, length)),
        1 => (at(), 1..60_u8).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
    ]
}

fn changed(mut data: Vec<u8>, changes: &[Change], seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    for change in changes {
        let place = |at: &Index| at.index(data.len() + 1);
        let end = |start: usize, length: u8, of: &[u8]| (start + length as usize).min(of.len());
        match change {
            Change::Word(at, word) => {
                let at = place(at);
                data.splice(at..at, word.get(words).iter().copied());
            }
            Change::Splice(at, seed, from, length) => {
                let (at, other) = (place(at), seed.get(seeds));
                let from = from.index(other.len() + 1);
                data.splice(at..at, other[from..end(from, *length, other)].iter().copied());
            }
            Change::Double(at, length) => {
                let at = place(at);
                let part = data[at..end(at, *length, &data)].to_vec();
                data.splice(at..at, part);
            }
            Change::Cut(at, length) => {
                let at = place(at);
                data.drain(at..end(at, *length, &data));
            }
            Change::Byte(at, byte) => {
                let at = place(at);
                if let Some(slot) = data.get_mut(at) {
                    *slot = *byte;
                }
            }
        }
    }
    data
}

/// Gives many changed seeds to the body.
fn explore(target: &str) {
    let (_, body, cases) = TARGETS.iter().find(|(name, ..)| *name == target).unwrap();
    let (seeds, words) = (files(&folder("corpus", target)).into_values().collect::<Vec<_>>(), dictionary(target));
    let taken = std::cell::Cell::new(0);
    let strategy = (any::<Index>(), prop::collection::vec(change(), 0..4));
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(*cases) }, |((seed, changes) in strategy)| {
        let data = changed(seed.get(&seeds).clone(), &changes, &seeds, &words);
        let passed = std::panic::catch_unwind(|| body(&data));
        prop_assert!(passed.is_ok(), "{target}: {}", data.escape_ascii());
        taken.set(taken.get() + u32::from(passed.is_ok_and(|taken| taken)));
    });
    let taken = taken.get();
    assert!(taken > cases / 50, "{taken} of {cases} documents were taken");
}

macro_rules! targets {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn what_was_found_stays_good() {
                super::replay(stringify!($name));
            }

            #[test]
            fn the_laws_hold_for_more() {
                super::explore(stringify!($name));
            }
        }
    )*};
}

targets! { json xml search fhirpath patch bundle page http validate graphql view }

#[test]
fn words_of_dictionaries_are_read() {
    assert_eq!(word("a\\xC3\\xA4\\x22b"), "aä\"b".as_bytes());
}
