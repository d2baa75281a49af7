//! Where in the tree an element stands that a path has selected.

use super::budget::Budget;
use super::element::{put, take, type_of};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, property, type_by_name};
use crate::fhir::fhirpath::Node;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;

/// A step down.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Name(Name),
    Item(usize),
}

/// A place in a resource.
#[derive(Debug)]
pub(super) enum Place {
    /// The resource itself.
    Root,
    /// An element.
    Inner(Inner),
}

/// The place of an element.
#[derive(Debug)]
pub(super) struct Inner {
    /// From the root to the object that has the property.
    pub(super) steps: Vec<Step>,
    /// The type of that object.
    pub(super) owner: TypeId,
    /// The property.
    pub(super) property: &'static Property,
    /// Which of its elements; 0 where there is one.
    pub(super) index: usize,
}

/// Finds a node by its identity.
///
/// # Errors
/// 422 for a node that does not stand in the resource, or when the search costs too much.
pub(super) fn locate(root: &Json, kind: TypeId, node: &Node<'_>, budget: &mut Budget) -> Result<Place> {
    if std::ptr::eq(root, node.json) {
        return Ok(Place::Root);
    }
    let mut search = Search { node, steps: Vec::new(), budget };
    let found = match root {
        Json::Object(object) => search.object(object, kind)?,
        _ => None,
    };
    let elsewhere = || Fault::coded(Category::Unprocessable, "processing", "the path leads out of the resource");
    found.map(Place::Inner).ok_or_else(elsewhere)
}

struct Search<'a> {
    node: &'a Node<'a>,
    steps: Vec<Step>,
    budget: &'a mut Budget,
}

impl Search<'_> {
    fn object(&mut self, object: &Object, owner: TypeId) -> Result<Option<Inner>> {
        self.budget.spend(object.len())?;
        for (name, value) in object.iter() {
            let plain = || property(owner, &Name::new(name.as_str().strip_prefix('_')?));
            let Some(property) = property(owner, name).or_else(plain) else { continue };
            let found = self.property(name, value, owner, property)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn property(
        &mut self,
        name: &Name,
        value: &Json,
        owner: TypeId,
        property: &'static Property,
    ) -> Result<Option<Inner>> {
        let is_sibling = name.as_str() != property.name.as_str();
        let (items, is_list) = match value {
            Json::Array(items) => (items.as_slice(), true),
            one => (std::slice::from_ref(one), false),
        };
        self.budget.spend(items.len())?;
        for (index, item) in items.iter().enumerate() {
            if self.is_wanted(item, is_sibling) {
                return Ok(Some(Inner { steps: self.steps.clone(), owner, property, index }));
            }
            let Json::Object(inner) = item else { continue };
            self.steps.push(Step::Name(name.clone()));
            if is_list {
                self.steps.push(Step::Item(index));
            }
            let depth = self.steps.len();
            let found = self.object(inner, inner_type(item, property))?;
            if found.is_some() {
                return Ok(found);
            }
            self.steps.truncate(depth - 1 - usize::from(is_list));
        }
        Ok(None)
    }

    fn is_wanted(&self, item: &Json, is_sibling: bool) -> bool {
        if is_sibling {
            // A primitive without a value is known by its sibling only.
            *self.node.json == Json::Null && self.node.sibling.is_some_and(|sibling| std::ptr::eq(sibling, item))
        } else {
            std::ptr::eq(item, self.node.json)
        }
    }
}

/// The type whose properties an object under a property has; that of a primitive's sibling is Element.
fn inner_type(item: &Json, property: &Property) -> TypeId {
    if property.type_id.kind() == TypeKind::Primitive {
        return type_by_name("Element").unwrap_or(property.type_id);
    }
    type_of(item, property.type_id)
}

/// The object at the end of some steps.
pub(super) fn object_at<'a>(root: &'a mut Json, steps: &[Step]) -> Option<&'a mut Object> {
    let found = steps.iter().try_fold(root, |at, step| match (at, step) {
        (Json::Object(object), Step::Name(name)) => object.get_mut(name.as_str()),
        (Json::Array(items), Step::Item(index)) => items.get_mut(*index),
        _ => None,
    });
    found?.as_object_mut()
}

/// Takes away objects that have become empty, from the inside out: FHIR knows no empty elements.
pub(super) fn prune(root: &mut Json, steps: &[Step]) {
    let mut steps = steps;
    while let Some((last, before)) = steps.split_last() {
        if object_at(root, steps).is_none_or(|object| !object.is_empty()) {
            return;
        }
        steps = match last {
            Step::Name(name) => {
                if let Some(object) = object_at(root, before) {
                    object.remove(name.as_str());
                }
                before
            }
            Step::Item(index) => {
                let Some((Step::Name(name), owner)) = before.split_last() else { return };
                if let Some(object) = object_at(root, owner) {
                    cut(object, name, *index);
                }
                owner
            }
        };
    }
}

/// Takes an item out of a list; among siblings of primitives it leaves a `null`, so that the lists stay side by side.
fn cut(object: &mut Object, name: &Name, index: usize) {
    let Some(Json::Array(items)) = object.get_mut(name.as_str()) else { return };
    if index >= items.len() {
        return;
    }
    if name.as_str().starts_with('_') {
        items[index] = Json::Null;
    } else {
        items.remove(index);
    }
    if items.iter().all(|item| *item == Json::Null) {
        object.remove(name.as_str());
    }
}

/// The object in which the children of an element stand, made where a primitive has none yet.
pub(super) fn with_children<T>(
    root: &mut Json,
    place: &Place,
    kind: TypeId,
    work: impl FnOnce(&mut Object, TypeId) -> Result<T>,
) -> Result<T> {
    let lost = || Fault::internal("patch: an element is not where it was found");
    let Place::Inner(inner) = place else { return work(root.as_object_mut().ok_or_else(lost)?, kind) };
    let object = object_at(root, &inner.steps).ok_or_else(lost)?;
    let mut elements = take(object, inner.property);
    let element = elements.get_mut(inner.index).ok_or_else(lost)?;
    let owner = inner_type(&element.0, inner.property);
    let holder = if inner.property.type_id.kind() == TypeKind::Primitive { &mut element.1 } else { &mut element.0 };
    if *holder == Json::Null {
        *holder = Json::Object(Object::new());
    }
    let done = holder.as_object_mut().ok_or_else(lost).and_then(|children| work(children, owner));
    put(object, inner.property, elements);
    done
}
