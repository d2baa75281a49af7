//! History by positions in the log: of everything, and of what was current at some time (FHIR R4 `http.html`, 3.1.0.12).

use super::handle::Store;
use super::row::{VersionRow, version_columns};
use super::sql::{Statement, fixed};
use super::value::Value;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceKey, ResourceType};

/// Whose versions.
#[derive(Debug, Clone, Copy)]
pub enum Versions<'a> {
    /// Those of one resource.
    Of(&'a ResourceKey),
    /// Those of a type.
    Type(ResourceType),
    /// All.
    All,
}

/// A part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first position.
    pub from: Seq,
    /// The first position after it.
    pub below: Seq,
    /// Of versions before this position only those that nothing before it replaced. At or below `from`: all.
    pub current_at: Seq,
}

// A version is replaced by the next one of its resource, which is either the current one or superseded itself. Positions
// stand for times, which never decrease along the log.
macro_rules! current_at {
    () => {
        concat!(
            " AND v.seq >= $2 AND v.seq < $3 AND v.kind <> 4 AND (v.seq >= $4",
            " OR (NOT EXISTS (SELECT 1 FROM superseded s WHERE s.tenant = v.tenant AND s.type = v.type AND s.id = v.id",
            " AND s.version = v.version + 1 AND s.seq < $4)",
            " AND NOT EXISTS (SELECT 1 FROM current c WHERE c.tenant = v.tenant AND c.type = v.type AND c.id = v.id",
            " AND c.version = v.version + 1 AND c.seq < $4))) ORDER BY v.seq DESC LIMIT $5"
        )
    };
}

const ALL: Statement = fixed(
    "versions: read history",
    concat!("SELECT ", version_columns!(), " FROM versions v WHERE v.tenant = $1", current_at!()),
);

const TYPE: Statement = fixed(
    "versions: read history of a type at a time",
    concat!("SELECT ", version_columns!(), " FROM versions v WHERE v.tenant = $1 AND v.type = $6", current_at!()),
);

const RESOURCE: Statement = fixed(
    "versions: read history of a resource at a time",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM (SELECT seq FROM current WHERE tenant = $1 AND type = $6 AND id = $7",
        " UNION ALL SELECT seq FROM superseded WHERE tenant = $1 AND type = $6 AND id = $7) AS h",
        " CROSS JOIN versions v WHERE v.tenant = $1 AND v.seq = h.seq",
        current_at!()
    ),
);

impl Store {
    /// Versions in a part of the log, newest first, at most `limit`.
    ///
    /// # Errors
    /// 500 for a corrupt row; 503 from the database.
    pub async fn history(
        &self,
        tenant: Tenant,
        whose: Versions<'_>,
        window: Window,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut values: Vec<Value> = vec![
            tenant.0.into(),
            window.from.0.into(),
            window.below.0.into(),
            window.current_at.0.into(),
            limit.into(),
        ];
        let statement = match whose {
            Versions::Of(key) => {
                values.extend([key.kind.into(), key.id.as_str().into()]);
                &RESOURCE
            }
            Versions::Type(kind) => {
                values.push(kind.into());
                &TYPE
            }
            Versions::All => &ALL,
        };
        let rows = self.fetch(statement, values).await?;
        rows.iter().map(VersionRow::decode).collect()
    }

    /// The first position whose time is not before `time`; one after the head when there is none.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn position(&self, tenant: Tenant, time: Timestamp) -> Result<Seq> {
        self.first_since(tenant, Some(time)).await
    }
}
