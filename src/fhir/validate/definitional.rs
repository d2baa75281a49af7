//! Rules of definitions that no invariant says: CodeSystems, StructureDefinitions and Measures (FHIR R4 `codesystem.html`,
//! `elementdefinition.html`, `measure.html`).

use hashbrown::HashSet;

use super::codes::Membership;
use super::compose;
use super::form;
use super::map;
use super::report;
use super::restricts;
use super::state::{Check, shown};
use super::types::is_general;
use crate::fhir::definitions::element::{TypeId, type_by_name};
use crate::fhir::fhirpath;
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::terminology::memory::{list, text};

/// The extension that names the work group of HL7 whose definition it is.
const WORK_GROUP: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-wg";

/// Checks a resource of one of these types.
pub fn check(check: &mut Check<'_, '_>, resource: &Json, path: &Path) {
    if !check.options.is_thorough {
        return;
    }
    let is_group = |extension: &Json| text(extension, "url") == Some(WORK_GROUP);
    let extensions = list(resource, "extension").iter().enumerate();
    let groups: Vec<usize> = extensions.filter(|(_, one)| is_group(one)).map(|(n, _)| n).collect();
    if groups.len() > 1 {
        let all = path.child("extension");
        let each = || groups.iter().map(|n| all.item(*n).to_string()).collect();
        check.fail_of_several("extension", || "a definition is of one work group".to_owned(), &all, each);
    }
    if !groups.is_empty() && text(resource, "url").is_some_and(|url| url.starts_with(FHIR)) {
        publisher(check, resource, path);
    }
    match text(resource, "resourceType") {
        Some("CodeSystem") => code_system(check, resource, path),
        Some("StructureDefinition") => structure(check, resource, path),
        Some("MeasureReport") => report::check(check, resource, path),
        Some("ConceptMap") => concept_map(check, resource, path),
        Some("ValueSet") => compose::check(check, resource, path),
        Some("Questionnaire") => form::check(check, resource, path),
        Some("StructureMap") => map::check(check, resource, path),
        Some("SearchParameter") => search_parameter(check, resource, path),
        Some("Measure") if !has_library(check, resource) => measure(check, resource, path),
        _ => {}
    }
}

/// What the URLs of HL7's own definitions begin with.
const FHIR: &str = "http://hl7.org/fhir/";

/// A definition of a work group is published by HL7, which names the group after a slash.
fn publisher(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let is_other = |publisher: &&str| publisher.contains('/') && !publisher.starts_with("HL7 International / ");
    if let Some(publisher) = text(definition, "publisher").filter(is_other) {
        let text = || format!("HL7 International publishes what a work group of it defines, not {}", shown(publisher));
        check.fail("value", text, &path.child("publisher"));
    }
}

/// The properties of a CodeSystem have codes and URIs of their own; what supplements another is a supplement.
fn code_system(check: &mut Check<'_, '_>, system: &Json, path: &Path) {
    let (mut codes, mut uris) = (HashSet::new(), HashSet::new());
    let all = path.child("property");
    for (n, property) in list(system, "property").iter().enumerate() {
        let place = all.item(n);
        if text(property, "code").is_some_and(|code| !codes.insert(code)) {
            check.fail("value", || "another property has this code".to_owned(), &place.child("code"));
        }
        if text(property, "uri").is_some_and(|uri| !uris.insert(uri)) {
            check.fail("value", || "another property has this URI".to_owned(), &place.child("uri"));
        }
    }
    let count = system.get("count").and_then(Json::as_number).and_then(|count| count.as_str().parse::<usize>().ok());
    if count.is_some_and(|count| text(system, "content") == Some("complete") && count != concepts(system)) {
        let text = || format!("the code system is complete, and has {} concepts", concepts(system));
        check.fail("value", text, &path.child("count"));
    }
    supplement(check, system, path);
    if system.get("supplements").is_some() && text(system, "content") != Some("supplement") {
        let text = || "what supplements another code system has the content \"supplement\"".to_owned();
        check.fail("value", text, &path.child("content"));
    }
}

/// A supplement says what it supplements, and has no codes of its own.
fn supplement(check: &mut Check<'_, '_>, system: &Json, path: &Path) {
    if text(system, "content") != Some("supplement") {
        return;
    }
    let Some(supplemented) = text(system, "supplements") else {
        let text = || "a supplement must name the code system that it supplements".to_owned();
        return check.fail("required", text, &path.child("supplements"));
    };
    let registry = check.registry;
    let Some(known) = registry.code_system(supplemented).filter(|known| known.is_complete()) else { return };
    let all = path.child("concept");
    for (n, concept) in list(system, "concept").iter().enumerate() {
        if let Some(code) = text(concept, "code").filter(|code| !known.has(code)) {
            let text = || format!("the code system {} has no code \"{}\"", shown(supplemented), shown(code));
            check.fail("code-invalid", text, &all.item(n).child("code"));
        }
    }
}

/// How many concepts there are, at all levels.
fn concepts(owner: &Json) -> usize {
    list(owner, "concept").iter().map(|concept| 1 + concepts(concept)).sum()
}

/// A profile without a snapshot must be one of which a snapshot can be made.
fn structure(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let is_profile = text(definition, "derivation") == Some("constraint") && definition.get("snapshot").is_none();
    if let Some(why) = is_profile.then(|| check.registry.unmakeable(definition)).flatten() {
        check.fail(
            "value",
            || format!("no snapshot can be made of the differential: {}", shown(&why)),
            &path.child("differential"),
        );
    }
    let kind = text(definition, "type").unwrap_or("");
    if text(definition, "baseDefinition") == Some(EXTENSION) && kind == "Extension" {
        url_of_extension(check, definition, path);
    }
    let is_model =
        text(definition, "kind") == Some("logical") && text(definition, "derivation") == Some("specialization");
    if is_model && !kind.contains(':') && kind != "MetadataResource" && type_by_name(kind).is_none() {
        let text = || format!("\"{}\" is no type of FHIR, and the type of a model of one's own is a URL", shown(kind));
        check.fail("value", text, &path.child("type"));
    }
    let base = text(definition, "baseDefinition").and_then(|url| check.registry.profile(url)).and_then(Result::ok);
    let is_other = text(definition, "derivation") == Some("specialization");
    if is_other && base.is_some_and(|base| base.type_id.name() == kind) {
        let text = || format!("{} is the type of the base, so it can only be constrained", shown(kind));
        check.fail("value", text, &path.child("type"));
    }
    let (differential, list_of) = (path.child("differential"), definition.get("differential"));
    let elements = differential.child("element");
    typed(check, definition, path);
    restricts::check(check, definition, path);
    for (n, element) in list_of.map_or(&[][..], |one| list(one, "element")).iter().enumerate() {
        types(check, element, &elements.item(n));
    }
}

/// Every element of a snapshot but the first has types, or what it is like.
fn typed(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let snapshot = path.child("snapshot");
    let all = snapshot.child("element");
    let elements = definition.get("snapshot").map_or(&[][..], |one| list(one, "element"));
    for (n, element) in elements.iter().enumerate() {
        let is_inner = text(element, "id").is_some_and(|id| id.contains('.'));
        if is_inner && element.get("type").is_none() && element.get("contentReference").is_none() {
            check.fail("required", || "the element has no type".to_owned(), &all.item(n).child("type"));
        }
    }
}

/// The base of extensions.
const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/Extension";

/// The definition of an extension says that its URL is that of the definition.
fn url_of_extension(check: &mut Check<'_, '_>, definition: &Json, path: &Path) {
    let elements = definition.get("differential").map_or(&[][..], |one| list(one, "element"));
    let element = elements.iter().find(|element| text(element, "path") == Some("Extension.url"));
    let fixed = element.and_then(|element| text(element, "fixedUri"));
    if let Some(url) = text(definition, "url").filter(|url| fixed != Some(*url)) {
        let text = || format!("the differential does not fix Extension.url to {}", shown(url));
        check.fail("value", text, &path.child("differential"));
    }
}

/// The profiles of a type are profiles of that type.
fn types(check: &mut Check<'_, '_>, element: &Json, path: &Path) {
    let all = path.child("type");
    for (n, one) in list(element, "type").iter().enumerate() {
        let (place, Some(code)) = (all.item(n), text(one, "code").and_then(type_by_name)) else { continue };
        let urls = place.child("profile");
        for (m, url) in list(one, "profile").iter().enumerate() {
            let profile = url.as_str().and_then(|url| check.registry.profile(url)).and_then(Result::ok);
            let fits = |kind: TypeId| kind == code || (is_general(code) && kind.is_a(code));
            if let Some(profile) = profile.filter(|profile| !fits(profile.type_id)) {
                let text = || format!("this profile is for {}, not for {}", profile.type_id.name(), code.name());
                check.fail("value", text, &urls.item(m));
            }
        }
    }
}

/// The codes that are mapped are in the value sets of the map.
fn concept_map(check: &mut Check<'_, '_>, map: &Json, path: &Path) {
    let set = |name: &str| ["Uri", "Canonical"].iter().find_map(|form| text(map, &format!("{name}{form}")));
    let (source, target) = (set("source"), set("target"));
    let groups = path.child("group");
    for (n, group) in list(map, "group").iter().enumerate() {
        let group_place = groups.item(n);
        let elements = group_place.child("element");
        for (m, element) in list(group, "element").iter().enumerate() {
            let place = elements.item(m);
            mapped(check, source, text(group, "source"), text(element, "code"), &place);
            let targets = place.child("target");
            for (k, one) in list(element, "target").iter().enumerate() {
                mapped(check, target, text(group, "target"), text(one, "code"), &targets.item(k));
            }
        }
    }
}

fn mapped(check: &mut Check<'_, '_>, set: Option<&str>, system: Option<&str>, code: Option<&str>, path: &Path) {
    let (Some(system), Some(code)) = (system, code) else { return };
    // what is not known of the code system is not known of the value set
    let registry = check.registry;
    let Some(own) = registry.code_system(system).filter(|own| own.is_complete()) else { return };
    if !own.has(code) {
        let text = || format!("the code system {} has no code \"{}\"", shown(system), shown(code));
        return check.fail("code-invalid", text, &path.child("code"));
    }
    let Some(url) = set else { return };
    let known = registry.value_set(url);
    if known.is_some_and(|set| set.contains(Some(system), code) == Membership::Out) {
        let text = || format!("the code \"{}\" is not in the value set {}", shown(code), shown(url));
        check.fail("code-invalid", text, &path.child("code"));
    }
}

/// The expression of a search parameter is one for its type; a composite has components.
fn search_parameter(check: &mut Check<'_, '_>, parameter: &Json, path: &Path) {
    let bases = list(parameter, "base");
    let context = match bases {
        [Json::String(base)] => type_by_name(base),
        _ => None,
    };
    let options = fhirpath::Options { is_strict: context.is_some(), context, ..fhirpath::Options::SEARCH };
    let expression = text(parameter, "expression").filter(|_| !bases.is_empty());
    if let Some(fault) = expression.and_then(|text| fhirpath::compile_with(text, &options).err()) {
        let text = || format!("the expression cannot be evaluated: {}", shown(fault.message()));
        check.fail("value", text, &path.child("expression"));
    }
    if text(parameter, "type") == Some("composite") && list(parameter, "component").len() < 2 {
        check.fail("value", || "a composite has at least two components".to_owned(), &path.child("component"));
    }
}

/// Whether a library that a measure names is at hand.
fn has_library(check: &Check<'_, '_>, measure: &Json) -> bool {
    let contained: HashSet<&str> = list(measure, "contained").iter().filter_map(|one| text(one, "id")).collect();
    let is_here = |url: &str| match url.strip_prefix('#') {
        Some(id) => contained.contains(id),
        None => check.registry.definition("Library", url).is_some(),
    };
    list(measure, "library").iter().filter_map(Json::as_str).any(is_here)
}

/// Criteria in CQL are in a library.
fn measure(check: &mut Check<'_, '_>, measure: &Json, path: &Path) {
    let groups = path.child("group");
    for (n, group) in list(measure, "group").iter().enumerate() {
        let group_place = groups.item(n);
        for name in ["population", "stratifier"] {
            let all = group_place.child(name);
            criteria(check, list(group, name), &all);
        }
    }
    criteria(check, list(measure, "supplementalData"), &path.child("supplementalData"));
}

fn criteria(check: &mut Check<'_, '_>, owners: &[Json], path: &Path) {
    for (n, owner) in owners.iter().enumerate() {
        let place = path.item(n);
        let language = owner.get("criteria").and_then(|criteria| text(criteria, "language")).unwrap_or("");
        if language.starts_with("text/cql") && !language.starts_with("text/cql-expression") {
            let text = || "criteria in CQL need a library, and none that the measure names is at hand".to_owned();
            check.fail("not-found", text, &place.child("criteria"));
        }
        let inner = place.child("component");
        criteria(check, list(owner, "component"), &inner);
    }
}
