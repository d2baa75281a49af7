//! What a resource can be found by: the values that `extract` takes out of it.

use rust_decimal::Decimal;

use crate::fhir::definitions::params::ParamId;
use crate::fhir::types::{ResourceKey, ResourceType};

/// A span of time in microseconds since 1970-01-01T00:00:00Z: `start <= t < end`.
/// `i64::MIN` and `i64::MAX` stand for an open start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// First microsecond.
    pub start: i64,
    /// First microsecond after the span.
    pub end: i64,
}

impl Span {
    /// The millisecond from `at` on: the precision of `meta.lastUpdated`.
    pub fn millisecond(at: i64) -> Self {
        Self { start: at, end: at.saturating_add(1000) }
    }
}

/// All values of a resource for all parameters of its type, in the order of parameters and elements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extracted {
    /// Pairs of a parameter and one value; the pairs of a parameter stand together.
    pub values: Vec<(ParamId, Value)>,
    /// The resources that it contains, each with its values.
    pub contained: Vec<Contained>,
    /// The hashes of resources of this server that it names elsewhere than in its values.
    pub links: Vec<u64>,
    /// Its elements that have a name in `_filter`, and the resource that begins a Bundle.
    pub nested: Vec<Nested>,
    /// It is a List in the mode `working`.
    pub is_working: bool,
    /// Of which added parameters it holds the values (`params::ParamSet::hash`); 0: of none.
    pub params: u64,
    /// The words of the narrative, one space between.
    pub narrative: Box<str>,
    /// The words of all texts, one space between.
    pub content: Box<str>,
}

/// A contained resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Contained {
    /// Its type.
    pub kind: ResourceType,
    /// Its id within the resource around it.
    pub id: Box<str>,
    /// What it can be found by.
    pub values: Extracted,
}

/// An element that has a name with children in `_filter`, or the first resource of a Bundle (`search::nested`).
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// The name.
    pub name: &'static str,
    /// The values of its children, by their parameters.
    pub values: Extracted,
}

/// One value of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, folded for the default match and as written for `:exact`.
    String {
        /// Case, accents and combining characters removed (`kind/string.rs`).
        folded: Box<str>,
        /// As written.
        exact: Box<str>,
        /// Other folded texts at which the default match and `:contains` find it: without its punctuation, and from each
        /// later part of a family name on.
        others: Box<[Box<str>]>,
    },
    /// A coded value.
    Token {
        /// The system; `None` when the element has none ; for a `code` that of its binding.
        system: Option<Box<str>>,
        /// The code; `None` when there is only text.
        code: Option<Box<str>>,
        /// For `:text`: the display of a Coding, the text of a concept or of an identifier's type, folded.
        text: Option<Box<str>>,
    },
    /// For `:of-type`: an Identifier by one coding of its type; it has its own [`Value::Token`] beside it.
    Typed(Typed),
    /// For `:below` on tokens: the base part of a MIME type with parameters; the whole is a [`Value::Token`].
    Mime(Box<str>),
    /// A reference.
    Reference(Target),
    /// A date, dateTime, instant, Period or Timing.
    Date(Span),
    /// A number, or a Range where an element may be either.
    Number(Interval),
    /// For `co` of `_filter`: what the precision of a number implies; the number is a [`Value::Number`].
    Implied(Implied),
    /// A quantity.
    Quantity(Quantity),
    /// A place on the Earth.
    Position(Position),
    /// A URI, as written.
    Uri(Box<str>),
    /// The components of one element of a composite; each tuple is one combination of values.
    Composite(Box<[Value]>),
}

/// An identifier's value with a code of its type, all as written: what `:of-type` asks for and what it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// `Identifier.type.coding.system`.
    pub system: Box<str>,
    /// `Identifier.type.coding.code`.
    pub code: Box<str>,
    /// `Identifier.value`.
    pub value: Box<str>,
}

/// A place on the Earth (WGS84), in ten-millionths of a degree: about a centimetre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From -90 to 90 degrees.
    pub latitude: i32,
    /// From -180 to 180 degrees.
    pub longitude: i32,
}

impl Position {
    /// Units in a degree.
    pub const UNITS: i32 = 10_000_000;
}

/// The target of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource of this server (a relative reference, or an absolute one below the server's base).
    Local(ResourceKey),
    /// A resource that stands in the same one: `#id`, without the `#`.
    Contained(Box<str>),
    /// Any other URL, URN or canonical (a canonical keeps its `|version`).
    Other(Box<str>),
    /// Only a logical reference: `Reference.identifier`.
    Identifier {
        /// The identifier's system.
        system: Option<Box<str>>,
        /// The identifier's value.
        value: Box<str>,
    },
}

/// A number: both sides are equal but for a Range, where an absent side is open (`None`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The smallest value.
    pub low: Option<Decimal>,
    /// The largest value.
    pub high: Option<Decimal>,
}

impl From<Decimal> for Interval {
    fn from(value: Decimal) -> Self {
        Self { low: Some(value), high: Some(value) }
    }
}

/// The numbers that a number may stand for: `2.0` is 1.95 to 2.05, an integer and a Range are what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implied {
    /// From here on (inclusive); `None`: open.
    pub low: Option<Decimal>,
    /// Up to here; `None`: open.
    pub high: Option<Decimal>,
    /// Whether `high` is one of them.
    pub is_closed: bool,
}

/// A quantity, as written and in canonical units.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Smallest and largest value as written; equal but for a Range. `None`: open.
    pub low: Option<Decimal>,
    /// See `low`.
    pub high: Option<Decimal>,
    /// With the comparators `<` and `>`: the side that is there lies outside.
    pub excludes_side: bool,
    /// `Quantity.system`.
    pub system: Option<Box<str>>,
    /// `Quantity.code`.
    pub code: Option<Box<str>>,
    /// `Quantity.unit`.
    pub unit: Option<Box<str>>,
    /// For valid UCUM codes: the same in canonical base units.
    pub canonical: Option<Canonical>,
}

/// A quantity in canonical UCUM units (1 g and 1000 mg are equal here).
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// Smallest value, in `unit`.
    pub low: Option<Decimal>,
    /// Largest value, in `unit`.
    pub high: Option<Decimal>,
    /// The canonical unit's code, such as `g` or `m.s-2`.
    pub unit: Box<str>,
}
