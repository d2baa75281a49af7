//! Value sets whose content follows from their URL (FHIR R4 `snomedct.html`, 4.3.1.0.9; `loinc.html`, 4.3.3.9).

use std::borrow::Cow;

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object};
use crate::fhir::terminology::notices::notice;
use crate::fhir::terminology::{About, ecl};

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org/vs/";
/// What stands above all reference sets.
const REFERENCE_SETS: &str = "900000000000455006";

/// The value set of a URL; none if it is none of this code system.
///
/// # Errors
/// 422 for a form that is known with a content that is not, or is not offered.
pub fn value_set(about: &About, url: &str) -> Result<Option<Json>> {
    let filter = match &*about.url {
        SNOMED => snomed(url)?,
        "http://loinc.org" => loinc(url)?,
        _ => None,
    };
    let Some((property, op, value)) = filter else { return Ok(None) };
    let string = |text: &str| Json::string(text);
    let filter = Json::object([("property", string(property)), ("op", string(op)), ("value", string(&value))]);
    let mut include = vec![("system", string(&about.url))];
    if let Some(version) = &about.version {
        include.push(("version", string(version)));
    }
    include.push(("filter", Json::Array(vec![filter])));
    let mut object = Object::new();
    include.into_iter().for_each(|(name, value)| object.set(name, value));
    let compose = Json::object([("include", Json::Array(vec![Json::Object(object)]))]);
    let mut set = Object::new();
    set.set("resourceType", string("ValueSet"));
    set.set("url", string(url));
    if let Some(version) = &about.version {
        set.set("version", string(version));
    }
    set.set("status", string("active"));
    if let Some(notice) = notice(&about.url) {
        set.set("copyright", string(notice));
    }
    set.set("compose", compose);
    Ok(Some(Json::Object(set)))
}

/// How the concepts of an association stand to those that they are mapped to (`snomedct.html`, 4.3.1.0.10).
const ASSOCIATIONS: [(&str, &str); 4] = [
    ("900000000000523009", "inexact"),
    ("900000000000526001", "equivalent"),
    ("900000000000527005", "equal"),
    ("900000000000530003", "inexact"),
];

/// The reference set of the URL of a concept map; none if it is none of this code system.
///
/// # Errors
/// 422 for what is no identifier.
pub fn map_of<'u>(about: &About, url: &'u str) -> Result<Option<&'u str>> {
    match url.split_once("?fhir_cm=") {
        Some((_, set)) if &*about.url == SNOMED => match is_id(set) {
            true => Ok(Some(set)),
            false => Err(wrong(url, "it is not a reference set")),
        },
        _ => Ok(None),
    }
}

/// The concept map of a reference set with some of its pairs of codes. Associations are between concepts; the codes of a simple map are of
/// a system that SNOMED CT does not tell.
pub fn concept_map(about: &About, url: &str, set: &str, pairs: &[(Box<str>, Box<str>)]) -> Json {
    let string = |text: &str| Json::string(text);
    let known = ASSOCIATIONS.iter().find(|(id, _)| *id == set).map(|(_, equivalence)| *equivalence);
    let element = |(from, to): &(Box<str>, Box<str>)| {
        let target = [("code", string(to)), ("equivalence", string(known.unwrap_or("relatedto")))];
        Json::object([("code", string(from)), ("target", Json::Array(vec![Json::object(target)]))])
    };
    let mut group = Object::new();
    for side in ["source", "target"].iter().take(if known.is_some() { 2 } else { 1 }) {
        group.set(side, string(SNOMED));
        if let Some(version) = &about.version {
            group.set(format!("{side}Version").as_str(), string(version));
        }
    }
    group.set("element", Json::Array(pairs.iter().map(element).collect()));
    let mut map = Object::new();
    map.set("resourceType", string("ConceptMap"));
    map.set("url", string(url));
    if let Some(version) = &about.version {
        map.set("version", string(version));
    }
    map.set("status", string("active"));
    map.set("group", Json::Array(vec![Json::Object(group)]));
    Json::Object(map)
}

fn is_id(id: &str) -> bool {
    (6..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong(url: &str, what: &str) -> Fault {
    Fault::coded(Category::Unprocessable, "invalid", format!("{url}: {what}"))
}

type Filter<'a> = Option<(&'static str, &'static str, Cow<'a, str>)>;

fn snomed(url: &str) -> Result<Filter<'_>> {
    let Some((base, query)) = url.split_once("?fhir_vs=") else { return Ok(None) };
    if base != SNOMED && !base.starts_with("http://snomed.info/sct/") {
        return Ok(None);
    }
    if let Some(constraint) = query.strip_prefix("ecl/") {
        let constraint = decoded(constraint);
        ecl::parse(&constraint).map_err(|fault| fault.at(url.to_owned()))?;
        return Ok(Some(("constraint", "=", constraint)));
    }
    match query.split_once('/') {
        None if query == "refset" => Ok(Some(("concept", "descendent-of", REFERENCE_SETS.into()))),
        Some(("isa", concept)) if is_id(concept) => Ok(Some(("concept", "is-a", concept.into()))),
        Some(("refset", concept)) if is_id(concept) => Ok(Some(("concept", "in", concept.into()))),
        _ => Err(wrong(url, "it is none of isa/CONCEPT, refset/CONCEPT, refset, ecl/CONSTRAINT")),
    }
}

/// A part of a URL without percent signs, as far as it has any that mean something.
fn decoded(text: &str) -> Cow<'_, str> {
    let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let code = text.as_bytes()[text.len() - bytes.len()..]
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).map_or(text, Cow::Owned)
}

fn loinc(url: &str) -> Result<Filter<'_>> {
    let Some(id) = url.strip_prefix(LOINC) else { return Ok(None) };
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(wrong(url, "it is neither an answer list nor a part of LOINC"));
    }
    match id.get(..2) {
        Some("LL") => Ok(Some(("LIST", "=", id.into()))),
        Some("LP") => Ok(Some(("ancestor", "=", id.into()))),
        _ => Err(wrong(url, "it is neither an answer list (LL) nor a part (LP) of LOINC")),
    }
}
