//! Rehearsal: whether a change would be done as things are now, without doing it (`$validate` with a mode).
//!
//! A promise it is not: what another request does in between is decided in the Writer, as always.

use std::sync::Arc;

use super::draft::check;
use super::face::{IfMatch, WriteEntry};
use super::plan::{Delete, Precondition, Step, Write};
use super::read::read;
use super::tenancy::Tenancy;
use super::transaction::plan;
use super::worker::blocking;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::types::ResourceKey;

/// Plans a change and looks whether what must be true at its commit is true now.
///
/// # Errors
/// Those of the change.
pub(super) async fn rehearse(at: &Arc<Tenancy>, entry: WriteEntry) -> Result<()> {
    let checking = at.clone();
    let drafts = Arc::new(blocking(move || check(&checking, vec![entry])).await?);
    for step in plan(at, &drafts).await?.steps {
        match step {
            Step::Present(_) => {}
            Step::Write(write) => may_write(at, &write).await?,
            Step::Delete(deletes) => may_delete(at, &deletes).await?,
        }
    }
    Ok(())
}

/// The version of a resource that is there.
async fn alive(at: &Tenancy, key: &ResourceKey) -> Result<Option<i64>> {
    match read(at, key).await {
        Ok(stored) => Ok(Some(stored.version)),
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn may_write(at: &Tenancy, write: &Write) -> Result<()> {
    let now = alive(at, &write.key).await?;
    is_version(&write.key, &write.precondition, now)?;
    if !write.may_create && now.is_none() {
        let message = format!("{} is not known, and a client may not choose ids here", write.key);
        return Err(Fault::new(Category::MethodNotAllowed, message));
    }
    for target in &write.references {
        if alive(at, target).await?.is_none() {
            let message = format!("{} refers to {target}, which does not exist", write.key.kind);
            return Err(Fault::new(Category::Conflict, message));
        }
    }
    Ok(())
}

async fn may_delete(at: &Tenancy, deletes: &[Delete]) -> Result<()> {
    for delete in deletes {
        let now = alive(at, &delete.key).await?;
        is_version(&delete.key, &delete.if_match.clone().map_or(Precondition::Any, Precondition::Match), now)?;
    }
    if !at.rest.referential_integrity {
        return Ok(());
    }
    let keys: Vec<ResourceKey> = deletes.iter().map(|delete| delete.key.clone()).collect();
    let referrals = at.store.referrals_to(at.tenant, &keys).await?;
    match referrals.iter().find(|referral| !keys.contains(&referral.source)) {
        Some(referral) => {
            let message = format!("{} refers to {}, which cannot be deleted", referral.source, referral.target);
            Err(Fault::new(Category::Conflict, message))
        }
        None => Ok(()),
    }
}

fn is_version(key: &ResourceKey, wanted: &Precondition, now: Option<i64>) -> Result<()> {
    let names = |versions: &IfMatch| match (versions, now) {
        (_, None) => false,
        (IfMatch::Any, Some(_)) => true,
        (IfMatch::Versions(versions), Some(now)) => versions.contains(&now),
    };
    let message = match wanted {
        Precondition::Match(versions) if !names(versions) => format!("{key} does not have a version of If-Match"),
        Precondition::NoneMatch(versions) if names(versions) => format!("{key} has a version of If-None-Match"),
        _ => return Ok(()),
    };
    Err(Fault::new(Category::PreconditionFailed, message))
}
