//! The feed: a tenant's log as followers see it, in order and without gaps.
//!
//! The log in the store is the truth. Entries that this node committed are also kept in memory for a
//! while, with their search values, so that the index need not read and parse them again; whoever
//! falls behind the memory, or follows what other nodes wrote, reads the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::fhir::types::ResourceKey;
use crate::search::value::Extracted;
use crate::store::Head;

/// Most entries kept in memory.
const MEMORY: usize = 16_384;

/// One version, as followers get it.
#[derive(Debug, Clone)]
pub struct FeedEntry {
    /// Its position in the log.
    pub seq: Seq,
    /// Which resource.
    pub key: ResourceKey,
    /// Its version.
    pub version: i64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
    /// Its search values; `None` for a deletion.
    pub values: Option<Extracted>,
    /// Whether it is the last one of its transaction: only here may a follower show what it has.
    pub is_last: bool,
}

/// The feed of one tenant on this node.
#[derive(Debug)]
pub struct Feed {
    recent: Mutex<VecDeque<FeedEntry>>,
    head: watch::Sender<Seq>,
    /// Told when entries leave the memory, for a Writer that waits a moment for a slow index.
    room: tokio::sync::Notify,
    /// The index took nothing while a Writer waited for it: waiting again would hurt writes for nothing.
    stuck: AtomicBool,
}

impl Feed {
    /// A feed whose log ends at `head`.
    pub(super) fn new(head: Seq) -> Self {
        Self {
            recent: Mutex::default(),
            head: watch::Sender::new(head),
            room: tokio::sync::Notify::new(),
            stuck: AtomicBool::new(false),
        }
    }

    /// The newest position that this node knows to be committed.
    pub fn head(&self) -> Seq {
        *self.head.borrow()
    }

    /// Sees every move of [`Feed::head`].
    pub fn watch(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    /// Entries committed by this node. Called by the Writer, in log order.
    pub(super) fn publish(&self, head: Head, entries: Vec<FeedEntry>) {
        let mut recent = self.recent();
        recent.extend(entries);
        let over = recent.len().saturating_sub(MEMORY);
        recent.drain(..over);
        drop(recent);
        self.advance(head.seq);
    }

    /// Another node has committed up to `head`.
    pub(super) fn advance(&self, head: Seq) {
        self.head.send_if_modified(|known| {
            let newer = head > *known;
            *known = head.max(*known);
            newer
        });
    }

    /// Takes the entries that directly follow `after` out of the memory, at most `limit`. Empty: read the log.
    /// Entries at or before `after` are dropped, so there is one taker: the index.
    pub(super) fn take(&self, after: Seq, limit: usize) -> Vec<FeedEntry> {
        let mut recent = self.recent();
        let old = recent.iter().take_while(|entry| entry.seq <= after).count();
        recent.drain(..old);
        let run = recent.iter().zip(after.0 + 1..).take(limit).take_while(|(entry, seq)| entry.seq.0 == *seq).count();
        let taken = recent.drain(..run).collect();
        drop(recent);
        self.stuck.store(false, Ordering::Relaxed);
        self.room.notify_waiters();
        taken
    }

    /// Waits a moment while the memory is nearly full: a short wait costs less than reading the log again. Bounded, and
    /// given up for an index that does not move, because a slow follower hurts only itself.
    pub(super) async fn breathe(&self) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(200);
        while self.recent().len() > MEMORY * 3 / 4 && !self.stuck.load(Ordering::Relaxed) {
            if tokio::time::timeout_at(deadline, self.room.notified()).await.is_err() {
                self.stuck.store(true, Ordering::Relaxed);
            }
        }
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<FeedEntry>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::types::{ResourceId, ResourceType};

    fn entry(seq: i64) -> FeedEntry {
        let kind = ResourceType::find("Patient").expect("a type");
        let key = ResourceKey::new(kind, ResourceId::parse("a").expect("an id"));
        FeedEntry { seq: Seq(seq), key, version: 1, updated: Timestamp(0), values: None, is_last: true }
    }

    fn seqs(entries: &[FeedEntry]) -> Vec<i64> {
        entries.iter().map(|e| e.seq.0).collect()
    }

    #[test]
    fn hands_out_runs_without_gaps() {
        let feed = Feed::new(Seq(0));
        feed.publish(Head { seq: Seq(2), updated: Timestamp(0) }, vec![entry(1), entry(2)]);
        feed.publish(Head { seq: Seq(6), updated: Timestamp(0) }, vec![entry(5), entry(6)]);
        assert_eq!(feed.head(), Seq(6));
        assert_eq!(seqs(&feed.take(Seq(0), 10)), [1, 2]);
        assert!(feed.take(Seq(2), 10).is_empty(), "3 and 4 were written elsewhere");
        assert_eq!(seqs(&feed.take(Seq(4), 1)), [5]);
        assert_eq!(seqs(&feed.take(Seq(5), 10)), [6]);
    }

    #[test]
    fn memory_is_bounded_and_the_head_never_goes_back() {
        let feed = Feed::new(Seq(0));
        let many = i64::try_from(MEMORY).expect("small") + 10;
        feed.publish(Head { seq: Seq(many), updated: Timestamp(0) }, (1..=many).map(entry).collect());
        assert!(feed.take(Seq(0), 10).is_empty(), "the oldest entries have to be read from the log");
        assert_eq!(seqs(&feed.take(Seq(10), 1)), [11]);
        feed.advance(Seq(3));
        assert_eq!(feed.head(), Seq(many));
    }
}
