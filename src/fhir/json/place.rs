//! The place in a resource where its text breaks off, as a FHIRPath expression.

/// What stands around a position.
enum Level<'t> {
    /// An object: the property that is being read, and whether its value is.
    Object(Option<&'t str>, bool),
    /// An array: the number of the item.
    Array(usize),
}

/// The longest expression that is told.
const LONGEST: usize = 512;

/// The element that a byte position is in, `Patient.name[0].family`, by the names of the properties before it. None where the text
/// before it is not the beginning of a resource.
pub fn expression(text: &str, at: usize) -> Option<String> {
    let (mut levels, mut kind) = (Vec::new(), None);
    let bytes = text.as_bytes();
    let mut here = 0;
    while here < at.min(bytes.len()) {
        match bytes[here] {
            b'{' => levels.push(Level::Object(None, false)),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b':' => {
                if let Some(Level::Object(_, is_value)) = levels.last_mut() {
                    *is_value = true;
                }
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(number)) => *number += 1,
                Some(level) => *level = Level::Object(None, false),
                None => {}
            },
            b'"' => {
                let end = end_of_string(bytes, here);
                note(&mut levels, &mut kind, text.get(here + 1..end).unwrap_or(""));
                here = end;
            }
            _ => {}
        }
        here += 1;
    }
    // a name that must not be there is the place itself
    if let (Some(Level::Object(name @ None, false)), Some(b'"')) = (levels.last_mut(), bytes.get(at)) {
        *name = text.get(at + 1..end_of_string(bytes, at));
    }
    told(kind?, &levels)
}

/// The position of the `"` that ends a string.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Notes a string: the name of a property, or the type of the resource.
fn note<'t>(levels: &mut [Level<'t>], kind: &mut Option<&'t str>, string: &'t str) {
    let is_outermost = levels.len() == 1;
    match levels.last_mut() {
        Some(Level::Object(name, false)) => *name = Some(string),
        Some(Level::Object(Some("resourceType"), true)) if is_outermost => *kind = Some(string),
        _ => {}
    }
}

fn told(kind: &str, levels: &[Level<'_>]) -> Option<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut out = Some(kind).filter(|kind| is_name(kind))?.to_owned();
    for level in levels {
        match level {
            Level::Object(Some(name), _) => {
                let Some(name) = Some(name.trim_start_matches('_')).filter(|name| is_name(name)) else { break };
                out.push('.');
                out.push_str(name);
            }
            Level::Object(None, _) => break,
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
    use super::super::parse;

    #[test]
    fn errors_name_the_element() {
        for (text, place) in [
            (r#"{"resourceType":"Location","position":{"latitude":01.5}}"#, Some("Location.position.latitude")),
            (
                r#"{"resourceType":"Patient","name":[{"family":"a\"]"},{"given":["x",NaN]}]}"#,
                Some("Patient.name[1].given[1]"),
            ),
            (r#"{"resourceType":"Patient","active":true,"gender":"male","active":false}"#, Some("Patient.active")),
            (r#"{"resourceType":"Patient","_gender":{"id":}}"#, Some("Patient.gender.id")),
            (r#"{"resourceType":"Patient","gender":"male",}"#, Some("Patient")),
            (r#"{"resourceType":"Patient","gender":"male" "active":true}"#, Some("Patient.gender")),
            (r#"{"active":+1,"resourceType":"Patient"}"#, None),
            (r#"{"resourceType":"Pat ient","active":.5}"#, None),
            ("[01]", None),
            ("", None),
        ] {
            let fault = parse(text.as_bytes()).expect_err(text);
            assert_eq!(fault.issues()[0].expression.as_deref(), place, "{text}: {fault}");
        }
    }
}
