//! One primitive value: its format, and what an id, a narrative and a URI are held to beyond that.

use std::borrow::Cow;

use super::element;
use super::narrative;
use super::primitive::Primitive;
use super::state::{Check, Scope};
use super::uris;
use crate::fhir::definitions::element::Property;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::xml::{Scanner, Token, is_xml};

/// Checks a primitive value.
pub fn check<'j>(
    check: &mut Check<'_, 'j>,
    primitive: Primitive,
    json: &'j Json,
    property: &Property,
    scope: &Scope<'j>,
    path: &Path,
) {
    // of narratives the rest is asked by `txt-1` and `txt-2`
    let is_shape = check.options.shape_only || (check.has_rules && primitive == Primitive::Xhtml);
    let plain = json.as_str().filter(|_| check.options.takes_unstorable).and_then(|text| storable(primitive, text));
    if plain.is_some() {
        let text = || {
            format!(
                "{}: cannot be stored with control characters, nor a narrative with CDATA or something around its div",
                property.name
            )
        };
        check.warn("value", text, path);
    }
    let judged = plain.as_ref().unwrap_or(json);
    let checked = if is_shape { primitive.shape(judged) } else { primitive.check(judged) };
    if let Err((code, text)) = checked {
        return check.fail(code, || format!("{}: {text} (type {})", property.name, property.type_id.name()), path);
    }
    if primitive == Primitive::String && property.name.id() == Some(names::ID) {
        return element::id(check, json.as_str().unwrap_or(""), scope, path);
    }
    if check.options.refuses_markup && primitive == Primitive::String {
        markup(check, json.as_str().unwrap_or(""), path);
    }
    if primitive == Primitive::Xhtml && check.options.is_thorough {
        narrative::check(check, judged.as_str().unwrap_or(""), scope, path);
    }
    if primitive == Primitive::Uri && !check.options.shape_only {
        uris::check(check, json.as_str().unwrap_or(""), property, scope, path);
    }
}

/// Refuses a text with what a browser could take for a tag.
fn markup(check: &mut Check<'_, '_>, text: &str, path: &Path) {
    let is_tag = |rest: &str| {
        let name = rest.strip_prefix(['/', '!', '?']).unwrap_or(rest);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') && rest.contains('>')
    };
    if text.match_indices('<').any(|(at, _)| is_tag(&text[at + 1..])) {
        check.fail("security", || "a text must not have tags of HTML".to_owned(), path);
    }
}

/// What could be stored in place of a text that cannot, though others take it: one with control characters, or a narrative with
/// something around its `div` or with markup in sections of CDATA.
pub fn storable(primitive: Primitive, text: &str) -> Option<Json> {
    let is_foreign = |c: char| !is_xml(c.encode_utf8(&mut [0; 4]));
    if primitive != Primitive::Xhtml {
        let plain = |c: char| match is_foreign(c) {
            true if c.is_whitespace() && primitive != Primitive::String => ' ',
            true => '?',
            false => c,
        };
        return (!is_xml(text)).then(|| Json::string(text.chars().map(plain).collect::<String>()));
    }
    let plain = if is_xml(text) { Cow::Borrowed(text) } else { Cow::Owned(text.replace(is_foreign, "")) };
    let plain = after_prolog(&plain);
    let end = end_of_first(plain).unwrap_or(plain.len());
    let plain = without_sections(&plain[..end]);
    (*plain != *text).then(|| Json::string(&*plain))
}

/// What follows the prolog of a document: a declaration of XML or of a type without entities, comments, instructions.
fn after_prolog(text: &str) -> &str {
    let mut rest = text;
    loop {
        let start = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let end = if start.starts_with("<!--") {
            start.find("-->").map(|at| at + 3)
        } else if start.starts_with("<?") {
            start.find("?>").map(|at| at + 2)
        } else if start.starts_with("<!DOCTYPE") {
            start.find(['>', '[']).filter(|at| start[*at..].starts_with('>')).map(|at| at + 1)
        } else {
            None
        };
        match end {
            Some(end) => rest = &start[end..],
            // white space around a `div` is no prolog
            None => return if rest.len() == text.len() { text } else { start },
        }
    }
}

/// A narrative without its sections of CDATA, of which a browser shows nothing.
fn without_sections(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    while let Some(start) = out.find(SECTION) {
        let Some(end) = out[start..].find("]]>").map(|at| start + at + 3) else { break };
        out.to_mut().replace_range(start..end, "");
    }
    out
}

/// What begins a section of CDATA.
const SECTION: &str = "<![CDATA[";

/// Where the first element of a text ends.
fn end_of_first(text: &str) -> Option<usize> {
    let mut scan = Scanner::new(text).ok()?;
    let mut depth = 0_usize;
    loop {
        match scan.token().ok()? {
            Token::Start(tag) if !tag.is_empty => depth += 1,
            Token::End if depth == 1 => return text.get(..scan.end()).map(str::len),
            Token::End => depth = depth.checked_sub(1)?,
            Token::Eof => return None,
            _ => {}
        }
    }
}
