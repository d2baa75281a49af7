//! Referrals: which resource refers to which, kept while references are enforced.
//!
//! They follow the log up to the cursor [`CURSOR`]. Who enforces references brings them up to the head first, and writes
//! them in the same commit as the versions from then on.

use super::db::{Driver, Row};
use super::error::corrupt;
use super::handle::Store;
use super::many;
use super::row::key;
use super::sql::{Rows, Statement, fixed};
use super::value::Value;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::ResourceKey;

/// The cursor that says up to where in the log the referrals are complete.
pub(super) const CURSOR: &str = "referrals";

/// A resource that refers to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Referral {
    /// The one that is referred to.
    pub target: ResourceKey,
    /// The one with the reference.
    pub source: ResourceKey,
}

static TO: Rows = Rows::new(
    "referrals: read by target",
    "SELECT r.target_type, r.target_id, r.source_type, r.source_id FROM (VALUES",
    3,
    ") AS k CROSS JOIN referrals r WHERE r.tenant = k.column1 AND r.target_type = k.column2 AND r.target_id = k.column3",
);

static OF: Rows = Rows::new(
    "referrals: read by source",
    "SELECT r.target_type, r.target_id, r.source_type, r.source_id FROM (VALUES",
    3,
    ") AS k CROSS JOIN referrals r WHERE r.tenant = k.column1 AND r.source_type = k.column2 AND r.source_id = k.column3",
);

static INSERT: Rows = Rows::new(
    "referrals: insert",
    "INSERT INTO referrals (tenant, target_type, target_id, source_type, source_id) VALUES",
    5,
    " ON CONFLICT (tenant, target_type, target_id, source_type, source_id) DO NOTHING",
);

static DELETE: Rows = Rows::new(
    "referrals: delete",
    "DELETE FROM referrals WHERE (tenant, target_type, target_id, source_type, source_id) IN (VALUES",
    5,
    ")",
);

const REACHED: Statement = fixed("cursors: read", "SELECT seq FROM cursors WHERE tenant = $1 AND name = $2");
const REACH: Statement = fixed(
    "cursors: referrals",
    "INSERT INTO cursors (tenant, name, seq) VALUES ($1, $2, $3) ON CONFLICT (tenant, name) DO UPDATE SET seq = excluded.seq",
);

async fn read(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    statement: &Rows,
    keys: &[ResourceKey],
) -> Result<Vec<Referral>> {
    let put = |values: &mut Vec<Value>, key: &ResourceKey| {
        values.extend([tenant.0.into(), key.kind.into(), key.id.as_str().into()]);
    };
    let rows = many::fetch(driver, statement, keys, 3, put).await?;
    let mut found: Vec<Referral> = rows.iter().map(decode).collect::<Result<_>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn decode(row: &Row) -> Result<Referral> {
    let wrong = |why: Fault| corrupt("referrals", row.text(1).unwrap_or("?"), why);
    let target = key(row.text(0)?, row.text(1)?).map_err(wrong)?;
    let source = key(row.text(2)?, row.text(3)?).map_err(wrong)?;
    Ok(Referral { target, source })
}

/// Up to where in the log the referrals are complete.
pub(super) async fn reached(driver: &mut Driver<'_>, tenant: Tenant) -> Result<Seq> {
    let row = driver.fetch_optional(&REACHED, vec![tenant.0.into(), CURSOR.into()]).await?;
    row.map_or(Ok(Seq(0)), |row| row.i64(0).map(Seq))
}

/// What refers to these resources, sorted.
pub(super) async fn to(driver: &mut Driver<'_>, tenant: Tenant, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
    read(driver, tenant, &TO, keys).await
}

/// What these resources refer to, sorted.
pub(super) async fn of(driver: &mut Driver<'_>, tenant: Tenant, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
    read(driver, tenant, &OF, keys).await
}

pub(super) async fn remove(driver: &mut Driver<'_>, tenant: Tenant, rows: &[Referral]) -> Result<()> {
    many::execute(driver, &DELETE, rows, put(tenant)).await
}

pub(super) async fn add(driver: &mut Driver<'_>, tenant: Tenant, rows: &[Referral]) -> Result<()> {
    many::execute(driver, &INSERT, rows, put(tenant)).await
}

fn put(tenant: Tenant) -> impl Fn(&mut Vec<Value>, &Referral) {
    move |values, Referral { target, source }| {
        values.extend([tenant.0.into(), target.kind.into(), target.id.as_str().into()]);
        values.extend([source.kind.into(), source.id.as_str().into()]);
    }
}

/// The referrals are complete up to here.
pub(super) async fn reach(driver: &mut Driver<'_>, tenant: Tenant, seq: Seq) -> Result<()> {
    driver.execute(&REACH, vec![tenant.0.into(), CURSOR.into(), seq.0.into()]).await.map(drop)
}

impl Store {
    /// Up to where in the log the referrals are complete.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn referrals_reached(&self, tenant: Tenant) -> Result<Seq> {
        self.cursor(tenant, CURSOR).await
    }

    /// What refers to these resources, sorted.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn referrals_to(&self, tenant: Tenant, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
        self.reading(async |driver| to(driver, tenant, keys).await).await
    }

    /// What these resources refer to, sorted.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn referrals_of(&self, tenant: Tenant, keys: &[ResourceKey]) -> Result<Vec<Referral>> {
        self.reading(async |driver| of(driver, tenant, keys).await).await
    }
}

/// The lookups of this file, for one row each.
#[cfg(test)]
pub(super) fn lookups(dialect: super::dialect::Dialect) -> Vec<Statement> {
    let all = [&TO, &OF];
    all.into_iter().flat_map(|rows| rows.cut(dialect, 1)).map(|(_, statement)| statement).collect()
}
