//! Page tokens: opaque to everybody else, versioned, and complete: they carry the search itself, so that
//! a link works without anything kept but the pinned snapshot.

use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::search::context::SearchContext;

/// The place of a page within a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageToken {
    /// The node that holds the snapshot.
    pub(super) node: u64,
    /// The snapshot.
    pub(super) seq: Seq,
    /// Matches before the page.
    pub(super) offset: usize,
    /// What is searched.
    pub(super) of: SearchContext,
    /// The parameters, decoded.
    pub(super) params: Vec<(String, String)>,
}

/// The first part of every token of this form.
const FORM: &str = "s2";

impl PageToken {
    pub(super) fn encode(&self) -> String {
        let mut text = format!("{FORM}.{:x}.{:x}.{:x}.", self.node, self.seq.0, self.offset);
        hex(self.of.to_string().as_bytes(), &mut text);
        for (name, value) in &self.params {
            text.push('.');
            hex(name.as_bytes(), &mut text);
            text.push('-');
            hex(value.as_bytes(), &mut text);
        }
        text
    }

    pub(super) fn decode(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| Fault::invalid("the page token is not one that this server made"))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        (parts.next()? == FORM).then_some(())?;
        let node = u64::from_str_radix(parts.next()?, 16).ok()?;
        let seq = Seq(i64::from_str_radix(parts.next()?, 16).ok()?);
        let offset = usize::from_str_radix(parts.next()?, 16).ok()?;
        let of = SearchContext::of_path(&unhex(parts.next()?)?)?;
        let params = parts.map(pair).collect::<Option<Vec<_>>>()?;
        Some(Self { node, seq, offset, of, params })
    }
}

fn pair(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('-')?;
    Some((unhex(name)?, unhex(value)?))
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn unhex(text: &str) -> Option<String> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    let digit = |d: u8| char::from(d).to_digit(16);
    let bytes = digits.map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_read_back(node: u64, seq in 0..i64::MAX, offset: usize, params: Vec<(String, String)>) {
            for path in ["Observation", "", "Patient/a.b/*", "Device/1/Observation"] {
                let (of, params) = (SearchContext::of_path(path).expect("a context"), params.clone());
                let token = PageToken { node, seq: Seq(seq), offset, of, params };
                prop_assert_eq!(PageToken::decode(&token.encode()).expect("its own token"), token);
            }
        }

        #[test]
        fn other_text_is_refused_without_panic(text: String) {
            prop_assert!(PageToken::decode(&text).is_err());
            let almost = format!("s2.1.1.1.50617469656e74.{text}");
            prop_assert!(PageToken::decode(&almost).is_err() || text.contains('-'));
        }
    }
}
