//! Blobs: large contents kept by their digest, apart from the log.

use bytes::Bytes;

use super::handle::Store;
use super::sql::{Statement, fixed};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::Tenant;

const READ: Statement = fixed("blobs: read", "SELECT bytes FROM blobs WHERE tenant = $1 AND digest = $2");
const INSERT: Statement = fixed(
    "blobs: insert",
    "INSERT INTO blobs (tenant, digest, bytes, created) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, digest) DO NOTHING",
);
const DELETE: Statement = fixed("blobs: delete", "DELETE FROM blobs WHERE tenant = $1 AND digest = $2");

impl Store {
    /// Keeps a blob under its digest (the caller's hash of the bytes); `false` when it was there.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn put_blob(&self, tenant: Tenant, digest: &[u8], bytes: Bytes, created: Timestamp) -> Result<bool> {
        let values = vec![tenant.0.into(), digest.into(), Some(bytes).into(), created.0.into()];
        Ok(self.execute(&INSERT, values).await? > 0)
    }

    /// A blob.
    ///
    /// # Errors
    /// From the database.
    pub async fn blob(&self, tenant: Tenant, digest: &[u8]) -> Result<Option<Bytes>> {
        let values = vec![tenant.0.into(), digest.into()];
        let row = self.fetch_optional(&READ, values).await?;
        Ok(row.map(|row| row.bytes(0)).transpose()?.flatten())
    }

    /// Removes a blob; `false` when there was none.
    ///
    /// # Errors
    /// From the database.
    pub async fn delete_blob(&self, tenant: Tenant, digest: &[u8]) -> Result<bool> {
        Ok(self.execute(&DELETE, vec![tenant.0.into(), digest.into()]).await? > 0)
    }
}
