//! Codes against the value sets that their elements are bound to, and against their own code systems (FHIR R4
//! `terminologies.html`).

use super::bound::Bound;
use super::codes::Membership;
use super::countries;
use super::known::TYPES;
use super::locations;
use super::rules::Binding;
use super::state::{Check, Scope, shown};
use super::systems;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::terminology::iso::is_currency;
use crate::fhir::terminology::media;

/// What a coded element says: system and code of each coding, and whether there was any.
type Verdict = (Membership, bool);

/// Checks the codes of an element against its binding.
pub fn check(check: &mut Check<'_, '_>, binding: &Binding, is_slice: bool, json: &Json, path: &Path) {
    if !binding.is_required && !check.options.with_warnings {
        // whatever came of it would not be told
        return;
    }
    let is_spared = !check.options.unknown_is_error;
    let Some(set) = Bound::find(check.registry, check.answers, &binding.value_set) else {
        let text = || format!("the value set {} is not known here, so the code was not checked", binding.value_set);
        return check.unless(is_spared || !binding.is_required, "not-found", text, path);
    };
    if binding.is_required && check.options.is_thorough {
        versions(check, &set, json, path);
    }
    if binding.is_required && *json == Json::Null {
        return check.fail("required", || format!("there must be a code of the value set {}", name_of(binding)), path);
    }
    let (membership, has_code) = match (membership(&set, json), json.as_str()) {
        ((Membership::Unknown, true), Some(code)) => {
            (known_elsewhere(name_of(binding), code, check.options.is_thorough), true)
        }
        (found, _) => found,
    };
    if membership == Membership::Failed {
        let text = || format!("whether the code is in the value set {} could not be checked", name_of(binding));
        return check.warn("incomplete", text, path);
    }
    if let Some(missing) = set.set.missing().filter(|_| membership == Membership::Unknown && has_code) {
        let text = || format!("the value set {missing} is not known here, so the code was not checked");
        return check.unless(is_spared || !binding.is_required, "not-found", text, path);
    }
    // a value is in a slice whose codes it has, whatever their system
    if membership != Membership::Out || (is_slice && set.set.has_plain(json)) || (!binding.is_required && !has_code) {
        return;
    }
    let name = name_of(binding);
    let codes = if set.set.is_open() { String::new() } else { format!(": {}", set.set.some()) };
    let text = || match told(json) {
        Some(code) => format!("the code {code} is not in the value set {name}{codes}"),
        None => format!("there must be a code of the value set {name}{codes}"),
    };
    let codings = path.child("coding");
    let place = if has_one_coding(json) { &codings.item(0) } else { path };
    let others = || locations::of_codes(json, path);
    if binding.is_required && !(name == COMMON_UNITS && is_measured(json)) {
        check.fail_of_several("code-invalid", text, place, others);
    } else {
        check.warn("code-invalid", text, place);
    }
}

/// The codes of a concept that must be in a value set are in a version of their system that is there.
fn versions(check: &mut Check<'_, '_>, set: &Bound<'_>, concept: &Json, path: &Path) {
    let codings = concept.as_object().and_then(|concept| concept.get_known(names::CODING)?.as_array());
    let all = path.child("coding");
    for (n, coding) in codings.unwrap_or_default().iter().enumerate() {
        let Some(version) = coding.get("version").and_then(Json::as_str) else { continue };
        let Some((system, code)) = coding.text_known(names::SYSTEM).zip(coding.text_known(names::CODE)) else {
            continue;
        };
        let is_in = set.contains(Some(system), code) == Membership::In;
        if is_in && systems::is_other_version(check.registry, system, Some(version)) {
            let text = || format!("the code system {} is not known in the version {}", shown(system), shown(version));
            check.fail("code-invalid", text, &all.item(n).child("version"));
        }
    }
}

/// The units of R4's vital signs. They lack those that profiles of vital signs have beside them (US Core 3.1.1: litres of oxygen a
/// minute), though R4 calls them required.
const COMMON_UNITS: &str = "http://hl7.org/fhir/ValueSet/ucum-vitals-common";

/// Whether a value is a Quantity with a unit of UCUM.
fn is_measured(json: &Json) -> bool {
    json.text_known(names::SYSTEM) == Some("http://unitsofmeasure.org") && json.get("value").is_some()
}

/// Whether a concept has exactly one coding, which is then what is wrong with its codes.
pub fn has_one_coding(json: &Json) -> bool {
    json.as_object().and_then(|concept| concept.get_known(names::CODING)?.as_array()).is_some_and(|all| all.len() == 1)
}

fn name_of(binding: &Binding) -> &str {
    binding.value_set.split('|').next().unwrap_or("")
}

/// Codes of systems that are no CodeSystem but have a rule of their own.
fn known_elsewhere(value_set: &str, code: &str, is_thorough: bool) -> Membership {
    let is_fine = match value_set {
        "http://hl7.org/fhir/ValueSet/mimetypes" => is_mime_type(code) && (!is_thorough || media::is_known(code)),
        "http://hl7.org/fhir/ValueSet/currencies" => is_currency(code),
        _ => return Membership::Unknown,
    };
    if is_fine { Membership::Unknown } else { Membership::Out }
}

/// Whether a code is a MIME type (RFC 6838) with parameters or without, or one of the short forms of FHIR.
fn is_mime_type(code: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&b))
    };
    let plain = code.split(';').next().unwrap_or(code).trim();
    matches!(plain, "xml" | "json" | "ttl")
        || plain.split_once('/').is_some_and(|(kind, name)| is_name(kind) && (is_name(name) || name == "*"))
}

/// The code of an element, as people write it.
fn told(json: &Json) -> Option<String> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    match json {
        Json::String(code) => Some(format!("\"{}\"", shown(code))),
        Json::Object(object) => match object.get("coding").and_then(Json::as_array) {
            Some(codings) => codings.first().and_then(told),
            None => text("code").map(|code| format!("\"{}|{}\"", shown(text("system").unwrap_or("")), shown(code))),
        },
        _ => None,
    }
}

/// Whether a coded element is in a value set, and whether it has a code at all.
pub fn membership(set: &Bound<'_>, json: &Json) -> Verdict {
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
        (Membership::Failed, _) | (_, Membership::Failed) => Membership::Failed,
        (Membership::Unknown, _) | (_, Membership::Unknown) => Membership::Unknown,
        _ => Membership::Out,
    };
    (membership, one.1 || other.1)
}

fn coding_in(set: &Bound<'_>, coding: &Json) -> Verdict {
    match (coding.text_known(names::SYSTEM), coding.text_known(names::CODE)) {
        (None, Some(code)) if set.set.has_systems() && set.contains(None, code) != Membership::Out => {
            (Membership::Unknown, true)
        }
        (system, Some(code)) => (set.contains(Some(system.unwrap_or("")), code), true),
        // a value that says why it has no code
        (_, None) if coding.get("extension").is_some() || coding.get("_code").is_some() => (Membership::Unknown, false),
        _ => (Membership::Out, false),
    }
}

/// Checks that a coding's code is one of its system, where all codes of that are known, and that its display is one of the code.
pub fn coding(check: &mut Check<'_, '_>, coding: &Json, is_bound: bool, scope: &Scope<'_>, path: &Path) {
    let Some(system) = coding.text_known(names::SYSTEM) else { return };
    let is_in_concept = scope.place.is_some_and(|(_, property)| Some(property.type_id) == TYPES.concept);
    if check.options.is_thorough && !is_in_concept {
        systems::check(check, coding, is_bound, path);
    }
    let Some(code) = coding.text_known(names::CODE) else { return };
    let known = check.registry.code_system(system);
    let is_countries = countries::system(system).is_some();
    let version = coding.get("version").and_then(Json::as_str);
    let found = match known.filter(|known| known.is_complete) {
        Some(known) if known.has(code) || (is_countries && countries::may_be(code)) => Membership::In,
        Some(_) => Membership::Out,
        None => check.answers.map_or(Membership::Unknown, |answers| answers.code(system, version, code)),
    };
    if found == Membership::Failed {
        let text = || format!("whether the code is in the code system {} could not be checked", shown(system));
        return check.warn("incomplete", text, &path.child("code"));
    }
    if found == Membership::Out {
        let text = || format!("the code \"{}\" is not in the code system {}", shown(code), shown(system));
        // a country may be newer than the list, and another version have other codes
        return if is_countries || systems::is_other_version(check.registry, system, version) {
            check.warn("code-invalid", text, &path.child("code"))
        } else {
            check.fail("code-invalid", text, &path.child("code"))
        };
    }
    let is_asked = |display: &&str| check.options.is_thorough && !display.is_empty();
    let Some(display) = coding.text_known(names::DISPLAY).filter(is_asked) else { return };
    let language = scope.resource.json.get("language").and_then(Json::as_str);
    let right = match known {
        Some(_) if is_countries => countries::other_name(code, display),
        known => known.and_then(|known| known.other_display(code, display, language)),
    };
    if let Some(right) = right {
        let text = || format!("the display \"{}\" is not that of the code, \"{right}\"", shown(display));
        return check.fail("value", text, &path.child("display"));
    }
    // what a release of a large code system calls a concept is not all that people may call it
    let large = check.answers.filter(|answers| check.options.with_warnings && answers.has_system(system));
    if let Some(right) = large.and_then(|answers| answers.other_display(system, version, code, display)) {
        let text = || format!("the display \"{}\" is none of the code, which is called \"{right}\"", shown(display));
        check.warn("value", text, &path.child("display"));
    }
}
