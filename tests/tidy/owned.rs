//! Owned crates: what only one module may use, and in it only where it belongs.

use super::source::{Source, Violation, words};

/// What is owned, and the paths (prefixes) that may use it.
struct Owned {
    what: &'static str,
    by: &'static [&'static str],
}

/// The table of `docs/ARCHITECTURE.md`, with the raw baselines of the benchmark beside what they measure.
const OWNED: &[Owned] = &[
    Owned { what: "sqlx", by: &["src/store/"] },
    Owned { what: "tantivy", by: &["src/search/"] },
    Owned { what: "axum", by: &["src/serve/"] },
    Owned { what: "tower", by: &["src/serve/"] },
    Owned { what: "tower_http", by: &["src/serve/"] },
    Owned { what: "clap", by: &["src/cli/"] },
    Owned { what: "indicatif", by: &["src/cli/"] },
    Owned { what: "mimalloc", by: &["src/main.rs"] },
    Owned { what: "octofhir_ucum", by: &["src/fhir/"] },
    Owned { what: "quick_xml", by: &["src/fhir/"] },
    Owned { what: "reqwest", by: &["src/base/"] },
    Owned { what: "hyper::client", by: &["src/base/"] },
    Owned { what: "hyper_util::client", by: &["src/base/"] },
    Owned { what: "opentelemetry", by: &["src/base/"] },
    Owned { what: "opentelemetry_http", by: &["src/base/"] },
    Owned { what: "opentelemetry_otlp", by: &["src/base/"] },
    Owned { what: "opentelemetry_sdk", by: &["src/base/"] },
    Owned { what: "tracing_opentelemetry", by: &["src/base/"] },
    Owned { what: "std::env", by: &["src/base/"] },
    Owned { what: "env::var", by: &["src/base/"] },
    Owned { what: "SystemTime", by: &["src/base/"] },
    Owned { what: "rand::rng", by: &["src/base/"] },
    Owned { what: "make_rng", by: &["src/base/"] },
    Owned { what: "SysRng", by: &["src/base/"] },
    Owned { what: "jsonwebtoken", by: &["src/access/"] },
    Owned { what: "oauth2", by: &["src/access/"] },
    Owned { what: "regorus", by: &["src/access/"] },
    Owned { what: "argon2", by: &["src/access/"] },
];

/// What the pure floors must not have: async and I/O.
const IMPURE: &[&str] =
    &["async", "await", "tokio", "std::fs", "std::net", "std::process", "std::thread", "File::open"];

/// The files that may name a database: where a driver is chosen or opened, the dialect, and the composition root.
const DRIVERS: &[&str] = &[
    "src/store/handle.rs",
    "src/store/db.rs",
    "src/store/dialect.rs",
    "src/store/migrate.rs",
    "src/store/baseline.rs",
    "src/cli/app.rs",
];

/// All laws of ownership.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    sources.iter().flat_map(|source| owned(source).chain(impure(source)).chain(drivers(source))).collect()
}

fn owned(source: &Source) -> impl Iterator<Item = Violation> + '_ {
    let foreign = OWNED.iter().filter(|owned| !owned.by.iter().any(|by| source.path.starts_with(by)));
    foreign.flat_map(move |owned| {
        let used = words(&source.product, owned.what).filter(move |at| is_use(&source.product, *at, owned.what));
        used.map(move |at| source.violation(at, format!("{} is owned by {}", owned.what, owned.by.join(" and "))))
    })
}

/// A crate's name counts only where it begins a path; a path or type counts wherever it stands.
fn is_use(code: &str, at: usize, what: &str) -> bool {
    let single = !what.contains("::") && what.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    let begins = !code[..at].ends_with(['.', ':']);
    let path = code[at + what.len()..].starts_with("::");
    let import = code[..at].trim_end().ends_with("use") || code[..at].trim_end().ends_with("#[");
    !single || what == "make_rng" || (begins && (path || import))
}

fn impure(source: &Source) -> impl Iterator<Item = Violation> + '_ {
    let pure = source.path.starts_with("src/fhir/") || source.path.starts_with("src/hl7/");
    let words_of = IMPURE.iter().filter(move |_| pure);
    words_of.flat_map(move |word| {
        words(&source.product, word)
            .map(move |at| source.violation(at, format!("{word} on a floor without async and I/O")))
    })
}

fn drivers(source: &Source) -> impl Iterator<Item = Violation> + '_ {
    let names = ["Sqlite", "Postgres"].into_iter().filter(|_| !DRIVERS.contains(&source.path.as_str()));
    names.flat_map(move |name| {
        words(&source.product, name)
            .map(move |at| source.violation(at, format!("{name} is named outside the driver and the dialect")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[Source::new(path, text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_foreign_crate_is_found() {
        assert_eq!(found("src/serve/a.rs", "use sqlx::Row;"), ["src/serve/a.rs:1: sqlx is owned by src/store/"]);
        assert_eq!(found("src/search/a.rs", "fn f() {\n axum::x(); std::env::args(); }").len(), 2);
        assert_eq!(found("src/repo/a.rs", "use std::{time::SystemTime};").len(), 1);
        assert_eq!(found("src/repo/a.rs", "fn f() { let n = rand::make_rng(); }").len(), 1);
    }

    #[test]
    fn async_and_io_in_a_pure_floor_are_found() {
        assert_eq!(found("src/fhir/a.rs", "async fn f() { std::fs::read(x) }").len(), 2);
    }

    #[test]
    fn a_database_by_name_is_found() {
        assert_eq!(found("src/repo/a.rs", "if x == Backend::Postgres {}").len(), 1);
        assert_eq!(found("src/store/dialect.rs", "Backend::Postgres"), Vec::<String>::new());
    }

    #[test]
    fn what_is_right_passes() {
        let text =
            "//! axum::x\nuse crate::base::clock::Clock; fn tower() {} fn f() { s.clap(); let axum = \"tantivy::x\"; }";
        assert_eq!(found("src/repo/a.rs", text), Vec::<String>::new());
        assert_eq!(found("src/serve/a.rs", "use axum::Router;"), Vec::<String>::new());
    }
}
