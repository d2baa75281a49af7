//! Where the store's tests run: a fresh SQLite folder, and a fresh database of the PostgreSQL at
//! `CRESSET_TEST_POSTGRES` (a `postgres://` URL of a user who may create databases). Without it PostgreSQL is skipped
//! loudly; with `REQUIRE_POSTGRES=1` that is a failure.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::db::{self, Pools};
use super::dialect::Dialect;
use super::handle::{Store, StoreConfig};

/// A fresh database.
pub struct Place {
    /// How to open it.
    pub config: StoreConfig,
    _folder: Option<TempDir>,
}

impl Place {
    /// The store in it.
    pub async fn store(&self) -> Store {
        Store::open(self.config.clone()).await.unwrap()
    }

    /// Bare connections to it.
    pub async fn pools(&self) -> Pools {
        match &self.config {
            StoreConfig::Sqlite { folder, readers } => db::open_sqlite(folder, *readers).await.unwrap(),
            StoreConfig::Postgres { url, connections } => db::open_postgres(url, *connections).await.unwrap(),
        }
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match self.config {
            StoreConfig::Sqlite { .. } => Dialect::Sqlite,
            StoreConfig::Postgres { .. } => Dialect::Postgres,
        }
    }
}

/// A fresh SQLite.
pub fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::Sqlite { folder: folder.path().to_owned(), readers: 2 };
    Place { config, _folder: Some(folder) }
}

/// A fresh PostgreSQL database, if there is a server.
pub async fn postgres() -> Option<Place> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = std::env::var_os("CRESSET_TEST_POSTGRES") else {
        assert!(std::env::var_os("REQUIRE_POSTGRES").is_none(), "REQUIRE_POSTGRES without CRESSET_TEST_POSTGRES");
        eprintln!("SKIPPED on PostgreSQL: CRESSET_TEST_POSTGRES is not set");
        return None;
    };
    let server = server.into_string().unwrap();
    let name = format!("store_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    for text in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let (address, options) = server.split_once('?').map_or((server.as_str(), ""), |(a, o)| (a, o));
    let place = address.rfind('/').filter(|at| *at > "postgres://".len()).unwrap_or(address.len());
    let url = format!("{}/{name}?{options}", &address[..place]);
    Some(Place { config: StoreConfig::Postgres { url, connections: 4 }, _folder: None })
}

/// One of each.
pub async fn places() -> Vec<Place> {
    let mut places = vec![sqlite()];
    places.extend(postgres().await);
    places
}
