//! Running a statement: the one seam between the store and its two drivers.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, PgPool, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite, SqlitePool};

use super::dialect::{self, Dialect};
use super::error::{fault, is_lost};
use super::kept::Kept;
use super::reach::Reach;
use super::sql::{Statement, Text};
use super::value::Value;
use crate::base::fault::{Fault, Result};

/// The connections of one store.
#[derive(Debug, Clone)]
pub enum Pools {
    /// One connection that writes, and some that read.
    Sqlite {
        /// At most one connection: SQLite has one writer.
        write: SqlitePool,
        /// Readers see the last commit and never wait for the writer (WAL).
        read: SqlitePool,
        /// Readers at hand.
        kept: Arc<Kept<Sqlite>>,
    },
    /// One pool for all.
    Postgres {
        /// The pool.
        pool: PgPool,
        /// Whether the database is there.
        reach: Arc<Reach>,
        /// Connections at hand.
        kept: Arc<Kept<Postgres>>,
    },
}

impl Pools {
    /// The dialect.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// A connection that only reads. To wait for one takes a large future, and is rare.
    pub async fn reader(&self) -> Result<Connection> {
        match self {
            Self::Sqlite { read, kept, .. } => match kept.take() {
                Some(connection) => Ok(connection),
                None => Box::pin(kept.while_waiting(read, read.acquire())).await,
            }
            .map(Connection::Sqlite),
            Self::Postgres { pool, reach, kept } => match kept.take() {
                Some(connection) => Ok(connection),
                None => Box::pin(kept.while_waiting(pool, reach.while_there(pool, pool.acquire()))).await,
            }
            .map(Connection::Postgres),
        }
        .map_err(|error| fault("store: connect", &error))
    }

    /// Keeps a reader at hand whose last statement ended well; the others are dropped.
    pub fn keep(&self, connection: Connection) {
        match (self, connection) {
            (Self::Sqlite { read, kept, .. }, Connection::Sqlite(connection)) => kept.keep(read, connection),
            (Self::Postgres { pool, kept, .. }, Connection::Postgres(connection)) => kept.keep(pool, connection),
            (Self::Sqlite { .. }, Connection::Postgres(_)) | (Self::Postgres { .. }, Connection::Sqlite(_)) => {}
        }
    }

    /// A transaction that writes.
    pub async fn begin(&self) -> Result<Transaction> {
        match self {
            Self::Sqlite { write, .. } => write.begin_with(Dialect::Sqlite.begin()).await.map(Transaction::Sqlite),
            Self::Postgres { pool, reach, kept } => {
                let begun = reach.while_there(pool, pool.begin_with(Dialect::Postgres.begin()));
                kept.while_waiting(pool, begun).await.map(Transaction::Postgres)
            }
        }
        .map_err(|error| fault("store: begin", &error))
    }

    /// A transaction that reads one snapshot.
    pub async fn snapshot(&self) -> Result<Transaction> {
        let begin = self.dialect().begin_snapshot();
        match self {
            Self::Sqlite { read, kept, .. } => {
                kept.while_waiting(read, read.begin_with(begin)).await.map(Transaction::Sqlite)
            }
            Self::Postgres { pool, reach, kept } => {
                let begun = reach.while_there(pool, pool.begin_with(begin));
                kept.while_waiting(pool, begun).await.map(Transaction::Postgres)
            }
        }
        .map_err(|error| fault("store: begin", &error))
    }

    /// Closes every connection, after those in use are given back.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, kept } => {
                kept.close(read).await;
                write.close().await;
            }
            Self::Postgres { pool, kept, .. } => kept.close(pool).await,
        }
    }
}

/// A connection on loan from its pool.
#[derive(Debug)]
pub enum Connection {
    /// To SQLite.
    Sqlite(PoolConnection<Sqlite>),
    /// To PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

impl Connection {
    /// What runs statements.
    pub fn driver(&mut self) -> Driver<'_> {
        match self {
            Self::Sqlite(connection) => Driver::Sqlite(connection),
            Self::Postgres(connection) => Driver::Postgres(connection),
        }
    }
}

/// A transaction; dropping it rolls back.
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Why a commit was not acknowledged.
#[derive(Debug)]
pub enum CommitFault {
    /// It did not happen.
    Refused(Fault),
    /// The connection broke: it may have happened or not.
    Unknown(Fault),
}

impl CommitFault {
    /// The fault, when it does not matter which.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Refused(fault) | Self::Unknown(fault) => fault,
        }
    }
}

impl Transaction {
    /// What runs statements.
    pub fn driver(&mut self) -> Driver<'_> {
        match self {
            Self::Sqlite(transaction) => Driver::Sqlite(transaction),
            Self::Postgres(transaction) => Driver::Postgres(transaction),
        }
    }

    /// Commits: durable when this returns.
    pub async fn commit(self) -> std::result::Result<(), CommitFault> {
        let done = match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        };
        done.map_err(|error| {
            let why = fault("store: commit", &error);
            if is_lost(&error) { CommitFault::Unknown(why) } else { CommitFault::Refused(why) }
        })
    }
}

/// A connection or a transaction, borrowed to run statements.
#[derive(Debug)]
pub enum Driver<'a> {
    /// SQLite.
    Sqlite(&'a mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'a mut PgConnection),
}

impl Driver<'_> {
    /// The dialect.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement; all its rows.
    pub async fn fetch(&mut self, statement: &Statement, values: Vec<Value>) -> Result<Vec<Row>> {
        let text = text(statement);
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(text, sqlite_arguments(values)?);
                let rows = query.fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(text, postgres_arguments(values)?);
                let rows = query.fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|error| fault(statement.what, &error))
    }

    /// Runs a statement that gives at most one row.
    pub async fn fetch_optional(&mut self, statement: &Statement, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.fetch(statement, values).await?.into_iter().next())
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&mut self, statement: &Statement, values: Vec<Value>) -> Result<u64> {
        let text = text(statement);
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(text, sqlite_arguments(values)?);
                query.execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(text, postgres_arguments(values)?);
                query.execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|error| fault(statement.what, &error))
    }

    /// Runs a script of several statements without arguments (a migration).
    pub async fn script(&mut self, what: &'static str, script: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(script).execute(&mut **connection).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(script).execute(&mut **connection).await.map(drop),
        }
        .map_err(|error| fault(what, &error))
    }
}

fn text(statement: &Statement) -> SqlStr {
    match &statement.text {
        Text::Fixed(text) => text.into_sql_str(),
        // Built in `sql` from constants and placeholders only.
        Text::Built(text) => AssertSqlSafe(text.clone()).into_sql_str(),
    }
}

fn unencodable(error: impl std::fmt::Display) -> Fault {
    Fault::internal(format!("store: an argument cannot be encoded: {error}"))
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::I64(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(Vec::from(value)),
            Value::NoBytes => arguments.add(None::<Vec<u8>>),
            Value::Bool(value) => arguments.add(value),
        }
        .map_err(unencodable)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), values.len() * 32);
    for value in values {
        match value {
            Value::I64(value) => arguments.add(value),
            Value::Text(value) => arguments.add(&*value),
            Value::Bytes(value) => arguments.add(&value[..]),
            Value::NoBytes => arguments.add(None::<&[u8]>),
            Value::Bool(value) => arguments.add(value),
        }
        .map_err(unencodable)?;
    }
    Ok(arguments)
}

/// A row of an answer; columns count from 0.
#[derive(Debug)]
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
}

/// A column that does not hold what it should; `column` is its place in the answer.
fn bad_column(column: usize, error: &sqlx::Error) -> Fault {
    Fault::internal(format!("column {column}: {error}"))
}

impl Row {
    /// A BIGINT.
    pub fn i64(&self, column: usize) -> Result<i64> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| bad_column(column, &error))
    }

    /// A BOOLEAN.
    pub fn bool(&self, column: usize) -> Result<bool> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| bad_column(column, &error))
    }

    /// A TEXT.
    pub fn text(&self, column: usize) -> Result<&str> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| bad_column(column, &error))
    }

    /// A BLOB or BYTEA.
    pub fn slice(&self, column: usize) -> Result<&[u8]> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| bad_column(column, &error))
    }

    /// A BLOB or BYTEA that may be NULL.
    pub fn bytes(&self, column: usize) -> Result<Option<Bytes>> {
        let slice: Option<&[u8]> = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| bad_column(column, &error))?;
        Ok(slice.map(Bytes::copy_from_slice))
    }
}

/// Opens SQLite in a folder (which must exist), with `readers` connections that read.
///
/// # Errors
/// 503 or 500 with the database's reason.
pub async fn open_sqlite(folder: &std::path::Path, readers: usize) -> Result<Pools> {
    let options = dialect::sqlite_options(folder);
    let what = "store: open sqlite";
    let write = dialect::sqlite_writer().connect_with(options.clone().create_if_missing(true)).await;
    let write = write.map_err(|error| fault(what, &error))?;
    let most = u32::try_from(readers.max(1)).unwrap_or(u32::MAX);
    let read = dialect::sqlite_pool(most).connect_with(dialect::sqlite_reading(options)).await;
    let read = read.map_err(|error| fault(what, &error))?;
    Ok(Pools::Sqlite { write, read, kept: Arc::default() })
}

/// Opens the SQLite of a folder to read only, also while another process writes to it.
///
/// # Errors
/// 503 or 500 with the database's reason, such as that there is none.
pub async fn open_sqlite_to_read(folder: &std::path::Path) -> Result<Pools> {
    let options = dialect::sqlite_reading(dialect::sqlite_options(folder));
    let read = dialect::sqlite_pool(2).connect_with(options.clone()).await;
    let read = read.map_err(|error| fault("store: open sqlite to read", &error))?;
    // Nobody writes through it; it connects only if somebody tries, and then it cannot.
    let write = dialect::sqlite_writer().min_connections(0).connect_lazy_with(options);
    Ok(Pools::Sqlite { write, read, kept: Arc::default() })
}

/// Opens PostgreSQL.
///
/// # Errors
/// 503 or 500 with the database's reason; never the password.
pub async fn open_postgres(url: &str, connections: usize) -> Result<Pools> {
    let options = dialect::postgres_options(url);
    let options = options.map_err(|_| Fault::invalid("store: the database's address is not a postgres:// URL"))?;
    // The Writer holds one, the feed another: fewer would wait for each other.
    let most = u32::try_from(connections.max(3)).unwrap_or(u32::MAX);
    let pool = dialect::postgres_pool(most).connect_with(options).await;
    let pool = pool.map_err(|error| fault("store: open postgres", &error))?;
    Ok(Pools::Postgres { pool, reach: Arc::default(), kept: Arc::default() })
}
