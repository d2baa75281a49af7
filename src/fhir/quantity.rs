//! Units of UCUM in canonical form, so that 1 g and 1000 mg are the same.
//!
//! A unit code leads to its canonical unit and a factor and offset (degrees). Arbitrary units (`[iU]`) are
//! their own canonical unit; a unit on a logarithmic scale (`[pH]`) and a text that is no UCUM code have none.
//! UCUM sees `mol` as a number (6.02214076e23), so a canonical value may be large: one beyond the range of
//! [`Decimal`], or that would become 0, has no canonical form and is found by its own unit only.

use std::sync::{LazyLock, PoisonError, RwLock};

use hashbrown::HashMap;
use octofhir_ucum::Number;
use rust_decimal::Decimal;

use super::decimal;

/// The URI of UCUM as a system.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// Longest unit code that is looked at, in bytes.
const CODE_MAX: usize = 128;
/// Significant digits of a converted value: more than the texts of decimals have, less than the factors.
const DIGITS: u32 = 24;
/// Most unit codes that are remembered; further ones are worked out each time.
const REMEMBERED: usize = 4096;

/// How values of a unit become canonical: `value * factor + offset`.
#[derive(Debug, Clone)]
pub struct Scale {
    /// The canonical unit, such as `g` or `m.s-2`.
    pub unit: std::sync::Arc<str>,
    /// What a value is multiplied by.
    pub factor: Number,
    /// What is added then; not 0 only for temperatures.
    pub offset: Number,
}

impl Scale {
    /// The value in the canonical unit; none when it cannot be held.
    pub fn apply(&self, value: Decimal) -> Option<Decimal> {
        if self.factor == Number::ONE && self.offset.is_zero() {
            return Some(value);
        }
        let (mantissa, exponent) = self.product(value)?;
        trusted(mantissa, exponent)
    }

    /// Whether the unit does not begin at zero, as that of a temperature, so that nothing can be reckoned with it.
    pub fn is_special(&self) -> bool {
        !self.offset.is_zero()
    }

    /// Mantissa and exponent of the value in the canonical unit.
    fn product(&self, value: Decimal) -> Option<(i128, i64)> {
        let (factor, exponent) = self.factor.to_integer_and_exponent();
        let exact = value.mantissa().checked_mul(factor).filter(|_| self.offset.is_zero());
        if let Some(mantissa) = exact {
            return Some((mantissa, i64::from(exponent) - i64::from(value.scale())));
        }
        let number = Number::parse(&value.to_string())?.checked_mul(self.factor)?.checked_add(self.offset)?;
        let (mantissa, exponent) = number.to_integer_and_exponent();
        Some((mantissa, exponent.into()))
    }
}

/// `mantissa * 10^exponent` without its last digits; none when it cannot be held. A factor such as 5/9 has an error in its last
/// digits, which must not make equal measures differ.
fn trusted(mantissa: i128, exponent: i64) -> Option<Decimal> {
    let found = decimal::compose(mantissa, exponent);
    let is_long = found.mantissa().unsigned_abs() >= 10_u128.pow(DIGITS);
    let found = if is_long { found.round_sf(DIGITS)?.normalize() } else { found };
    let is_lost = found.abs() == Decimal::MAX || (found.is_zero() && mantissa != 0);
    (!is_lost).then_some(found)
}

type Known = HashMap<Box<str>, Option<Scale>>;
static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// The scale of a UCUM code; none when it is no code of a linear unit.
pub fn scale(code: &str) -> Option<Scale> {
    if code.is_empty() || code.len() > CODE_MAX {
        return None;
    }
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(code) {
        return known.clone();
    }
    let found = octofhir_ucum::get_canonical_units(code).ok().map(|canonical| Scale {
        unit: canonical.unit.into(),
        factor: canonical.factor,
        offset: canonical.offset,
    });
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < REMEMBERED {
        known.insert(code.into(), found.clone());
    }
    found
}

/// A value in another unit of UCUM that measures the same; none when it does not, or cannot be held.
pub fn convert(value: Decimal, from: &str, to: &str) -> Option<Decimal> {
    if from == to {
        return Some(value);
    }
    let (from, to) = (scale(from)?, scale(to)?);
    let base = Number::parse(&value.to_string())?.checked_mul(from.factor)?.checked_add(from.offset)?;
    let converted = base.checked_sub(to.offset)?.checked_div(to.factor)?;
    if from.unit != to.unit {
        return None;
    }
    let (mantissa, exponent) = converted.to_integer_and_exponent();
    trusted(mantissa, exponent.into()).map(|found| found.normalize())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(value: &str, unit: &str) -> Option<(String, String)> {
        let scale = scale(unit)?;
        let value = scale.apply(value.parse().expect("a decimal"))?;
        Some((value.normalize().to_string(), scale.unit.to_string()))
    }

    #[test]
    fn values_are_converted_to_units_of_the_same_measure() {
        let to = |value: &str, from: &str, to: &str| {
            convert(value.parse().expect("a decimal"), from, to).map(|value| value.to_string())
        };
        assert_eq!(to("500", "mg", "g").as_deref(), Some("0.5"));
        assert_eq!(to("98.6", "[degF]", "Cel").as_deref(), Some("37"));
        assert_eq!(to("1.50", "g", "g").as_deref(), Some("1.50"));
        assert_eq!((to("1", "g", "m"), to("1", "g", "nonsense")), (None, None));
    }

    #[test]
    fn the_same_measure_has_one_form() {
        let same = [
            [("1", "g"), ("1000", "mg")],
            [("23", "mm/h"), ("0.023", "m/h")],
            [("0", "Cel"), ("32", "[degF]")],
            [("0", "Cel"), ("273.15", "K")],
            [("530", "Cel"), ("986", "[degF]")],
            [("5", "mmol/L"), ("0.005", "mol/L")],
            [("90", "fL"), ("0.09", "pL")],
            [("1", "[in_i]"), ("2.54", "cm")],
            [("120", "mm[Hg]"), ("0.12", "m[Hg]")],
            [("4.5", "10*3/uL"), ("4.5", "10*9/L")],
            [("50", "%"), ("0.5", "1")],
        ];
        for [(a, u), (b, v)] in same {
            let left = canonical(a, u);
            assert!(left.is_some() && left == canonical(b, v), "{a} {u} = {b} {v}");
        }
        assert_eq!(canonical("5", "[iU]"), Some(("5".into(), "[iU]".into())));
        assert_ne!(canonical("5", "[iU]"), canonical("5", "[arb'U]"));
        for code in ["", "nonsense", "[pH]", "mg/", "10+3/ul", &"m.".repeat(100)] {
            assert!(scale(code).is_none(), "{code}");
        }
        assert_eq!(canonical("1000000000000", "mol"), None);
    }

    proptest! {
        #[test]
        fn order_is_kept(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, at in 0_usize..6) {
            let scale = scale(["mg", "mmol/L", "[degF]", "Cel", "fL", "mm[Hg]"][at]).expect("a unit");
            let value = |n| scale.apply(Decimal::new(n, 3)).expect("in range");
            prop_assert_eq!(a.cmp(&b), value(a).cmp(&value(b)));
        }

        #[test]
        fn temperatures_are_the_same_on_both_scales(tenths in -2_000_i64..2_000_000) {
            let celsius = Decimal::new(tenths, 1);
            let fahrenheit = celsius * Decimal::new(18, 1) + Decimal::from(32);
            prop_assert_eq!(canonical(&celsius.to_string(), "Cel"), canonical(&fahrenheit.to_string(), "[degF]"));
        }

        #[test]
        fn foreign_codes_cost_little(code in "\\PC{0,200}") {
            let _ = scale(&code);
        }
    }
}

/// The public functional tests of UCUM, when they are at hand.
#[cfg(test)]
mod functional {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    type Case = std::collections::HashMap<String, String>;

    fn cases() -> Option<Vec<(String, Case)>> {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/tests/ucum/UcumFunctionalTests.xml");
        let other = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/data/tests/ucum/UcumFunctionalTests.xml");
        let text = std::fs::read_to_string(path).or_else(|_| std::fs::read_to_string(other)).ok()?;
        let mut reader = Reader::from_str(&text);
        let (mut section, mut found) = (String::new(), Vec::new());
        loop {
            match reader.read_event().expect("XML") {
                Event::Eof => return Some(found),
                Event::Start(tag) | Event::Empty(tag) => {
                    let name = tag.name().as_ref().to_owned();
                    if name != "case" {
                        section = name;
                        continue;
                    }
                    let attributes = tag.attributes().map(|attribute| {
                        let attribute = attribute.expect("an attribute");
                        let key = attribute.key.as_ref().to_owned();
                        (key, quick_xml::escape::unescape(&attribute.value).expect("text").into_owned())
                    });
                    found.push((section.clone(), attributes.collect()));
                }
                _ => {}
            }
        }
    }

    fn close(a: f64, b: &str) -> bool {
        // the expected values are rounded, or cut, after as few digits as one
        let decimals = b.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let b: f64 = b.parse().expect("a number");
        (a - b).abs() <= 10_f64.powi(-decimals).min(0.05 * b.abs()).max(1e-12 * b.abs())
    }

    /// Whether a case holds; none for sections that the server does not need (names for display).
    fn holds(section: &str, case: &Case) -> Option<bool> {
        let get = |name: &str| case.get(name).map(String::as_str).expect("an attribute");
        let number = |name: &str| get(name).parse::<f64>().expect("a number");
        Some(match section {
            "validation" => octofhir_ucum::validate(get("unit")).is_ok() == (get("valid") == "true"),
            "conversion" => octofhir_ucum::convert(number("value"), get("srcUnit"), get("dstUnit"))
                .is_ok_and(|value| close(value, get("outcome"))),
            "multiplication" | "division" => {
                let work = if section == "division" { octofhir_ucum::divide_by } else { octofhir_ucum::multiply };
                let found = work(number("v1"), get("u1"), number("v2"), get("u2"));
                found.is_ok_and(|found| {
                    let value = octofhir_ucum::convert(
                        found.value,
                        &found.unit,
                        if get("uRes").is_empty() { "1" } else { get("uRes") },
                    );
                    value.is_ok_and(|value| close(value, get("vRes")))
                })
            }
            _ => return None,
        })
    }

    #[test]
    fn the_public_suite_passes() {
        let Some(cases) = cases() else { return };
        let (mut passed, mut failed) = (std::collections::BTreeMap::<String, usize>::new(), Vec::new());
        for (section, case) in &cases {
            match holds(section, case) {
                Some(true) => *passed.entry(section.clone()).or_default() += 1,
                Some(false) => failed.push(format!("{section} {case:?}")),
                None => {}
            }
        }
        println!("UCUM functional tests: passed {passed:?}, failed {}: {failed:#?}", failed.len());
        assert!(passed.values().sum::<usize>() > 550, "too few cases were found: {passed:?}");
        assert!(failed.is_empty());
    }
}
