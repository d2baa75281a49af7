//! Decimals as FHIRPath reckons with them: exact, 28 digits (N1, 4.1.4), never by floating point
//! where that can be avoided.

use std::str::FromStr;

use rust_decimal::Decimal;

/// A decimal from JSON or literal text; digits beyond what can be held are rounded, and what is too
/// large or has an absurd exponent is `None`, at no cost.
pub fn parse(text: &str) -> Option<Decimal> {
    if !text.contains(['e', 'E']) {
        return Decimal::from_str(text).ok();
    }
    let exponent: i32 = text.rsplit(['e', 'E']).next()?.parse().ok()?;
    if exponent.abs() > 40 {
        return None;
    }
    Decimal::from_scientific(text).ok()
}

/// Whether a text is `[+-]digits` with an optional fraction, as the conversions of N1 ask.
pub fn is_plain(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

/// Half of the last digit written: `1.587` -> `0.0005`.
pub fn half_step(scale: u32) -> Option<Decimal> {
    Decimal::try_new(5, scale + 1).ok()
}

/// Equivalence of decimals: equal when rounded to the precision of the less precise, where trailing
/// zeroes are no precision (N1, "Equivalent").
pub fn equivalent(left: Decimal, right: Decimal) -> bool {
    let scale = left.normalize().scale().min(right.normalize().scale());
    round(left, scale) == round(right, scale)
}

/// Rounds half away from zero.
pub fn round(value: Decimal, scale: u32) -> Decimal {
    value.round_dp_with_strategy(scale, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
}
