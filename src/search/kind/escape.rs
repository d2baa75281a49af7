//! The escapes of search values (FHIR R4 `search.html`, 3.1.1.4.19): `\,` `\|` `\$` `\\`.

use std::borrow::Cow;

/// The parts between the separators that are not escaped; their escapes stay.
pub fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && bytes[at] != separator {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let Some((part, after)) = text.split_at_checked(at).filter(|(_, after)| !after.is_empty()) else {
            rest = None;
            return Some(text);
        };
        rest = Some(&after[1..]);
        Some(part)
    })
}

/// The text without its escapes.
///
/// # Errors
/// The reason, for a backslash before anything else.
pub fn unescape(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => chars
                .next()
                .filter(|c| matches!(c, ',' | '|' | '$' | '\\'))
                .ok_or("a backslash stands only before `,`, `|`, `$` and `\\`")?,
            other => other,
        });
    }
    Ok(Cow::Owned(out))
}

/// The text with escapes, so that a search takes it as one value.
pub fn escape(text: &str) -> String {
    let escaped = |c: char| matches!(c, ',' | '|' | '$' | '\\').then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_outside_of_escapes() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[""]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (",", &["", ""]),
            ("a\\,b,c", &["a\\,b", "c"]),
            ("a\\\\,b", &["a\\\\", "b"]),
            ("é,ü\\", &["é", "ü\\"]),
        ];
        for (text, parts) in cases {
            assert_eq!(split(text, b',').collect::<Vec<_>>(), parts, "{text}");
        }
        assert_eq!(unescape("a\\,\\|\\$\\\\").as_deref(), Ok("a,|$\\"));
        assert!(unescape("a\\b").is_err() && unescape("a\\").is_err());
    }

    proptest! {
        #[test]
        fn escaped_texts_come_back(texts in prop::collection::vec("[a,|$\\\\é ]{0,8}", 1..5)) {
            let joined = texts.iter().map(|text| escape(text)).collect::<Vec<_>>().join(",");
            let back: Vec<String> = split(&joined, b',').map(|p| unescape(p).expect("escaped").into_owned()).collect();
            prop_assert_eq!(back, texts);
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}\\\\?") {
            prop_assert_eq!(split(&text, b',').collect::<Vec<_>>().join(","), text);
        }
    }
}
