//! Contained resources: `dom-3` to `dom-5` (FHIR R4 `domainresource.html`), checked by hand, for their expressions visit
//! the whole resource. `dom-2` is in the structure.

use std::cell::OnceCell;

use hashbrown::{HashMap, HashSet};

use super::astray::Astray;
use super::state::{Check, shown};
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks the contained resources of a resource.
pub fn check(check: &mut Check<'_, '_>, resource: &Json, path: &Path) {
    let Some(list) = resource.get_known(names::CONTAINED).and_then(Json::as_array) else { return };
    let mut named = HashSet::new();
    anchors(resource, &mut named);
    let all = path.child("contained");
    let mut ids = HashMap::new();
    let astray = OnceCell::new();
    for (n, one) in list.iter().enumerate() {
        let place = all.item(n);
        let meta = |name: &str| one.get("meta").and_then(|meta| meta.get(name)).is_some();
        if meta("versionId") || meta("lastUpdated") {
            let text = || "dom-4: a contained resource must not have meta.versionId or meta.lastUpdated".to_owned();
            check.fail("invariant", text, &place);
        }
        if meta("security") {
            check.fail("invariant", || "dom-5: a contained resource must not have a security label".to_owned(), &place);
        }
        let Some(id) = one.get("id").and_then(Json::as_str) else {
            check.fail("required", || "a contained resource must have an id".to_owned(), &place.child("id"));
            continue;
        };
        if let Some(other) = ids.insert(id, n) {
            let text = || format!("there is another contained resource with the id \"{}\"", shown(id));
            let other = || vec![all.item(other).child("id").to_string()];
            check.fail_of_several("value", text, &place.child("id"), other);
        }
        if !named.contains(id) && !refers_out(one) {
            let text = || {
                let id = shown(id);
                format!(
                    "dom-3: the contained resource \"{id}\" must be referred to from elsewhere in the resource, or refer to it"
                )
            };
            let may_be_meant = || {
                let places = astray.get_or_init(|| Astray::of(resource, path)).places_for(one);
                [place.child("id").to_string(), path.to_string()].into_iter().chain(places).collect()
            };
            check.fail_of_several("invariant", text, &place, may_be_meant);
        }
    }
}

/// The ids of all texts that are `#` and an id.
fn anchors<'j>(json: &'j Json, found: &mut HashSet<&'j str>) {
    match json {
        Json::String(text) => found.extend(text.strip_prefix('#')),
        Json::Array(items) => items.iter().for_each(|item| anchors(item, found)),
        Json::Object(object) => object.iter().for_each(|(_, value)| anchors(value, found)),
        _ => {}
    }
}

/// Whether a text within the value is `#`: the resource around it.
fn refers_out(json: &Json) -> bool {
    match json {
        Json::String(text) => &**text == "#",
        Json::Array(items) => items.iter().any(refers_out),
        Json::Object(object) => object.iter().any(|(_, value)| refers_out(value)),
        _ => false,
    }
}
