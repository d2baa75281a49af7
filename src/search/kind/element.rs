//! What the parameter types see of an item of FHIRPath: its JSON and the name of its type.

use crate::fhir::fhirpath::{Item, Quantity, Unit};
use crate::fhir::json::{Json, Number, Object};
use crate::fhir::name::Name;
use crate::fhir::quantity::UCUM;

static TRUE: Json = Json::Bool(true);
static FALSE: Json = Json::Bool(false);

/// An element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its value.
    pub json: &'a Json,
    /// The name of its type, such as `HumanName`; empty when it is not known.
    pub type_name: &'static str,
    /// For a `code`: the system that its binding implies.
    pub system: Option<&'static str>,
    /// It is the family name of a HumanName.
    pub is_family: bool,
}

impl<'a> Element<'a> {
    /// The element of an item: a node, or a truth value that an expression came to. The expressions of the official
    /// parameters yield nothing else; for those of others see [`computed`].
    pub fn of(item: &Item<'a>) -> Option<Self> {
        match item {
            Item::Node(node) => {
                let type_name = node.type_id.map_or("", |type_id| type_id.name());
                Some(Self { json: node.json, type_name, system: None, is_family: false })
            }
            Item::Bool(truth) => {
                let json = if *truth { &TRUE } else { &FALSE };
                Some(Self { json, type_name: "boolean", system: None, is_family: false })
            }
            _ => None,
        }
    }

    /// The same with the system that its binding implies.
    pub fn with_system(self, system: Option<&'static str>) -> Self {
        Self { system, ..self }
    }
}

/// What an expression came to that is no element: its JSON and the name of its type.
pub fn computed(item: &Item<'_>) -> Option<(Json, &'static str)> {
    let number = |text: String| Number::from_text(&text).map(Json::Number);
    Some(match item {
        Item::String(text) => (Json::string(&**text), "string"),
        Item::Integer(value) => (number(value.to_string())?, "integer"),
        Item::Decimal(value) => (number(value.to_string())?, "decimal"),
        Item::Temporal(value) => (Json::string(value.to_string()), "dateTime"),
        Item::Quantity(Quantity { value, unit: Unit::Ucum(code) }) => {
            let (value, code) = (number(value.to_string())?, Json::string(&**code));
            (Json::object([("value", value), ("system", Json::string(UCUM)), ("code", code)]), "Quantity")
        }
        _ => return None,
    })
}

/// The value of a property by the number of its name (`definitions::names`).
pub fn get(object: &Object, name: u16) -> Option<&Json> {
    object.get_name(&Name::known(name))
}

/// The text of a property.
pub fn text(object: &Object, name: u16) -> Option<&str> {
    get(object, name)?.as_str()
}

/// The object of a property.
pub fn object(owner: &Object, name: u16) -> Option<&Object> {
    get(owner, name)?.as_object()
}

/// The values of a property, one or a list.
pub fn each(object: &Object, name: u16) -> impl Iterator<Item = &Json> {
    let values = match get(object, name) {
        Some(Json::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter()
}
