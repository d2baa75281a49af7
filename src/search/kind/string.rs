//! `string` (FHIR R4 `search.html`, 3.1.1.4.8).

use smallvec::{SmallVec, smallvec};

use super::element::{Element, each};
use super::escape::unescape;
use super::fold::bare;
pub use super::fold::fold;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::search::index::codec::{TEXT_MAX, cut};
use crate::search::query::{Relation, StringTest};
use crate::search::value::Value;

/// Most later parts of a family name at which it is found.
const PARTS_MAX: usize = 8;

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

/// Reads one value; it has several tests, of which one must pass, when there is punctuation in it.
///
/// # Errors
/// The reason, when it is broken or nothing is left of it.
pub fn parse(text: &str, mode: Mode) -> Result<SmallVec<[StringTest; 2]>, &'static str> {
    let text = unescape(text)?;
    if mode == Mode::Exact {
        return Ok(smallvec![StringTest::Exact(text.into())]);
    }
    let folded = fold(&text);
    if folded.is_empty() {
        return Err("there is no letter, digit or sign in it");
    }
    let mut texts = bare(&folded);
    if texts.is_empty() {
        texts.push(folded);
    }
    let make = if mode == Mode::Contains { StringTest::Contains } else { StringTest::StartsWith };
    Ok(texts.into_iter().map(make).collect())
}

/// The values of an element: a string, or the parts of a HumanName or Address that are strings.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    const NAME: [u16; 5] = [names::FAMILY, names::GIVEN, names::PREFIX, names::SUFFIX, names::TEXT];
    const ADDRESS: [u16; 7] =
        [names::LINE, names::CITY, names::DISTRICT, names::STATE, names::POSTAL_CODE, names::COUNTRY, names::TEXT];
    let parts: &[u16] = match (element.json, element.type_name) {
        (Json::String(text), _) => return value(text, element.is_family, out),
        (_, "HumanName") => &NAME,
        (_, "Address") => &ADDRESS,
        _ => return,
    };
    let Some(object) = element.json.as_object() else { return };
    for part in parts {
        let is_family = *part == names::FAMILY;
        each(object, *part).filter_map(Json::as_str).for_each(|text| value(text, is_family, out));
    }
}

/// What is known of a text: its base characters, up to [`TEXT_MAX`] bytes.
pub fn beginning(text: &str) -> Box<str> {
    let folded = fold(text);
    if folded.len() <= TEXT_MAX { folded } else { cut(&folded, TEXT_MAX).into() }
}

fn value(text: &str, is_family: bool, out: &mut dyn FnMut(Value)) {
    if text.is_empty() {
        return;
    }
    let folded = beginning(text);
    let mut others: Vec<Box<str>> = Vec::new();
    let forms = bare(&folded);
    if is_family && let Some(spaced) = forms.last() {
        let later = spaced.match_indices(' ').take(PARTS_MAX).map(|(at, _)| spaced[at + 1..].into());
        others.extend(later);
    }
    others.extend(forms.into_iter().filter(|form| *form != folded));
    out(Value::String { folded, exact: text.into(), others: others.into() });
}

/// The values of a composite's component stand in columns with one text each.
pub fn spread(values: &mut Vec<Value>) {
    let mut more = Vec::new();
    for value in values.iter_mut() {
        if let Value::String { exact, others, .. } = value {
            let text = |folded| Value::String { folded, exact: exact.clone(), others: Box::default() };
            more.extend(std::mem::take(others).into_iter().map(text));
        }
    }
    values.append(&mut more);
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
pub fn passes(test: &StringTest, folded: &str, exact: &str, others: &[Box<str>]) -> bool {
    let any = |holds: &dyn Fn(&str) -> bool| holds(folded) || others.iter().any(|other| holds(other));
    match test {
        StringTest::StartsWith(text) => any(&|found| found.starts_with(&**text)),
        StringTest::Contains(text) => any(&|found| found.contains(&**text)),
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
        Relation::Starts => folded.starts_with(text),
        Relation::Contains => folded.contains(text),
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
            ("ıssız", "issiz"),
            ("ŉ ǅ", "ʼn dz"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("ﬁn", "fin"),
            ("e\u{301}", "e"),
            ("Nguyễn", "nguyen"),
            ("Żółć", "zolc"),
            ("ĐẶNG", "dang"),
            ("Ørsted, Kjær, Lœtitia", "orsted, kjaer, loetitia"),
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
        let test = |text, mode| parse(text, mode).expect(text).iter().any(|test| passes(test, &folded, exact, &[]));
        assert!(test("sev", Mode::StartsWith) && test("SÉVERINE", Mode::StartsWith) && !test("eve", Mode::StartsWith));
        assert!(test("eve", Mode::Contains) && !test("evf", Mode::Contains));
        assert!(test("Séverine", Mode::Exact) && !test("séverine", Mode::Exact) && !test("Sév", Mode::Exact));
        assert!(parse(" ", Mode::StartsWith).is_err());
    }

    /// Whether a family name is found.
    fn is_found(written: &str, asked: &str, mode: Mode) -> bool {
        let json = Json::string(written);
        let element = Element { json: &json, type_name: "string", system: None, is_family: true };
        let mut found = false;
        extract(element, &mut |value| {
            let Value::String { folded, exact, others } = value else { panic!("a string") };
            found |= parse(asked, mode).expect(asked).iter().any(|test| passes(test, &folded, &exact, &others));
        });
        found
    }

    #[test]
    fn punctuation_is_ignored_and_parts_of_a_family_name_are_found() {
        for (written, asked) in [
            ("O'Brien", "obrien"),
            ("OBrien", "O'Br"),
            ("O’Brien", "o'brien"),
            ("Smith-Jones", "smith jones"),
            ("Smith Jones", "smith-jon"),
            ("SmithJones", "Smith-Jones"),
            ("Smith-Jones", "Jones"),
            ("Carreño Quiñones", "quinones"),
            ("de la Cruz", "la cr"),
            ("St. John", "st john"),
            ("...", "."),
        ] {
            assert!(is_found(written, asked, Mode::StartsWith), "{asked} finds {written}");
        }
        for (written, asked) in [("Severine", "eve"), ("Smith Jones", "ones"), ("Ann Abel", "anna"), ("+", "-")] {
            assert!(!is_found(written, asked, Mode::StartsWith), "{asked} does not find {written}");
        }
        assert!(is_found("O'Brien-Smith", "briensm", Mode::Contains) && is_found("O'Brien", "'b", Mode::Contains));
        assert!(!is_found("O'Brien", "OBrien", Mode::Exact) && is_found("O'Brien", "O'Brien", Mode::Exact));
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
                if let Ok(tests) = parse(&text.replace('\\', "\\\\"), mode) {
                    let others: Vec<Box<str>> = bare(&folded).into_vec();
                    prop_assert!(tests.iter().any(|test| passes(test, &folded, &text, &others)));
                }
            }
        }
    }
}
