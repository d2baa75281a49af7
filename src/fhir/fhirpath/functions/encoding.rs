//! Encoding and escaping of texts (FHIRPath 3.0, "Additional String Functions").

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::string;
use crate::fhir::fhirpath::eval::bounded_text;
use crate::fhir::fhirpath::value::Collection;
use crate::fhir::json;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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

/// `encode(format)`: as `hex`, `base64` or `urlbase64`.
pub fn encode<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| match format {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(to_base64(text.as_bytes(), STANDARD)),
        "urlbase64" => Some(to_base64(text.as_bytes(), URL_SAFE)),
        _ => None,
    })
}

/// `decode(format)`: from `hex`, `base64` or `urlbase64`.
pub fn decode<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    converted(m, &input, arguments, |text, format| {
        let bytes = match format {
            "hex" => from_hex(text)?,
            "base64" => from_base64(text)?,
            "urlbase64" => from_alphabet(text, URL_SAFE)?,
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    })
}

fn to_base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = word >> (18 - 6 * place) & 63;
            out.push(if place <= chunk.len() { char::from(alphabet[digit as usize]) } else { '=' });
        }
    }
    out
}

/// The bytes of a text in base64 (RFC 4648, 4), padded or not; none when it is not.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    from_alphabet(text, STANDARD)
}

fn from_alphabet(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut word = 0u32;
        for digit in chunk {
            word = word << 6 | u32::try_from(alphabet.iter().position(|known| known == digit)?).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        let bytes = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        out.extend_from_slice(&word.to_be_bytes()[1..=bytes]);
    }
    Some(out)
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
        "html" => {
            let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            Some(plain.replace("&amp;", "&"))
        }
        "json" => unescape_json(text),
        _ => None,
    })
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
