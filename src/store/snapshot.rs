//! The current versions of a tenant as they were at one moment, read piece by piece while others write.

use super::db::Transaction;
use super::handle::Store;
use super::row::{Head, VersionRow, version_columns};
use super::sql::{Statement, fixed};
use super::versions;
use crate::base::fault::Result;
use crate::base::id::Tenant;
use crate::fhir::types::{ResourceId, ResourceType};

const CURRENT: Statement = fixed(
    "snapshot: read current",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM current c JOIN versions v ON v.tenant = c.tenant AND v.seq = c.seq",
        " WHERE c.tenant = $1 AND c.type = $2 AND c.id > $3 AND NOT c.deleted ORDER BY c.id LIMIT $4"
    ),
);

/// One moment of a tenant. It holds a connection, and on PostgreSQL keeps old rows from being cleaned up: drop it soon.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction,
    tenant: Tenant,
    head: Head,
}

impl Store {
    /// The moment of now.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn snapshot(&self, tenant: Tenant) -> Result<Snapshot> {
        let mut transaction = self.pools.snapshot().await?;
        let head = versions::head(&mut transaction.driver(), tenant).await?;
        Ok(Snapshot { transaction, tenant, head })
    }
}

impl Snapshot {
    /// How far the log reached.
    pub fn head(&self) -> Head {
        self.head
    }

    /// At most `limit` resources of a type that are not deleted, in the order of their ids, those after `after`.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn current(
        &mut self,
        kind: ResourceType,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        let after = after.map_or("", ResourceId::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = vec![self.tenant.0.into(), kind.into(), after.into(), limit.into()];
        let rows = self.transaction.driver().fetch(&CURRENT, values).await?;
        rows.iter().map(VersionRow::decode).collect()
    }
}
