//! Values of the data types, good and bad.

use serde_json::{Value, json};

use super::random::Random;

/// A value that is not of the type, though its JSON type is; none if there is no such.
pub fn bad(name: &str, random: &mut Random) -> Option<Value> {
    let texts: &[&str] = match name {
        "base64Binary" => &["!!!", "QUJ", "Q===", "QU=D", "QUJ_", "a b c"],
        "code" => &[" a", "a\tb", "a  b ", "a\nb"],
        "date" => &[
            "2023-02-30",
            "23-01-01",
            "2023-13-01",
            "2023-1-1",
            "2023/01/01",
            "2023-01-01T00:00:00Z",
            "yesterday",
            "0000",
            "2023-00",
            "20230101",
        ],
        "dateTime" => &[
            "2023-02-30",
            "2023-02-28T10:00",
            "2023-02-28T10:00:00",
            "2023-02-28T24:00:00Z",
            "2023-02-28 10:00:00Z",
            "2023-02-28T10:00:00+25:00",
            "2023-02-28T10Z",
            "now",
            "2023-02-28T10:61:00Z",
            "2023-02-29T10:00:00Z",
        ],
        "instant" => &["2023-02-28", "2023-02-28T10:00:00", "2023", "2023-02-30T10:00:00Z", "2023-02-28T25:00:00Z"],
        "time" => &["10:00", "25:00:00", "10:00:00Z", "noon", "10:60:00"],
        "id" => &["a_b", "a b", "ä", "a/b", "12345678901234567890123456789012345678901234567890123456789012345"],
        "uri" | "url" | "canonical" => &["http://a b", "urn:uuid:x", "urn:oid:x.1", "a\tb", "http://example.org/a b"],
        "oid" => &["1.2.3", "urn:oid:1.02", "urn:oid:3.1", "urn:oid:x"],
        "uuid" => &["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:x"],
        "integer" => return numbers(random, &["1.5", "2147483648", "1e2", "-2147483649"]),
        "unsignedInt" => return numbers(random, &["-1", "1.5", "2147483648"]),
        "positiveInt" => return numbers(random, &["-1", "0", "1.5", "2147483648"]),
        "xhtml" => {
            &["text", "<div>no namespace</div>", "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>unclosed</div>"]
        }
        _ => return None,
    };
    Some(json!(random.word(texts)))
}

fn numbers(random: &mut Random, texts: &[&str]) -> Option<Value> {
    serde_json::from_str(random.word(texts)).ok()
}

/// A value of the type; none for types that have no simple one.
pub fn good(name: &str, random: &mut Random) -> Option<Value> {
    let texts: &[&str] = match name {
        "base64Binary" => &["QUJD", "QQ==", "QUJD\nQUJD", "QUI="],
        "boolean" => return Some(json!(random.below(2) == 0)),
        "code" => &["a-code", "en"],
        "date" => &["2023", "2023-02", "2024-02-29", "1850-01-01", "0999", "2999-12-31"],
        "dateTime" => &[
            "2023",
            "2023-02",
            "2024-02-29",
            "2023-02-28T10:00:00Z",
            "2023-02-28T10:00:00.123456+14:00",
            "2023-02-28T23:59:60Z",
            "2023-02-28T10:00:00-12:00",
        ],
        "instant" => &["2023-02-28T10:00:00Z", "2023-02-28T10:00:00.1+01:00"],
        "time" => &["10:00:00", "23:59:59.999", "00:00:00"],
        "id" => &["a-1.B", "x"],
        "uri" | "url" | "canonical" => &[
            "http://example.org/x",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "urn:oid:1.2.3",
            "mailto:a@example.org",
            "relative",
            "#x",
        ],
        "oid" => &["urn:oid:1.2.3"],
        "uuid" => &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
        "integer" => return numbers(random, &["0", "-5", "2147483647"]),
        "unsignedInt" => return numbers(random, &["0", "5"]),
        "positiveInt" => return numbers(random, &["1", "99"]),
        "decimal" => {
            return numbers(
                random,
                &["0", "1.50", "-3", "1e3", "1E-7", "0.00000000000000000001", "123456789012345678901234567890"],
            );
        }
        "string" | "markdown" => &["text", "ä €", "a\nb", " x", "1"],
        _ => return complex(name),
    };
    Some(json!(random.word(texts)))
}

fn complex(name: &str) -> Option<Value> {
    Some(match name {
        "Quantity" | "SimpleQuantity" | "Age" | "Duration" => {
            json!({"value": 1, "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"})
        }
        "CodeableConcept" => json!({"text": "text"}),
        "Coding" => json!({"system": "http://example.org/codes", "code": "x"}),
        "Period" => json!({"start": "2020-01-01", "end": "2021"}),
        "Range" => json!({"low": {"value": 1}, "high": {"value": 2}}),
        "Ratio" => json!({"numerator": {"value": 1}, "denominator": {"value": 2}}),
        "Reference" => json!({"display": "text"}),
        "Identifier" => json!({"system": "http://example.org/ids", "value": "1"}),
        "Annotation" => json!({"text": "text"}),
        "Attachment" => json!({"contentType": "text/plain", "data": "QUJD"}),
        "Timing" => json!({"event": ["2020-01-01"]}),
        "HumanName" => json!({"family": "text"}),
        "Address" => json!({"text": "text"}),
        "ContactPoint" => json!({"system": "phone", "value": "1"}),
        "Money" => json!({"value": 1, "currency": "EUR"}),
        _ => return None,
    })
}
