//! When two values are equal (RFC 6902, 4.6): numbers by their value, objects whatever the order of their properties.

use super::budget::Budget;
use crate::base::fault::Result;
use crate::fhir::json::{Json, Object};

/// Whether two values are equal.
///
/// # Errors
/// 422 when comparing costs more than is left.
pub(super) fn same(a: &Json, b: &Json, budget: &mut Budget) -> Result<bool> {
    budget.spend(16)?;
    match (a, b) {
        (Json::String(a), Json::String(b)) => {
            budget.spend(a.len())?;
            Ok(a == b)
        }
        (Json::Number(a), Json::Number(b)) => {
            budget.spend(a.as_str().len() + b.as_str().len())?;
            Ok(same_number(a.as_str(), b.as_str()))
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (a, b) in a.iter().zip(b) {
                if !same(a, b, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Object(a), Json::Object(b)) if a.len() == b.len() => same_object(a, b, budget),
        (Json::Null, Json::Null) => Ok(true),
        (Json::Bool(a), Json::Bool(b)) => Ok(a == b),
        _ => Ok(false),
    }
}

fn same_object(a: &Object, b: &Object, budget: &mut Budget) -> Result<bool> {
    for (name, a) in a.iter() {
        // A look-up walks the properties.
        budget.spend(b.len())?;
        let Some(b) = b.get_name(name) else { return Ok(false) };
        if !same(a, b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether two texts of JSON numbers have the same value, whatever their size: `1.0`, `1` and `10e-1` have.
fn same_number(a: &str, b: &str) -> bool {
    match (normal(a), normal(b)) {
        (Some(a), Some(b)) => a == b,
        // An exponent beyond 64 bits: equal only as written.
        _ => a == b,
    }
}

/// Sign, significant digits without zeros at either end, and the power of ten of the last one.
fn normal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let exponent: i64 = exponent.parse().ok()?;
    let exponent = exponent.checked_add(dropped)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some((is_negative, significant.to_owned(), exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::patch::PatchBounds;

    fn equal(a: &str, b: &str) -> bool {
        let mut budget = Budget::new(PatchBounds { operations: 1, nesting: 64, bytes: 10_000 });
        let of = |text: &str| parse(text.as_bytes()).expect(text);
        same(&of(a), &of(b), &mut budget).expect("cheap")
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (a, b) in [("1", "1.0"), ("1e2", "100"), ("0", "-0.00"), ("10e-1", "1"), ("1.50", "15e-1"), ("-2", "-2.0")]
        {
            assert!(equal(a, b), "{a} {b}");
        }
        for (a, b) in
            [("1", "2"), ("1", "-1"), ("1", "\"1\""), ("1e2", "1e3"), ("0.1", "0.10000000000000001"), ("1", "10")]
        {
            assert!(!equal(a, b), "{a} {b}");
        }
        assert!(equal("1e99999999999999999999", "1e99999999999999999999"));
    }

    #[test]
    fn order_counts_in_arrays_only() {
        assert!(equal(r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1,2.0],"a":1.0}"#));
        assert!(!equal("[1,2]", "[2,1]") && !equal(r#"{"a":1}"#, r#"{"a":1,"b":1}"#) && !equal("null", "false"));
        assert!(!equal(r#"{"a":1}"#, r#"{"b":1}"#) && equal("\"x\"", "\"x\"") && equal("null", "null"));
    }
}
