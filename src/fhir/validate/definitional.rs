//! Rules of definitions that no invariant says: CodeSystems, StructureDefinitions and Measures (FHIR R4 `codesystem.html`,
//! `elementdefinition.html`, `measure.html`).

use hashbrown::HashSet;

use super::state::{Check, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a resource of one of these types.
pub fn check(check: &mut Check<'_, '_>, resource: &Json, path: &Path) {
    if !check.options.is_thorough {
        return;
    }
    match text(resource, "resourceType") {
        Some("CodeSystem") => code_system(check, resource, path),
        Some("StructureDefinition") => structure(check, resource, path),
        Some("Measure") if list(resource, "library").is_empty() => measure(check, resource, path),
        _ => {}
    }
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
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
    if system.get("supplements").is_some() && text(system, "content") != Some("supplement") {
        let text = || "what supplements another code system has the content \"supplement\"".to_owned();
        check.fail("value", text, &path.child("content"));
    }
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
            let text = || "criteria in CQL need a library, and the measure names none".to_owned();
            check.fail("not-found", text, &place.child("criteria"));
        }
        let inner = place.child("component");
        criteria(check, list(owner, "component"), &inner);
    }
}
