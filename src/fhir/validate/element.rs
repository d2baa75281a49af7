//! What the rules of one element ask of one value: prescribed values, bounds, bindings and invariants.

use super::binding;
use super::compare;
use super::invariant::Outcome;
use super::locations;
use super::primitive::Primitive;

use super::rules::{At, Expected, ValueBounds};
use super::sections;
use super::state::{Check, Scope, shown};
use super::storable::storable;
use crate::fhir::fhirpath::{Context, Node};
use crate::fhir::json::{Json, write};
use crate::fhir::path::Path;

/// Checks a value with one rule.
pub fn check<'r, 'j>(check: &mut Check<'r, 'j>, scope: &Scope<'j>, at: At<'r>, node: Node<'j>, path: &Path) {
    let rule = at.rule();
    if let Some(expected) = &rule.value {
        prescribed(check, expected, at, node.json, path);
    }
    if let Some(bounds) = &rule.bounds {
        bounded(check, bounds, at, node.json, path);
    }
    if let Some(control) = rule.narrative.as_ref().filter(|_| check.options.is_thorough) {
        sections::check(check, control, node.json, scope, path);
    }
    if let Some(binding) = &rule.binding
        && (binding.is_required || check.options.with_warnings)
    {
        binding::check(check, binding, at.is_slice(), node.json, path);
    }
    for binding in &rule.more {
        binding::check(check, binding, at.is_slice(), node.json, path);
    }
    let is_narrative = check.options.takes_unstorable && node.type_id.is_some_and(|kind| kind.name() == "xhtml");
    let judged = node.json.as_str().filter(|_| is_narrative).and_then(|text| storable(Primitive::Xhtml, text));
    for constraint in &rule.constraints {
        if !constraint.is_error && !check.options.with_warnings {
            continue;
        }
        if check.steps == 0 {
            return;
        }
        // nobody can tell what a reference leads to that is not here
        let context = Context { has_no_stubs: true, ..check.context(scope) };
        let (outcome, steps) = match judged.as_ref().and_then(|text| constraint.of_narrative(text.as_str()?)) {
            Some(outcome) => (outcome, 1),
            None => constraint.holds(node, &context),
        };
        check.charge(steps, path);
        if outcome == Outcome::Holds {
            continue;
        }
        let key = &constraint.key;
        match outcome {
            Outcome::Fails if constraint.is_error => {
                let text = || format!("{key}: {}", constraint.human);
                check.fail_by(at.profile, "invariant", text, path, || constraint.places(node, path));
            }
            Outcome::Fails => check.warn("invariant", || format!("{key}: {}", constraint.human), path),
            Outcome::Unknown(why) => check.warn("not-supported", || format!("{key} could not be checked: {why}"), path),
            Outcome::Holds => {}
        }
    }
}

/// Checks the id of an element, an attribute in XML: no spaces, and no other element of the resource has it.
pub fn id<'j>(check: &mut Check<'_, 'j>, id: &'j str, scope: &Scope<'j>, path: &Path) {
    if id.contains(char::is_whitespace) {
        let is_spared = check.options.takes_unstorable;
        return check.unless(is_spared, "value", || "id: must not have spaces".to_owned(), path);
    }
    let resource = std::ptr::from_ref(scope.resource.json).addr();
    // a snapshot and its differential name the same elements
    let is_definition = scope.place.is_some_and(|(_, property)| property.type_id.name() == "ElementDefinition");
    if !check.has_rules || is_definition {
        return;
    }
    let place = path.to_string().into_boxed_str();
    if let Some(other) = check.ids.insert((resource, id), place) {
        let text = || format!("another element of the resource has the id \"{}\" too", shown(id));
        check.fail_of_several("value", text, path, || vec![other.into_string()]);
    }
}

fn prescribed<'r>(check: &mut Check<'r, '_>, expected: &Expected, at: At<'r>, json: &Json, path: &Path) {
    let (value, is_fixed, word) = match expected {
        Expected::Fixed(value) => (value, true, "must be"),
        Expected::Pattern(value) => (value, false, "must have at least"),
    };
    if !compare::is_prescribed(json, value, is_fixed) {
        let codings = path.child("coding");
        let is_coding = value.get("coding").is_some() && value.as_object().is_some_and(|object| object.len() == 1);
        let place = if is_coding && binding::has_one_coding(json) { &codings.item(0) } else { path };
        let text = || format!("{word} {} (profile {})", text_of(value), at.profile.name());
        check.fail_by(at.profile, "value", text, place, || locations::unlike(json, value, is_fixed, path));
    }
}

fn text_of(json: &Json) -> String {
    let mut out = Vec::new();
    write(json, &mut out);
    let text = String::from_utf8_lossy(&out);
    let more = if text.chars().count() > 200 { " ..." } else { "" };
    text.chars().take(200).collect::<String>() + more
}

fn bounded<'r>(check: &mut Check<'r, '_>, bounds: &ValueBounds, at: At<'r>, json: &Json, path: &Path) {
    let name = at.profile.name();
    if let (Some(most), Json::String(text)) = (bounds.max_length, json)
        && text.chars().count() as u64 > most
    {
        check.fail_by(
            at.profile,
            "too-long",
            || format!("must not be longer than {most} characters (profile {name})"),
            path,
            Vec::new,
        );
    }
    if let Some(least) = &bounds.min
        && compare::order(json, least).is_some_and(std::cmp::Ordering::is_lt)
    {
        check.fail_by(
            at.profile,
            "value",
            || format!("must be at least {} (profile {name})", text_of(least)),
            path,
            Vec::new,
        );
    }
    if let Some(most) = &bounds.max
        && compare::order(json, most).is_some_and(std::cmp::Ordering::is_gt)
    {
        check.fail_by(
            at.profile,
            "value",
            || format!("must be at most {} (profile {name})", text_of(most)),
            path,
            Vec::new,
        );
    }
}
