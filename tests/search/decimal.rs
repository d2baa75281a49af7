//! Exact decimals: 18 digits after the point in an `i128`.

/// A number of 10^-18.
pub type Units = i128;

/// One.
pub const ONE: Units = 1_000_000_000_000_000_000;

/// A decimal as written, with the half of its last digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The value.
    pub value: Units,
    /// Half a unit of the last place that was written: `100` is 0.5, `100.0` is 0.05, `5.40e-3` is 0.000005. The table of
    /// 3.1.1.4.6 gives `1e2` the range from 95 to 105: one digit with an exponent counts as two.
    pub half: Units,
}

impl Decimal {
    /// Reads `-12.50`, `1e2`, `.5`; `None` when it is no number or does not fit.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (sign, digits) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || all.len() > 20 || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let last = exponent - i32::try_from(fraction.len()).ok()?;
        let unit = power(18 + last)?;
        let places = if text.contains(['e', 'E']) && all.len() == 1 { 20 } else { 2 };
        Some(Self { value: sign * all.parse::<i128>().ok()?.checked_mul(unit)?, half: unit / places })
    }
}

fn power(exponent: i32) -> Option<Units> {
    u32::try_from(exponent).ok().filter(|e| (1..30).contains(e)).map(|e| 10_i128.pow(e))
}

#[test]
fn decimals_keep_their_precision() {
    let half = |text: &str| Decimal::parse(text).unwrap().half;
    assert_eq!(half("100"), ONE / 2);
    assert_eq!(half("100.0"), ONE / 20);
    assert_eq!((half("1e2"), half("1.0e2"), half("12e1")), (5 * ONE, 5 * ONE, 5 * ONE));
    assert_eq!(Decimal::parse("-0.25").unwrap().value, -ONE / 4);
    assert_eq!(Decimal::parse("1.5e1").unwrap().value, 15 * ONE);
    assert!(Decimal::parse("x").is_none() && Decimal::parse("").is_none());
}
