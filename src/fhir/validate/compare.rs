//! Fixed values and patterns (FHIR R4 `elementdefinition.html`, `fixed[x]` and `pattern[x]`).

use crate::fhir::decimal;
use crate::fhir::json::Json;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

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
