//! What could be stored in place of texts that cannot be, though others take them.

use std::borrow::Cow;

use super::primitive::Primitive;
use crate::fhir::json::Json;
use crate::fhir::xml::{Scanner, Token, is_xml};

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
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, section)) = rest.split_once(SECTION) {
        let Some((_, after)) = section.split_once("]]>") else { break };
        out.push_str(before);
        rest = after;
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sections_are_left_out_in_one_pass() {
        let text = format!("a{}b", "<![CDATA[]]>".repeat(1_000_000));
        assert_eq!(without_sections(&text), "ab");
        assert_eq!(without_sections("a<![CDATA[x]]>b<![CDATA[c"), "ab<![CDATA[c");
    }
}
