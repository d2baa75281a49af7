//! The texts of a concept that was found, and whether a display is one of them.

use std::sync::Arc;

use super::concept::Concept;
use super::face::CodeSystem;
use super::issues::issue;
use super::language::{Languages, Text, choose, texts};
use super::member::Found;
use super::memory::STANDARDS_STATUS;
use crate::base::fault::{Issue, Result};
use crate::fhir::json::Json;

/// A concept with what supplements add to it.
#[derive(Debug)]
pub struct Shown {
    /// What was found.
    pub found: Found,
    /// What supplements say about it.
    pub added: Vec<Added>,
}

/// A concept of a supplement.
#[derive(Debug)]
pub struct Added {
    /// The canonical URL of the supplement.
    pub source: String,
    /// The supplement.
    pub system: Arc<dyn CodeSystem>,
    /// What it adds.
    pub concept: Concept,
}

impl Shown {
    /// Adds what supplements say about a concept.
    ///
    /// # Errors
    /// When a supplement cannot be read.
    pub fn new(found: Found, supplements: &[Arc<dyn CodeSystem>]) -> Result<Self> {
        let mut added = Vec::new();
        for supplement in supplements {
            let about = supplement.about();
            let version = found.system.as_ref().map(|system| system.about().version.as_deref().unwrap_or(""));
            if !about.is_supplement_of(&found.url, version) {
                continue;
            }
            if let Some(concept) = supplement.find(&found.concept.code)? {
                let concept = concept.into_owned();
                added.push(Added { source: about.canonical(), system: supplement.clone(), concept });
            }
        }
        Ok(Self { found, added })
    }

    /// All texts: the display, the code system's others, those of supplements, those of the value set.
    pub fn texts(&self) -> Vec<Text<'_>> {
        let concept = &self.found.concept;
        let mut all = match &self.found.system {
            Some(system) => texts(system.about(), concept),
            None => Vec::new(),
        };
        let plain = |value, is_display| Text {
            language: None,
            is_untagged: false,
            usage: None,
            value,
            extensions: &[],
            is_display,
            source: None,
        };
        if self.found.system.is_none() {
            all.extend(concept.display.as_deref().map(|value| plain(value, true)));
        }
        for Added { source, system, concept } in &self.added {
            let language = system.about().language.as_deref();
            let display =
                concept.display.as_deref().map(|value| Text { language, source: Some(source), ..plain(value, false) });
            all.extend(display);
            all.extend(concept.designations.iter().map(|designation| Text {
                language: designation.language.as_deref().or(language),
                usage: designation.usage.as_ref(),
                extensions: &designation.extensions,
                source: Some(source),
                ..plain(&designation.value, false)
            }));
        }
        let Some(listed) = &self.found.listed else { return all };
        all.extend(listed.designations.iter().map(|designation| Text {
            language: designation.language.as_deref(),
            usage: designation.usage.as_ref(),
            extensions: &designation.extensions,
            ..plain(&designation.value, false)
        }));
        all
    }

    /// The text to show: that of the value set, else the best of the code system.
    pub fn display(&self, languages: Option<&Languages>) -> Option<String> {
        let texts = self.texts();
        let of_set = self.found.listed.as_ref().and_then(|listed| listed.display.as_deref());
        match (of_set, choose(&texts, languages)) {
            (Some(text), Some(at)) if texts[at].is_display => Some(text.to_owned()),
            (Some(text), None) => Some(text.to_owned()),
            (_, Some(at)) => Some(texts[at].value.to_owned()),
            (None, None) => None,
        }
    }

    /// What is wrong with a display, as `severity` where it is no text of the concept in these languages.
    pub fn complaint(&self, given: &str, languages: Option<&Languages>, severity: &'static str) -> Option<Issue> {
        let all = self.texts();
        let of_set = self.found.listed.as_ref().and_then(|listed| listed.display.as_deref());
        if of_set.is_some_and(|text| same(text, given)) {
            return None;
        }
        let is_current = |text: &&Text<'_>| !is_out_of_use(text.extensions);
        let fits = |text: &&Text<'_>| match (languages, text.language) {
            (Some(languages), Some(language)) => languages.rank(language).is_some(),
            _ => true,
        };
        let valid: Vec<&Text<'_>> = all.iter().filter(is_current).filter(fits).collect();
        if valid.iter().any(|text| same(text.value, given)) {
            return None;
        }
        let code = &self.found.concept.code;
        let outdated = all.iter().filter(fits).find(|text| is_out_of_use(text.extensions) && same(text.value, given));
        if outdated.is_some() {
            let current: Vec<String> = valid.iter().map(|text| format!("\"{}\"", text.value)).collect();
            let text = format!(
                "'{given}' is no longer considered a correct display for code '{code}' (status = deprecated). The correct display is one of {}.",
                current.join(", ")
            );
            return Some(issue("warning", "invalid", "display-comment", "INACTIVE_DISPLAY_FOUND", text));
        }
        let name = format!("{}#{code}", self.found.url);
        let asked = languages.map_or("--", |languages| &languages.text);
        if valid.is_empty() {
            return self.none_for(given, &name, asked, severity);
        }
        let one = |text: &&Text<'_>| match text.language {
            Some(language) => format!("'{}' ({language})", text.value),
            None => format!("'{}'", text.value),
        };
        let shown: Vec<String> = valid.iter().map(one).collect();
        let choice = match shown.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("one of {} choices: {} or {last}", shown.len(), others.join(", "))
            }
            _ => shown.concat(),
        };
        let is_spacing = valid.iter().any(|text| same_words(text.value, given));
        let (wrong, id) = if is_spacing {
            ("Wrong whitespace in Display Name", "Display_Name_WS_for__should_be_one_of__instead_of")
        } else {
            ("Wrong Display Name", "Display_Name_for__should_be_one_of__instead_of")
        };
        let text = format!("{wrong} '{given}' for {name}. Valid display is {choice} (for the language(s) '{asked}')");
        Some(issue(severity, "invalid", "invalid-display", id, text))
    }

    /// No text is in the languages that are asked for.
    fn none_for(&self, given: &str, name: &str, asked: &str, severity: &'static str) -> Option<Issue> {
        let default = self.found.concept.display.as_deref()?;
        if same(default, given) {
            let text = format!(
                "'{given}' is the default display; the code system {} has no Display Names for the language {asked}",
                self.found.url
            );
            return Some(issue(
                "information",
                "invalid",
                "display-comment",
                "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK",
                text,
            ));
        }
        let text = format!(
            "Wrong Display Name '{given}' for {name}. There are no valid display names found for language(s) '{asked}'. Default display is '{default}'"
        );
        Some(issue(severity, "invalid", "invalid-display", "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR", text))
    }
}

/// Whether extensions say that a text is out of use.
fn is_out_of_use(extensions: &[Json]) -> bool {
    extensions.iter().any(|extension| {
        let text = |name: &str| extension.get(name).and_then(Json::as_str);
        text("url") == Some(STANDARDS_STATUS) && matches!(text("valueCode"), Some("withdrawn" | "deprecated"))
    })
}

/// Whether two displays are the same, case aside.
fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// Whether two displays are the same, white space aside.
fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().map(str::to_lowercase).eq(b.split_whitespace().map(str::to_lowercase))
}
