//! The outline of a JSON text: where its members and items lie. Sees structure only (RFC 8259); the server
//! checks the rest.

use std::ops::Range;

use memchr::memchr2;

/// Why a text has no outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// The offset of the byte that does not belong there.
    pub at: usize,
}

type Result<T> = std::result::Result<T, Broken>;

/// The members of an object: names as written between their quotes, and the texts of the values.
///
/// # Errors
/// When `text` is not one object.
pub fn members(text: &str) -> Result<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    children(text, b'{', b'}', |name, value| found.push((&text[name], &text[value])))?;
    Ok(found)
}

/// The items of an array.
///
/// # Errors
/// When `text` is not one array.
pub fn items(text: &str) -> Result<Vec<&str>> {
    let mut found = Vec::new();
    children(text, b'[', b']', |_, value| found.push(&text[value]))?;
    Ok(found)
}

/// The value of a member, without building a list.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    members(text).ok()?.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// A string without its quotes; `None` for other values and for strings with escapes, which names, codes and
/// ids do not have.
pub fn plain(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

fn children(text: &str, open: u8, close: u8, mut found: impl FnMut(Range<usize>, Range<usize>)) -> Result<()> {
    let bytes = text.as_bytes();
    let mut at = expect(bytes, space(bytes, 0), open)?;
    at = space(bytes, at);
    if bytes.get(at) == Some(&close) {
        return end(bytes, at + 1);
    }
    loop {
        let mut name = 0..0;
        if open == b'{' {
            let after = string(bytes, at)?;
            name = at + 1..after - 1;
            at = space(bytes, expect(bytes, space(bytes, after), b':')?);
        }
        let start = at;
        at = value(bytes, at)?;
        found(name, start..at);
        at = space(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = space(bytes, at + 1),
            Some(found) if *found == close => return end(bytes, at + 1),
            _ => return Err(Broken { at }),
        }
    }
}

fn end(bytes: &[u8], at: usize) -> Result<()> {
    let at = space(bytes, at);
    if at == bytes.len() { Ok(()) } else { Err(Broken { at }) }
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

fn expect(bytes: &[u8], at: usize, byte: u8) -> Result<usize> {
    if bytes.get(at) == Some(&byte) { Ok(at + 1) } else { Err(Broken { at }) }
}

/// The end of the string that begins at `at`.
fn string(bytes: &[u8], at: usize) -> Result<usize> {
    let mut at = expect(bytes, at, b'"')?;
    while let Some(offset) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += offset;
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        at += 2;
    }
    Err(Broken { at: bytes.len() })
}

/// The end of the value that begins at `at`. Nesting is counted, not recursed into.
fn value(bytes: &[u8], mut at: usize) -> Result<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at) {
            Some(b'"') => at = string(bytes, at)?,
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') if depth > 0 => at += 1,
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z') => {
                while matches!(bytes.get(at), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
                    at += 1;
                }
            }
            _ => return Err(Broken { at }),
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_members_and_items() {
        let text = r#" {"a": "x\"}", "b":[1, {"c":-1.50e+3}] ,"d":null} "#;
        let found = members(text).unwrap();
        assert_eq!(found, [("a", r#""x\"}""#), ("b", r#"[1, {"c":-1.50e+3}]"#), ("d", "null")]);
        assert_eq!(items(found[1].1).unwrap(), ["1", r#"{"c":-1.50e+3}"#]);
        assert_eq!((members("{}").unwrap().len(), items("[ ]").unwrap().len()), (0, 0));
        assert_eq!((plain("\"Patient\""), plain(r#""a\n""#), plain("1")), (Some("Patient"), None, None));
    }

    #[test]
    fn says_where_it_breaks() {
        for (text, at) in
            [("", 0), ("[1]", 0), ("{\"a\":1", 6), ("{\"a\" 1}", 5), ("{\"a\":}", 5), ("{} x", 3), ("{\"a", 3)]
        {
            assert_eq!(members(text), Err(Broken { at }), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(|text: String| text.into()),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_whole_parser(value in prop::collection::btree_map("[a-z]{1,8}", json(), 0..6)) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let found = members(&text).unwrap();
            prop_assert_eq!(found.len(), value.len());
            for (name, part) in found {
                let parsed: serde_json::Value = serde_json::from_str(part).unwrap();
                prop_assert_eq!(&parsed, &value[name]);
            }
        }

        #[test]
        fn never_panics(text in ".*", broken in "[\\[\\]{}\",:\\\\0-9a]{0,30}") {
            let _ = (members(&text).is_ok(), items(&broken).is_ok(), members(&broken).is_ok());
        }
    }
}
