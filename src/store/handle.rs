//! The store: its connections, and the news of commits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::db::{self, CommitFault, Driver, Pools, Row};
use super::dialect::CHANNEL;
use super::migrate;
use super::sql::{Statement, fixed};
use super::value::Value;
use crate::base::fault::{Fault, Result};

/// Where the data is.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In a folder. Whoever opens it holds the folder's lock (`folder`).
    Sqlite {
        /// The data folder.
        folder: PathBuf,
        /// Connections that read.
        readers: usize,
    },
    /// In a PostgreSQL database, shared by any number of nodes.
    Postgres {
        /// `postgres://user:password@host:port/database`
        url: String,
        /// Connections at most.
        connections: usize,
    },
}

impl StoreConfig {
    /// The database at `url`, or the embedded one in `folder` when there is none.
    pub fn of(url: Option<&str>, folder: PathBuf, readers: usize, connections: usize) -> Self {
        match url {
            Some(url) => Self::Postgres { url: url.to_owned(), connections },
            None => Self::Sqlite { folder, readers },
        }
    }
}

/// The store. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pools: Pools,
    news: Arc<watch::Sender<u64>>,
    listener: Option<Arc<Listener>>,
}

/// The task that waits for NOTIFY; ends with the last clone of its store.
#[derive(Debug)]
struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const PING: Statement = fixed("store: ping", "SELECT 1");

impl Store {
    /// Connects and migrates.
    ///
    /// # Errors
    /// 409 when the schema is newer than this program; 500 or 503 when the database cannot be opened.
    pub async fn open(config: StoreConfig) -> Result<Self> {
        let pools = connect(&config).await?;
        if let Err(fault) = migrate::migrate(&pools).await {
            pools.close().await;
            return Err(fault);
        }
        let news = Arc::new(watch::Sender::new(0));
        let listener = match &pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres { pool, .. } => Some(Arc::new(Listener(tokio::spawn(listen(pool.clone(), news.clone()))))),
        };
        Ok(Self { pools, news, listener })
    }

    /// Connects to read only, also while another process has the data folder and writes: nothing is migrated.
    ///
    /// # Errors
    /// 409 when the schema is not that of this program; 500 or 503 when the database cannot be opened.
    pub async fn open_to_read(config: StoreConfig) -> Result<Self> {
        let pools = match &config {
            StoreConfig::Sqlite { folder, .. } => db::open_sqlite_to_read(folder).await?,
            StoreConfig::Postgres { .. } => connect(&config).await?,
        };
        if let Err(fault) = migrate::check(&pools).await {
            pools.close().await;
            return Err(fault);
        }
        Ok(Self { pools, news: Arc::new(watch::Sender::new(0)), listener: None })
    }

    /// Brings the schema to the state of this program; how many steps ran.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn migrate(config: StoreConfig) -> Result<usize> {
        let pools = connect(&config).await?;
        let ran = migrate::migrate(&pools).await;
        pools.close().await;
        ran
    }

    /// Closes the connections after the statements under way. Other clones are closed with it.
    pub async fn close(self) {
        if let Some(listener) = &self.listener {
            listener.0.abort();
        }
        self.pools.close().await;
    }

    /// Counts commits of this node and, on PostgreSQL, of all nodes. It may count more or less often than there are
    /// commits, but it changes after every one that this node could not otherwise see. While the connection is down it
    /// says nothing: a follower also looks by itself from time to time.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Whether other nodes may write to the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.pools, Pools::Postgres { .. })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// 503 when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.fetch(&PING, vec![]).await.map(drop)
    }

    /// What statements that read come to.
    pub(super) async fn reading<T>(&self, ask: impl AsyncFnOnce(&mut Driver<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.pools.reader().await?;
        let answer = ask(&mut connection.driver()).await?;
        self.pools.keep(connection);
        Ok(answer)
    }

    /// Runs one statement that reads; all its rows.
    pub(super) async fn fetch(&self, statement: &Statement, values: Vec<Value>) -> Result<Vec<Row>> {
        self.reading(async |driver| driver.fetch(statement, values).await).await
    }

    /// Runs one statement that reads at most one row.
    pub(super) async fn fetch_optional(&self, statement: &Statement, values: Vec<Value>) -> Result<Option<Row>> {
        self.reading(async |driver| driver.fetch_optional(statement, values).await).await
    }

    /// Runs one statement that writes, in a commit of its own; how many rows it changed.
    pub(super) async fn execute(&self, statement: &Statement, values: Vec<Value>) -> Result<u64> {
        let mut transaction = self.pools.begin().await?;
        let changed = transaction.driver().execute(statement, values).await?;
        transaction.commit().await.map_err(CommitFault::into_fault)?;
        Ok(changed)
    }

    pub(super) fn announce(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

async fn connect(config: &StoreConfig) -> Result<Pools> {
    match config {
        StoreConfig::Sqlite { folder, readers } => {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| Fault::invalid(format!("data folder {}: {error}", folder.display())))?;
            db::open_sqlite(folder, *readers).await
        }
        StoreConfig::Postgres { url, connections } => db::open_postgres(url, *connections).await,
    }
}

/// Counts notifications, for ever. After a lost connection it counts once more, for those it may have missed.
async fn listen(pool: PgPool, news: Arc<watch::Sender<u64>>) {
    let mut wait = Duration::from_millis(100);
    while !pool.is_closed() {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            wait = Duration::from_millis(100);
            news.send_modify(|count| *count += 1);
            while let Ok(Some(_)) = listener.try_recv().await {
                news.send_modify(|count| *count += 1);
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}
