//! The functions that SQL on FHIR adds for views (SQL on FHIR 2.1, "Required Additional Functions").
//!
//! The key of a resource is its id, and that of a reference the id in it: what a relative reference names lies on this
//! server, under that id. Any other reference leads elsewhere, or nowhere yet, and has no key.

use super::strings;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::model::{TypeId, TypeKind, type_by_name};
use crate::fhir::fhirpath::node::KNOWN;
use crate::fhir::fhirpath::value::{Collection, Item, Text, one};
use crate::fhir::types::{ResourceId, ResourceType};

/// `getResourceKey()`: the id of a resource.
pub fn resource_key<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let is_resource = |kind: TypeId| kind.kind() == TypeKind::Resource;
    let resources = input.iter().filter_map(Item::as_node).filter(|node| node.type_id.is_some_and(is_resource));
    let ids = resources.filter_map(|node| node.text_of(&KNOWN.id));
    Ok(ids.map(|id| Item::String(Text::Borrowed(id))).collect())
}

/// `getReferenceKey(type)`: the id of what a relative reference names, if that may be of the type.
pub fn key_of_reference<'a>(item: &Item<'a>, wanted: Option<TypeId>) -> Option<Item<'a>> {
    let text = item.as_node()?.text_of(&KNOWN.reference)?;
    let path = text.split_once("/_history/").map_or(text, |(before, _)| before);
    let (kind, id) = path.split_once('/')?;
    let kind = ResourceType::find(kind).and_then(|kind| type_by_name(kind.name()))?;
    let is_wanted = wanted.is_none_or(|wanted| kind.is_a(wanted)) && ResourceId::parse(id).is_ok();
    is_wanted.then_some(Item::String(Text::Borrowed(id)))
}

/// `join([separator])`, which makes an empty text of nothing: so the public tests of views have it, while FHIRPath makes
/// nothing of nothing.
pub fn join<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    if input.is_empty() {
        return Ok(one(Item::String(Text::Borrowed(""))));
    }
    strings::join(m, input, arguments)
}
