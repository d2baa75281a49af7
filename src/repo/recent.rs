//! Current versions that were read lately, in memory, as they are stored.
//!
//! Only where this node is the only one that writes. Invariant: an entry is the current version of its resource.
//! Before a commit the Writer takes away what the commit changes, and until it is over nothing is put in: a
//! reader that saw the new version in the database never sees the old one here afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::fhir::types::ResourceKey;
use crate::store::VersionRow;

/// Bytes that an entry takes beside id and body.
const OVERHEAD: usize = 200;
/// About the size of an entry, to size the table.
const USUAL: u64 = 700;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<ResourceKey, VersionRow> for Weight {
    fn weight(&self, key: &ResourceKey, row: &VersionRow) -> u64 {
        (OVERHEAD + key.id.as_str().len() + row.body.as_ref().map_or(0, bytes::Bytes::len)) as u64
    }
}

/// The cache.
#[derive(Debug)]
pub(super) struct Recent {
    cache: Option<Cache<ResourceKey, VersionRow, Weight>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts commits.
    commits: u64,
    is_committing: bool,
}

impl Recent {
    /// A cache of about `bytes` bytes; of none when 0.
    pub(super) fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        Self { cache: (bytes > 0).then(|| Cache::with_weighter(entries, bytes, Weight)), state: Mutex::default() }
    }

    /// The current version of a resource, if it is here.
    pub(super) fn get(&self, key: &ResourceKey) -> Option<VersionRow> {
        self.cache.as_ref()?.get(key)
    }

    /// To be asked before the database is; `None`: what is read now is not to be kept.
    pub(super) fn ticket(&self) -> Option<u64> {
        self.cache.as_ref()?;
        let state = self.state();
        (!state.is_committing).then_some(state.commits)
    }

    /// Keeps what was read, unless something was committed since the ticket.
    pub(super) fn keep<'a>(&self, ticket: u64, rows: impl Iterator<Item = &'a VersionRow>) {
        let Some(cache) = &self.cache else { return };
        let state = self.state();
        if state.commits == ticket && !state.is_committing {
            rows.for_each(|row| cache.insert(row.key.clone(), row.clone()));
        }
    }

    /// Before a commit that changes these resources.
    pub(super) fn begin<'a>(&self, changed: impl Iterator<Item = &'a ResourceKey>) {
        let Some(cache) = &self.cache else { return };
        let mut state = self.state();
        state.is_committing = true;
        state.commits += 1;
        changed.for_each(|key| _ = cache.remove(key));
    }

    /// After the commit, however it ended.
    pub(super) fn end(&self) {
        self.state().is_committing = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::id::Seq;
    use crate::fhir::types::{ResourceId, ResourceType};
    use crate::store::VersionKind;

    fn row(version: i64) -> VersionRow {
        let kind = ResourceType::find("Patient").expect("a type");
        let key = ResourceKey::new(kind, ResourceId::parse("a").expect("an id"));
        let (seq, body) = (Seq(version), Some(bytes::Bytes::from_static(b"x")));
        VersionRow { seq, key, version, updated: Timestamp(0), kind: VersionKind::Update, tx: seq, body }
    }

    #[test]
    fn never_keeps_what_a_commit_has_overtaken() {
        let recent = Recent::new(1 << 20);
        let key = row(1).key;
        let before = recent.ticket().expect("no commit is under way");
        recent.begin([&key].into_iter());
        assert_eq!(recent.ticket(), None, "what is read during a commit may be old or new");
        recent.keep(before, [&row(1)].into_iter());
        assert_eq!(recent.get(&key), None);
        recent.end();
        recent.keep(before, [&row(1)].into_iter());
        assert_eq!(recent.get(&key), None, "it was read before the commit");
        let after = recent.ticket().expect("the commit is over");
        recent.keep(after, [&row(2)].into_iter());
        assert_eq!(recent.get(&key).map(|row| row.version), Some(2));
        recent.begin([&key].into_iter());
        assert_eq!(recent.get(&key), None, "gone before the commit, not after it");
    }

    #[test]
    fn of_no_size_it_keeps_nothing() {
        let recent = Recent::new(0);
        assert_eq!(recent.ticket(), None);
        recent.keep(0, [&row(1)].into_iter());
        assert_eq!(recent.get(&row(1).key), None);
    }
}
