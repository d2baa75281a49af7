//! Reading: the current version, one version, and history (FHIR R4 `http.html`, 3.1.0.2, 3.1.0.12).

use super::face::{HistoryAnswer, HistoryRequest, HistoryScope, Stored, WriteKind};
use super::tenancy::Tenancy;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::types::ResourceKey;
use crate::store::{VersionKind, VersionRow, body};

/// A row of the log as an answer shows it.
pub(super) fn stored(row: VersionRow) -> Result<Stored> {
    let body = match &row.body {
        None => None,
        Some(bytes) => Some(
            body::decode(bytes, row.version, row.updated)
                .map_err(|fault| fault.context(format!("versions, position {}", row.seq)))?,
        ),
    };
    let kind = match row.kind {
        VersionKind::Create => WriteKind::Create,
        VersionKind::Update => WriteKind::Update,
        VersionKind::Delete => WriteKind::Delete,
    };
    Ok(Stored { key: row.key, version: row.version, updated: row.updated, body, kind })
}

/// The current version.
pub(super) async fn read(at: &Tenancy, key: &ResourceKey) -> Result<Stored> {
    match at.loader.read(key).await? {
        Some(row) if row.body.is_some() => stored(row),
        Some(row) => Err(gone(key, row.version)),
        None => Err(Fault::not_found(format!("{key} is not known"))),
    }
}

/// One version.
pub(super) async fn vread(at: &Tenancy, key: &ResourceKey, version: i64) -> Result<Stored> {
    match at.store.read_version(at.tenant, key, version).await? {
        Some(row) if row.body.is_some() => stored(row),
        Some(row) => Err(gone(key, row.version)),
        None => Err(Fault::not_found(format!("{key} has no version {version}"))),
    }
}

fn gone(key: &ResourceKey, version: i64) -> Fault {
    Fault::new(Category::Gone, format!("{key} was deleted with version {version}"))
}

/// A page of history, newest first.
pub(super) async fn history(at: &Tenancy, request: HistoryRequest) -> Result<HistoryAnswer> {
    let count = request.count.unwrap_or(at.limits.page_default).min(at.limits.page_max);
    let below = request.page.as_deref().map(decode).transpose()?;
    let asked = count + 1;
    let (mut rows, total) = match &request.scope {
        HistoryScope::Instance(key) => {
            let total = at.store.instance_count(at.tenant, key, request.since).await?;
            if total == 0 && at.store.read(at.tenant, key).await?.is_none() {
                return Err(Fault::not_found(format!("{key} is not known")));
            }
            (at.store.instance_history(at.tenant, key, below, request.since, asked).await?, total)
        }
        HistoryScope::Type(kind) => {
            let total = at.store.type_count(at.tenant, *kind, request.since).await?;
            (at.store.type_history(at.tenant, *kind, below.map(Seq), request.since, asked).await?, total)
        }
    };
    let more = rows.len() > count;
    rows.truncate(count);
    let next = rows.last().filter(|_| more).map(|last| match &request.scope {
        HistoryScope::Instance(_) => encode(last.version),
        HistoryScope::Type(_) => encode(last.seq.0),
    });
    let entries = rows.into_iter().map(stored).collect::<Result<_>>()?;
    Ok(HistoryAnswer { entries, total, next })
}

/// The token of a history page: the position below which it goes on.
fn encode(below: i64) -> String {
    format!("h1.{below:x}")
}

fn decode(token: &str) -> Result<i64> {
    let below = token.strip_prefix("h1.").and_then(|text| i64::from_str_radix(text, 16).ok());
    below.filter(|n| *n > 0).ok_or_else(|| Fault::invalid("the page token is not one that this server made"))
}
