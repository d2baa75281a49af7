//! Explicit conversion (N1, 5.5).

use rust_decimal::Decimal;

use super::{args, date_format};
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{single, single_value, to_text};
use crate::fhir::fhirpath::number;
use crate::fhir::fhirpath::temporal::{Temporal, TemporalKind};
use crate::fhir::fhirpath::units;
use crate::fhir::fhirpath::value::{CalendarUnit, Collection, Item, Quantity, Unit, maybe, one, truth};

/// `toX`: the single value converted, or empty.
fn converted<'a>(input: &Collection<'a>, with: fn(Item<'a>) -> Option<Item<'a>>) -> Result<Collection<'a>> {
    Ok(maybe(single_value(input, "a conversion")?.and_then(with)))
}

/// `convertsToX`: whether `toX` has a result; empty for nothing.
fn converts<'a>(input: &Collection<'a>, with: fn(Item<'a>) -> Option<Item<'a>>) -> Result<Collection<'a>> {
    if single(input, "a conversion")?.is_none() {
        return Ok(Collection::new());
    }
    Ok(truth(!converted(input, with)?.is_empty()))
}

fn boolean(item: Item<'_>) -> Option<Item<'_>> {
    let value = match item {
        Item::Bool(value) => value,
        Item::Integer(value @ (0 | 1)) => value == 1,
        Item::Decimal(value) if value == Decimal::ONE || value.is_zero() => !value.is_zero(),
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => true,
            "false" | "f" | "no" | "n" | "0" | "0.0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Item::Bool(value))
}

fn integer(item: Item<'_>) -> Option<Item<'_>> {
    let value = match item {
        Item::Integer(value) => value,
        Item::Bool(value) => i64::from(value),
        Item::String(text) if number::is_plain(&text) => text.parse().ok()?,
        _ => return None,
    };
    Some(Item::Integer(value))
}

fn decimal(item: Item<'_>) -> Option<Item<'_>> {
    let value = match item {
        Item::Decimal(value) => value,
        Item::Integer(value) => Decimal::from(value),
        Item::Bool(value) => Decimal::from(u8::from(value)),
        Item::String(text) if number::is_plain(&text) => number::parse(&text)?,
        _ => return None,
    };
    Some(Item::Decimal(value))
}

fn string(item: Item<'_>) -> Option<Item<'_>> {
    to_text(&item).map(Item::String)
}

fn date(item: Item<'_>) -> Option<Item<'_>> {
    match item {
        Item::Temporal(value) => value.date().map(Item::Temporal),
        Item::String(text) => {
            let found = Temporal::parse(TemporalKind::Date, &text)?;
            found.date().map(Item::Temporal)
        }
        _ => None,
    }
}

fn date_time(item: Item<'_>) -> Option<Item<'_>> {
    match item {
        Item::Temporal(value) => value.date_time().map(Item::Temporal),
        Item::String(text) => Temporal::parse(TemporalKind::DateTime, &text).map(Item::Temporal),
        _ => None,
    }
}

fn time(item: Item<'_>) -> Option<Item<'_>> {
    match item {
        Item::Temporal(value) if value.kind == TemporalKind::Time => Some(item),
        Item::String(text) if text.starts_with('T') => None,
        Item::String(text) => Temporal::parse(TemporalKind::Time, &text).map(Item::Temporal),
        _ => None,
    }
}

fn quantity(item: Item<'_>) -> Option<Item<'_>> {
    let value = match item {
        Item::Quantity(value) => value,
        Item::String(text) => quantity_text(&text)?,
        other => match decimal(other)? {
            Item::Decimal(value) => Quantity { value, unit: Unit::one() },
            _ => return None,
        },
    };
    Some(Item::Quantity(value))
}

/// `4 days`, `10 'mg'`, `1.0`: a number and, perhaps, a unit.
fn quantity_text(text: &str) -> Option<Quantity> {
    let digits = text.trim_start_matches(['+', '-']);
    let length = digits.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (value, rest) = text.split_at(text.len() - digits.len() + length);
    let value = number::is_plain(value).then(|| number::parse(value)).flatten()?;
    let rest = rest.trim_start();
    let unit = match rest.strip_prefix('\'') {
        Some(quoted) => {
            Unit::Ucum(quoted.strip_suffix('\'').filter(|unit| !unit.is_empty() && !unit.contains('\''))?.into())
        }
        None if rest.is_empty() => Unit::one(),
        None => Unit::Calendar(CalendarUnit::find(rest)?),
    };
    Some(Quantity { value, unit })
}

/// `toBoolean()`: the value as a Boolean, or empty.
pub fn to_boolean<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converted(&input, boolean)
}

/// `convertsToBoolean()`: whether `toBoolean()` has a result.
pub fn converts_to_boolean<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converts(&input, boolean)
}

/// `toInteger()`: the value as a Integer, or empty.
pub fn to_integer<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converted(&input, integer)
}

/// `convertsToInteger()`: whether `toInteger()` has a result.
pub fn converts_to_integer<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converts(&input, integer)
}

/// `toDecimal()`: the value as a Decimal, or empty.
pub fn to_decimal<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converted(&input, decimal)
}

/// `convertsToDecimal()`: whether `toDecimal()` has a result.
pub fn converts_to_decimal<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converts(&input, decimal)
}

/// `toString()`: the value as a String, or empty.
pub fn to_string<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converted(&input, string)
}

/// `convertsToString()`: whether `toString()` has a result.
pub fn converts_to_string<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converts(&input, string)
}

/// The input, or what its text says in the format of the argument, if there is one (FHIRPath 3.0, "Date/DateTime
/// String Format Codes").
fn formatted<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let format = args::text(m, arguments, 0)?;
    match single_value(&input, "a conversion")?.zip(format) {
        Some((Item::String(text), format)) => {
            let read = date_format::read(&text, &format);
            // what does not fit the format converts to nothing, as any other text
            Ok(one(Item::text(read.unwrap_or_default())))
        }
        _ => Ok(input),
    }
}

/// `toDate([format])`: the value as a Date, or empty.
pub fn to_date<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(&formatted(m, input, arguments)?, date)
}

/// `convertsToDate([format])`: whether `toDate()` has a result.
pub fn converts_to_date<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    converts(&formatted(m, input, arguments)?, date)
}

/// `toDateTime([format])`: the value as a DateTime, or empty.
pub fn to_date_time<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(&formatted(m, input, arguments)?, date_time)
}

/// `convertsToDateTime([format])`: whether `toDateTime()` has a result.
pub fn converts_to_date_time<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    converts(&formatted(m, input, arguments)?, date_time)
}

/// `toTime()`: the value as a Time, or empty.
pub fn to_time<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converted(&input, time)
}

/// `convertsToTime()`: whether `toTime()` has a result.
pub fn converts_to_time<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    converts(&input, time)
}

/// The input as a quantity in the unit of the argument, if there is one.
fn quantity_in<'a>(m: &mut Machine<'a, '_>, input: &Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut found = converted(input, quantity)?;
    let Some(unit) = args::text(m, arguments, 0)? else { return Ok(found) };
    let unit = Unit::from_quoted(&unit);
    Ok(match found.pop() {
        Some(Item::Quantity(value)) => maybe(units::convert_explicitly(&value, &unit).map(Item::Quantity)),
        _ => Collection::new(),
    })
}

/// `toQuantity([unit])`: the value as a Quantity, in the unit if one is given; or empty.
pub fn to_quantity<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    quantity_in(m, &input, arguments)
}

/// `convertsToQuantity()`: whether `toQuantity()` has a result.
pub fn converts_to_quantity<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    if single(&input, "a conversion")?.is_none() {
        return Ok(Collection::new());
    }
    Ok(truth(!quantity_in(m, &input, arguments)?.is_empty()))
}
