//! What the Writer decides: pure, over the state that was loaded for a batch.
//!
//! Staging accepts or refuses one plan after another. Each sees the state as of everything accepted
//! before it. A plan is checked whole before anything of it is applied, so a refused plan leaves no trace.

use std::collections::{HashMap, HashSet};

use super::face::{Existing, Stored, WriteKind, Written};
use super::feed::FeedEntry;
use super::plan::{Assumption, Delete, Plan, Precondition, Step, Write, in_entry};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::store::{Batch, Current, CurrentRow, Head, Identifier, Superseded, TypeHead, VersionKind, VersionRow, WriteSet, body};

/// Why a plan was not accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An assumption does not hold any more.
    Stale,
    /// A precondition does not hold.
    Fault(Fault),
}

/// The state of a batch.
#[derive(Debug)]
pub(super) struct Staging {
    now: Timestamp,
    seq: Seq,
    current: HashMap<ResourceKey, Current>,
    holders: HashMap<(ResourceType, i64), Vec<ResourceId>>,
    type_heads: HashMap<ResourceType, TypeHead>,
    touched: HashSet<ResourceType>,
    /// Current rows of this batch, and whether they replace a row of an earlier batch.
    rows: HashMap<ResourceKey, bool>,
    set: WriteSet,
    entries: Vec<FeedEntry>,
}

impl Staging {
    /// Loads what the plans touch and assume.
    pub(super) async fn load(batch: &mut Batch, plans: &[Result<Plan>], now: Timestamp) -> Result<Self> {
        let mut keys = Vec::new();
        let mut hashes = Vec::new();
        let mut kinds = HashSet::new();
        for plan in plans.iter().flatten() {
            for step in &plan.steps {
                match step {
                    Step::Write(write) => {
                        kinds.insert(write.key.kind);
                        // An id that was just made is nowhere yet.
                        if write.precondition != Precondition::New {
                            keys.push(write.key.clone());
                        }
                    }
                    Step::Delete(delete) => {
                        kinds.insert(delete.key.kind);
                        keys.push(delete.key.clone());
                    }
                    Step::Present(_) => {}
                }
            }
            for assumption in &plan.assumptions {
                match assumption {
                    Assumption::Identified { kind, hash, .. } => hashes.push((*kind, *hash)),
                    Assumption::Unchanged { kind, .. } => _ = kinds.insert(*kind),
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        hashes.sort_unstable();
        hashes.dedup();
        let kinds: Vec<_> = kinds.into_iter().collect();
        let current = if keys.is_empty() { HashMap::new() } else { batch.currents(&keys).await? };
        let mut holders: HashMap<_, Vec<ResourceId>> = hashes.iter().map(|pair| (*pair, Vec::new())).collect();
        for (kind, hash, id) in if hashes.is_empty() { Vec::new() } else { batch.identified(&hashes).await? } {
            holders.entry((kind, hash)).or_default().push(id);
        }
        let type_heads = batch.type_heads(&kinds).await?;
        Ok(Self {
            now,
            seq: batch.head().seq,
            current,
            holders,
            type_heads,
            touched: HashSet::new(),
            rows: HashMap::new(),
            set: WriteSet::default(),
            entries: Vec::new(),
        })
    }

    /// Accepts a plan, or refuses it without a trace.
    pub(super) fn stage(&mut self, plan: Plan) -> Result<Vec<Written>, Refusal> {
        if !plan.assumptions.iter().all(|assumption| self.holds(assumption)) {
            return Err(Refusal::Stale);
        }
        for step in &plan.steps {
            self.check(step).map_err(Refusal::Fault)?;
        }
        let tx = Seq(self.seq.0 + 1);
        Ok(plan.steps.into_iter().map(|step| self.apply(step, tx)).collect())
    }

    /// What is to be written, and what followers get.
    pub(super) fn finish(mut self) -> (WriteSet, Vec<FeedEntry>) {
        self.set.head = Head { seq: self.seq, updated: self.now };
        self.set.type_heads = self.touched.iter().map(|kind| (*kind, self.type_heads[kind])).collect();
        self.set.type_heads.sort_unstable_by_key(|(kind, _)| *kind);
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_unstable();
        for (key, replaces) in rows {
            let Some(current) = self.current.remove(&key) else { continue };
            let row = CurrentRow { key, current };
            if replaces { self.set.currents_updated.push(row) } else { self.set.currents_inserted.push(row) }
        }
        (self.set, self.entries)
    }

    fn holds(&self, assumption: &Assumption) -> bool {
        match assumption {
            Assumption::Identified { kind, hash, holders } => {
                let mut now = self.holders.get(&(*kind, *hash)).cloned().unwrap_or_default();
                now.sort_unstable();
                now == *holders
            }
            Assumption::Unchanged { kind, since } => self.type_heads.get(kind).is_none_or(|head| head.seq <= *since),
        }
    }

    fn check(&self, step: &Step) -> Result<()> {
        let (key, index, wanted) = match step {
            Step::Present(_) => return Ok(()),
            Step::Write(write) => (&write.key, write.index, write.precondition),
            Step::Delete(Delete { key, if_match, index }) => {
                (key, *index, if_match.map_or(Precondition::Any, Precondition::Version))
            }
        };
        let current = self.current.get(key);
        let alive = current.filter(|current| !current.deleted);
        let fault = match (wanted, alive) {
            (Precondition::Any, _) | (Precondition::New | Precondition::Absent, None) => return Ok(()),
            (Precondition::Version(version), Some(current)) if current.version == version => return Ok(()),
            (Precondition::Version(version), Some(current)) => Fault::new(
                Category::PreconditionFailed,
                format!("{key} has version {}, not {version} as If-Match says", current.version),
            ),
            (Precondition::Version(version), None) => Fault::new(
                Category::PreconditionFailed,
                format!("{key} does not exist, so it has no version {version} as If-Match says"),
            ),
            (Precondition::New | Precondition::Absent, Some(_)) => {
                Fault::new(Category::PreconditionFailed, format!("{key} exists already"))
            }
        };
        Err(in_entry(fault, index))
    }

    fn apply(&mut self, step: Step, tx: Seq) -> Written {
        match step {
            Step::Present(stored) => Written { existing: Existing::Unchanged, stored: Some(*stored) },
            Step::Write(write) => self.write(*write, tx),
            Step::Delete(delete) => self.delete(delete, tx),
        }
    }

    fn write(&mut self, write: Write, tx: Seq) -> Written {
        let old = self.current.get(&write.key).cloned();
        let alive = old.as_ref().filter(|old| !old.deleted);
        let kind = if write.precondition == Precondition::New { WriteKind::Create } else { WriteKind::Update };
        if let Some(same) = alive.filter(|old| old.digest == write.digest.to_be_bytes()) {
            let stored = Self::stored(&write, same.version, same.updated, kind);
            return Written { existing: Existing::Unchanged, stored: Some(stored) };
        }
        let existing = if alive.is_some() { Existing::Updated } else { Existing::Created };
        let version = old.as_ref().map_or(1, |old| old.version + 1);
        let stored = Self::stored(&write, version, self.now, kind);
        let Write { key, body, digest, identifiers, values, .. } = write;
        self.set_identifiers(&key, old.as_ref().map_or(&[], |old| &old.identifiers), &identifiers);
        let current =
            Current { seq: Seq(0), version, updated: self.now, deleted: false, digest: digest.to_be_bytes(), identifiers };
        let version_kind = if kind == WriteKind::Create { VersionKind::Create } else { VersionKind::Update };
        self.append(key, current, version_kind, Some(body), tx, Some(values));
        Written { existing, stored: Some(stored) }
    }

    fn delete(&mut self, delete: Delete, tx: Seq) -> Written {
        let Some(old) = self.current.get(&delete.key).filter(|old| !old.deleted).cloned() else {
            return Written { existing: Existing::Absent, stored: None };
        };
        let version = old.version + 1;
        self.set_identifiers(&delete.key, &old.identifiers, &[]);
        let current = Current {
            seq: Seq(0),
            version,
            updated: self.now,
            deleted: true,
            digest: [0; 16],
            identifiers: Box::default(),
        };
        let kind = WriteKind::Delete;
        let stored = Stored { key: delete.key.clone(), version, updated: self.now, body: None, kind };
        self.append(delete.key, current, VersionKind::Delete, None, tx, None);
        Written { existing: Existing::Deleted, stored: Some(stored) }
    }

    /// One more entry of the log.
    fn append(
        &mut self,
        key: ResourceKey,
        mut current: Current,
        kind: VersionKind,
        body: Option<bytes::Bytes>,
        tx: Seq,
        values: Option<crate::search::value::Extracted>,
    ) {
        self.seq = Seq(self.seq.0 + 1);
        let (seq, version, updated) = (self.seq, current.version, self.now);
        current.seq = seq;
        let head = self.type_heads.entry(key.kind).or_default();
        *head = TypeHead { seq, versions: head.versions + 1 };
        self.touched.insert(key.kind);
        let old = self.current.insert(key.clone(), current);
        if let Some(old) = &old {
            self.set.superseded.push(Superseded { key: key.clone(), version: old.version, seq: old.seq });
        }
        self.rows.entry(key.clone()).or_insert(old.is_some());
        self.set.versions.push(VersionRow { seq, key: key.clone(), version, updated, kind, tx, body });
        self.entries.push(FeedEntry { seq, key, version, updated, values });
    }

    fn set_identifiers(&mut self, key: &ResourceKey, old: &[i64], new: &[i64]) {
        for hash in old.iter().filter(|hash| !new.contains(hash)) {
            self.remove_identifier(key, *hash);
        }
        for hash in new.iter().filter(|hash| !old.contains(hash)) {
            self.add_identifier(key, *hash);
        }
    }

    fn add_identifier(&mut self, key: &ResourceKey, hash: i64) {
        if let Some(holders) = self.holders.get_mut(&(key.kind, hash)) {
            holders.push(key.id.clone());
        }
        let row = Identifier { key: key.clone(), hash };
        // Removed and added again within one batch: the row stays.
        match self.set.identifiers_removed.iter().position(|removed| *removed == row) {
            Some(at) => _ = self.set.identifiers_removed.swap_remove(at),
            None => self.set.identifiers_added.push(row),
        }
    }

    fn remove_identifier(&mut self, key: &ResourceKey, hash: i64) {
        if let Some(holders) = self.holders.get_mut(&(key.kind, hash)) {
            holders.retain(|id| *id != key.id);
        }
        let row = Identifier { key: key.clone(), hash };
        match self.set.identifiers_added.iter().position(|added| *added == row) {
            Some(at) => _ = self.set.identifiers_added.swap_remove(at),
            None => self.set.identifiers_removed.push(row),
        }
    }

    fn stored(write: &Write, version: i64, updated: Timestamp, kind: WriteKind) -> Stored {
        let body = body::splice(&write.json, write.splice, version, updated);
        Stored { key: write.key.clone(), version, updated, body: Some(body), kind }
    }
}
