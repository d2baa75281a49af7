//! Connections that stay at hand between statements that read.
//!
//! A pool tests each connection that is given back: a round trip, with a task and two wake-ups of its own, for each
//! statement. What ended well needs none. A connection whose statement failed, or whose caller went away in the
//! middle, still goes through the pool.
//!
//! Invariant: nobody waits for the pool while connections lie here unused, and at most half of the pool's lie here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};

/// How long a connection may lie unused before it has to be tested.
const FRESH: Duration = Duration::from_secs(1);

/// The connections of one pool that are at hand.
#[derive(Debug)]
pub struct Kept<DB: Database> {
    /// The one used last stands last.
    unused: Mutex<Vec<(PoolConnection<DB>, Instant)>>,
    /// How many wait for the pool.
    waiting: AtomicUsize,
}

impl<DB: Database> Default for Kept<DB> {
    fn default() -> Self {
        Self { unused: Mutex::default(), waiting: AtomicUsize::new(0) }
    }
}

impl<DB: Database> Kept<DB> {
    /// The connection used last, if that was lately.
    pub(super) fn take(&self) -> Option<PoolConnection<DB>> {
        let mut unused = self.unused();
        match unused.pop() {
            Some((connection, since)) if since.elapsed() < FRESH => Some(connection),
            Some(_) => {
                // The others are older still.
                unused.clear();
                None
            }
            None => None,
        }
    }

    /// Takes a connection whose last statement ended well, or gives it back to the pool where that is in want of it.
    pub(super) fn keep(&self, pool: &Pool<DB>, connection: PoolConnection<DB>) {
        let most = pool.options().get_max_connections() as usize / 2;
        let mut unused = self.unused();
        let old = unused.iter().take_while(|(_, since)| since.elapsed() >= FRESH).count();
        unused.drain(..old);
        if unused.len() < most && self.waiting.load(Ordering::SeqCst) == 0 && !pool.is_closed() {
            unused.push((connection, Instant::now()));
        }
    }

    /// What `wait` for the pool comes to.
    pub(super) async fn while_waiting<T>(&self, pool: &Pool<DB>, wait: impl Future<Output = T>) -> T {
        let _waiting = Waiting::new(&self.waiting);
        if pool.num_idle() < self.waiting.load(Ordering::SeqCst) {
            self.unused().clear();
        }
        wait.await
    }

    /// Closes the pool after the statements under way.
    pub(super) async fn close(&self, pool: &Pool<DB>) {
        let closed = pool.close();
        self.unused().clear();
        closed.await;
    }

    fn unused(&self) -> MutexGuard<'_, Vec<(PoolConnection<DB>, Instant)>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Drop for Kept<DB> {
    /// The pool would want a runtime to take them back, and there may be none any more.
    fn drop(&mut self) {
        for (connection, _) in self.unused().drain(..) {
            drop(connection.detach());
        }
    }
}

/// Counts one that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Sqlite;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    async fn pool(most: u32) -> Pool<Sqlite> {
        let options = SqlitePoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(20));
        options.connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn keeps_the_half_of_them_and_gives_out_the_last() {
        let (pool, kept) = (pool(4).await, Kept::default());
        let mut taken = Vec::new();
        for number in 0..3 {
            let mut connection = pool.acquire().await.unwrap();
            let mark = format!("PRAGMA busy_timeout = {}", 100 + number);
            sqlx::query(sqlx::AssertSqlSafe(mark)).execute(&mut *connection).await.unwrap();
            taken.push(connection);
        }
        taken.into_iter().for_each(|connection| kept.keep(&pool, connection));
        let mut last = kept.take().unwrap();
        let mark: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *last).await.unwrap();
        assert_eq!(mark, 101, "the third had no place any more");
        assert!(kept.take().is_some());
        assert!(kept.take().is_none());
    }

    #[tokio::test]
    async fn nobody_waits_while_one_lies_unused() {
        let (pool, kept) = (pool(2).await, Kept::default());
        let (one, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        kept.keep(&pool, one);
        let mut waits = std::pin::pin!(kept.while_waiting(&pool, pool.acquire()));
        let third = tokio::time::timeout(Duration::from_secs(10), &mut waits).await.unwrap().unwrap();
        assert!(kept.take().is_none(), "it went to the pool, which gave it to the one who waited");
        let mut waits = std::pin::pin!(kept.while_waiting(&pool, pool.acquire()));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waits).await.is_err(), "all are in use");
        kept.keep(&pool, other);
        assert!(kept.take().is_none(), "somebody waits for it");
        tokio::time::timeout(Duration::from_secs(10), waits).await.unwrap().unwrap();
        drop(third);
    }

    #[tokio::test]
    async fn what_lay_for_long_is_tested_again() {
        let (pool, kept) = (pool(4).await, Kept::default());
        kept.keep(&pool, pool.acquire().await.unwrap());
        tokio::time::sleep(FRESH).await;
        assert!(kept.take().is_none());
        tokio::time::timeout(Duration::from_secs(10), kept.close(&pool)).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_closed_pool() {
        let (pool, kept) = (pool(4).await, Kept::default());
        let (one, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        kept.keep(&pool, one);
        let mut closes = std::pin::pin!(kept.close(&pool));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut closes).await.is_err(), "one is in use");
        kept.keep(&pool, other);
        assert!(kept.take().is_none());
        tokio::time::timeout(Duration::from_secs(10), closes).await.unwrap();
    }
}
