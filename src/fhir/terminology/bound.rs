//! The value set that an element is bound to, for the parameter `context` of `$expand` and `$validate-code`: the server holds the
//! definitions itself, so a client need not know them.
//!
//! A context is `[StructureDefinition]#[path, id or name of a slice]`, or a path that begins with a type of FHIR
//! (`DiagnosticReport.category`). An element that a definition does not have is one of the type of the element before it. Where a
//! profile says nothing of a binding, that of its base counts.

use std::sync::Arc;

use super::face::Library;
use super::memory::{list, text};
use super::params::Params;
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::conformance::CORE;
use crate::fhir::json::Json;

/// Most definitions that are gone through: those of types within types, and of bases.
const STEPS: usize = 64;

/// The canonical URL of the value set that a context means.
///
/// # Errors
/// 400 for a context or a direction that is none; 404 for a definition or element that is not known, or an element without a binding.
pub fn value_set_of(library: &dyn Library, params: &Params, given: &str) -> Result<String> {
    if let Some(direction) = params.text("contextDirection")?
        && !matches!(direction, "incoming" | "outgoing")
    {
        return Err(Fault::coded(Category::Invalid, "value", "it is incoming or outgoing").at("contextDirection"));
    }
    let (url, element) = match given.split_once('#') {
        Some((url, element)) if !url.is_empty() && !element.is_empty() => (url.to_owned(), element),
        None if !given.contains(['/', ':']) && given.contains('.') => {
            (format!("{CORE}{}", given.split('.').next().unwrap_or("")), given)
        }
        _ => {
            let message =
                "a context is the URL of a StructureDefinition, # and an element; or a path that begins with a type";
            return Err(Fault::coded(Category::Invalid, "value", message).at("context"));
        }
    };
    let missing = |message: String| Fault::not_found(message).at("context");
    let structure = find_structure(library, &url)?;
    let structure = structure.ok_or_else(|| missing(format!("the StructureDefinition {url} is not known here")))?;
    match bound(library, structure, element)? {
        Some(Some(value_set)) => Ok(value_set),
        Some(None) => Err(missing(format!("the element {element} of {url} is not bound to a value set"))),
        None => Err(missing(format!("the StructureDefinition {url} has no element {element}"))),
    }
}

fn find_structure(library: &dyn Library, canonical: &str) -> Result<Option<Arc<Json>>> {
    let (url, version) = version::split(canonical);
    library.structure(url, version)
}

/// The value set of an element; none where there is no such element, and none within where it has no binding.
fn bound(library: &dyn Library, mut structure: Arc<Json>, element: &str) -> Result<Option<Option<String>>> {
    let kind = text(&structure, "type").unwrap_or("").to_owned();
    let is_path = element == kind || element.strip_prefix(&*kind).is_some_and(|rest| rest.starts_with(['.', ':']));
    let mut path = element.to_owned();
    if !is_path && find(&structure, &path).is_none() {
        path = format!("{kind}.{path}");
    }
    let mut is_there = false;
    for _ in 0..STEPS {
        let next = match step(&structure, &path) {
            Step::Bound(value_set) => return Ok(Some(Some(value_set))),
            Step::Unbound(plain) => {
                is_there = true;
                path = plain;
                None
            }
            Step::Same(other) => {
                path = other;
                continue;
            }
            Step::Within(kind, rest) => {
                path = format!("{kind}{rest}");
                Some(format!("{CORE}{kind}"))
            }
            Step::Nothing => None,
        };
        let base = || text(&structure, "baseDefinition").map(str::to_owned);
        let Some(url) = next.or_else(base) else { break };
        let Some(found) = find_structure(library, &url)? else { break };
        structure = found;
    }
    Ok(is_there.then_some(None))
}

enum Step {
    /// The value set that the element is bound to.
    Bound(String),
    /// The element is there, with its path, and says nothing of a binding.
    Unbound(String),
    /// The same as another element of the definition.
    Same(String),
    /// An element of a type: its name, and the path below.
    Within(String, String),
    Nothing,
}

fn step(structure: &Json, path: &str) -> Step {
    if let Some(element) = find(structure, path) {
        let value_set = element.get("binding").and_then(|binding| text(binding, "valueSet"));
        return match value_set {
            Some(url) => Step::Bound(url.to_owned()),
            None => Step::Unbound(text(element, "path").unwrap_or(path).to_owned()),
        };
    }
    let mut before = path;
    while let Some((shorter, _)) = before.rsplit_once('.') {
        before = shorter;
        let Some(element) = find(structure, before) else { continue };
        let rest = &path[before.len()..];
        if let Some(same) = text(element, "contentReference") {
            let name = same.rsplit_once('#').map_or(same, |(_, name)| name);
            return Step::Same(format!("{name}{rest}"));
        }
        if let Some(kind) = list(element, "type").iter().find_map(|kind| text(kind, "code")) {
            let is_part = matches!(kind, "BackboneElement" | "Element");
            return if is_part { Step::Nothing } else { Step::Within(kind.to_owned(), rest.to_owned()) };
        }
    }
    Step::Nothing
}

/// The element with an id, a path or the name of a slice; `valueCode` is one of `value[x]`.
fn find<'s>(structure: &'s Json, name: &str) -> Option<&'s Json> {
    let of = |side: &str| structure.get(side).map(|side| list(side, "element"));
    let elements = of("snapshot").or_else(|| of("differential"))?;
    let is_choice = |path: &str| {
        let kind = path.strip_suffix("[x]").and_then(|stem| name.strip_prefix(stem));
        kind.is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()) && !kind.contains('.'))
    };
    let by = |is_it: &dyn Fn(&Json) -> bool| elements.iter().find(|element| is_it(element));
    by(&|element| text(element, "id") == Some(name))
        .or_else(|| by(&|element| text(element, "path") == Some(name)))
        .or_else(|| by(&|element| text(element, "sliceName") == Some(name)))
        .or_else(|| by(&|element| text(element, "path").is_some_and(is_choice)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::terminology::Core;

    fn of(context: &str) -> Result<String> {
        value_set_of(&Core, &Params::default(), context)
    }

    #[test]
    fn elements_are_found_by_paths_through_types() {
        let cases = [
            ("DiagnosticReport.category", "diagnostic-service-sections"),
            ("http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender", "administrative-gender"),
            ("http://hl7.org/fhir/StructureDefinition/Patient#gender", "administrative-gender"),
            ("Patient.contact.name.use", "name-use"),
            ("Questionnaire.item.item.type", "item-type"),
            ("Bundle.entry.request.method", "http-verb"),
            ("http://hl7.org/fhir/StructureDefinition/patient-birthPlace#Extension.valueAddress.type", "address-type"),
        ];
        for (context, name) in cases {
            let url = of(context).expect(context);
            assert_eq!(version::split(&url).0.rsplit('/').next(), Some(name), "{context}: {url}");
        }
    }

    #[test]
    fn what_is_not_bound_says_so() {
        for (context, category) in [
            ("Patient.birthDate", Category::NotFound),
            ("Patient.nothing", Category::NotFound),
            ("Nothing.at.all", Category::NotFound),
            ("http://hl7.org/fhir/StructureDefinition/none#Patient.gender", Category::NotFound),
            ("http://hl7.org/fhir/StructureDefinition/Patient", Category::Invalid),
            ("gender", Category::Invalid),
        ] {
            assert_eq!(of(context).expect_err(context).category(), category, "{context}");
        }
        let mut params = Params::default();
        params.push_text("contextDirection", "sideways");
        assert_eq!(
            value_set_of(&Core, &params, "Patient.gender").expect_err("a direction").category(),
            Category::Invalid
        );
    }
}
