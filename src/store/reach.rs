//! Whether PostgreSQL is there at all, asked on behalf of those who wait for a connection.
//!
//! A pool cannot tell a database that is away from connections that are all in use, and waits for both. Under load that is
//! right; while the database is away everybody would wait for the same refusal.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long a connection may take to come before anybody asks.
const USUAL: Duration = Duration::from_secs(1);
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How long an answer is good for.
const GOOD: Duration = Duration::from_millis(500);

/// The last answer. One asks at a time, with a connection outside of the pool.
#[derive(Debug, Default)]
pub struct Reach(Mutex<Option<(Instant, bool)>>);

impl Reach {
    /// What `wait` comes to, unless the database turns out to be away meanwhile.
    ///
    /// # Errors
    /// As `wait`; an error of the connection when the database is away.
    pub(super) async fn while_there<T>(
        &self,
        pool: &PgPool,
        wait: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let mut wait = pin!(wait);
        loop {
            if let Ok(ended) = timeout(USUAL, &mut wait).await {
                return ended;
            }
            if !self.is_there(pool).await {
                return Err(sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into()));
            }
        }
    }

    async fn is_there(&self, pool: &PgPool) -> bool {
        let mut last = self.0.lock().await;
        if let Some((_, is_there)) = last.filter(|(asked, _)| asked.elapsed() < GOOD) {
            return is_there;
        }
        let is_there = match timeout(ANSWER, PgConnection::connect_with(&pool.connect_options())).await {
            Ok(Ok(connection)) => {
                drop(timeout(ANSWER, connection.close()).await);
                true
            }
            // Who has no connection left is there; who starts or stops (57P03) is not yet or not any more.
            Ok(Err(sqlx::Error::Database(refusal))) => refusal.code().is_some_and(|code| code.starts_with("53")),
            Ok(Err(_)) | Err(_) => false,
        };
        *last = Some((Instant::now(), is_there));
        is_there
    }
}
