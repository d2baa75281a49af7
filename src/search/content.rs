//! The words of a resource: of its narrative for `_text`, of all its texts for `_content` (FHIR R4 `search.html`,
//! 3.1.1.4.20).
//!
//! Texts are all strings but ids, references, URLs and URNs, dates, UUIDs and base64 data: those are not words.

use super::kind::element::{object, text};
use super::kind::words::append;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};

/// Most bytes of words of a resource that are searched by `_content`, and of a narrative by `_text`.
const WORDS_MAX: usize = 64 << 10;

/// Properties whose strings are no text.
const NO_TEXT: [u16; 10] = [
    names::RESOURCE_TYPE,
    names::ID,
    names::META,
    names::REFERENCE,
    names::SYSTEM,
    names::URL,
    names::DATA,
    names::CONTENT_TYPE,
    names::IMPLICIT_RULES,
    names::HASH,
];

/// The words of the narrative, one space between.
pub fn narrative(resource: &Object) -> Box<str> {
    let mut out = String::new();
    if let Some(div) = object(resource, names::TEXT).and_then(|narrative| text(narrative, names::DIV)) {
        append(&plain(div), WORDS_MAX, &mut out);
    }
    out.into()
}

/// The words of all texts, one space between.
pub fn content(resource: &Object) -> Box<str> {
    let mut out = String::with_capacity(256);
    add_object(resource, &mut out);
    out.into()
}

fn add_object(object: &Object, out: &mut String) {
    for (name, json) in object.iter() {
        match (name.id(), json) {
            (Some(name), _) if NO_TEXT.contains(&name) => {}
            (Some(names::DIV), Json::String(div)) => append(&plain(div), WORDS_MAX, out),
            (_, json) => add(json, out),
        }
    }
}

fn add(json: &Json, out: &mut String) {
    match json {
        Json::Object(object) => add_object(object, out),
        Json::Array(items) => items.iter().for_each(|item| add(item, out)),
        Json::String(text) if is_text(text) => append(text, WORDS_MAX, out),
        _ => {}
    }
}

/// Whether a string is a text: no URL, URN, date or UUID.
fn is_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let is_date = digits(0..4) && bytes.get(4) == Some(&b'-') && digits(5..7);
    let is_uuid = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
    let is_uri = ["http://", "https://", "urn:"].iter().any(|start| text.starts_with(start));
    !(is_date || is_uuid || is_uri)
}

/// The text of XHTML: without tags and comments, which count as white space, and with its entities replaced.
fn plain(xhtml: &str) -> String {
    let mut out = String::with_capacity(xhtml.len());
    let mut rest = xhtml;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let (end, skipped) = match after {
            _ if after.starts_with("<!--") => ("-->", 3),
            _ if after.starts_with('<') => (">", 1),
            _ => (";", 1),
        };
        let Some(length) = after.find(end) else { return out };
        match after.strip_prefix('&').and_then(|entity| entity.get(..length - 1)) {
            Some(entity) => out.extend(character(entity)),
            None => out.push(' '),
        }
        rest = &after[length + skipped..];
    }
    out.push_str(rest);
    out
}

/// The character of an entity of XML, or of the few of XHTML that stand in words.
fn character(entity: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    match entity.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(digits, 10),
        },
        None => Some(match entity {
            "apos" => '\'',
            "auml" => 'ä',
            "ouml" => 'ö',
            "uuml" => 'ü',
            "Auml" => 'Ä',
            "Ouml" => 'Ö',
            "Uuml" => 'Ü',
            "szlig" => 'ß',
            "eacute" => 'é',
            "egrave" => 'è',
            "agrave" => 'à',
            "ccedil" => 'ç',
            "ntilde" => 'ñ',
            _ => ' ',
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    fn of(text: &str) -> (Box<str>, Box<str>) {
        let json = parse(text.as_bytes()).expect("JSON");
        let object = json.as_object().expect("an object");
        (narrative(object), content(object))
    }

    #[test]
    fn narratives_are_read_without_their_marks() {
        let (narrative, content) = of(r##"{"resourceType":"Condition","id":"abc","text":{"status":"generated","div":
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"hidden\">Bone</p>metast&#97;ses &amp; M&uuml;ller&#xE9;<!-- not > this -->x</div>"},
            "code":{"coding":[{"system":"http://s","code":"C-1","display":"Fracture"}]},"note":[{"text":"Arm, left"}],
            "recordedDate":"2020-01-02","identifier":[{"value":"0f8fad5b-d9cb-469f-a165-70867728950e"},{"value":"MRN7"}],
            "subject":{"reference":"Patient/secret","display":"Eve"}}"##);
        assert_eq!(&*narrative, "bone metastases mullere x");
        assert_eq!(&*content, "generated bone metastases mullere x c 1 fracture arm left mrn7 eve");
        assert_eq!(&*of(r#"{"text":{"div":"<div>a <b"}}"#).0, "a");
        assert_eq!(&*of(r#"{"text":{"div":"a & b"}}"#).0, "a");
        assert_eq!(of(r#"{"text":"x"}"#), ("".into(), "x".into()));
    }
}
