//! Whether one element conforms to a profile of its type (FHIR R4 `fhirpath.html`, 2.9.1.5, `conformsTo`).

use super::answers::Answers;
use super::element;
use super::entries::contained;
use super::entry;
use super::known::TYPES;
use super::registry::{Registry, base};
use super::rules::{At, Profile};
use super::state::{Check, Options, Rules, Scope};
use super::terms::Terms;
use super::types::{self, Holder};
use super::walk;
use crate::fhir::definitions::element::TypeId;
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Whether an element conforms to a profile and to the definition of its type, within a resource (`%rootResource`); none when its
/// type is not known.
pub fn element_conforms(
    registry: &Registry,
    answers: Option<&Answers>,
    (node, container): (Node<'_>, Node<'_>),
    profile: &Profile,
) -> Option<bool> {
    let owner = node.type_id?;
    if !owner.is_a(profile.type_id) {
        return Some(false);
    }
    let services = Terms(registry, answers);
    let mut check = entry::new(registry, Options::default(), true, None);
    check.answers = answers;
    check.services = Some(&services);
    check.is_quiet = true;
    let scope = Scope { resource: container, root: container, full_url: None, depth: 0, place: None };
    let path = Path::root(owner.name());
    let mut rules: Rules<'_> = base(owner).into_iter().collect();
    types::extend(&mut rules, &[At::root(profile)]);
    types::typed(&mut check, &scope, node, &mut rules, &path);
    values(&mut check, &scope, (node, owner), &rules, &path);
    if Some(owner) == TYPES.reference && !leads_inside(node, container) {
        check.fail("invariant", || "ref-1: there is no such contained resource".to_owned(), &path);
    }
    for at in &rules {
        element::check(&mut check, &scope, *at, node, &path);
    }
    Some(!check.failed)
}

/// Whether a reference to a contained resource leads to one, or the reference is another.
fn leads_inside(reference: Node<'_>, container: Node<'_>) -> bool {
    let text = reference.json.get_known(names::REFERENCE).and_then(Json::as_str);
    text.and_then(|text| text.strip_prefix('#')).is_none_or(|id| contained(container, id).is_some())
}

/// The value of a primitive, and the children of an element.
fn values<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    (node, owner): (Node<'j>, TypeId),
    rules: &[At<'r>],
    path: &Path,
) {
    let primitive = TYPES.primitives[owner.0 as usize];
    if let Some(Err((code, text))) = primitive.filter(|_| *node.json != Json::Null).map(|kind| kind.check(node.json)) {
        check.fail(code, || text.into_owned(), path);
    }
    if let Some(object) = node.object() {
        let holder = Holder { object, owner, is_resource: false, is_contained: false };
        walk::object::<true>(check, holder, rules, scope, path);
    }
}
