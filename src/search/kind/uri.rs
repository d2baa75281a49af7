//! `uri` (FHIR R4 `search.html`, 3.1.1.4.9): the whole text, as written; `:below` and `:above` along the path.

use super::element::Element;
use super::escape::unescape;
use crate::search::index::codec::TEXT_MAX;
use crate::search::query::UriTest;
use crate::search::value::Value;

/// Reads one value. `above`: `None` without a modifier, else whether it is `:above`.
///
/// # Errors
/// The reason, when it is broken, or no URL where only URLs have a hierarchy.
pub fn parse(value: &str, above: Option<bool>) -> Result<UriTest, &'static str> {
    let text: Box<str> = unescape(value)?.into();
    let Some(above) = above else { return Ok(UriTest::Is(text)) };
    if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
        return Err("`:above` and `:below` apply to URLs, not to URNs");
    }
    if text.len() > TEXT_MAX {
        return Err("it is too long for `:above` and `:below`");
    }
    Ok(if above { UriTest::Above(text) } else { UriTest::Below(text) })
}

/// The value of an element: uri, url, canonical, oid or uuid.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    if let Some(uri) = element.json.as_str().filter(|uri| !uri.is_empty()) {
        out(Value::Uri(uri.into()));
    }
}

/// The URLs above one, itself included.
pub fn above(url: &str) -> impl Iterator<Item = &str> {
    let is_end = |at: usize| {
        let (before, after) = url.as_bytes().split_at(at);
        after.first().is_none_or(|next| b"/?#|".contains(next)) || before.last() == Some(&b'/')
    };
    (1..=url.len()).filter(move |at| url.is_char_boundary(*at) && is_end(*at)).map(|at| &url[..at])
}

/// Whether a value passes.
pub fn passes(test: &UriTest, uri: &str) -> bool {
    match test {
        UriTest::Is(wanted) => **wanted == *uri,
        UriTest::Same(wanted) => wanted.eq_ignore_ascii_case(uri),
        UriTest::Other(wanted) => !wanted.eq_ignore_ascii_case(uri),
        UriTest::Below(wanted) => uri.starts_with(&**wanted),
        UriTest::Above(wanted) => above(wanted).any(|found| found == uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_of_a_url() {
        let passes = |above, wanted, uri| passes(&parse(wanted, Some(above)).expect(wanted), uri);
        for uri in ["http://a.me/fhir/ValueSet/1", "http://a.me/fhir/ValueSet/1/", "http://a.me/fhir", "http://a.me/"] {
            assert!(passes(true, "http://a.me/fhir/ValueSet/1/_history/5", uri), "{uri}");
        }
        for uri in ["http://a.me/fhir/ValueSet/1/_history/5/6", "http://a.me/fh", "http://a.me/fhir/ValueSet/1/_h"] {
            assert!(!passes(true, "http://a.me/fhir/ValueSet/1/_history/5", uri), "{uri}");
        }
        assert!(passes(false, "http://a.me/fhir/", "http://a.me/fhir/ValueSet/1"));
        assert!(passes(false, "http://a.me/fhir", "http://a.me/fhir"));
        assert!(!passes(false, "http://a.me/fhir/", "http://a.me/fhir") && !passes(false, "http://A", "http://a"));
        assert!(parse("urn:oid:1.2", Some(false)).is_err() && parse("URN:oid:1.2", Some(true)).is_err());
        assert_eq!(parse("urn:oid:1.2", None), Ok(UriTest::Is("urn:oid:1.2".into())));
        assert!(parse(&"a".repeat(TEXT_MAX + 1), Some(true)).is_err());
    }
}
