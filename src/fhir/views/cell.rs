//! The cells of a table.

use crate::fhir::fhirpath::{Item, Node, Quantity, Unit, to_text};
use crate::fhir::json::{Json, Number};

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A Boolean.
    Bool(bool),
    /// A number, as it was written or calculated.
    Number(Number),
    /// A text, and all that FHIR writes as one: dates, codes, times.
    Text(Box<str>),
    /// An element with parts, such as a Coding.
    Element(Box<Json>),
    /// The values of a column that is a collection.
    List(Vec<Cell>),
}

/// The cells of a table's row, in the order of its columns.
pub type Row = Vec<Cell>;

impl Cell {
    /// The cell of an item. A primitive that has no value, but an id or extensions, is nothing.
    pub fn of(item: &Item<'_>) -> Self {
        match item {
            Item::Node(node) => Self::of_node(*node),
            Item::Bool(value) => Self::Bool(*value),
            Item::Integer(value) => Self::Number(Number::from(*value)),
            Item::Decimal(value) => Number::from_text(&value.to_string()).map_or(Self::Null, Self::Number),
            Item::String(text) => Self::Text((**text).into()),
            Item::Quantity(quantity) => Self::Element(Box::new(quantity_element(quantity))),
            Item::TypeInfo(info) => Self::Text(info.to_string().into()),
            Item::Temporal(_) => to_text(item).map_or(Self::Null, |text| Self::Text((*text).into())),
        }
    }

    fn of_node(node: Node<'_>) -> Self {
        match node.json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.clone()),
            Json::String(text) => Self::Text(text.clone()),
            other => Self::Element(Box::new(other.clone())),
        }
    }

    /// What it is, for messages; never its value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Element(_) => "an element with parts",
            Self::List(_) => "a list",
        }
    }
}

/// A quantity that was calculated, as FHIR writes one.
fn quantity_element(quantity: &Quantity) -> Json {
    let value = Number::from_text(&quantity.value.to_string()).map_or(Json::Null, Json::Number);
    let code = match &quantity.unit {
        Unit::Calendar(unit) => unit.ucum(),
        Unit::Ucum(code) => code,
    };
    Json::object([
        ("value", value),
        ("unit", Json::string(quantity.unit.text())),
        ("system", Json::string("http://unitsofmeasure.org")),
        ("code", Json::string(code)),
    ])
}
