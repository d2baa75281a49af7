//! Laws of the file tree: the migrations of both databases go together, and the evaluator of the search tests and the
//! checker of recorded histories know nothing of the product; libFuzzer can read the dictionaries.

use std::collections::BTreeSet;

use super::source::{Source, Violation, top, words};

/// Same numbers and names on both sides, counted 0001, 0002 ... without a gap.
pub fn migrations() -> Vec<Violation> {
    let names = |side: &str| -> Vec<String> {
        let entries = std::fs::read_dir(top().join("migrations").join(side)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    compare_migrations(names("sqlite"), names("postgres"))
}

fn compare_migrations(sqlite: Vec<String>, postgres: Vec<String>) -> Vec<Violation> {
    let violation = |side: &str, name: &str, what: &str| Violation {
        file: format!("migrations/{side}/{name}"),
        line: 0,
        what: what.to_owned(),
    };
    let (sqlite, postgres) = (BTreeSet::from_iter(sqlite), BTreeSet::from_iter(postgres));
    let mut violations: Vec<Violation> = Vec::new();
    violations.extend(sqlite.difference(&postgres).map(|n| violation("sqlite", n, "is missing for postgres")));
    violations.extend(postgres.difference(&sqlite).map(|n| violation("postgres", n, "is missing for sqlite")));
    for (n, name) in sqlite.iter().enumerate() {
        if !name.starts_with(&format!("{:04}_", n + 1)) || !name.ends_with(".sql") {
            violations.push(violation("sqlite", name, "is not the next number, NNNN_name.sql"));
        }
    }
    violations
}

/// libFuzzer refuses a dictionary with anything but ASCII: other bytes are written `\xNN`.
pub fn dictionaries() -> Vec<Violation> {
    let entries = std::fs::read_dir(top().join("fuzz/dictionaries")).into_iter().flatten();
    let mut violations = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let file = format!("fuzz/dictionaries/{}", path.file_name().unwrap_or_default().to_string_lossy());
        violations.extend(unreadable(&file, &std::fs::read_to_string(&path).unwrap()));
    }
    violations
}

fn unreadable(file: &str, text: &str) -> Vec<Violation> {
    let wrong = text.lines().enumerate().filter(|(_, line)| !line.is_ascii());
    let what = || "libFuzzer reads ASCII alone; write \\xNN".to_owned();
    wrong.map(|(n, _)| Violation { file: file.to_owned(), line: n + 1, what: what() }).collect()
}

/// `tests/search` and `tests/consistency` import nothing of the crate.
pub fn judges_are_independent() -> Vec<Violation> {
    let sources = Source::read_all(&["tests/search", "tests/consistency"]);
    sources.iter().flat_map(dependence).collect()
}

fn dependence(source: &Source) -> Vec<Violation> {
    words(&source.code, "cresset::").map(|at| source.violation(at, "what judges the product imports it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_dictionary_that_cannot_be_read_is_found() {
        let found = unreadable("a.dict", "\"a\"\n\"\u{f8}\"\n\"\\xc3\"");
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn migrations_that_differ_are_found() {
        let found = compare_migrations(names(&["0001_a.sql", "0003_b.sql"]), names(&["0001_a.sql", "0002_b.sql"]));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            compare_migrations(names(&["0001_a.sql", "0002_b.sql"]), names(&["0002_b.sql", "0001_a.sql"])).is_empty()
        );
    }

    #[test]
    fn a_judge_that_knows_the_product_is_found() {
        assert_eq!(dependence(&Source::new("tests/search/a.rs", "use cresset::search::x;")).len(), 1);
        assert!(dependence(&Source::new("tests/search/a.rs", "// cresset::x\nuse super::b;")).is_empty());
    }
}
