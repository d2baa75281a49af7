//! Stored resources by canonical URL, of whatever type has one (FHIR R4 `references.html`, 2.3.0.3).

use std::sync::LazyLock;

use bytes::Bytes;

use super::call::Call;
use crate::base::fault::{Category, Result};
use crate::fhir::definitions::element::{property, resource_type_id};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;
use crate::repo::Handling;
use crate::search::context::SearchContext;
use crate::search::kind::escape::escape;

/// The longest URL that is looked for.
const LONGEST: usize = 1024;

/// The types whose resources have a canonical URL: those with a version and a date of their own beside it, unlike Device and Contract.
static KINDS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    let has = |kind: ResourceType, name: &str| property(resource_type_id(kind), &Name::new(name)).is_some();
    ResourceType::all().filter(|kind| ["url", "version", "date"].iter().all(|name| has(*kind, name))).collect()
});

/// Whether a text could be the canonical URL of a stored resource, and is no reference to one of a type that has none.
pub fn may_be(text: &str) -> bool {
    let is_absolute = ["http://", "https://", "urn:"].iter().any(|scheme| text.starts_with(scheme));
    let is_plain = text.len() <= LONGEST && !text.contains(char::is_whitespace);
    is_absolute && is_plain && named(text).is_none_or(|kind| KINDS.contains(&kind))
}

/// The type that a URL names before its last segment.
fn named(url: &str) -> Option<ResourceType> {
    let url = url.split(['|', '#', '?']).next().unwrap_or(url);
    ResourceType::find(url.rsplit('/').nth(1)?)
}

/// The stored resource of a type with a canonical URL, with or without a version; of several the one that was written last.
///
/// # Errors
/// 403 where the type may not be searched for; 503 or 500 from the database.
pub async fn of_kind(call: &Call<'_>, kind: ResourceType, canonical: &str) -> Result<Option<Bytes>> {
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = vec![pair("url", &escape(url)), pair("_sort", "-_lastUpdated"), pair("_count", "1")];
    pairs.extend(version.map(|version| pair("version", &escape(version))));
    let found = call.session.search(SearchContext::Type(kind), &pairs, Handling::Strict).await?;
    Ok(found.entries.into_iter().next().and_then(|entry| entry.stored.body))
}

/// The stored resource of any type with a canonical URL; none of what is not there, or may not be searched for.
///
/// # Errors
/// 503 or 500 from the database.
pub async fn stored(call: &Call<'_>, canonical: &str) -> Result<Option<Bytes>> {
    // the type that it names is the likeliest
    let first = named(canonical).filter(|kind| KINDS.contains(kind));
    for kind in first.into_iter().chain(KINDS.iter().copied().filter(|kind| Some(*kind) != first)) {
        match of_kind(call, kind, canonical).await {
            Ok(None) => {}
            Err(fault) if fault.category() == Category::Forbidden => {}
            found => return found,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_canonical_url() {
        for (text, is_one) in [
            ("http://x/Measure/m|1", true),
            ("http://x/anything", true),
            ("urn:oid:1.2.3", true),
            ("http://x/Patient/1", false),
            ("Measure/m", false),
            ("#m", false),
            ("http://x/a b", false),
        ] {
            assert_eq!(may_be(text), is_one, "{text}");
        }
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
        assert!(
            names.contains(&"Measure")
                && names.contains(&"StructureMap")
                && !names.contains(&"Device")
                && names.len() == 28,
            "{names:?}"
        );
    }
}
