//! `quantity` (FHIR R4 `search.html`, 3.1.1.4.11).

use rust_decimal::Decimal;

use super::element::{Element, get, object, text};
use super::escape::{split, unescape};
use super::number;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::fhir::quantity::{Scale, UCUM, scale};
use crate::search::query::{NumberTest, Prefix, QuantityTest, UnitTest};
use crate::search::value::{Canonical, Quantity, Value};

/// The system of the codes of currencies.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// Reads one value: `number`, `number||code`, `number|system|` or `number|system|code`.
///
/// # Errors
/// The reason, when it is none of these.
pub fn parse(value: &str) -> Result<QuantityTest, &'static str> {
    const SHAPE: &str = "a quantity is written as number, number||code, number|system| or number|system|code";
    let mut parts = split(value, b'|');
    let number = number::parse(parts.next().unwrap_or_default())?;
    let Some(system) = parts.next() else { return Ok(QuantityTest { number, unit: UnitTest::Any }) };
    let code = unescape(parts.next().ok_or(SHAPE)?)?;
    let system = unescape(system)?;
    if parts.next().is_some() {
        return Err(SHAPE);
    }
    let unit = match (&*system, &*code) {
        ("", "") => UnitTest::Any,
        ("", code) => UnitTest::Code(code.into()),
        (system, "") => UnitTest::OfSystem(system.into()),
        (UCUM, code) => match canonical_test(&number, code) {
            Some(test) => test,
            None => UnitTest::System { system: UCUM.into(), code: code.into() },
        },
        (system, code) => UnitTest::System { system: system.into(), code: code.into() },
    };
    Ok(QuantityTest { number, unit })
}

fn canonical_test(test: &NumberTest, code: &str) -> Option<UnitTest> {
    let scale = scale(code)?;
    let apply = |value| scale.apply(value);
    let number =
        NumberTest { prefix: test.prefix, value: apply(test.value)?, low: apply(test.low)?, high: apply(test.high)? };
    Some(UnitTest::Canonical { number, unit: (&*scale.unit).into() })
}

/// The value of an element: a Quantity or one of its kinds (Age, Duration, Money ...), or a Range.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    let Json::Object(object) = element.json else { return };
    let found = match element.type_name {
        "Money" => money(object),
        "Range" => range(object),
        _ => quantity(object),
    };
    if let Some(found) = found {
        out(Value::Quantity(found));
    }
}

fn quantity(object: &Object) -> Option<Quantity> {
    let value = number::of(get(object, names::VALUE))?;
    let comparator = text(object, names::COMPARATOR);
    let (low, high) = match comparator {
        Some("<" | "<=") => (None, Some(value)),
        Some(">" | ">=") => (Some(value), None),
        _ => (Some(value), Some(value)),
    };
    let excludes_side = matches!(comparator, Some("<" | ">"));
    Some(Quantity { excludes_side, ..with_unit(low, high, object) })
}

fn money(object: &Object) -> Option<Quantity> {
    let value = number::of(get(object, names::VALUE));
    value?;
    let currency: Option<Box<str>> = text(object, names::CURRENCY).map(Into::into);
    let system = currency.as_ref().map(|_| CURRENCIES.into());
    let (low, high) = (value, value);
    Some(Quantity { low, high, excludes_side: false, system, code: currency, unit: None, canonical: None })
}

fn range(range: &Object) -> Option<Quantity> {
    let (low, high) = (object(range, names::LOW), object(range, names::HIGH));
    let value = |side: Option<&Object>| number::of(side.and_then(|side| get(side, names::VALUE)));
    let (from, to) = (value(low), value(high));
    if from.is_none() && to.is_none() {
        return None;
    }
    Some(with_unit(from, to, low.or(high)?))
}

fn with_unit(low: Option<Decimal>, high: Option<Decimal>, object: &Object) -> Quantity {
    let own = |name| text(object, name).map(Into::into);
    let (system, code) = (text(object, names::SYSTEM), text(object, names::CODE));
    let scale = code.filter(|_| system == Some(UCUM)).and_then(scale);
    let canonical = scale.and_then(|scale| canonical(&scale, low, high));
    let (system, code, unit) = (own(names::SYSTEM), own(names::CODE), own(names::UNIT));
    Quantity { low, high, excludes_side: false, system, code, unit, canonical }
}

fn canonical(scale: &Scale, low: Option<Decimal>, high: Option<Decimal>) -> Option<Canonical> {
    // a side that is there must be held, or the value has no canonical form
    let side = |value: Option<Decimal>| match value {
        Some(value) => scale.apply(value).map(Some),
        None => Some(None),
    };
    Some(Canonical { low: side(low)?, high: side(high)?, unit: (&*scale.unit).into() })
}

/// Whether a value passes.
pub fn passes(test: &QuantityTest, value: &Quantity) -> bool {
    let compare = |test: &NumberTest, low, high| match value.excludes_side {
        true => passes_beyond(test, low, high),
        false => number::passes(test, low, high),
    };
    let plain = || compare(&test.number, value.low, value.high);
    match &test.unit {
        UnitTest::Any => plain(),
        UnitTest::Code(code) => (value.code.as_ref() == Some(code) || value.unit.as_ref() == Some(code)) && plain(),
        UnitTest::OfSystem(system) => value.system.as_ref() == Some(system) && plain(),
        UnitTest::System { system, code } => {
            value.system.as_ref() == Some(system) && value.code.as_ref() == Some(code) && plain()
        }
        UnitTest::Canonical { number, unit } => value
            .canonical
            .as_ref()
            .is_some_and(|canonical| canonical.unit == *unit && compare(number, canonical.low, canonical.high)),
    }
}

/// Whether everything above `low`, or below `high`, without these passes.
fn passes_beyond(test: &NumberTest, low: Option<Decimal>, high: Option<Decimal>) -> bool {
    match test.prefix {
        Prefix::Ge => high.is_none_or(|high| high > test.value),
        Prefix::Le => low.is_none_or(|low| low < test.value),
        Prefix::Sa => low.is_some_and(|low| low >= test.value),
        Prefix::Eb => high.is_some_and(|high| high <= test.value),
        Prefix::Ap => low.is_none_or(|low| low < test.high) && high.is_none_or(|high| high > test.low),
        // not asked of quantities
        Prefix::Co => low.is_none_or(|low| low < test.low) && high.is_none_or(|high| high > test.high),
        _ => number::passes(test, low, high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse as json;

    fn value(text: &str, type_name: &'static str) -> Option<Quantity> {
        let json = json(text.as_bytes()).expect("JSON");
        let mut found = None;
        extract(Element { json: &json, type_name, system: None, is_family: false }, &mut |value| {
            if let Value::Quantity(quantity) = value {
                found = Some(quantity);
            }
        });
        found
    }

    fn finds(asked: &str, text: &str, type_name: &'static str) -> bool {
        passes(&parse(asked).expect(asked), &value(text, type_name).expect(text))
    }

    #[test]
    fn units_systems_and_canonical_forms() {
        let gram = r#"{"value":5.4,"unit":"gram","system":"http://unitsofmeasure.org","code":"g"}"#;
        for asked in [
            "5.4",
            "5.4||g",
            "5.4||gram",
            "5.4|http://unitsofmeasure.org|g",
            "5400|http://unitsofmeasure.org|mg",
            "gt5399|http://unitsofmeasure.org|mg",
            "lt0.0055|http://unitsofmeasure.org|kg",
            "ap5|http://unitsofmeasure.org|g",
            "5.4||",
            "5.4|http://unitsofmeasure.org|",
        ] {
            assert!(finds(asked, gram, "Quantity"), "{asked}");
        }
        for asked in [
            "5.5",
            "5.4||mg",
            "5.4|http://unitsofmeasure.org|mg",
            "5.4|http://unitsofmeasure.org|m",
            "5.4|http://other|g",
            "5.4|http://other|",
            "5.4|http://unitsofmeasure.org|nonsense",
        ] {
            assert!(!finds(asked, gram, "Quantity"), "{asked}");
        }
        let units = r#"{"value":5,"system":"http://unitsofmeasure.org","code":"[iU]"}"#;
        assert!(finds("5|http://unitsofmeasure.org|[iU]", units, "Quantity"));
        let odd = r#"{"value":5,"system":"http://unitsofmeasure.org","code":"nonsense"}"#;
        assert!(finds("5|http://unitsofmeasure.org|nonsense", odd, "Quantity"));
        for text in ["5|g", "5|s|c|d", "|s|c", "x|s|c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn comparators_ranges_and_money() {
        let below = r#"{"value":5,"comparator":"<"}"#;
        assert!(finds("lt3", below, "Quantity") && finds("ne5", below, "Quantity") && !finds("5", below, "Quantity"));
        assert!(!finds("gt5", below, "Quantity") && finds("gt4", below, "Quantity"));
        let below_or = r#"{"value":5,"comparator":"<="}"#;
        let above = r#"{"value":5,"comparator":">","system":"http://unitsofmeasure.org","code":"g"}"#;
        assert!(!finds("ge5", below, "Quantity") && finds("ge5", below_or, "Quantity"));
        assert!(finds("eb5", below, "Quantity") && !finds("eb5", below_or, "Quantity"));
        assert!(!finds("le5000|http://unitsofmeasure.org|mg", above, "Quantity") && finds("sa5", above, "Quantity"));
        assert!(finds("le5.1", above, "Quantity") && !finds("sa5.1", above, "Quantity"));
        let range = r#"{"low":{"value":1,"system":"http://unitsofmeasure.org","code":"g"},"high":{"value":3}}"#;
        assert!(finds("gt2500|http://unitsofmeasure.org|mg", range, "Range") && finds("lt2", range, "Range"));
        assert!(!finds("gt3", range, "Range") && !finds("2", range, "Range") && finds("sa0.9", range, "Range"));
        let money = r#"{"value":12.5,"currency":"EUR"}"#;
        assert!(finds("12.5|urn:iso:std:iso:4217|EUR", money, "Money") && !finds("12.5||USD", money, "Money"));
        assert!(value("{}", "Quantity").is_none() && value("{}", "Range").is_none() && value("{}", "Money").is_none());
    }
}
