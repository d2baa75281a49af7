//! The languages that a client reads (`displayLanguage`, `Accept-Language`), and which text of a concept is for them.

use super::about::About;
use super::concept::{Coding, Concept};
use crate::fhir::json::Json;

/// Most languages of one list.
const LANGUAGES: usize = 32;

/// Languages, the one that is liked best first.
#[derive(Debug, Clone)]
pub struct Languages {
    /// As the client wrote it.
    pub text: Box<str>,
    ranges: Vec<Box<str>>,
    /// Whether a text in no language of the list is better than none.
    falls_back: bool,
}

impl Languages {
    /// From a list as of `Accept-Language` (RFC 9110, 12.5.4); none when it names no language.
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges: Vec<(Box<str>, u32)> = Vec::new();
        let mut falls_back = true;
        for part in text.split(',').take(LANGUAGES) {
            let (range, rest) = part.split_once(';').unwrap_or((part, ""));
            let quality = rest.trim().strip_prefix("q=").map_or(Ok(1.0), |q| q.trim().parse::<f64>()).unwrap_or(0.0);
            let range = range.trim();
            match range {
                "" => {}
                "*" => falls_back = quality > 0.0,
                _ if quality > 0.0 => ranges.push((range.into(), (quality * 1000.0) as u32)),
                _ => {}
            }
        }
        ranges.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
        let ranges: Vec<Box<str>> = ranges.into_iter().map(|(range, _)| range).collect();
        (!ranges.is_empty()).then(|| Self { text: text.trim().into(), ranges, falls_back })
    }

    /// How well a language is liked: the less the better; none when it is not in the list.
    pub fn rank(&self, language: &str) -> Option<usize> {
        let begins = |long: &str, short: &str| {
            long.len() > short.len()
                && long.is_char_boundary(short.len())
                && long.as_bytes()[short.len()] == b'-'
                && long[..short.len()].eq_ignore_ascii_case(short)
        };
        let score = |(at, range): (usize, &str)| {
            if range.eq_ignore_ascii_case(language) {
                Some(at * 3)
            } else if begins(language, range) {
                Some(at * 3 + 1)
            } else {
                begins(range, language).then_some(at * 3 + 2)
            }
        };
        self.ranges.iter().map(|range| &**range).enumerate().filter_map(score).min()
    }
}

/// A text of a concept.
#[derive(Debug, Clone)]
pub struct Text<'c> {
    /// Its language, where that is known: that of the code system if it names none.
    pub language: Option<&'c str>,
    /// Whether the designation itself names no language; then it is told without one.
    pub is_untagged: bool,
    /// What it is for.
    pub usage: Option<&'c Coding>,
    /// The text.
    pub value: &'c str,
    /// Extensions of the designation.
    pub extensions: &'c [Json],
    /// Whether the code system prefers it.
    pub is_display: bool,
    /// The canonical URL of the supplement that it is from.
    pub source: Option<&'c str>,
}

/// The texts of a concept, its display first.
pub fn texts<'c>(about: &'c About, concept: &'c Concept) -> Vec<Text<'c>> {
    let display = concept.display.as_deref().map(|value| Text {
        language: about.language.as_deref(),
        is_untagged: false,
        usage: None,
        value,
        extensions: &[],
        is_display: true,
        source: None,
    });
    let others = concept.designations.iter().map(|designation| Text {
        language: designation.language.as_deref().or(about.language.as_deref()),
        is_untagged: designation.language.is_none(),
        usage: designation.usage.as_ref(),
        value: &designation.value,
        extensions: &designation.extensions,
        is_display: false,
        source: None,
    });
    display.into_iter().chain(others).collect()
}

/// The place of the text to show: the first that is liked best, else the display where a text in another language is better than none.
pub fn choose(texts: &[Text<'_>], languages: Option<&Languages>) -> Option<usize> {
    let display = texts.iter().position(|text| text.is_display);
    let Some(languages) = languages else { return display };
    let rank = |text: &Text<'_>| match text.language {
        Some(language) => languages.rank(language),
        None => None,
    };
    let best = texts.iter().enumerate().filter_map(|(at, text)| Some((rank(text)?, !text.is_display, at))).min();
    match best {
        Some((_, _, at)) => Some(at),
        None => display.filter(|at| languages.falls_back || texts[*at].language.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let languages = Languages::parse("en, en-AU; q=0.4, de;q=0.9").expect("languages");
        assert_eq!(
            (languages.rank("en"), languages.rank("en-GB"), languages.rank("de-CH")),
            (Some(0), Some(1), Some(4))
        );
        assert_eq!(languages.rank("fr"), None);
        assert!(Languages::parse(" ").is_none() && Languages::parse("*").is_none());
        assert!(!Languages::parse("en, *; q=0").expect("languages").falls_back);
        assert_eq!(Languages::parse("en-AU").expect("one").rank("en"), Some(2));
    }
}
