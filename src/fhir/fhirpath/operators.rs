//! Arithmetic, comparison and logic on values (N1, "Operations").

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::ast::Operator;
use super::convert::{decimal_of, describe};
use super::temporal::{Precision, Temporal, TemporalKind};
use super::trouble;
use super::units::{self, Relation};
use super::value::{CalendarUnit, Item, Quantity, Text, Unit};
use crate::base::fault::{Fault, Result};

/// The sign of an operator, for messages.
pub fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Div => "div",
        Operator::Mod => "mod",
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Concatenate => "&",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Equivalent => "~",
        Operator::NotEquivalent => "!~",
        Operator::In => "in",
        Operator::Contains => "contains",
        Operator::And => "and",
        Operator::Or => "or",
        Operator::Xor => "xor",
        Operator::Implies => "implies",
    }
}

fn mismatch(operator: Operator, left: &Item<'_>, right: &Item<'_>) -> Fault {
    let message = format!("`{}` is not defined for {} and {}", sign(operator), describe(left), describe(right));
    trouble::evaluation(message)
}

/// Three-valued logic (N1, "Boolean logic"); `None` is unknown.
pub fn logic(operator: Operator, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match operator {
        Operator::And => match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Operator::Or => match (left, right) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Operator::Xor => left.zip(right).map(|(a, b)| a != b),
        _ => logic(Operator::Or, left.map(|value| !value), right),
    }
}

/// `<`, `<=`, `>`, `>=`; empty when the answer is unknown.
///
/// # Errors
/// 400 when the values are of types that have no common order.
pub fn compare(operator: Operator, left: &Item<'_>, right: &Item<'_>) -> Result<Option<bool>> {
    Ok(order(left, right).ok_or_else(|| mismatch(operator, left, right))?.map(|order| match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

/// The order of two values: `None` when their types have none, `Some(None)` when it is unknown.
#[expect(clippy::option_option, reason = "no order at all, an order that is unknown, an order")]
pub fn order(left: &Item<'_>, right: &Item<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Item::String(a), Item::String(b)) => Some(Some(a.cmp(b))),
        (Item::Temporal(a), Item::Temporal(b)) if a.is_comparable(*b) => Some(a.order(*b)),
        (Item::Quantity(a), Item::Quantity(b)) => Some(match units::relate(a, b) {
            Relation::Ordered(order) => Some(order),
            Relation::Different | Relation::Unknown => None,
        }),
        (Item::Quantity(a), b) => {
            let b = Quantity { value: decimal_of(b)?, unit: Unit::one() };
            order(&Item::Quantity(a.clone()), &Item::Quantity(b))
        }
        (a, Item::Quantity(b)) => {
            let a = Quantity { value: decimal_of(a)?, unit: Unit::one() };
            order(&Item::Quantity(a), &Item::Quantity(b.clone()))
        }
        _ => Some(Some(decimal_of(left)?.cmp(&decimal_of(right)?))),
    }
}

/// `+ - * / div mod`; empty on overflow and on division by zero (N1, "Math").
///
/// # Errors
/// 400 when the operator is not defined for the types.
pub fn arithmetic<'a>(operator: Operator, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>> {
    match (left, right) {
        (Item::Integer(a), Item::Integer(b)) => Ok(integers(operator, *a, *b)),
        (Item::String(a), Item::String(b)) if operator == Operator::Add => Ok(Some(Item::String(concatenate(a, b)))),
        (Item::Temporal(at), Item::Quantity(by)) if matches!(operator, Operator::Add | Operator::Subtract) => {
            Ok(shift(*at, by, operator == Operator::Subtract)?.map(Item::Temporal))
        }
        (Item::Quantity(a), Item::Quantity(b)) => {
            quantities(operator, a, b).ok_or_else(|| mismatch(operator, left, right))
        }
        (Item::Quantity(a), b) | (b, Item::Quantity(a)) => {
            let number = decimal_of(b).ok_or_else(|| mismatch(operator, left, right))?;
            let number = Quantity { value: number, unit: Unit::one() };
            let (a, b) = if matches!(left, Item::Quantity(_)) { (a, &number) } else { (&number, a) };
            quantities(operator, a, b).ok_or_else(|| mismatch(operator, left, right))
        }
        _ => match decimal_of(left).zip(decimal_of(right)) {
            Some((a, b)) => Ok(decimals(operator, a, b)),
            None => Err(mismatch(operator, left, right)),
        },
    }
}

/// Two texts as one.
pub fn concatenate<'a>(left: &str, right: &str) -> Text<'a> {
    let mut joined = String::with_capacity(left.len() + right.len());
    joined.push_str(left);
    joined.push_str(right);
    joined.into()
}

fn integers<'a>(operator: Operator, a: i64, b: i64) -> Option<Item<'a>> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Div => a.checked_div(b),
        Operator::Mod => a.checked_rem(b),
        _ => return decimals(operator, Decimal::from(a), Decimal::from(b)),
    };
    result.map(Item::Integer)
}

fn decimals<'a>(operator: Operator, a: Decimal, b: Decimal) -> Option<Item<'a>> {
    match operator {
        Operator::Add => a.checked_add(b).map(Item::Decimal),
        Operator::Subtract => a.checked_sub(b).map(Item::Decimal),
        Operator::Multiply => a.checked_mul(b).map(Item::Decimal),
        Operator::Divide => a.checked_div(b).map(|quotient| Item::Decimal(quotient.normalize())),
        Operator::Div => a.checked_div(b).map(|quotient| Item::Decimal(quotient.trunc().normalize())),
        _ => a.checked_rem(b).map(Item::Decimal),
    }
}

/// `None` when the operator is not defined for quantities; within, empty when there is no result.
#[expect(clippy::option_option, reason = "not defined, no result, a result")]
fn quantities<'a>(operator: Operator, a: &Quantity, b: &Quantity) -> Option<Option<Item<'a>>> {
    let result = match operator {
        Operator::Add => units::add(a, b, false),
        Operator::Subtract => units::add(a, b, true),
        Operator::Multiply => units::multiply(a, b),
        Operator::Divide => units::divide(a, b),
        _ => return None,
    };
    Some(result.map(Item::Quantity))
}

/// A date or time moved by a duration (N1, "Date/Time Arithmetic"); empty beyond the years 1 to 9999.
///
/// # Errors
/// 400 when the unit is no duration of the calendar, or finer than the type allows.
pub fn shift(at: Temporal, by: &Quantity, back: bool) -> Result<Option<Temporal>> {
    let unit = match &by.unit {
        Unit::Calendar(unit) => *unit,
        // a definite month or year has no place on the calendar
        Unit::Ucum(code) => match CalendarUnit::of_ucum(code) {
            Some(unit) if unit < CalendarUnit::Month => unit,
            _ => return Err(trouble::evaluation("a date or time moves only by a duration of the calendar")),
        },
    };
    let fits = match at.kind {
        TemporalKind::Date => unit >= CalendarUnit::Day,
        TemporalKind::Time => unit <= CalendarUnit::Hour,
        TemporalKind::DateTime => true,
    };
    if !fits {
        return Err(trouble::evaluation(format!("a {:?} cannot move by {}s", at.kind, unit.name())));
    }
    let value = if back { -by.value } else { by.value };
    match move_by(at, value, unit) {
        Some(moved) => Ok(Some(moved)),
        None => Err(trouble::evaluation("the year of a date or time would not be one of 0001 to 9999")),
    }
}

fn move_by(at: Temporal, value: Decimal, unit: CalendarUnit) -> Option<Temporal> {
    // below the precision of the value, the duration counts in whole units of that precision
    let (value, unit) = match at.precision {
        Precision::Year if unit < CalendarUnit::Month => {
            let (days, _) = coarsen(value, unit, CalendarUnit::Day)?;
            (days.trunc().checked_div(Decimal::from(365))?.trunc(), CalendarUnit::Year)
        }
        Precision::Year => (in_months(value, unit)?.checked_div(Decimal::from(12))?.trunc(), CalendarUnit::Year),
        Precision::Month => (in_months(value, unit)?, CalendarUnit::Month),
        Precision::Day => coarsen(value, unit, CalendarUnit::Day)?,
        Precision::Hour => coarsen(value, unit, CalendarUnit::Hour)?,
        Precision::Minute => coarsen(value, unit, CalendarUnit::Minute)?,
        Precision::Second => (value, unit),
    };
    match unit {
        CalendarUnit::Year => at.plus_months(value.trunc().to_i64()?.checked_mul(12)?),
        CalendarUnit::Month => at.plus_months(value.trunc().to_i64()?),
        CalendarUnit::Second | CalendarUnit::Millisecond => {
            let nanos = value.checked_mul(Decimal::from(unit.millis() * 1_000_000))?.trunc().to_i128()?;
            // the last digit of its seconds
            let step = 10_i128.pow(9_u32.saturating_sub(at.fraction_digits.into()));
            at.plus_nanos(nanos / step * step)
        }
        longer => at.plus_nanos(value.trunc().to_i128()?.checked_mul(i128::from(longer.millis()) * 1_000_000)?),
    }
}

/// A duration in whole months, 365 days to the year.
fn in_months(value: Decimal, unit: CalendarUnit) -> Option<Decimal> {
    let months = match unit {
        CalendarUnit::Year => value.trunc().checked_mul(Decimal::from(12))?,
        CalendarUnit::Month => value,
        shorter => {
            let days =
                value.checked_mul(Decimal::from(shorter.millis()))?.checked_div(Decimal::from(86_400_000))?.trunc();
            let years = days.checked_div(Decimal::from(365))?.trunc();
            let rest = days - years * Decimal::from(365);
            years * Decimal::from(12) + rest.checked_div(Decimal::from(30))?.trunc()
        }
    };
    Some(months.trunc())
}

/// A duration shorter than `least` as whole units of it; a longer one unchanged.
fn coarsen(value: Decimal, unit: CalendarUnit, least: CalendarUnit) -> Option<(Decimal, CalendarUnit)> {
    if unit >= least {
        return Some((value, unit));
    }
    let whole = value.checked_mul(Decimal::from(unit.millis()))?.checked_div(Decimal::from(least.millis()))?;
    Some((whole.trunc(), least))
}
