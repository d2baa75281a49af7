//! Codes against the value sets that their elements are bound to, and against their own code systems (FHIR R4
//! `terminologies.html`).

use super::codes::{Membership, ValueSet};
use super::rules::Binding;
use super::state::{Check, shown};
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// What a coded element says: system and code of each coding, and whether there was any.
type Verdict = (Membership, bool);

/// Checks the codes of an element against its binding.
pub fn check(check: &mut Check<'_, '_>, binding: &Binding, json: &Json, path: &Path) {
    let Some(set) = check.registry.value_set(&binding.value_set) else {
        let text = || format!("the value set {} is not known here, so the code was not checked", binding.value_set);
        return check.warn("not-found", text, path);
    };
    let (membership, has_code) = membership(set, json);
    if membership != Membership::Out || (!binding.is_required && !has_code) {
        return;
    }
    let name = binding.value_set.split('|').next().unwrap_or("");
    let codes = if set.is_open() { String::new() } else { format!(": {}", set.some()) };
    let text = || match told(json) {
        Some(code) => format!("the code {} is not in the value set {name}{codes}", shown(&code)),
        None => format!("there must be a code of the value set {name}{codes}"),
    };
    if binding.is_required {
        check.fail("code-invalid", text, path);
    } else {
        check.warn("code-invalid", text, path);
    }
}

/// The code of an element, as people write it.
fn told(json: &Json) -> Option<String> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    match json {
        Json::String(code) => Some(format!("\"{code}\"")),
        Json::Object(object) => match object.get("coding").and_then(Json::as_array) {
            Some(codings) => codings.first().and_then(told),
            None => text("code").map(|code| format!("\"{}|{code}\"", text("system").unwrap_or(""))),
        },
        _ => None,
    }
}

/// Whether a coded element is in a value set, and whether it has a code at all.
pub fn membership(set: &ValueSet, json: &Json) -> Verdict {
    match json {
        Json::String(code) => (set.contains(None, code), true),
        Json::Object(object) => match object.get_known(names::CODING).and_then(Json::as_array) {
            Some(codings) => codings.iter().map(|coding| coding_in(set, coding)).fold((Membership::Out, false), better),
            None => coding_in(set, json),
        },
        // a value of the wrong kind was told already, an absent one has extensions
        _ => (Membership::Unknown, false),
    }
}

fn better(one: Verdict, other: Verdict) -> Verdict {
    let membership = match (one.0, other.0) {
        (Membership::In, _) | (_, Membership::In) => Membership::In,
        (Membership::Unknown, _) | (_, Membership::Unknown) => Membership::Unknown,
        _ => Membership::Out,
    };
    (membership, one.1 || other.1)
}

fn coding_in(set: &ValueSet, coding: &Json) -> Verdict {
    match (coding.text_known(names::SYSTEM), coding.text_known(names::CODE)) {
        (system, Some(code)) => (set.contains(Some(system.unwrap_or("")), code), true),
        // a value that says why it has no code
        (_, None) if coding.get("extension").is_some() => (Membership::Unknown, false),
        _ => (Membership::Out, false),
    }
}

/// Checks that a coding's code is one of its system, where all codes of that are known.
pub fn coding(check: &mut Check<'_, '_>, coding: &Json, path: &Path) {
    let (Some(system), Some(code)) = (coding.text_known(names::SYSTEM), coding.text_known(names::CODE)) else { return };
    let known = check.registry.code_system(system).filter(|known| known.is_complete);
    if known.is_some_and(|known| !known.has(code)) {
        let text = || format!("the code \"{}\" is not in the code system {}", shown(code), shown(system));
        check.fail("code-invalid", text, &path.child("code"));
    }
}
