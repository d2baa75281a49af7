//! What the Writer decides: pure, over the state that was loaded for a batch.
//!
//! Staging accepts or refuses one plan after another. Each sees the state as of everything accepted
//! before it. A plan is checked whole before anything of it is applied, so a refused plan leaves no trace.

use std::collections::HashSet;

use hashbrown::HashMap;

use super::face::{Existing, IfMatch, Stored, WriteKind, Written};
use super::feed::FeedEntry;
use super::integrity::Links;
use super::plan::{Assumption, Delete, Plan, Precondition, Step, Write, in_entry};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::value::Extracted;
use crate::store::{Batch, Current, Head, Identifier, TypeHead, VersionKind, VersionRow, WriteSet, body};

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
    /// Hashes of the identifiers of resources that exist and are written.
    identifiers: HashMap<ResourceKey, Vec<i64>>,
    type_heads: HashMap<ResourceType, TypeHead>,
    set: WriteSet,
    entries: Vec<FeedEntry>,
    /// The references, where they are enforced.
    links: Option<Links>,
}

impl Staging {
    /// Loads what the plans touch and assume.
    pub(super) async fn load(
        batch: &mut Batch,
        plans: &[Result<Plan>],
        now: Timestamp,
        links: Option<Links>,
    ) -> Result<Self> {
        let mut keys = Vec::new();
        let mut linked = Vec::new();
        let mut hashes = Vec::new();
        let mut kinds = HashSet::new();
        for plan in plans.iter().flatten() {
            for step in &plan.steps {
                match step {
                    Step::Write(write) => {
                        kinds.insert(write.key.kind);
                        linked.extend(write.references.iter().cloned());
                        // An id that was just made is nowhere yet.
                        if write.precondition != Precondition::New {
                            keys.push(write.key.clone());
                        }
                    }
                    Step::Delete(deletes) => {
                        kinds.extend(deletes.iter().map(|delete| delete.key.kind));
                        keys.extend(deletes.iter().map(|delete| delete.key.clone()));
                    }
                    Step::Present(_) => {}
                }
            }
            for assumption in &plan.assumptions {
                match assumption {
                    Assumption::Identified { kind, hash, .. } => hashes.push((*kind, *hash)),
                    Assumption::Unchanged { kind, .. } => _ = kinds.insert(*kind),
                    // It is written too, and so among the keys.
                    Assumption::Current { .. } => {}
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        hashes.sort_unstable();
        hashes.dedup();
        let kinds: Vec<_> = kinds.into_iter().collect();
        let mut current = batch.currents(&keys).await?;
        let existing: Vec<_> = current.keys().cloned().collect();
        linked.retain(|key| !current.contains_key(key));
        linked.sort_unstable();
        linked.dedup();
        current.extend(batch.currents(&linked).await?);
        let mut identifiers: HashMap<ResourceKey, Vec<i64>> = HashMap::new();
        for Identifier { key, hash } in batch.identifiers_of(&existing).await? {
            identifiers.entry(key).or_default().push(hash);
        }
        let mut holders: HashMap<_, Vec<ResourceId>> = hashes.iter().map(|pair| (*pair, Vec::new())).collect();
        for (kind, hash, id) in batch.identified(&hashes).await? {
            holders.entry((kind, hash)).or_default().push(id);
        }
        let type_heads = batch.type_heads(&kinds).await?;
        Ok(Self {
            now,
            seq: batch.head().seq,
            current,
            holders,
            identifiers,
            type_heads,
            set: WriteSet::new(),
            entries: Vec::new(),
            links,
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
        if let Some(links) = &self.links {
            links.check(&plan, &self.current).map_err(Refusal::Fault)?;
        }
        let tx = Seq(self.seq.0 + 1);
        let written = plan.steps.into_iter().map(|step| self.apply(step, tx)).collect();
        if let Some(last) = self.entries.last_mut() {
            last.is_last = true;
        }
        Ok(written)
    }

    /// What is to be written, the head after it, and what followers get.
    pub(super) fn finish(mut self) -> (WriteSet, Head, Vec<FeedEntry>) {
        if let Some(links) = &mut self.links {
            links.finish(&mut self.set, self.seq);
        }
        (self.set, Head { seq: self.seq, updated: self.now }, self.entries)
    }

    fn holds(&self, assumption: &Assumption) -> bool {
        match assumption {
            Assumption::Identified { kind, hash, holders } => {
                let mut now = self.holders.get(&(*kind, *hash)).cloned().unwrap_or_default();
                now.sort_unstable();
                now == *holders
            }
            Assumption::Unchanged { kind, since } => self.type_heads.get(kind).is_none_or(|head| head.seq <= *since),
            Assumption::Current { key, version } => self.current.get(key).map_or(0, |c| c.version) == *version,
        }
    }

    fn check(&self, step: &Step) -> Result<()> {
        match step {
            Step::Present(_) => Ok(()),
            Step::Write(write) => {
                let expected = match self.comes_back(&write.key, &write.precondition) {
                    true => Ok(()),
                    false => self.expect(&write.key, &write.precondition),
                };
                let checked = expected.and_then(|()| self.may_create(write));
                checked.map_err(|fault| in_entry(fault, write.index))
            }
            Step::Delete(deletes) => deletes.iter().try_for_each(|delete| {
                let wanted = delete.if_match.clone().map_or(Precondition::Any, Precondition::Match);
                self.expect(&delete.key, &wanted).map_err(|fault| in_entry(fault, delete.index))
            }),
        }
    }

    /// Whether a write brings back what was deleted with the version that it names (FHIR R4 `http.html`, 3.1.0.7).
    fn comes_back(&self, key: &ResourceKey, wanted: &Precondition) -> bool {
        let Precondition::Match(IfMatch::Versions(versions)) = wanted else { return false };
        self.current.get(key).is_some_and(|current| current.deleted && versions.contains(&current.version))
    }

    fn expect(&self, key: &ResourceKey, wanted: &Precondition) -> Result<()> {
        let alive = self.current.get(key).filter(|current| !current.deleted);
        let (category, message) = match (wanted, alive) {
            (Precondition::Any, _) | (Precondition::New | Precondition::NoneMatch(_) | Precondition::Unused, None) => {
                return Ok(());
            }
            (Precondition::Match(versions), Some(current)) if versions.has(current.version) => return Ok(()),
            (Precondition::Match(_), Some(current)) => {
                let message = format!("{key} has version {}, none that If-Match names", current.version);
                (Category::PreconditionFailed, message)
            }
            (Precondition::Match(_), None) => {
                let message = format!("{key} does not exist, so it has no version that If-Match names");
                (Category::PreconditionFailed, message)
            }
            (Precondition::NoneMatch(versions), Some(current)) if !versions.has(current.version) => return Ok(()),
            (Precondition::NoneMatch(IfMatch::Versions(_)), Some(current)) => {
                let message = format!("{key} has version {}, which If-None-Match names", current.version);
                (Category::PreconditionFailed, message)
            }
            (Precondition::New | Precondition::NoneMatch(IfMatch::Any), Some(_)) => {
                (Category::PreconditionFailed, format!("{key} exists already"))
            }
            (Precondition::Unused, Some(_)) => {
                (Category::Conflict, format!("{key} exists already, and the condition does not find it"))
            }
        };
        Err(Fault::new(category, message))
    }

    /// Update as create only where it is allowed (FHIR R4 `http.html`, 3.1.0.4.1); what was deleted may come back.
    fn may_create(&self, write: &Write) -> Result<()> {
        if write.may_create || self.current.contains_key(&write.key) {
            return Ok(());
        }
        let message = format!("{} is not known, and a client may not choose ids here", write.key);
        Err(Fault::new(Category::MethodNotAllowed, message))
    }

    fn apply(&mut self, step: Step, tx: Seq) -> Written {
        match step {
            Step::Present(stored) => Written { existing: Existing::Unchanged, stored: Some(*stored) },
            Step::Write(write) => self.write(*write, tx),
            Step::Delete(deletes) => self.delete_all(deletes, tx),
        }
    }

    fn delete_all(&mut self, mut deletes: Vec<Delete>, tx: Seq) -> Written {
        match (deletes.pop(), deletes.len()) {
            (None, _) => Written { existing: Existing::Absent, stored: None },
            (Some(one), 0) => self.delete(one, tx),
            (Some(last), _) => {
                deletes.push(last);
                let done = deletes.into_iter().map(|delete| self.delete(delete, tx));
                let count = done.filter(|written| written.existing == Existing::Deleted).count();
                Written { existing: Existing::DeletedMany(count), stored: None }
            }
        }
    }

    fn write(&mut self, write: Write, tx: Seq) -> Written {
        let old = self.current.get(&write.key).copied();
        let alive = old.filter(|old| !old.deleted);
        let kind = if write.precondition == Precondition::New { WriteKind::Create } else { WriteKind::Update };
        let digest = write.digest.to_be_bytes();
        if let Some(same) = alive.filter(|old| old.digest == digest) {
            let stored = Self::stored(&write, same.version, same.updated, kind);
            return Written { existing: Existing::Unchanged, stored: Some(stored) };
        }
        let existing = if alive.is_some() { Existing::Updated } else { Existing::Created };
        let version = old.map_or(1, |old| old.version + 1);
        let stored = Self::stored(&write, version, self.now, kind);
        let Write { key, body, identifiers, values, references, .. } = write;
        if let Some(links) = &mut self.links {
            links.set(&key, &references);
        }
        self.set_identifiers(&key, identifiers.into_vec());
        let kind = if kind == WriteKind::Create { VersionKind::Create } else { VersionKind::Update };
        let row = VersionRow { seq: self.next(), key, version, updated: self.now, kind, tx, body: Some(body) };
        self.append(row, digest, Some(values));
        Written { existing, stored: Some(stored) }
    }

    fn delete(&mut self, delete: Delete, tx: Seq) -> Written {
        let Some(old) = self.current.get(&delete.key).copied().filter(|old| !old.deleted) else {
            return Written { existing: Existing::Absent, stored: None };
        };
        let (key, version, updated) = (delete.key, old.version + 1, self.now);
        self.set_identifiers(&key, Vec::new());
        if let Some(links) = &mut self.links {
            links.set(&key, &[]);
        }
        let stored = Stored { key: key.clone(), version, updated, body: None, kind: WriteKind::Delete };
        let row = VersionRow { seq: self.next(), key, version, updated, kind: VersionKind::Delete, tx, body: None };
        self.append(row, [0; 16], None);
        Written { existing: Existing::Deleted, stored: Some(stored) }
    }

    fn next(&mut self) -> Seq {
        self.seq = Seq(self.seq.0 + 1);
        self.seq
    }

    /// One more entry of the log.
    fn append(&mut self, row: VersionRow, digest: [u8; 16], values: Option<Extracted>) {
        let VersionRow { seq, version, updated, .. } = row;
        let (key, deleted) = (row.key.clone(), row.kind == VersionKind::Delete);
        let head = self.type_heads.entry(key.kind).or_default();
        *head = TypeHead { seq, versions: head.versions + 1 };
        let before = self.current.insert(key.clone(), Current { seq, version, updated, deleted, digest });
        self.set.record(row, before.as_ref(), digest);
        self.entries.push(FeedEntry { seq, key, version, updated, values, is_last: false });
    }

    fn set_identifiers(&mut self, key: &ResourceKey, new: Vec<i64>) {
        let old = self.identifiers.remove(key).unwrap_or_default();
        for hash in old.iter().filter(|hash| !new.contains(hash)) {
            self.remove_identifier(key, *hash);
        }
        for hash in new.iter().filter(|hash| !old.contains(hash)) {
            self.add_identifier(key, *hash);
        }
        if !new.is_empty() {
            self.identifiers.insert(key.clone(), new);
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
        // The splice was made with the JSON, so it lies inside.
        let body = body::complete(&write.json, write.splice, version, updated).unwrap_or_default();
        Stored { key: write.key.clone(), version, updated, body: Some(body), kind }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smallvec::smallvec;

    use super::*;
    use crate::base::id::Tenant;
    use crate::fhir::json::{Json, parse};
    use crate::repo::plan::{encode_write, identifier_hash};
    use crate::search::params::ParamSet;
    use crate::store::{Store, StoreConfig};

    const T: Tenant = Tenant::DEFAULT;

    async fn store(folder: &tempfile::TempDir) -> Store {
        Store::open(StoreConfig::Sqlite { folder: folder.path().into(), readers: 1 }).await.expect("a store")
    }

    fn key(id: &str) -> ResourceKey {
        ResourceKey::new(ResourceType::find("Patient").expect("a type"), ResourceId::parse(id).expect("an id"))
    }

    fn resource(id: &str, mrn: &str) -> Json {
        let text =
            format!(r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"s","value":"{mrn}"}}]}}"#);
        parse(text.as_bytes()).expect("JSON")
    }

    fn put(id: &str, mrn: &str, precondition: Precondition) -> Step {
        let official = ParamSet::default();
        let write = encode_write(&resource(id, mrn), key(id), precondition, &official, "http://x");
        Step::Write(Box::new(write.expect("a write")))
    }

    fn version(number: i64) -> Precondition {
        Precondition::Match(IfMatch::Versions(smallvec![number]))
    }

    fn plan(steps: Vec<Step>) -> Result<Plan> {
        Ok(Plan { steps, assumptions: Vec::new() })
    }

    fn unless(mrn: &str, holders: &[&str], steps: Vec<Step>) -> Result<Plan> {
        let holders = holders.iter().map(|id| key(id).id).collect();
        let hash = identifier_hash(Some("s"), mrn);
        Ok(Plan { steps, assumptions: vec![Assumption::Identified { kind: key("a").kind, hash, holders }] })
    }

    fn delete(id: &str) -> Step {
        Step::Delete(vec![Delete { key: key(id), if_match: None, index: None }])
    }

    /// Stages plans as one batch and commits it; tells what became of each.
    async fn batch(store: &Store, plans: Vec<Result<Plan>>) -> Vec<String> {
        let mut batch = store.begin(T).await.expect("a batch");
        let mut staging = Staging::load(&mut batch, &plans, Timestamp(1_000_000), None).await.expect("loaded");
        let told = plans
            .into_iter()
            .map(|plan| match staging.stage(plan.expect("a plan")) {
                Ok(written) => written
                    .iter()
                    .map(|w| format!("{:?} {}", w.existing, w.stored.as_ref().map_or(0, |s| s.version)))
                    .collect::<Vec<_>>()
                    .join(", "),
                Err(Refusal::Stale) => "stale".to_owned(),
                Err(Refusal::Fault(fault)) => fault.category().status().to_string(),
            })
            .collect();
        let (set, _, entries) = staging.finish();
        if !entries.is_empty() {
            batch.write(&set).await.expect("written");
            batch.commit().await.expect("committed");
        }
        told
    }

    #[tokio::test]
    async fn plans_of_a_batch_see_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let told = batch(
            &store,
            vec![
                unless("1", &[], vec![put("a", "1", Precondition::New)]),
                unless("1", &[], vec![put("b", "1", Precondition::New)]),
                plan(vec![put("a", "2", version(1))]),
                plan(vec![put("a", "3", version(1))]),
                unless("1", &[], vec![put("c", "1", Precondition::New)]),
                unless("2", &["a"], vec![put("d", "4", Precondition::Any)]),
            ],
        )
        .await;
        assert_eq!(told, ["Created 1", "stale", "Updated 2", "412", "Created 1", "Created 1"]);
        let found = store.identified(T, &[(key("a").kind, identifier_hash(Some("s"), "1"))]).await.expect("found");
        assert_eq!(found.len(), 1, "a has lost the identifier, c has it");
        assert_eq!(found[0].2, key("c").id);
    }

    #[tokio::test]
    async fn a_refused_plan_leaves_no_trace() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let told = batch(
            &store,
            vec![
                plan(vec![put("a", "1", Precondition::New), put("b", "1", version(7))]),
                plan(vec![put("b", "1", Precondition::NoneMatch(IfMatch::Any))]),
                plan(vec![put("b", "1", Precondition::NoneMatch(IfMatch::Any))]),
            ],
        )
        .await;
        assert_eq!(told, ["412", "Created 1", "412"]);
        assert_eq!(store.head(T).await.expect("a head").seq, Seq(1));
        assert!(store.read(T, &key("a")).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn versions_go_on_over_deletions_and_equal_bodies_make_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let any = |mrn: &str| plan(vec![put("a", mrn, Precondition::Any)]);
        assert_eq!(batch(&store, vec![any("1"), any("1")]).await, ["Created 1", "Unchanged 1"]);
        assert_eq!(batch(&store, vec![any("1"), plan(vec![delete("a")])]).await, ["Unchanged 1", "Deleted 2"]);
        assert_eq!(
            batch(&store, vec![plan(vec![delete("a")]), plan(vec![delete("x")])]).await,
            ["Absent 0", "Absent 0"]
        );
        assert_eq!(batch(&store, vec![any("1")]).await, ["Created 3"]);
        let rows = store.log(T, Seq(0), 10).await.expect("the log");
        let shape: Vec<_> = rows.iter().map(|row| (row.seq.0, row.version, row.body.is_some())).collect();
        assert_eq!(shape, [(1, 1, true), (2, 2, false), (3, 3, true)]);
        let stored = Arc::new(rows[2].clone());
        let text = body::decode(stored.body.as_ref().expect("a body"), stored.version, stored.updated).expect("JSON");
        let expected = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:01.000Z"},"identifier":[{"system":"s","value":"1"}]}"#;
        assert_eq!(std::str::from_utf8(&text).expect("UTF-8"), expected);
    }

    #[tokio::test]
    async fn what_was_deleted_comes_back_on_the_version_of_its_deletion() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let put = |mrn: &str, number| plan(vec![put("a", mrn, version(number))]);
        let made = batch(&store, vec![plan(vec![super::tests::put("a", "1", Precondition::Any), delete("a")])]).await;
        assert_eq!(made, ["Created 1, Deleted 2"]);
        assert_eq!(
            batch(&store, vec![put("2", 1), put("2", 3), put("2", 2), put("3", 2)]).await,
            ["412", "412", "Created 3", "412"]
        );
        let stale =
            Step::Delete(vec![Delete { key: key("a"), if_match: Some(IfMatch::Versions(smallvec![2])), index: None }]);
        assert_eq!(batch(&store, vec![plan(vec![stale])]).await, ["412"]);
    }

    #[tokio::test]
    async fn conditions_name_several_versions_or_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let of = |versions: &[i64]| IfMatch::Versions(versions.into());
        let put = |mrn: &str, wanted| plan(vec![put("a", mrn, wanted)]);
        let told = batch(
            &store,
            vec![
                put("1", Precondition::Match(IfMatch::Any)),
                put("1", Precondition::NoneMatch(of(&[1]))),
                put("2", Precondition::NoneMatch(of(&[1]))),
                put("2", Precondition::Match(of(&[]))),
                put("2", Precondition::Match(of(&[7, 1]))),
                put("3", Precondition::NoneMatch(of(&[1]))),
                put("4", Precondition::Match(IfMatch::Any)),
                plan(vec![Step::Delete(vec![Delete { key: key("a"), if_match: Some(IfMatch::Any), index: None }])]),
                put("5", Precondition::Match(IfMatch::Any)),
                put("5", Precondition::Match(of(&[3, 5]))),
            ],
        )
        .await;
        let expected =
            ["412", "Created 1", "412", "412", "Updated 2", "Updated 3", "Updated 4", "Deleted 5", "412", "Created 6"];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn a_search_is_stale_when_its_type_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let searched = |since, id: &str| {
            let assumptions = vec![Assumption::Unchanged { kind: key("a").kind, since: Seq(since) }];
            Ok(Plan { steps: vec![put(id, "1", Precondition::New)], assumptions })
        };
        assert_eq!(batch(&store, vec![searched(0, "a"), searched(0, "b")]).await, ["Created 1", "stale"]);
        assert_eq!(batch(&store, vec![searched(0, "b")]).await, ["stale"]);
        assert_eq!(batch(&store, vec![searched(1, "b")]).await, ["Created 1"]);
    }
}
