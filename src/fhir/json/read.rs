//! Reading JSON (RFC 8259) into the tree.

use super::tree::{Json, Number, Object, number_end};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::DEEPEST_NESTING;
use crate::fhir::name::Name;

/// Nesting allowed by [`parse`].
const NESTING: usize = 64;

/// Objects with more properties than this look for duplicate keys with a set.
const FEW: usize = 24;

/// Parses one JSON value from UTF-8 text, with nesting up to 64.
///
/// # Errors
/// 400 with line and column: bad syntax, invalid UTF-8, duplicate keys, nesting, trailing text.
pub fn parse(text: &[u8]) -> Result<Json> {
    parse_with(text, NESTING)
}

/// Parses text that this server has stored, whatever the limit was then.
///
/// # Errors
/// See [`parse`]; the text is corrupt.
pub fn parse_stored(text: &[u8]) -> Result<Json> {
    parse_with(text, DEEPEST_NESTING)
}

/// Parses one JSON value from UTF-8 text, with nesting up to `nesting`.
///
/// # Errors
/// See [`parse`].
pub fn parse_with(text: &[u8], nesting: usize) -> Result<Json> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let valid = std::str::from_utf8(text).map_err(|e| fault_at(text, e.valid_up_to(), "invalid UTF-8"))?;
    let mut reader = Reader { text: valid, at: 0, depth: nesting };
    reader.space();
    let json = reader.value()?;
    reader.space();
    if reader.at < valid.len() {
        return Err(reader.fault("unexpected text after the end of the JSON value"));
    }
    Ok(json)
}

/// A fault at a byte position of a text.
fn fault_at(text: &[u8], at: usize, message: &str) -> Fault {
    let before = &text[..at.min(text.len())];
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let column = 1 + before.len() - memchr::memrchr(b'\n', before).map_or(0, |n| n + 1);
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Fault::coded(Category::Invalid, "structure", format!("invalid JSON: {message}")).on(small(line), small(column))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many levels may still be opened.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn fault(&self, message: &str) -> Fault {
        fault_at(self.bytes(), self.at, message)
    }

    fn unexpected(&self, expected: &str) -> Fault {
        match self.text[self.at..].chars().next() {
            None => self.fault(&format!("expected {expected}, found the end of the text")),
            Some(found) => self.fault(&format!("expected {expected}, found {found:?}")),
        }
    }

    fn value(&mut self) -> Result<Json> {
        match self.peek() {
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json>) -> Result<Json> {
        if self.depth == 0 {
            return Err(self.fault("nested too deeply"));
        }
        self.depth -= 1;
        self.at += 1;
        let json = read(self)?;
        self.depth += 1;
        Ok(json)
    }

    fn word(&mut self, word: &str, json: Json) -> Result<Json> {
        if !self.bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(json)
    }

    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        match number_end(self.bytes(), start) {
            Ok(end) => {
                self.at = end;
                Ok(Json::Number(Number::checked(&self.text[start..end])))
            }
            Err(at) => {
                self.at = at;
                Err(self.unexpected("a digit"))
            }
        }
    }

    fn array(&mut self) -> Result<Json> {
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value()?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn object(&mut self) -> Result<Json> {
        let mut object = Object::new();
        let mut seen = hashbrown::HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(object));
        }
        loop {
            self.space();
            let start = self.at;
            let name = self.name()?;
            if is_duplicate(&object, &name, &mut seen) {
                self.at = start;
                return Err(self.fault(&format!("duplicate property \"{name}\"")));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            object.push(name, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
        self.at += 1;
        Ok(Json::Object(object))
    }

    fn name(&mut self) -> Result<Name> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a property name"));
        }
        let rest = &self.bytes()[self.at + 1..];
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(end) if rest[end] == b'"' && !rest[..end].iter().any(|b| *b < 0x20) => {
                let name = Name::new(&self.text[self.at + 1..self.at + 1 + end]);
                self.at += end + 2;
                Ok(name)
            }
            _ => Ok(Name::new(&self.string()?)),
        }
    }

    fn string(&mut self) -> Result<Box<str>> {
        self.at += 1;
        let start = self.at;
        self.plain()?;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(self.text[start..self.at - 1].into());
        }
        let mut out = String::from(&self.text[start..self.at]);
        while self.peek() == Some(b'\\') {
            out.push(self.escape()?);
            let from = self.at;
            self.plain()?;
            out.push_str(&self.text[from..self.at]);
        }
        self.at += 1;
        Ok(out.into())
    }

    /// Moves over text up to the next `"` or `\`.
    fn plain(&mut self) -> Result<()> {
        let rest = &self.bytes()[self.at..];
        let Some(len) = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
            self.at = self.text.len();
            return Err(self.unexpected("`\"`"));
        };
        self.at += len;
        if rest[len] < 0x20 {
            return Err(self.fault("control character in a string"));
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        let letter = self.bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => {
                self.at = start;
                return Err(self.fault("unknown escape in a string"));
            }
        })
    }

    fn unicode(&mut self, start: usize) -> Result<char> {
        let mut code = self.hex4(start)?;
        if (0xD800..0xDC00).contains(&code) && self.bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex4(start)?;
            if (0xDC00..0xE000).contains(&low) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
        }
        char::from_u32(code).ok_or_else(|| {
            self.at = start;
            self.fault("unpaired surrogate in a string")
        })
    }

    fn hex4(&mut self, start: usize) -> Result<u32> {
        let digits = self.bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u32::from_str_radix(d, 16).ok());
        let Some(code) = code else {
            self.at = start;
            return Err(self.fault("unknown escape in a string"));
        };
        self.at += 4;
        Ok(code)
    }
}

fn is_duplicate(object: &Object, name: &Name, seen: &mut hashbrown::HashSet<Name>) -> bool {
    if object.len() < FEW {
        return object.get_name(name).is_some();
    }
    if seen.is_empty() {
        seen.extend(object.iter().map(|(n, _)| n.clone()));
    }
    !seen.insert(name.clone())
}

#[cfg(test)]
mod tests {
    use super::super::write::{pretty, write};
    use super::*;

    fn round(text: &str) -> String {
        let mut out = Vec::new();
        write(&parse(text.as_bytes()).expect(text), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn keeps_numbers_and_order() {
        let text = r#"{"z":1.00,"a":[1e2,-0.0,1E+5],"value":"x"}"#;
        assert_eq!(round(text), text);
    }

    #[test]
    fn reads_every_escape() {
        assert_eq!(round(r#""\u00e4\n\/\ud83d\ude00""#), "\"ä\\n/😀\"");
        assert_eq!(round("\"\\u0001\""), "\"\\u0001\"");
    }

    #[test]
    fn tells_line_and_column() {
        for (text, line, column, part) in [
            ("{\n  \"a\": 1,\n  \"a\": 2}", 3, 3, "duplicate property"),
            ("{\"a\":}", 1, 6, "expected a value"),
            ("[1,]", 1, 4, "expected a value"),
            ("01", 1, 2, "after the end"),
            ("1.", 1, 3, "expected a digit"),
            ("\"\n\"", 1, 2, "control character"),
            ("\"\\x\"", 1, 2, "unknown escape"),
            ("\"\\ud800\"", 1, 2, "surrogate"),
            ("", 1, 1, "end of the text"),
            ("nul", 1, 1, "expected a value"),
        ] {
            let fault = parse(text.as_bytes()).expect_err(text);
            assert!(fault.message().contains(part), "{text}: {fault}");
            assert_eq!(fault.issues()[0].position, Some((line, column)), "{text}: {fault}");
        }
        assert!(parse(b"\"\xff\"").expect_err("UTF-8").message().contains("UTF-8"));
    }

    #[test]
    fn bounds_nesting() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(deep(64).as_bytes()).is_ok());
        assert!(parse(deep(65).as_bytes()).is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn many_properties_stay_unique() {
        let body: Vec<String> = (0..1000).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(parse(format!("{{{}}}", body.join(",")).as_bytes()).is_ok());
        assert!(parse(format!("{{{},\"k500\":0}}", body.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn indents() {
        let shown = pretty(br#"{"a":[1,{"b":"x,:{"}],"c":{},"d":[]}"#);
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,:{\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}";
        assert_eq!(String::from_utf8(shown).expect("UTF-8"), expected);
    }
}
