//! `string` (FHIR R4 `search.html`, 3.1.1.4.8).

use super::element::{Element, each};
use super::escape::unescape;
pub use super::fold::fold;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::search::query::{Relation, StringTest};
use crate::search::value::Value;

/// How a string is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Without a modifier.
    StartsWith,
    /// `:contains`
    Contains,
    /// `:exact`
    Exact,
}

/// Reads one value.
///
/// # Errors
/// The reason, when it is broken or nothing is left of it.
pub fn parse(text: &str, mode: Mode) -> Result<StringTest, &'static str> {
    let text = unescape(text)?;
    if mode == Mode::Exact {
        return Ok(StringTest::Exact(text.into()));
    }
    let folded = fold(&text);
    if folded.is_empty() {
        return Err("there is no letter, digit or sign in it");
    }
    Ok(if mode == Mode::Contains { StringTest::Contains(folded) } else { StringTest::StartsWith(folded) })
}

/// The values of an element: a string, or the parts of a HumanName or Address that are strings.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    const NAME: [u16; 5] = [names::FAMILY, names::GIVEN, names::PREFIX, names::SUFFIX, names::TEXT];
    const ADDRESS: [u16; 7] =
        [names::LINE, names::CITY, names::DISTRICT, names::STATE, names::POSTAL_CODE, names::COUNTRY, names::TEXT];
    let parts: &[u16] = match (element.json, element.type_name) {
        (Json::String(text), _) => return value(text, out),
        (_, "HumanName") => &NAME,
        (_, "Address") => &ADDRESS,
        _ => return,
    };
    let Some(object) = element.json.as_object() else { return };
    for part in parts {
        each(object, *part).filter_map(Json::as_str).for_each(|text| value(text, out));
    }
}

fn value(text: &str, out: &mut dyn FnMut(Value)) {
    let folded = fold(text);
    if !text.is_empty() {
        out(Value::String { folded, exact: text.into() });
    }
}

/// Whether a folded text has a word (or a sign) at which `part` begins.
pub fn at_word(text: &str, part: &str) -> bool {
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let is_letter = c.is_alphanumeric();
        if !(in_word && is_letter) && text[at..].starts_with(part) {
            return true;
        }
        in_word = is_letter;
    }
    false
}

/// Whether a value passes.
pub fn passes(test: &StringTest, folded: &str, exact: &str) -> bool {
    match test {
        StringTest::StartsWith(text) => folded.starts_with(&**text),
        StringTest::Contains(text) => folded.contains(&**text),
        StringTest::Exact(text) => exact == &**text,
        StringTest::Words(words) => words.passes_text(folded),
        StringTest::Fuzzy(fuzzy) => fuzzy.likeness(folded).is_some(),
        StringTest::Relation(relation, text) => relates(*relation, folded, text),
    }
}

/// Whether a folded text stands to another as `_filter` asks.
pub fn relates(relation: Relation, folded: &str, text: &str) -> bool {
    let first = |text: &str| text.chars().next();
    match relation {
        Relation::Same => folded == text,
        Relation::Other => folded != text,
        Relation::Ends => folded.ends_with(text),
        Relation::Above => first(folded) > first(text),
        Relation::AtLeast => first(folded) >= first(text),
        Relation::Below => first(folded) < first(text),
        Relation::AtMost => first(folded) <= first(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_begin_at_words() {
        for part in ["blood", "pressure", "blood pres", "(sys", "sys", "ar", "é", "-ar"] {
            assert!(at_word("blood pressure (sys)-ar é", part), "{part}");
        }
        for part in ["lood", "ys)", "ressure", "r"] {
            assert!(!at_word("blood pressure (sys)-ar é", part), "{part}");
        }
        assert!(at_word("ba a a", "a a"));
    }

    #[test]
    fn folds_to_base_characters() {
        let cases = [
            ("Eve", "eve"),
            ("  José \t María ", "jose maria"),
            ("MÜLLER", "muller"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("İstanbul", "istanbul"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("ﬁn", "fin"),
            ("e\u{301}", "e"),
            ("Nguyễn", "nguyen"),
            ("王", "王"),
            ("\u{301}", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(&*fold(text), expected, "{text}");
        }
    }

    #[test]
    fn the_three_modes() {
        let (folded, exact) = (fold("Séverine"), "Séverine");
        let test = |text, mode| passes(&parse(text, mode).expect(text), &folded, exact);
        assert!(test("sev", Mode::StartsWith) && test("SÉVERINE", Mode::StartsWith) && !test("eve", Mode::StartsWith));
        assert!(test("eve", Mode::Contains) && !test("evf", Mode::Contains));
        assert!(test("Séverine", Mode::Exact) && !test("séverine", Mode::Exact) && !test("Sév", Mode::Exact));
        assert!(parse(" ", Mode::StartsWith).is_err());
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,20}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn a_text_finds_itself(text in "[ \\PC]{1,20}") {
            let folded = fold(&text);
            for mode in [Mode::StartsWith, Mode::Contains] {
                if let Ok(test) = parse(&text.replace('\\', "\\\\"), mode) {
                    prop_assert!(passes(&test, &folded, &text));
                }
            }
        }
    }
}
