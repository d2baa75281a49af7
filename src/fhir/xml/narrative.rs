//! Narratives (FHIR R4 `narrative.html`): a `div` in the namespace of XHTML, kept as the text that was written.

use super::scan::{Namespace, Scanner, Tag, Token, XHTML};
use super::text::{is_space, push_text, push_value, shown};
use crate::base::fault::{Fault, Result};
use crate::base::limits::DEEPEST_NESTING;

/// Whether a text is one `div` of well-formed XHTML and nothing else. It may leave the namespace unsaid.
pub fn is_narrative(text: &str) -> bool {
    whole(trimmed(text)).is_ok()
}

/// Reads the narrative that begins with `tag`: its text as it stands there. Only where its namespace is declared
/// outside of it or by a prefix, tags are written anew.
///
/// # Errors
/// 400 for what is not well-formed, not a `div`, or not XHTML.
pub fn read<'a>(scan: &mut Scanner<'a>, tag: &Tag<'a>) -> Result<Box<str>> {
    let mut out = Vec::new();
    walk(scan, tag, false, &mut out)?;
    String::from_utf8(out).map(Into::into).map_err(|_| Fault::internal("a narrative that is not UTF-8"))
}

/// Appends a narrative to XML. A stored text that is not XHTML is shown as the text that it is.
pub fn write(text: &str, out: &mut Vec<u8>) {
    let text = trimmed(text);
    match whole(text) {
        Ok(mut div) => out.append(&mut div),
        Err(_) => {
            out.extend_from_slice(format!("<div xmlns=\"{XHTML}\">").as_bytes());
            push_text(text, out);
            out.extend_from_slice(b"</div>");
        }
    }
}

/// A text without the white space around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// Reads a text that is one `div` and gives it as it can stand in XML.
fn whole(text: &str) -> Result<Vec<u8>> {
    let mut scan = Scanner::new(text)?;
    let Token::Start(tag) = scan.token()? else { return Err(scan.fault(0, "expected a div")) };
    let mut out = Vec::with_capacity(text.len() + 64);
    walk(&mut scan, &tag, true, &mut out)?;
    match scan.token()? {
        Token::Eof => Ok(out),
        _ => Err(scan.fault(scan.start(), "text after the div")),
    }
}

/// Copies the element that begins with `root`. With `may_be_bare` elements may be in no namespace, as JSON has them.
fn walk<'a>(scan: &mut Scanner<'a>, root: &Tag<'a>, may_be_bare: bool, out: &mut Vec<u8>) -> Result<()> {
    if root.name != "div" {
        return Err(scan.fault(root.at, "a narrative must be a div"));
    }
    check(scan, root, may_be_bare)?;
    if root.has_default && root.prefix.is_empty() && !root.has_prefixes {
        copy(scan, out);
    } else {
        rebuild(root, true, out);
    }
    let outside = scan.depth() - usize::from(!root.is_empty);
    while scan.depth() > outside {
        match scan.token()? {
            Token::Start(tag) => {
                check(scan, &tag, may_be_bare)?;
                if scan.depth() - outside > DEEPEST_NESTING {
                    return Err(scan.fault(tag.at, "nested too deeply"));
                }
                if tag.prefix.is_empty() && !tag.has_prefixes {
                    copy(scan, out);
                } else {
                    rebuild(&tag, false, out);
                }
            }
            Token::End => end(scan, out),
            // HTML does not know CDATA, so its text is written as any other
            Token::Text | Token::Nothing => match section(scan) {
                Some(text) => push_text(text, out),
                None => copy(scan, out),
            },
            Token::Eof => break,
        }
    }
    Ok(())
}

fn check(scan: &Scanner<'_>, tag: &Tag<'_>, may_be_bare: bool) -> Result<()> {
    let is_xhtml = match tag.namespace {
        Some(namespace) => namespace == Namespace::Xhtml,
        None => may_be_bare && !tag.has_default,
    };
    if !is_xhtml {
        let message = format!("the element \"{}\" of a narrative must be in the namespace {XHTML}", shown(tag.name));
        return Err(scan.fault(tag.at, message));
    }
    let is_foreign = |name: &str| name.split_once(':').is_some_and(|(prefix, _)| prefix != "xml");
    match tag.attributes.iter().find(|attribute| is_foreign(attribute.name)) {
        Some(attribute) => {
            Err(scan.fault(attribute.at, format!("unknown attribute \"{}\" in a narrative", shown(attribute.name))))
        }
        None => Ok(()),
    }
}

/// The text of the last token, if it is a section of CDATA.
fn section<'a>(scan: &Scanner<'a>) -> Option<&'a str> {
    scan.text().get(scan.start()..scan.end())?.strip_prefix("<![CDATA[")?.strip_suffix("]]>")
}

/// Copies the last token as it stands.
fn copy(scan: &Scanner<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(scan.text().as_bytes().get(scan.start()..scan.end()).unwrap_or_default());
}

/// Copies an end tag without its prefix.
fn end(scan: &Scanner<'_>, out: &mut Vec<u8>) {
    let raw = scan.text().get(scan.start()..scan.end()).unwrap_or_default();
    match raw.split_once(':') {
        Some((_, name)) => {
            out.extend_from_slice(b"</");
            out.extend_from_slice(name.as_bytes());
        }
        None => out.extend_from_slice(raw.as_bytes()),
    }
}

fn rebuild(tag: &Tag<'_>, is_root: bool, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(tag.name.as_bytes());
    if is_root {
        out.extend_from_slice(format!(" xmlns=\"{XHTML}\"").as_bytes());
    }
    for attribute in &tag.attributes {
        out.push(b' ');
        out.extend_from_slice(attribute.name.as_bytes());
        out.extend_from_slice(b"=\"");
        push_value(&attribute.value, out);
        out.push(b'"');
    }
    out.extend_from_slice(if tag.is_empty { b"/>" } else { b">" });
}
