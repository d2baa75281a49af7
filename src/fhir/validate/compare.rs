//! Fixed values and patterns (FHIR R4 `elementdefinition.html`, `fixed[x]` and `pattern[x]`).

use std::cmp::Ordering;

use crate::fhir::decimal;
use crate::fhir::json::Json;
use crate::fhir::quantity::{UCUM, scale};

/// Whether a value is another, exactly or as a pattern.
pub fn is_prescribed(value: &Json, wanted: &Json, is_fixed: bool) -> bool {
    if is_fixed { is_same(value, wanted) } else { has_pattern(value, wanted) }
}

/// Whether a value is exactly another: the same elements, in arrays in the same order.
pub fn is_same(value: &Json, fixed: &Json) -> bool {
    match (value, fixed) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || decimal::read(a.as_str()).zip(decimal::read(b.as_str())).is_some_and(|(a, b)| a == b)
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && b.iter().all(|(name, b)| a.get_name(name).is_some_and(|a| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether a value has at least what a pattern has; each item of an array somewhere in the other.
pub fn has_pattern(value: &Json, pattern: &Json) -> bool {
    match (value, pattern) {
        (Json::Array(items), Json::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| has_pattern(item, wanted)))
        }
        (Json::Object(a), Json::Object(b)) => {
            b.iter().all(|(name, wanted)| a.get_name(name).is_some_and(|value| has_pattern(value, wanted)))
        }
        (a, b) => is_same(a, b),
    }
}

/// The order of two values, if they can be compared: numbers, quantities of units that can be converted, and dates as
/// far as both go.
pub fn order(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => Some(decimal::read(a.as_str())?.cmp(&decimal::read(b.as_str())?)),
        (Json::String(a), Json::String(b)) => {
            let len = a.len().min(b.len());
            Some(a.get(..len)?.cmp(b.get(..len)?)).filter(|order| order.is_ne() || a.len() == b.len())
        }
        (Json::Object(x), Json::Object(y)) => {
            let same = |name: &str| x.get(name) == y.get(name);
            if same("code") && same("system") && (x.get("code").is_some() || same("unit")) {
                return order(x.get("value")?, y.get("value")?);
            }
            let canonical = |json: &Json| {
                let text = |name: &str| json.get(name).and_then(Json::as_str);
                let scale = scale(text("code").filter(|_| text("system") == Some(UCUM))?)?;
                let value = decimal::read(json.get("value")?.as_number()?.as_str())?;
                Some((scale.unit.clone(), scale.apply(value)?))
            };
            let ((unit, value), (other, bound)) = (canonical(a)?, canonical(b)?);
            (unit == other).then(|| value.cmp(&bound))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn orders() {
        let json = |text: &str| parse(text.as_bytes()).expect(text);
        let order = |a: &str, b: &str| order(&json(a), &json(b));
        assert_eq!(order("1.50", "1.5"), Some(Ordering::Equal));
        assert_eq!(order("\"2020-02\"", "\"2020-03-01\""), Some(Ordering::Less));
        assert_eq!(order("\"2020\"", "\"2020-03-01\""), None);
        let quantity = |value: i32, code: &str| format!(r#"{{"value":{value},"system":"{UCUM}","code":"{code}"}}"#);
        assert_eq!(order(&quantity(1100, "g"), &quantity(1, "kg")), Some(Ordering::Greater));
        assert_eq!(order(&quantity(1, "g"), &quantity(1, "m")), None);
        assert_eq!(order(r#"{"value":1,"unit":"x"}"#, r#"{"value":2,"unit":"x"}"#), Some(Ordering::Less));
    }

    #[test]
    fn fixed_and_pattern() {
        let json = |text: &str| parse(text.as_bytes()).expect(text);
        for (value, wanted, same, pattern) in [
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1,2],"a":1.0}"#, true, true),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[2]}"#, false, true),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[3]}"#, false, false),
            (r#"{"a":1}"#, r#"{"a":1,"c":2}"#, false, false),
            (r#"[{"s":"x","c":"1","d":"y"}]"#, r#"[{"s":"x","c":"1"}]"#, false, true),
            (r#""a""#, r#""a""#, true, true),
            (r#""a""#, r#""A""#, false, false),
            ("true", "false", false, false),
        ] {
            assert_eq!(is_same(&json(value), &json(wanted)), same, "{value} {wanted}");
            assert_eq!(has_pattern(&json(value), &json(wanted)), pattern, "{value} {wanted}");
        }
    }
}
