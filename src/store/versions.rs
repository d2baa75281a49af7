//! Reading the log, and the tables that follow from it: current, superseded, type_heads, identifiers.

use hashbrown::HashMap;

use super::db::{Driver, Row};
use super::error::corrupt;
use super::handle::Store;
use super::many;
use super::row::{Current, Head, TypeHead, VersionRow, key, version_columns};
use super::sql::{Rows, Statement, fixed};
use super::value::Value;
use super::writeset::Identifier;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

const HEAD: Statement = fixed("heads: read", "SELECT seq, updated FROM heads WHERE tenant = $1");

const READ: Statement = fixed(
    "versions: read",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM current c JOIN versions v ON v.tenant = c.tenant AND v.seq = c.seq",
        " WHERE c.tenant = $1 AND c.type = $2 AND c.id = $3"
    ),
);

static READ_MANY: Rows = Rows::new(
    "versions: read many",
    concat!("SELECT ", version_columns!(), " FROM (VALUES"),
    3,
    concat!(
        ") AS k CROSS JOIN current c CROSS JOIN versions v WHERE c.tenant = k.column1 AND c.type = k.column2",
        " AND c.id = k.column3 AND v.tenant = c.tenant AND v.seq = c.seq"
    ),
);

const READ_VERSION: Statement = fixed(
    "versions: read one",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM (SELECT seq FROM current WHERE tenant = $1 AND type = $2 AND id = $3 AND version = $4",
        " UNION ALL SELECT seq FROM superseded WHERE tenant = $1 AND type = $2 AND id = $3 AND version = $4) AS h",
        " JOIN versions v ON v.tenant = $1 AND v.seq = h.seq"
    ),
);

static BY_SEQS: Rows = Rows::new(
    "versions: read by seq",
    concat!("SELECT ", version_columns!(), " FROM (VALUES"),
    2,
    ") AS k CROSS JOIN versions v WHERE v.tenant = k.column1 AND v.seq = k.column2",
);

pub(super) const LOG: Statement = fixed(
    "versions: read log",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM versions v WHERE v.tenant = $1 AND v.seq > $2 ORDER BY v.seq LIMIT $3"
    ),
);

// The newest versions first, then those before `since` taken away: as times never decrease, these are the last of the
// page, and no row beyond the page is touched.
const INSTANCE_HISTORY: Statement = fixed(
    "versions: read history of a resource",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM (SELECT seq, version FROM current WHERE tenant = $1 AND type = $2 AND id = $3 AND version < $4",
        " UNION ALL SELECT s.seq, s.version FROM (SELECT p.seq, p.version FROM superseded p CROSS JOIN versions w",
        " WHERE p.tenant = $1 AND p.type = $2 AND p.id = $3 AND p.version < $4 AND w.tenant = p.tenant AND w.seq = p.seq",
        " AND w.kind <> 4 ORDER BY p.version DESC LIMIT $6) AS s) AS h",
        " JOIN versions v ON v.tenant = $1 AND v.seq = h.seq WHERE v.updated >= $5 AND v.kind <> 4",
        " ORDER BY h.version DESC LIMIT $6"
    ),
);

const TYPE_HISTORY: Statement = fixed(
    "versions: read history of a type",
    concat!(
        "SELECT ",
        version_columns!(),
        " FROM (SELECT * FROM versions WHERE tenant = $1 AND type = $2 AND seq < $3 AND kind <> 4",
        " ORDER BY seq DESC LIMIT $5) AS v",
        " WHERE v.updated >= $4 ORDER BY v.seq DESC"
    ),
);

const UPDATED_AT: Statement =
    fixed("versions: read time", "SELECT updated FROM versions WHERE tenant = $1 AND seq = $2");

const COUNT_TYPE: Statement = fixed(
    "versions: count type",
    "SELECT COUNT(*) FROM versions WHERE tenant = $1 AND type = $2 AND seq >= $3 AND seq <= $4 AND kind <> 4",
);

const COUNT_INSTANCE: Statement = fixed(
    "versions: count resource",
    "SELECT (SELECT COUNT(*) FROM superseded s CROSS JOIN versions v WHERE s.tenant = $1 AND s.type = $2 AND s.id = $3
            AND s.seq >= $4 AND s.version <= $5 AND v.tenant = s.tenant AND v.seq = s.seq AND v.kind <> 4)
        + (SELECT COUNT(*) FROM current c CROSS JOIN versions v WHERE c.tenant = $1 AND c.type = $2 AND c.id = $3
            AND c.seq >= $4 AND c.version <= $5 AND v.tenant = c.tenant AND v.seq = c.seq AND v.kind <> 4)",
);

static CURRENTS: Rows = Rows::new(
    "current: read",
    "SELECT c.type, c.id, c.seq, c.version, c.updated, c.deleted, c.digest FROM (VALUES",
    3,
    ") AS k CROSS JOIN current c WHERE c.tenant = k.column1 AND c.type = k.column2 AND c.id = k.column3",
);

static IDENTIFIED: Rows = Rows::new(
    "identifiers: read",
    "SELECT i.type, i.hash, i.id FROM (VALUES",
    3,
    ") AS k CROSS JOIN identifiers i WHERE i.tenant = k.column1 AND i.type = k.column2 AND i.hash = k.column3",
);

static IDENTIFIERS_OF: Rows = Rows::new(
    "identifiers: read by holder",
    "SELECT i.type, i.hash, i.id FROM (VALUES",
    3,
    ") AS k CROSS JOIN identifiers i WHERE i.tenant = k.column1 AND i.type = k.column2 AND i.id = k.column3",
);

static TYPE_HEADS: Rows = Rows::new(
    "type_heads: read",
    "SELECT t.type, t.seq, t.versions FROM (VALUES",
    2,
    ") AS k CROSS JOIN type_heads t WHERE t.tenant = k.column1 AND t.type = k.column2",
);

pub(super) async fn head(driver: &mut Driver<'_>, tenant: Tenant) -> Result<Head> {
    let row = driver.fetch_optional(&HEAD, vec![tenant.0.into()]).await?;
    let Some(row) = row else { return Ok(Head::default()) };
    Ok(Head { seq: Seq(row.i64(0)?), updated: Timestamp(row.i64(1)?) })
}

pub(super) async fn currents(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    keys: &[ResourceKey],
) -> Result<HashMap<ResourceKey, Current>> {
    let put = |values: &mut Vec<Value>, key: &ResourceKey| {
        values.extend([tenant.0.into(), key.kind.into(), key.id.as_str().into()]);
    };
    let rows = many::fetch(driver, &CURRENTS, keys, 3, put).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let current = key(row.text(0)?, row.text(1)?).and_then(|key| Ok((key, Current::decode(row, 2)?)));
        let (key, current) = current.map_err(|why| corrupt("current", row.text(1).unwrap_or("?"), why))?;
        found.insert(key, current);
    }
    Ok(found)
}

pub(super) async fn identified(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    hashes: &[(ResourceType, i64)],
) -> Result<Vec<(ResourceType, i64, ResourceId)>> {
    let put = |values: &mut Vec<Value>, (kind, hash): &(ResourceType, i64)| {
        values.extend([tenant.0.into(), (*kind).into(), (*hash).into()]);
    };
    let found = decode_identifiers(&many::fetch(driver, &IDENTIFIED, hashes, 3, put).await?)?;
    let mut found: Vec<_> = found.into_iter().map(|Identifier { key, hash }| (key.kind, hash, key.id)).collect();
    found.sort_unstable();
    Ok(found)
}

pub(super) async fn identifiers_of(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    keys: &[ResourceKey],
) -> Result<Vec<Identifier>> {
    let put = |values: &mut Vec<Value>, key: &ResourceKey| {
        values.extend([tenant.0.into(), key.kind.into(), key.id.as_str().into()]);
    };
    decode_identifiers(&many::fetch(driver, &IDENTIFIERS_OF, keys, 3, put).await?)
}

/// From rows of type, hash and id; sorted, each once.
fn decode_identifiers(rows: &[Row]) -> Result<Vec<Identifier>> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let key = key(row.text(0)?, row.text(2)?);
        let key = key.map_err(|why| corrupt("identifiers", row.text(2).unwrap_or("?"), why))?;
        found.push(Identifier { key, hash: row.i64(1)? });
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

pub(super) async fn type_heads(
    driver: &mut Driver<'_>,
    tenant: Tenant,
    kinds: &[ResourceType],
) -> Result<HashMap<ResourceType, TypeHead>> {
    let put = |values: &mut Vec<Value>, kind: &ResourceType| values.extend([tenant.0.into(), (*kind).into()]);
    let rows = many::fetch(driver, &TYPE_HEADS, kinds, 2, put).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let name = row.text(0)?;
        let kind = ResourceType::find(name).ok_or_else(|| corrupt("type_heads", name, "type: not a resource type"))?;
        found.insert(kind, TypeHead { seq: Seq(row.i64(1)?), versions: row.i64(2)? });
    }
    Ok(found)
}

fn decode_all(rows: &[super::db::Row]) -> Result<Vec<VersionRow>> {
    rows.iter().map(VersionRow::decode).collect()
}

fn count(limit: usize) -> Value {
    Value::I64(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn with_key<const N: usize>(tenant: Tenant, key: &ResourceKey, rest: [Value; N]) -> Vec<Value> {
    let mut values = vec![tenant.0.into(), key.kind.into(), key.id.as_str().into()];
    values.extend(rest);
    values
}

/// Reads. Each is one statement unless it says otherwise; all answer what was committed.
impl Store {
    /// How far the log reaches.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn head(&self, tenant: Tenant) -> Result<Head> {
        self.reading(async |driver| head(driver, tenant).await).await
    }

    /// The current version of a resource; also when it is a deletion.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn read(&self, tenant: Tenant, key: &ResourceKey) -> Result<Option<VersionRow>> {
        let values = with_key(tenant, key, []);
        let row = self.fetch_optional(&READ, values).await?;
        row.as_ref().map(VersionRow::decode).transpose()
    }

    /// As [`Store::read`] for several resources in one statement; those that never existed are absent.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn read_many(&self, tenant: Tenant, keys: &[ResourceKey]) -> Result<HashMap<ResourceKey, VersionRow>> {
        if let [key] = keys {
            let row = self.read(tenant, key).await?;
            return Ok(row.into_iter().map(|row| (row.key.clone(), row)).collect());
        }
        let put = |values: &mut Vec<Value>, key: &ResourceKey| {
            values.extend([tenant.0.into(), key.kind.into(), key.id.as_str().into()]);
        };
        let rows = self.reading(async |driver| many::fetch(driver, &READ_MANY, keys, 3, put).await).await?;
        rows.iter().map(|row| VersionRow::decode(row).map(|row| (row.key.clone(), row))).collect()
    }

    /// One version of a resource.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn read_version(&self, tenant: Tenant, key: &ResourceKey, version: i64) -> Result<Option<VersionRow>> {
        let values = with_key(tenant, key, [version.into()]);
        let row = self.fetch_optional(&READ_VERSION, values).await?;
        row.as_ref().map(VersionRow::decode).transpose()
    }

    /// The versions with these numbers, in this order; several statements when there are many.
    ///
    /// # Errors
    /// 500 when one is missing: whoever knows a Seq has it from the log.
    pub async fn by_seqs(&self, tenant: Tenant, seqs: &[Seq]) -> Result<Vec<VersionRow>> {
        let put = |values: &mut Vec<Value>, seq: &Seq| values.extend([tenant.0.into(), seq.0.into()]);
        let rows = self.reading(async |driver| many::fetch(driver, &BY_SEQS, seqs, 2, put).await).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in decode_all(&rows)? {
            found.insert(row.seq, row);
        }
        let take = |seq: &Seq| {
            let row = found.get(seq).cloned();
            row.ok_or_else(|| corrupt("versions", format_args!("tenant {} seq {seq}", tenant.0), "missing"))
        };
        seqs.iter().map(take).collect()
    }

    /// The current versions of those that exist or existed, without bodies; several statements when there are many.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn currents(&self, tenant: Tenant, keys: &[ResourceKey]) -> Result<HashMap<ResourceKey, Current>> {
        self.reading(async |driver| currents(driver, tenant, keys).await).await
    }

    /// At most `limit` entries of the log after `after`, in order.
    ///
    /// # Errors
    /// 500 when there is a gap.
    pub async fn log(&self, tenant: Tenant, after: Seq, limit: usize) -> Result<Vec<VersionRow>> {
        let values = vec![tenant.0.into(), after.0.into(), count(limit)];
        let rows = decode_all(&self.fetch(&LOG, values).await?)?;
        for (row, expected) in rows.iter().zip(after.0 + 1..) {
            if row.seq.0 != expected {
                let place = format!("tenant {} seq {expected}", tenant.0);
                return Err(corrupt("versions", place, "missing: the log has a gap"));
            }
        }
        Ok(rows)
    }

    /// Versions of a resource, newest first: those below a version, not earlier than `since`.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn instance_history(
        &self,
        tenant: Tenant,
        key: &ResourceKey,
        below: Option<i64>,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        let since = since.map_or(i64::MIN, |since| since.0);
        let values = with_key(tenant, key, [below.unwrap_or(i64::MAX).into(), since.into(), count(limit)]);
        decode_all(&self.fetch(&INSTANCE_HISTORY, values).await?)
    }

    /// Versions of a type, newest first: those below a Seq, not earlier than `since`.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn type_history(
        &self,
        tenant: Tenant,
        kind: ResourceType,
        below: Option<Seq>,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        let since = since.map_or(i64::MIN, |since| since.0);
        let below = below.map_or(i64::MAX, |seq| seq.0);
        let values = vec![tenant.0.into(), kind.into(), below.into(), since.into(), count(limit)];
        decode_all(&self.fetch(&TYPE_HISTORY, values).await?)
    }

    /// How many versions of a resource there are not earlier than `since`, up to a version; 0 when it never existed.
    ///
    /// # Errors
    /// From the database.
    pub async fn instance_count(
        &self,
        tenant: Tenant,
        key: &ResourceKey,
        since: Option<Timestamp>,
        up_to: i64,
    ) -> Result<u64> {
        let first = self.first_since(tenant, since).await?;
        let values = with_key(tenant, key, [first.0.into(), up_to.into()]);
        let row = self.fetch_optional(&COUNT_INSTANCE, values).await?;
        one_count(row)
    }

    /// How many versions of a type there are not earlier than `since`, and the last of all versions as of then.
    ///
    /// # Errors
    /// From the database.
    pub async fn type_count(&self, tenant: Tenant, kind: ResourceType, since: Option<Timestamp>) -> Result<(u64, Seq)> {
        let heads = self.type_heads(tenant, &[kind]).await?;
        let Some(head) = heads.get(&kind) else { return Ok((0, Seq(0))) };
        if since.is_none() {
            return Ok((head.versions.unsigned_abs(), head.seq));
        }
        let first = self.first_since(tenant, since).await?;
        let values = vec![tenant.0.into(), kind.into(), first.0.into(), head.seq.0.into()];
        let row = self.fetch_optional(&COUNT_TYPE, values).await?;
        Ok((one_count(row)?, head.seq))
    }

    /// The first entry not earlier than `since` (one after the head when there is none): times never decrease, so it is
    /// found by halving, in some 20 statements.
    pub(super) async fn first_since(&self, tenant: Tenant, since: Option<Timestamp>) -> Result<Seq> {
        let Some(since) = since else { return Ok(Seq(1)) };
        self.reading(async |driver| {
            let (mut low, mut high) = (1, head(driver, tenant).await?.seq.0 + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                let row = driver.fetch_optional(&UPDATED_AT, vec![tenant.0.into(), middle.into()]).await?;
                let Some(row) = row else { return Err(corrupt("versions", format_args!("seq {middle}"), "missing")) };
                if row.i64(0)? < since.0 { low = middle + 1 } else { high = middle }
            }
            Ok(Seq(low))
        })
        .await
    }

    /// The resources that have an identifier with one of these hashes (`system|value`), per type, sorted by type, hash
    /// and id; several statements when there are many. Different identifiers may share a hash: the caller looks into the resource.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn identified(
        &self,
        tenant: Tenant,
        hashes: &[(ResourceType, i64)],
    ) -> Result<Vec<(ResourceType, i64, ResourceId)>> {
        self.reading(async |driver| identified(driver, tenant, hashes).await).await
    }

    /// The identifiers of these resources, sorted.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn identifiers_of(&self, tenant: Tenant, keys: &[ResourceKey]) -> Result<Vec<Identifier>> {
        self.reading(async |driver| identifiers_of(driver, tenant, keys).await).await
    }

    /// What the log holds of these types; a type without versions is absent.
    ///
    /// # Errors
    /// 500 for a corrupt row.
    pub async fn type_heads(&self, tenant: Tenant, kinds: &[ResourceType]) -> Result<HashMap<ResourceType, TypeHead>> {
        self.reading(async |driver| type_heads(driver, tenant, kinds).await).await
    }
}

fn one_count(row: Option<super::db::Row>) -> Result<u64> {
    let row = row.ok_or_else(|| Fault::internal("versions: count: no answer"))?;
    Ok(row.i64(0)?.unsigned_abs())
}

/// The lookups of this file, for one row each.
#[cfg(test)]
pub(super) fn lookups(dialect: super::dialect::Dialect) -> Vec<Statement> {
    let all = [&BY_SEQS, &CURRENTS, &IDENTIFIED, &IDENTIFIERS_OF, &TYPE_HEADS];
    all.into_iter().flat_map(|rows| rows.cut(dialect, 1)).map(|(_, statement)| statement).collect()
}
