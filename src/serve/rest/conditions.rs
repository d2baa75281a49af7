//! Headers that make a request conditional, and `Prefer` (FHIR R4 `http.html`, 3.1.0.1.4 to 3.1.0.5).

use super::date;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::repo::{Handling, Stored};

/// The conditions of a request, as written. For an entry of a Bundle they stand in `request`.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// `If-Match`
    pub if_match: Option<String>,
    /// `If-None-Match`
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`, read; `None` also when it cannot be read.
    pub if_modified_since: Option<Timestamp>,
    /// `If-None-Exist`
    pub if_none_exist: Option<String>,
}

impl Conditions {
    /// The version of `If-Match`.
    ///
    /// # Errors
    /// 400 when it is not one `W/"n"` or `"n"`.
    pub fn version(&self) -> Result<Option<i64>> {
        let Some(text) = self.if_match.as_deref() else { return Ok(None) };
        let version = tag(text).and_then(|text| text.parse().ok()).filter(|version| *version > 0);
        match version {
            Some(version) => Ok(Some(version)),
            None => Err(Fault::invalid("If-Match is one version, such as W/\"3\"")),
        }
    }

    /// Whether an update may only create: `If-None-Match: *`.
    ///
    /// # Errors
    /// 400 for a tag, which has no meaning for an update.
    pub fn only_create(&self) -> Result<bool> {
        match self.if_none_match.as_deref().map(str::trim) {
            None => Ok(false),
            Some("*") => Ok(true),
            Some(_) => Err(Fault::unsupported("If-None-Match of an update can only be *")),
        }
    }

    /// Refuses a read whose `If-Match` names other versions (RFC 9110, 13.1.1).
    ///
    /// # Errors
    /// 412 then, 400 for a header that names none.
    pub fn matching(&self, stored: &Stored) -> Result<()> {
        let Some(text) = self.if_match.as_deref() else { return Ok(()) };
        if text.trim() == "*" {
            return Ok(());
        }
        let tags: Option<Vec<&str>> = text.split(',').map(tag).collect();
        let tags = tags.ok_or_else(|| Fault::invalid("If-Match names versions, such as W/\"3\""))?;
        if tags.iter().any(|tag| tag.parse() == Ok(stored.version)) {
            return Ok(());
        }
        let message = format!("{} has version {}, none that If-Match names", stored.key, stored.version);
        Err(Fault::new(Category::PreconditionFailed, message))
    }

    /// Whether a read can be answered with 304 (RFC 9110, 13.2.2: a tag outweighs a date).
    pub fn unchanged(&self, stored: &Stored) -> bool {
        if self.if_none_match.is_some() {
            return self.is_version(stored.version);
        }
        let seconds = |at: Timestamp| at.0.div_euclid(1_000_000);
        self.if_modified_since.is_some_and(|since| seconds(stored.updated) <= seconds(since))
    }

    /// Whether `If-None-Match` names this version.
    pub fn is_version(&self, version: i64) -> bool {
        let is_this = |text: &str| tag(text).is_some_and(|tag| tag.parse() == Ok(version));
        let names = |tags: &str| tags.trim() == "*" || tags.split(',').any(is_this);
        self.if_none_match.as_deref().is_some_and(names)
    }

    /// Reads `If-Modified-Since` as a header has it.
    pub fn header_date(text: &str) -> Option<Timestamp> {
        date::parse_http_date(text)
    }

    /// Reads `ifModifiedSince` of an entry, an instant.
    ///
    /// # Errors
    /// 400.
    pub fn entry_date(text: &str) -> Result<Timestamp> {
        date::parse_instant(text).ok_or_else(|| Fault::invalid("ifModifiedSince is an instant"))
    }
}

/// The text inside `W/"…"` or `"…"`.
fn tag(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit())).then_some(inner)
}

/// `Prefer: return=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// No body.
    Minimal,
    /// The resource.
    Representation,
    /// An OperationOutcome.
    Outcome,
}

/// What the caller would like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefer {
    /// `return=`, if given.
    pub answer: Option<Return>,
    /// `handling=`.
    pub handling: Handling,
}

impl Prefer {
    /// Adds the preferences of one header line; unknown ones are ignored (RFC 7240, 2).
    pub fn read(&mut self, line: &str) {
        for part in line.split([',', ';']) {
            let Some((name, value)) = part.split_once('=') else { continue };
            match (name.trim().to_ascii_lowercase().as_str(), value.trim().trim_matches('"')) {
                ("return", "minimal") => self.answer = Some(Return::Minimal),
                ("return", "representation") => self.answer = Some(Return::Representation),
                ("return", "OperationOutcome") => self.answer = Some(Return::Outcome),
                ("handling", "strict") => self.handling = Handling::Strict,
                ("handling", "lenient") => self.handling = Handling::Lenient,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
    use crate::repo::WriteKind;

    fn stored(version: i64, seconds: i64) -> Stored {
        let kind = ResourceType::find("Patient").expect("a type");
        let key = ResourceKey::new(kind, ResourceId::parse("1").expect("an id"));
        Stored { key, version, updated: Timestamp(seconds * 1_000_000 + 5), body: None, kind: WriteKind::Create }
    }

    #[test]
    fn if_match_is_one_version() {
        let of = |text: &str| Conditions { if_match: Some(text.into()), ..Conditions::default() }.version();
        assert_eq!(of("W/\"3\""), Ok(Some(3)));
        assert_eq!(of(" \"3\" "), Ok(Some(3)));
        for bad in ["3", "W/3", "\"\"", "*", "W/\"a\"", "W/\"1\", W/\"2\"", "\"0\"", "\"", ""] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(Conditions::default().version(), Ok(None));
    }

    #[test]
    fn a_read_may_insist_on_versions() {
        let of = |text: &str| {
            let conditions = Conditions { if_match: Some(text.into()), ..Conditions::default() };
            conditions.matching(&stored(2, 10)).map_err(|fault| fault.category().status())
        };
        for good in ["*", "W/\"2\"", "\"2\"", "W/\"1\", W/\"2\""] {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        assert_eq!(of("W/\"1\""), Err(412));
        assert_eq!(of("2"), Err(400));
    }

    #[test]
    fn a_tag_outweighs_a_date() {
        let mut conditions = Conditions { if_none_match: Some("W/\"1\", \"2\"".into()), ..Conditions::default() };
        assert!(conditions.unchanged(&stored(2, 10)));
        assert!(!conditions.unchanged(&stored(3, 10)));
        conditions.if_modified_since = Some(Timestamp(10_000_000));
        assert!(!conditions.unchanged(&stored(3, 10)));
        conditions.if_none_match = None;
        assert!(conditions.unchanged(&stored(3, 10)));
        assert!(!conditions.unchanged(&stored(3, 11)));
    }

    #[test]
    fn reads_preferences() {
        let mut prefer = Prefer::default();
        prefer.read("respond-async, return=minimal; foo=bar");
        prefer.read("Handling=\"strict\"");
        assert_eq!(prefer, Prefer { answer: Some(Return::Minimal), handling: Handling::Strict });
    }
}
