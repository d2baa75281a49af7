//! From a driver's error to a [`Fault`]: what passes (busy, connection lost, disk full) is 503, the rest is a defect.
//! The database's own text goes along only where it holds no values of rows.

use std::fmt::Display;

use crate::base::fault::Fault;

/// The fault for an error of the driver while `what` was done, such as `versions: insert`.
pub fn fault(what: impl Display, error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
            Fault::unavailable(format!("{what}: the connection to the database was lost"))
        }
        sqlx::Error::PoolTimedOut => Fault::unavailable(format!("{what}: no connection to the database became free")),
        sqlx::Error::PoolClosed => Fault::unavailable(format!("{what}: the store is closed")),
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let text = format!("{what}: the database refused ({code}): {}", database.message());
            if passes(&code) { Fault::unavailable(text) } else { Fault::internal(text) }
        }
        other => Fault::internal(format!("{what}: {other}")),
    }
}

/// Whether the connection broke, so that it is not known whether a commit happened.
pub fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            code.starts_with("57P") || code.starts_with("08")
        }
        _ => false,
    }
}

/// SQLite's primary codes 5 (busy), 6 (locked), 9 (interrupted), 13 (disk full); SQLSTATE classes of connections (08),
/// resources (53), operator's intervention (57P), and retries (40, 55P03).
fn passes(code: &str) -> bool {
    if code.len() < 5 {
        return code.parse::<i64>().is_ok_and(|number| matches!(number & 0xFF, 5 | 6 | 9 | 13));
    }
    ["08", "53", "57P", "40", "55P03"].iter().any(|class| code.starts_with(class))
}

/// The fault for a row that breaks the store's own rules: names table, column and key.
pub fn corrupt(table: &str, key: impl Display, why: impl Display) -> Fault {
    Fault::internal(format!("corrupt row in {table} ({key}): {why}"))
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn knows_what_passes() {
        for code in ["5", "517", "261", "6", "13", "08006", "57P01", "40001", "40P01", "53300", "55P03"] {
            assert!(passes(code), "{code}");
        }
        for code in ["", "1", "11", "19", "1555", "23505", "42P01", "57014"] {
            assert!(!passes(code), "{code}");
        }
    }
}
