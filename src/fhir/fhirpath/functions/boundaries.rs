//! Precision and its boundaries: `precision`, `lowBoundary`, `highBoundary`, `comparable` (FHIRPath 3.0, 5.7.12 and after).

use std::sync::LazyLock;

use rust_decimal::{Decimal, RoundingStrategy};

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{decimal_of, describe, single_value};
use crate::fhir::fhirpath::node::Step;
use crate::fhir::fhirpath::number;
use crate::fhir::fhirpath::temporal::TemporalKind;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::units;
use crate::fhir::fhirpath::value::{Collection, Item, Quantity, Unit, maybe, truth};

/// Most digits after the point.
const MAX_SCALE: i64 = 28;

/// `lowBoundary([precision])`: the least value that is written like this one.
pub fn low_boundary<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    boundary(m, &input, arguments, false)
}

/// `highBoundary([precision])`: the greatest value that is written like this one.
pub fn high_boundary<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    boundary(m, &input, arguments, true)
}

fn boundary<'a>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    arguments: &[Code],
    high: bool,
) -> Result<Collection<'a>> {
    let digits = args::integer(m, arguments, 0)?;
    let end = period_end(input, high);
    let Some(item) = single_value(end.as_ref().unwrap_or(input), "a boundary")? else { return Ok(Collection::new()) };
    Ok(maybe(match item {
        Item::Integer(value) => decimal_boundary(Decimal::from(value), digits, high).map(Item::Decimal),
        Item::Decimal(value) => decimal_boundary(value, digits, high).map(Item::Decimal),
        Item::Quantity(Quantity { value, unit }) => {
            decimal_boundary(value, digits, high).map(|value| Item::Quantity(Quantity { value, unit }))
        }
        Item::Temporal(value) => {
            let most = match value.kind {
                TemporalKind::Date => 8,
                TemporalKind::DateTime => 17,
                TemporalKind::Time => 9,
            };
            let digits = digits.map_or(Some(most), |digits| u8::try_from(digits).ok());
            digits.and_then(|digits| value.boundary(high, digits)).map(Item::Temporal)
        }
        other => return Err(trouble::evaluation(format!("a boundary is not defined for {}", describe(&other)))),
    }))
}

/// What the boundary of a Period is that of: its start or its end (SQL on FHIR, "Experimental FHIRPath Functions").
fn period_end<'a>(input: &Collection<'a>, high: bool) -> Option<Collection<'a>> {
    static ENDS: LazyLock<[Step; 2]> = LazyLock::new(|| ["start", "end"].map(|name| Step::new(name, false)));
    let [Item::Node(node)] = input.as_slice() else { return None };
    node.type_id.filter(|kind| kind.name() == "Period")?;
    let mut end = Collection::new();
    node.child(&ENDS[usize::from(high)], &mut end);
    Some(end)
}

/// The least or greatest number that rounds to the value, cut to `digits` after the point.
fn decimal_boundary(value: Decimal, digits: Option<i64>, high: bool) -> Option<Decimal> {
    let digits = u32::try_from(digits.unwrap_or(8)).ok().filter(|digits| i64::from(*digits) <= MAX_SCALE)?;
    let half = number::half_step(value.scale())?;
    let (exact, strategy) = if high {
        (value.checked_add(half)?, RoundingStrategy::ToPositiveInfinity)
    } else {
        (value.checked_sub(half)?, RoundingStrategy::ToNegativeInfinity)
    };
    // a value finer than what is asked for has itself as its boundary
    let mut cut = if value.scale() > digits {
        value.round_dp_with_strategy(digits, strategy)
    } else {
        exact.round_dp_with_strategy(digits, strategy)
    };
    cut.rescale(digits);
    Some(cut)
}

/// `precision()`: the digits after the point, or of a date or time.
pub fn precision<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let Some(item) = single_value(&input, "precision()")? else { return Ok(Collection::new()) };
    let digits = match item {
        Item::Integer(_) => 0,
        Item::Decimal(value) => i64::from(value.scale()),
        Item::Quantity(quantity) => i64::from(quantity.value.scale()),
        Item::Temporal(value) => i64::from(value.digits()),
        other => return Err(trouble::evaluation(format!("precision() is not defined for {}", describe(&other)))),
    };
    Ok(maybe(Some(Item::Integer(digits))))
}

/// `comparable(quantity)`: whether the units measure the same.
pub fn comparable<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::value(m, arguments, 0)?;
    // a number is a quantity of the unit `1`
    let quantity = |item: Item<'a>| match item {
        Item::Quantity(quantity) => Some(quantity),
        other => decimal_of(&other).map(|value| Quantity { value, unit: Unit::one() }),
    };
    Ok(match single_value(&input, "comparable()")?.zip(other) {
        Some((a, b)) => match quantity(a).zip(quantity(b)) {
            Some((a, b)) => truth(units::is_comparable(&a, &b)),
            None => return Err(trouble::evaluation("comparable() needs two quantities")),
        },
        None => Collection::new(),
    })
}
