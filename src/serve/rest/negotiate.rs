//! Which format the caller accepts and sends (FHIR R4 `http.html`, 3.1.0.1.9 to 3.1.0.1.11; RFC 9110, 12.5.1).
//!
//! The one place that knows media types. An answer is JSON until its very end; `respond` gives it its [`Form`].

use http::HeaderMap;
use http::header::ACCEPT;
use smallvec::SmallVec;

use super::params::Params;
use crate::base::fault::{Category, Fault, Result};

/// A format of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// FHIR R4 `json.html`
    Json,
    /// FHIR R4 `xml.html`
    Xml,
}

/// A media type of resources.
#[derive(Debug, PartialEq, Eq)]
pub struct Media {
    /// Its name.
    name: &'static str,
    /// The format that it stands for.
    pub format: Format,
    /// The `Content-Type` of an answer.
    pub content_type: &'static str,
}

macro_rules! media {
    ($name:literal, $format:ident) => {
        Media { name: $name, format: Format::$format, content_type: concat!($name, "; charset=utf-8") }
    };
}

/// All media types, the preferred ones first. A generic one is answered as it was asked for; the last two are those
/// of the second FHIR release.
static MEDIA: [Media; 8] = [
    media!("application/fhir+json", Json),
    media!("application/fhir+xml", Xml),
    media!("application/json", Json),
    media!("application/xml", Xml),
    media!("text/json", Json),
    media!("text/xml", Xml),
    media!("application/json+fhir", Json),
    media!("application/xml+fhir", Xml),
];

/// The codes and media types of `CapabilityStatement.format`.
pub const FORMATS: [&str; 4] = ["application/fhir+json", "application/fhir+xml", "json", "xml"];

/// The media types of the forms of a patch, as a header field (RFC 5789, 3.1); the last two are those of a Parameters resource.
pub const ACCEPT_PATCH: &str = "application/json-patch+json, application/xml-patch+xml, application/merge-patch+json, \
     application/fhir+json, application/fhir+xml";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its media type.
    pub media: &'static Media,
    /// Whether it is indented.
    pub is_pretty: bool,
}

impl Default for Form {
    /// Compact `application/fhir+json`.
    fn default() -> Self {
        Self { media: &MEDIA[0], is_pretty: false }
    }
}

impl Form {
    /// The form that a request asks for in its URL and headers; whatever else the query has may be wrong.
    ///
    /// # Errors
    /// 406 naming what was asked for.
    pub fn of(query: Option<&str>, headers: &HeaderMap) -> Result<Self> {
        let mut params = Params::default();
        let query = query.filter(|query| query.contains("_format=") || query.contains("_pretty="));
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            if pair.starts_with("_format=") || pair == "_pretty=true" {
                params.add(pair, usize::MAX).unwrap_or_default();
            }
        }
        Self::of_params(&params, headers)
    }

    /// The form that parameters and headers ask for: `_format` decides where it is given, else `Accept`.
    ///
    /// # Errors
    /// 406 naming what was asked for.
    pub fn of_params(params: &Params, headers: &HeaderMap) -> Result<Self> {
        let lines: SmallVec<[&str; 2]> =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        Ok(Self { media: media(params.format.as_deref(), &lines)?, is_pretty: params.pretty })
    }
}

/// The media type of an answer: `_format` decides where it is given, else `Accept`; without both it is JSON.
fn media(format: Option<&str>, accept: &[&str]) -> Result<&'static Media> {
    if let Some(format) = format.filter(|format| !format.is_empty()) {
        // A `+` that was not percent-encoded arrives as a space.
        let bare = format.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
        let media = match bare.as_str() {
            "json" => &MEDIA[0],
            "xml" => &MEDIA[1],
            bare => &MEDIA[named(bare).map(|media| media.format).ok_or_else(|| refused(format))? as usize],
        };
        return version(format).map(|()| media);
    }
    if accept.is_empty() || accept == ["*/*"] || accept == ["application/fhir+json"] {
        return Ok(&MEDIA[0]);
    }
    let ranges: Vec<Range<'_>> = accept.iter().flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return Ok(&MEDIA[0]);
    }
    let rated = MEDIA.iter().filter_map(|media| Some((rate(&ranges, media.name)?, media)));
    let best = rated.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, media)| media).ok_or_else(|| refused(&accept.join(", ")))
}

/// Whether a `Content-Type` or a range of `Accept` names one of FHIR's own types, not a generic one.
pub fn is_fhir_named(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or_default().trim();
    named(name).is_some_and(|media| media.name.contains("fhir"))
}

/// Whether `Accept` asks for the content of a Binary rather than for the resource (`binary.html`, 2.35.3.3): it does
/// unless it names a type of FHIR, and prefers that. A generic type means content of its format, and the resource
/// where nothing in the header fits the content.
pub fn is_content_wanted(headers: &HeaderMap, content_type: &str) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = lines.flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let format = format_of(name);
    let resource = ranges.iter().filter(|range| is_fhir_named(range.name)).map(|range| range.quality).max();
    let content = rate(&ranges, name).map(|rated| rated.0);
    let alike = ranges.iter().filter(|range| !is_fhir_named(range.name) && named(range.name).is_some());
    let (alike, other): (Vec<_>, Vec<_>) =
        alike.partition(|range| named(range.name).map(|media| media.format) == format);
    let content = content.max(alike.iter().map(|range| range.quality).max());
    match resource.filter(|quality| *quality > 0) {
        Some(resource) => content > Some(resource),
        None => content.is_some_and(|quality| quality > 0) || other.is_empty(),
    }
}

/// The media type among some that `Accept` likes best; the first where it has no wish, none where it likes none.
pub fn preferred<'n>(headers: &HeaderMap, names: &[&'n str]) -> Option<&'n str> {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = lines.flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return names.first().copied();
    }
    let rated = names.iter().filter_map(|name| Some((rate(&ranges, name)?, *name)));
    rated.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, name)| name)
}

/// The format that the name of a media type says, such as `application/vnd.xacml+json`.
fn format_of(name: &str) -> Option<Format> {
    let kind = name.rsplit(['/', '+']).next().unwrap_or_default();
    match kind {
        kind if kind.eq_ignore_ascii_case("json") => Some(Format::Json),
        kind if kind.eq_ignore_ascii_case("xml") => Some(Format::Xml),
        _ => None,
    }
}

fn named(name: &str) -> Option<&'static Media> {
    MEDIA.iter().find(|media| media.name.eq_ignore_ascii_case(name))
}

/// The format of a body by its `Content-Type`. A body without a type is taken for JSON.
///
/// # Errors
/// 415.
pub fn body_format(content_type: Option<&str>) -> Result<Format> {
    let Some(text) = content_type else { return Ok(Format::Json) };
    let mut parts = text.split(';').map(str::trim);
    let known = named(parts.next().unwrap_or_default());
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        let value = value.trim_matches('"');
        !name.eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("utf8")
            || value.eq_ignore_ascii_case("us-ascii")
    });
    match known.filter(|_| is_utf8) {
        Some(media) if version(text).is_ok() => Ok(media.format),
        Some(_) => Err(unsupported(text, "resources of fhirVersion=4.0")),
        None => Err(unsupported(text, "application/fhir+json or application/fhir+xml in UTF-8")),
    }
}

/// Checks the `Content-Type` of a search by POST. A body without a type is taken for a form.
///
/// # Errors
/// 415.
pub fn form_body(content_type: Option<&str>) -> Result<()> {
    let Some(text) = content_type else { return Ok(()) };
    let name = text.split(';').next().unwrap_or_default().trim();
    let good = name.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if good { Ok(()) } else { Err(unsupported(text, "application/x-www-form-urlencoded")) }
}

fn unsupported(given: &str, wanted: &str) -> Fault {
    let message = format!("content type {} is not supported here; send {wanted}", shown(given));
    Fault::new(Category::UnsupportedMedia, message)
}

fn refused(asked: &str) -> Fault {
    let message = format!(
        "{} cannot be produced; this server answers application/fhir+json and application/fhir+xml",
        shown(asked)
    );
    Fault::new(Category::NotAcceptable, message)
}

fn shown(text: &str) -> String {
    let text: String = text.chars().take(120).collect();
    format!("\"{}\"", text.escape_debug())
}

/// The MIME parameter `fhirVersion`: 4.0 or nothing; or 4.3, which is R4B: most of its types are those of R4, and clients
/// made for both send it to servers of R4.
fn version(media_type: &str) -> Result<()> {
    let given = media_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    let other = given
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("fhirVersion"))
        .find(|(_, value)| !matches!(value.trim().trim_matches('"'), "4.0" | "4.0.1" | "4.3" | "4.3.0"));
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

/// How much a media type is wanted: the quality that its most precise range gives it, that precision, and how early
/// the range stands. `None` when it is not wanted.
fn rate(ranges: &[Range<'_>], media_type: &str) -> Option<(u16, u8, std::cmp::Reverse<usize>)> {
    let named = ranges.iter().enumerate().filter_map(|(i, range)| Some((range.precision(media_type)?, i, range)));
    let (precision, i, range) = named.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (range.quality > 0).then_some((range.quality, precision, std::cmp::Reverse(i)))
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
    fn the_best_of_the_ranges_is_answered() {
        for (accept, content_type) in [
            ("application/fhir+json", "application/fhir+json"),
            ("application/json", "application/json"),
            ("text/json;q=0.2", "text/json"),
            ("*/*", "application/fhir+json"),
            ("application/*;q=0.1, application/xml", "application/xml"),
            ("application/*", "application/fhir+json"),
            ("text/*", "text/json"),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
            ("application/fhir+json; fhirVersion=4.0", "application/fhir+json"),
            ("application/fhir+json; fhirVersion=4.3", "application/fhir+json"),
            ("APPLICATION/FHIR+JSON", "application/fhir+json"),
            ("application/fhir+json;q=0, application/json", "application/json"),
            ("application/fhir+xml", "application/fhir+xml"),
            ("application/fhir+xml;q=0.5, application/fhir+json;q=0.4", "application/fhir+xml"),
            ("application/fhir+xml;q=0.5, application/fhir+json;q=0.6", "application/fhir+json"),
            ("application/fhir+xml, application/fhir+json", "application/fhir+xml"),
            ("application/fhir+json, application/fhir+xml", "application/fhir+json"),
            ("*/*, application/fhir+xml", "application/fhir+xml"),
            ("application/fhir+json;q=0, */*", "application/fhir+xml"),
            ("application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0", "application/fhir+xml"),
            ("text/xml", "text/xml"),
            ("application/xml+fhir", "application/xml+fhir"),
            ("application/fhir+turtle, text/xml;q=0.1", "text/xml"),
        ] {
            let media = media(None, &[accept]).expect(accept);
            assert_eq!(media.content_type, format!("{content_type}; charset=utf-8"), "{accept}");
        }
        for accept in
            ["text/html", "*/*;q=0", "application/fhir+json; fhirVersion=3.0", "image/*", "application/fhir+turtle"]
        {
            let fault = media(None, &[accept]).expect_err(accept);
            assert_eq!(fault.category(), Category::NotAcceptable, "{accept}");
        }
        assert_eq!(media(None, &[]), Ok(&MEDIA[0]));
        assert_eq!(media(None, &["text/html", "application/json"]), Ok(&MEDIA[2]));
    }

    #[test]
    fn format_outweighs_accept() {
        for format in
            ["json", "application/fhir+json", "application/fhir json", "application/json;charset=utf-8", "text/json"]
        {
            assert_eq!(media(Some(format), &["application/xml"]), Ok(&MEDIA[0]), "{format}");
        }
        for format in [
            "xml",
            "application/fhir+xml",
            "application/fhir xml",
            "text/xml",
            "application/xml",
            "application/xml+fhir",
            "XML",
        ] {
            assert_eq!(media(Some(format), &["application/json"]), Ok(&MEDIA[1]), "{format}");
        }
        // Without a value it decides nothing.
        assert_eq!(media(Some(""), &["application/fhir+xml"]), Ok(&MEDIA[1]));
        for format in ["ttl", "html", "text/html", "application/fhir+xml;fhirVersion=5.0", "*/*"] {
            assert!(media(Some(format), &[]).is_err(), "{format}");
        }
    }

    #[test]
    fn the_form_is_read_from_the_url() {
        let form = |query| Form::of(Some(query), &HeaderMap::new());
        assert_eq!(
            form("a=b&_format=application%2Ffhir%2Bxml&_pretty=true").map(|f| (f.media, f.is_pretty)),
            Ok((&MEDIA[1], true))
        );
        assert_eq!(form("_pretty=false"), Ok(Form::default()));
        assert_eq!(form("_pretty=maybe"), Ok(Form::default()));
        assert!(form("_format=ttl").is_err());
    }

    #[test]
    fn content_is_wanted_unless_the_resource_is_asked_for() {
        for (accept, content_type, wanted) in [
            (None, "image/png", true),
            (Some("*/*"), "image/png", true),
            (Some("image/png"), "image/png", true),
            (Some("image/jpeg"), "image/png", true),
            (Some("application/fhir+json"), "image/png", false),
            (Some("application/fhir+xml"), "application/fhir+xml", false),
            (Some("application/fhir+json, */*"), "image/png", false),
            (Some("application/fhir+json;q=0.5, image/*"), "image/png", true),
            (Some("application/json"), "image/png", false),
            (Some("application/json"), "application/vnd.xacml+json", true),
            (Some("text/xml"), "application/xml; charset=utf-8", true),
            (Some("application/xml"), "application/json", false),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), "application/pdf", true),
            (Some("application/fhir+json;q=0, image/png"), "image/png", true),
        ] {
            let accept = accept.map(|accept| (ACCEPT, http::HeaderValue::from_static(accept)));
            let headers: HeaderMap = accept.clone().into_iter().collect();
            assert_eq!(is_content_wanted(&headers, content_type), wanted, "{accept:?} {content_type}");
        }
        assert!(is_fhir_named("application/fhir+json; charset=utf-8") && is_fhir_named("application/xml+fhir"));
        assert!(!is_fhir_named("application/json") && !is_fhir_named("application/pdf"));
    }

    #[test]
    fn bodies_have_types() {
        for good in [
            "application/fhir+json",
            "application/json; charset=UTF-8",
            "text/json;charset=\"utf-8\"",
            "application/fhir+json;charset=utf8",
            "application/fhir+json; fhirVersion=4.3",
        ] {
            assert_eq!(body_format(Some(good)), Ok(Format::Json), "{good}");
        }
        for good in ["application/fhir+xml", "text/xml; charset=us-ascii", "application/xml+fhir", "Application/XML"] {
            assert_eq!(body_format(Some(good)), Ok(Format::Xml), "{good}");
        }
        assert_eq!(body_format(None), Ok(Format::Json));
        for bad in [
            "application/fhir+turtle",
            "text/plain",
            "application/xml; charset=latin1",
            "",
            "application/xhtml+xml",
            "application/fhir+json; fhirVersion=3.0",
        ] {
            let fault = body_format(Some(bad)).expect_err(bad);
            assert_eq!(fault.category(), Category::UnsupportedMedia, "{bad}");
        }
        assert!(form_body(Some("application/x-www-form-urlencoded;charset=utf-8")).is_ok());
        assert!(form_body(None).is_ok());
        assert!(form_body(Some("application/json")).is_err() && form_body(Some("")).is_err());
    }
}
