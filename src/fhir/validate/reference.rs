//! References: whether what they lead to is of a type, or conforms to a profile, that is allowed
//! (FHIR R4 `references.html`).

use super::entries::{contained, contained_count, target_kind};
use super::rules::{At, Target, TypeRule};
use super::state::{Check, NESTED, STRUCTURE, Scope, shown};
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
    let Some(found) = find(check, scope, reference, kind, path) else { return };
    let Some(kind) = found.kind else { return };
    if !property.targets.is_empty() && !property.targets.contains(&kind) {
        let allowed = property.targets.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        check.fail(STRUCTURE, || format!("a reference to {kind} is not allowed here, only to {allowed}"), path);
        return;
    }
    for at in rules {
        let types = at.rule().types.iter().filter(|t| t.type_id == property.type_id && !t.targets.is_empty());
        types.for_each(|rule| targets(check, scope, kind, found.node, rule, *at, path));
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
    let Some(reference) = reference else { return Some(Found { kind: by_type(), node: None }) };
    if let Some(id) = reference.strip_prefix('#') {
        check.charge(contained_count(scope.root), path);
        if check.steps == 0 {
            return None;
        }
        let found = contained(scope.root, id);
        if found.is_none() {
            let text = || format!("ref-1: there is no contained resource with the id \"{}\"", shown(id));
            check.fail("invariant", text, path);
        }
        return found.map(of);
    }
    if let Some(bundle) = check.bundle {
        if let Some(node) = bundle.find(reference, scope.full_url) {
            return Some(of(node));
        }
        if bundle.holds_all() && scope.full_url.is_some() && bundle.alike(reference).is_some() {
            let text = || {
                let shown = shown(reference);
                format!(
                    "{shown} is in the bundle, but not under the URL that the reference leads to from this entry's fullUrl"
                )
            };
            check.fail("not-found", text, path);
        }
    }
    Some(Found { kind: target_kind(reference).or_else(by_type), node: None })
}

/// Holds a target against the profiles that a rule allows.
fn targets<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    kind: ResourceType,
    node: Option<Node<'j>>,
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
    check.fail(STRUCTURE, text, path);
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
