//! The formats of the primitive types (FHIR R4 `datatypes.html#primitive`), checked by hand for speed.

use std::borrow::Cow;

use crate::fhir::json::{Json, Number};
use crate::fhir::types::ResourceId;
use crate::fhir::xml::{NarrativeRule, is_narrative, is_xml, narrative_problem};

/// Most characters of a string or markdown.
const STRING_CHARACTERS: usize = 1 << 20;

/// The white space of XML.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// `base64Binary`
    Base64Binary,
    /// `boolean`
    Boolean,
    /// `code`
    Code,
    /// `date`
    Date,
    /// `dateTime`
    DateTime,
    /// `decimal`
    Decimal,
    /// `id`
    Id,
    /// `instant`
    Instant,
    /// `integer`
    Integer,
    /// `oid`
    Oid,
    /// `positiveInt`
    PositiveInt,
    /// `string` and `markdown`
    String,
    /// `time`
    Time,
    /// `unsignedInt`
    UnsignedInt,
    /// `uri`, `url` and `canonical`
    Uri,
    /// `uuid`
    Uuid,
    /// `xhtml`
    Xhtml,
}

/// What is wrong with a value: the code of an issue (`structure` or `value`) and a text.
pub type Problem = (&'static str, Cow<'static, str>);

impl Primitive {
    /// The primitive type with a name.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" | "markdown" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" | "url" | "canonical" => Self::Uri,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong: the kind of JSON value, or the format.
    pub fn check(self, json: &Json) -> Result<(), Problem> {
        if json.as_str().is_some_and(|text| self.is_plain(text)) {
            return Ok(());
        }
        match (self, json) {
            (Self::Xhtml, Json::String(text)) if !is_blank(text) => match narrative_problem(text) {
                Some(problem) if problem.rule == NarrativeRule::Xhtml => Err(("value", problem.text)),
                Some(problem) => Err(("invariant", problem.text)),
                None => Ok(()),
            },
            _ => self.full_shape(json).and_then(|()| self.format(json)),
        }
    }

    /// Checks only what both JSON and XML need of a value: its kind in JSON, and a text that can stand in XML and is not
    /// blank there.
    ///
    /// # Errors
    /// What is wrong.
    pub fn shape(self, json: &Json) -> Result<(), Problem> {
        if json.as_str().is_some_and(|text| self.is_plain_shape(text)) {
            return Ok(());
        }
        self.full_shape(json)
    }

    fn full_shape(self, json: &Json) -> Result<(), Problem> {
        let (code, problem) = match (self, json) {
            (Self::Boolean, Json::Bool(_)) => return Ok(()),
            (Self::Boolean, _) => ("structure", "must be true or false"),
            (Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt, Json::Number(_)) => return Ok(()),
            (Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt, _) => {
                ("structure", "must be a JSON number")
            }
            (Self::String, Json::String(text)) if text.is_empty() => ("value", "must not be empty"),
            (_, Json::String(text)) if self != Self::String && is_blank(text) => {
                ("value", "must not be empty or only white space")
            }
            (Self::Xhtml, Json::String(text)) if is_narrative(text) => return Ok(()),
            (Self::Xhtml, Json::String(_)) => {
                ("value", "must be one div of well-formed XHTML, without entities of HTML")
            }
            (_, Json::String(text)) if !is_xml(text) => ("value", "must not have control characters"),
            (Self::String, Json::String(_)) => return Ok(()),
            (_, Json::String(text)) if text.trim_matches(BLANKS).len() < text.len() => {
                ("value", "must not begin or end with white space")
            }
            (_, Json::String(_)) => return Ok(()),
            _ => ("structure", "must be a JSON string"),
        };
        Err((code, problem.into()))
    }

    /// Whether the usual case of a text is all that is needed to know that it is right: most are plain ASCII.
    #[inline]
    fn is_plain(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::String => bytes.len() <= STRING_CHARACTERS && bytes.first() != Some(&b' ') && is_printable(bytes),
            Self::Code | Self::Uri => is_graphic(bytes),
            Self::Date => date(bytes) == Some(b""),
            Self::DateTime => is_date_time(bytes),
            Self::Instant => is_instant(bytes),
            Self::Id => ResourceId::is_valid(text),
            _ => false,
        }
    }

    /// As [`Self::is_plain`], of the shape alone.
    #[inline]
    fn is_plain_shape(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let is_text = !matches!(
            self,
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt | Self::Xhtml
        );
        is_text && bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ') && is_printable(bytes)
    }

    /// Whether a text has the format of the type.
    pub fn is_text(self, text: &str) -> bool {
        !is_blank(text) && is_xml(text) && self.text(text).is_ok()
    }

    /// Checks the format of a value of the right shape.
    fn format(self, json: &Json) -> Result<(), Problem> {
        let checked = match (self, json) {
            (Self::Integer | Self::PositiveInt | Self::UnsignedInt, Json::Number(number)) => self.integer(number),
            (_, Json::String(text)) => self.text(text),
            _ => Ok(()),
        };
        checked.map_err(|problem| ("value", problem.into()))
    }

    fn integer(self, number: &Number) -> Result<(), &'static str> {
        let (least, text) = match self {
            Self::PositiveInt => (1, "must be an integer from 1 to 2147483647"),
            Self::UnsignedInt => (0, "must be an integer from 0 to 2147483647"),
            _ => (i32::MIN, "must be an integer of 32 bits"),
        };
        // the pattern of integers has a sign before 0
        let may_be = number.as_str() != "-0" || matches!(self, Self::Integer);
        let is_fine = may_be && number.as_str().parse::<i32>().is_ok_and(|value| value >= least);
        if is_fine { Ok(()) } else { Err(text) }
    }

    fn text(self, text: &str) -> Result<(), &'static str> {
        let bytes = text.as_bytes();
        let (is_fine, problem) = match self {
            Self::Base64Binary => (is_base64(bytes), "must be base64"),
            Self::Code => (is_code(text), "must not have white space but single spaces between other characters"),
            Self::Date => (date(bytes) == Some(b""), "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"),
            Self::DateTime => (is_date_time(bytes), "must be a date, or a date with time and zone"),
            Self::Instant => {
                let problem = "must be an instant: YYYY-MM-DDThh:mm:ss with optional fraction, and a zone";
                (is_instant(bytes), problem)
            }
            Self::Id => (ResourceId::is_valid(text), "must be 1 to 64 letters, digits, `-` and `.`"),
            Self::Oid => (is_oid(text), "must be an OID such as urn:oid:1.2.3"),
            Self::Time => (time(bytes) == Some(b""), "must be a time: hh:mm:ss with optional fraction"),
            Self::Uri => (!has_space(text), "must not have spaces"),
            Self::Uuid => (is_uuid(bytes), "must be a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            _ => (
                text.len() <= STRING_CHARACTERS || text.chars().count() <= STRING_CHARACTERS,
                "must not be longer than 1,048,576 characters",
            ),
        };
        if is_fine { Ok(()) } else { Err(problem) }
    }
}

/// Whether a text is not empty, and printable ASCII.
fn is_printable(bytes: &[u8]) -> bool {
    is_within(bytes, b' ')
}

/// Whether a text is not empty, and printable ASCII without spaces.
fn is_graphic(bytes: &[u8]) -> bool {
    is_within(bytes, b'!')
}

/// Whether there are bytes, and all of them are from `least` to `~`; eight at a time.
#[inline]
fn is_within(bytes: &[u8], least: u8) -> bool {
    let each = |byte: u8| u64::from_ne_bytes([byte; 8]);
    // the high bits of bytes that are too small, too large or not ASCII: with none of them there are no carries
    let outside = |word: u64| (word | word.wrapping_sub(each(least)) | word.wrapping_add(each(1))) & each(0x80);
    let word = |chunk: &[u8]| chunk.first_chunk().map_or(0, |chunk| u64::from_ne_bytes(*chunk));
    let Some(last) = bytes.last_chunk::<8>() else {
        return !bytes.is_empty() && bytes.iter().all(|byte| (least..=b'~').contains(byte));
    };
    let before = bytes.chunks_exact(8).fold(0, |bad, chunk| bad | outside(word(chunk)));
    (before | outside(u64::from_ne_bytes(*last))) == 0
}

/// Whether nothing is left of a text without the white space around it, as XML reads it.
fn is_blank(text: &str) -> bool {
    text.trim_matches(BLANKS).is_empty()
}

fn has_space(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|b| b <= b' ');
    }
    text.chars().any(char::is_whitespace)
}

fn is_code(text: &str) -> bool {
    let mut was_space = true;
    for c in text.chars() {
        if c.is_whitespace() && (was_space || c != ' ') {
            return false;
        }
        was_space = c == ' ';
    }
    !was_space
}

fn is_base64(bytes: &[u8]) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for byte in bytes {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            // white space stands between groups of four, says the pattern of the type
            b' ' | b'\t' | b'\r' | b'\n' if (digits + padding).is_multiple_of(4) => {}
            _ => return false,
        }
    }
    padding <= 2 && digits > 0 && (digits + padding).is_multiple_of(4)
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = arcs.split('.');
    let is_arc = |arc: &str| arc == "0" || (!arc.starts_with('0') && !arc.is_empty());
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && text.len() > "urn:oid:1".len()
        && arcs.all(|arc| is_arc(arc) && arc.bytes().all(|b| b.is_ascii_digit()))
}

fn is_uuid(bytes: &[u8]) -> bool {
    let Some(uuid) = bytes.strip_prefix(b"urn:uuid:") else { return false };
    let is_right = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    uuid.len() == 36 && uuid.iter().enumerate().all(is_right)
}

/// Takes `N` digits: their value and the rest.
fn digits<const N: usize>(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<N>()?;
    let mut value = 0;
    for digit in digits {
        value = value * 10 + char::from(*digit).to_digit(10)?;
    }
    Some((value, rest))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Takes a date of the calendar of any precision: the rest.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (year, rest) = digits::<4>(bytes)?;
    let Some(rest) = rest.strip_prefix(b"-") else { return (year > 0).then_some(rest) };
    let (month, rest) = digits::<2>(rest)?;
    if year == 0 || !(1..=12).contains(&month) {
        return None;
    }
    let Some(rest) = rest.strip_prefix(b"-") else { return Some(rest) };
    let (day, rest) = digits::<2>(rest)?;
    (1..=days(year, month)).contains(&day).then_some(rest)
}

/// Takes a time with seconds: the rest. The second 60 is that of a leap second.
fn time(bytes: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = digits::<2>(bytes)?;
    let (minute, rest) = digits::<2>(rest.strip_prefix(b":")?)?;
    let (second, rest) = digits::<2>(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    (len > 0).then(|| &fraction[len..])
}

fn is_zone(bytes: &[u8]) -> bool {
    let (b"+" | b"-", rest) = bytes.split_at(bytes.len().min(1)) else { return bytes == b"Z" };
    let Some((hour, rest)) = digits::<2>(rest) else { return false };
    let Some((minute, [])) = rest.strip_prefix(b":").and_then(digits::<2>) else { return false };
    (hour < 14 && minute < 60) || (hour == 14 && minute == 0)
}

fn is_instant(bytes: &[u8]) -> bool {
    let Some((b"T", rest)) = date(bytes).map(|rest| rest.split_at(rest.len().min(1))) else { return false };
    // a date of lower precision leaves its `T` earlier
    bytes.get(10) == Some(&b'T') && time(rest).is_some_and(is_zone)
}

fn is_date_time(bytes: &[u8]) -> bool {
    date(bytes) == Some(b"") || is_instant(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fhir::json::parse;

    fn check(name: &str, json: &str) -> bool {
        Primitive::find(name).expect(name).check(&parse(json.as_bytes()).expect(json)).is_ok()
    }

    #[test]
    fn accepts_and_refuses() {
        for (name, good, bad) in [
            ("boolean", "true false", "\"true\" 1 null"),
            ("integer", "0 -0 -1 2147483647 -2147483648", "1.0 1e2 2147483648 \"1\""),
            ("unsignedInt", "0 2147483647", "-1 1.5"),
            ("positiveInt", "1", "0 -1"),
            ("decimal", "0 1.00 -1e-9 1e999999999", "\"1\" true"),
            ("string", "\"a\" \"ä\\n\\t\" \"\\t\\n\"", "\"\" \"\\u0001\" \"\\uffff\" 1 {} []"),
            ("code", "\"a\" \"a-b\"", "\"\" \"a\\tb\" \"a\\tb\\t\" \"\\ta\" \"a\\t\\tb\" \"a\\u0001b\""),
            ("id", "\"a-1.B\"", "\"a_b\" \"\" \"ä\""),
            ("uri", "\"urn:x\" \"#a\" \"ä\"", "\"a\\tb\" \"\\u00a0ä\" \"\" \"ä\\u0001\""),
            ("canonical", "\"http://x|1\"", "\"a\\nb\""),
            (
                "oid",
                "\"urn:oid:1.2.3\" \"urn:oid:2.0\"",
                "\"urn:oid:3.1\" \"urn:oid:1\" \"urn:oid:1.02\" \"urn:oid:1..2\" \"1.2\"",
            ),
            (
                "uuid",
                "\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\"",
                "\"urn:uuid:C757873D-ec9a-4326-a141-556f43239520\" \"c757873d-ec9a-4326-a141-556f43239520\" \"urn:uuid:c757873dec9a-4326-a141-556f43239520a\"",
            ),
            (
                "base64Binary",
                "\"QUJD\" \"QUI=\" \"QQ==\" \"QUJD\\nQUJD\"",
                "\"QUJD\\n\" \"QU\\nJD\" \"QUJ\" \"Q===\" \"QU=D\" \"QUJ_\" \"====\"",
            ),
            (
                "date",
                "\"2023\" \"2023-02\" \"2023-02-28\" \"2024-02-29\" \"2000-02-29\"",
                "\"2023-02-30\" \"1900-02-29\" \"2023-13\" \"0000\" \"23\" \"2023-1-1\" \"2023-01-01T00:00:00Z\" \"2023-\"",
            ),
            (
                "dateTime",
                "\"2023\" \"2023-02-28T23:59:59Z\" \"2023-02-28T23:59:60.123456789+14:00\" \"2023-02-28T00:00:00-13:59\"",
                "\"2023-02-30T00:00:00Z\" \"2023-02-28T24:00:00Z\" \"2023-02-28T10:00Z\" \"2023-02-28T10:00:00\" \"2023T10:00:00Z\" \"2023-02T10:00:00Z\" \"2023-02-28T10:00:00.Z\" \"2023-02-28T10:00:00+14:01\" \"2023-02-28T10:00:00+1:00\" \"2023-02-28T\"",
            ),
            ("instant", "\"2023-02-28T23:59:59.1Z\"", "\"2023-02-28\" \"2023-02-28T23:59:59\" \"2023T23:59:59Z\""),
            ("time", "\"23:59:59\" \"00:00:00.5\"", "\"24:00:00\" \"10:00\" \"10:00:00Z\" \"10:00:00.\""),
            (
                "xhtml",
                "\"<div\\txmlns='http://www.w3.org/1999/xhtml'>a&lt;b</div>\"",
                "\"text\" \"\" \"<div>\" \"<div/>\" \"<div>x</div>\" \"<div>&nbsp;</div>\" \"<p/>\"",
            ),
        ] {
            good.split(' ').for_each(|json| assert!(check(name, json), "{name} {json}"));
            bad.split(' ').for_each(|json| assert!(!check(name, json), "{name} {json}"));
        }
        assert!(
            check("code", "\"a b\"")
                && !check("code", "\" a\"")
                && !check("code", "\"a  b\"")
                && !check("uri", "\"a b\"")
        );
        for letter in ["x", "ä"] {
            let is_fine = |len: usize| Primitive::String.check(&Json::string(letter.repeat(len))).is_ok();
            assert!(is_fine(STRING_CHARACTERS) && !is_fine(STRING_CHARACTERS + 1), "{letter}");
        }
    }

    proptest! {
        /// What is taken for right at a glance is right.
        #[test]
        fn plain_is_right(text in "[ -~]{0,40}|[ -a\u{7f}é\t\u{1}\u{ffff}]{0,12}|[0-9TZ:+-]{4,25}|[0-9]{4}-[01][0-9]-[0-3][0-9]") {
            let json = Json::string(text.as_str());
            for kind in ["base64Binary", "code", "date", "dateTime", "decimal", "id", "instant", "oid", "string", "time", "uri", "uuid", "xhtml"] {
                let kind = Primitive::find(kind).expect("a primitive");
                prop_assert!(!kind.is_plain(&text) || (kind.full_shape(&json).is_ok() && kind.format(&json).is_ok()), "{:?}", kind);
                prop_assert!(!kind.is_plain_shape(&text) || kind.full_shape(&json).is_ok(), "{:?}", kind);
            }
            let all = |least: u8| !text.is_empty() && text.bytes().all(|b| (least..=b'~').contains(&b));
            prop_assert_eq!(is_printable(text.as_bytes()), all(b' '));
            prop_assert_eq!(is_graphic(text.as_bytes()), all(b'!'));
        }

        /// The hand-written checks agree with the regular expressions of the specification.
        #[test]
        fn agrees_with_the_specification(text in "[0-9]{4}(-[0-9]{2}){0,2}(T[0-9]{2}:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,2})?(Z|[+-][01][0-9]:[0-6][0-9])?)?") {
            let date = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1]))?)?";
            let full = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?";
            let matches = |pattern: &str| regex::Regex::new(&format!("^({pattern})$")).expect("a pattern").is_match(&text);
            let json = Json::string(text.as_str());
            let exists = |text: &str| text.len() < 10 || date_exists(&text[..10]);
            prop_assert_eq!(Primitive::Date.check(&json).is_ok(), matches(date) && exists(&text));
            prop_assert_eq!(Primitive::DateTime.check(&json).is_ok(), matches(full) && exists(&text));
            prop_assert_eq!(Primitive::Instant.check(&json).is_ok(), matches(full) && exists(&text) && text.contains('T'));
        }
    }

    fn date_exists(text: &str) -> bool {
        let parts: Vec<u32> = text.split('-').filter_map(|part| part.parse().ok()).collect();
        let divides = |n: u32| parts[0].is_multiple_of(n);
        let is_leap = (divides(4) && !divides(100)) || divides(400);
        let last = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        (1..=12).contains(&parts[1]) && parts[2] <= last[parts[1] as usize - 1]
    }
}
