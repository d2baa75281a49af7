//! Folding: texts without case, accents and superfluous white space (FHIR R4 `search.html`, 3.1.1.4.8).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The base characters of a text: compatibility forms decomposed (NFKD), combining marks dropped, lowercase, with
/// `ß` as `ss` and `ς` as `σ`; runs of white space are one space, none at the ends.
pub fn fold(text: &str) -> Box<str> {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        text.chars().for_each(|c| push(&mut out, c.to_ascii_lowercase()));
    } else {
        for c in text.nfkd().flat_map(char::to_lowercase).nfkd().filter(|c| !is_combining_mark(*c)) {
            match c {
                'ß' => out.push_str("ss"),
                'ς' => out.push('σ'),
                other => push(&mut out, other),
            }
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out.into()
}

fn push(out: &mut String, c: char) {
    if !c.is_whitespace() {
        out.push(c);
    } else if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}
