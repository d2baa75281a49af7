//! A concept of a code system: its code, texts and properties.

use crate::fhir::json::Json;

/// The type of a property's values (`CodeSystem.property.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropertyKind {
    /// A code of the same system.
    Code,
    /// A code of any system.
    Coding,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A date with time.
    DateTime,
    /// A decimal number.
    Decimal,
}

impl PropertyKind {
    /// From `CodeSystem.property.type`.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "code" => Self::Code,
            "Coding" => Self::Coding,
            "string" => Self::String,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            _ => return None,
        })
    }
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A code of the same system.
    Code(Box<str>),
    /// A code of any system.
    Coding(Coding),
    /// A text.
    String(Box<str>),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A date with time, as written.
    DateTime(Box<str>),
    /// A decimal number, as written; it is a JSON number.
    Decimal(Box<str>),
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coding {
    /// The code system.
    pub system: Option<Box<str>>,
    /// Its version.
    pub version: Option<Box<str>>,
    /// The code.
    pub code: Option<Box<str>>,
    /// A text for people.
    pub display: Option<Box<str>>,
}

/// A property with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The code of the property.
    pub code: Box<str>,
    /// The value.
    pub value: PropertyValue,
}

/// Another text for a concept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Designation {
    /// Its language (BCP-47); none is that of the code system.
    pub language: Option<Box<str>>,
    /// What it is for.
    pub usage: Option<Coding>,
    /// The text.
    pub value: Box<str>,
    /// Extensions of the designation in its resource.
    pub extensions: Vec<Json>,
}

/// A concept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concept {
    /// The code, as the system writes it.
    pub code: Box<str>,
    /// The text that the system prefers, in the language of the system.
    pub display: Option<Box<str>>,
    /// What it means, for people.
    pub definition: Option<Box<str>>,
    /// Further texts.
    pub designations: Vec<Designation>,
    /// Properties that the system gives, `parent` and `child` among them only where the system itself lists them so.
    pub properties: Vec<Property>,
    /// Extensions of the concept in its resource.
    pub extensions: Vec<Json>,
    /// Whether it may not be chosen for data (`notSelectable`).
    pub is_abstract: bool,
    /// Whether it is out of use (`inactive`, or a status that says so).
    pub is_inactive: bool,
    /// The status as the system tells it (`retired`, `deprecated`, `withdrawn` ...), where it does.
    pub status: Option<Box<str>>,
}

impl Concept {
    /// The values of a property.
    pub fn values<'c>(&'c self, code: &'c str) -> impl Iterator<Item = &'c PropertyValue> {
        self.properties.iter().filter(move |property| *property.code == *code).map(|property| &property.value)
    }
}
