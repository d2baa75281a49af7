//! The functions that SQL on FHIR adds for views (SQL on FHIR 2.1, "Required Additional Functions").
//!
//! `getReferenceKey` is `keys`.

use super::strings;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::model::{TypeId, TypeKind};
use crate::fhir::fhirpath::node::KNOWN;
use crate::fhir::fhirpath::value::{Collection, Item, Text, one};

/// `getResourceKey()`: the id of a resource.
pub fn resource_key<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let is_resource = |kind: TypeId| kind.kind() == TypeKind::Resource;
    let resources = input.iter().filter_map(Item::as_node).filter(|node| node.type_id.is_some_and(is_resource));
    let ids = resources.filter_map(|node| node.text_of(&KNOWN.id));
    Ok(ids.map(|id| Item::String(Text::Borrowed(id))).collect())
}

/// `join([separator])`, which makes an empty text of nothing: so the public tests of views have it, while FHIRPath makes
/// nothing of nothing.
pub fn join<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    if input.is_empty() {
        return Ok(one(Item::String(Text::Borrowed(""))));
    }
    strings::join(m, input, arguments)
}
