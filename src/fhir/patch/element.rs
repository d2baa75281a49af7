//! Elements under a property, each a value with its sibling: in JSON a primitive keeps its id and extensions in
//! `_name` beside it (FHIR R4 `json.html`, 2.6.2.3), and what changes one list must change both.

use crate::fhir::definitions::element::{Property, TypeId, TypeKind, type_by_name};
use crate::fhir::json::{Json, Object};
use crate::fhir::types::ResourceType;

/// A value and its sibling; `null` for what is absent.
pub(super) type Element = (Json, Json);

/// The name of the sibling.
pub(super) fn sibling(name: &str) -> String {
    format!("_{name}")
}

/// Takes the elements of a property out of an object.
pub(super) fn take(object: &mut Object, property: &Property) -> Vec<Element> {
    let listed = |json: Option<&mut Json>| match json.map(|json| std::mem::replace(json, Json::Null)) {
        None => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(one) => vec![one],
    };
    let name = property.name.as_str();
    let mut values = listed(object.get_mut(name)).into_iter();
    let mut siblings = Vec::new().into_iter();
    if property.type_id.kind() == TypeKind::Primitive {
        siblings = listed(object.get_mut(&sibling(name))).into_iter();
    }
    let mut elements = Vec::with_capacity(values.len().max(siblings.len()));
    loop {
        match (values.next(), siblings.next()) {
            (None, None) => return elements,
            (value, sibling) => elements.push((value.unwrap_or(Json::Null), sibling.unwrap_or(Json::Null))),
        }
    }
}

/// Puts the elements of a property into an object, in the place of those that it had.
pub(super) fn put(object: &mut Object, property: &Property, elements: Vec<Element>) {
    let (values, siblings): (Vec<Json>, Vec<Json>) = elements.into_iter().unzip();
    let name = property.name.as_str();
    set(object, name, values, property.is_list());
    if property.type_id.kind() == TypeKind::Primitive {
        set(object, &sibling(name), siblings, property.is_list());
    }
}

fn set(object: &mut Object, name: &str, mut items: Vec<Json>, is_list: bool) {
    if items.iter().all(|item| *item == Json::Null) {
        object.remove(name);
    } else if is_list {
        object.set(name, Json::Array(items));
    } else {
        object.set(name, items.pop().unwrap_or(Json::Null));
    }
}

/// The type of what stands under a property: of any resource, its own.
pub(super) fn type_of(value: &Json, declared: TypeId) -> TypeId {
    if declared.kind() != TypeKind::Resource {
        return declared;
    }
    let own = value.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find);
    own.and_then(|kind| type_by_name(kind.name())).unwrap_or(declared)
}
