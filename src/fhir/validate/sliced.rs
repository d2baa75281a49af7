//! The values of an element that are of a slice (FHIR R4 `fhirpath.html`, 2.9.1.5, `slice`).

use super::entry;
use super::registry::Registry;
use super::rules::{At, Profile};
use super::slicing::slice_of;
use super::state::{Options, Scope};
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::element::{TypeId, property};
use crate::fhir::fhirpath::{Collection, Context, Item, Node, compile};
use crate::fhir::name::Name;

/// Those below a node that are in the slice with a name, of the elements that a profile slices.
///
/// # Errors
/// 400 when the profile has no such slice.
pub fn sliced<'j>(registry: &Registry, node: Node<'j>, profile: &Profile, name: &str) -> Result<Collection<'j>> {
    let mut found = Collection::new();
    let mut is_known = false;
    for (index, rule) in (0..).zip(&profile.rules) {
        let Some(slicing) = rule.slicing.as_deref() else { continue };
        let Some(number) = slicing.slices.iter().position(|(known, _)| **known == *name) else { continue };
        is_known = true;
        let Some((above, element)) = rule.id.rsplit_once('.') else { continue };
        let is_below = type_at(profile.type_id, above).zip(node.type_id).is_some_and(|(wanted, own)| own.is_a(wanted));
        if !is_below {
            continue;
        }
        let mut check = entry::new(registry, Options::default(), true, None);
        check.is_quiet = true;
        let scope = Scope { resource: node, root: node, full_url: None, depth: 0, place: None };
        for value in values(node, element)?.iter().filter_map(Item::as_node) {
            let (first, second) = slice_of(&mut check, &scope, At { profile, index }, slicing, value);
            if [first, second].contains(&Some(number)) {
                found.push(Item::Node(value));
            }
        }
    }
    if is_known { Ok(found) } else { Err(Fault::invalid(format!("the structure {} has no such slice", profile.url))) }
}

/// The type of the element with an id, whatever slices that names.
fn type_at(root: TypeId, id: &str) -> Option<TypeId> {
    let plain = |part: &str| part.split(':').next().unwrap_or(part).to_owned();
    id.split('.').skip(1).try_fold(root, |owner, part| property(owner, &Name::new(&plain(part))).map(|p| p.type_id))
}

/// The values of the child with the name that an id ends with.
fn values<'j>(node: Node<'j>, element: &str) -> Result<Collection<'j>> {
    let name = element.split(':').next().unwrap_or(element).trim_end_matches("[x]");
    compile(&format!("`{name}`"))?.eval(node, &Context::new(node))
}
