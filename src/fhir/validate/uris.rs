//! URIs whose scheme has rules of its own, and canonical URLs (FHIR R4 `datatypes.html#uri`, `references.html#canonical`).

use super::entries::{contained, contained_count};
use super::known::TYPES;
use super::primitive::Primitive;
use super::state::{Check, Scope, shown};
use crate::fhir::definitions::element::TypeId;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a uri, url or canonical that has no spaces; where rules are checked, also where a canonical leads.
pub fn check<'j>(check: &mut Check<'_, 'j>, text: &'j str, type_id: TypeId, scope: &Scope<'j>, path: &Path) {
    let is_broken = |primitive: Primitive, text: &str| !primitive.is_text(text);
    if text.starts_with("urn:uuid:") && is_broken(Primitive::Uuid, text.split(['#', '|']).next().unwrap_or(text)) {
        return check.fail("value", || format!("{} is no UUID in lower case", shown(text)), path);
    }
    if text.starts_with("urn:oid:") && is_broken(Primitive::Oid, text.split(['#', '|']).next().unwrap_or(text)) {
        return check.fail("value", || format!("{} is no OID", shown(text)), path);
    }
    if !check.has_rules || Some(type_id) != TYPES.canonical {
        return;
    }
    if text.starts_with('#') {
        check.charge(contained_count(scope.root), path);
        if check.steps == 0 {
            return;
        }
    }
    match text.strip_prefix('#') {
        Some(id) if contained(scope.root, id).is_none() => {
            check.fail("not-found", || format!("there is no contained resource with the id \"{}\"", shown(id)), path);
        }
        None if !has_scheme(text) => {
            check.fail("value", || format!("a canonical URL must be absolute, not {}", shown(text)), path);
        }
        _ => {}
    }
}

/// The system of identifiers and codes that are URIs themselves.
const URI_SYSTEM: &str = "urn:ietf:rfc:3986";

/// Checks that what names its system as URIs is one: the value of an Identifier, the code of a Coding.
pub fn of_uri_system(check: &mut Check<'_, '_>, json: &Json, name: u16, path: &Path) {
    if json.text_known(names::SYSTEM) == Some(URI_SYSTEM)
        && let Some(value) = json.text_known(name)
        && !has_scheme(value)
    {
        let text = || format!("with the system {URI_SYSTEM} it must be a full URI, not \"{}\"", shown(value));
        check.fail("value", text, &path.child(names::ALL[usize::from(name)]));
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}
