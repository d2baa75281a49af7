//! Current versions that were read lately, in memory: as they are stored after the first read, ready to be sent
//! after the second. All tenants of a node share the memory, so those that are read have it.
//!
//! Only where this node is the only one that writes. Invariant: an entry is the current version of its resource.
//! Before a commit the Writer takes away what the commit changes, and until it is over nothing of the tenant is put in: a
//! reader that saw the new version in the database never sees the old one here afterwards.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::face::Stored;
use crate::base::id::Tenant;
use crate::fhir::types::ResourceKey;
use crate::store::VersionRow;

/// Bytes that an entry takes beside id and body.
const OVERHEAD: usize = 200;
/// About the size of an entry, to size the table.
const USUAL: u64 = 700;

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    tenant: Tenant,
    key: ResourceKey,
}

/// The same, to look for.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    tenant: Tenant,
    key: &'a ResourceKey,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        At { tenant: self.tenant, key: &self.key }.hash(state);
    }
}

impl Hash for At<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.key.hash(state);
    }
}

impl Equivalent<Place> for At<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        self.tenant == place.tenant && *self.key == place.key
    }
}

/// What an entry weighs: its bytes.
#[derive(Debug, Clone)]
struct Weight;

impl Weight {
    fn of(place: &Place, body: Option<&Bytes>) -> u64 {
        (OVERHEAD + place.key.id.as_str().len() + body.map_or(0, Bytes::len)) as u64
    }
}

impl Weighter<Place, VersionRow> for Weight {
    fn weight(&self, place: &Place, row: &VersionRow) -> u64 {
        Self::of(place, row.body.as_ref())
    }
}

impl Weighter<Place, Stored> for Weight {
    fn weight(&self, place: &Place, stored: &Stored) -> u64 {
        Self::of(place, stored.body.as_ref())
    }
}

/// The memory that the tenants share. Each kind has a half of it.
#[derive(Debug)]
pub(super) struct Memory {
    /// Read once or more: small, since compressed.
    rows: Cache<Place, VersionRow, Weight>,
    /// Read twice or more: nothing is left to be done.
    ready: Cache<Place, Stored, Weight>,
}

impl Memory {
    /// About `bytes` bytes; `None` when that is nothing.
    pub(super) fn new(bytes: u64) -> Option<Arc<Self>> {
        let half = bytes / 2;
        let entries = usize::try_from(half / USUAL).unwrap_or(usize::MAX);
        let new = || Self {
            rows: Cache::with_weighter(entries, half, Weight),
            ready: Cache::with_weighter(entries, half, Weight),
        };
        (half > 0).then(|| Arc::new(new()))
    }
}

/// A tenant's part of the memory.
#[derive(Debug)]
pub(super) struct Recent {
    tenant: Tenant,
    memory: Option<Arc<Memory>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts commits.
    commits: u64,
    is_committing: bool,
}

impl Recent {
    /// Of a tenant; without memory it keeps nothing.
    pub(super) fn new(tenant: Tenant, memory: Option<Arc<Memory>>) -> Self {
        Self { tenant, memory, state: Mutex::default() }
    }

    fn at<'a>(&self, key: &'a ResourceKey) -> At<'a> {
        At { tenant: self.tenant, key }
    }

    fn place(&self, key: &ResourceKey) -> Place {
        Place { tenant: self.tenant, key: key.clone() }
    }

    /// The current version of a resource, if it is here ready to be sent.
    pub(super) fn ready(&self, key: &ResourceKey) -> Option<Stored> {
        self.memory.as_ref()?.ready.get(&self.at(key))
    }

    /// The current version of a resource, if it is here as stored.
    pub(super) fn row(&self, key: &ResourceKey) -> Option<VersionRow> {
        self.memory.as_ref()?.rows.get(&self.at(key))
    }

    /// To be asked before the database is, or before [`Recent::row`]; `None`: what is read now is not to be kept.
    pub(super) fn ticket(&self) -> Option<u64> {
        self.memory.as_ref()?;
        let state = self.state();
        (!state.is_committing).then_some(state.commits)
    }

    /// Keeps what was read, unless something was committed since the ticket.
    pub(super) fn keep<'a>(&self, ticket: u64, rows: impl Iterator<Item = &'a VersionRow>) {
        self.unless_overtaken(ticket, |memory| {
            rows.for_each(|row| memory.rows.insert(self.place(&row.key), row.clone()));
        });
    }

    /// Keeps what [`Recent::row`] gave, in the form that is sent, unless something was committed since the ticket.
    pub(super) fn keep_ready(&self, ticket: u64, stored: &Stored) {
        self.unless_overtaken(ticket, |memory| {
            memory.rows.remove(&self.at(&stored.key));
            memory.ready.insert(self.place(&stored.key), stored.clone());
        });
    }

    fn unless_overtaken(&self, ticket: u64, put: impl FnOnce(&Memory)) {
        let Some(memory) = &self.memory else { return };
        let state = self.state();
        if state.commits == ticket && !state.is_committing {
            put(memory);
        }
    }

    /// Before a commit that changes these resources.
    pub(super) fn begin<'a>(&self, changed: impl Iterator<Item = &'a ResourceKey>) {
        let Some(memory) = &self.memory else { return };
        let mut state = self.state();
        state.is_committing = true;
        state.commits += 1;
        for key in changed {
            memory.rows.remove(&self.at(key));
            memory.ready.remove(&self.at(key));
        }
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
    use crate::repo::WriteKind;
    use crate::store::VersionKind;

    fn row(version: i64) -> VersionRow {
        let kind = ResourceType::find("Patient").expect("a type");
        let key = ResourceKey::new(kind, ResourceId::parse("a").expect("an id"));
        let (seq, body) = (Seq(version), Some(bytes::Bytes::from_static(b"x")));
        VersionRow { seq, key, version, updated: Timestamp(0), kind: VersionKind::Update, tx: seq, body }
    }

    fn stored(version: i64) -> Stored {
        let VersionRow { key, version, updated, body, .. } = row(version);
        Stored { key, version, updated, body, kind: WriteKind::Update }
    }

    fn versions(recent: &Recent) -> (Option<i64>, Option<i64>) {
        let key = row(1).key;
        (recent.row(&key).map(|row| row.version), recent.ready(&key).map(|stored| stored.version))
    }

    #[test]
    fn never_keeps_what_a_commit_has_overtaken() {
        let recent = Recent::new(Tenant(7), Memory::new(1 << 20));
        let key = row(1).key;
        let put = |ticket, version| {
            recent.keep_ready(ticket, &stored(version));
            recent.keep(ticket, [&row(version)].into_iter());
        };
        let before = recent.ticket().expect("no commit is under way");
        recent.begin([&key].into_iter());
        assert_eq!(recent.ticket(), None, "what is read during a commit may be old or new");
        put(before, 1);
        assert_eq!(versions(&recent), (None, None));
        recent.end();
        put(before, 1);
        assert_eq!(versions(&recent), (None, None), "it was read before the commit");
        put(recent.ticket().expect("the commit is over"), 2);
        assert_eq!(versions(&recent), (Some(2), Some(2)));
        recent.begin([&key].into_iter());
        assert_eq!(versions(&recent), (None, None), "gone before the commit, not after it");
    }

    #[test]
    fn what_is_ready_is_not_kept_a_second_time() {
        let recent = Recent::new(Tenant(7), Memory::new(1 << 20));
        let ticket = recent.ticket().expect("no commit is under way");
        recent.keep(ticket, [&row(1)].into_iter());
        assert_eq!(versions(&recent), (Some(1), None));
        recent.keep_ready(ticket, &stored(1));
        assert_eq!(versions(&recent), (None, Some(1)));
    }

    #[test]
    fn stays_within_its_bytes() {
        let recent = Recent::new(Tenant(7), Memory::new(1 << 20));
        let ticket = recent.ticket().expect("no commit is under way");
        for number in 0..1000 {
            let id = ResourceId::parse(&format!("n{number}")).expect("an id");
            let key = ResourceKey::new(row(1).key.kind, id);
            let body = Some(Bytes::from(vec![b' '; 4096]));
            recent.keep_ready(ticket, &Stored { key: key.clone(), body: body.clone(), ..stored(1) });
            recent.keep(ticket, [&VersionRow { key, body, ..row(1) }].into_iter());
        }
        let caches = recent.memory.as_ref().expect("memory");
        assert!(caches.rows.weight() + caches.ready.weight() <= 1 << 20);
        assert!(caches.rows.len() > 50 && caches.ready.len() > 50, "{} {}", caches.rows.len(), caches.ready.len());
    }

    #[test]
    fn the_memory_is_shared_and_what_is_in_it_is_not() {
        let memory = Memory::new(1 << 20);
        let (one, other) = (Recent::new(Tenant(7), memory.clone()), Recent::new(Tenant(8), memory.clone()));
        one.keep(one.ticket().expect("no commit is under way"), [&row(1)].into_iter());
        assert_eq!((versions(&one), versions(&other)), ((Some(1), None), (None, None)));
        other.keep(other.ticket().expect("no commit is under way"), [&row(2)].into_iter());
        other.begin([&row(2).key].into_iter());
        assert_eq!((versions(&one), versions(&other)), ((Some(1), None), (None, None)));
        assert_eq!(memory.expect("memory").rows.len(), 1);
    }

    #[test]
    fn of_no_size_it_keeps_nothing() {
        let recent = Recent::new(Tenant(7), Memory::new(0));
        assert_eq!(recent.ticket(), None);
        recent.keep(0, [&row(1)].into_iter());
        recent.keep_ready(0, &stored(1));
        assert_eq!(versions(&recent), (None, None));
    }
}
