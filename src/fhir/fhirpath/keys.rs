//! The keys of references in views (SQL on FHIR 2.1, "Joins with Resource and Reference Keys").
//!
//! The key of a resource is its id, and that of a reference the id in it: what a relative reference names lies on this
//! server, under that id. Any other reference leads elsewhere, or nowhere yet, and has no key.

use super::model::{TypeId, type_by_name};
use super::node::KNOWN;
use super::value::{Item, Text};
use crate::fhir::types::{ResourceId, ResourceType};

/// `getReferenceKey(type)`: the id of what a relative reference names, if that may be of the type.
pub fn key_of_reference<'a>(item: &Item<'a>, wanted: Option<TypeId>) -> Option<Item<'a>> {
    let text = item.as_node()?.text_of(&KNOWN.reference)?;
    let path = text.split_once("/_history/").map_or(text, |(before, _)| before);
    let (kind, id) = path.split_once('/')?;
    let kind = ResourceType::find(kind).and_then(|kind| type_by_name(kind.name()))?;
    let is_wanted = wanted.is_none_or(|wanted| kind.is_a(wanted)) && ResourceId::parse(id).is_ok();
    is_wanted.then_some(Item::String(Text::Borrowed(id)))
}
