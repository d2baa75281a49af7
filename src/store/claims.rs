//! Claims: exclusive spans of a subject's time, which booking is decided by. They are checked and made in the Writer's
//! batch; two that overlap can therefore never be committed.

use super::db::{Driver, Row};
use super::error::corrupt;
use super::handle::Store;
use super::many;
use super::row::{Claim, key};
use super::sql::{Rows, Statement, fixed};
use super::value::Value;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::Tenant;

const OVERLAPPING: Statement = fixed(
    "claims: read",
    "SELECT subject, starts, ends, holder_type, holder_id FROM claims
        WHERE tenant = $1 AND subject = $2 AND ends > $3 AND starts < $4 ORDER BY ends",
);
static INSERT: Rows = Rows::new(
    "claims: insert",
    "INSERT INTO claims (tenant, subject, starts, ends, holder_type, holder_id) VALUES",
    6,
    "",
);
static DELETE: Rows = Rows::new(
    "claims: delete",
    "DELETE FROM claims WHERE (tenant, subject, starts, ends, holder_type, holder_id) IN (VALUES",
    6,
    ")",
);

fn decode(row: &Row) -> Result<Claim> {
    Ok(Claim {
        subject: row.text(0)?.to_owned(),
        starts: Timestamp(row.i64(1)?),
        ends: Timestamp(row.i64(2)?),
        holder: key(row.text(3)?, row.text(4)?)?,
    })
}

pub(super) async fn overlapping(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    subject: &str,
    starts: Timestamp,
    ends: Timestamp,
) -> Result<Vec<Claim>> {
    let values = vec![tenant.0.into(), subject.into(), starts.0.into(), ends.0.into()];
    let rows = driver.fetch(&OVERLAPPING, values).await?;
    rows.iter().map(|row| decode(row).map_err(|why| corrupt("claims", subject, why))).collect()
}

fn put(tenant: Tenant) -> impl Fn(&mut Vec<Value>, &Claim) {
    move |values, claim| {
        values.extend([tenant.0.into(), claim.subject.as_str().into(), claim.starts.0.into(), claim.ends.0.into()]);
        values.extend([claim.holder.kind.into(), claim.holder.id.as_str().into()]);
    }
}

pub(super) async fn add(driver: &mut Driver<'_>, tenant: Tenant, claims: &[Claim]) -> Result<()> {
    many::execute(driver, &INSERT, claims, put(tenant)).await
}

pub(super) async fn remove(driver: &mut Driver<'_>, tenant: Tenant, claims: &[Claim]) -> Result<()> {
    many::execute(driver, &DELETE, claims, put(tenant)).await
}

impl Store {
    /// The claims of a subject that overlap a span, by time.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn claims_overlapping(
        &self,
        tenant: Tenant,
        subject: &str,
        starts: Timestamp,
        ends: Timestamp,
    ) -> Result<Vec<Claim>> {
        self.reading(async |driver| overlapping(driver, tenant, subject, starts, ends).await).await
    }
}
