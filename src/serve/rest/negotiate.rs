//! Which format the caller accepts and sends (FHIR R4 `http.html`, 3.1.0.1.10; RFC 9110, 12.5.1).

use crate::base::fault::{Category, Fault, Result};

/// The media type of every answer.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

const JSON_TYPES: [&str; 3] = ["application/fhir+json", "application/json", "text/json"];

/// Checks that JSON is acceptable: `_format` decides where it is given, else `Accept`; without both, yes.
///
/// # Errors
/// 406 naming what was asked for.
pub fn acceptable(format: Option<&str>, accept: &[&str]) -> Result<()> {
    if let Some(format) = format {
        // A `+` that was not percent-encoded arrives as a space.
        let bare = format.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
        let good = bare == "json" || JSON_TYPES.contains(&bare.as_str());
        return if good { version(format) } else { Err(refused(format)) };
    }
    if accept.is_empty() || accept == ["*/*"] || accept == ["application/fhir+json"] {
        return Ok(());
    }
    let ranges: Vec<Range<'_>> = accept.iter().flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    let good = ranges.is_empty() || JSON_TYPES.iter().any(|name| quality(&ranges, name) > 0);
    if good { Ok(()) } else { Err(refused(&accept.join(", "))) }
}

/// Checks the `Content-Type` of a body that must be JSON. A body without a type is taken for JSON.
///
/// # Errors
/// 415.
pub fn json_body(content_type: Option<&str>) -> Result<()> {
    let Some(text) = content_type else { return Ok(()) };
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let known = JSON_TYPES.iter().any(|known| name.eq_ignore_ascii_case(known));
    let utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        let value = value.trim_matches('"');
        !name.eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("us-ascii")
    });
    if known && utf8 { version(text) } else { Err(media(text, "application/fhir+json in UTF-8")) }
}

/// Checks the `Content-Type` of a search by POST.
///
/// # Errors
/// 415.
pub fn form_body(content_type: Option<&str>) -> Result<()> {
    let name = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let good = name.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if good { Ok(()) } else { Err(media(content_type.unwrap_or("none"), "application/x-www-form-urlencoded")) }
}

fn media(given: &str, wanted: &str) -> Fault {
    let message = format!("content type {} is not supported here; send {wanted}", shown(given));
    Fault::new(Category::UnsupportedMedia, message)
}

fn refused(asked: &str) -> Fault {
    let message = format!("{} cannot be produced; this server answers application/fhir+json", shown(asked));
    Fault::new(Category::NotAcceptable, message)
}

fn shown(text: &str) -> String {
    let text: String = text.chars().take(120).collect();
    format!("\"{}\"", text.escape_debug())
}

/// The MIME parameter `fhirVersion`: 4.0 or nothing.
fn version(media_type: &str) -> Result<()> {
    let given = media_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    let other = given
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("fhirVersion"))
        .find(|(_, value)| !matches!(value.trim().trim_matches('"'), "4.0" | "4.0.1"));
    match other {
        None => Ok(()),
        Some((_, value)) => Err(refused(&format!("fhirVersion={value}"))),
    }
}

struct Range<'a> {
    name: &'a str,
    /// Thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut range = Self { name, quality: 1000 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            if key.trim().eq_ignore_ascii_case("q") {
                range.quality = thousandths(value.trim());
            }
        }
        if version(text).is_err() {
            range.quality = 0;
        }
        Some(range)
    }

    /// How precisely this range names `media_type`; `None` when it does not.
    fn precision(&self, media_type: &str) -> Option<u8> {
        if self.name.eq_ignore_ascii_case(media_type) {
            return Some(2);
        }
        let (left, right) = self.name.split_once('/')?;
        let main = media_type.split('/').next().unwrap_or_default();
        match (left, right) {
            ("*", "*") => Some(0),
            (left, "*") if left.eq_ignore_ascii_case(main) => Some(1),
            _ => None,
        }
    }
}

/// The quality that the most precise range gives a media type.
fn quality(ranges: &[Range<'_>], media_type: &str) -> u16 {
    let best = ranges.iter().filter_map(|range| Some((range.precision(media_type)?, range.quality))).max();
    best.map_or(0, |(_, quality)| quality)
}

/// `0.5` is 500; what is not a quality counts as 1 (RFC 9110, 12.4.2 leaves it open).
fn thousandths(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0).round() as u16,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_among_ranges() {
        for accept in [
            "application/fhir+json",
            "application/json",
            "text/json;q=0.2",
            "*/*",
            "application/*;q=0.1, application/xml",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/fhir+json; fhirVersion=4.0",
            "APPLICATION/FHIR+JSON",
            "application/fhir+json;q=0, application/json",
        ] {
            assert!(acceptable(None, &[accept]).is_ok(), "{accept}");
        }
        for accept in [
            "application/fhir+xml",
            "text/html",
            "*/*;q=0",
            "application/fhir+json;q=0, application/xml",
            "application/fhir+json; fhirVersion=3.0",
            "image/*",
        ] {
            let fault = acceptable(None, &[accept]).expect_err(accept);
            assert_eq!(fault.category(), Category::NotAcceptable, "{accept}");
        }
        assert!(acceptable(None, &[]).is_ok());
        assert!(acceptable(None, &["text/html", "application/json"]).is_ok());
    }

    #[test]
    fn format_outweighs_accept() {
        for format in ["json", "application/fhir+json", "application/fhir json", "application/json;charset=utf-8"] {
            assert!(acceptable(Some(format), &["application/xml"]).is_ok(), "{format}");
        }
        assert!(acceptable(Some("xml"), &["application/json"]).is_err());
        assert!(acceptable(Some(""), &[]).is_err());
    }

    #[test]
    fn bodies_have_types() {
        for good in ["application/fhir+json", "application/json; charset=UTF-8", "text/json;charset=\"utf-8\""] {
            assert!(json_body(Some(good)).is_ok(), "{good}");
        }
        assert!(json_body(None).is_ok());
        for bad in ["application/fhir+xml", "text/plain", "application/json; charset=latin1", ""] {
            let fault = json_body(Some(bad)).expect_err(bad);
            assert_eq!(fault.category(), Category::UnsupportedMedia, "{bad}");
        }
        assert!(form_body(Some("application/x-www-form-urlencoded;charset=utf-8")).is_ok());
        assert!(form_body(None).is_err());
    }
}
