//! What the tests stand on: servers on both databases, a client that sends exactly what it is told, and data.
//!
//! A test says `on_both_databases!` and gets a [`Database`]; [`TestApp::start`] makes an empty store there and runs the real
//! binary over it. Nothing is shared between tests but one throw-away PostgreSQL, which has one database per test.

mod app;
mod client;
pub mod official;
mod postgres;
mod redact;
mod still;

use std::path::{Path, PathBuf};

pub use app::{Database, TestApp, free_port};
pub use client::{Answer, Client};
pub use postgres::{Cluster, Postgres};
pub use redact::redact;
pub use still::StillApp;

/// Makes each scenario two tests, `NAME::sqlite` and `NAME::postgres`.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* fn $name:ident($database:ident) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn scenario($database: crate::support::Database) $body

            #[test]
            fn sqlite() {
                scenario(crate::support::Database::Sqlite);
            }

            #[test]
            fn postgres() {
                if crate::support::Postgres::available() {
                    scenario(crate::support::Database::Postgres);
                }
            }
        }
    )*};
}
pub(crate) use on_both_databases;

/// A variable of the environment, for the switches of `docs/TESTING.md`.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration of their own")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says loudly that a test does not run, or fails when `requirement` is set to 1.
pub fn skip(what: &str, requirement: &str) {
    assert!(variable(requirement).as_deref() != Some("1"), "{what} is missing, and {requirement}=1");
    // Not `eprintln!`: that is captured while a test passes, and nobody would hear it.
    let line = format!("SKIPPED: {what} is missing\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

/// A folder of the data beside the repository, named from there; none, said loudly, where it is missing.
pub fn shared(name: &str) -> Option<PathBuf> {
    let given = variable("CRESSET_SHARED").map(PathBuf::from);
    let all = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = all.join("data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(&format!("../shared/data/{name}"), "REQUIRE_SHARED");
    None
}

/// Sends a signal to a process.
pub fn signal(name: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
}

/// Whether a program is there.
pub fn has_program(name: &str) -> bool {
    let paths = variable("PATH").unwrap_or_default();
    paths.split(':').any(|folder| std::path::Path::new(folder).join(name).is_file())
}

/// Runs `work` on `threads` threads, each with its number, and gives back what they return.
pub fn parallel<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}
