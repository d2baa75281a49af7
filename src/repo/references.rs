//! References inside a transaction: `urn:uuid:` and other full URLs become `Type/id`, and conditional
//! references become the resource they select (FHIR R4 `http.html`, 3.1.0.11.2).

use std::collections::HashMap;

use super::conditional::Condition;
use crate::base::fault::Result;
use crate::fhir::json::Json;
use crate::fhir::resource::{ReferenceSite, visit_references_mut};
use crate::fhir::types::ResourceKey;

/// Where the full URLs of a transaction's entries lead.
#[derive(Debug, Default)]
pub(super) struct Targets {
    by_url: HashMap<String, ResourceKey>,
}

impl Targets {
    /// Remembers where a full URL leads. `false`: the URL is already taken by another resource.
    pub(super) fn insert(&mut self, full_url: &str, key: &ResourceKey) -> bool {
        let old = self.by_url.insert(full_url.to_owned(), key.clone());
        old.is_none_or(|old| old == *key)
    }

    /// The resource behind a reference: the URL itself, or the URL before `#fragment`.
    fn find<'a>(&self, text: &'a str) -> Option<(&ResourceKey, &'a str)> {
        if let Some(key) = self.by_url.get(text) {
            return Some((key, ""));
        }
        let at = text.find('#').filter(|at| *at > 0)?;
        Some((self.by_url.get(&text[..at])?, &text[at..]))
    }
}

/// All conditional references of a resource, each once.
pub(super) fn conditions(resource: &mut Json, found: &mut Vec<Condition>) -> Result<()> {
    visit_references_mut(resource, &mut |site, text| {
        if matches!(site, ReferenceSite::Reference) && text.contains('?') {
            found.extend(Condition::of_reference(text).filter(|condition| !found.contains(condition)));
        }
        Ok(())
    })
}

/// Rewrites the references of a resource; a conditional one for which `select` has nothing stays.
///
/// # Errors
/// What `select` says about a conditional reference.
pub(super) fn rewrite(
    resource: &mut Json,
    targets: &Targets,
    select: &dyn Fn(&Condition) -> Result<Option<ResourceKey>>,
) -> Result<()> {
    visit_references_mut(resource, &mut |site, text| {
        if let Some((key, rest)) = targets.find(text) {
            *text = format!("{key}{rest}").into();
        } else if matches!(site, ReferenceSite::Reference)
            && let Some(condition) = text.contains('?').then(|| Condition::of_reference(text)).flatten()
            && let Some(key) = select(&condition)?
        {
            *text = key.to_string().into();
        }
        Ok(())
    })
}
