//! Parts of dates and times, and the time between two (FHIRPath 3.0, "Extract Date/DateTime/Time components" and "Date
//! and Time Interval Functions").

use rust_decimal::Decimal;

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{describe, single_value};
use crate::fhir::fhirpath::temporal::{Precision, Temporal, TemporalKind};
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{CalendarUnit, Collection, Item, maybe};

/// What a part of the single input is; empty when it is no date or time, or not so precise.
fn part<'a>(
    input: &Collection<'a>,
    least: Precision,
    read: impl FnOnce(Temporal) -> Option<Item<'a>>,
) -> Result<Collection<'a>> {
    Ok(maybe(match single_value(input, "a part of a date or time")? {
        Some(Item::Temporal(value)) if value.precision >= least => {
            let has_date = value.kind != TemporalKind::Time;
            (least >= Precision::Hour || has_date).then(|| read(value)).flatten()
        }
        _ => None,
    }))
}

fn number<'a>(value: impl Into<i64>) -> Option<Item<'a>> {
    Some(Item::Integer(value.into()))
}

/// `yearOf()`
pub fn year_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Year, |value| number(value.civil().0))
}

/// `monthOf()`
pub fn month_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Month, |value| number(value.civil().1))
}

/// `dayOf()`
pub fn day_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Day, |value| number(value.civil().2))
}

/// `hourOf()`
pub fn hour_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Hour, |value| number(value.clock().0))
}

/// `minuteOf()`
pub fn minute_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Minute, |value| number(value.clock().1))
}

/// `secondOf()`
pub fn second_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Second, |value| number(value.clock().2))
}

/// `millisecondOf()`; empty when no fraction was written.
pub fn millisecond_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Second, |value| {
        (value.fraction_digits > 0).then_some(Item::Integer(value.clock().3 / 1_000_000))
    })
}

/// `timezoneOffsetOf()`: in hours.
pub fn offset_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Hour, |value| {
        let minutes = Decimal::from(value.offset?);
        minutes.checked_div(Decimal::from(60)).map(|hours| {
            let mut hours = hours.normalize();
            hours.rescale(hours.scale().max(1));
            Item::Decimal(hours)
        })
    })
}

/// `dateOf()`
pub fn date_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Year, |value| value.date().map(Item::Temporal))
}

/// `timeOf()` of a DateTime.
pub fn time_of<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    part(&input, Precision::Hour, |value| (value.kind == TemporalKind::DateTime).then(|| Item::Temporal(value.time())))
}

/// `duration(value, precision)`: whole periods from the input to the value.
pub fn duration<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    between(m, &input, arguments, periods)
}

/// `difference(value, precision)`: boundaries crossed from the input to the value.
pub fn difference<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    between(m, &input, arguments, boundaries)
}

fn between<'a>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    arguments: &[Code],
    count: fn(Temporal, Temporal, CalendarUnit) -> i64,
) -> Result<Collection<'a>> {
    let (other, unit) = (args::value(m, arguments, 0)?, args::text(m, arguments, 1)?);
    let item = single_value(input, "a difference of times")?;
    let (Some(item), Some(other), Some(unit)) = (item, other, unit) else { return Ok(Collection::new()) };
    let (Item::Temporal(from), Item::Temporal(to)) = (&item, &other) else {
        let message = format!("a difference of times needs two of them and got {}", describe(&other));
        return Err(trouble::evaluation(message));
    };
    if !from.is_comparable(*to) {
        return Err(trouble::evaluation("a difference of times needs two dates or two times of day"));
    }
    let unit = CalendarUnit::find(&unit).filter(|unit| match from.kind {
        TemporalKind::Time => *unit <= CalendarUnit::Hour,
        TemporalKind::Date => *unit >= CalendarUnit::Day,
        TemporalKind::DateTime => true,
    });
    let Some(unit) = unit else {
        return Err(trouble::evaluation(format!("a difference of a {:?} does not have this precision", from.kind)));
    };
    let needed = match unit {
        CalendarUnit::Year => Precision::Year,
        CalendarUnit::Month => Precision::Month,
        CalendarUnit::Week | CalendarUnit::Day => Precision::Day,
        CalendarUnit::Hour => Precision::Hour,
        CalendarUnit::Minute => Precision::Minute,
        CalendarUnit::Second | CalendarUnit::Millisecond => Precision::Second,
    };
    let is_known = from.precision.min(to.precision) >= needed;
    Ok(maybe(is_known.then(|| Item::Integer(count(*from, *to, unit)))))
}

/// Nanoseconds between the start of 1970 and a moment, local or, when both have an offset, in UTC.
fn instants(from: Temporal, to: Temporal) -> (i128, i128) {
    let (from, to) = match (from.offset, to.offset) {
        (Some(_), Some(_)) => (from.in_utc(), to.in_utc()),
        _ => (from, to),
    };
    let of = |value: Temporal| i128::from(value.days()) * 86_400_000_000_000 + i128::from(value.nanos());
    (of(from), of(to))
}

/// Months from the start of the calendar.
fn months(value: Temporal) -> i64 {
    let (year, month, _) = value.civil();
    year * 12 + i64::from(month)
}

fn nanos_in(unit: CalendarUnit) -> i128 {
    i128::from(unit.millis()) * 1_000_000
}

/// Whole periods between two moments; negative when the second is before the first.
fn periods(from: Temporal, to: Temporal, unit: CalendarUnit) -> i64 {
    if unit < CalendarUnit::Month {
        let (from, to) = match unit {
            CalendarUnit::Day | CalendarUnit::Week => {
                let of = |value: Temporal| i128::from(value.days()) * 86_400_000_000_000 + i128::from(value.nanos());
                (of(from), of(to))
            }
            _ => instants(from, to),
        };
        return i64::try_from((to - from) / nanos_in(unit)).unwrap_or(i64::MAX);
    }
    let rest = |value: Temporal| (value.civil().2, value.nanos());
    let mut whole = months(to) - months(from);
    if whole > 0 && rest(to) < rest(from) {
        whole -= 1;
    } else if whole < 0 && rest(to) > rest(from) {
        whole += 1;
    }
    if unit == CalendarUnit::Year { whole / 12 } else { whole }
}

/// Boundaries between two moments; weeks begin on Sunday.
fn boundaries(from: Temporal, to: Temporal, unit: CalendarUnit) -> i64 {
    match unit {
        CalendarUnit::Year => to.civil().0 - from.civil().0,
        CalendarUnit::Month => months(to) - months(from),
        // 1970-01-04 was a Sunday
        CalendarUnit::Week => (to.days() + 4).div_euclid(7) - (from.days() + 4).div_euclid(7),
        CalendarUnit::Day => to.days() - from.days(),
        finer => {
            let (from, to) = instants(from, to);
            let count = to.div_euclid(nanos_in(finer)) - from.div_euclid(nanos_in(finer));
            i64::try_from(count).unwrap_or(i64::MAX)
        }
    }
}
