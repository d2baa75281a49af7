//! `token` (FHIR R4 `search.html`, 3.1.1.4.10).

use super::element::{Element, each, object, text};
use super::escape::{split, unescape};
use super::string::beginning;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::search::path::is_caseless;
use crate::search::query::{AnyCase, SystemTest, TokenTest};
use crate::search::value::{Typed, Value};

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

/// Reads one value of `:of-type`: `system|code|value`.
///
/// # Errors
/// The reason, when a part is absent.
pub fn parse_typed(text: &str) -> Result<Typed, &'static str> {
    let parts: Vec<&str> = split(text, b'|').collect();
    let [system, code, value] = parts.as_slice() else { return Err(TYPED) };
    if system.is_empty() || code.is_empty() || value.is_empty() {
        return Err(TYPED);
    }
    Ok(Typed { system: unescape(system)?.into(), code: unescape(code)?.into(), value: unescape(value)?.into() })
}

const TYPED: &str = "`:of-type` takes system|code|value: system and code of the type, and the identifier's value";

/// The values of an element.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    match (element.json, element.type_name) {
        (Json::String(code), name) if is_caseless(name) => value(None, Some(&code.to_lowercase()), None, out),
        (Json::String(code), _) => code_value(element.system, code, out),
        (Json::Bool(truth), _) => value(None, Some(if *truth { "true" } else { "false" }), None, out),
        (Json::Number(number), _) => value(None, Some(number.as_str()), None, out),
        (Json::Object(concept), "CodeableConcept") => codeable_concept(concept, out),
        (Json::Object(found), "Coding") => coding(found, out),
        (Json::Object(found), "Identifier") => whole_identifier(found, out),
        // the system of a ContactPoint is its kind (phone, email), which the URI of a token is not
        (Json::Object(contact), name) if is_caseless(name) => {
            value(None, text(contact, names::VALUE).map(str::to_lowercase).as_deref(), None, out);
        }
        _ => {}
    }
}

/// A code, and the base part of a MIME type.
fn code_value(system: Option<&str>, code: &str, out: &mut dyn FnMut(Value)) {
    value(system, Some(code), None, out);
    if let Some((base, _)) = code.split_once(';').filter(|(base, _)| base.contains('/')) {
        out(Value::Mime(base.trim_end().into()));
    }
}

fn coding(coding: &Object, out: &mut dyn FnMut(Value)) {
    value(text(coding, names::SYSTEM), text(coding, names::CODE), text(coding, names::DISPLAY), out);
}

/// System and value, the text of the type, and the value by each coding of the type.
fn whole_identifier(identifier: &Object, out: &mut dyn FnMut(Value)) {
    let kind = object(identifier, names::TYPE);
    let found = text(identifier, names::VALUE);
    value(text(identifier, names::SYSTEM), found, kind.and_then(|kind| text(kind, names::TEXT)), out);
    let (Some(kind), Some(found)) = (kind, found) else { return };
    for coding in each(kind, names::CODING).filter_map(Json::as_object) {
        if let (Some(system), Some(code)) = (text(coding, names::SYSTEM), text(coding, names::CODE)) {
            out(Value::Typed(Typed { system: system.into(), code: code.into(), value: found.into() }));
        }
    }
}

/// Every coding, and the text.
fn codeable_concept(concept: &Object, out: &mut dyn FnMut(Value)) {
    each(concept, names::CODING).filter_map(Json::as_object).for_each(|found| coding(found, out));
    value(None, None, text(concept, names::TEXT), out);
}

fn value(system: Option<&str>, code: Option<&str>, text: Option<&str>, out: &mut dyn FnMut(Value)) {
    if system.is_some() || code.is_some() || text.is_some() {
        out(Value::Token { system: system.map(Into::into), code: code.map(Into::into), text: text.map(beginning) });
    }
}

/// Drops what stands beside other values of a component: no row of a composite is asked for it.
pub fn drop_beside(values: &mut Vec<Value>) {
    let is_beside = |value: &Value| {
        matches!(
            value,
            Value::Typed(_) | Value::Mime(_) | Value::Implied(_) | Value::Token { system: None, code: None, .. }
        )
    };
    if values.iter().any(|value| !is_beside(value)) {
        values.retain(|value| !is_beside(value));
    }
}

/// System and value of an identifier that has a value (`Reference.identifier`).
pub fn identifier(reference: &Object) -> Option<(Option<&str>, &str)> {
    let identifier = object(reference, names::IDENTIFIER)?;
    Some((text(identifier, names::SYSTEM), text(identifier, names::VALUE)?))
}

/// Longest code (bytes) whose case is disregarded wholly by [`passes_any_case`]; of a longer one the index has a hash,
/// and it is the same as written, in lowercase or in uppercase.
pub const ANY_CASE_MAX: usize = 20;

/// Whether a code is another without regard to case.
pub fn same_code(code: &str, wanted: &str) -> bool {
    if wanted.len() <= ANY_CASE_MAX {
        return code.eq_ignore_ascii_case(wanted);
    }
    code == wanted || code == wanted.to_ascii_lowercase() || code == wanted.to_ascii_uppercase()
}

/// Whether a value passes without regard to case.
pub fn passes_any_case(test: &AnyCase, system: Option<&str>, code: Option<&str>) -> bool {
    let wanted = test.token.code.as_deref();
    let as_asked = match (wanted, code) {
        (Some(wanted), Some(code)) if same_code(code, wanted) => test.token.code.as_deref(),
        _ => code,
    };
    let passes = passes(&test.token, system, as_asked);
    if test.other { code.is_some() && !passes } else { passes }
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

    #[test]
    fn a_type_and_a_value_are_three_parts() {
        let typed = parse_typed("s|MR|a\\|b").expect("three parts");
        assert_eq!((&*typed.system, &*typed.code, &*typed.value), ("s", "MR", "a|b"));
        for text in ["s|MR", "s|MR|", "|MR|1", "s||1", "s|MR|1|2", "s|MR|a\\b"] {
            assert!(parse_typed(text).is_err(), "{text}");
        }
    }
}
