//! References inside a transaction: `urn:uuid:` and other full URLs become `Type/id`, and conditional
//! references become the resource they select (FHIR R4 `http.html`, 3.1.0.11.2). A relative reference is one to the same
//! root as the full URL of the entry that it stands in (`bundle.html`, 2.36.4.1).

use std::collections::HashMap;

use super::conditional::Condition;
use crate::base::fault::Result;
use crate::fhir::json::Json;
use crate::fhir::resource::{ReferenceSite, visit_references_mut};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// Where the full URLs of a transaction's entries lead.
#[derive(Debug, Default)]
pub(super) struct Targets {
    by_url: HashMap<String, Lead>,
}

/// Where a full URL leads.
#[derive(Debug)]
struct Lead {
    key: ResourceKey,
    /// Its version after the transaction, where that is known before.
    version: Option<i64>,
}

impl Targets {
    /// Remembers where a full URL leads. `false`: the URL is already taken by another resource.
    pub(super) fn insert(&mut self, full_url: &str, key: &ResourceKey, version: Option<i64>) -> bool {
        let old = self.by_url.insert(full_url.to_owned(), Lead { key: key.clone(), version });
        old.is_none_or(|old| old.key == *key)
    }

    /// Says which version the resource of a full URL will have.
    pub(super) fn lead(&mut self, full_url: Option<&str>, version: i64) {
        if let Some(lead) = full_url.and_then(|url| self.by_url.get_mut(url)) {
            lead.version = Some(version);
        }
    }

    /// What a reference becomes: that of the URL itself, or of the URL before `#fragment` or `/_history/version`. One to a
    /// version stays one to a version, and is left alone where the new version cannot be known.
    fn find(&self, text: &str) -> Option<String> {
        if let Some(Lead { key, .. }) = self.by_url.get(text) {
            return Some(key.to_string());
        }
        let (url, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        if url.is_empty() {
            return None;
        }
        if let Some(Lead { key, .. }) = self.by_url.get(url) {
            return Some(format!("{key}{fragment}"));
        }
        let (url, _) = url.split_once("/_history/")?;
        let Lead { key, version } = self.by_url.get(url)?;
        Some(format!("{key}/_history/{}{fragment}", (*version)?))
    }

    /// The same of a relative reference in an entry below `root`.
    fn find_below(&self, root: &str, text: &str) -> Option<String> {
        let is_relative = text.starts_with(|c: char| c.is_ascii_uppercase()) && !text.contains([':', '?']);
        is_relative.then(|| self.find(&format!("{root}{text}"))).flatten()
    }
}

/// The root of a full URL that is one of REST: what stands before `Type/id`.
pub(super) fn root(full_url: &str) -> Option<&str> {
    let is_http = full_url.starts_with("http://") || full_url.starts_with("https://");
    let (rest, id) = full_url.rsplit_once('/').filter(|_| is_http)?;
    let at = rest.rfind('/')? + 1;
    ResourceType::find(&rest[at..])?;
    ResourceId::parse(id).ok()?;
    Some(&rest[..at])
}

/// All conditional references of a resource, each once; and whether there are references to versions.
pub(super) fn conditions(resource: &mut Json, found: &mut Vec<Condition>) -> Result<bool> {
    let mut names_versions = false;
    visit_references_mut(resource, &mut |site, text| {
        names_versions |= text.contains("/_history/");
        if matches!(site, ReferenceSite::Reference) && text.contains('?') {
            found.extend(Condition::of_reference(text).filter(|condition| !found.contains(condition)));
        }
        Ok(())
    })?;
    Ok(names_versions)
}

/// Rewrites the references of a resource in an entry below `root`; a conditional one for which `select` has nothing stays.
///
/// # Errors
/// What `select` says about a conditional reference.
pub(super) fn rewrite(
    resource: &mut Json,
    targets: &Targets,
    root: Option<&str>,
    select: &dyn Fn(&Condition) -> Result<Option<ResourceKey>>,
) -> Result<()> {
    visit_references_mut(resource, &mut |site, text| {
        let relative = || root.filter(|_| site != ReferenceSite::Uri).and_then(|root| targets.find_below(root, text));
        if let Some(new) = targets.find(text).or_else(relative) {
            *text = new.into();
        } else if matches!(site, ReferenceSite::Reference)
            && let Some(condition) = text.contains('?').then(|| Condition::of_reference(text)).flatten()
            && let Some(key) = select(&condition)?
        {
            *text = key.to_string().into();
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_urls_of_rest_have_a_root() {
        for (url, expected) in [
            ("http://h/fhir/Patient/1", Some("http://h/fhir/")),
            ("https://h/Patient/a.b-c", Some("https://h/")),
            ("http://h/fhir/Nonsense/1", None),
            ("http://h/fhir/Patient/a_b", None),
            ("urn:uuid:1", None),
            ("Patient/1", None),
            ("http://h", None),
        ] {
            assert_eq!(root(url), expected, "{url}");
        }
    }

    #[test]
    fn references_lead_to_what_the_transaction_makes() {
        let key = |id: &str| {
            let kind = ResourceType::find("Patient").expect("a type");
            ResourceKey::new(kind, ResourceId::parse(id).expect("an id"))
        };
        let mut targets = Targets::default();
        assert!(targets.insert("http://h/fhir/Patient/1", &key("a"), Some(1)));
        assert!(targets.insert("urn:uuid:2", &key("b"), None));
        assert!(!targets.insert("urn:uuid:2", &key("c"), None));
        for (text, expected) in [
            ("http://h/fhir/Patient/1", Some("Patient/a")),
            ("http://h/fhir/Patient/1#x", Some("Patient/a#x")),
            ("http://h/fhir/Patient/1/_history/7", Some("Patient/a/_history/1")),
            ("urn:uuid:2#x", Some("Patient/c#x")),
            ("urn:uuid:2/_history/7", None),
            ("#x", None),
            ("http://h/fhir/Patient/2", None),
        ] {
            assert_eq!(targets.find(text).as_deref(), expected, "{text}");
        }
        let below = |text: &str| targets.find_below("http://h/fhir/", text);
        assert_eq!(below("Patient/1").as_deref(), Some("Patient/a"));
        assert_eq!(below("Patient/1/_history/3").as_deref(), Some("Patient/a/_history/1"));
        assert_eq!((below("Patient/9"), below("Patient?name=x"), below("urn:uuid:2")), (None, None, None));
    }
}
