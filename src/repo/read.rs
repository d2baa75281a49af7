//! Reading: the current version and one version (FHIR R4 `http.html`, 3.1.0.2, 3.1.0.3).

use super::face::{Stored, WriteKind};
use super::tenancy::Tenancy;
use crate::base::clock::Timestamp;
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
        // What was expunged is not shown; if it were, it would have no body either.
        VersionKind::Delete | VersionKind::Expunged => WriteKind::Delete,
    };
    Ok(Stored { key: row.key, version: row.version, updated: row.updated, body, kind })
}

/// The resources at some positions of the log, in the order asked for, without those that were expunged since.
pub(super) async fn at_positions(at: &Tenancy, seqs: &[Seq]) -> Result<Vec<Stored>> {
    let rows = at.store.by_seqs(at.tenant, seqs).await?;
    rows.into_iter().filter(|row| row.body.is_some()).map(stored).collect()
}

/// The current version.
pub(super) async fn read(at: &Tenancy, key: &ResourceKey) -> Result<Stored> {
    let current = match recall(at, key)? {
        None => at.loader.read(key).await?.filter(is_shown).map(stored).transpose()?,
        known => known,
    };
    match current {
        Some(stored) if stored.body.is_some() => Ok(stored),
        Some(stored) => Err(gone(key, stored.version, stored.updated)),
        None => Err(Fault::not_found(format!("{key} is not known"))),
    }
}

/// What was expunged is as if it had never been.
fn is_shown(row: &VersionRow) -> bool {
    row.kind != VersionKind::Expunged
}

/// The current version, if it was read lately.
fn recall(at: &Tenancy, key: &ResourceKey) -> Result<Option<Stored>> {
    if let Some(ready) = at.recent.ready(key) {
        return Ok(Some(ready));
    }
    let ticket = at.recent.ticket();
    let Some(row) = at.recent.row(key).filter(is_shown) else { return Ok(None) };
    let stored = stored(row)?;
    if let Some(ticket) = ticket {
        at.recent.keep_ready(ticket, &stored);
    }
    Ok(Some(stored))
}

/// One version.
pub(super) async fn vread(at: &Tenancy, key: &ResourceKey, version: i64) -> Result<Stored> {
    match at.store.read_version(at.tenant, key, version).await? {
        Some(row) if row.body.is_some() => stored(row),
        Some(row) if row.kind == VersionKind::Delete => Err(gone(key, row.version, row.updated)),
        _ => Err(Fault::not_found(format!("{key} has no version {version}"))),
    }
}

/// 410, with the version and the time of the deletion.
pub(super) fn gone(key: &ResourceKey, version: i64, updated: Timestamp) -> Fault {
    Fault::new(Category::Gone, format!("{key} was deleted with version {version}")).of_version(version, updated)
}
