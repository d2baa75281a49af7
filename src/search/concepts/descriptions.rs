//! The descriptions of concepts of SNOMED CT, as filters of expression constraints ask for them: all tests of a filter hold of one text.

use tantivy::query::{BooleanQuery, Query};

use super::schema::{DISPLAY, OTHERS};
use super::select::either;
use crate::fhir::codes::Concept;
use crate::fhir::terminology::ecl::{DEFINITION, DescriptionTest, SYNONYM, Term};
use crate::search::index::terms::Terms;
use crate::search::kind::words::words;

/// A text of a concept.
struct Description<'c> {
    text: &'c str,
    language: Option<&'c str>,
    kind: Option<&'c str>,
}

/// The names of a concept and, for who asks for definitions, that: words of definitions are not in the index.
fn descriptions(concept: &Concept, with_definition: bool) -> impl Iterator<Item = Description<'_>> {
    let others = concept.designations.iter().map(|one| Description {
        text: &one.value,
        language: one.language.as_deref(),
        kind: one.usage.as_ref().map(|usage| &*usage.code),
    });
    let is_told = |display: &str| concept.designations.iter().any(|one| *one.value == *display);
    let display = concept.display.iter().filter(move |display| !is_told(display));
    let display = display.map(|text| Description { text, language: None, kind: Some(SYNONYM) });
    let definition = concept.definition.iter().filter(move |_| with_definition);
    let definition = definition.map(|text| Description { text, language: None, kind: Some(DEFINITION) });
    display.chain(others).chain(definition)
}

fn asks_for_definitions(tests: &[DescriptionTest]) -> bool {
    tests.iter().any(
        |test| matches!(test, DescriptionTest::Kind(false, kinds) if kinds.iter().any(|kind| **kind == *DEFINITION)),
    )
}

/// Whether one text of a concept passes all tests.
pub fn passes(concept: &Concept, tests: &[DescriptionTest]) -> bool {
    descriptions(concept, asks_for_definitions(tests)).any(|one| tests.iter().all(|test| holds(&one, test)))
}

fn holds(one: &Description<'_>, test: &DescriptionTest) -> bool {
    let among = |list: &[Box<str>], given: Option<&str>| {
        given.is_some_and(|given| list.iter().any(|wanted| wanted.eq_ignore_ascii_case(given)))
    };
    match test {
        DescriptionTest::Term(is_other, terms) => terms.iter().any(|term| has(one.text, term)) != *is_other,
        DescriptionTest::Language(is_other, list) => among(list, one.language) != *is_other,
        DescriptionTest::Kind(is_other, list) => among(list, one.kind) != *is_other,
    }
}

fn has(text: &str, term: &Term) -> bool {
    match term {
        Term::Words(wanted) => {
            let found = words(text);
            // what is written with a hyphen is several words
            wanted.iter().flat_map(|one| words(one)).all(|one| found.iter().any(|word| word.starts_with(&*one)))
        }
        Term::Wild(pattern) => is_like(&text.to_lowercase(), pattern),
    }
}

/// Whether a text is a pattern in which `*` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The concepts that may pass: with all words of one of the terms. None where the tests name no words that the index has, so that all may.
pub fn likely(tests: &[DescriptionTest]) -> Option<Box<dyn Query>> {
    if asks_for_definitions(tests) {
        return None;
    }
    let terms = tests.iter().find_map(|test| match test {
        DescriptionTest::Term(false, terms) => Some(terms),
        _ => None,
    })?;
    let begins = |word: &str| {
        let field = |field| Box::new(Terms::prefixes(field, vec![word.as_bytes().to_vec()])) as Box<dyn Query>;
        either(vec![field(DISPLAY), field(OTHERS)])
    };
    let of_term = |term: &Term| -> Option<Box<dyn Query>> {
        let Term::Words(wanted) = term else { return None };
        let each: Vec<Box<dyn Query>> = wanted.iter().flat_map(|one| words(one)).map(|word| begins(&word)).collect();
        (!each.is_empty()).then(|| Box::new(BooleanQuery::intersection(each)) as Box<dyn Query>)
    };
    terms.iter().map(of_term).collect::<Option<Vec<_>>>().map(either)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (text, pattern, expected) in [
            ("heart attack", "heart*", true),
            ("heart attack", "*att*k", true),
            ("heart attack", "heart", false),
            ("heart", "heart", true),
            ("heart attack", "*t*t*t*", true),
            ("heart", "*t*t*", false),
            ("aba", "ab*ba", false),
            ("", "*", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
