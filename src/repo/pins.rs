//! Pinned snapshots of the index: later pages of a search see what its first page saw. Beside them stand the searches that
//! are too long for a link.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::search::index::Searcher;
use crate::search::params::ParamSet;

use super::token::Pairs;

/// The snapshots that links may still ask for, by position. Bounded in number and time; the least
/// recently used goes first.
#[derive(Debug)]
pub(super) struct Pins {
    held: Mutex<BTreeMap<Seq, Pin>>,
    searches: Mutex<BTreeMap<u128, Kept>>,
    most: usize,
    bytes: usize,
    micros: i64,
}

/// A search that links may still name.
#[derive(Debug)]
struct Kept {
    params: Arc<Pairs>,
    bytes: usize,
    used: Timestamp,
}

#[derive(Debug)]
struct Pin {
    searcher: Searcher,
    params: Arc<ParamSet>,
    used: Timestamp,
}

impl Pins {
    /// At most `most` snapshots, and searches of `bytes` together, each for so many seconds after its last use.
    pub(super) fn new(most: usize, bytes: usize, seconds: u64) -> Self {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self { held: Mutex::default(), searches: Mutex::default(), most: most.max(1), bytes, micros }
    }

    /// Keeps the parameters of a search; what names them. The least recently used go first, this one last.
    pub(super) fn keep(&self, params: &[(String, String)], now: Timestamp) -> u128 {
        let digest = digest(params);
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = || Kept { params: Arc::new(params.to_vec()), bytes: bytes(params), used: now };
        searches.entry(digest).or_insert_with(kept).used = now;
        let mut held: usize = searches.values().map(|kept| kept.bytes).sum();
        while held > self.bytes && searches.len() > 1 {
            let others = searches.iter().filter(|(of, _)| **of != digest);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.used).map(|(of, _)| *of) else { break };
            held -= searches.remove(&oldest).map_or(0, |kept| kept.bytes);
        }
        digest
    }

    /// The parameters that were kept under this name, if they still are.
    pub(super) fn kept(&self, digest: u128, now: Timestamp) -> Option<Arc<Pairs>> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = searches.get_mut(&digest).filter(|kept| now.0 - kept.used.0 < self.micros)?;
        kept.used = now;
        Some(kept.params.clone())
    }

    /// Keeps `searcher`, and what could be searched in it, for as long as pages of it are asked for. While search
    /// parameters are indexed there are several snapshots of one position; the last of them stays.
    pub(super) fn hold(&self, searcher: &Searcher, params: &Arc<ParamSet>, now: Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, pin| now.0 - pin.used.0 < self.micros);
        let pin = || Pin { searcher: searcher.clone(), params: params.clone(), used: now };
        let kept = held.entry(searcher.reached()).or_insert_with(pin);
        if kept.searcher.coverage() != searcher.coverage() {
            *kept = pin();
        }
        kept.used = now;
        while held.len() > self.most {
            let Some(oldest) = held.iter().min_by_key(|(_, pin)| pin.used).map(|(seq, _)| *seq) else { break };
            held.remove(&oldest);
        }
    }

    /// The snapshot at `seq`, if it is still held.
    pub(super) fn get(&self, seq: Seq, now: Timestamp) -> Option<(Searcher, Arc<ParamSet>)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let pin = held.get_mut(&seq).filter(|pin| now.0 - pin.used.0 < self.micros)?;
        pin.used = now;
        Some((pin.searcher.clone(), pin.params.clone()))
    }

    /// Lets go of what nobody has asked for in time.
    pub(super) fn sweep(&self, now: Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, pin| now.0 - pin.used.0 < self.micros);
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        searches.retain(|_, kept| now.0 - kept.used.0 < self.micros);
    }
}

/// The size of parameters, with a little for what holds them.
pub(super) fn bytes(params: &[(String, String)]) -> usize {
    params.iter().map(|(name, value)| name.len() + value.len() + 64).sum()
}

/// Two searches with one digest would have to be made on purpose, by somebody who may as well ask the other one.
fn digest(params: &[(String, String)]) -> u128 {
    let mut hasher = twox_hash::XxHash3_128::new();
    for text in params.iter().flat_map(|(name, value)| [name, value]) {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    }
    hasher.finish_128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_searches_are_kept_within_their_bounds() {
        let pins = Pins::new(1, 3000, 10);
        let of = |n: usize| vec![("name".to_owned(), format!("{n:0>900}"))];
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let names: Vec<u128> = (0..3).map(|n| pins.keep(&of(n), at(n as i64))).collect();
        assert_eq!(pins.kept(names[0], at(3)).as_deref(), Some(&of(0)));
        let last = pins.keep(&of(3), at(4));
        assert!(pins.kept(names[1], at(4)).is_none(), "the least recently used goes first");
        assert!(pins.kept(last, at(4)).is_some() && pins.kept(names[0], at(4)).is_some());
        assert!(pins.kept(last, at(14)).is_none(), "its time is over");
        pins.sweep(at(14));
        assert!(pins.searches.lock().expect("a lock").is_empty());
        let large = vec![("name".to_owned(), "a".repeat(9000))];
        let name = pins.keep(&large, at(20));
        assert!(pins.kept(name, at(20)).is_some(), "one search is kept whatever its size");
        assert_ne!(digest(&[("a".into(), "bc".into())]), digest(&[("ab".into(), "c".into())]));
    }
}
