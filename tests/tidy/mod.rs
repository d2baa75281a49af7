//! Tidy: the laws of the architecture and of the style, held as assertions over the sources.
//!
//! A law that is only written down rots. Every law here is a function from sources to violations; it has a
//! self-test on bad input (a check that cannot fail proves nothing), and one test runs all of them over the
//! real tree and prints every violation at once, as `file:line: what`. Deliberately absent: what rustc and
//! clippy check already (`cargo clippy -- -D warnings` stands beside this in `.ci/run`).

mod docs;
mod imports;
mod owned;
mod packages;
mod shape;
mod source;
mod tree;
mod words;

use source::{Source, Violation};

/// Fails with all violations, sorted, one per line.
fn report(mut violations: Vec<Violation>) {
    violations.sort();
    violations.dedup();
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations of the laws:\n{}\n", lines.len(), lines.join("\n"));
}

/// Everything under `src`.
fn product() -> Vec<Source> {
    Source::read_all(&["src"])
}

#[test]
fn the_sources_obey_the_laws() {
    let sources = product();
    assert!(sources.len() > 20, "the sources were not found");
    let mut violations = Vec::new();
    violations.extend(imports::check(&sources));
    violations.extend(owned::check(&sources));
    for source in &sources {
        violations.extend(shape::check(source));
        violations.extend(words::check(source));
        violations.extend(docs::check(source));
    }
    for source in Source::read_all(&["tests", "benches", "build.rs", "fuzz/src", "fuzz/targets"]) {
        violations.extend(shape::length(&source));
        violations.extend(words::lints(&source));
        violations.extend(docs::module(&source));
    }
    violations.extend(tree::migrations());
    violations.extend(tree::judges_are_independent());
    violations.extend(tree::dictionaries());
    report(violations);
}

#[test]
fn the_packages_obey_the_laws() {
    let mut violations = packages::check(&packages::metadata());
    violations.extend(packages::banned(&packages::compiled()));
    let text = |name: &str| std::fs::read_to_string(source::top().join(name)).unwrap();
    violations.extend(packages::fuzzing(&text("fuzz/Cargo.toml"), &text("Cargo.lock")));
    report(violations);
}
