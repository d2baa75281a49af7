//! The index follows the log.
//!
//! One task per tenant and node takes what was committed, in order, and applies it to the tantivy index.
//! It commits the index when somebody waits for a position (a search that must see an answered write),
//! when it has caught up for a moment, or when much has gathered. It stands in this module, not in
//! `work`, because a search waits for it: the two are one mechanism.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::feed::{Feed, FeedEntry};
use super::shelf::Shelf;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::definitions::params;
use crate::fhir::json;
use crate::search::extract::extract;
use crate::search::index::{Catalog, Document, Prepared, prepare};
use crate::store::{Store, VersionRow, body};

/// Entries taken at a time.
const TAKE: usize = 2048;
/// Entries applied before a commit although nobody waits.
const GATHER: usize = 20_000;
/// How long applied entries may stay invisible when nobody waits.
const LINGER: Duration = Duration::from_millis(250);
/// How often the log of a shared database is looked at when no notice came.
const POLL: Duration = Duration::from_secs(1);
/// How long a search waits for the index.
const PATIENCE: Duration = Duration::from_secs(30);

/// The definitions, as the index asks for them.
pub(super) const CATALOG: Catalog = Catalog { code: |id| params::param(id).code, params: params::search_params };

/// What searches wait on.
#[derive(Debug)]
pub(super) struct Visibility {
    reached: watch::Sender<Seq>,
    wanted: AtomicI64,
    bell: Notify,
}

impl Visibility {
    pub(super) fn new(reached: Seq) -> Self {
        Self { reached: watch::Sender::new(reached), wanted: AtomicI64::new(0), bell: Notify::new() }
    }

    /// The position up to which searches see.
    pub(super) fn reached(&self) -> Seq {
        *self.reached.borrow()
    }

    /// Waits until searches see everything up to `seq`.
    ///
    /// # Errors
    /// 503 when the index does not get there in time.
    pub(super) async fn wait(&self, seq: Seq) -> Result<()> {
        if self.reached() >= seq {
            return Ok(());
        }
        self.wanted.fetch_max(seq.0, Ordering::SeqCst);
        self.bell.notify_one();
        let mut reached = self.reached.subscribe();
        match timeout(PATIENCE, reached.wait_for(|now| *now >= seq)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::unavailable("the search index lags behind; try again in a moment")),
        }
    }

    fn wanted(&self) -> Seq {
        Seq(self.wanted.load(Ordering::SeqCst))
    }
}

/// The follower.
pub(super) struct Indexer {
    pub(super) tenant: Tenant,
    pub(super) store: Store,
    pub(super) feed: Arc<Feed>,
    pub(super) index: Arc<Shelf>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) base: Arc<str>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Indexer {
    /// Follows until told to stop.
    pub(super) async fn run(mut self) {
        let mut applied = self.visibility.reached();
        let mut since_commit = 0;
        let mut oldest = Instant::now();
        let mut failures = 0_u32;
        loop {
            match self.step(applied, &mut since_commit, &mut oldest).await {
                Ok(Some(seq)) => {
                    applied = seq;
                    failures = 0;
                }
                Ok(None) => return,
                Err(fault) => {
                    failures += 1;
                    tracing::error!(fault = %fault, failures, seq = applied.0, "the search index cannot follow the log");
                    tokio::time::sleep(Duration::from_millis(100 << failures.min(6))).await;
                    // What was applied and not committed is gone with the writer.
                    match self.reopen().await {
                        Ok(reached) => (applied, since_commit) = (reached, 0),
                        Err(fault) => tracing::error!(fault = %fault, "the search index cannot be opened again"),
                    }
                }
            }
        }
    }

    async fn reopen(&self) -> Result<Seq> {
        if *self.stop.borrow() {
            return Ok(self.visibility.reached());
        }
        let index = self.index.clone();
        let reached = blocking(move || index.reopen()).await?;
        self.visibility.reached.send_replace(reached);
        Ok(reached)
    }

    /// Applies or commits a little, or waits; the position applied so far, or `None` at the end.
    async fn step(&mut self, applied: Seq, since_commit: &mut usize, oldest: &mut Instant) -> Result<Option<Seq>> {
        if *self.stop.borrow() {
            let last = self.commit(applied).await;
            if let Err(fault) = last {
                tracing::warn!(fault = %fault, "the search index is behind at the end; the next start catches up");
            }
            return Ok(None);
        }
        let wanted = self.visibility.wanted();
        let asked = wanted > self.visibility.reached() && applied >= wanted;
        let due = *since_commit > 0 && (*since_commit >= GATHER || oldest.elapsed() >= LINGER);
        if asked || due {
            self.commit(applied).await?;
            *since_commit = 0;
            return Ok(Some(applied));
        }
        if self.feed.head() > applied {
            let taken = self.feed.take(applied, TAKE);
            let (count, reached) =
                if taken.is_empty() { self.read_log(applied).await? } else { self.apply(taken).await? };
            if *since_commit == 0 {
                *oldest = Instant::now();
            }
            *since_commit += count;
            return Ok(Some(reached.max(applied)));
        }
        let nap = if *since_commit > 0 { LINGER.saturating_sub(oldest.elapsed()) } else { POLL };
        self.sleep(nap).await?;
        Ok(Some(applied))
    }

    /// Waits for a commit of this node or another, for somebody who wants to see, or for `nap`.
    async fn sleep(&mut self, nap: Duration) -> Result<()> {
        let mut head = self.feed.watch();
        let mut notices = self.store.changes();
        let foreign = tokio::select! {
            _ = head.changed() => false,
            () = self.visibility.bell.notified() => false,
            _ = self.stop.changed() => false,
            _ = notices.changed() => true,
            () = tokio::time::sleep(nap) => true,
        };
        if foreign && self.store.is_shared() {
            self.feed.advance(self.store.head(self.tenant).await?.seq);
        }
        Ok(())
    }

    async fn apply(&self, entries: Vec<FeedEntry>) -> Result<(usize, Seq)> {
        let index = self.index.clone();
        blocking(move || {
            let reached = entries.last().map_or(Seq(0), |entry| entry.seq);
            let documents: Vec<Prepared> =
                entries.into_iter().map(|entry| prepare(&document(entry), &CATALOG)).collect();
            index.get()?.apply_prepared(&documents)?;
            Ok((documents.len(), reached))
        })
        .await
    }

    async fn read_log(&self, applied: Seq) -> Result<(usize, Seq)> {
        let rows = self.store.log(self.tenant, applied, TAKE).await?;
        if let Some(first) = rows.first().filter(|row| row.seq.0 != applied.0 + 1) {
            return Err(Fault::internal(format!("the log has a gap between {applied} and {}", first.seq)));
        }
        let base = self.base.clone();
        let entries =
            blocking(move || rows.into_iter().map(|row| entry_of(row, &base)).collect::<Result<Vec<_>>>()).await?;
        self.apply(entries).await
    }

    async fn commit(&self, reached: Seq) -> Result<()> {
        let index = self.index.clone();
        blocking(move || index.get()?.commit(reached)).await?;
        self.visibility.reached.send_replace(reached);
        Ok(())
    }
}

fn document(entry: FeedEntry) -> Document {
    // The first version of a resource replaces nothing; a deletion always does.
    let is_new = entry.version == 1;
    Document { key: entry.key, seq: entry.seq, updated: entry.updated, values: entry.values, is_new }
}

/// What a row of the log means for followers.
fn entry_of(row: VersionRow, base: &str) -> Result<FeedEntry> {
    let values = match &row.body {
        None => None,
        Some(stored) => {
            let text =
                body::decode(stored, row.version, row.updated).map_err(|f| f.context(format!("log {}", row.seq)))?;
            let resource = json::parse(&text).map_err(|f| f.context(format!("log {}", row.seq)))?;
            Some(extract(row.key.kind, &resource, base))
        }
    };
    Ok(FeedEntry { seq: row.seq, key: row.key, version: row.version, updated: row.updated, values })
}

/// Runs CPU work where it does not hold up the network.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Fault::internal(format!("a worker failed: {e}"))))
}
