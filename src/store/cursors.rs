//! Cursors: how far each follower of the log has come.

use super::handle::Store;
use super::sql::{Statement, fixed};
use crate::base::fault::Result;
use crate::base::id::{Seq, Tenant};

const READ: Statement = fixed("cursors: read", "SELECT seq FROM cursors WHERE tenant = $1 AND name = $2");
const ADVANCE: Statement = fixed(
    "cursors: advance",
    "INSERT INTO cursors (tenant, name, seq) VALUES ($1, $2, $3)
        ON CONFLICT (tenant, name) DO UPDATE SET seq = excluded.seq WHERE cursors.seq < excluded.seq",
);
const RESET: Statement = fixed(
    "cursors: reset",
    "INSERT INTO cursors (tenant, name, seq) VALUES ($1, $2, $3)
        ON CONFLICT (tenant, name) DO UPDATE SET seq = excluded.seq",
);

impl Store {
    /// How far a follower has come; 0 at first.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn cursor(&self, tenant: Tenant, name: &str) -> Result<Seq> {
        let row = self.fetch_optional(&READ, vec![tenant.0.into(), name.into()]).await?;
        row.map_or(Ok(Seq(0)), |row| row.i64(0).map(Seq))
    }

    /// Moves a cursor forwards; `false` when it already was there or further.
    ///
    /// # Errors
    /// From the database.
    pub async fn advance_cursor(&self, tenant: Tenant, name: &str, seq: Seq) -> Result<bool> {
        Ok(self.execute(&ADVANCE, vec![tenant.0.into(), name.into(), seq.0.into()]).await? > 0)
    }

    /// Sets a cursor, also back: its follower begins anew.
    ///
    /// # Errors
    /// From the database.
    pub async fn reset_cursor(&self, tenant: Tenant, name: &str, seq: Seq) -> Result<()> {
        self.execute(&RESET, vec![tenant.0.into(), name.into(), seq.0.into()]).await.map(drop)
    }
}
