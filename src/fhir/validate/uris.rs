//! URIs whose scheme has rules of its own, and canonical URLs (FHIR R4 `datatypes.html#uri`, `references.html#canonical`).

use super::entries::{contained, contained_count};
use super::known::TYPES;
use super::primitive::Primitive;
use super::state::{Check, Scope, shown};
use super::systems;
use crate::fhir::definitions::element::{Property, TypeId};
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a uri, url or canonical that has no spaces; where rules are checked, also where a canonical leads.
pub fn check<'j>(check: &mut Check<'_, 'j>, text: &'j str, property: &Property, scope: &Scope<'j>, path: &Path) {
    let type_id = property.type_id;
    let is_broken = |primitive: Primitive, text: &str| !primitive.is_text(text);
    if text.starts_with("urn:uuid:") && is_broken(Primitive::Uuid, text.split(['#', '|']).next().unwrap_or(text)) {
        return check.fail("value", || format!("{} is no UUID in lower case", shown(text)), path);
    }
    if text.starts_with("urn:oid:") && is_broken(Primitive::Oid, text.split(['#', '|']).next().unwrap_or(text)) {
        return check.fail("value", || format!("{} is no OID", shown(text)), path);
    }
    if check.options.is_thorough && is_root(text) {
        return check.fail("value", || format!("{} is the OID of a whole registry", shown(text)), path);
    }
    if check.options.refuses_examples && (text.contains("example.org") || text.contains("acme.com")) {
        return check.fail("value", || format!("{} is the URL of an example", shown(text)), path);
    }
    let name = property.name.id();
    let is_own = name == Some(names::FULL_URL) || (name == Some(names::URL) && scope.place.is_none());
    if check.has_rules && is_own && name == Some(names::URL) && is_canonical(scope) && !is_canonical_url(check, text) {
        return check.fail("value", || format!("a canonical URL must be absolute, not {}", shown(text)), path);
    }
    if check.options.is_thorough && Some(type_id) != TYPES.canonical && !is_own && is_unknown(check, text, scope) {
        return check.fail("not-found", || format!("nothing is known under the URL {}", shown(text)), path);
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
        None if !fits(check, text, property) => {
            check.fail("value", || format!("{} is the URL of a definition of another kind", shown(text)), path);
        }
        None if !is_canonical_url(check, text) => {
            check.fail("value", || format!("a canonical URL must be absolute, not {}", shown(text)), path);
        }
        _ => {}
    }
}

/// Whether a canonical leads to a definition of a kind that it may lead to, as far as that is known.
fn fits(check: &Check<'_, '_>, url: &str, property: &Property) -> bool {
    let Some(kind) = check.registry.kind_of(url).filter(|_| !property.targets.is_empty()) else { return true };
    property.targets.iter().any(|target| target.name() == kind)
}

/// Whether a resource is a definition with a canonical URL: it has a status, and is no Subscription or such.
fn is_canonical(scope: &Scope<'_>) -> bool {
    let kind = scope.resource.type_id.map_or("", TypeId::name);
    scope.resource.json.get("status").is_some() && !matches!(kind, "DeviceDefinition" | "Subscription" | "Endpoint")
}

/// What HL7's URLs within the specification begin with.
const FHIR: &str = "http://hl7.org/fhir";

/// What there is under [`FHIR`] beside definitions: the names of mappings and of policies.
const NAMES: [&str; 19] = [
    "/ConsentPolicy/opt-in",
    "/ConsentPolicy/opt-out",
    "/auditevent",
    "/composition",
    "/consent",
    "/documentreference",
    "/fivews",
    "/interface",
    "/logical",
    "/ndfrt",
    "/object-implementation",
    "/orim",
    "/provenance",
    "/rr",
    "/SearchParameter/Resource-filter",
    "/w5",
    "/workflow",
    "/NamingSystem/ca-hc-din",
    "/NamingSystem/ca-hc-npn",
];

/// What the URLs of the pages of a version of the specification go on with.
const PAGES: [&str; 5] = ["/R4/", "/R4B/", "/R5/", "/STU3/", "/DSTU2/"];

/// Whether a URL is one within HL7's specification under which there is nothing: no definition that is known, and none of the
/// kinds that are not kept.
fn is_unknown(check: &Check<'_, '_>, url: &str, scope: &Scope<'_>) -> bool {
    let url = url.split('#').next().unwrap_or(url);
    let Some(rest) = url.strip_prefix(FHIR) else { return false };
    let is_other_kind = || {
        let kinds =
            ["SearchParameter", "OperationDefinition", "CompartmentDefinition", "ConceptMap", "CapabilityStatement"];
        rest.rsplit_once('/').is_some_and(|(before, _)| kinds.iter().any(|kind| before.ends_with(kind)))
    };
    let is_named = NAMES.contains(&rest)
        || rest.starts_with("path/System.")
        || rest.strip_prefix("/sid/").is_some_and(systems::is_known);
    let contained = scope.root.json.get("contained").and_then(Json::as_array).unwrap_or_default();
    let is_own = |one: &Json| one.get("url").and_then(Json::as_str) == Some(url);
    !is_named
        && !is_other_kind()
        && !is_of_version(rest)
        && !PAGES.iter().any(|pages| rest.starts_with(pages))
        && check.registry.kind_of(url).is_none()
        && !contained.iter().any(is_own)
}

/// Whether a URL goes on as those of extensions that stand for elements of another version: `/5.0/StructureDefinition/extension-`.
fn is_of_version(rest: &str) -> bool {
    let Some((version, name)) = rest.strip_prefix('/').and_then(|rest| rest.split_once('/')) else { return false };
    matches!(version, "1.0" | "1.4" | "3.0" | "4.0" | "4.3" | "5.0")
        && name.starts_with("StructureDefinition/extension-")
}

/// The system of identifiers and codes that are URIs themselves.
const URI_SYSTEM: &str = "urn:ietf:rfc:3986";

/// Whether the OID of a URN has at least an arc below those of the registries, as any that somebody owns.
fn is_root(text: &str) -> bool {
    text.strip_prefix("urn:oid:").is_some_and(|oid| {
        let oid = oid.split(['#', '|']).next().unwrap_or(oid);
        !oid.starts_with("1.3") && oid.rfind('.').is_none_or(|at| at < 4)
    })
}

/// Checks that an Identifier's system is absolute.
pub fn of_identifier(check: &mut Check<'_, '_>, json: &Json, path: &Path) {
    let is_fine = |system: &str| systems::is_absolute(system) || system.starts_with("ldap:");
    let system = json.text_known(names::SYSTEM).filter(|system| check.options.is_thorough && !is_fine(system));
    if let Some(system) = system {
        let text = || format!("the system of an identifier must be an absolute URL, not \"{}\"", shown(system));
        check.fail("value", text, &path.child("system"));
    }
}

/// Checks that what names its system as URIs is one: the value of an Identifier, the code of a Coding.
pub fn of_uri_system(check: &mut Check<'_, '_>, json: &Json, name: u16, path: &Path) {
    if json.text_known(names::SYSTEM) == Some(URI_SYSTEM)
        && let Some(value) = json.text_known(name)
        && !has_scheme(value)
    {
        let text = || format!("with the system {URI_SYSTEM} it must be a full URI, not \"{}\"", shown(value));
        let path = path.child(names::ALL[usize::from(name)]);
        if check.options.for_storage && name == names::CODE {
            return check.warn("value", text, &path);
        }
        check.fail("value", text, &path);
    }
}

/// Whether a canonical URL is absolute.
fn is_canonical_url(check: &Check<'_, '_>, text: &str) -> bool {
    if check.options.is_thorough { is_absolute_canonical(text) } else { has_scheme(text) }
}

/// Whether a URI is absolute as one should be written: a scheme in lower case (RFC 3986, 3.1), and something after it.
pub fn is_absolute_canonical(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && !rest.is_empty()
    })
}

/// Whether a URI is absolute: it begins with a scheme.
pub fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}
