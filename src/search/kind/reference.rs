//! `reference` (FHIR R4 `search.html`, 3.1.1.4.12).

use super::element::{Element, text};
use super::escape::unescape;
use super::token;
use crate::fhir::definitions::names;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::json::{Json, Object};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::query::ReferenceTest;
use crate::search::value::{Target, Value};

fn id_of(text: &str) -> Option<ResourceId> {
    if ResourceId::is_valid(text) { ResourceId::parse(text).ok() } else { None }
}

/// What stands behind `http:` or `https:`: the two name the same thing (FHIR R4 `http.html`, 3.1.0.1.2).
fn any_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("http:").or_else(|| url.strip_prefix("https:"))
}

/// The resource of this server that a text names: `Type/id`, or that below `base`; with or without
/// `/_history/version`.
pub fn local(text: &str, base: &str) -> Option<ResourceKey> {
    let base = base.trim_end_matches('/');
    let (url, base) = any_scheme(text).zip(any_scheme(base)).unwrap_or((text, base));
    let below = url.strip_prefix(base).filter(|_| !base.is_empty()).and_then(|rest| rest.strip_prefix('/'));
    let (kind, rest) = below.unwrap_or(text).split_once('/')?;
    let id = rest.split_once("/_history/").map_or(rest, |(id, _)| id);
    Some(ResourceKey::new(ResourceType::find(kind)?, id_of(id)?))
}

/// The resource of this server and the version that a text names.
pub fn version(text: &str, base: &str) -> Option<(ResourceKey, Option<i64>)> {
    let version = text.split_once("/_history/").and_then(|(_, version)| version.parse().ok());
    Some((local(text, base)?, version))
}

/// What a reference, canonical or URI names; none for the resource around a contained one (`#`).
fn target(text: &str, base: &str) -> Option<Target> {
    match text.strip_prefix('#') {
        Some("") => return None,
        Some(id) => return Some(Target::Contained(id.into())),
        None if text.is_empty() => return None,
        None => {}
    }
    if let Some(key) = local(text, base) {
        return Some(Target::Local(key));
    }
    let (url, _) = text.split_once("/_history/").unwrap_or((text, ""));
    Some(Target::Other(url.into()))
}

/// Which resources a parameter may lead to: those of its definition, else all.
pub fn targets(param: &SearchParam) -> Vec<ResourceType> {
    if param.targets.is_empty() { ResourceType::all().collect() } else { param.targets.clone() }
}

/// Reads one value. `kind`: the type of the modifier `:[type]`.
///
/// # Errors
/// The reason, when it is no id, `Type/id` or URL.
pub fn parse(
    value: &str,
    kind: Option<ResourceType>,
    param: &SearchParam,
    base: &str,
) -> Result<ReferenceTest, &'static str> {
    let text = unescape(value)?;
    let found = local(&text, base);
    if let Some(kind) = kind {
        let id = match found {
            Some(key) if key.kind == kind => Some(key.id),
            Some(_) => return Err("the type of the value is not that of the modifier"),
            None => id_of(&text),
        };
        let id = id.ok_or("with the modifier of a type, the value is an id of this server")?;
        return Ok(ReferenceTest::Local { types: vec![kind], id });
    }
    if let Some(key) = found {
        return Ok(ReferenceTest::Local { types: vec![key.kind], id: key.id });
    }
    if let Some(id) = id_of(&text) {
        return Ok(ReferenceTest::Local { types: targets(param), id });
    }
    let is_url = text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !scheme.contains(['/', '|', ' '])
    });
    if !is_url {
        return Err("it is no id, no Type/id of a known type, and no absolute URL");
    }
    let (url, _) = text.split_once("/_history/").unwrap_or((&text, ""));
    Ok(ReferenceTest::Url(url.into()))
}

/// The values of an element: a Reference, a canonical or URI, or a resource itself (Bundle.composition).
pub fn extract(element: Element<'_>, base: &str, out: &mut dyn FnMut(Value)) {
    match element.json {
        Json::String(text) => {
            if let Some(target) = target(text, base) {
                out(Value::Reference(target));
            }
        }
        Json::Object(object) => in_object(object, base, out),
        _ => {}
    }
}

fn in_object(object: &Object, base: &str, out: &mut dyn FnMut(Value)) {
    if let Some(kind) = text(object, names::RESOURCE_TYPE) {
        let key = ResourceType::find(kind).zip(text(object, names::ID).and_then(id_of));
        if let Some((kind, id)) = key {
            out(Value::Reference(Target::Local(ResourceKey::new(kind, id))));
        }
        return;
    }
    if let Some(target) = text(object, names::REFERENCE).and_then(|text| target(text, base)) {
        out(Value::Reference(target));
    }
    if let Some((system, value)) = token::identifier(object) {
        out(Value::Reference(Target::Identifier { system: system.map(Into::into), value: value.into() }));
    }
}

/// Adds the canonicals of versions without these, as they are components of composites: a canonical finds all its versions.
pub fn spread(values: &mut Vec<Value>) {
    let bare = values.iter().filter_map(|value| match value {
        Value::Reference(Target::Other(url)) => url.rsplit_once('|').map(|(bare, _)| bare.into()),
        _ => None,
    });
    let bare: Vec<Box<str>> = bare.collect();
    values.extend(bare.into_iter().map(|url| Value::Reference(Target::Other(url))));
}

/// What a canonical with a version is below: the same with the version cut at each dot, and without it.
pub fn versions(canonical: &str) -> impl Iterator<Item = &str> {
    const DOTS_MAX: usize = 8;
    let start = canonical.rfind('|').unwrap_or(canonical.len());
    let dots = canonical.match_indices('.').map(|(at, _)| at).filter(move |at| *at > start).take(DOTS_MAX);
    let cuts = std::iter::once(start).filter(|at| *at < canonical.len()).chain(dots);
    cuts.map(|at| &canonical[..at])
}

/// Whether a value passes.
pub fn passes(test: &ReferenceTest, target: &Target) -> bool {
    match (test, target) {
        (ReferenceTest::Local { types, id }, Target::Local(key)) => key.id == *id && types.contains(&key.kind),
        (ReferenceTest::Url(wanted), Target::Other(url)) => {
            url == wanted || url.rsplit_once('|').is_some_and(|(url, _)| *url == **wanted)
        }
        (ReferenceTest::Below(wanted), Target::Other(url)) => {
            url == wanted || versions(url).any(|found| found == &**wanted)
        }
        (ReferenceTest::Identifier(test), Target::Identifier { system, value }) => {
            token::passes(test, system.as_deref(), Some(value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::definitions::params::search_param;

    const BASE: &str = "http://host/fhir";

    fn subject() -> &'static SearchParam {
        search_param(ResourceType::find("Observation").expect("a type"), "subject").expect("a parameter")
    }

    #[test]
    fn finds_every_way_to_write_it() {
        let written =
            ["Patient/1", "http://host/fhir/Patient/1", "https://host/fhir/Patient/1", "Patient/1/_history/3"];
        let asked = [
            "1",
            "Patient/1",
            "http://host/fhir/Patient/1",
            "https://host/fhir/Patient/1",
            "http://host/fhir/Patient/1/_history/2",
        ];
        for text in written {
            let target = target(text, BASE).expect(text);
            for value in asked {
                assert!(passes(&parse(value, None, subject(), BASE).expect(value), &target), "{value} finds {text}");
            }
            for value in ["2", "Group/1", "http://other/fhir/Patient/1", "http://host:1/fhir/Patient/1", "urn:uuid:1"] {
                assert!(!passes(&parse(value, None, subject(), BASE).expect(value), &target), "{value} finds {text}");
            }
        }
        assert_eq!(target("#a", BASE), Some(Target::Contained("a".into())));
        assert_eq!((target("#", BASE), target("", BASE)), (None, None));
        assert_eq!(
            target("http://other/Patient/1/_history/4", BASE),
            Some(Target::Other("http://other/Patient/1".into()))
        );
    }

    #[test]
    fn types_urls_and_versions() {
        let kind = ResourceType::find("Patient");
        let one = target("Patient/1", BASE).expect("a target");
        assert!(passes(&parse("1", kind, subject(), BASE).expect("an id"), &one));
        assert!(passes(&parse("Patient/1", kind, subject(), BASE).expect("a key"), &one));
        for value in ["Group/1", "http://other/Patient/1", "a_b"] {
            assert!(parse(value, kind, subject(), BASE).is_err(), "{value}");
        }
        for value in ["Nonsense/1", "a/b/c", "a_b", "#a", "Patient/", "Patient/a_b", ":x"] {
            assert!(parse(value, None, subject(), BASE).is_err(), "{value}");
        }
        let canonical = target("http://x/ValueSet/a|1.0", BASE).expect("a target");
        let finds = |value: &str| passes(&parse(value, None, subject(), BASE).expect(value), &canonical);
        assert!(finds("http://x/ValueSet/a") && finds("http://x/ValueSet/a|1.0") && !finds("http://x/ValueSet/a|1"));
    }
}
