//! Characters, names and values of XML 1.0.

use std::borrow::Cow;

use crate::base::fault::{Category, Fault};

/// A fault at a byte position of a text, with line and column from 1.
#[cold]
pub fn fault(text: &str, at: usize, message: &str) -> Fault {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let column = 1 + before.len() - memchr::memrchr(b'\n', before).map_or(0, |n| n + 1);
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Fault::coded(Category::Invalid, "structure", format!("invalid XML: {message}")).on(small(line), small(column))
}

/// Most characters of a text of the request in a message.
const SHOWN: usize = 200;

/// A text of the request, short and safe to show.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a byte is white space of XML.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether XML 1.0 may have this character (production 2).
pub fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether XML 1.0 can hold every character of a text.
pub fn is_xml(text: &str) -> bool {
    foreign(text).is_none()
}

/// Where a text has its first character that XML does not allow.
pub fn foreign(text: &str) -> Option<usize> {
    let is_bad = |(at, byte): (usize, u8)| match byte {
        0..=0x1f => !is_space(byte),
        // U+FFFE and U+FFFF
        0xef => matches!(text.as_bytes().get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])),
        _ => false,
    };
    text.bytes().enumerate().position(is_bad)
}

/// Whether a text is a name without a colon (`NCName`).
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

fn is_name_start(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

/// The character that a reference stands for: `lt` of `&lt;`, `#38` of `&#38;`.
pub fn reference(name: &str) -> Option<char> {
    let code = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix('x') {
            Some(hex) => number(hex, 16)?,
            None => number(digits, 10)?,
        },
        None => {
            return Some(match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                _ => return None,
            });
        }
    };
    char::from_u32(code).filter(|c| is_char(*c))
}

fn number(digits: &str, radix: u32) -> Option<u32> {
    let all_digits = digits.bytes().all(|b| char::from(b).is_digit(radix));
    if all_digits { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// The value of an attribute: references resolved, line ends and tabs become spaces (XML 1.0, 3.3.3).
///
/// # Errors
/// Where in `raw` a reference is wrong.
pub fn value(raw: &str) -> Result<Cow<'_, str>, usize> {
    let is_plain = memchr::memchr(b'&', raw.as_bytes()).is_none()
        && memchr::memchr3(b'\n', b'\r', b'\t', raw.as_bytes()).is_none();
    if is_plain {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some(offset) = raw[at..].find(['&', '\n', '\r', '\t']) {
        out.push_str(&raw[at..at + offset]);
        at += offset;
        if raw.as_bytes()[at] == b'&' {
            // the longest reference is that of U+10FFFF; leading zeros may make it longer
            let end = raw.as_bytes()[at..].iter().take(32).position(|b| *b == b';').ok_or(at)?;
            out.push(reference(&raw[at + 1..at + end]).ok_or(at)?);
            at += end + 1;
            continue;
        }
        out.push(' ');
        at += if raw[at..].starts_with("\r\n") { 2 } else { 1 };
    }
    out.push_str(&raw[at..]);
    Ok(Cow::Owned(out))
}

/// Appends a text as the value of an attribute in double quotes. White space other than a plain space is written by
/// number, so that it survives; a character that XML cannot have becomes U+FFFD.
pub fn push_value(text: &str, out: &mut Vec<u8>) {
    push(text, true, out);
}

/// Appends a text as the content of an element.
pub fn push_text(text: &str, out: &mut Vec<u8>) {
    push(text, false, out);
}

fn push(text: &str, is_value: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let (instead, len): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'"' if is_value => (b"&quot;", 1),
            b'\t' if is_value => (b"&#9;", 1),
            b'\n' if is_value => (b"&#10;", 1),
            b'\r' => (b"&#13;", 1),
            0..=0x1f if !is_space(byte) => ("\u{fffd}".as_bytes(), 1),
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => ("\u{fffd}".as_bytes(), 3),
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        out.extend_from_slice(instead);
        start = at + len;
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_and_white_space() {
        for (raw, expected) in [
            ("a", "a"),
            ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
            ("&#65;&#x42;&#x000043;&#128512;", "ABC😀"),
            ("a\nb\tc\r\nd\re&#10;&#13;&#9;", "a b c d e\n\r\t"),
        ] {
            assert_eq!(value(raw).as_deref(), Ok(expected), "{raw}");
        }
        for (raw, at) in [("x&y;", 1), ("&#0;", 0), ("&#xD800;", 0), ("&#+5;", 0), ("&#xFFFE;", 0), ("ab&", 2)] {
            assert_eq!(value(raw), Err(at), "{raw}");
        }
        assert_eq!(value("&#;"), Err(0));
    }

    #[test]
    fn characters() {
        assert_eq!(foreign("aä\n\r\t😀\u{fffd}"), None);
        assert_eq!(foreign("a\u{1}"), Some(1));
        assert_eq!(foreign("ab\u{ffff}"), Some(2));
        let mut out = Vec::new();
        push_value("\u{0}\u{fffe}<\n", &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "\u{fffd}\u{fffd}&lt;&#10;");
        assert!(is_name("ä-1.b") && !is_name("1a") && !is_name("") && !is_name("a:b") && !is_name("a b"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>()) {
            let mut out = Vec::new();
            push_value(&text, &mut out);
            let raw = String::from_utf8(out).expect("UTF-8");
            let expected: String = text.chars().map(|c| if is_char(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(foreign(&raw), None);
            let read = value(&raw).map(Cow::into_owned);
            prop_assert_eq!(read, Ok(expected));
        }
    }
}
