//! MeasureReports against their Measure, where that is known (FHIR R4 `measurereport.html`).

use super::state::{Check, STRUCTURE, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a report: what its groups and stratifiers are of, and whether it has scores where its measure has none.
pub fn check(check: &mut Check<'_, '_>, report: &Json, path: &Path) {
    let Some(url) = text(report, "measure") else { return };
    let registry = check.registry;
    let Some(measure) = registry.definition("Measure", url) else { return };
    let is_cohort = code(measure.get("scoring")) == Some("cohort");
    let groups = path.child("group");
    for (n, group) in list(report, "group").iter().enumerate() {
        let place = groups.item(n);
        let of_code = |one: &&Json| code(one.get("code")).is_some() && code(one.get("code")) == code(group.get("code"));
        let known = list(&measure, "group");
        let found = known.iter().find(of_code).or_else(|| (known.len() == 1).then(|| known.first()).flatten());
        if is_cohort && group.get("measureScore").is_some() {
            let text = || "a measure with the scoring \"cohort\" has no score".to_owned();
            check.fail(STRUCTURE, text, &place.child("measureScore"));
        }
        match found {
            Some(found) => stratified(check, found, group, &place),
            None if known.iter().all(|one| code(one.get("code")).is_some()) && !known.is_empty() => {
                check.fail(STRUCTURE, || "the measure has no group with this code".to_owned(), &place);
            }
            None => {}
        }
    }
}

/// Each stratifier of a report has the code of one of the measure's group, and there is one for each.
fn stratified(check: &mut Check<'_, '_>, known: &Json, group: &Json, path: &Path) {
    let (wanted, given) = (list(known, "stratifier"), list(group, "stratifier"));
    let first = |one: &Json| {
        let codes = one.get("code");
        code(codes.and_then(Json::as_array).and_then(|codes| codes.first()).or(codes)).map(str::to_owned)
    };
    let all = path.child("stratifier");
    for (n, one) in given.iter().enumerate() {
        let own = first(one);
        if own.is_none() || !wanted.iter().any(|other| first(other) == own) {
            let text = || "the stratifier must have the code of one that the measure has for this group".to_owned();
            check.fail(STRUCTURE, text, &all.item(n));
        }
    }
    for missing in
        wanted.iter().filter_map(first).filter(|own| !given.iter().any(|one| first(one).as_ref() == Some(own)))
    {
        let text = || format!("there is no stratifier \"{}\", which the measure has for this group", shown(&missing));
        check.fail("required", text, path);
    }
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// The first code of a CodeableConcept, or else its text.
fn code(concept: Option<&Json>) -> Option<&str> {
    let concept = concept?;
    let first = list(concept, "coding").first().and_then(|coding| text(coding, "code"));
    first.or_else(|| text(concept, "text"))
}
