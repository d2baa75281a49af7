//! `token` (FHIR R4 `search.html`, 3.1.1.4.10).

use super::element::{Element, each, object, text};
use super::escape::{split, unescape};
use super::string::fold;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::search::path::is_caseless;
use crate::search::query::{SystemTest, TokenTest};
use crate::search::value::Value;

/// Reads one value: `code`, `system|code`, `|code`, `system|`.
///
/// # Errors
/// The reason, when it is none of these.
pub fn parse(value: &str) -> Result<TokenTest, &'static str> {
    let mut parts = split(value, b'|');
    let first = unescape(parts.next().unwrap_or_default())?;
    let Some(second) = parts.next() else {
        return Ok(TokenTest { system: SystemTest::Any, code: Some(first.into()) });
    };
    if parts.next().is_some() {
        return Err("there is more than one `|`; one that belongs to the value is written `\\|`");
    }
    let second = unescape(second)?;
    if first.is_empty() && second.is_empty() {
        return Err("there is neither a system nor a code beside `|`");
    }
    let system = if first.is_empty() { SystemTest::Absent } else { SystemTest::Is(first.into()) };
    Ok(TokenTest { system, code: (!second.is_empty()).then(|| second.into()) })
}

/// The values of an element.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    let fields = match (element.json, element.type_name) {
        (Json::String(code), name) if is_caseless(name) => return value(None, Some(&code.to_lowercase()), out),
        (Json::String(code), _) => return value(element.system, Some(code), out),
        (Json::Bool(truth), _) => return value(None, Some(if *truth { "true" } else { "false" }), out),
        (Json::Number(number), _) => return value(None, Some(number.as_str()), out),
        (Json::Object(concept), "CodeableConcept") => return codeable_concept(concept, out),
        (Json::Object(coding), "Coding") => (coding, names::CODE),
        (Json::Object(identifier), "Identifier") => (identifier, names::VALUE),
        // the system of a ContactPoint is its kind (phone, email), which the URI of a token is not
        (Json::Object(contact), name) if is_caseless(name) => {
            return value(None, text(contact, names::VALUE).map(str::to_lowercase).as_deref(), out);
        }
        _ => return,
    };
    let (owner, code) = fields;
    value(text(owner, names::SYSTEM), text(owner, code), out);
}

/// Every coding; the text only when there is none, so that the parameter is not missing.
fn codeable_concept(concept: &Object, out: &mut dyn FnMut(Value)) {
    let mut is_coded = false;
    for coding in each(concept, names::CODING).filter_map(Json::as_object) {
        let (system, code) = (text(coding, names::SYSTEM), text(coding, names::CODE));
        is_coded |= system.is_some() || code.is_some();
        value(system, code, out);
    }
    if let (false, Some(text)) = (is_coded, text(concept, names::TEXT)) {
        out(Value::Token { system: None, code: None, text: Some(fold(text)) });
    }
}

fn value(system: Option<&str>, code: Option<&str>, out: &mut dyn FnMut(Value)) {
    if system.is_some() || code.is_some() {
        out(Value::Token { system: system.map(Into::into), code: code.map(Into::into), text: None });
    }
}

/// System and value of an identifier that has a value (`Reference.identifier`).
pub fn identifier(reference: &Object) -> Option<(Option<&str>, &str)> {
    let identifier = object(reference, names::IDENTIFIER)?;
    Some((text(identifier, names::SYSTEM), text(identifier, names::VALUE)?))
}

/// Whether a value passes.
pub fn passes(test: &TokenTest, system: Option<&str>, code: Option<&str>) -> bool {
    let fits = match &test.system {
        SystemTest::Any => true,
        SystemTest::Absent => system.is_none(),
        SystemTest::Is(wanted) => system == Some(wanted),
    };
    fits && match &test.code {
        Some(wanted) => code == Some(wanted),
        None => !matches!(test.system, SystemTest::Any | SystemTest::Absent) || code.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms() {
        let values = [(Some("s"), Some("c")), (None, Some("c")), (Some("t"), Some("c")), (Some("s"), Some("d"))];
        let cases = [
            ("c", [true, true, true, false]),
            ("s|c", [true, false, false, false]),
            ("|c", [false, true, false, false]),
            ("s|", [true, false, false, true]),
            ("C", [false; 4]),
        ];
        for (text, expected) in cases {
            let test = parse(text).expect(text);
            assert_eq!(values.map(|(system, code)| passes(&test, system, code)), expected, "{text}");
        }
        assert_eq!(parse("a\\|b").expect("escaped").code.as_deref(), Some("a|b"));
        for text in ["|", "a|b|c", "a\\b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
