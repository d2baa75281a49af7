//! `number` (FHIR R4 `search.html`, 3.1.1.4.6), and the prefixes of ordered types (3.1.1.4.5).

use rust_decimal::Decimal;

use super::element::{Element, get, object};
use super::escape::unescape;
use crate::fhir::decimal::{self, read};
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::search::query::{NumberTest, Prefix};
use crate::search::value::{Implied, Interval, Value};

/// The prefix of a value, `eq` when there is none, and the rest.
///
/// # Errors
/// The reason, when the value begins with letters that are no prefix.
pub fn prefix(text: &str) -> Result<(Prefix, &str), &'static str> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (prefix, rest) = text.split_at(letters);
    let prefix = match prefix {
        "" | "eq" => Prefix::Eq,
        "ne" => Prefix::Ne,
        "gt" => Prefix::Gt,
        "lt" => Prefix::Lt,
        "ge" => Prefix::Ge,
        "le" => Prefix::Le,
        "sa" => Prefix::Sa,
        "eb" => Prefix::Eb,
        "ap" => Prefix::Ap,
        _ => return Err("the prefixes are eq, ne, gt, lt, ge, le, sa, eb and ap"),
    };
    Ok((prefix, rest))
}

/// Reads one value.
///
/// # Errors
/// The reason, when it is no number, or one that cannot be held (`fhir::decimal`).
pub fn parse(value: &str) -> Result<NumberTest, &'static str> {
    let value = unescape(value)?;
    // a `+` of an exponent may have become a space in the URL
    let value = value.replace("e ", "e+").replace("E ", "E+");
    let (prefix, rest) = prefix(&value)?;
    let mut number = decimal::Implied::parse(rest)?;
    if prefix == Prefix::Ap {
        number = number.widened();
    }
    Ok(NumberTest { prefix, value: number.value, low: number.low, high: number.high })
}

/// The value of an element: an integer or decimal, or a Range (RiskAssessment.prediction.probability).
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    match element.json {
        Json::Object(range) if element.type_name == "Range" => {
            let side = |name| of(object(range, name).and_then(|side| get(side, names::VALUE)));
            let found = Interval { low: side(names::LOW), high: side(names::HIGH) };
            if found.low.is_some() || found.high.is_some() {
                out(Value::Number(found));
                out(Value::Implied(Implied { low: found.low, high: found.high, is_closed: true }));
            }
        }
        json => {
            if let Some(number) = of(Some(json)) {
                out(Value::Number(number.into()));
                out(Value::Implied(implied(json, number, element.type_name == "decimal")));
            }
        }
    }
}

/// What a number may stand for: of a decimal what its precision implies, where that can be held.
fn implied(json: &Json, number: Decimal, is_decimal: bool) -> Implied {
    let text = json.as_number().filter(|_| is_decimal);
    match text.and_then(|text| decimal::Implied::parse(text.as_str()).ok()) {
        Some(range) => Implied { low: Some(range.low), high: Some(range.high), is_closed: false },
        None => Implied { low: Some(number), high: Some(number), is_closed: true },
    }
}

/// Whether a number is one that an element may stand for.
pub fn includes(range: &Implied, number: Decimal) -> bool {
    let is_below = |high: Decimal| number < high || range.is_closed && number == high;
    range.low.is_none_or(|low| low <= number) && range.high.is_none_or(is_below)
}

/// The number of a JSON value.
pub fn of(json: Option<&Json>) -> Option<Decimal> {
    read(json?.as_number()?.as_str())
}

/// Whether a number, or everything from `low` to `high` (inclusive; `None`: open), passes.
pub fn passes(test: &NumberTest, low: Option<Decimal>, high: Option<Decimal>) -> bool {
    let is_inside = low.is_some_and(|low| test.low <= low) && high.is_some_and(|high| high < test.high);
    match test.prefix {
        Prefix::Eq => is_inside,
        Prefix::Ne => !is_inside,
        Prefix::Gt => high.is_none_or(|high| high > test.value),
        Prefix::Lt => low.is_none_or(|low| low < test.value),
        Prefix::Ge => high.is_none_or(|high| high >= test.value),
        Prefix::Le => low.is_none_or(|low| low <= test.value),
        Prefix::Sa => low.is_some_and(|low| low > test.value),
        Prefix::Eb => high.is_some_and(|high| high < test.value),
        Prefix::Co => low.is_none_or(|low| low <= test.low) && high.is_none_or(|high| high >= test.high),
        Prefix::Ap => low.is_none_or(|low| low < test.high) && high.is_none_or(|high| high >= test.low),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding(asked: &str, value: &str) -> String {
        let value = read(value);
        let all = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
        let passes = |prefix: &&str| passes(&parse(&format!("{prefix}{asked}")).expect(asked), value, value);
        all.into_iter().filter(passes).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_prefix_at_the_bounds() {
        let cases = [
            ("100", "100", "eq ge le ap"),
            ("100", "99.5", "eq lt le eb ap"),
            ("100", "99.499", "ne lt le eb ap"),
            ("100", "100.499", "eq gt ge sa ap"),
            ("100", "100.5", "ne gt ge sa ap"),
            ("100.00", "100.005", "ne gt ge sa ap"),
            ("100.00", "100.004", "eq gt ge sa ap"),
            ("1e2", "95", "eq lt le eb ap"),
            ("1e2", "105", "ne gt ge sa ap"),
            ("100", "89.9", "ne lt le eb"),
            ("100", "90", "ne lt le eb ap"),
            ("100", "111", "ne gt ge sa"),
            ("-5", "-5", "eq ge le ap"),
            ("8e-1", "0.8", "eq ge le ap"),
        ];
        for (asked, value, expected) in cases {
            assert_eq!(finding(asked, value), expected, "{asked} on {value}");
        }
        assert_eq!(parse("1e 2"), parse("1e+2"));
        for text in ["", "eq", "gtx", "xx5", "5x", "1e999999999", "EQ5", "5,5", "0x5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn laws(a in -500_i64..500, scale in 0_u32..3, c in -500_i64..500, d in 0_i64..50) {
            let (low, high) = (Decimal::new(c, 1), Decimal::new(c + d, 1));
            let asked = Decimal::new(a, scale).to_string();
            let test = |prefix: &str| passes(&parse(&format!("{prefix}{asked}")).expect("a number"), Some(low), Some(high));
            prop_assert_eq!(test("eq"), !test("ne"));
            prop_assert!(!test("gt") || test("ge"));
            prop_assert!(!test("lt") || test("le"));
            prop_assert!(!test("sa") || test("gt"));
            prop_assert!(!test("eb") || test("lt"));
            prop_assert!(!test("eq") || test("ap"));
            prop_assert!(test("ge") || test("le"));
            prop_assert_eq!(test("sa"), !test("le"));
            prop_assert_eq!(test("eb"), !test("ge"));
        }
    }
}
