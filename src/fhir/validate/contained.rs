//! Contained resources: `dom-3` to `dom-5` (FHIR R4 `domainresource.html`), checked by hand, for their expressions visit
//! the whole resource. `dom-2` is in the structure.

use super::state::{Check, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks the contained resources of a resource.
pub fn check(check: &mut Check<'_, '_>, resource: &Json, path: &Path) {
    let Some(list) = resource.get("contained").and_then(Json::as_array) else { return };
    let all = path.child("contained");
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
        let Some(id) = one.get("id").and_then(Json::as_str) else { continue };
        if !refers(resource, id) && !refers(one, "") {
            let text = || {
                let id = shown(id);
                format!(
                    "dom-3: the contained resource \"{id}\" must be referred to from elsewhere in the resource, or refer to it"
                )
            };
            check.fail("invariant", text, &place);
        }
    }
}

/// Whether a text within the value is `#` and an id.
fn refers(json: &Json, id: &str) -> bool {
    match json {
        Json::String(text) => text.strip_prefix('#') == Some(id),
        Json::Array(items) => items.iter().any(|item| refers(item, id)),
        Json::Object(object) => object.iter().any(|(_, value)| refers(value, id)),
        _ => false,
    }
}
