//! Headers that make a request conditional, and `Prefer` (FHIR R4 `http.html`, 3.1.0.1.4 to 3.1.0.5).

use smallvec::SmallVec;

use super::date;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::repo::{Handling, IfMatch, Stored};

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
    /// The versions of `If-Match`.
    ///
    /// # Errors
    /// 400 when it is neither `*` nor a list of `W/"n"` or `"n"`.
    pub fn if_match(&self) -> Result<Option<IfMatch>> {
        named(self.if_match.as_deref(), "If-Match")
    }

    /// The versions of `If-None-Match` on a write; on a read see [`Conditions::unchanged`].
    ///
    /// # Errors
    /// 400 as for `If-Match`.
    pub fn if_none_match(&self) -> Result<Option<IfMatch>> {
        named(self.if_none_match.as_deref(), "If-None-Match")
    }

    /// Refuses a read whose `If-Match` names other versions (RFC 9110, 13.1.1).
    ///
    /// # Errors
    /// 412 then, 400 for a header that names none.
    pub fn matching(&self, stored: &Stored) -> Result<()> {
        if self.if_match()?.is_none_or(|wanted| wanted.has(stored.version)) {
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
        // What cannot be read of a read is as if it were not there: the answer is whole then.
        self.if_none_match().ok().flatten().is_some_and(|known| known.has(version))
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

/// The versions of a header: `*`, or a list of entity tags (RFC 9110, 8.8.3). Weak and strong ones are alike, as FHIR has
/// them; a tag that is no version of this server is none of any resource.
fn named(header: Option<&str>, name: &str) -> Result<Option<IfMatch>> {
    let Some(text) = header.map(str::trim) else { return Ok(None) };
    if text == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let unread = || Fault::invalid(format!("{name} is * or versions, such as W/\"3\""));
    let (mut rest, mut versions, mut count) = (text, SmallVec::new(), 0);
    loop {
        // empty members of a list do not count (5.6.1)
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return if count > 0 { Ok(Some(IfMatch::Versions(versions))) } else { Err(unread()) };
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"').ok_or_else(unread)?;
        let (tag, after) = opaque.split_once('"').ok_or_else(unread)?;
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(unread());
        }
        count += 1;
        let is_number = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit());
        versions.extend(tag.parse::<i64>().ok().filter(|_| is_number));
    }
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
    fn if_match_is_any_version_or_a_list() {
        let of = |text: &str| Conditions { if_match: Some(text.into()), ..Conditions::default() }.if_match();
        let list = |versions: &[i64]| Ok(Some(IfMatch::Versions(versions.into())));
        assert_eq!(of(" * "), Ok(Some(IfMatch::Any)));
        for (text, versions) in [
            ("W/\"3\"", &[3][..]),
            (" \"3\" ", &[3]),
            ("W/\"1\", \"2\" ,,W/\"30\",", &[1, 2, 30]),
            // tags of others, also with a comma in them
            ("\"a,b\", W/\"\", \"7\", \"+7\"", &[7]),
            ("\"99999999999999999999\"", &[]),
        ] {
            assert_eq!(of(text), list(versions), "{text}");
        }
        for bad in ["3", "W/3", "\"", "", ",", "w/\"1\"", "W/\"1\" W/\"2\"", "W/\"1\", *", "\"1\"2\"", "'1'"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(Conditions::default().if_match(), Ok(None));
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
