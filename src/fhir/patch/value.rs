//! Values of a FHIRPath Patch, and how they become elements (FHIR R4 `fhirpatch.html`, 3.1.5.2).

use super::element::{Element, put, sibling, take, type_of};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, properties, property, type_by_name};
use crate::fhir::json::{Json, Object};

/// What a part `value` holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `value[x]`, with the type of its name.
    Typed(TypeId, Element),
    /// A resource.
    Resource(Json),
    /// Parts with the names of elements, for what has no type of its own.
    Parts(Vec<(String, Value)>),
}

impl Value {
    /// Reads the value of a parameter, taking it out; `None` when it has none.
    pub(super) fn read(parameter: &mut Object) -> Option<Self> {
        if let Some(resource) = parameter.remove("resource") {
            return Some(Self::Resource(resource));
        }
        if let Some(Json::Array(parts)) = parameter.remove("part") {
            let parts = parts.into_iter().filter_map(|part| match part {
                Json::Object(mut part) => {
                    let name = part.get("name").and_then(Json::as_str)?.to_owned();
                    Some((name, Self::read(&mut part)?))
                }
                _ => None,
            });
            return Some(Self::Parts(parts.collect()));
        }
        let owner = type_by_name("Parameters.parameter")?;
        let is_value = |p: &&Property| p.element == "value";
        let has = |p: &&Property| {
            let name = p.name.as_str();
            parameter.get(name).is_some() || parameter.get(&sibling(name)).is_some()
        };
        let found = properties(owner).iter().filter(is_value).find(has)?;
        let element = take(parameter, found).pop()?;
        Some(Self::Typed(found.type_id, element))
    }

    /// The text, if it is a string or code.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Typed(_, (value, _)) => value.as_str(),
            _ => None,
        }
    }

    /// The number, if it is an integer of 0 or more.
    pub(super) fn number(&self) -> Option<usize> {
        match self {
            Self::Typed(_, (Json::Number(number), _)) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// What it is, for people.
    fn kind(&self) -> String {
        match self {
            Self::Typed(kind, _) => format!("a {}", kind.name()),
            Self::Resource(_) => "a resource".to_owned(),
            Self::Parts(_) => "made of parts".to_owned(),
        }
    }
}

fn unfit(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message)
}

/// The property of a type that an element's name means for a value: of a choice, the form of the value's type.
///
/// # Errors
/// 422 when there is no such element, or the value is of another type.
pub(super) fn choose(owner: TypeId, name: &str, value: &Value) -> Result<&'static Property> {
    // The definitions write `value[x]` for what paths call `value`, and some clients do too.
    let name = name.strip_suffix("[x]").unwrap_or(name);
    let named = |p: &&Property| p.element == name || p.name.as_str() == name;
    let mut forms = properties(owner).iter().filter(named).peekable();
    if forms.peek().is_none() {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        return Err(unfit(format!("{} has no element \"{shown}\"", owner.name())));
    }
    let fitting: Vec<&'static Property> = forms.filter(|p| fits(value, p.type_id)).collect();
    match (fitting.as_slice(), value) {
        ([one], _) => Ok(one),
        ([], _) => {
            let message = format!("{}.{name} cannot be {}", owner.name(), value.kind());
            Err(unfit(message))
        }
        // Quantity and Age, or string and code: the exact type.
        (several, Value::Typed(kind, _)) => {
            let exact = several.iter().find(|p| p.type_id == *kind);
            Ok(exact.unwrap_or(&several[0]))
        }
        _ => Err(unfit(format!("the type of {}.{name} cannot be told from parts: name its form", owner.name()))),
    }
}

fn fits(value: &Value, wanted: TypeId) -> bool {
    match value {
        Value::Typed(kind, _) => {
            kind.is_a(wanted)
                || matches!(
                    (kind.name(), wanted.name()),
                    ("string", "xhtml") | ("Quantity", "SimpleQuantity" | "MoneyQuantity")
                )
        }
        Value::Resource(json) => {
            let own = type_of(json, wanted);
            wanted.kind() == TypeKind::Resource && own != wanted && own.is_a(wanted)
        }
        Value::Parts(_) => matches!(wanted.kind(), TypeKind::Complex | TypeKind::Backbone),
    }
}

/// The element that a value is under a property.
///
/// # Errors
/// 422 for a part that the type does not have.
pub(super) fn element(value: &Value, property: &Property) -> Result<Element> {
    match value {
        Value::Typed(_, element) => Ok(element.clone()),
        Value::Resource(json) => Ok((json.clone(), Json::Null)),
        Value::Parts(parts) => {
            let mut object = Object::new();
            for (name, part) in parts {
                add(&mut object, property.type_id, name, part)?;
            }
            Ok((Json::Object(object), Json::Null))
        }
    }
}

/// Adds a value under a name: at the end of a list, or where there is nothing yet.
///
/// # Errors
/// 422 when the type does not fit, or the element is there and does not repeat.
pub(super) fn add(object: &mut Object, owner: TypeId, name: &str, value: &Value) -> Result<()> {
    let chosen = choose(owner, name, value)?;
    if !chosen.is_list() && is_there(object, owner, chosen) {
        return Err(unfit(format!("{}.{} is there already; replace it", owner.name(), chosen.element)));
    }
    let new = element(value, chosen)?;
    let mut elements = take(object, chosen);
    elements.push(new);
    put(object, chosen, elements);
    Ok(())
}

/// Whether an object has the element of a property, in any form of a choice.
fn is_there(object: &Object, owner: TypeId, wanted: &Property) -> bool {
    object.iter().any(|(name, _)| {
        let plain = name.as_str().strip_prefix('_').map(crate::fhir::name::Name::new);
        let found = property(owner, plain.as_ref().unwrap_or(name));
        found.is_some_and(|found| found.position == wanted.position)
    })
}
