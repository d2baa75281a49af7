//! Headers and bodies of HTTP requests.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method as Verb};
use http_body_util::{BodyExt, Limited};

use super::conditions::{Conditions, Prefer};
use super::negotiate::Format;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::bundle::Method;
use crate::fhir::json::Json;
use crate::fhir::reading;
use crate::serve::encoding::{decode, of_body};

/// Bodies above this many bytes are read and written outside the threads that serve connections.
pub const INLINE_BYTES: usize = 64 << 10;

/// The method, if it is one of FHIR's.
pub fn method(verb: &Verb) -> Option<Method> {
    Some(match verb.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        _ => return None,
    })
}

/// A header as text.
///
/// # Errors
/// 400 when it is not visible ASCII.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| Fault::invalid(format!("header {name} is not readable text")))
}

/// A header that is a list, perhaps over several lines (RFC 9110, 5.3).
fn list(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>> {
    let Some(first) = text(headers, name)? else { return Ok(None) };
    let mut all = first.to_owned();
    for value in headers.get_all(name).iter().skip(1) {
        let more = value.to_str().map_err(|_| Fault::invalid(format!("header {name} is not readable text")))?;
        all = format!("{all}, {more}");
    }
    Ok(Some(all))
}

/// The conditional headers.
///
/// # Errors
/// 400 for a header that is not text.
pub fn conditions(headers: &HeaderMap) -> Result<Conditions> {
    let owned = |name: &HeaderName| Ok::<_, Fault>(text(headers, name)?.map(str::to_owned));
    Ok(Conditions {
        if_match: list(headers, &IF_MATCH)?,
        if_none_match: list(headers, &IF_NONE_MATCH)?,
        if_modified_since: text(headers, &IF_MODIFIED_SINCE)?.and_then(Conditions::header_date),
        if_none_exist: owned(&HeaderName::from_static("if-none-exist"))?,
    })
}

/// The preferences of all `Prefer` lines.
pub fn prefer(headers: &HeaderMap) -> Prefer {
    let mut prefer = Prefer::default();
    for line in headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()) {
        prefer.read(line);
    }
    prefer
}

/// `Accept-Language`, all of its lines.
pub fn language(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers.get_all("accept-language").iter().filter_map(|value| value.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// `Content-Type`.
///
/// # Errors
/// 400 when it is not text.
pub fn content_type(headers: &HeaderMap) -> Result<Option<&str>> {
    text(headers, &CONTENT_TYPE)
}

/// The whole body.
///
/// # Errors
/// 415 for a content coding that is not understood; 413 for more than `limit` bytes, compressed or not (told before reading where the length is known); 400 for one that breaks off.
pub async fn body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes> {
    let too_large = || Fault::new(Category::TooLarge, format!("the body has more than {limit} bytes"));
    let coding = of_body(headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => match coding {
            None => Ok(collected.to_bytes()),
            Some(coding) => decode(collected.to_bytes(), coding, limit).await,
        },
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Fault::invalid("the body broke off")),
    }
}

/// Parses a body; large ones elsewhere, so that a connection's thread is not held. With `is_exact` XML is read to be judged.
///
/// # Errors
/// 400 with line, column and element.
pub async fn resource(body: Bytes, format: Format, nesting: usize, is_exact: bool) -> Result<Json> {
    if body.is_empty() {
        return Err(Fault::coded(Category::Invalid, "required", "there is no body"));
    }
    let read = match format {
        Format::Json => reading::of_json,
        Format::Xml if is_exact => reading::of_exact_xml,
        Format::Xml => reading::of_xml,
    };
    if body.len() <= INLINE_BYTES {
        return read(&body, nesting);
    }
    let parsed = tokio::task::spawn_blocking(move || read(&body, nesting)).await;
    parsed.map_err(|_| Fault::internal("the parser stopped"))?
}
