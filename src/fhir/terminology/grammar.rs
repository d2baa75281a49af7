//! Code systems with a grammar instead of a list: UCUM, MIME types (BCP 13) and languages (BCP 47).

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use super::about::{About, Content};
use super::concept::{Concept, Designation};
use super::face::{CodeSystem, Query};
use super::filter::{Filter, Op};
use super::languages;
use super::matching::whole;
use super::ucum;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::quantity::UCUM;

/// Longest code, in bytes.
const LONGEST: usize = 256;

/// What a code of a grammar must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grammar {
    Ucum,
    MimeType,
    Language,
}

/// A code system with a grammar.
#[derive(Debug)]
struct Made {
    grammar: Grammar,
    about: About,
}

/// The URLs of these systems, with their versions.
pub const SYSTEMS: [(&str, Option<&str>); 3] =
    [(UCUM, Some("2.2")), ("urn:ietf:bcp:13", None), ("urn:ietf:bcp:47", None)];

static ALL: LazyLock<[Arc<Made>; 3]> = LazyLock::new(|| {
    [
        made(Grammar::Ucum, UCUM, "UCUM", "Unified Code for Units of Measure", Some("2.2")),
        made(Grammar::MimeType, "urn:ietf:bcp:13", "MimeTypes", "MIME types (BCP 13)", None),
        made(Grammar::Language, "urn:ietf:bcp:47", "Languages", "Tags for languages (BCP 47)", None),
    ]
});

/// The code system with a URL, if it is one of these.
pub fn system(url: &str) -> Option<Arc<dyn CodeSystem>> {
    let found = ALL.iter().find(|made| &*made.about.url == url)?;
    Some(found.clone())
}

fn made(grammar: Grammar, url: &str, name: &str, title: &str, version: Option<&str>) -> Arc<Made> {
    let about = About {
        url: url.into(),
        version: version.map(Into::into),
        name: Some(name.into()),
        title: Some(title.into()),
        status: "active".into(),
        content: Content::Complete,
        case_sensitive: grammar == Grammar::Ucum,
        compositional: true,
        language: Some("en".into()),
        properties: if grammar == Grammar::Ucum { ucum::properties() } else { Vec::new() },
        enumerable: false,
        ..About::default()
    };
    Arc::new(Made { grammar, about })
}

impl Grammar {
    fn has(self, code: &str) -> bool {
        if code.is_empty() || code.len() > LONGEST {
            return false;
        }
        match self {
            Self::Ucum => ucum::is_unit(code),
            Self::MimeType => is_mime_type(code),
            Self::Language => is_language(code),
        }
    }
}

/// `type/subtype`, with parameters (RFC 6838, 4.2; RFC 2045, 5.1).
fn is_mime_type(code: &str) -> bool {
    let mut parts = code.split(';');
    let is_name = |text: &str| {
        let is_other = |byte: u8| matches!(byte, b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+');
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.len() <= 127
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_other(byte))
    };
    let Some((kind, subtype)) = parts.next().and_then(|name| name.trim_end().split_once('/')) else { return false };
    let is_parameter = |text: &str| match text.trim().split_once('=') {
        Some((name, value)) => is_name(name) && !value.is_empty(),
        None => false,
    };
    is_name(kind) && is_name(subtype) && parts.all(is_parameter)
}

/// A well-formed tag (RFC 5646, 2.1); whether its parts are registered is not looked up.
pub fn is_language(code: &str) -> bool {
    let parts: Vec<&str> = code.split('-').collect();
    let is = |text: &str, lengths: std::ops::RangeInclusive<usize>, letters: bool| {
        lengths.contains(&text.len())
            && text.bytes().all(|b| if letters { b.is_ascii_alphabetic() } else { b.is_ascii_alphanumeric() })
    };
    if parts.iter().any(|part| !is(part, 1..=8, false)) {
        return false;
    }
    let is_private = |part: &&str| part.eq_ignore_ascii_case("x");
    if is_private(&parts[0]) {
        return parts.len() > 1;
    }
    if parts[0].eq_ignore_ascii_case("i") {
        return parts.len() > 1;
    }
    let mut rest = &parts[1..];
    if !is(parts[0], 2..=8, true) {
        return false;
    }
    let mut extended = 0;
    while extended < 3 && parts[0].len() <= 3 && rest.first().is_some_and(|part| is(part, 3..=3, true)) {
        rest = &rest[1..];
        extended += 1;
    }
    if rest.first().is_some_and(|part| is(part, 4..=4, true)) {
        rest = &rest[1..];
    }
    let is_region =
        |part: &&str| is(part, 2..=2, true) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()));
    if rest.first().is_some_and(is_region) {
        rest = &rest[1..];
    }
    let is_variant =
        |part: &str| part.len() >= 5 || (part.len() == 4 && part.starts_with(|c: char| c.is_ascii_digit()));
    while rest.first().is_some_and(|part| is_variant(part)) {
        rest = &rest[1..];
    }
    // extensions: a single letter or digit with one part or more
    while let Some((first, others)) = rest.split_first() {
        let is_all = is_private(first);
        let count = others.iter().take_while(|part| is_all || part.len() > 1).count();
        if first.len() != 1 || count == 0 {
            return false;
        }
        rest = &others[count..];
    }
    true
}

impl CodeSystem for Made {
    fn about(&self) -> &About {
        &self.about
    }

    fn find(&self, code: &str) -> Result<Option<Cow<'_, Concept>>> {
        let concept = || {
            let (names, designations) = match self.grammar {
                Grammar::Ucum => (Vec::new(), ucum::designations(code)),
                Grammar::Language => (languages::names(code), Vec::new()),
                Grammar::MimeType => (Vec::new(), Vec::new()),
            };
            let mut names = names.into_iter();
            let display = names.next().map_or_else(|| code.into(), Into::into);
            let others = names.map(|name| Designation { value: name.into(), ..Designation::default() });
            Concept {
                code: code.into(),
                display: Some(display),
                designations: designations.into_iter().chain(others).collect(),
                ..Concept::default()
            }
        };
        Ok(self.grammar.has(code).then(|| Cow::Owned(concept())))
    }

    fn complaint(&self, code: &str) -> Option<String> {
        let shown: String = code.chars().take(80).collect();
        (self.grammar == Grammar::Ucum)
            .then(|| format!("Error processing unit '{shown}': The unit '{shown}' is unknown at character 1"))
    }

    fn check(&self, filter: &Filter) -> Result<()> {
        match (&*filter.property, filter.op) {
            ("code" | "concept", Op::Regex) => whole(&filter.value).map(drop),
            ("code" | "concept", Op::Equals | Op::In) => Ok(()),
            _ if self.grammar == Grammar::Ucum => ucum::check(filter),
            (property, op) => {
                let text = format!("the code system {} has no filter {property} {}", self.about.url, op.code());
                Err(Fault::coded(Category::Unprocessable, "not-supported", text))
            }
        }
    }

    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool> {
        if !self.grammar.has(code) {
            return Ok(false);
        }
        for filter in filters {
            let passes = match (&*filter.property, filter.op) {
                ("code" | "concept", Op::Equals) => code == &*filter.value,
                ("code" | "concept", Op::In) => filter.list().any(|one| one == code),
                ("code" | "concept", Op::Regex) => whole(&filter.value)?.is_match(code),
                _ if self.grammar == Grammar::Ucum => ucum::passes(code, filter),
                _ => return self.check(filter).map(|()| false),
            };
            if !passes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn refusal(&self, code: &str, filters: &[Filter]) -> Option<String> {
        filters.iter().find_map(|filter| (self.grammar == Grammar::Ucum).then(|| ucum::refusal(code, filter))?)
    }

    fn implicit_value_set(&self, url: &str) -> Result<Option<Json>> {
        if self.grammar == Grammar::Ucum { ucum::value_set(url) } else { Ok(None) }
    }

    fn select(&self, _query: &Query<'_>, _visit: &mut dyn FnMut(Cow<'_, Concept>) -> ControlFlow<()>) -> Result<()> {
        let text = format!("the code system {} has a grammar, so its codes cannot be listed", self.about.url);
        Err(Fault::coded(Category::Unprocessable, "too-costly", text))
    }

    fn count(&self, _query: &Query<'_>) -> Result<Option<u64>> {
        Ok(None)
    }

    fn subsumes(&self, _ancestor: &str, _descendant: &str) -> Result<bool> {
        Ok(false)
    }

    fn parents(&self, _code: &str) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    fn children(&self, _code: &str) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_the_grammar() {
        let has = |url: &str, code: &str| system(url).expect(url).find(code).expect("an answer").is_some();
        for code in
            ["en", "de-CH", "zh-Hant-TW", "sl-rozaj-biske", "de-DE-u-co-phonebk", "x-cresset", "zh-yue-HK", "es-419"]
        {
            assert!(has("urn:ietf:bcp:47", code), "{code}");
        }
        for code in ["", "e", "english!", "de_CH", "de-", "de-DE-u", "x", "a-b-c-d-e-f-g-h-i-j!"] {
            assert!(!has("urn:ietf:bcp:47", code), "{code}");
        }
        for code in ["text/plain", "application/fhir+json; fhirVersion=4.0", "image/svg+xml"] {
            assert!(has("urn:ietf:bcp:13", code), "{code}");
        }
        for code in ["text", "text/", "/plain", "text/pl ain", "text/plain; x"] {
            assert!(!has("urn:ietf:bcp:13", code), "{code}");
        }
        assert!(has(UCUM, "mg/dL") && has(UCUM, "%{Negative Control}") && !has(UCUM, "kgXX") && !has(UCUM, "m g"));
        let ucum = system(UCUM).expect("UCUM");
        assert_eq!(
            ucum.select(&Query::default(), &mut |_| ControlFlow::Continue(())).expect_err("endless").issues()[0].code,
            "too-costly"
        );
    }
}
