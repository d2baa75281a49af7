//! Resources as trees: identity, metadata, identifiers and references.

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeId, TypeKind, property, resource_type_id, type_by_name};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// The type of a resource.
///
/// # Errors
/// 400 when the value is not an object with a known `resourceType`.
pub fn resource_type(resource: &Json) -> Result<ResourceType> {
    let Some(object) = resource.as_object() else {
        let message = format!("a resource is a JSON object, not {}", resource.kind());
        return Err(Fault::coded(Category::Invalid, "structure", message));
    };
    match object.get("resourceType") {
        Some(Json::String(name)) => ResourceType::find(name).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            let message = format!("unknown resource type \"{}\"", shown.escape_debug());
            Fault::coded(Category::Invalid, "structure", message).at("resourceType")
        }),
        Some(other) => {
            let message = format!("resourceType is a string, not {}", other.kind());
            Err(Fault::coded(Category::Invalid, "structure", message).at("resourceType"))
        }
        None => {
            Err(Fault::coded(Category::Invalid, "structure", "the resource has no resourceType").at("resourceType"))
        }
    }
}

/// Sets the id: in its place, or after `resourceType`.
pub fn set_id(resource: &mut Json, id: &str) {
    let Some(object) = resource.as_object_mut() else { return };
    let value = Json::string(id);
    if let Some(slot) = object.get_mut("id") {
        *slot = value;
        return;
    }
    let at = object.iter().position(|(name, _)| *name == *"resourceType").map_or(0, |at| at + 1);
    object.insert_at(at, Name::new("id"), value);
}

/// Removes `meta.versionId` and `meta.lastUpdated`, which the server assigns; a `meta` that is empty then goes too.
pub fn strip_version(resource: &mut Json) {
    let Some(object) = resource.as_object_mut() else { return };
    let Some(meta) = object.get_mut("meta").and_then(Json::as_object_mut) else { return };
    for name in ["versionId", "_versionId", "lastUpdated", "_lastUpdated"] {
        meta.remove(name);
    }
    if meta.is_empty() {
        object.remove("meta");
    }
}

/// System and value of every business identifier of a resource: `Resource.identifier` where it is of type
/// Identifier.
pub fn identifiers(resource: &Json) -> Vec<(Option<&str>, &str)> {
    let items = match resource.get("identifier") {
        Some(Json::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return Vec::new(),
    };
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if let Some(value) = item.get("value").and_then(Json::as_str) {
            found.push((item.get("system").and_then(Json::as_str), value));
        }
    }
    found
}

/// Where a text stands that may name another resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceSite {
    /// `Reference.reference`
    Reference,
    /// An element of type uri, url, oid or uuid.
    Uri,
    /// `href` or `src` in a narrative.
    Narrative,
}

/// What [`visit_references_mut`] calls.
pub type Visitor<'a> = dyn FnMut(ReferenceSite, &mut Box<str>) -> Result<()> + 'a;

/// Visits every text of a resource that may name another resource (FHIR R4 `http.html`, 3.1.0.11.2): references, also
/// in extensions and contained resources, elements of type uri, url, oid and uuid, and links in narratives. Elements
/// of type canonical are not visited.
///
/// # Errors
/// The first error of `visit`.
pub fn visit_references_mut(resource: &mut Json, visit: &mut Visitor) -> Result<()> {
    let types = Types::get();
    let Ok(kind) = resource_type(resource) else { return Ok(()) };
    match resource.as_object_mut() {
        Some(object) => walk(object, resource_type_id(kind), types, visit),
        None => Ok(()),
    }
}

/// The types that the walk looks out for.
#[derive(Debug, Clone, Copy)]
struct Types {
    reference: Option<TypeId>,
    resource: Option<TypeId>,
    element: Option<TypeId>,
    xhtml: Option<TypeId>,
    uris: [Option<TypeId>; 4],
}

impl Types {
    fn get() -> Self {
        static TYPES: std::sync::OnceLock<Types> = std::sync::OnceLock::new();
        *TYPES.get_or_init(|| Self {
            reference: type_by_name("Reference"),
            resource: type_by_name("Resource"),
            element: type_by_name("Element"),
            xhtml: type_by_name("xhtml"),
            uris: ["uri", "url", "oid", "uuid"].map(type_by_name),
        })
    }
}

fn walk(object: &mut Object, owner: TypeId, types: Types, visit: &mut Visitor) -> Result<()> {
    let is_reference = Some(owner) == types.reference;
    for (name, value) in object.iter_mut() {
        if is_reference && *name == *"reference" {
            if let Json::String(text) = value {
                visit(ReferenceSite::Reference, text)?;
            }
            continue;
        }
        let kind = match property(owner, name) {
            Some(property) => Some(property.type_id),
            // The `_name` of a primitive: an Element with extensions.
            None if name.as_str().starts_with('_') => types.element,
            None => None,
        };
        if let Some(kind) = kind {
            step(value, kind, types, visit)?;
        }
    }
    Ok(())
}

fn step(value: &mut Json, kind: TypeId, types: Types, visit: &mut Visitor) -> Result<()> {
    match value {
        Json::String(text) if types.uris.contains(&Some(kind)) => visit(ReferenceSite::Uri, text),
        Json::String(text) if Some(kind) == types.xhtml => narrative(text, visit),
        Json::Array(items) => items.iter_mut().try_for_each(|item| step(item, kind, types, visit)),
        Json::Object(object) if Some(kind) == types.resource => {
            let inner = object.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find);
            inner.map_or(Ok(()), |inner| walk(object, resource_type_id(inner), types, visit))
        }
        Json::Object(object) if kind.kind() == TypeKind::Primitive => match types.element {
            Some(element) => walk(object, element, types, visit),
            None => Ok(()),
        },
        Json::Object(object) => walk(object, kind, types, visit),
        _ => Ok(()),
    }
}

/// Visits the values of `href` and `src` in XHTML.
fn narrative(text: &mut Box<str>, visit: &mut Visitor) -> Result<()> {
    if !text.contains("href=") && !text.contains("src=") {
        return Ok(());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = text;
    while let Some((start, quote)) = next_link(rest) {
        let Some(len) = rest[start..].find(quote) else { break };
        let mut link: Box<str> = rest[start..start + len].into();
        visit(ReferenceSite::Narrative, &mut link)?;
        out.push_str(&rest[..start]);
        out.push_str(&link);
        rest = &rest[start + len..];
    }
    out.push_str(rest);
    *text = out.into();
    Ok(())
}

/// Where the next value of `href` or `src` starts, and the quote that ends it.
fn next_link(text: &str) -> Option<(usize, char)> {
    let mut from = 0;
    loop {
        let found = ["href=", "src="].iter().filter_map(|name| Some(text[from..].find(name)? + from + name.len()));
        let start = found.min()?;
        match text[start..].chars().next()? {
            quote @ ('"' | '\'') => return Some((start + 1, quote)),
            _ => from = start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn sets_and_strips_in_place() {
        let mut json =
            parse(br#"{"resourceType":"Patient","meta":{"versionId":"3","lastUpdated":"2020-01-01T00:00:00Z"}}"#)
                .expect("JSON");
        set_id(&mut json, "a");
        strip_version(&mut json);
        assert_eq!(text(&json), r#"{"resourceType":"Patient","id":"a"}"#);
        let mut json =
            parse(br#"{"id":"b","meta":{"versionId":"3","tag":[]},"resourceType":"Patient"}"#).expect("JSON");
        set_id(&mut json, "a");
        strip_version(&mut json);
        assert_eq!(text(&json), r#"{"id":"a","meta":{"tag":[]},"resourceType":"Patient"}"#);
    }

    #[test]
    fn visits_what_transactions_rewrite() {
        let mut json = parse(
            br##"{"resourceType":"Observation","text":{"status":"generated","div":"<div><a href=\"urn:uuid:1\">x</a><img src='urn:uuid:2'/></div>"},
            "implicitRules":"urn:uuid:3","instantiatesCanonical":"urn:uuid:no",
            "contained":[{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:4"}}],
            "extension":[{"url":"urn:uuid:5","valueReference":{"reference":"urn:uuid:6"}},{"url":"x","valueUri":"urn:uuid:7"},{"url":"y","valueCanonical":"urn:uuid:no"}],
            "_status":{"extension":[{"url":"z","valueReference":{"reference":"urn:uuid:8"}}]},
            "identifier":[{"system":"urn:uuid:9","value":"urn:uuid:no"}],
            "subject":{"reference":"urn:uuid:10","display":"urn:uuid:no"},"valueString":"urn:uuid:no"}"##,
        )
        .expect("JSON");
        let mut seen = Vec::new();
        visit_references_mut(&mut json, &mut |site, text| {
            seen.push((site, text.to_string()));
            *text = text.replace("urn:uuid:", "Patient/").into();
            Ok(())
        })
        .expect("no error");
        let number = |site: ReferenceSite| {
            let mut found: Vec<_> = seen
                .iter()
                .filter(|(s, _)| *s == site)
                .map(|(_, t)| t.rsplit(':').next().expect("a number").to_owned())
                .collect();
            found.sort();
            found.join(" ")
        };
        assert_eq!(number(ReferenceSite::Narrative), "1 2");
        assert_eq!(number(ReferenceSite::Reference), "10 4 6 8");
        assert!(
            ["3", "5", "7", "9"].iter().all(|n| number(ReferenceSite::Uri).split(' ').any(|x| x == *n)),
            "{seen:?}"
        );
        assert!(!seen.iter().any(|(_, t)| t == "urn:uuid:no"), "{seen:?}");
        assert!(text(&json).contains(r#"<a href=\"Patient/1\">x</a><img src='Patient/2'/>"#));
    }

    #[test]
    fn finds_identifiers() {
        let json = parse(
            br#"{"resourceType":"Patient","identifier":[{"system":"s","value":"v"},{"value":"w"},{"system":"t"}]}"#,
        )
        .expect("JSON");
        assert_eq!(identifiers(&json), [(Some("s"), "v"), (None, "w")]);
        let one = parse(br#"{"resourceType":"Bundle","identifier":{"system":"s","value":"v"}}"#).expect("JSON");
        assert_eq!(identifiers(&one), [(Some("s"), "v")]);
    }
}
