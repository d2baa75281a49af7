//! What a profile asks of the parts of a narrative: sections by language, and where each part comes from (the extensions
//! `narrative-language-control` and `narrative-source-control` of HL7's package of extensions).

use super::rules::NarrativeControl;
use super::state::{Check, Scope, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::xml::{Scanner, Tag, Token};

/// The classes that say where a part comes from.
const SOURCES: [&str; 4] = ["boilerplate", "generated", "original", "extensions"];

/// The parts of a narrative.
#[derive(Debug, Default)]
struct Parts {
    /// The languages of the sections: the outermost `div`s with one.
    languages: Vec<String>,
    /// What begins the first part that does not say where it comes from.
    nameless: Option<String>,
}

/// Checks a Narrative.
pub fn check(check: &mut Check<'_, '_>, control: &NarrativeControl, narrative: &Json, scope: &Scope<'_>, path: &Path) {
    let Some(parts) = narrative.get("div").and_then(Json::as_str).and_then(|text| parts(text.trim())) else { return };
    let own = scope.resource.json.get("language").and_then(Json::as_str);
    for wanted in &control.languages {
        let language = if **wanted == *"_resource" || **wanted == *"#resource" { own } else { Some(&**wanted) };
        let problem = match language {
            None => continue,
            Some("_no" | "#no") if !parts.languages.is_empty() => {
                "the narrative must have no sections by language".to_owned()
            }
            Some("_yes" | "#yes") if parts.languages.is_empty() => {
                "the narrative must have sections by language".to_owned()
            }
            Some("_no" | "#no" | "_yes" | "#yes") => continue,
            Some(language) if parts.languages.iter().any(|one| one == language) => continue,
            Some(language) => format!("the narrative must have a section in the language {}", shown(language)),
        };
        check.fail("business-rule", || problem, path);
    }
    if let Some(part) = parts.nameless.filter(|_| control.by_source) {
        let text =
            || format!("the class of each part must say where it comes from; this one does not: {}", shown(&part));
        check.fail("business-rule", text, path);
    }
}

fn parts(text: &str) -> Option<Parts> {
    let mut scan = Scanner::new(text).ok()?;
    let mut parts = Parts::default();
    // whether each open element is one whose content must still say where it comes from
    let mut open: Vec<bool> = Vec::new();
    loop {
        match scan.token().ok()? {
            Token::Start(tag) => {
                let is_asked = open.last().copied().unwrap_or(true);
                let is_root = open.is_empty();
                if open.len() == 1 && tag.name == "div" {
                    parts.languages.extend(language(&tag));
                }
                let says = says_source(&tag);
                if is_asked && !says && !is_root && tag.name != "div" {
                    parts.nameless.get_or_insert_with(|| format!("<{}>", tag.name));
                }
                if !tag.is_empty {
                    open.push(is_asked && !says && (is_root || tag.name == "div"));
                }
            }
            Token::End => drop(open.pop()),
            Token::Text if open.last() == Some(&true) => {
                let words = scan.text().get(scan.start()..scan.end()).unwrap_or("").trim();
                if !words.is_empty() {
                    parts.nameless.get_or_insert_with(|| words.to_owned());
                }
            }
            Token::Eof => return Some(parts),
            _ => {}
        }
    }
}

fn language(tag: &Tag<'_>) -> Option<String> {
    let find = |name: &str| tag.attributes.iter().find(|attribute| attribute.name == name);
    find("xml:lang").or_else(|| find("lang")).map(|attribute| attribute.value.to_string())
}

fn says_source(tag: &Tag<'_>) -> bool {
    let class = tag.attributes.iter().find(|attribute| attribute.name == "class");
    class.is_some_and(|class| class.value.split_ascii_whitespace().any(|word| SOURCES.contains(&word)))
}
