//! Pinned snapshots of the index: later pages of a search see what its first page saw.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::search::index::Searcher;

/// The snapshots that links may still ask for, by position. Bounded in number and time; the least
/// recently used goes first.
#[derive(Debug)]
pub(super) struct Pins {
    held: Mutex<BTreeMap<Seq, Pin>>,
    most: usize,
    micros: i64,
}

#[derive(Debug)]
struct Pin {
    searcher: Searcher,
    used: Timestamp,
}

impl Pins {
    pub(super) fn new(most: usize, seconds: u64) -> Self {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self { held: Mutex::default(), most: most.max(1), micros }
    }

    /// Keeps `searcher` for as long as pages of it are asked for.
    pub(super) fn hold(&self, searcher: &Searcher, now: Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, pin| now.0 - pin.used.0 < self.micros);
        held.entry(searcher.reached()).or_insert_with(|| Pin { searcher: searcher.clone(), used: now }).used = now;
        while held.len() > self.most {
            let Some(oldest) = held.iter().min_by_key(|(_, pin)| pin.used).map(|(seq, _)| *seq) else { break };
            held.remove(&oldest);
        }
    }

    /// The snapshot at `seq`, if it is still held.
    pub(super) fn get(&self, seq: Seq, now: Timestamp) -> Option<Searcher> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let pin = held.get_mut(&seq).filter(|pin| now.0 - pin.used.0 < self.micros)?;
        pin.used = now;
        Some(pin.searcher.clone())
    }

    /// Lets go of what nobody has asked for in time.
    pub(super) fn sweep(&self, now: Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, pin| now.0 - pin.used.0 < self.micros);
    }
}
