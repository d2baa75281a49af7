//! Encoding and escaping of texts (FHIRPath 3.0, "Additional String Functions").

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::string;
use crate::fhir::fhirpath::eval::bounded_text;
use crate::fhir::fhirpath::value::Collection;
use crate::fhir::json;

/// Padding may be there or not, and the last digit may have bits to spare.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Applies a conversion that the argument names; empty when it is unknown or does not fit the text.
fn converted<'a>(
    m: &mut Machine<'a, '_>,
    input: &Collection<'a>,
    arguments: &[Code],
    with: fn(&str, &str) -> Option<String>,
) -> Result<Collection<'a>> {
    let (text, format) = (string(input, "a function on strings")?, args::text(m, arguments, 0)?);
    match text.zip(format).and_then(|(text, format)| with(&text, &format)) {
        Some(result) => bounded_text(m, result.into()),
        None => Ok(Collection::new()),
    }
}

/// `encode(format)`: as `hex`, `base64`, `urlbase64` or `ascii`, which has `?` for every other character.
pub fn encode<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| match format {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(to_base64(text.as_bytes())),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        "ascii" => Some(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()),
        _ => None,
    })
}

/// `decode(format)`: from `hex`, `base64` or `urlbase64`.
pub fn decode<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| {
        let bytes = match format {
            "hex" => from_hex(text)?,
            "base64" => from_base64(text)?,
            "urlbase64" => URL_SAFE.decode(text).ok()?,
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    })
}

/// Bytes in base64 (RFC 4648, 4), padded.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a text in base64 (RFC 4648, 4), padded or not; none when it is not.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|n| u8::try_from(n).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// `escape(target)`: for `html` or `json`.
pub fn escape<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| match format {
        "html" => Some(escape_html(text)),
        "json" => {
            let mut out = Vec::new();
            json::write_string(text, &mut out);
            let quoted = String::from_utf8(out).ok()?;
            Some(quoted[1..quoted.len() - 1].to_owned())
        }
        _ => None,
    })
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// `unescape(target)`: from `html` or `json`.
pub fn unescape<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| match format {
        "html" => Some(unescape_html(text)),
        "json" => unescape_json(text),
        _ => None,
    })
}

/// Undoes character references: by number, and the names that XML has; others stay.
fn unescape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').and_then(|(name, after)| Some((reference(name)?, after)));
        rest = match known {
            Some((found, after)) => {
                out.push(found);
                after
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out + rest
}

fn reference(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(number).filter(|c| *c != '\0')
        }
    }
}

/// Undoes the escapes of JSON (RFC 8259, 7); none when one is broken.
fn unescape_json(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    loop {
        let (plain, escaped) = rest.split_once('\\').unwrap_or((rest, ""));
        if !plain.is_empty() || rest.is_empty() {
            out.push_str(&String::from_utf16(&units).ok()?);
            units.clear();
            out.push_str(plain);
        }
        if plain.len() == rest.len() {
            return Some(out);
        }
        let mut chars = escaped.chars();
        let unit = match chars.next()? {
            c @ ('"' | '\\' | '/') => u16::try_from(u32::from(c)).ok()?,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = escaped.get(1..5)?;
                chars = escaped[5..].chars();
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        };
        units.push(unit);
        rest = chars.as_str();
        if rest.is_empty() {
            out.push_str(&String::from_utf16(&units).ok()?);
            return Some(out);
        }
    }
}
