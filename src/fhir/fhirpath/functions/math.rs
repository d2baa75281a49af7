//! Numbers (N1, 5.7). Roots, logarithms and exponentials are reckoned in binary floating point and hold
//! some 15 digits; what has an exact result gets it.

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{decimal_of, describe, single_value};
use crate::fhir::fhirpath::number;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, Quantity, maybe};

/// The single number that a function is applied to.
fn subject<'a>(input: &Collection<'a>, what: &str) -> Result<Option<Item<'a>>> {
    match single_value(input, what)? {
        Some(item @ (Item::Integer(_) | Item::Decimal(_))) => Ok(Some(item)),
        None => Ok(None),
        Some(other) => Err(trouble::evaluation(format!("{what} needs a number and got {}", describe(&other)))),
    }
}

/// A function from decimal to decimal, empty where it has no value.
fn decimal<'a>(
    input: &Collection<'a>,
    what: &str,
    apply: impl FnOnce(Decimal) -> Option<Decimal>,
) -> Result<Collection<'a>> {
    let value = subject(input, what)?.as_ref().and_then(decimal_of);
    Ok(maybe(value.and_then(apply).map(Item::Decimal)))
}

/// A function from decimal to integer; of a quantity it changes the value.
fn integer<'a>(input: &Collection<'a>, what: &str, apply: impl FnOnce(Decimal) -> Decimal) -> Result<Collection<'a>> {
    if let Some(Item::Quantity(Quantity { value, unit })) = single_value(input, what)? {
        return Ok(maybe(Some(Item::Quantity(Quantity { value: apply(value), unit }))));
    }
    let value = subject(input, what)?.as_ref().and_then(decimal_of);
    Ok(maybe(value.and_then(|value| apply(value).to_i64()).map(Item::Integer)))
}

/// `abs()`
pub fn abs<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(match single_value(&input, "abs()")? {
        Some(Item::Integer(value)) => value.checked_abs().map(Item::Integer),
        Some(Item::Decimal(value)) => Some(Item::Decimal(value.abs())),
        Some(Item::Quantity(Quantity { value, unit })) => Some(Item::Quantity(Quantity { value: value.abs(), unit })),
        Some(other) => return Err(trouble::evaluation(format!("abs() needs a number and got {}", describe(&other)))),
        None => None,
    }))
}

/// `ceiling()`: the least integer that is not below.
pub fn ceiling<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    integer(&input, "ceiling()", |value| value.ceil())
}

/// `floor()`: the greatest integer that is not above.
pub fn floor<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    integer(&input, "floor()", |value| value.floor())
}

/// `truncate()`: the integer part.
pub fn truncate<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    integer(&input, "truncate()", |value| value.trunc())
}

/// `exp()`: e to the power of the number.
pub fn exp<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    decimal(&input, "exp()", |value| float(value, f64::exp))
}

/// `ln()`: the natural logarithm; empty where there is none.
pub fn ln<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    decimal(&input, "ln()", |value| float(value, f64::ln))
}

/// `log(base)`: the logarithm, of numbers above 0.
pub fn log<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let base = args::value(m, arguments, 0)?.as_ref().and_then(decimal_of);
    let Some(base) = base else { return Ok(Collection::new()) };
    let value = subject(&input, "log()")?.as_ref().and_then(decimal_of);
    if base <= Decimal::ZERO || value.is_some_and(|value| value <= Decimal::ZERO) {
        return Err(trouble::evaluation("log() needs an input and a base above 0"));
    }
    decimal(&input, "log()", |value| exact_log(value, base))
}

/// A function in floating point; none where it has no finite value.
fn float(value: Decimal, apply: impl FnOnce(f64) -> f64) -> Option<Decimal> {
    let result = apply(value.to_f64()?);
    result.is_finite().then(|| Decimal::from_f64(result)).flatten()
}

/// A power by repeated squaring; none on overflow.
fn whole_power(base: Decimal, exponent: i64) -> Option<Decimal> {
    let (mut power, mut factor, mut left) = (Decimal::ONE, base, exponent.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            power = power.checked_mul(factor)?;
        }
        left >>= 1;
        if left > 0 {
            factor = factor.checked_mul(factor)?;
        }
    }
    if exponent < 0 { Decimal::ONE.checked_div(power).map(|power| power.normalize()) } else { Some(power) }
}

/// The logarithm: exact where it is a whole number, else from natural logarithms.
fn exact_log(value: Decimal, base: Decimal) -> Option<Decimal> {
    let approximate = float(value, |value| value.ln() / base.to_f64().unwrap_or(f64::NAN).ln())?;
    let whole = approximate.round();
    let is_whole = whole.to_i64().and_then(|exponent| whole_power(base, exponent)) == Some(value);
    Some(if is_whole { whole } else { approximate })
}

/// `power(exponent)`; empty where there is no real power or it overflows.
pub fn power<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(exponent) = args::value(m, arguments, 0)? else { return Ok(Collection::new()) };
    let Some(base) = subject(&input, "power()")? else { return Ok(Collection::new()) };
    if let (Item::Integer(base), Item::Integer(exponent @ 0..)) = (&base, &exponent) {
        let power = u32::try_from(*exponent).ok().and_then(|exponent| base.checked_pow(exponent));
        return Ok(maybe(power.map(Item::Integer)));
    }
    let (Some(base), Some(exponent)) = (decimal_of(&base), decimal_of(&exponent)) else {
        return Err(trouble::evaluation(format!("power() needs a number and got {}", describe(&exponent))));
    };
    let power = match exponent.is_integer().then(|| exponent.to_i64()).flatten() {
        // a large power of a number near 1 would take long
        Some(exponent) => whole_power(base, exponent),
        None => float(base, |base| base.powf(exponent.to_f64().unwrap_or(f64::NAN))),
    };
    Ok(maybe(power.map(Item::Decimal)))
}

/// `round([precision])`: rounded half away from zero; of a quantity its value is.
pub fn round<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let digits = args::integer(m, arguments, 0)?.unwrap_or(0);
    let Ok(digits) = u32::try_from(digits) else {
        return Err(trouble::evaluation("the precision of round() is at least 0"));
    };
    if let Some(Item::Quantity(Quantity { value, unit })) = single_value(&input, "round()")? {
        let value = number::round(value, digits.min(28));
        return Ok(maybe(Some(Item::Quantity(Quantity { value, unit }))));
    }
    decimal(&input, "round()", |value| Some(number::round(value, digits.min(28))))
}

/// `sqrt()`: the square root; empty for a negative number.
pub fn sqrt<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    decimal(&input, "sqrt()", |value| {
        let near = float(value, f64::sqrt)?;
        // one step of Newton's method gives the digits that floating point lacks
        let better = value.checked_div(near).and_then(|other| near.checked_add(other)).map(|sum| sum / Decimal::TWO);
        Some(better.filter(|_| !near.is_zero()).unwrap_or(near).normalize())
    })
}
