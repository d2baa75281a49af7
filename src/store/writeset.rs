//! What a batch writes. [`WriteSet::record`] keeps the tables that follow from the log in step with it.

use hashbrown::HashMap;

use super::jobs::NewJob;
use super::referrals::Referral;
use super::row::{Claim, Current, TypeHead, VersionKind, VersionRow};
use crate::base::id::Seq;
use crate::fhir::types::{ResourceKey, ResourceType};

/// An identifier of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier {
    /// Which resource.
    pub key: ResourceKey,
    /// Hash of `system|value`.
    pub hash: i64,
}

/// A row of `current` to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentWrite {
    /// The row.
    pub current: Current,
    /// Whether the resource has no row yet.
    pub is_new: bool,
}

/// Changes for one [`Batch::write`](super::Batch::write).
#[derive(Debug, Default)]
pub struct WriteSet {
    /// Entries of the log, in order.
    pub(super) versions: Vec<VersionRow>,
    /// The last state of each resource that the versions touch.
    pub(super) currents: HashMap<ResourceKey, CurrentWrite>,
    /// Versions that are no longer current, with their place in the log.
    pub(super) superseded: Vec<(ResourceKey, i64, Seq)>,
    /// Last Seq of each touched type, and how many versions come to it.
    pub(super) type_heads: HashMap<ResourceType, TypeHead>,
    /// Identifiers that resources gain; one that is there already is no error.
    pub identifiers_added: Vec<Identifier>,
    /// Identifiers that resources lose; taken away before the others are added.
    pub identifiers_removed: Vec<Identifier>,
    /// Referrals that come, where references are enforced; one that is there already is no error.
    pub referrals_added: Vec<Referral>,
    /// Referrals that go; before the others are added.
    pub referrals_removed: Vec<Referral>,
    /// Up to where in the log the referrals are complete then.
    pub referrals_reach: Option<Seq>,
    /// Claims that are made.
    pub claims_added: Vec<Claim>,
    /// Claims that end; before the others are added.
    pub claims_removed: Vec<Claim>,
    /// Jobs that come with the changes.
    pub jobs: Vec<NewJob>,
}

impl WriteSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version, with its rows in current, superseded and type_heads. `before` is the resource's current row in the
    /// database before this set (`None` when it has none); for a resource that the set already holds, the set knows
    /// better and `before` is not looked at. `digest`: see [`Current`].
    pub fn record(&mut self, row: VersionRow, before: Option<&Current>, digest: [u8; 16]) {
        let deleted = !row.kind.has_body();
        let current = Current { seq: row.seq, version: row.version, updated: row.updated, deleted, digest };
        let known = self.currents.get(&row.key);
        let is_new = known.map_or(before.is_none(), |known| known.is_new);
        if let Some(old) = known.map(|known| &known.current).or(before) {
            self.superseded.push((row.key.clone(), old.version, old.seq));
        }
        let head = self.type_heads.entry(row.key.kind).or_default();
        head.seq = row.seq;
        head.versions += i64::from(row.kind != VersionKind::Expunged);
        self.currents.insert(row.key.clone(), CurrentWrite { current, is_new });
        self.versions.push(row);
    }

    /// The current row of a resource as this set leaves it; `None` when the set does not touch it.
    pub fn current(&self, key: &ResourceKey) -> Option<&Current> {
        self.currents.get(key).map(|write| &write.current)
    }

    /// The versions, in order.
    pub fn versions(&self) -> &[VersionRow] {
        &self.versions
    }
}
