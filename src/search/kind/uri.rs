//! `uri` (FHIR R4 `search.html`, 3.1.1.4.9): the whole text, as written.

use super::element::Element;
use super::escape::unescape;
use crate::search::value::Value;

/// Reads one value.
///
/// # Errors
/// The reason, when it is broken.
pub fn parse(value: &str) -> Result<Box<str>, &'static str> {
    Ok(unescape(value)?.into())
}

/// The value of an element: uri, url, canonical, oid or uuid.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    if let Some(uri) = element.json.as_str().filter(|uri| !uri.is_empty()) {
        out(Value::Uri(uri.into()));
    }
}
