//! The digest of a resource's content: an update with the same makes no new version.
//!
//! The order of properties says nothing in JSON (RFC 8259, 4), and XML has one of its own, so it does not count. The text of
//! a decimal does (`datatypes.html`, 2.24.0.1), as does the order of a list.

use twox_hash::XxHash3_128;

use crate::fhir::json::Json;

/// The digest of a value.
pub(super) fn digest(value: &Json) -> u128 {
    match value {
        Json::Null => of(0, b""),
        Json::Bool(value) => of(1, &[u8::from(*value)]),
        Json::Number(number) => of(2, number.as_str().as_bytes()),
        Json::String(text) => of(3, text.as_bytes()),
        Json::Array(items) => items.iter().fold(of(4, b""), |so_far, item| both(5, so_far, digest(item))),
        Json::Object(members) => {
            let member = members.iter().map(|(name, value)| both(6, of(7, name.as_str().as_bytes()), digest(value)));
            // A sum does not depend on the order.
            both(8, members.len() as u128, member.fold(0, u128::wrapping_add))
        }
    }
}

fn of(sort: u64, bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot_with_seed(sort, bytes)
}

fn both(sort: u64, one: u128, other: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&one.to_le_bytes());
    bytes[16..].copy_from_slice(&other.to_le_bytes());
    of(sort, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn only_the_order_of_properties_does_not_count() {
        let of = |text: &str| digest(&parse(text.as_bytes()).expect("JSON"));
        let same = of(r#"{"resourceType":"Patient","name":[{"family":"a","given":["b","c"]}],"active":true}"#);
        assert_eq!(same, of(r#"{"active":true,"name":[{"given":["b","c"],"family":"a"}],"resourceType":"Patient"}"#));
        for other in [
            r#"{"resourceType":"Patient","name":[{"family":"a","given":["c","b"]}],"active":true}"#,
            r#"{"resourceType":"Patient","name":[{"family":"a","given":["b"]},{"given":["c"]}],"active":true}"#,
            r#"{"resourceType":"Patient","name":[{"family":"a","given":["bc"]}],"active":true}"#,
            r#"{"resourceType":"Patient","name":[{"given":["b","c"]}],"family":"a","active":true}"#,
            r#"{"resourceType":"Patient","name":[{"family":"a","given":["b","c"]}],"active":"true"}"#,
            r#"{"resourceType":"Patient","name":[{"family":"a","given":["b","c"]}]}"#,
        ] {
            assert_ne!(same, of(other), "{other}");
        }
        assert_ne!(of(r#"{"a":1.0}"#), of(r#"{"a":1.00}"#));
        assert_ne!(of(r#"{"a":[[1],[2]]}"#), of(r#"{"a":[[1,2]]}"#));
        assert_ne!(of(r#"{"a":"b","c":"d"}"#), of(r#"{"a":"d","c":"b"}"#));
    }
}
