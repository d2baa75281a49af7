//! Expunging: taking content away for good, for those who may.
//!
//! Versions lose their bodies and stay in the log as places without content, so the log has no gaps, numbers are never
//! given twice, and whoever follows the log sees that there is nothing. It is done in pieces, each a commit of its own.

use std::sync::Arc;

use super::face::{Change, ExpungeRequest, ExpungeScope, Which, WriteEntry};
use super::tenancy::Tenancy;
use super::transaction::transaction;
use super::writer::{Expunge, Verdict, Work};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::types::ResourceKey;
use crate::store::{Expungible, Scope, VersionKind};

/// Versions or resources in one commit.
const PIECE: usize = 500;

/// Expunges; how many versions that were. After a fault what was done stays done.
///
/// # Errors
/// 404 for a resource or version that is not known; 409 for a version that is current.
pub(super) async fn expunge(at: &Arc<Tenancy>, request: &ExpungeRequest) -> Result<u64> {
    let scope = match &request.scope {
        ExpungeScope::Version(key, version) => return one(at, key, *version).await,
        ExpungeScope::Instance(key) => {
            known(at, key).await?;
            Scope::Of(key.clone())
        }
        ExpungeScope::Type(kind) => Scope::Type(*kind),
        ExpungeScope::System => Scope::All,
    };
    if request.everything {
        delete(at, &scope).await?;
        return resources(at, &scope, usize::MAX).await;
    }
    let mut count = 0;
    if request.deleted {
        count += resources(at, &scope, request.limit).await?;
    }
    let left = request.limit.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    if request.previous && left > 0 {
        count += versions(at, &scope, left).await?;
    }
    Ok(count)
}

async fn known(at: &Tenancy, key: &ResourceKey) -> Result<()> {
    match at.store.read(at.tenant, key).await? {
        Some(row) if row.kind != VersionKind::Expunged => Ok(()),
        _ => Err(Fault::not_found(format!("{key} is not known"))),
    }
}

async fn one(at: &Tenancy, key: &ResourceKey, version: i64) -> Result<u64> {
    known(at, key).await?;
    let row = at.store.read_version(at.tenant, key, version).await?;
    let row = row.filter(|row| row.kind != VersionKind::Expunged);
    let row = row.ok_or_else(|| Fault::not_found(format!("{key} has no version {version}")))?;
    if at.store.read(at.tenant, key).await?.is_some_and(|current| current.seq == row.seq) {
        let message = format!("version {version} of {key} is the current one; delete or update the resource first");
        return Err(Fault::new(Category::Conflict, message));
    }
    submit(at, Expunge::Versions(vec![(key.kind, row.seq)])).await
}

/// The versions that are not current.
async fn versions(at: &Tenancy, scope: &Scope, limit: usize) -> Result<u64> {
    let (mut count, mut after) = (0, None);
    loop {
        let left = limit.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        let found = at.store.previous_versions(at.tenant, scope, after.as_ref(), PIECE.min(left)).await?;
        let Some((key, version, _)) = found.last() else { return Ok(count) };
        after = Some((key.clone(), *version));
        count += submit(at, Expunge::Versions(found.iter().map(|(key, _, seq)| (key.kind, *seq)).collect())).await?;
    }
}

/// All versions of the resources that are deleted; `limit` counts resources.
async fn resources(at: &Tenancy, scope: &Scope, limit: usize) -> Result<u64> {
    let (mut count, mut left, mut after) = (0, limit, None);
    while left > 0 {
        let piece = PIECE.min(left);
        let found = at.store.expungible(at.tenant, scope, Expungible::Deleted, after.as_ref(), piece).await?;
        let Some(last) = found.last() else { break };
        (left, after) = (left - found.len(), Some(last.clone()));
        count += submit(at, Expunge::Resources(found)).await?;
    }
    Ok(count)
}

/// Deletes the resources that exist.
async fn delete(at: &Arc<Tenancy>, scope: &Scope) -> Result<()> {
    let mut after = None;
    loop {
        let found = at.store.expungible(at.tenant, scope, Expungible::Living, after.as_ref(), PIECE).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.clone());
        let entry = |key| WriteEntry {
            index: None,
            full_url: None,
            change: Change::Delete { which: Which::Key(key), if_match: None },
        };
        transaction(at, found.into_iter().map(entry).collect()).await?;
    }
}

async fn submit(at: &Tenancy, what: Expunge) -> Result<u64> {
    match at.writer.submit(Work::Expunge(what)).await? {
        Verdict::Expunged(count) => Ok(count),
        _ => Err(Fault::internal("an expunge was answered as a write")),
    }
}
