//! Expunging: the content of versions is taken away for good, their place in the log stays.
//!
//! A version that was expunged has kind [`VersionKind::Expunged`](super::VersionKind) and no body. Its rows in `current` and
//! `superseded` stay, so that versions and positions go on without gaps and numbers are never given twice; histories
//! leave it out. The current version of a resource is expunged only when it is a deletion.

use hashbrown::HashMap;

use super::batch::Batch;
use super::db::Row;
use super::error::corrupt;
use super::handle::Store;
use super::many;
use super::row::key;
use super::sql::{Rows, Statement, fixed};
use super::value::Value;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceKey, ResourceType};

/// What is looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// A type.
    Type(ResourceType),
    /// One resource.
    Of(ResourceKey),
}

/// Which resources of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expungible {
    /// Those that are deleted, and not expunged.
    Deleted,
    /// Those that exist.
    Living,
}

static EXPUNGE: Rows = Rows::new(
    "versions: expunge",
    "UPDATE versions SET body = NULL, kind = 4 WHERE kind <> 4 AND (tenant, seq) IN (VALUES",
    2,
    ")",
);

const FEWER: Statement =
    fixed("type_heads: expunge", "UPDATE type_heads SET versions = versions - $3 WHERE tenant = $1 AND type = $2");

static PLACES: Rows = Rows::new(
    "superseded: read places",
    "SELECT s.type, s.seq FROM (VALUES",
    3,
    ") AS k CROSS JOIN superseded s WHERE s.tenant = k.column1 AND s.type = k.column2 AND s.id = k.column3",
);

const COUNT: Statement =
    fixed("versions: count expunged", "SELECT COUNT(*) FROM versions WHERE tenant = $1 AND seq >= $2 AND kind = 4");

macro_rules! previous {
    ($scope:literal) => {
        fixed(
            "superseded: read",
            concat!(
                "SELECT s.type, s.id, s.version, s.seq FROM superseded s CROSS JOIN versions v WHERE s.tenant = $1 AND ",
                $scope,
                " AND v.tenant = s.tenant AND v.seq = s.seq AND v.kind <> 4 ORDER BY s.type, s.id, s.version LIMIT $5"
            ),
        )
    };
}

static PREVIOUS: [Statement; 3] = [
    previous!("(s.type, s.id, s.version) > ($2, $3, $4)"),
    previous!("s.type = $2 AND (s.id, s.version) > ($3, $4)"),
    previous!("s.type = $2 AND s.id = $3 AND s.version > $4"),
];

macro_rules! resources {
    ($scope:literal, $which:literal) => {
        fixed(
            "current: read to expunge",
            concat!(
                "SELECT c.type, c.id FROM current c CROSS JOIN versions v WHERE c.tenant = $1 AND ",
                $scope,
                " AND v.tenant = c.tenant AND v.seq = c.seq AND ",
                $which,
                " ORDER BY c.type, c.id LIMIT $4"
            ),
        )
    };
}

static DELETED: [Statement; 3] = [
    resources!("(c.type, c.id) > ($2, $3)", "v.kind = 3"),
    resources!("c.type = $2 AND c.id > $3", "v.kind = 3"),
    resources!("c.type = $2 AND c.id = $3", "v.kind = 3"),
];

static LIVING: [Statement; 3] = [
    resources!("(c.type, c.id) > ($2, $3)", "v.kind < 3"),
    resources!("c.type = $2 AND c.id > $3", "v.kind < 3"),
    resources!("c.type = $2 AND c.id = $3", "v.kind < 3"),
];

impl Scope {
    /// Type and id after which a walk begins, and the statement for the scope.
    fn start<'a>(&self, statements: &'a [Statement; 3]) -> (&'a Statement, &'static str, String) {
        match self {
            Self::All => (&statements[0], "", String::new()),
            Self::Type(kind) => (&statements[1], kind.name(), String::new()),
            Self::Of(key) => (&statements[2], key.kind.name(), key.id.as_str().to_owned()),
        }
    }
}

impl Store {
    /// At most `limit` versions that are not current, those after `after`, by type, id and version.
    ///
    /// # Errors
    /// 500 for a corrupt row; 503 from the database.
    pub async fn previous_versions(
        &self,
        tenant: Tenant,
        scope: &Scope,
        after: Option<&(ResourceKey, i64)>,
        limit: usize,
    ) -> Result<Vec<(ResourceKey, i64, Seq)>> {
        let (statement, kind, id) = scope.start(&PREVIOUS);
        let (kind, id, version) = match after {
            Some((key, version)) => (key.kind.name(), key.id.as_str(), *version),
            None => (kind, id.as_str(), 0),
        };
        let values = vec![tenant.0.into(), kind.into(), id.into(), version.into(), count(limit)];
        let rows = self.fetch(statement, values).await?;
        let decode = |row: &Row| Ok((resource(row, "superseded")?, row.i64(2)?, Seq(row.i64(3)?)));
        rows.iter().map(decode).collect()
    }

    /// At most `limit` resources, those after `after`, by type and id.
    ///
    /// # Errors
    /// 500 for a corrupt row; 503 from the database.
    pub async fn expungible(
        &self,
        tenant: Tenant,
        scope: &Scope,
        which: Expungible,
        after: Option<&ResourceKey>,
        limit: usize,
    ) -> Result<Vec<ResourceKey>> {
        if after.is_some() && matches!(scope, Scope::Of(_)) {
            return Ok(Vec::new());
        }
        let statements = if which == Expungible::Deleted { &DELETED } else { &LIVING };
        let (statement, kind, id) = scope.start(statements);
        let (kind, id) = after.map_or((kind, id.as_str()), |key| (key.kind.name(), key.id.as_str()));
        let values = vec![tenant.0.into(), kind.into(), id.into(), count(limit)];
        let rows = self.fetch(statement, values).await?;
        rows.iter().map(|row| resource(row, "current")).collect()
    }

    /// How many versions at or after a position were expunged.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn expunged_since(&self, tenant: Tenant, from: Seq) -> Result<u64> {
        let row = self.fetch_optional(&COUNT, vec![tenant.0.into(), from.0.into()]).await?;
        row.map_or(Ok(0), |row| row.i64(0).map(i64::unsigned_abs))
    }
}

impl Batch {
    /// The places of all versions of these resources that are not current, with their types.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn previous_places(&mut self, keys: &[ResourceKey]) -> Result<Vec<(ResourceType, Seq)>> {
        let tenant = self.tenant();
        let put = |values: &mut Vec<Value>, key: &ResourceKey| {
            values.extend([tenant.0.into(), key.kind.into(), key.id.as_str().into()]);
        };
        let rows = many::fetch(&mut self.transaction.driver(), &PLACES, keys, 3, put).await?;
        let decode = |row: &Row| {
            let name = row.text(0)?;
            let kind =
                ResourceType::find(name).ok_or_else(|| corrupt("superseded", name, "type: not a resource type"))?;
            Ok((kind, Seq(row.i64(1)?)))
        };
        let mut places: Vec<_> = rows.iter().map(decode).collect::<Result<_>>()?;
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Expunges versions: how many were not yet. The caller knows that each is not current, or the deletion of its resource.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn expunge(&mut self, versions: &[(ResourceType, Seq)]) -> Result<u64> {
        let tenant = self.tenant();
        let mut by_type: HashMap<ResourceType, Vec<Seq>> = HashMap::new();
        for (kind, seq) in versions {
            by_type.entry(*kind).or_default().push(*seq);
        }
        let mut all = 0;
        let mut driver = self.transaction.driver();
        for (kind, seqs) in by_type {
            let mut changed = 0;
            for (range, part) in EXPUNGE.cut(driver.dialect(), seqs.len()) {
                let values = seqs[range].iter().flat_map(|seq| [tenant.0.into(), seq.0.into()]).collect();
                changed += driver.execute(&part, values).await?;
            }
            let count = i64::try_from(changed).unwrap_or(i64::MAX);
            driver.execute(&FEWER, vec![tenant.0.into(), kind.into(), count.into()]).await?;
            all += changed;
        }
        Ok(all)
    }
}

fn count(limit: usize) -> Value {
    Value::I64(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn resource(row: &Row, table: &'static str) -> Result<ResourceKey> {
    let found = key(row.text(0)?, row.text(1)?);
    found.map_err(|why: Fault| corrupt(table, row.text(1).unwrap_or("?"), why))
}

/// The lookups of this file, for one row each.
#[cfg(test)]
pub(super) fn lookups(dialect: super::dialect::Dialect) -> Vec<Statement> {
    let all = [&PLACES];
    all.into_iter().flat_map(|rows| rows.cut(dialect, 1)).map(|(_, statement)| statement).collect()
}
