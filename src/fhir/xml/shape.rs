//! How the values of a type look in JSON and XML.

use std::sync::LazyLock;

use crate::fhir::definitions::element::{Property, TypeId, TypeKind, all_types};
use crate::fhir::definitions::names;

/// The form of the values of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A primitive whose JSON is a string; the white space around it counts.
    Text,
    /// A primitive whose JSON is a string without white space around it.
    Token,
    /// `boolean`
    Boolean,
    /// A primitive whose JSON is a number.
    Number,
    /// `xhtml`
    Narrative,
    /// Any resource.
    Resource,
    /// An Extension: its URL is an attribute.
    Extension,
    /// Any other object.
    Object,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| all_types().map(find).collect());

fn find(type_id: TypeId) -> Shape {
    match (type_id.kind(), type_id.name()) {
        (TypeKind::Primitive, "string" | "markdown") => Shape::Text,
        (TypeKind::Primitive, "boolean") => Shape::Boolean,
        (TypeKind::Primitive, "decimal" | "integer" | "positiveInt" | "unsignedInt") => Shape::Number,
        (_, "xhtml") => Shape::Narrative,
        (TypeKind::Primitive, _) => Shape::Token,
        (TypeKind::Resource, _) => Shape::Resource,
        (_, "Extension") => Shape::Extension,
        _ => Shape::Object,
    }
}

impl Shape {
    /// The form of the values of a type.
    pub fn of(type_id: TypeId) -> Self {
        SHAPES.get(usize::from(type_id.0)).copied().unwrap_or(Self::Object)
    }

    /// Whether a value stands in the attribute `value`.
    pub fn is_primitive(self) -> bool {
        matches!(self, Self::Text | Self::Token | Self::Boolean | Self::Number)
    }

    /// Whether a property of an object of this form is an attribute in XML.
    pub fn is_attribute(self, property: &Property) -> bool {
        match property.name.id() {
            Some(names::ID) => self != Self::Resource,
            Some(names::URL) => self == Self::Extension,
            _ => false,
        }
    }
}
