//! What an expression yields: items, and collections of them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::model::{SystemType, TypeId};
use super::temporal::{Temporal, TemporalKind};
use crate::fhir::json::Json;

/// What an expression yields. Up to two items need no allocation.
pub type Collection<'a> = SmallVec<[Item<'a>; 2]>;

/// One item of a collection.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// An element of a resource, or a resource; it keeps its FHIR type, its id and its extensions.
    Node(Node<'a>),
    /// `System.Boolean`
    Bool(bool),
    /// `System.Integer`
    Integer(i64),
    /// `System.Decimal`
    Decimal(Decimal),
    /// `System.String`
    String(Text<'a>),
    /// `System.Date`, `System.DateTime` or `System.Time`
    Temporal(Temporal),
    /// `System.Quantity`
    Quantity(Quantity),
    /// What `type()` yields (N1, "Reflection").
    TypeInfo(TypeInfo),
}

/// A place in a resource.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its value; `null` for a primitive that has only an id or extensions.
    pub json: &'a Json,
    /// For a primitive, the object `_name` with its id and extensions.
    pub sibling: Option<&'a Json>,
    /// Its type, if the definitions know it.
    pub type_id: Option<TypeId>,
}

/// A text that is cheap to clone: borrowed from the resource, or shared.
#[derive(Clone)]
pub enum Text<'a> {
    /// A text of the resource.
    Borrowed(&'a str),
    /// A literal or a computed text.
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl From<&str> for Text<'_> {
    fn from(text: &str) -> Self {
        Self::Shared(text.into())
    }
}

/// A number with a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// The number.
    pub value: Decimal,
    /// Its unit.
    pub unit: Unit,
}

/// The unit of a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A duration of the calendar: `year`, `month` ... (N1, 4.1.8.1).
    Calendar(CalendarUnit),
    /// A code of UCUM.
    Ucum(Arc<str>),
}

/// The calendar durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarUnit {
    /// `millisecond`
    Millisecond,
    /// `second`
    Second,
    /// `minute`
    Minute,
    /// `hour`
    Hour,
    /// `day`
    Day,
    /// `week`
    Week,
    /// `month`
    Month,
    /// `year`
    Year,
}

impl CalendarUnit {
    /// Singular name, unit, and the UCUM code of the definite duration beside it.
    const ALL: [(&'static str, Self, &'static str); 8] = [
        ("millisecond", Self::Millisecond, "ms"),
        ("second", Self::Second, "s"),
        ("minute", Self::Minute, "min"),
        ("hour", Self::Hour, "h"),
        ("day", Self::Day, "d"),
        ("week", Self::Week, "wk"),
        ("month", Self::Month, "mo"),
        ("year", Self::Year, "a"),
    ];

    /// The unit with a name, singular or plural.
    pub fn find(name: &str) -> Option<Self> {
        let singular = name.strip_suffix('s').unwrap_or(name);
        Self::ALL.iter().find(|(known, ..)| *known == singular).map(|(_, unit, _)| *unit)
    }

    /// The unit beside a UCUM code of a definite duration.
    pub fn of_ucum(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(.., ucum)| *ucum == code).map(|(_, unit, _)| *unit)
    }

    /// The singular name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The UCUM code of the definite duration beside it.
    pub fn ucum(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// Milliseconds in the unit, by the factors for unanchored calculations (N1, `toQuantity`).
    pub fn millis(self) -> i64 {
        match self {
            Self::Millisecond => 1,
            Self::Second => 1000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
            Self::Month => 30 * 86_400_000,
            Self::Year => 365 * 86_400_000,
        }
    }
}

impl Unit {
    /// The unit `1`.
    pub fn one() -> Self {
        Self::Ucum("1".into())
    }

    /// The unit as a text: the code of UCUM, or the name of the calendar duration.
    pub fn text(&self) -> &str {
        match self {
            Self::Calendar(unit) => unit.name(),
            Self::Ucum(code) => code,
        }
    }

    /// A unit from the text between the quotes of a literal: UCUM, or the name of a calendar duration.
    pub fn from_quoted(text: &str) -> Self {
        CalendarUnit::find(text).map_or_else(|| Self::Ucum(text.into()), Self::Calendar)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Ucum(code) => write!(f, "{} '{code}'", self.value),
            Unit::Calendar(unit) if self.value.abs() == Decimal::ONE => write!(f, "{} {}", self.value, unit.name()),
            Unit::Calendar(unit) => write!(f, "{} {}s", self.value, unit.name()),
        }
    }
}

/// A type, as `type()` tells it: a `SimpleTypeInfo` or a `ClassInfo` (N1, "Reflection").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeInfo {
    /// A type of FHIR; that of a backbone element is `BackboneElement` or `Element`.
    Fhir(TypeId),
    /// A type of the `System` namespace.
    System(SystemType),
}

impl TypeInfo {
    /// The `namespace`: `FHIR` or `System`.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Fhir(_) => "FHIR",
            Self::System(_) => "System",
        }
    }

    /// The `name`, such as `Patient`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fhir(type_id) => type_id.name(),
            Self::System(system) => system.name(),
        }
    }

    /// The `baseType` with its namespace; none for a type that is made of no other.
    pub fn base(self) -> Option<String> {
        match self {
            Self::Fhir(type_id) => type_id.base().map(|base| format!("FHIR.{}", base.name())),
            Self::System(_) => Some(format!("System.{}", SystemType::Any.name())),
        }
    }
}

impl fmt::Display for TypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace(), self.name())
    }
}

impl<'a> Item<'a> {
    /// The System type of an item that is not a node; none for what `type()` yields.
    pub fn system_type(&self) -> Option<SystemType> {
        Some(match self {
            Self::Node(_) | Self::TypeInfo(_) => return None,
            Self::Bool(_) => SystemType::Boolean,
            Self::Integer(_) => SystemType::Integer,
            Self::Decimal(_) => SystemType::Decimal,
            Self::String(_) => SystemType::String,
            Self::Quantity(_) => SystemType::Quantity,
            Self::Temporal(value) => match value.kind {
                TemporalKind::Date => SystemType::Date,
                TemporalKind::DateTime => SystemType::DateTime,
                TemporalKind::Time => SystemType::Time,
            },
        })
    }

    /// The node, if it is one.
    pub fn as_node(&self) -> Option<Node<'a>> {
        match self {
            Self::Node(node) => Some(*node),
            _ => None,
        }
    }

    /// A string item that is not borrowed.
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::String(text.into())
    }
}

/// A collection with one item.
pub fn one(item: Item<'_>) -> Collection<'_> {
    let mut collection = Collection::new();
    collection.push(item);
    collection
}

/// A collection with the item, or none.
pub fn maybe(item: Option<Item<'_>>) -> Collection<'_> {
    item.into_iter().collect()
}

/// A collection with a Boolean.
pub fn truth<'a>(value: bool) -> Collection<'a> {
    one(Item::Bool(value))
}
