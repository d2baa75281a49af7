//! Hierarchies of resources (FHIR R4 `search.html`, 3.1.1.4.14): a type is one when it has a parameter `partof` or
//! `part-of` that leads to the type itself (Location, Organization, Encounter, Task ...).

use std::sync::Arc;

use tantivy::Searcher;

use super::index::codec::ParamHash;
use super::index::combine::{all, all_of};
use super::index::keyset::{InKeys, KeySet, Place};
use super::joins;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::params::{ParamKind, SearchParam, search_param};
use crate::fhir::types::{ResourceKey, ResourceType};

/// Most levels that are walked. A circle ends by itself: nothing new is found.
const LEVELS_MAX: usize = 64;

/// The parameter with which resources of a type say what they are part of.
pub fn parent(kind: ResourceType) -> Option<&'static SearchParam> {
    let found = ["partof", "part-of"].into_iter().find_map(|code| search_param(kind, code))?;
    (found.kind == ParamKind::Reference && found.targets.contains(&kind)).then_some(found)
}

/// The hashes of some resources and of all below (or above) them.
///
/// # Errors
/// 400 `too-costly` beyond a bound; 500 when the index cannot be read.
pub fn reach(searcher: &Searcher, roots: &[ResourceKey], above: bool, bound: usize) -> Result<KeySet> {
    let mut kinds: Vec<ResourceType> = roots.iter().map(|root| root.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut found = KeySet::default();
    for kind in kinds {
        let mut reached: KeySet = roots.iter().filter(|root| root.kind == kind).map(ResourceKey::hash64).collect();
        let Some(parent) = parent(kind) else {
            found.extend(reached);
            continue;
        };
        let up = Place::Target(ParamHash::of(kind, parent.id));
        let (from, to) = if above { (Place::Own, up) } else { (up, Place::Own) };
        let mut last = reached.clone();
        for level in 0.. {
            let query = all(vec![all_of(kind), Box::new(InKeys { place: from, keys: Arc::new(last) })]);
            let next = joins::collect(searcher, query.as_ref(), to, bound)?;
            last = next.into_iter().filter(|key| reached.insert(*key)).collect();
            joins::check(&reached, bound)?;
            if last.is_empty() {
                break;
            }
            if level == LEVELS_MAX {
                let message = format!("a hierarchy has more than {LEVELS_MAX} levels");
                return Err(Fault::coded(Category::Invalid, "too-costly", message));
            }
        }
        found.extend(reached);
    }
    joins::check(&found, bound)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_are_hierarchies() {
        let has = |name| parent(ResourceType::find(name).expect(name)).is_some();
        for name in ["Location", "Organization", "Encounter", "Task", "Procedure"] {
            assert!(has(name), "{name}");
        }
        for name in ["Patient", "Group", "Observation", "Device"] {
            assert!(!has(name), "{name}");
        }
    }
}
