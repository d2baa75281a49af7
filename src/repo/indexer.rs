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
use super::own::Own;
use super::params::Params;
use super::reindex::Reindex;
use super::shelf::Shelf;
use super::worker::blocking;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::json;
use crate::search::index::{Document, Prepared, prepare};
use crate::search::params::ParamSet;
use crate::store::{Store, VersionRow, body};

/// Entries taken at a time.
const TAKE: usize = 2048;
/// Entries applied before a commit although nobody waits.
const GATHER: usize = 20_000;
/// How long applied entries may stay invisible when nobody waits and no more come.
const LINGER: Duration = Duration::from_millis(250);
/// How long while more come: fewer commits make larger segments, which are merged less often.
const STREAM: Duration = Duration::from_secs(1);
/// How often the log of a shared database is looked at when no notice came.
const POLL: Duration = Duration::from_secs(1);
/// How long a search waits for the index.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Has the follower look for something to do.
    pub(super) fn wake(&self) {
        self.bell.notify_one();
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
    pub(super) params: Arc<Params>,
    pub(super) own: Arc<Own>,
    pub(super) reindex: Reindex,
    pub(super) base: Arc<str>,
    pub(super) stop: watch::Receiver<bool>,
}

/// How far the follower is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// The last entry given to the index.
    applied: Seq,
    /// Whether it ends a transaction. Only then the index may be committed: nobody sees half of one.
    is_whole: bool,
    /// Entries applied since the last commit.
    waiting: usize,
    /// When the first of them was.
    since: Instant,
    /// When the last of them was.
    latest: Instant,
}

impl Progress {
    fn at(reached: Seq) -> Self {
        let now = Instant::now();
        Self { applied: reached, is_whole: true, waiting: 0, since: now, latest: now }
    }

    /// How long until what was applied is to be shown although nobody waits.
    fn left(&self) -> Duration {
        let (latest, since) = (self.latest.elapsed(), self.since.elapsed());
        LINGER.saturating_sub(latest).min(STREAM.saturating_sub(since))
    }
}

impl Indexer {
    /// Follows until told to stop.
    pub(super) async fn run(mut self) {
        let mut progress = Progress::at(self.visibility.reached());
        let mut heads = self.feed.watch();
        let mut notices = self.store.changes();
        let mut failures = 0_u32;
        if let Err(fault) = self.reindex.resume() {
            tracing::error!(%fault, "the search index does not say which parameters it knows");
        }
        while !*self.stop.borrow() {
            let step = match self.advance(&mut progress).await {
                Ok(true) => Ok(()),
                Ok(false) => self.sleep(&progress, &mut heads, &mut notices).await,
                Err(fault) => Err(fault),
            };
            let Err(fault) = step else {
                failures = 0;
                continue;
            };
            failures += 1;
            tracing::error!(fault = %fault, failures, seq = progress.applied.0, "the search index cannot follow the log");
            tokio::time::sleep(Duration::from_millis(100 << failures.min(6))).await;
            // What was applied and not committed is gone with the writer.
            match self.reopen().await {
                Ok(reached) => progress = Progress::at(reached),
                Err(fault) => tracing::error!(fault = %fault, "the search index cannot be opened again"),
            }
        }
        if progress.waiting > 0
            && progress.is_whole
            && let Err(fault) = self.commit(progress.applied).await
        {
            tracing::warn!(fault = %fault, "the search index is behind at the end; the next start catches up");
        }
    }

    async fn reopen(&mut self) -> Result<Seq> {
        let index = self.index.clone();
        let reached = blocking(move || index.reopen()).await?;
        self.reindex.resume()?;
        self.visibility.reached.send_replace(reached);
        Ok(reached)
    }

    /// Commits or applies a little; `false`: there is nothing to do at the moment.
    async fn advance(&mut self, progress: &mut Progress) -> Result<bool> {
        if self.params.has_shifted() {
            self.adapt(progress).await?;
            // What was read again is shown by a commit, and there may be no entry that asks for one.
            let latest = Instant::now();
            let since = if progress.waiting == 0 { latest } else { progress.since };
            *progress = Progress { waiting: progress.waiting + 1, since, latest, ..*progress };
        }
        let wanted = self.visibility.wanted();
        let asked = wanted > self.visibility.reached() && progress.applied >= wanted;
        let due = progress.waiting >= GATHER || progress.left().is_zero();
        if progress.is_whole && progress.waiting > 0 && (asked || due) {
            self.commit(progress.applied).await?;
            *progress = Progress::at(progress.applied);
            return Ok(true);
        }
        let has_applied = self.feed.head() > progress.applied && self.apply_some(progress).await?;
        // In turns, so that neither waits for the end of the other.
        Ok(self.read_again(progress).await? || has_applied)
    }

    /// Applies the next entries of the log; `false`: there are none.
    async fn apply_some(&mut self, progress: &mut Progress) -> Result<bool> {
        let mut taken = self.feed.take(progress.applied, TAKE);
        if taken.is_empty() {
            taken = self.read_log(progress.applied).await?;
        }
        let Some(last) = taken.last() else { return Ok(false) };
        let next = Progress { applied: last.seq, is_whole: last.is_last, ..*progress };
        if self.params.follow(&self.store, self.tenant, &taken).await? {
            self.adapt(progress).await?;
        }
        self.own.follow(&self.store, self.tenant, &taken).await?;
        let taken = self.up_to_date(taken).await?;
        let latest = Instant::now();
        let since = if progress.waiting == 0 { latest } else { progress.since };
        let waiting = progress.waiting + taken.len();
        self.apply(taken).await?;
        *progress = Progress { waiting, since, latest, ..next };
        Ok(true)
    }

    /// Takes in that there are other search parameters.
    async fn adapt(&mut self, progress: &mut Progress) -> Result<()> {
        if progress.waiting > 0 && progress.is_whole {
            self.commit(progress.applied).await?;
            *progress = Progress::at(progress.applied);
        }
        self.reindex.change(progress.applied, progress.waiting == 0).await
    }

    /// Reads some documents again for new parameters; `false`: there are none.
    async fn read_again(&mut self, progress: &mut Progress) -> Result<bool> {
        if self.reindex.is_done() {
            return Ok(false);
        }
        if self.reindex.needs_commit() && progress.waiting > 0 {
            if !progress.is_whole {
                return Ok(false);
            }
            self.commit(progress.applied).await?;
            *progress = Progress::at(progress.applied);
        }
        self.reindex.step(progress.applied).await?;
        let since = if progress.waiting == 0 { Instant::now() } else { progress.since };
        *progress = Progress { waiting: progress.waiting + 1, since, ..*progress };
        Ok(true)
    }

    /// Waits for a commit of this node or another, for somebody who wants to see, or until a commit is due.
    async fn sleep(
        &mut self,
        progress: &Progress,
        heads: &mut watch::Receiver<Seq>,
        notices: &mut watch::Receiver<u64>,
    ) -> Result<()> {
        let nap = if progress.waiting > 0 { progress.left() } else { POLL };
        let foreign = tokio::select! {
            _ = heads.changed() => false,
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

    /// The entries with the values of all parameters: some may have been read before a parameter was there.
    async fn up_to_date(&self, mut entries: Vec<FeedEntry>) -> Result<Vec<FeedEntry>> {
        let set = self.params.set();
        let is_old = |entry: &FeedEntry| entry.values.as_ref().is_some_and(|v| v.params != set.hash(entry.key.kind));
        let old: Vec<Seq> = entries.iter().filter(|entry| is_old(entry)).map(|entry| entry.seq).collect();
        if old.is_empty() {
            return Ok(entries);
        }
        let rows = self.store.by_seqs(self.tenant, &old).await?;
        let base = self.base.clone();
        blocking(move || {
            for row in rows {
                let Ok(at) = entries.binary_search_by_key(&row.seq, |entry| entry.seq) else { continue };
                entries[at] = FeedEntry { is_last: entries[at].is_last, ..entry_of(row, None, &set, &base)? };
            }
            Ok(entries)
        })
        .await
    }

    async fn apply(&mut self, entries: Vec<FeedEntry>) -> Result<()> {
        self.reindex.touch(entries.iter().map(|entry| entry.key.hash64()));
        let index = self.index.clone();
        blocking(move || {
            let documents: Vec<Prepared> = entries.into_iter().map(|entry| prepare(&document(entry))).collect();
            index.get()?.apply_prepared(&documents)
        })
        .await
    }

    /// The next entries out of the log itself: written by another node, or before this one started.
    async fn read_log(&self, applied: Seq) -> Result<Vec<FeedEntry>> {
        // One more than is taken, to see whether the last one ends its transaction.
        let mut rows = self.store.log(self.tenant, applied, TAKE + 1).await?;
        if let Some(first) = rows.first().filter(|row| row.seq.0 != applied.0 + 1) {
            return Err(Fault::internal(format!("the log has a gap between {applied} and {}", first.seq)));
        }
        // At its end the log holds whole transactions only.
        let after = if rows.len() > TAKE { rows.pop().map(|row| row.tx) } else { None };
        let (base, set) = (self.base.clone(), self.params.set());
        blocking(move || {
            let next: Vec<Option<Seq>> = rows.iter().skip(1).map(|row| Some(row.tx)).chain([after]).collect();
            rows.into_iter().zip(next).map(|(row, next)| entry_of(row, next, &set, &base)).collect()
        })
        .await
    }

    async fn commit(&self, reached: Seq) -> Result<()> {
        let (index, coverage) = (self.index.clone(), self.reindex.coverage().clone());
        blocking(move || index.get()?.commit_covering(reached, coverage)).await?;
        self.visibility.reached.send_replace(reached);
        Ok(())
    }
}

fn document(entry: FeedEntry) -> Document {
    // The first version of a resource replaces nothing; a deletion always does.
    let is_new = entry.version == 1;
    Document { key: entry.key, seq: entry.seq, updated: entry.updated, values: entry.values, is_new }
}

/// What a row of the log means for followers; `next` is the transaction of the row after it.
fn entry_of(row: VersionRow, next: Option<Seq>, set: &ParamSet, base: &str) -> Result<FeedEntry> {
    let values = match &row.body {
        None => None,
        Some(stored) => {
            let text =
                body::decode(stored, row.version, row.updated).map_err(|f| f.context(format!("log {}", row.seq)))?;
            let resource = json::parse_stored(&text).map_err(|f| f.context(format!("log {}", row.seq)))?;
            Some(set.extract(row.key.kind, &resource, base))
        }
    };
    let is_last = next != Some(row.tx);
    Ok(FeedEntry { seq: row.seq, key: row.key, version: row.version, updated: row.updated, values, is_last })
}
