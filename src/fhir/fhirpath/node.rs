//! Nodes: places in a resource, with their FHIR type, and the steps from one to its children.
//!
//! A node borrows from the tree; nothing is copied. A primitive is seen as FHIR sees it, one element
//! with a value, an id and extensions, though JSON keeps the latter in a sibling `_name`
//! (FHIR R4 `json.html`, 2.6.2.3). A choice such as `value[x]` is seen as `value`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::model::{TypeId, TypeKind, property, type_by_name};
use super::value::{Collection, Item, Node, Text, TypeInfo};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;

static NULL: Json = Json::Null;

/// The names that the engine itself looks for.
pub struct KnownNames {
    /// `resourceType`
    pub resource_type: Name,
    /// `extension`
    pub extension: Name,
    /// `url`
    pub url: Name,
    /// `id`
    pub id: Name,
    /// `contained`
    pub contained: Name,
    /// `reference`
    pub reference: Name,
    /// `type`
    pub kind: Name,
    /// `value`
    pub value: Name,
    /// `code`
    pub code: Name,
    /// `system`
    pub system: Name,
    /// `comparator`
    pub comparator: Name,
    /// `coding`
    pub coding: Name,
}

/// The names that the engine itself looks for, interned once.
pub static KNOWN: LazyLock<KnownNames> = LazyLock::new(|| KnownNames {
    resource_type: Name::new("resourceType"),
    extension: Name::new("extension"),
    url: Name::new("url"),
    id: Name::new("id"),
    contained: Name::new("contained"),
    reference: Name::new("reference"),
    kind: Name::new("type"),
    value: Name::new("value"),
    code: Name::new("code"),
    system: Name::new("system"),
    comparator: Name::new("comparator"),
    coding: Name::new("coding"),
});

/// One property name of a path, prepared.
#[derive(Debug)]
pub struct Step {
    name: Name,
    sibling: Name,
    choice: Option<&'static Choice>,
    /// Whether it may be the name of a choice's form.
    takes_forms: bool,
}

/// The JSON names that a choice element may have.
#[derive(Debug, Default)]
struct Choice {
    /// Number of the JSON name, and the type that its ending names; sorted by number.
    values: Vec<(u16, TypeId)>,
    /// Number of the sibling `_name`, and the number of the JSON name; sorted.
    siblings: Vec<(u16, u16)>,
}

/// Every name that ends in the name of a type, by what stands before: `value` -> `valueString` ...
static CHOICES: LazyLock<HashMap<&'static str, Choice>> = LazyLock::new(|| {
    let mut choices: HashMap<&'static str, Choice> = HashMap::new();
    for (number, name) in names::ALL.iter().enumerate() {
        let Ok(number) = u16::try_from(number) else { continue };
        let (plain, is_sibling) = name.strip_prefix('_').map_or((*name, false), |plain| (plain, true));
        let value_number = if is_sibling { names::find(plain) } else { Some(number) };
        for (at, _) in plain.match_indices(|c: char| c.is_ascii_uppercase()).filter(|(at, _)| *at > 0) {
            let (Some(type_id), Some(value)) = (type_of_suffix(&plain[at..]), value_number) else { continue };
            let choice = choices.entry(&plain[..at]).or_default();
            if is_sibling {
                choice.siblings.push((number, value));
            } else {
                choice.values.push((number, type_id));
            }
        }
    }
    for choice in choices.values_mut() {
        choice.values.sort_unstable_by_key(|(number, _)| *number);
        choice.siblings.sort_unstable();
    }
    choices
});

/// The type that the ending of a choice's JSON name stands for: `Quantity`, `String` (for `string`).
fn type_of_suffix(suffix: &str) -> Option<TypeId> {
    let mut lower = suffix.to_owned();
    lower[..1].make_ascii_lowercase();
    let primitive = type_by_name(&lower).filter(|found| found.kind() == TypeKind::Primitive);
    primitive.or_else(|| type_by_name(suffix).filter(|found| found.kind() == TypeKind::Complex))
}

impl Choice {
    /// The type for a JSON name.
    fn type_of(&self, number: u16) -> Option<TypeId> {
        // the names of a choice are neighbours in the table: most names are told apart here
        let (first, last) = (self.values.first()?.0, self.values.last()?.0);
        if number < first || number > last {
            return None;
        }
        let at = self.values.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.values[at].1)
    }

    /// The number of the JSON name whose sibling this name is.
    fn value_of(&self, sibling: u16) -> Option<u16> {
        let at = self.siblings.binary_search_by_key(&sibling, |(sibling, _)| *sibling).ok()?;
        Some(self.siblings[at].1)
    }
}

impl Step {
    /// The step to the children with a name; `takes_forms`: which may be that of a choice's form (`valueString`).
    pub fn new(name: &str, takes_forms: bool) -> Self {
        let sibling = Name::new(&format!("_{name}"));
        Self { name: Name::new(name), sibling, choice: CHOICES.get(name), takes_forms }
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl<'a> Node<'a> {
    /// The node of a whole resource; its type is what `resourceType` says.
    pub fn resource(json: &'a Json) -> Self {
        let kind = json.as_object().and_then(|object| object.get_name(&KNOWN.resource_type)).and_then(Json::as_str);
        Self { json, sibling: None, type_id: kind.and_then(type_by_name) }
    }

    /// A node that is nothing but its type: what a reference stands for when its target is not at hand.
    pub fn stub(type_id: TypeId) -> Self {
        Self { json: &NULL, sibling: None, type_id: Some(type_id) }
    }

    /// Whether the node is a [`Node::stub`].
    pub fn is_stub(&self) -> bool {
        *self.json == Json::Null && self.sibling.is_none()
    }

    /// The node of an evaluation that is on nothing: as `$this` and in variables it is empty.
    pub fn nothing() -> Self {
        Self { json: &NULL, sibling: None, type_id: None }
    }

    /// Whether the node is not [`Node::nothing`].
    pub fn is_something(&self) -> bool {
        !self.is_stub() || self.type_id.is_some()
    }

    /// Whether two nodes are one place in one tree.
    pub fn is_same_place(&self, other: Self) -> bool {
        let siblings = (self.sibling.map(std::ptr::from_ref), other.sibling.map(std::ptr::from_ref));
        std::ptr::eq(self.json, other.json) && siblings.0 == siblings.1 && !self.is_stub()
    }

    /// Whether the node is a primitive: by its type, else by its JSON.
    pub fn is_primitive(&self) -> bool {
        match self.type_id {
            Some(type_id) => type_id.kind() == TypeKind::Primitive,
            None => !matches!(self.json, Json::Object(_) | Json::Array(_)),
        }
    }

    /// Whether it is a value without children: a string, number or Boolean.
    pub fn has_value(&self) -> bool {
        matches!(self.json, Json::String(_) | Json::Number(_) | Json::Bool(_))
    }

    /// The object that holds the children: the value itself, or for a primitive its sibling.
    pub fn object(&self) -> Option<&'a Object> {
        self.json.as_object().or_else(|| self.sibling.and_then(Json::as_object))
    }

    /// The text of a property, if it is a string.
    pub fn text_of(&self, name: &Name) -> Option<&'a str> {
        self.object()?.get_name(name)?.as_str()
    }

    /// Its type.
    pub fn type_info(&self) -> Option<TypeInfo> {
        let type_id = self.type_id?;
        let known = if type_id.kind() == TypeKind::Backbone { type_id.base()? } else { type_id };
        Some(TypeInfo::Fhir(known))
    }

    /// Appends the children that a step leads to.
    pub fn child(&self, step: &Step, out: &mut Collection<'a>) {
        let Some(object) = self.object() else { return };
        if let Some(choice) = step.choice
            && self.choice_child(object, step, choice, out)
        {
            return;
        }
        let mut value = None;
        let mut sibling = None;
        for (name, json) in object.iter() {
            if *name == step.name {
                value = Some(json);
                // an object is no primitive and has no sibling
                if is_complex(json) {
                    break;
                }
            } else if *name == step.sibling {
                sibling = Some(json);
            }
        }
        if value.is_none() && sibling.is_none() {
            return;
        }
        let Some(type_id) = self.type_of_child(step) else { return };
        push(value, sibling, type_id, out);
    }

    /// The type of a property, `Some(None)` when nothing is known about this node, and `None` for what
    /// is no element: `resourceType`, and one form of a choice under its JSON name.
    #[expect(clippy::option_option, reason = "no element, an element of unknown type, an element of a type")]
    fn type_of_child(&self, step: &Step) -> Option<Option<TypeId>> {
        let name = &step.name;
        if *name == KNOWN.resource_type {
            return None;
        }
        let owner = if self.json.as_object().is_none() { primitive_owner(self.type_id) } else { self.type_id };
        match owner.and_then(|owner| property(owner, name)) {
            Some(property) if property.is_choice && !step.takes_forms => None,
            found => Some(found.map(|property| property.type_id)),
        }
    }

    /// The children of a choice element; whether there was one.
    fn choice_child(&self, object: &'a Object, step: &Step, choice: &Choice, out: &mut Collection<'a>) -> bool {
        let mut found: Option<(u16, TypeId)> = None;
        let mut value = None;
        let mut sibling = None;
        for (name, json) in object.iter() {
            let Some(number) = name.id() else { continue };
            if *name == step.name {
                return false;
            }
            let is_value = choice.type_of(number).is_some();
            let Some(value_number) = (if is_value { Some(number) } else { choice.value_of(number) }) else { continue };
            let Some(type_id) = self.choice_type(value_number, choice) else { continue };
            if found.is_some_and(|(earlier, _)| earlier != value_number) {
                continue;
            }
            found = Some((value_number, type_id));
            if is_value {
                value = Some(json);
            } else {
                sibling = Some(json);
            }
        }
        if let Some((_, type_id)) = found {
            push(value, sibling, Some(type_id), out);
        }
        found.is_some()
    }

    /// The type of a JSON name as one form of a choice of this node.
    fn choice_type(&self, number: u16, choice: &Choice) -> Option<TypeId> {
        match self.type_id {
            Some(owner) => {
                property(owner, &Name::known(number)).filter(|p| p.is_choice).map(|property| property.type_id)
            }
            None => choice.type_of(number),
        }
    }

    /// Appends all children, in the order of the JSON; of a primitive its id and extensions.
    pub fn children(&self, out: &mut Collection<'a>) {
        let Some(object) = self.object() else { return };
        let owner = if self.json.as_object().is_none() { primitive_owner(self.type_id) } else { self.type_id };
        for (name, json) in object.iter() {
            if *name == KNOWN.resource_type {
                continue;
            }
            let text = name.as_str();
            let (value_name, is_sibling) = match text.strip_prefix('_') {
                Some(plain) => (Name::new(plain), true),
                None => (name.clone(), false),
            };
            let type_id = owner.and_then(|owner| property(owner, &value_name)).map(|p| p.type_id);
            if is_sibling {
                // with its value, if there is one; else alone
                if object.get_name(&value_name).is_none() {
                    push(None, Some(json), type_id, out);
                }
            } else {
                let sibling = if is_complex(json) { None } else { object.get(&format!("_{text}")) };
                push(Some(json), sibling, type_id, out);
            }
        }
    }

    /// Appends the extensions with a URL (FHIR R4 `fhirpath.html`, 2.9.1.5).
    pub fn extensions(&self, url: &str, out: &mut Collection<'a>) {
        let Some(Json::Array(extensions)) = self.object().and_then(|object| object.get_name(&KNOWN.extension)) else {
            return;
        };
        static EXTENSION: LazyLock<Option<TypeId>> = LazyLock::new(|| type_by_name("Extension"));
        let nodes = extensions.iter().map(|json| Self { json, sibling: None, type_id: *EXTENSION });
        out.extend(nodes.filter(|node| node.text_of(&KNOWN.url) == Some(url)).map(Item::Node));
    }

    /// The text of a node, if its value is one.
    pub fn text(&self) -> Option<Text<'a>> {
        self.json.as_str().map(Text::Borrowed)
    }
}

/// The type whose properties `id` and `extension` of a primitive are looked up in.
fn primitive_owner(type_id: Option<TypeId>) -> Option<TypeId> {
    static ELEMENT: LazyLock<Option<TypeId>> = LazyLock::new(|| type_by_name("Element"));
    type_id.and(*ELEMENT)
}

/// Whether a property's value is one or several objects, and so has no sibling.
fn is_complex(json: &Json) -> bool {
    match json {
        Json::Object(_) => true,
        Json::Array(items) => matches!(items.first(), Some(Json::Object(_))),
        _ => false,
    }
}

/// Appends the elements of a property: each of an array, and each with its sibling.
fn push<'a>(value: Option<&'a Json>, sibling: Option<&'a Json>, type_id: Option<TypeId>, out: &mut Collection<'a>) {
    let lists = (value.and_then(Json::as_array), sibling.and_then(Json::as_array));
    let (values, siblings) = match lists {
        (None, None) => return push_one(value, sibling, type_id, out),
        (values, siblings) => (values.unwrap_or_default(), siblings.unwrap_or_default()),
    };
    for at in 0..values.len().max(siblings.len()) {
        push_one(values.get(at), siblings.get(at), type_id, out);
    }
}

fn push_one<'a>(value: Option<&'a Json>, sibling: Option<&'a Json>, type_id: Option<TypeId>, out: &mut Collection<'a>) {
    let json = value.unwrap_or(&NULL);
    let sibling = sibling.filter(|sibling| **sibling != Json::Null);
    if matches!(json, Json::Null) && sibling.is_none() {
        return;
    }
    let tells_itself = type_id.is_none() || is_any_resource(type_id);
    out.push(Item::Node(if tells_itself {
        Node { sibling, ..Node::resource(json) }
    } else {
        Node { json, sibling, type_id }
    }));
}

/// Whether a property holds a resource whose type only the resource itself tells.
fn is_any_resource(type_id: Option<TypeId>) -> bool {
    static RESOURCE: LazyLock<Option<TypeId>> = LazyLock::new(|| type_by_name("Resource"));
    type_id == *RESOURCE
}
