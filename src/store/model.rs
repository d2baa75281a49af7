//! The store as plain lists in memory, and a random script of operations that must give the same answers on both.

use std::collections::{BTreeMap, BTreeSet};

use super::body::{self, Splice};
use super::*;
use crate::base::clock::Timestamp;
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// Numbers that repeat with their seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

pub fn key(kind: &str, id: &str) -> ResourceKey {
    ResourceKey::new(ResourceType::find(kind).unwrap(), ResourceId::parse(id).unwrap())
}

/// A small stored body.
pub fn stored(text: &str) -> bytes::Bytes {
    let json = format!(r#"{{"resourceType":"Basic","id":"{text}"}}"#);
    body::encode(json.as_bytes(), Splice { offset: 1, place: body::Place::Absent }).unwrap().into()
}

/// One tenant's data.
#[derive(Default, Clone)]
pub struct Model {
    pub log: Vec<VersionRow>,
    pub identifiers: BTreeSet<(ResourceType, i64, ResourceId)>,
    pub claims: BTreeSet<Claim>,
    pub jobs: BTreeMap<String, NewJob>,
    pub updated: Timestamp,
}

impl Model {
    fn versions(&self, key: &ResourceKey) -> Vec<&VersionRow> {
        self.log.iter().filter(|row| row.key == *key).collect()
    }

    /// Plans a batch of some transactions, into the model and into a set.
    pub fn random_batch(&mut self, dice: &mut Dice, set: &mut WriteSet) {
        let before = self.clone();
        for _ in 0..=dice.below(6) {
            self.updated.0 += dice.below(2) as i64 * 1000;
            let tx = self.log.len() as i64 + 1;
            let most = if dice.below(20) == 0 { 400 } else { 4 };
            for _ in 0..=dice.below(most) {
                self.random_version(dice, tx, &before, set);
            }
        }
        if dice.below(3) == 0 {
            self.random_claim(dice, set);
        }
        if dice.below(3) == 0 {
            let id = format!("job-{}", self.jobs.len());
            let due = Timestamp(dice.below(100) as i64);
            let job = NewJob { id: id.clone(), kind: "mail".into(), payload: id.clone().into(), due };
            set.jobs.push(job.clone());
            self.jobs.insert(id, job);
        }
    }

    fn random_version(&mut self, dice: &mut Dice, tx: i64, before: &Self, set: &mut WriteSet) {
        let kind = ["Patient", "Observation", "Slot"][dice.below(3) as usize];
        let key = key(kind, &format!("r{}", dice.below(40)));
        let latest = self.versions(&key).last().map(|row| (row.version, row.kind));
        let kind = match (latest, dice.below(4)) {
            (Some((_, kind)), 0) if kind != VersionKind::Delete => VersionKind::Delete,
            (None, 0 | 1) => VersionKind::Create,
            _ => VersionKind::Update,
        };
        let seq = self.log.len() as i64 + 1;
        let version = latest.map_or(1, |(version, _)| version + 1);
        let body = (kind != VersionKind::Delete).then(|| stored(&format!("{seq}")));
        let row =
            VersionRow { seq: Seq(seq), key: key.clone(), version, updated: self.updated, kind, tx: Seq(tx), body };
        let known = before.current(&key);
        set.record(row.clone(), known.as_ref(), digest(&row));
        self.log.push(row);
        let hash = dice.below(12) as i64 - 6;
        let identifier = (key.kind, hash, key.id.clone());
        let touched = set.identifiers_added.iter().chain(&set.identifiers_removed);
        if touched.into_iter().all(|other| other.key != key) {
            let remove = self.identifiers.remove(&identifier);
            let list = if remove { &mut set.identifiers_removed } else { &mut set.identifiers_added };
            list.push(Identifier { key, hash });
            if !remove {
                self.identifiers.insert(identifier);
            }
        }
    }

    fn random_claim(&mut self, dice: &mut Dice, set: &mut WriteSet) {
        let (subject, starts) = (format!("Practitioner/{}", dice.below(3)), dice.below(200) as i64);
        let (starts, ends) = (Timestamp(starts), Timestamp(starts + 1 + dice.below(20) as i64));
        for old in self.overlapping(&subject, starts, ends) {
            self.claims.remove(&old);
            set.claims_removed.push(old);
        }
        let claim = Claim { subject, starts, ends, holder: key("Appointment", "a") };
        self.claims.insert(claim.clone());
        set.claims_added.push(claim);
    }

    pub fn overlapping(&self, subject: &str, starts: Timestamp, ends: Timestamp) -> Vec<Claim> {
        let overlaps = |claim: &&Claim| claim.subject == subject && claim.starts < ends && claim.ends > starts;
        self.claims.iter().filter(overlaps).cloned().collect()
    }

    pub fn identifiers_of(&self, keys: &[ResourceKey]) -> Vec<Identifier> {
        let all = self.identifiers.iter();
        let all = all.map(|(kind, hash, id)| Identifier { key: ResourceKey::new(*kind, id.clone()), hash: *hash });
        let mut held: Vec<_> = all.filter(|identifier| keys.contains(&identifier.key)).collect();
        held.sort();
        held
    }

    pub fn current(&self, key: &ResourceKey) -> Option<Current> {
        let row = self.versions(key).pop()?;
        let deleted = !row.kind.has_body();
        Some(Current { seq: row.seq, version: row.version, updated: row.updated, deleted, digest: digest(row) })
    }

    /// Compares every read with the store's answer.
    pub async fn compare(&self, store: &Store, tenant: Tenant, dice: &mut Dice) {
        let head = store.head(tenant).await.unwrap();
        let last = self.log.last().map_or(Head::default(), |row| Head { seq: row.seq, updated: row.updated });
        assert_eq!(head, last);
        let after = dice.below(self.log.len() as u64 + 1) as usize;
        let page = dice.below(30) as usize + 1;
        let rows = store.log(tenant, Seq(after as i64), page).await.unwrap();
        assert_eq!(rows, self.log[after..].iter().take(page).cloned().collect::<Vec<_>>());

        let seqs: Vec<_> =
            (0..dice.below(600)).map(|_| Seq(dice.below(self.log.len().max(1) as u64) as i64 + 1)).collect();
        if !self.log.is_empty() {
            let rows = store.by_seqs(tenant, &seqs).await.unwrap();
            let expected: Vec<_> = seqs.iter().map(|seq| self.log[seq.0 as usize - 1].clone()).collect();
            assert_eq!(rows, expected);
        }
        self.compare_keys(store, tenant, dice).await;
        self.compare_history(store, tenant, dice).await;
        self.compare_types(store, tenant, dice).await;
        let starts = Timestamp(dice.below(200) as i64);
        let ends = Timestamp(starts.0 + 30);
        let claims = store.claims_overlapping(tenant, "Practitioner/1", starts, ends).await.unwrap();
        assert_eq!(claims, self.overlapping("Practitioner/1", starts, ends));
    }

    async fn compare_keys(&self, store: &Store, tenant: Tenant, dice: &mut Dice) {
        let keys: Vec<_> = (0..45).map(|n| key(["Patient", "Observation", "Slot"][n % 3], &format!("r{n}"))).collect();
        let currents = store.currents(tenant, &keys).await.unwrap();
        for key in &keys {
            assert_eq!(currents.get(key).copied(), self.current(key));
        }
        for key in keys.iter().skip(dice.below(9) as usize).step_by(9) {
            let versions = self.versions(key);
            assert_eq!(store.read(tenant, key).await.unwrap().as_ref(), versions.last().copied());
            let version = dice.below(versions.len() as u64 + 2) as i64;
            let expected = versions.iter().find(|row| row.version == version).copied();
            assert_eq!(store.read_version(tenant, key, version).await.unwrap().as_ref(), expected);

            let below = (dice.below(2) == 0).then(|| dice.below(8) as i64 + 1);
            let since = (dice.below(2) == 0).then(|| Timestamp(dice.below(self.updated.0 as u64 + 2000) as i64));
            let limit = dice.below(6) as usize + 1;
            let counted = versions.iter().filter(|row| since.is_none_or(|since| row.updated >= since));
            let expected: Vec<_> = counted
                .clone()
                .rev()
                .filter(|row| below.is_none_or(|b| row.version < b))
                .take(limit)
                .copied()
                .cloned()
                .collect();
            assert_eq!(store.instance_history(tenant, key, below, since, limit).await.unwrap(), expected);
            let up_to = dice.below(versions.len() as u64 + 2) as i64;
            let counted = counted.filter(|row| row.version <= up_to).count() as u64;
            assert_eq!(store.instance_count(tenant, key, since, up_to).await.unwrap(), counted);
        }
    }

    async fn compare_history(&self, store: &Store, tenant: Tenant, dice: &mut Dice) {
        let time = Timestamp(dice.below(self.updated.0 as u64 + 2000) as i64);
        let first = self.log.iter().find(|row| row.updated >= time).map_or(self.log.len() as i64 + 1, |row| row.seq.0);
        assert_eq!(store.position(tenant, time).await.unwrap(), Seq(first));
        let mut place = || Seq(dice.below(self.log.len() as u64 + 2) as i64);
        let window = Window { from: place(), below: place(), current_at: place() };
        let replaced = |row: &VersionRow| {
            let mut later = self.log.iter().filter(|next| next.key == row.key && next.version == row.version + 1);
            later.any(|next| next.seq < window.current_at)
        };
        let is_in = |row: &&VersionRow| {
            row.seq >= window.from && row.seq < window.below && (row.seq >= window.current_at || !replaced(row))
        };
        let one = key("Slot", "r5");
        for whose in [Versions::All, Versions::Type(one.kind), Versions::Of(&one)] {
            let is_meant = |row: &&VersionRow| match whose {
                Versions::All => true,
                Versions::Type(kind) => row.key.kind == kind,
                Versions::Of(key) => row.key == *key,
            };
            let expected: Vec<_> = self.log.iter().rev().filter(is_meant).filter(is_in).take(9).cloned().collect();
            assert_eq!(store.history(tenant, whose, window, 9).await.unwrap(), expected, "{whose:?} {window:?}");
        }
    }

    async fn compare_types(&self, store: &Store, tenant: Tenant, dice: &mut Dice) {
        let kinds: Vec<_> = ["Patient", "Slot", "Task"].iter().map(|name| ResourceType::find(name).unwrap()).collect();
        let heads = store.type_heads(tenant, &kinds).await.unwrap();
        for kind in kinds {
            let of_type = self.log.iter().filter(|row| row.key.kind == kind);
            let seq = of_type.clone().next_back().map(|row| row.seq);
            let head = seq.map(|seq| TypeHead { seq, versions: of_type.clone().count() as i64 });
            assert_eq!(heads.get(&kind).copied(), head);
            let below = (dice.below(2) == 0).then(|| Seq(dice.below(self.log.len() as u64 + 2) as i64));
            let since = (dice.below(2) == 0).then(|| Timestamp(dice.below(self.updated.0 as u64 + 2000) as i64));
            let counted = of_type.filter(|row| since.is_none_or(|since| row.updated >= since));
            let page = counted.clone().rev().filter(|row| below.is_none_or(|below| row.seq < below)).take(7).cloned();
            assert_eq!(store.type_history(tenant, kind, below, since, 7).await.unwrap(), page.collect::<Vec<_>>());
            let last = seq.unwrap_or(Seq(0));
            assert_eq!(store.type_count(tenant, kind, since).await.unwrap(), (counted.count() as u64, last));
            let hashes: Vec<_> = (-3..4).map(|hash| (kind, hash)).collect();
            let wanted = self.identifiers.iter().filter(|(k, hash, _)| *k == kind && (-3..4).contains(hash));
            assert_eq!(store.identified(tenant, &hashes).await.unwrap(), wanted.cloned().collect::<Vec<_>>());
        }
    }
}

/// Some digest that differs from version to version.
pub fn digest(row: &VersionRow) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&row.seq.0.to_be_bytes());
    digest
}
