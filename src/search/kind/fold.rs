//! Folding: texts without case, accents and superfluous white space (FHIR R4 `search.html`, 3.1.1.4.8).

use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The base characters of a text: compatibility forms decomposed (NFKD), combining marks dropped, and what has the same
/// capital letter alike, in lowercase (`ß` is `ss`, `ς` is `σ`, `ı` is `i`); a stroke is a mark too, though Unicode does not
/// take it off (`ł` is `l`), and ligatures are their letters (`æ` is `ae`); runs of white space are one space, none at the ends.
pub fn fold(text: &str) -> Box<str> {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        text.chars().for_each(|c| push(&mut out, c.to_ascii_lowercase()));
    } else {
        let base = text.nfkd().filter(|c| !is_combining_mark(*c));
        let alike = base.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        for c in alike.nfkd().filter(|c| !is_combining_mark(*c)) {
            match c {
                // the small letter of the capital `ẞ`
                'ß' => out.push_str("ss"),
                'æ' => out.push_str("ae"),
                'œ' => out.push_str("oe"),
                other => push(&mut out, without_stroke(other)),
            }
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out.into()
}

/// The base letter of a small Latin letter with a stroke.
fn without_stroke(c: char) -> char {
    match c {
        'ƀ' => 'b',
        'ȼ' => 'c',
        'đ' => 'd',
        'ɇ' => 'e',
        'ǥ' => 'g',
        'ħ' => 'h',
        'ɨ' => 'i',
        'ɉ' => 'j',
        'ł' => 'l',
        'ø' => 'o',
        'ɍ' => 'r',
        'ŧ' => 't',
        'ʉ' => 'u',
        'ɏ' => 'y',
        'ƶ' => 'z',
        other => other,
    }
}

fn push(out: &mut String, c: char) {
    if !c.is_whitespace() {
        out.push(c);
    } else if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Punctuation beyond ASCII that is left after folding.
const PUNCTUATION: [std::ops::RangeInclusive<char>; 12] = [
    '¡'..='¡',
    '§'..='§',
    '«'..='«',
    '¶'..='·',
    '»'..='»',
    '¿'..='¿',
    'ʹ'..='ʿ',
    '\u{55A}'..='\u{55F}',
    '\u{5BE}'..='\u{5BE}',
    '\u{2010}'..='\u{205E}',
    '\u{3001}'..='\u{301F}',
    '\u{30FB}'..='\u{30FB}',
];

/// Whether a character is punctuation: signs such as `+` and `<` are not.
fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    PUNCTUATION.iter().any(|range| range.contains(&c))
}

/// A folded text without its punctuation: left out (`obrien`), and, where that is another text, as spaces (`o brien`).
/// Texts of punctuation only have none.
pub fn bare(folded: &str) -> SmallVec<[Box<str>; 2]> {
    let mut found: SmallVec<[Box<str>; 2]> = SmallVec::new();
    if !folded.contains(is_punctuation) {
        found.push(folded.into());
        return found;
    }
    for blank in [None, Some(' ')] {
        let mut out = String::with_capacity(folded.len());
        folded.chars().filter_map(|c| if is_punctuation(c) { blank } else { Some(c) }).for_each(|c| push(&mut out, c));
        let text = out.trim_end();
        if !text.is_empty() && found.iter().all(|first| **first != *text) {
            found.push(text.into());
        }
    }
    found
}
