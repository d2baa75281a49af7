//! References: whether what they lead to is of a type, or conforms to a profile, that is allowed
//! (FHIR R4 `references.html`).

use super::entries::{BundleIndex, Literal, contained, contained_count, target_kind, without_version};
use super::locations;
use super::rules::{At, Profile, Target, TypeRule};
use super::state::{Check, NESTED, STRUCTURE, Scope, shown};
use super::uris::has_scheme;
use crate::fhir::definitions::element::Property;
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

/// What is known of a target.
struct Found<'j> {
    kind: Option<ResourceType>,
    node: Option<Node<'j>>,
}

/// Checks one Reference with the rules of its element.
pub fn check<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    json: &'j Json,
    property: &Property,
    rules: &[At<'r>],
    path: &Path,
) {
    let (reference, kind) = (json.text_known(names::REFERENCE), json.text_known(names::TYPE));
    if reference.is_some_and(|reference| reference.contains([' ', '\t', '\r', '\n', '\u{b}', '\u{c}'])) {
        return check.fail("value", || "a reference must not have white space".to_owned(), &path.child("reference"));
    }
    let Some(found) = find(check, scope, reference, kind, path) else { return };
    if reference.is_none() {
        return said_only(check, kind, property, path);
    }
    said_type(check, kind, &found, property, path);
    conditional(check, reference, path);
    let Some(kind) = found.kind else { return };
    if !property.targets.is_empty() && !property.targets.contains(&kind) {
        let allowed = property.targets.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let text = || format!("a reference to {kind} is not allowed here, only to {allowed}");
        refuse_target(check, scope, (STRUCTURE, None), text, reference, path);
        return;
    }
    for at in rules {
        let types = at.rule().types.iter().filter(|t| t.type_id == property.type_id && !t.targets.is_empty());
        types.for_each(|rule| targets(check, scope, (reference, kind, found.node), rule, *at, path));
    }
}

/// Notes an error about the literal reference of a Reference.
fn refuse(check: &mut Check<'_, '_>, code: &'static str, text: impl FnOnce() -> String, path: &Path) {
    check.fail_of_several(code, text, path, || vec![path.child("reference").to_string()]);
}

/// Notes an error about what a Reference leads to, which a profile makes one if not the base: what is contained is named too.
fn refuse_target<'r>(
    check: &mut Check<'r, '_>,
    scope: &Scope<'_>,
    (code, profile): (&'static str, Option<&'r Profile>),
    text: impl FnOnce() -> String,
    reference: Option<&str>,
    path: &Path,
) {
    let id = reference.and_then(|reference| reference.strip_prefix('#')).filter(|id| !id.is_empty());
    let contained = || id.map(|id| locations::of_contained(scope.root.json, id, path));
    let literal = || path.child("reference").to_string();
    let others = || [literal()].into_iter().chain(contained()).collect();
    match profile {
        Some(profile) => check.fail_by(profile, code, text, path, others),
        None => check.fail_of_several(code, text, path, others),
    }
}

/// The type that a reference names though it is none to a server: its id is none, or it goes on after it.
fn implied(reference: &str) -> Option<ResourceType> {
    let mut parts = reference.trim_end_matches('/').rsplit('/').skip(1);
    let last = parts.next()?;
    let name = if last == "_history" { parts.nth(1)? } else { last };
    ResourceType::find(name)
}

/// From an entry of a Bundle with a `fullUrl`, a relative reference is a type and an id (FHIR R4 `bundle.html#references`).
fn relative(check: &mut Check<'_, '_>, scope: &Scope<'_>, reference: &str, path: &Path) {
    let slashes = reference.matches('/').count();
    if check.bundle.is_some()
        && scope.full_url.is_some()
        && !has_scheme(reference)
        && !reference.contains('?')
        && slashes != 1
        && slashes != 3
    {
        let text = || format!("a relative reference must be a type and an id, not \"{}\"", shown(reference));
        check.fail("value", text, &path.child("reference"));
    }
}

/// Holds `Reference.type` against what the reference leads to, and what it may lead to.
fn said_type(check: &mut Check<'_, '_>, said: Option<&str>, found: &Found<'_>, property: &Property, path: &Path) {
    let Some(said) = said else { return };
    // an absolute URL would be a logical model
    let name = said;
    let is_allowed = property.targets.is_empty() || property.targets.iter().any(|kind| kind.name() == name);
    if !is_allowed || found.kind.is_some_and(|kind| kind.name() != name) {
        let text = || match found.kind.filter(|kind| kind.name() != name) {
            Some(kind) => format!("the type is {}, but the reference leads to {kind}", shown(said)),
            None => format!("a reference to {} is not allowed here", shown(said)),
        };
        check.fail(STRUCTURE, text, &path.child("type"));
    }
}

/// A type without a reference says what is meant, which nobody follows.
fn said_only(check: &mut Check<'_, '_>, said: Option<&str>, property: &Property, path: &Path) {
    let is_other =
        |name: &&str| !property.targets.is_empty() && !property.targets.iter().any(|kind| kind.name() == *name);
    if let Some(said) = said.filter(is_other) {
        check.warn(STRUCTURE, || format!("a reference to {} is not allowed here", shown(said)), &path.child("type"));
    }
}

/// A search may stand for a reference in a transaction only (FHIR R4 `http.html#trules`).
fn conditional(check: &mut Check<'_, '_>, reference: Option<&str>, path: &Path) {
    let search = reference.and_then(|reference| reference.split_once('?'));
    if !check.options.is_thorough || search.and_then(|(kind, _)| ResourceType::find(kind)).is_none() {
        return;
    }
    let kind = check.bundle.and_then(|bundle| bundle.json.get("type")).and_then(Json::as_str);
    if kind != Some("transaction") {
        let text = || "a search may stand for a reference in a transaction only".to_owned();
        check.fail("value", text, &path.child("reference"));
    }
}

fn find<'j>(
    check: &mut Check<'_, 'j>,
    scope: &Scope<'j>,
    reference: Option<&'j str>,
    kind: Option<&'j str>,
    path: &Path,
) -> Option<Found<'j>> {
    let of = |node: Node<'j>| Found { kind: node.type_id.and_then(|id| id.resource_type()), node: Some(node) };
    let by_type = || kind.and_then(|kind| ResourceType::find(kind.rsplit('/').next().unwrap_or(kind)));
    let Some(reference) = reference else { return Some(Found { kind: None, node: None }) };
    if let Some(id) = reference.strip_prefix('#') {
        check.charge(contained_count(scope.root), path);
        if check.steps == 0 {
            return None;
        }
        // `#` alone is the resource around, for those that are contained
        let is_whole = id.is_empty() && std::ptr::eq(scope.root.json, scope.resource.json);
        let found = contained(scope.root, id).filter(|_| !is_whole || !check.options.is_thorough);
        if found.is_none() {
            let text = || format!("ref-1: there is no contained resource with the id \"{}\"", shown(id));
            refuse_target(check, scope, ("invariant", None), text, Some(reference), path);
        }
        return found.map(of);
    }
    if let Some(bundle) = check.bundle {
        if let Some(node) = bundle.find(reference, scope.full_url) {
            let found = of(node);
            if let (Some(said), Some(kind)) = (target_kind(reference), found.kind)
                && said != kind
            {
                refuse(check, STRUCTURE, || format!("the reference names a {said}, but leads to a {kind}"), path);
            }
            if let Some(count) = bundle.matches(reference, scope.full_url).filter(|n| bundle.holds_all() && *n != 1) {
                let text = || format!("{} leads to {count} entries of the bundle, not one", shown(reference));
                refuse(check, "not-found", text, path);
            }
            return Some(found);
        }
        by_uuid(check, bundle, scope, reference, path);
        if bundle.holds_all() && scope.full_url.is_some() && bundle.alike(reference).is_some() {
            let text = || {
                let shown = shown(reference);
                format!(
                    "{shown} is in the bundle, but not under the URL that the reference leads to from this entry's fullUrl"
                )
            };
            refuse(check, "not-found", text, path);
        }
    }
    relative(check, scope, reference, path);
    let kind = target_kind(reference).or_else(|| implied(reference)).or_else(by_type);
    Some(Found { kind, node: beside(check, reference, path) })
}

/// The resource beside this one that a reference leads to.
fn beside<'j>(check: &mut Check<'_, 'j>, reference: &str, path: &Path) -> Option<Node<'j>> {
    let all = check.beside?;
    let literal = Literal::parse(without_version(reference)).filter(|literal| literal.base.is_empty())?;
    let found = all.find(&literal);
    if found.is_none() {
        let text = || format!("{} is none of the resources that are given", shown(reference));
        check.fail("not-found", text, &path.child("reference"));
    }
    found
}

/// An entry whose UUID is the id of a relative reference is what that means, so it must be of the type too.
fn by_uuid<'j>(check: &mut Check<'_, 'j>, bundle: &BundleIndex<'j>, scope: &Scope<'j>, reference: &str, path: &Path) {
    let is_uuid = |url: &str| url.starts_with("urn:uuid:");
    let Some(literal) = Literal::parse(reference).filter(|literal| literal.base.is_empty()) else { return };
    if !scope.full_url.is_some_and(is_uuid) {
        return;
    }
    let found = bundle.find(&format!("urn:uuid:{}", literal.id), None).and_then(|node| node.type_id?.resource_type());
    if let Some(kind) = found.filter(|kind| *kind != literal.kind) {
        let text = || format!("the reference names a {}, but the entry with this id is a {kind}", literal.kind);
        refuse(check, STRUCTURE, text, path);
    }
}

/// Holds a target, with its reference and type, against the profiles that a rule allows.
fn targets<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    (reference, kind, node): (Option<&str>, ResourceType, Option<Node<'j>>),
    rule: &'r TypeRule,
    at: At<'r>,
    path: &Path,
) {
    if rule.targets.iter().any(|target| fits(check, scope, kind, node, target)) {
        return;
    }
    let allowed: Vec<&str> = rule.targets.iter().map(|target| &*target.url).collect();
    let what = if node.is_some() { "this target of a reference" } else { "a reference to this type" };
    let text = || format!("{what} ({kind}) is not allowed by {}, only {}", at.profile.name(), allowed.join(", "));
    refuse_target(check, scope, (STRUCTURE, Some(at.profile)), text, reference, path);
}

fn fits<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    kind: ResourceType,
    node: Option<Node<'j>>,
    target: &'r Target,
) -> bool {
    if let Some(wanted) = target.kind {
        return wanted == kind;
    }
    let Some(Ok(profile)) = check.registry.profile(&target.url) else { return true };
    match profile.type_id.resource_type() {
        None => true,
        Some(wanted) if wanted != kind => false,
        Some(_) => {
            let conforms = check.conforms;
            node.filter(|_| check.nested < NESTED).is_none_or(|node| conforms(check, scope, node, profile))
        }
    }
}
