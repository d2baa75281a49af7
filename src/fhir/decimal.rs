//! Decimals of FHIR R4 (`datatypes.html#decimal`) as numbers, whatever they cost to write.
//!
//! The text of a decimal may be `1e999999999` or have 500 digits; reading is linear in the text and makes
//! no number larger than 96 bits. Two readings:
//! - [`read`], for elements, never fails on a number: digits beyond the 28th are rounded, and what is
//!   too large becomes the largest number there is ([`Decimal::MAX`]), what is too small becomes 0. The order
//!   of numbers is kept, but different ones may become equal.
//! - [`Implied::parse`], for search values, refuses what it cannot hold exactly with room for half of the last
//!   digit: more than 27 digits, or magnitudes beyond 1e28 or below 1e-27.

use rust_decimal::Decimal;

/// Most significant digits that are kept.
const DIGITS_KEPT: usize = 28;
/// Most significant digits of a search value.
pub const DIGITS_MAX: usize = 27;
/// Largest scale of a [`Decimal`].
const SCALE_MAX: i64 = 28;

/// A decimal's text, taken apart.
struct Scanned {
    is_negative: bool,
    /// The first significant digits, as a number.
    mantissa: i128,
    /// How many significant digits there are (leading zeros do not count).
    digits: usize,
    /// Power of ten of the last digit that is written; saturated.
    exponent: i64,
    /// Written with `e`.
    is_exponential: bool,
    /// The first digit that is not in `mantissa` is 5 or more.
    rounds_up: bool,
}

fn scan(text: &str) -> Option<Scanned> {
    let bytes = text.as_bytes();
    let is_negative = bytes.first() == Some(&b'-');
    let mut at = usize::from(is_negative);
    let mut found =
        Scanned { is_negative, mantissa: 0, digits: 0, exponent: 0, is_exponential: false, rounds_up: false };
    let (mut integers, mut fractions, mut is_fraction) = (0_usize, 0_usize, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                found.digit(byte - b'0');
                if is_fraction { fractions += 1 } else { integers += 1 }
            }
            b'.' if !is_fraction => is_fraction = true,
            _ => break,
        }
        at += 1;
    }
    if integers == 0 || (is_fraction && fractions == 0) {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        found.is_exponential = true;
        found.exponent = exponent(&text[at + 1..])?;
    } else if at != bytes.len() {
        return None;
    }
    found.exponent = found.exponent.saturating_sub(i64::try_from(fractions).ok()?);
    Some(found)
}

impl Scanned {
    fn digit(&mut self, digit: u8) {
        if self.digits == 0 && digit == 0 {
            return;
        }
        if self.digits < DIGITS_KEPT {
            self.mantissa = self.mantissa * 10 + i128::from(digit);
        } else if self.digits == DIGITS_KEPT {
            self.rounds_up = digit >= 5;
        }
        self.digits += 1;
    }
}

/// The number after `e`; beyond 12 digits it only counts as large.
fn exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    let size = if digits.len() > 12 { 1_000_000_000_000 } else { digits.parse().unwrap_or(0) };
    Some(if is_negative { -size } else { size })
}

/// `mantissa * 10^exponent`, saturated at both ends (see the essay).
fn assemble(mantissa: i128, exponent: i64) -> Decimal {
    let bound = || if mantissa < 0 { Decimal::MIN } else { Decimal::MAX };
    if mantissa == 0 {
        return Decimal::ZERO;
    }
    if exponent > SCALE_MAX {
        return bound();
    }
    if exponent >= 0 {
        let whole = u32::try_from(exponent).ok().and_then(|power| mantissa.checked_mul(10_i128.checked_pow(power)?));
        return whole.and_then(|whole| Decimal::try_from_i128_with_scale(whole, 0).ok()).unwrap_or_else(bound);
    }
    let mut mantissa = mantissa;
    let mut scale = -exponent;
    // at most 28 digits are there: more than that many steps leave nothing
    if scale > SCALE_MAX + DIGITS_KEPT as i64 {
        return Decimal::ZERO;
    }
    if scale > SCALE_MAX {
        let divisor = u32::try_from(scale - SCALE_MAX).ok().and_then(|power| 10_i128.checked_pow(power)).unwrap_or(1);
        mantissa = (mantissa + mantissa.signum() * (divisor / 2)) / divisor;
        scale = SCALE_MAX;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale as u32).unwrap_or_else(|_| bound())
}

/// `mantissa * 10^exponent`, rounded to 28 digits and saturated at both ends.
pub fn compose(mantissa: i128, exponent: i64) -> Decimal {
    let digits = mantissa.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    let dropped = digits.saturating_sub(DIGITS_KEPT) as u32;
    let divisor = 10_i128.pow(dropped); // an i128 has at most 39 digits
    let half = mantissa.signum() * (divisor / 2);
    assemble(mantissa.checked_add(half).unwrap_or(mantissa) / divisor, exponent.saturating_add(dropped.into()))
}

/// The decimal nearest to a number's text (JSON or FHIR syntax; leading zeros and a missing fraction are
/// allowed); none when the text is no number.
pub fn read(text: &str) -> Option<Decimal> {
    let found = scan(text)?;
    let dropped = found.digits.saturating_sub(DIGITS_KEPT);
    let mantissa = found.mantissa + i128::from(found.rounds_up);
    let exponent = found.exponent.saturating_add(i64::try_from(dropped).ok()?);
    Some(assemble(if found.is_negative { -mantissa } else { mantissa }, exponent))
}

/// A search value with the range that its precision implies (FHIR R4 `search.html`, 3.1.1.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implied {
    /// The value.
    pub value: Decimal,
    /// Start of the range, inclusive.
    pub low: Decimal,
    /// End of the range, exclusive.
    pub high: Decimal,
}

impl Implied {
    /// Reads a search value: 100 is 99.5 to 100.5, 100.00 is 99.995 to 100.005. A single digit with an exponent
    /// counts as if `.0` stood after it, as in the specification's example: 1e2 is 95 to 105.
    ///
    /// # Errors
    /// The reason, when the text is no number or cannot be held (see the essay).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let found = scan(text).ok_or("a number is written as 100, 100.00 or 1e2")?;
        if found.digits > DIGITS_MAX {
            return Err("the number has more than 27 digits");
        }
        let is_single = found.is_exponential && !text.contains('.') && found.digits <= 1;
        let last = found.exponent - i64::from(is_single);
        let first = last.saturating_add(found.digits.max(1) as i64 + i64::from(is_single));
        if last < -DIGITS_MAX_EXPONENT || first > DIGITS_MAX_EXPONENT + 1 {
            return Err("the number is not between 1e-27 and 1e28");
        }
        let value = assemble(if found.is_negative { -found.mantissa } else { found.mantissa }, found.exponent);
        let half = assemble(5, last - 1);
        Ok(Self { value, low: value - half, high: value + half })
    }

    /// The range for the prefix `ap`: at least 10 % of the value on both sides.
    #[must_use]
    pub fn widened(self) -> Self {
        let by = (self.value / Decimal::TEN).abs();
        let low = self.value.checked_sub(by).unwrap_or(Decimal::MIN).min(self.low);
        let high = self.value.checked_add(by).unwrap_or(Decimal::MAX).max(self.high);
        Self { low, high, ..self }
    }
}

/// [`DIGITS_MAX`] as an exponent.
const DIGITS_MAX_EXPONENT: i64 = DIGITS_MAX as i64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect(text)
    }

    #[test]
    fn ranges_follow_the_digits() {
        let cases = [
            ("100", "99.5", "100.5"),
            ("100.00", "99.995", "100.005"),
            ("1e2", "95", "105"),
            ("1.00e2", "99.5", "100.5"),
            ("12e1", "115", "125"),
            ("5.4", "5.35", "5.45"),
            ("5.40e-3", "0.005395", "0.005405"),
            ("-2.0", "-2.05", "-1.95"),
            ("0", "-0.5", "0.5"),
            ("0.0", "-0.05", "0.05"),
            ("007", "6.5", "7.5"),
            ("1e27", "950000000000000000000000000", "1050000000000000000000000000"),
        ];
        for (text, low, high) in cases {
            let found = Implied::parse(text).expect(text);
            assert_eq!((found.low, found.high), (decimal(low), decimal(high)), "{text}");
        }
        let approximate = Implied::parse("-100").expect("a number").widened();
        assert_eq!((approximate.low, approximate.high), (decimal("-110"), decimal("-90")));
        let approximate = Implied::parse("1").expect("a number").widened();
        assert_eq!((approximate.low, approximate.high), (decimal("0.5"), decimal("1.5")));
    }

    #[test]
    fn composing_rounds_and_saturates() {
        assert_eq!(compose(15, -1), decimal("1.5"));
        assert_eq!(compose(-15, 1), decimal("-150"));
        assert_eq!(compose(12_345_678_901_234_567_890_123_456_785, -28), decimal("1.234567890123456789012345679"));
        assert_eq!(compose(i128::MAX, -38).round_dp(6), decimal("1.701412"));
        assert_eq!(compose(i128::MIN, 0), Decimal::MIN);
        assert_eq!(
            (compose(0, i64::MAX), compose(1, i64::MIN + 1), compose(1, i64::MAX)),
            (Decimal::ZERO, Decimal::ZERO, Decimal::MAX)
        );
    }

    #[test]
    fn large_numbers_cost_nothing() {
        assert_eq!(read("1e999999999"), Some(Decimal::MAX));
        assert_eq!(read("-1e99999999999999999999"), Some(Decimal::MIN));
        assert_eq!(read("1e-999999999"), Some(Decimal::ZERO));
        assert_eq!(read("0e999999999"), Some(Decimal::ZERO));
        assert_eq!(read(&"9".repeat(500)), Some(Decimal::MAX));
        assert_eq!(read(&format!("0.{}", "1".repeat(500))), Some(decimal("0.1111111111111111111111111111")));
        assert_eq!(read("1.00"), Some(decimal("1.00")));
        assert_eq!(
            read("12345678901234567890123456789").map(|d| d.to_string()).as_deref(),
            Some("12345678901234567890123456790")
        );
        for text in ["1e999999999", "1e28", "1e-28", &"1".repeat(28), "1.1e27000", "0.0000000000000000000000000001"] {
            assert!(Implied::parse(text).is_err(), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e", "1e+", "abc", "1,5", "0x1", "NaN", "1 ", "--1", "1e1.5"] {
            assert!(read(text).is_none() && Implied::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_is_exact_where_it_can_be(mantissa in -1_000_000_000_000_i64..1_000_000_000_000, scale in 0_u32..20) {
            let expected = Decimal::new(mantissa, scale);
            prop_assert_eq!(read(&expected.to_string()), Some(expected));
        }

        #[test]
        fn order_is_kept(digits in "[1-9][0-9]{0,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,3})?") {
            let (smaller, larger) = (read(&digits).expect("a number"), read(&format!("9{digits}")).expect("a number"));
            prop_assert!(smaller <= larger);
            prop_assert_eq!(read(&format!("-{digits}")), Some(-smaller));
        }

        #[test]
        fn the_value_lies_in_its_range(text in "-?[0-9]{1,12}(\\.[0-9]{1,12})?(e-?[0-9])?") {
            if let Ok(found) = Implied::parse(&text) {
                prop_assert!(found.low <= found.value && found.value < found.high, "{:?}", found);
                prop_assert_eq!(Some(found.value), read(&text));
                let wide = found.widened();
                prop_assert!(wide.low <= found.low && found.high <= wide.high);
            }
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE]{0,60}") {
            let _ = (read(&text), Implied::parse(&text));
        }
    }
}
