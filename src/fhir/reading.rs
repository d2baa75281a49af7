//! The text of a resource, JSON or XML, read so that every error names an element: the one that the text breaks off in, `Resource`
//! where not even the type is known (FHIR R4 `operationoutcome-definitions.html#OperationOutcome.issue.expression`).

use crate::base::fault::{Fault, Result};
use crate::base::limits::DEEPEST_NESTING;
use crate::fhir::definitions::element::{TypeId, property, resource_type_id};
use crate::fhir::json::{self, Json};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;
use crate::fhir::xml;

/// The longest expression that is told.
const LONGEST: usize = 512;

/// Reads a resource in JSON, with nesting up to `nesting`.
///
/// # Errors
/// 400 with line, column and element; see [`json::parse_with`].
pub fn of_json(text: &[u8], nesting: usize) -> Result<Json> {
    json::parse_with(text, nesting).map_err(|fault| {
        let position = fault.issues().first().and_then(|issue| issue.position);
        match position.and_then(|(line, column)| expression(text, line, column)) {
            Some(place) => fault.at(place),
            None => named(fault),
        }
    })
}

/// Reads a resource in XML, with nesting up to `nesting`.
///
/// # Errors
/// 400 with line, column and element; see [`xml::parse`].
pub fn of_xml(text: &[u8], nesting: usize) -> Result<Json> {
    xml::parse(text, nesting).map_err(named)
}

/// Reads a resource in XML that is to be judged; see [`xml::parse_exact`].
///
/// # Errors
/// See [`of_xml`].
pub fn of_exact_xml(text: &[u8], nesting: usize) -> Result<Json> {
    xml::parse_exact(text, nesting).map_err(named)
}

fn named(fault: Fault) -> Fault {
    fault.or_at(|| "Resource".to_owned())
}

/// What stands around a position.
enum Level<'t> {
    /// An object: the property that is being read, whether its value is, and the type if it is a resource.
    Object { name: Option<&'t str>, is_value: bool, kind: Option<&'t str> },
    /// An array: the number of the item.
    Array(usize),
}

/// The element that a line and column are in, `Patient.name[0].family`, by the names of the properties before them. None where the
/// text before them is not the beginning of a resource.
fn expression(text: &[u8], line: u32, column: u32) -> Option<String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let start = match usize::try_from(line).ok()?.checked_sub(2) {
        None => 0,
        Some(before) => memchr::memchr_iter(b'\n', text).nth(before)? + 1,
    };
    let at = (start + usize::try_from(column).ok()?.checked_sub(1)?).min(text.len());
    let mut levels = Vec::new();
    let mut here = 0;
    while here < at {
        match text[here] {
            // What is not UTF-8 was not looked at before.
            b'{' | b'[' if levels.len() > DEEPEST_NESTING => return None,
            b'{' => levels.push(Level::Object { name: None, is_value: false, kind: None }),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b':' => {
                if let Some(Level::Object { is_value, .. }) = levels.last_mut() {
                    *is_value = true;
                }
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(number)) => *number += 1,
                Some(Level::Object { name, is_value, .. }) => (*name, *is_value) = (None, false),
                None => {}
            },
            b'"' => {
                let end = end_of_string(text, here);
                note(&mut levels, string(text, here, end).unwrap_or(""));
                here = end;
            }
            _ => {}
        }
        here += 1;
    }
    // a name that must not be there is the place itself
    if let (Some(Level::Object { name: name @ None, is_value: false, .. }), Some(b'"')) =
        (levels.last_mut(), text.get(at))
    {
        *name = string(text, at, end_of_string(text, at));
    }
    told(&levels)
}

/// The position of the `"` that ends a string.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// What is between two positions.
fn string(text: &[u8], start: usize, end: usize) -> Option<&str> {
    std::str::from_utf8(text.get(start + 1..end)?).ok()
}

/// Notes a string: the name of a property, or the type of a resource.
fn note<'t>(levels: &mut [Level<'t>], string: &'t str) {
    match levels.last_mut() {
        Some(Level::Object { name, is_value: false, .. }) => *name = Some(string),
        Some(Level::Object { name: Some("resourceType"), kind, .. }) => *kind = Some(string),
        _ => {}
    }
}

/// The expression: the names of elements as far as the definitions know them, `value` for `valueString`, else those of the text.
fn told(levels: &[Level<'_>]) -> Option<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(Level::Object { kind: Some(kind), .. }) = levels.first() else { return None };
    let mut out = Some(*kind).filter(|kind| is_name(kind))?.to_owned();
    let mut owner: Option<TypeId> = None;
    for level in levels {
        match level {
            Level::Object { name, kind, .. } => {
                owner = kind.and_then(ResourceType::find).map(resource_type_id).or(owner);
                let name = name.map(|name| name.trim_start_matches('_')).filter(|name| is_name(name));
                let Some(name) = name else { break };
                let known = owner.and_then(|owner| property(owner, &Name::new(name)));
                out.push('.');
                out.push_str(known.map_or(name, |property| property.element));
                owner = known.map(|property| property.type_id);
            }
            Level::Array(number) => out.push_str(&format!("[{number}]")),
        }
        if out.len() > LONGEST {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(read: impl Fn(&[u8], usize) -> Result<Json>, text: &[u8]) -> Option<String> {
        read(text, 64).expect_err("an error").issues()[0].expression.clone()
    }

    #[test]
    fn errors_of_json_name_the_element() {
        for (text, expected) in [
            (r#"{"resourceType":"Location","position":{"latitude":01.5}}"#, "Location.position.latitude"),
            (
                r#"{"resourceType":"Patient","name":[{"family":"a\"]"},{"given":["x",NaN]}]}"#,
                "Patient.name[1].given[1]",
            ),
            (r#"{"resourceType":"Patient","active":true,"gender":"male","active":false}"#, "Patient.active"),
            (r#"{"resourceType":"Patient","_gender":{"id":}}"#, "Patient.gender.id"),
            (r#"{"resourceType":"Patient","gender":"male",}"#, "Patient"),
            (r#"{"resourceType":"Patient","gender":"male" "active":true}"#, "Patient.gender"),
            (r#"{"resourceType":"Patient","name":[{"family":x},"#, "Patient.name[0].family"),
            ("{\n\n \"resourceType\":\"Patient\",\n \"deceasedBoolean\":'x'}", "Patient.deceased"),
            ("\u{feff}{\"resourceType\":\"Patient\",\n\"_deceasedDateTime\":{\"id\":.}}", "Patient.deceased.id"),
            (
                r#"{"resourceType":"Patient","contained":[{"resourceType":"Observation","valueQuantity":{"value":+1}}]}"#,
                "Patient.contained[0].value.value",
            ),
            (
                r#"{"resourceType":"Patient","extension":[{"url":"http://x","valueString":tru}]}"#,
                "Patient.extension[0].value",
            ),
            (r#"{"resourceType":"Patient","nothing":{"valueString":tru}}"#, "Patient.nothing.valueString"),
            (r#"{"active":+1,"resourceType":"Patient"}"#, "Resource"),
            (r#"{"resourceType":"Pat ient","active":.5}"#, "Resource"),
            ("{'resourceType':'Patient'}", "Resource"),
            ("[01]", "Resource"),
            ("", "Resource"),
        ] {
            assert_eq!(place(of_json, text.as_bytes()).as_deref(), Some(expected), "{text}");
        }
        let marked = b"\xef\xbb\xbf{\"resourceType\":\"Patient\",\"id\":\"\xff";
        assert_eq!(place(of_json, marked).as_deref(), Some("Patient.id"));
        let broken = b"{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\xff\"}]}";
        assert_eq!(place(of_json, broken).as_deref(), Some("Patient.name[0].family"));
        // Levels are kept up to a bound, also where they are closed again before.
        let nested = |levels: usize| {
            let (open, close) = (b"[".repeat(levels), b"]".repeat(levels));
            [br#"{"resourceType":"Patient","name":"#.as_slice(), &open, &close, b",\"gender\":\"\xff\"}"].concat()
        };
        assert_eq!(place(of_json, &nested(DEEPEST_NESTING)).as_deref(), Some("Patient.gender"));
        assert_eq!(place(of_json, &nested(DEEPEST_NESTING + 1)).as_deref(), Some("Resource"));
    }

    #[test]
    fn errors_of_xml_name_the_element() {
        for read in [of_xml, of_exact_xml] {
            assert_eq!(place(read, b"<Patient").as_deref(), Some("Resource"));
            let text = br#"<Patient xmlns="http://hl7.org/fhir"><active value="true"></Patient>"#;
            assert_eq!(place(read, text).as_deref(), Some("Patient.active"));
        }
    }
}
