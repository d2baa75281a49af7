//! The yardstick of the benchmark: the same bytes per row into one bare SQLite table with group commit, by sqlx alone.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};

use super::dialect;
use super::error::fault;
use crate::base::fault::Result;

/// How fast something went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How many rows.
    pub rows: u64,
    /// In what time.
    pub elapsed: Duration,
}

impl Rate {
    /// Rows per second.
    pub fn per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }
}

/// Writes `rows` rows of `bytes_per_row` bytes into a new table in `folder`, `batch` rows a commit, one statement a row;
/// each commit is synced as the store's are. Hardly compressible bytes, as bodies are.
///
/// # Errors
/// 500 or 503 from the database.
pub async fn raw_group_commit(folder: &Path, rows: u64, bytes_per_row: usize, batch: u64) -> Result<Rate> {
    let error = |error: sqlx::Error| fault("baseline: sqlite", &error);
    let options = dialect::sqlite_options(folder).filename(folder.join("baseline.sqlite")).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(error)?;
    connection.execute("DROP TABLE IF EXISTS bare").await.map_err(error)?;
    connection.execute("CREATE TABLE bare (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)").await.map_err(error)?;

    let body: Vec<u8> =
        (0..bytes_per_row as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let start = Instant::now();
    let mut seq = 0;
    while seq < rows {
        let mut transaction = connection.begin().await.map_err(error)?;
        for _ in 0..batch.clamp(1, rows - seq) {
            seq += 1;
            let insert =
                sqlx::query("INSERT INTO bare (seq, body) VALUES (?, ?)").bind(seq.cast_signed()).bind(&body[..]);
            insert.execute(&mut *transaction).await.map_err(error)?;
        }
        transaction.commit().await.map_err(error)?;
    }
    let rate = Rate { rows, elapsed: start.elapsed() };
    connection.close().await.map_err(error)?;
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_what_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let rate = raw_group_commit(folder.path(), 10, 100, 4).await.unwrap();
        assert_eq!(rate.rows, 10);
        let options = dialect::sqlite_options(folder.path()).filename(folder.path().join("baseline.sqlite"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let (count, bytes): (i64, i64) =
            sqlx::query_as("SELECT COUNT(*), SUM(LENGTH(body)) FROM bare").fetch_one(&mut connection).await.unwrap();
        assert_eq!((count, bytes), (10, 1000));
    }
}
