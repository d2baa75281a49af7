//! JSON Pointer (RFC 6901).

use std::fmt;

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object};

/// A place in a document: `/name/0/family`; the empty one is the document itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    tokens: Vec<Box<str>>,
}

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// 400 for one that neither is empty nor begins with `/`, has a `~` that escapes nothing, or is longer than `most`.
    pub(super) fn parse(text: &str, most: usize) -> Result<Self> {
        let Some(rest) = text.strip_prefix('/') else {
            return match text {
                "" => Ok(Self { tokens: Vec::new() }),
                _ => Err(Fault::invalid(format!("\"{}\" is no JSON pointer: it does not begin with /", shown(text)))),
            };
        };
        if rest.split('/').count() > most {
            return Err(Fault::invalid(format!("a pointer of more than {most} steps leads nowhere here")));
        }
        let tokens = rest.split('/').map(unescape).collect::<Option<_>>();
        let wrong = || Fault::invalid(format!("\"{}\" is no JSON pointer: ~ stands before 0 or 1 only", shown(text)));
        Ok(Self { tokens: tokens.ok_or_else(wrong)? })
    }

    /// How many steps it has.
    pub(super) fn depth(&self) -> usize {
        self.tokens.len()
    }

    /// The steps to the parent, and the last one; `None` for the document itself.
    pub(super) fn split(&self) -> Option<(&[Box<str>], &str)> {
        self.tokens.split_last().map(|(last, parents)| (parents, &**last))
    }

    /// Whether `other` lies inside of what this names.
    pub(super) fn contains(&self, other: &Self) -> bool {
        other.tokens.len() > self.tokens.len() && other.tokens.starts_with(&self.tokens)
    }

    /// The value it names.
    pub(super) fn find<'a>(&self, document: &'a Json) -> Option<&'a Json> {
        self.tokens.iter().try_fold(document, |at, token| match at {
            Json::Object(object) => object.get(token),
            Json::Array(items) => items.get(index(token)?),
            _ => None,
        })
    }
}

/// The value at the end of some steps, to be changed.
pub(super) fn find_mut<'a>(document: &'a mut Json, tokens: &[Box<str>]) -> Option<&'a mut Json> {
    tokens.iter().try_fold(document, |at, token| match at {
        Json::Object(object) => object.get_mut(token),
        Json::Array(items) => items.get_mut(index(token)?),
        _ => None,
    })
}

/// The number of an item: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if is_plain { token.parse().ok() } else { None }
}

/// What stands in a container under a token.
pub(super) enum Slot<'a> {
    Member(&'a mut Object),
    Item(&'a mut Vec<Json>),
}

/// The container as one that can hold something.
pub(super) fn slot(container: &mut Json) -> Option<Slot<'_>> {
    match container {
        Json::Object(object) => Some(Slot::Member(object)),
        Json::Array(items) => Some(Slot::Item(items)),
        _ => None,
    }
}

fn unescape(token: &str) -> Option<Box<str>> {
    if !token.contains('~') {
        return Some(token.into());
    }
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        out.push(match (c, c == '~') {
            (c, false) => c,
            (_, true) => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
        });
    }
    Some(out.into())
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in self.tokens.iter().take(10) {
            write!(f, "/{}", shown(&token.replace('~', "~0").replace('/', "~1")))?;
        }
        f.write_str(if self.tokens.len() > 10 { "/..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn the_examples_of_the_rfc() {
        let text = br#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let document = parse(text).expect("JSON");
        let find = |text: &str| Pointer::parse(text, 9).expect(text).find(&document).cloned();
        assert_eq!(find(""), Some(document.clone()));
        assert_eq!(find("/foo/0"), Some(Json::string("bar")));
        for (path, number) in [("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5)] {
            assert_eq!(find(path), Some(Json::integer(number)), "{path}");
        }
        assert_eq!((find("/k\"l"), find("/ ")), (Some(Json::integer(6)), Some(Json::integer(7))));
        assert_eq!(find("/m~0n"), Some(Json::integer(8)));
        for nothing in ["/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/x", "/foo/0/x", "/m~01n"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn refuses_what_is_no_pointer() {
        for bad in ["a", "a/b", "/~", "/~2", "/a~"] {
            assert_eq!(Pointer::parse(bad, 9).expect_err(bad).category().status(), 400);
        }
        assert!(Pointer::parse("/a/b", 1).is_err() && Pointer::parse("/a", 1).is_ok());
    }

    #[test]
    fn knows_what_lies_inside() {
        let of = |text: &str| Pointer::parse(text, 9).expect(text);
        assert!(of("/a").contains(&of("/a/b")) && of("").contains(&of("/a")));
        assert!(!of("/a").contains(&of("/a")) && !of("/a").contains(&of("/ab")));
        assert_eq!(of("/a~1b/~0").to_string(), "/a~1b/~0");
    }
}
