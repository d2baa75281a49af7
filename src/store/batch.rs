//! The Writer's batch: lock the tenant's head, look, write, commit.
//!
//! Between [`Store::begin`] and [`Batch::commit`] nobody else changes anything of the tenant, on any node. What the batch
//! reads is therefore still true when it commits.

use hashbrown::HashMap;

use super::claims;
use super::db::{CommitFault, Driver, Transaction};
use super::error::corrupt;
use super::handle::Store;
use super::many;
use super::referrals::{self, Referral};
use super::row::{Claim, Current, Head, TypeHead, VersionRow};
use super::sql::{Rows, Statement, Text, fixed};
use super::value::Value;
use super::versions;
use super::writeset::{CurrentWrite, Identifier, WriteSet};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

pub(super) const ADD_HEAD: Statement = fixed(
    "heads: insert",
    // Not of one that was removed: another node may still have it open.
    "INSERT INTO heads (tenant, seq, updated) SELECT CAST($1 AS BIGINT), 0, 0 WHERE NOT EXISTS \
     (SELECT 1 FROM tenants WHERE tenant = $1 AND name LIKE '!%') ON CONFLICT (tenant) DO NOTHING",
);
const SET_HEAD: Statement =
    fixed("heads: update", "UPDATE heads SET seq = $2, updated = $3 WHERE tenant = $1 AND seq = $4 AND updated <= $3");
static INSERT_VERSIONS: Rows = Rows::new(
    "versions: insert",
    "INSERT INTO versions (tenant, seq, type, id, version, updated, kind, tx, body) VALUES",
    9,
    "",
);
static INSERT_CURRENT: Rows = Rows::new(
    "current: insert",
    "INSERT INTO current (tenant, type, id, seq, version, updated, deleted, digest) VALUES",
    8,
    "",
);
static UPDATE_CURRENT: Rows = Rows::new(
    "current: update",
    "INSERT INTO current (tenant, type, id, seq, version, updated, deleted, digest) VALUES",
    8,
    " ON CONFLICT (tenant, type, id) DO UPDATE SET seq = excluded.seq, version = excluded.version,
        updated = excluded.updated, deleted = excluded.deleted, digest = excluded.digest",
);
static INSERT_SUPERSEDED: Rows =
    Rows::new("superseded: insert", "INSERT INTO superseded (tenant, type, id, version, seq) VALUES", 5, "");
static ADD_TYPE_HEADS: Rows = Rows::new(
    "type_heads: update",
    "INSERT INTO type_heads (tenant, type, seq, versions) VALUES",
    4,
    " ON CONFLICT (tenant, type) DO UPDATE SET seq = excluded.seq, versions = type_heads.versions + excluded.versions",
);
static INSERT_IDENTIFIERS: Rows = Rows::new(
    "identifiers: insert",
    "INSERT INTO identifiers (tenant, type, hash, id) VALUES",
    4,
    " ON CONFLICT (tenant, type, hash, id) DO NOTHING",
);
static DELETE_IDENTIFIERS: Rows =
    Rows::new("identifiers: delete", "DELETE FROM identifiers WHERE (tenant, type, hash, id) IN (VALUES", 4, ")");
static INSERT_JOBS: Rows = Rows::new(
    "jobs: insert",
    "INSERT INTO jobs (tenant, id, kind, payload, due, attempts, failed, lease_until, error) VALUES",
    9,
    "",
);

/// A transaction that holds the tenant's head. Dropping it rolls back.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    tenant: Tenant,
    pub(super) transaction: Transaction,
    head: Head,
    /// What was written last, to recognise the batch after a broken connection.
    last: Option<VersionRow>,
}

impl Store {
    /// Begins a batch: waits for the tenant's head and locks it.
    ///
    /// # Errors
    /// 503 when it does not become free in time or the database is away.
    pub async fn begin(&self, tenant: Tenant) -> Result<Batch> {
        let mut transaction = self.pools.begin().await?;
        let head = lock_head(&mut transaction.driver(), tenant).await?;
        Ok(Batch { store: self.clone(), tenant, transaction, head, last: None })
    }
}

async fn lock_head(driver: &mut Driver<'_>, tenant: Tenant) -> Result<Head> {
    let text = match driver.dialect().for_update() {
        "" => Text::Fixed("SELECT seq, updated FROM heads WHERE tenant = $1"),
        _ => Text::Fixed("SELECT seq, updated FROM heads WHERE tenant = $1 FOR UPDATE"),
    };
    let statement = Statement { what: "heads: lock", text };
    let mut row = driver.fetch_optional(&statement, vec![tenant.0.into()]).await?;
    if row.is_none() {
        driver.execute(&ADD_HEAD, vec![tenant.0.into()]).await?;
        row = driver.fetch_optional(&statement, vec![tenant.0.into()]).await?;
    }
    let row = row.ok_or_else(|| Fault::not_found("there is no such tenant"))?;
    Ok(Head { seq: Seq(row.i64(0)?), updated: Timestamp(row.i64(1)?) })
}

impl Batch {
    /// Whose batch it is.
    pub(super) fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// The head: as locked, or as written by this batch.
    pub fn head(&self) -> Head {
        self.head
    }

    /// As [`Store::currents`], seeing what this batch wrote.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn currents(&mut self, keys: &[ResourceKey]) -> Result<HashMap<ResourceKey, Current>> {
        versions::currents(&mut self.transaction.driver(), self.tenant, keys).await
    }

    /// As [`Store::identified`], seeing what this batch wrote.
    ///
    /// # Errors
    /// From the database.
    pub async fn identified(&mut self, hashes: &[(ResourceType, i64)]) -> Result<Vec<(ResourceType, i64, ResourceId)>> {
        versions::identified(&mut self.transaction.driver(), self.tenant, hashes).await
    }

    /// The identifiers of resources, seeing what this batch wrote.
    ///
    /// # Errors
    /// From the database.
    pub async fn identifiers_of(&mut self, keys: &[ResourceKey]) -> Result<Vec<Identifier>> {
        versions::identifiers_of(&mut self.transaction.driver(), self.tenant, keys).await
    }

    /// As [`Store::type_heads`], seeing what this batch wrote.
    ///
    /// # Errors
    /// From the database.
    pub async fn type_heads(&mut self, kinds: &[ResourceType]) -> Result<HashMap<ResourceType, TypeHead>> {
        versions::type_heads(&mut self.transaction.driver(), self.tenant, kinds).await
    }

    /// Up to where in the log the referrals are complete.
    ///
    /// # Errors
    /// From the database.
    pub async fn referrals_reached(&mut self) -> Result<Seq> {
        referrals::reached(&mut self.transaction.driver(), self.tenant).await
    }

    /// What refers to these resources, sorted.
    ///
    /// # Errors
    /// From the database.
    pub async fn referrals_to(&mut self, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
        referrals::to(&mut self.transaction.driver(), self.tenant, keys).await
    }

    /// What these resources refer to, sorted.
    ///
    /// # Errors
    /// From the database.
    pub async fn referrals_of(&mut self, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
        referrals::of(&mut self.transaction.driver(), self.tenant, keys).await
    }

    /// The claims of a subject that overlap a span, by time.
    ///
    /// # Errors
    /// From the database.
    pub async fn claims_overlapping(
        &mut self,
        subject: &str,
        starts: Timestamp,
        ends: Timestamp,
    ) -> Result<Vec<Claim>> {
        claims::overlapping(&mut self.transaction.driver(), self.tenant, subject, starts, ends).await
    }

    /// Writes a set of changes; may be called several times. The versions must continue the log without a gap. After
    /// an error the batch is of no use: drop it.
    ///
    /// # Errors
    /// 500 when the set contradicts the store; 503 when the database is away.
    pub async fn write(&mut self, set: &WriteSet) -> Result<()> {
        self.check(set)?;
        let tenant = self.tenant;
        let mut writing = Writing { driver: self.transaction.driver(), tenant: tenant.0.into() };
        writing.versions(&set.versions).await?;
        writing.currents(set).await?;
        writing.identifiers(&DELETE_IDENTIFIERS, &set.identifiers_removed).await?;
        writing.identifiers(&INSERT_IDENTIFIERS, &set.identifiers_added).await?;
        writing.jobs(set).await?;
        referrals::remove(&mut writing.driver, tenant, &set.referrals_removed).await?;
        referrals::add(&mut writing.driver, tenant, &set.referrals_added).await?;
        if let Some(seq) = set.referrals_reach {
            referrals::reach(&mut writing.driver, tenant, seq).await?;
        }
        claims::remove(&mut writing.driver, tenant, &set.claims_removed).await?;
        claims::add(&mut writing.driver, tenant, &set.claims_added).await?;
        if let Some(last) = set.versions.last() {
            let head = Head { seq: last.seq, updated: last.updated };
            writing.head(self.head, head).await?;
            self.head = head;
            self.last = Some(last.clone());
        }
        Ok(())
    }

    fn check(&self, set: &WriteSet) -> Result<()> {
        let mut head = self.head;
        for row in &set.versions {
            let follows = row.seq.0 == head.seq.0 + 1 && row.updated >= head.updated && row.tx <= row.seq;
            if !follows {
                let text = format!(
                    "versions: seq {} after {}: the log must grow by one, never back in time",
                    row.seq, head.seq
                );
                return Err(Fault::internal(text));
            }
            head = Head { seq: row.seq, updated: row.updated };
        }
        Ok(())
    }

    /// Commits. When this returns, all of the batch is durable and visible.
    ///
    /// When the connection breaks while PostgreSQL commits, the head is locked anew, which waits for the end of the lost
    /// transaction, and the log says whether it was committed.
    ///
    /// # Errors
    /// 503 or 500 when it was not committed. "outcome unknown" in the text when even that could not be found out.
    pub async fn commit(mut self) -> Result<()> {
        if let Some(text) = self.transaction.driver().dialect().notify() {
            let statement = Statement { what: "store: notify", text: Text::Fixed(text) };
            self.transaction.driver().fetch(&statement, vec![]).await?;
        }
        match self.transaction.commit().await {
            Ok(()) => {}
            Err(CommitFault::Refused(fault)) => return Err(fault),
            Err(CommitFault::Unknown(fault)) => {
                let Some(last) = self.last else { return Err(fault) };
                if !was_committed(&self.store, self.tenant, &last).await? {
                    return Err(fault);
                }
            }
        }
        self.store.announce();
        Ok(())
    }
}

pub(super) async fn was_committed(store: &Store, tenant: Tenant, last: &VersionRow) -> Result<bool> {
    for attempt in 0..5_u32 {
        tokio::time::sleep(std::time::Duration::from_millis(200) * attempt * attempt).await;
        let Ok(batch) = store.begin(tenant).await else { continue };
        if batch.head.seq < last.seq {
            return Ok(false);
        }
        drop(batch);
        let Ok(rows) = store.log(tenant, Seq(last.seq.0 - 1), 1).await else { continue };
        return Ok(rows.first() == Some(last));
    }
    Err(Fault::unavailable("store: commit: the connection to the database was lost, outcome unknown"))
}

/// The statements of one [`Batch::write`].
struct Writing<'a> {
    driver: Driver<'a>,
    tenant: Value,
}

impl Writing<'_> {
    async fn insert<T>(&mut self, statement: &Rows, rows: &[T], put: impl Fn(&mut Vec<Value>, &T)) -> Result<()> {
        many::execute(&mut self.driver, statement, rows, put).await
    }

    async fn versions(&mut self, rows: &[VersionRow]) -> Result<()> {
        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, row: &VersionRow| {
            values.extend([
                tenant.clone(),
                row.seq.0.into(),
                row.key.kind.into(),
                row.key.id.as_str().into(),
                row.version.into(),
                row.updated.0.into(),
                row.kind.code().into(),
                row.tx.0.into(),
                row.body.clone().into(),
            ]);
        };
        self.insert(&INSERT_VERSIONS, rows, put).await
    }

    async fn currents(&mut self, set: &WriteSet) -> Result<()> {
        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, (key, write): &(&ResourceKey, &CurrentWrite)| {
            let current = &write.current;
            values.extend([tenant.clone(), key.kind.into(), key.id.as_str().into(), current.seq.0.into()]);
            values.extend([current.version.into(), current.updated.0.into(), current.deleted.into()]);
            values.push(current.digest[..].into());
        };
        // In the order of the key: neighbours share pages.
        let mut writes: Vec<_> = set.currents.iter().collect();
        writes.sort_unstable_by_key(|(key, _)| *key);
        let (new, old): (Vec<_>, Vec<_>) = writes.into_iter().partition(|(_, write)| write.is_new);
        self.insert(&INSERT_CURRENT, &new, put).await?;
        self.insert(&UPDATE_CURRENT, &old, put).await?;

        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, (key, version, seq): &(ResourceKey, i64, Seq)| {
            values.extend([tenant.clone(), key.kind.into(), key.id.as_str().into(), (*version).into(), seq.0.into()]);
        };
        self.insert(&INSERT_SUPERSEDED, &set.superseded, put).await?;

        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, (kind, head): &(&ResourceType, &TypeHead)| {
            values.extend([tenant.clone(), (**kind).into(), head.seq.0.into(), head.versions.into()]);
        };
        let heads: Vec<_> = set.type_heads.iter().collect();
        self.insert(&ADD_TYPE_HEADS, &heads, put).await
    }

    async fn identifiers(&mut self, statement: &Rows, rows: &[Identifier]) -> Result<()> {
        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, row: &Identifier| {
            values.extend([tenant.clone(), row.key.kind.into(), row.hash.into(), row.key.id.as_str().into()]);
        };
        let mut rows: Vec<_> = rows.to_vec();
        rows.sort_unstable();
        self.insert(statement, &rows, put).await
    }

    async fn jobs(&mut self, set: &WriteSet) -> Result<()> {
        let tenant = self.tenant.clone();
        let put = |values: &mut Vec<Value>, job: &super::jobs::NewJob| {
            values.extend([tenant.clone(), job.id.as_str().into(), job.kind.as_str().into()]);
            values.extend([Value::Bytes(job.payload.clone()), job.due.0.into(), 0.into(), false.into(), 0.into()]);
            values.push("".into());
        };
        self.insert(&INSERT_JOBS, &set.jobs, put).await
    }

    async fn head(&mut self, before: Head, head: Head) -> Result<()> {
        let values = vec![self.tenant.clone(), head.seq.0.into(), head.updated.0.into(), before.seq.0.into()];
        match self.driver.execute(&SET_HEAD, values).await? {
            1 => Ok(()),
            _ => Err(corrupt("heads", format_args!("seq {}", before.seq), "moved while it was locked")),
        }
    }
}
