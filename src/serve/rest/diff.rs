//! `GET [base]/[type]/[id]/$diff`, and `GET [base]/$diff?from=...&to=...`: what leads from one version of a resource to another,
//! as a FHIRPath Patch. FHIR R4 has no such operation; it is the one that users of HAPI FHIR know.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::patch::diff;
use crate::fhir::types::{ResourceId, ResourceKey};
use crate::repo::Stored;
use crate::search::kind::reference::version;

/// Versions without content before the current one that are stepped over.
const STEPS: i64 = 100;

/// Parameters with an `operation` for each difference.
///
/// # Errors
/// 400 for missing or wrong parameters and for resources of different types; 404 and 410 as for reads.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let is_one = call.target.id.is_some();
    let known: &[&str] = if is_one { &["fromVersion", "includeMeta"] } else { &["from", "to", "includeMeta"] };
    let arguments = Arguments::read(call, body, "diff", known)?;
    let with_meta = arguments.boolean("includeMeta")?.unwrap_or(false);
    let (old, new) = if is_one {
        let new = call.session.read(&call.key()?).await?;
        let old = match arguments.positive("fromVersion")? {
            Some(version) => call.session.vread(&new.key, i64::try_from(version).unwrap_or(i64::MAX)).await?,
            None => previous(call, &new).await?,
        };
        (old, new)
    } else {
        (named(call, &arguments, "from").await?, named(call, &arguments, "to").await?)
    };
    let work = move || -> Result<Vec<u8>> {
        let tree = |stored: &Stored| parse_stored(stored.body.as_deref().unwrap_or_default());
        let mut out = Vec::new();
        write(&diff(&tree(&old)?, &tree(&new)?, with_meta)?, &mut out);
        Ok(out)
    };
    let done = tokio::task::spawn_blocking(work).await;
    let text = done.map_err(|_| Fault::internal("the comparison of two versions stopped"))??;
    Ok(Answer::whole(text.into()))
}

/// The version before the current one that has content.
async fn previous(call: &Call<'_>, current: &Stored) -> Result<Stored> {
    let first = (current.version - STEPS).max(1);
    for version in (first..current.version).rev() {
        match call.session.vread(&current.key, version).await {
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => {}
            other => return other,
        }
    }
    Err(Fault::not_found(format!("{} has no version before {}", current.key, current.version)))
}

/// The resource or version that a parameter names: `Patient/1`, `Patient/1/_history/2`, the same below the base, or an id
/// where the path has the type.
async fn named(call: &Call<'_>, arguments: &Arguments<'_>, name: &str) -> Result<Stored> {
    let missing = || arguments.missing("from and to: Type/id, or Type/id/_history/version");
    let text = arguments.text(name)?.ok_or_else(missing)?;
    let (key, number) = match (version(text, &call.site.base), call.target.kind) {
        (Some(found), _) => found,
        (None, Some(kind)) if ResourceId::is_valid(text) => (ResourceKey::new(kind, ResourceId::parse(text)?), None),
        (None, _) => return Err(missing()),
    };
    if text.contains("/_history/") && number.is_none() {
        return Err(missing());
    }
    if let Some(kind) = call.target.kind.filter(|kind| *kind != key.kind) {
        return Err(Fault::invalid(format!("{key} is not a {kind}")));
    }
    match number {
        Some(number) => call.session.vread(&key, number).await,
        None => call.session.read(&key).await,
    }
}
