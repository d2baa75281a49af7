//! Extensions for elements of other FHIR versions (FHIR R4 `versions.html#extensions`): each element that R4 does not have, or has
//! otherwise, stands for an extension. Their definitions are made when they are needed, of the list of these elements
//! (`fhir-profiles/packages.toml`).

use std::sync::LazyLock;

use super::conformance::CORE;
use super::element::type_by_name;
use super::packed::unpacked;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// As `update` made it: sorted lines, each with version and path, `m` for a modifier, types and names of children; tabs between.
static FILE: &[u8] = include_bytes!("../../../fhir-profiles/hl7.fhir.xver-extensions#0.1.0.elements.zst");

/// The most bytes that the list may have.
const MOST: usize = 4 << 20;

/// What the URLs begin with.
const START: &str = "http://hl7.org/fhir/";

/// What stands in them between the version and the path.
const MIDDLE: &str = "/StructureDefinition/extension-";

struct List {
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
}

static LIST: LazyLock<List> = LazyLock::new(|| {
    let text = unpacked(FILE, MOST).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let mut starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
    starts.pop();
    List { text, starts }
});

/// One element.
#[derive(Debug, Clone, Copy)]
struct Element {
    key: &'static str,
    is_modifier: bool,
    types: &'static str,
    children: &'static str,
}

impl List {
    fn get(&'static self, at: usize) -> Option<Element> {
        let line = self.text.get(*self.starts.get(at)?..)?.lines().next()?;
        let mut parts = line.split('\t');
        let mut next = || parts.next().unwrap_or("");
        Some(Element { key: next(), is_modifier: next() == "m", types: next(), children: next() })
    }

    fn find(&'static self, version: &str, path: &str) -> Option<usize> {
        let key = format!("{version} {path}");
        let found = self.starts.binary_search_by(|start| {
            let rest = &self.text[*start..];
            rest[..rest.find('\t').unwrap_or(rest.len())].cmp(&key)
        });
        found.ok()
    }
}

/// How many such extensions there are.
pub fn count() -> usize {
    LIST.starts.len()
}

/// The number of the extension with a URL.
pub fn find(url: &str) -> Option<usize> {
    let (version, path) = url.strip_prefix(START)?.split_once(MIDDLE)?;
    let path = path.replace("%5Bx%5D", "[x]");
    LIST.find(version, &path).or_else(|| LIST.find(version, &format!("{path}[x]")))
}

/// The StructureDefinition of an extension, with its differential.
pub fn definition(at: usize, url: &str) -> Json {
    let mut made = Vec::new();
    if let Some(element) = LIST.get(at) {
        let modifier = element.is_modifier.then_some(("isModifier", Json::Bool(true)));
        made.push(part("Extension", "", modifier));
        content("Extension", url, element, &mut made);
    }
    Json::object([
        ("resourceType", Json::string("StructureDefinition")),
        ("url", Json::string(url)),
        ("name", Json::string(url.rsplit('/').next().unwrap_or(url))),
        ("kind", Json::string("complex-type")),
        ("type", Json::string("Extension")),
        ("derivation", Json::string("constraint")),
        ("baseDefinition", Json::string(format!("{CORE}Extension"))),
        ("differential", Json::object([("element", Json::Array(made))])),
    ])
}

fn object(pairs: impl Iterator<Item = (&'static str, Json)>) -> Json {
    let mut object = Object::new();
    pairs.for_each(|(name, value)| object.push(Name::new(name), value));
    Json::Object(object)
}

/// An element of the differential; the path is the id without the names of slices.
fn part(id: &str, slice: &str, more: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let path: Vec<&str> = id.split('.').map(|step| step.split(':').next().unwrap_or(step)).collect();
    let name = (!slice.is_empty()).then(|| ("sliceName", Json::string(slice)));
    let fixed = [("id", Json::string(id)), ("path", Json::string(path.join(".")))];
    object(fixed.into_iter().chain(name).chain(more))
}

/// What an extension, or a part of one, holds: a value of the types of its element, or parts for the children.
fn content(id: &str, url: &str, element: Element, made: &mut Vec<Json>) {
    let none = || [("max", Json::string("0"))];
    if element.types.is_empty() {
        let (version, path) = element.key.split_once(' ').unwrap_or(("", element.key));
        for name in element.children.split(';') {
            let child = LIST.find(version, &format!("{path}.{name}")).and_then(|at| LIST.get(at));
            let Some(child) = child else { continue };
            let name = name.trim_end_matches("[x]");
            let slice = format!("{id}.extension:{name}");
            made.push(part(&slice, name, []));
            content(&slice, name, child, made);
        }
    } else {
        made.push(part(&format!("{id}.extension"), "", none()));
    }
    made.push(part(&format!("{id}.url"), "", [("fixedUri", Json::string(url))]));
    let value = format!("{id}.value[x]");
    made.push(match types(element.types) {
        _ if element.types.is_empty() => part(&value, "", none()),
        Some(types) if types.is_empty() => part(&value, "", none()),
        Some(types) => part(&value, "", [("min", Json::integer(1)), ("type", Json::Array(types))]),
        None => part(&value, "", [("min", Json::integer(1))]),
    });
}

/// The types of R4 among those that are listed; none where those of the element in R4, marked with `!`, are all.
fn types(listed: &str) -> Option<Vec<Json>> {
    let others: Vec<&str> = listed.split(';').filter(|one| !one.starts_with('!')).collect();
    if others.is_empty() {
        return None;
    }
    let known = |one: &&str| {
        let (code, targets) = one.trim_end_matches(')').split_once('(').unwrap_or((one, ""));
        type_by_name(code)?;
        let names = targets.split(['|', ',']).filter(|name| !name.is_empty());
        let names = names.map(|name| if name == "Any" { "Resource" } else { name });
        let is_known = |name: &&str| *name == "Resource" || ResourceType::find(name).is_some();
        let urls: Vec<Json> = names.filter(is_known).map(|name| Json::string(format!("{CORE}{name}"))).collect();
        let has_targets = code == "Reference" && !urls.is_empty();
        let targets = has_targets.then_some(("targetProfile", Json::Array(urls)));
        Some(object([("code", Json::string(code))].into_iter().chain(targets)))
    };
    Some(others.iter().filter_map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_found_by_version_and_path() {
        assert_eq!(count(), LIST.text.lines().count());
        let lines: Vec<&str> = LIST.text.lines().collect();
        assert!(lines.is_sorted_by_key(|line| line.split('\t').next()) && lines.len() > 10_000);
        let url = |rest: &str| find(&format!("{START}{rest}"));
        assert!(url("3.0/StructureDefinition/extension-Patient.animal.species").is_some());
        let choice = url("5.0/StructureDefinition/extension-Patient.deceased[x]");
        assert!(choice.is_some());
        assert_eq!(url("5.0/StructureDefinition/extension-Patient.deceased%5Bx%5D"), choice);
        assert_eq!(url("5.0/StructureDefinition/extension-Patient.deceased"), choice);
        for other in
            ["5.0/StructureDefinition/extension-Patient.nothing", "9.0/StructureDefinition/extension-Patient.name", ""]
        {
            assert_eq!(url(other), None, "{other}");
        }
    }
}
