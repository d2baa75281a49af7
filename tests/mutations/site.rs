//! The places in a resource that can be changed.

use cresset::fhir::definitions::element::{Property, TypeId, property, type_by_name};
use cresset::fhir::name::Name;
use serde_json::{Map, Value};

/// One step of a way into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A property.
    Name(String),
    /// An item.
    Item(usize),
}

/// A value in a resource.
#[derive(Debug, Clone)]
pub struct Site {
    /// The way to it.
    pub way: Vec<Step>,
    /// The FHIRPath of its element.
    pub path: String,
    /// The type of the object or primitive.
    pub type_id: TypeId,
    /// The type that has the property.
    pub owner: TypeId,
    /// The property that it is a value of, none for the resource itself.
    pub property: Option<&'static Property>,
    /// Whether it is one item of a list, not the list.
    pub is_item: bool,
}

impl Site {
    /// The value.
    pub fn value<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        follow(root, &self.way)
    }

    /// The object that the property is in, and the name of the property there.
    pub fn holder<'v>(&self, root: &'v mut Value) -> Option<(&'v mut Map<String, Value>, String)> {
        let at = self.way.iter().rposition(|step| matches!(step, Step::Name(_)))?;
        let Step::Name(name) = &self.way[at] else { return None };
        Some((follow(root, &self.way[..at])?.as_object_mut()?, name.clone()))
    }

    /// The list that it is an item of.
    pub fn list<'v>(&self, root: &'v mut Value) -> Option<(&'v mut Vec<Value>, usize)> {
        let Some((Step::Item(at), before)) = self.way.split_last() else { return None };
        Some((follow(root, before)?.as_array_mut()?, *at))
    }

    /// Whether it is a value, not the list of several.
    pub fn is_one(&self) -> bool {
        self.is_item || self.property.is_none_or(|property| !property.is_list())
    }

    /// The path of a child.
    pub fn child(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

fn follow<'v>(root: &'v mut Value, way: &[Step]) -> Option<&'v mut Value> {
    way.iter().try_fold(root, |value, step| match step {
        Step::Name(name) => value.get_mut(name),
        Step::Item(at) => value.get_mut(at),
    })
}

/// All places of a resource, itself first.
pub fn sites(resource: &Value) -> Vec<Site> {
    let Some(kind) = resource["resourceType"].as_str() else { return Vec::new() };
    let Some(type_id) = type_by_name(kind) else { return Vec::new() };
    let root = Site { way: Vec::new(), path: kind.to_owned(), type_id, owner: type_id, property: None, is_item: false };
    let mut found = vec![root.clone()];
    walk(resource, &root, &mut found);
    found
}

fn walk(value: &Value, site: &Site, found: &mut Vec<Site>) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        let Some(property) = property(site.type_id, &Name::new(name)) else { continue };
        let mut way = site.way.clone();
        way.push(Step::Name(name.clone()));
        let path = site.child(property.element);
        let owner = site.type_id;
        let whole = Site { way, path, type_id: property.type_id, owner, property: Some(property), is_item: false };
        match value {
            Value::Array(items) => {
                found.push(whole.clone());
                for (n, item) in items.iter().enumerate() {
                    let mut one = whole.clone();
                    one.way.push(Step::Item(n));
                    one.path = format!("{}[{n}]", whole.path);
                    one.is_item = true;
                    one.type_id = resource_type(item).unwrap_or(one.type_id);
                    found.push(one.clone());
                    walk(item, &one, found);
                }
            }
            value => {
                let one = Site { type_id: resource_type(value).unwrap_or(whole.type_id), ..whole };
                found.push(one.clone());
                walk(value, &one, found);
            }
        }
    }
}

fn resource_type(value: &Value) -> Option<TypeId> {
    type_by_name(value.get("resourceType")?.as_str()?)
}
