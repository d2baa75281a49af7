//! Every difference between the two databases, each as one named method. Statements are otherwise the same text.

use std::fmt::Write;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded SQLite.
    Sqlite,
    /// PostgreSQL, or what speaks its protocol.
    Postgres,
}

/// The channel of LISTEN and NOTIFY.
pub const CHANNEL: &str = "cresset_changes";

/// Name of the database file in the data folder.
pub const FILE: &str = "cresset.sqlite";

/// How long to wait for a lock or a connection before giving up with 503.
const PATIENCE: Duration = Duration::from_secs(15);

/// Statements prepared per connection; more than there are texts, so none is ever prepared twice.
const STATEMENTS: usize = 256;

impl Dialect {
    /// 0 or 1: where texts for this database stand.
    pub fn index(self) -> usize {
        usize::from(self == Self::Postgres)
    }

    /// Appends the placeholder of parameter `number` (from 1) to a generated text. SQLite searches its list of
    /// numbered names once for each argument, which is quadratic for thousands; nameless ones cost nothing. The
    /// arguments of a generated text therefore stand in the order of the text.
    pub fn placeholder(self, text: &mut String, number: usize) {
        match self {
            Self::Sqlite => text.push('?'),
            Self::Postgres => write!(text, "${number}").expect("a String takes any text"),
        }
    }

    /// Locks the selected rows until the end of the transaction. SQLite has one writer anyway.
    pub fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// Locks the selected rows, passing over those that another node holds.
    pub fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once: a later upgrade could fail.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Begins a transaction that reads one snapshot throughout, while others write.
    pub fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Wakes the other nodes when the transaction commits; SQLite has no other nodes.
    pub fn notify(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_notify('cresset_changes', '')"),
        }
    }

    /// The database's own time, in microseconds since 1970: nodes whose clocks differ agree on it.
    pub fn clock(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// Keeps a second node out while the schema changes; BEGIN IMMEDIATE does so on SQLite.
    pub fn lock_schema(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_advisory_xact_lock(4848011973421801)"),
        }
    }
}

/// How SQLite is opened. Every commit is synced (`synchronous=FULL`); a checkpoint runs after some 16 MiB of log, so
/// that none copies much at a time and the log stays in the page cache. As much of the file is mapped as SQLite can; what
/// is read beyond and from the log, and what is written, goes through the cache of each connection.
pub fn sqlite_options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(1024)
        .pragma("cache_size", "-65536")
        .pragma("mmap_size", "2147418112")
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

/// How SQLite is opened for reading: with a cache that may be there many times.
pub fn sqlite_reading(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.create_if_missing(false).read_only(true).pragma("cache_size", "-8192")
}

/// A pool of at most `most` connections to the SQLite of `sqlite_options`. A connection is a thread and a cache in
/// this process: it does not break, and needs no test before its use.
pub fn sqlite_pool(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// The pool of the one connection that writes. Where the disk is full SQLite ends a transaction by itself, and the driver
/// goes on believing in it: such a connection is not used again.
pub fn sqlite_writer() -> SqlitePoolOptions {
    sqlite_pool(1).after_release(|connection, _| {
        Box::pin(async move {
            // The ping goes behind a rollback that is still under way.
            sqlx::Connection::ping(&mut *connection).await?;
            Ok(!sqlx::Connection::is_in_transaction(connection))
        })
    })
}

/// How PostgreSQL is opened. Generic plans: the texts are few, and planning hundreds of parameters anew is dear.
pub fn postgres_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?
        .application_name("cresset")
        .statement_cache_capacity(STATEMENTS)
        .options([("plan_cache_mode", "force_generic_plan"), ("lock_timeout", "15s")])
        .disable_statement_logging())
}

/// A pool of at most `most` connections to PostgreSQL. A connection that was idle for a while is tested first: the
/// server may have been restarted.
pub fn postgres_pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(most).acquire_timeout(PATIENCE).test_before_acquire(false).before_acquire(
        |connection, meta| {
            Box::pin(async move {
                let idle = meta.idle_for > Duration::from_secs(2);
                Ok(!idle || sqlx::Connection::ping(connection).await.is_ok())
            })
        },
    )
}
