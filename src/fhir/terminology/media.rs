//! Media types (BCP 13, RFC 2045, RFC 6838): those that are registered with IANA, of the npm package `mime-db` 1.54.0 (MIT;
//! (c) 2014 Jonathan Ong, 2015-2022 Douglas Christopher Wilson), and those
//! of HL7 and others that are used without. As codes of FHIR they are in lower case.

use std::sync::LazyLock;

/// The registered ones, in order.
static REGISTERED: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("media-types.tsv").lines().collect());

/// Others: the short forms of FHIR, those of HL7, and what is common.
const OTHERS: [&str; 13] = [
    "application/graphql",
    "application/hl7-cda+xml",
    "application/hl7-sda+xml",
    "application/hl7-v2",
    "application/hl7-v3+xml",
    "application/javascript",
    "application/signature+xml",
    "application/x-fhir-query",
    "audio/wav",
    "json",
    "text/x-cql",
    "ttl",
    "xml",
];

/// Whether a code is a media type that is known, with parameters or without.
pub fn is_known(code: &str) -> bool {
    let mut parts = code.split(';');
    let plain = parts.next().unwrap_or("").trim_end();
    let is_there = OTHERS.contains(&plain) || REGISTERED.binary_search(&plain).is_ok();
    is_there && parts.all(is_parameter)
}

/// Whether a text is a parameter (RFC 2045, section 5.1): a name and a token, or a text in quotes.
fn is_parameter(text: &str) -> bool {
    let Some((name, value)) = text.trim().split_once('=') else { return false };
    let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    is_token(name) && (is_quoted || is_token(value))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_or_common_is_known() {
        for code in [
            "application/pdf",
            "text/plain",
            "text/plain; charset=utf-8",
            "application/fhir+json;fhirVersion=4.0",
            "multipart/related; type=\"text/xml\"",
            "application/hl7-v2",
            "json",
        ] {
            assert!(is_known(code), "{code}");
        }
        for code in
            ["foo/bar", "image/*", "application/x-foo", "text/HTML", "text/plain; x", "text/xml; a=b/c", "", "text"]
        {
            assert!(!is_known(code), "{code}");
        }
        assert!(OTHERS.is_sorted() && REGISTERED.is_sorted());
    }
}
