//! Implicit conversion: a FHIR element is seen as a System value wherever an operator or function
//! asks for one (FHIR R4 `fhirpath.html`, 2.9.1.2; N1, "Conversion").

use std::sync::LazyLock;

use rust_decimal::Decimal;

use super::model::{SystemType, TypeId, system_of, type_by_name};
use super::node::KNOWN;
use super::number;
use super::temporal::{Temporal, TemporalKind};
use super::trouble;
use super::value::{CalendarUnit, Collection, Item, Node, Quantity, Text, Unit};
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// The item as a System value: the value of a primitive, the Quantity of a FHIR Quantity; `None` for
/// a primitive without value and for other complex elements.
pub fn system<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Node(node) => primitive(*node).or_else(|| quantity_of(*node).map(Item::Quantity)),
        other => Some(other.clone()),
    }
}

/// The System value of a primitive element.
pub fn primitive<'a>(node: Node<'a>) -> Option<Item<'a>> {
    let kind = node.type_id.and_then(system_of);
    match node.json {
        Json::Bool(value) => Some(Item::Bool(*value)),
        Json::Number(number) => {
            let text = number.as_str();
            let whole = if kind == Some(SystemType::Decimal) { None } else { text.parse().ok() };
            whole.map(Item::Integer).or_else(|| number::parse(text).map(Item::Decimal))
        }
        Json::String(text) => {
            let temporal = match kind {
                Some(SystemType::Date) => Temporal::parse(TemporalKind::Date, text),
                Some(SystemType::DateTime) => with_leap_second(TemporalKind::DateTime, text),
                Some(SystemType::Time) => with_leap_second(TemporalKind::Time, text),
                _ => None,
            };
            Some(temporal.map_or(Item::String(Text::Borrowed(text)), Item::Temporal))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A time of FHIR, which may have a leap second; that counts as the second before, since System has none.
fn with_leap_second(kind: TemporalKind, text: &str) -> Option<Temporal> {
    let plain = || Temporal::parse(kind, &text.replacen(":60", ":59", 1)).filter(|_| text.contains(":60"));
    Temporal::parse(kind, text).or_else(plain)
}

/// The System.Quantity of a FHIR Quantity with a UCUM code; none with a comparator, whose value is not known.
fn quantity_of(node: Node<'_>) -> Option<Quantity> {
    static QUANTITY: LazyLock<Option<TypeId>> = LazyLock::new(|| type_by_name("Quantity"));
    let is_quantity = node.type_id.zip(*QUANTITY).is_some_and(|(actual, quantity)| actual.is_a(quantity));
    let object = node.json.as_object().filter(|_| is_quantity)?;
    if node.text_of(&KNOWN.system) != Some("http://unitsofmeasure.org") || object.get_name(&KNOWN.comparator).is_some()
    {
        return None;
    }
    let code = node.text_of(&KNOWN.code)?;
    let value = number::parse(object.get_name(&KNOWN.value)?.as_number()?.as_str())?;
    // FHIR maps the time units of UCUM to calendar durations (2.9.1.3), but for the week
    let unit =
        CalendarUnit::of_ucum(code).filter(|unit| !matches!(unit, CalendarUnit::Week | CalendarUnit::Millisecond));
    Some(Quantity { value, unit: unit.map_or_else(|| Unit::Ucum(code.into()), Unit::Calendar) })
}

/// The only item of a collection, or none.
///
/// # Errors
/// When there are several; `what` names who asks.
pub fn single<'c, 'a>(items: &'c Collection<'a>, what: &str) -> Result<Option<&'c Item<'a>>> {
    match items.as_slice() {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        several => Err(trouble::evaluation(format!("{what} needs a single item and got {}", several.len()))),
    }
}

/// The only item of a collection as a System value.
///
/// # Errors
/// When there are several.
pub fn single_value<'a>(items: &Collection<'a>, what: &str) -> Result<Option<Item<'a>>> {
    Ok(single(items, what)?.and_then(system))
}

/// A collection where a Boolean is expected: empty is unknown, a single item that is no Boolean is
/// true (N1, "Singleton Evaluation of Collections").
///
/// # Errors
/// When there are several items.
pub fn boolean(items: &Collection<'_>, what: &str) -> Result<Option<bool>> {
    Ok(match single(items, what)? {
        None => None,
        Some(Item::Bool(value)) => Some(*value),
        Some(Item::Node(Node { json: Json::Bool(value), .. })) => Some(*value),
        Some(_) => Some(true),
    })
}

/// The only item of a collection as a text.
///
/// # Errors
/// When there are several items, or one that is no string.
pub fn string<'a>(items: &Collection<'a>, what: &str) -> Result<Option<Text<'a>>> {
    match single(items, what)? {
        None => Ok(None),
        Some(Item::String(text)) => Ok(Some(text.clone())),
        // a date of FHIR is a text too, where one is asked for
        Some(Item::Node(node)) if node.is_primitive() && !node.has_value() => Ok(None),
        Some(item) => match item.as_node().and_then(|node| node.text()) {
            Some(text) => Ok(Some(text)),
            None => Err(trouble::evaluation(format!("{what} needs a string and got {}", describe(item)))),
        },
    }
}

/// The only item of a collection as an integer.
///
/// # Errors
/// When there are several items, or one that is no integer.
pub fn integer(items: &Collection<'_>, what: &str) -> Result<Option<i64>> {
    match single_value(items, what)? {
        None => Ok(None),
        Some(Item::Integer(value)) => Ok(Some(value)),
        Some(item) => Err(trouble::evaluation(format!("{what} needs an integer and got {}", describe(&item)))),
    }
}

/// A number item as a decimal.
pub fn decimal_of(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// What an item is, for messages; never its value.
pub fn describe(item: &Item<'_>) -> String {
    match item {
        Item::Node(node) => {
            node.type_id.map_or_else(|| node.json.kind().to_owned(), |kind| format!("FHIR.{}", kind.name()))
        }
        Item::TypeInfo(_) => "System.TypeInfo".to_owned(),
        other => format!("System.{}", other.system_type().map_or("Any", SystemType::name)),
    }
}

/// How an item is written by `toString()` and `&` (N1, "String Conversion Functions"); none for complex elements.
pub fn to_text<'a>(item: &Item<'a>) -> Option<Text<'a>> {
    Some(match item {
        Item::Node(node) => match node.json {
            Json::String(text) => Text::Borrowed(text),
            Json::Number(number) => Text::Borrowed(number.as_str()),
            Json::Bool(value) => Text::from(value.to_string()),
            _ => quantity_of(*node)?.to_string().into(),
        },
        Item::Bool(value) => value.to_string().into(),
        Item::Integer(value) => value.to_string().into(),
        Item::Decimal(value) => value.to_string().into(),
        Item::String(text) => text.clone(),
        Item::Temporal(value) => value.to_string().into(),
        Item::Quantity(value) => value.to_string().into(),
        Item::TypeInfo(_) => return None,
    })
}
