//! Query strings and forms: pairs in their order, repetitions kept.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::base::fault::{Category, Fault, Result};

/// What stays as it is in a query: RFC 3986 `unreserved` and what FHIR uses in values and is allowed in a query.
const KEEP: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b',')
    .remove(b'$')
    .remove(b'*');

/// Decoded parameters, without those that concern the form of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// Names and values in order.
    pub pairs: Vec<(String, String)>,
    /// `_format`
    pub format: Option<String>,
    /// `_pretty`
    pub pretty: bool,
    /// The header `Accept-Language`.
    pub language: Option<String>,
}

impl Params {
    /// Reads a query string or a form (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// 413 for more than `limit` bytes; 400 for text that is not UTF-8 or a `_pretty` that is not a boolean.
    pub fn parse(query: &str, limit: usize) -> Result<Self> {
        let mut params = Self::default();
        params.add(query, limit)?;
        Ok(params)
    }

    /// Reads more parameters: those of the form after those of the URL.
    ///
    /// # Errors
    /// As [`Params::parse`].
    pub fn add(&mut self, query: &str, limit: usize) -> Result<()> {
        if query.len() > limit {
            let message = format!("the parameters have {} bytes; at most {limit} are accepted", query.len());
            return Err(Fault::new(Category::TooLarge, message));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            match name.as_str() {
                "_format" => self.format = Some(value),
                "_pretty" => self.pretty = boolean(&value)?,
                _ => self.pairs.push((name, value)),
            }
        }
        Ok(())
    }

    /// The value of the first parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `&_format=..&_pretty=true`, to be carried along in links; empty when neither was given.
    pub fn form(&self) -> String {
        let format = self.format.iter().map(|format| ("_format", format.as_str()));
        let pretty = self.pretty.then_some(("_pretty", "true"));
        format.chain(pretty).map(|(name, value)| format!("&{name}={}", encode(value))).collect()
    }
}

fn boolean(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::coded(Category::Invalid, "value", "_pretty is true or false")),
    }
}

fn decode(text: &str) -> Result<String> {
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        let message = "a % in a parameter begins an escape of two hexadecimal digits; % itself is written %25";
        return Err(Fault::invalid(message));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    Ok(decoded.map_err(|_| Fault::invalid("a parameter is not UTF-8"))?.into_owned())
}

/// Percent-encodes a name or value for a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, KEEP).to_string()
}

/// A query string of pairs, without `?`.
pub fn query(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&encode(name));
        out.push('=');
        out.push_str(&encode(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_repetitions_and_takes_out_the_form() {
        let params = Params::parse("a=1&_format=json&a=%32+b&_pretty=true&c", 100).expect("parameters");
        let pairs: Vec<_> = params.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("a", "2 b"), ("c", "")]);
        assert_eq!(params.form(), "&_format=json&_pretty=true");
    }

    #[test]
    fn refuses_what_is_too_long_or_not_text() {
        assert_eq!(Params::parse("abc", 2).expect_err("long").category(), Category::TooLarge);
        assert_eq!(Params::parse("a=%ff", 9).expect_err("bytes").category(), Category::Invalid);
        assert!(Params::parse("_pretty=maybe", 99).is_err());
        for bad in ["a=100%", "a=%2", "a=%zz", "%=1", "a=%é"] {
            assert_eq!(Params::parse(bad, 99).expect_err(bad).category(), Category::Invalid, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(pairs in prop::collection::vec(("[a-z]{1,5}", "\\PC{0,20}"), 0..5)) {
            let read = Params::parse(&query(&pairs), 1 << 20).expect("parameters");
            prop_assert_eq!(read.pairs, pairs);
        }
    }
}
