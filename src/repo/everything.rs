//! Whose record `$everything` is (`search/everything`): that of a resource, of all of a type, or of the members of a Group.

use std::collections::HashSet;
use std::sync::Arc;

use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::everything::Subjects;
use crate::search::index::Searcher;
use crate::search::kind::reference::local;
use crate::search::query::Everything;
use crate::store::body;

/// Most Groups that a Group may have in it, at all depths.
const GROUPS: usize = 1000;

/// The subjects, as the snapshot has them.
pub(super) async fn subjects(at: &Arc<Tenancy>, searcher: &Searcher, asked: &Everything) -> Result<Subjects> {
    let kind = asked.kind;
    let Some(id) = &asked.id else { return Ok(Subjects { keys: None, root: None, kind }) };
    let key = ResourceKey::new(kind, id.clone());
    if kind.name() != "Group" {
        return Ok(Subjects { keys: Some(vec![key.hash64()]), root: None, kind });
    }
    let patient = ResourceType::find("Patient").ok_or_else(|| Fault::internal("there is no type Patient"))?;
    let keys = patients(at, searcher, &key, patient).await?;
    Ok(Subjects { keys: Some(keys), root: Some(key.hash64()), kind: patient })
}

/// The patients of a Group and of the Groups in it, without those who are no longer members.
async fn patients(
    at: &Arc<Tenancy>,
    searcher: &Searcher,
    group: &ResourceKey,
    patient: ResourceType,
) -> Result<Vec<u64>> {
    let (mut seen, mut found) = (HashSet::from([group.clone()]), HashSet::new());
    let mut next = vec![group.clone()];
    while !next.is_empty() {
        let hashes: Vec<u64> = next.drain(..).map(|key| key.hash64()).collect();
        let snapshot = searcher.clone();
        let hits = blocking(move || snapshot.lookup(&hashes)).await?;
        let seqs: Vec<Seq> = hits.iter().map(|hit| hit.seq).collect();
        for row in at.store.by_seqs(at.tenant, &seqs).await? {
            let Some(bytes) = &row.body else { continue };
            let json = parse_stored(&body::decode(bytes, row.version, row.updated)?)?;
            for key in members(&json, &at.base) {
                if key.kind == patient {
                    found.insert(key.hash64());
                } else if key.kind == group.kind && seen.insert(key.clone()) {
                    next.push(key);
                }
            }
        }
        if seen.len() > GROUPS {
            let message = format!("the Group has more than {GROUPS} Groups in it");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
    }
    let mut keys: Vec<u64> = found.into_iter().collect();
    keys.sort_unstable();
    Ok(keys)
}

fn members<'a>(group: &'a Json, base: &'a str) -> impl Iterator<Item = ResourceKey> + 'a {
    let all = group.get("member").and_then(Json::as_array).unwrap_or_default().iter();
    let active = all.filter(|member| member.get("inactive").and_then(Json::as_bool) != Some(true));
    active.filter_map(move |member| local(member.get("entity")?.get("reference")?.as_str()?, base))
}
