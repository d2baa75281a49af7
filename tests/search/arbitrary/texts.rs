//! Texts: accents, combining marks, case, punctuation, scripts, white space, long and short; and what is like them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::random::Random;

const WORDS: [&str; 56] = [
    "Müller",
    "muller",
    "MÜLLER",
    "Mu\u{308}ller",
    "O'Brien",
    "O’Brien",
    "obrien",
    "Smith-Jones",
    "Smith Jones",
    "smith",
    "Ångström",
    "A\u{30a}ngstro\u{308}m",
    "école",
    "E\u{301}COLE",
    "straße",
    "STRASSE",
    "STRAẞE",
    "ﬁn",
    "fin",
    "İstanbul",
    "istanbul",
    "ıssız",
    "ΣΊΣΥΦΟΣ",
    "Σίσυφος",
    "σισυφος",
    "王小明",
    "王",
    "山田太郎",
    "한국",
    "하늘",
    "김",
    "ひらがな",
    "ｶﾀｶﾅ",
    "カタカナ",
    "Nguyễn",
    "nguyen",
    "שָׁלוֹם",
    "שלום",
    "مُحَمَّد",
    "محمد",
    "नमस्ते",
    "ไทย",
    "Пётр",
    "петр",
    "😀",
    "👩‍⚕️",
    "a",
    "A",
    "b2",
    "St.",
    "van",
    "de",
    "la",
    "Ω",
    "K",
    "ǅ",
];
const BETWEEN: [&str; 12] = [" ", " ", " ", "-", "'", ", ", "  ", "\t", ".", " & ", "/", "\u{a0}"];
const ODD: [&str; 12] =
    ["...", "-", "+", "a,b|c$d\\e", "100%", "(a) [b] {c}", "#1", "\"quoted\"", "x=y&z", "*", "<b>", "_"];

/// A text: one word or some, odd signs, or a long one.
pub fn text(random: &mut Random) -> String {
    match random.below(20) {
        0..=9 => (*random.pick(&WORDS)).to_owned(),
        10..=15 => joined(random),
        16 | 17 => (*random.pick(&ODD)).to_owned(),
        18 => format!("{}{}", random.pick(&WORDS), random.pick(&ODD)),
        _ => {
            let count = *random.pick(&[10, 40, 500]);
            (0..count).map(|_| format!("{} ", random.pick(&WORDS))).collect::<String>().trim().to_owned()
        }
    }
}

fn joined(random: &mut Random) -> String {
    let mut text = (*random.pick(&WORDS)).to_owned();
    for _ in 0..1 + random.below(2) {
        text.push_str(random.word(&BETWEEN));
        text.push_str(random.word(&WORDS));
    }
    text
}

/// A text of one or two words, for names that are compared as a whole.
pub fn short(random: &mut Random) -> String {
    if random.chance(70) { (*random.pick(&WORDS)).to_owned() } else { joined(random) }
}

/// A text like another: cut, in another case, without or with other marks, with other punctuation or white space.
pub fn like(random: &mut Random, text: &str) -> String {
    let cut: String = text.chars().take(200).collect();
    let length = cut.chars().count().max(1);
    match random.below(10) {
        0 => cut,
        1 => cut.chars().take(1 + random.below(length.min(12))).collect(),
        2 => cut.chars().skip(random.below(length)).take(1 + random.below(8)).collect(),
        3 => cut.to_uppercase(),
        4 => cut.to_lowercase(),
        5 => cut.nfd().filter(|c| !is_combining_mark(*c)).collect(),
        6 => cut.nfd().collect(),
        7 => cut.replace(|c: char| c.is_ascii_punctuation() || c == ' ', random.word(&["", " ", "-", "  "])),
        8 => format!("{cut}{}", random.pick(&["x", " ", "\u{301}", "-", "é"])),
        _ => swapped(random, &cut),
    }
}

/// Two neighbouring characters change places.
fn swapped(random: &mut Random, text: &str) -> String {
    let mut all: Vec<char> = text.chars().collect();
    if all.len() > 1 {
        let at = random.below(all.len() - 1);
        all.swap(at, at + 1);
    }
    all.into_iter().collect()
}

/// What stands as a code: plain, in other cases, with signs that are escaped, longer than what an index may keep.
pub const CODES: [&str; 16] = [
    "a",
    "A",
    "b",
    "8480-6",
    "8462-4",
    "a,b",
    "a|b",
    "a$b",
    "a\\b",
    "ä",
    "a b",
    "MR",
    "mr",
    "straße",
    "final",
    "a-code-that-is-longer-than-twenty-bytes-of-text",
];
/// What stands as a system.
pub const SYSTEMS: [&str; 6] = [
    "http://loinc.org",
    "http://example.org/a",
    "http://example.org/A",
    "urn:oid:1.2.3",
    "http://example.org/a,b|c$d",
    "http://terminology.example.org/a/system/whose/name/is/long",
];
const URLS: [&str; 14] = [
    "http://example.org",
    "http://example.org/",
    "http://example.org/a",
    "http://example.org/a/",
    "http://example.org/a/b",
    "http://example.org/a/b?c=d",
    "http://example.org/a#b",
    "http://example.org/A",
    "HTTP://example.org/a",
    "https://example.org/a",
    "http://example.org/é/x",
    "http://example.org/a,b$c",
    "urn:oid:1.2.3",
    "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
];

/// A URI.
pub fn uri(random: &mut Random) -> String {
    (*random.pick(&URLS)).to_owned()
}

/// A canonical: a URL, perhaps with a version and a fragment.
pub fn canonical(random: &mut Random) -> String {
    let url = &URLS[2..5];
    let version = random.pick(&["", "", "|1", "|1.2", "|1.2.3", "|1.20", "|10", "|2", "|v"]);
    let fragment = if random.chance(10) { "#part" } else { "" };
    format!("{}{version}{fragment}", random.pick(url))
}

/// A URI like another: above it, below it, in another case.
pub fn like_uri(random: &mut Random, text: &str) -> String {
    match random.below(6) {
        0 | 1 => text.to_owned(),
        2 => text.rsplit_once('/').map_or(text, |(above, _)| above).to_owned(),
        3 => format!("{text}{}", random.pick(&["/x", "x", "?q", "#f", "/"])),
        4 => text.to_uppercase(),
        _ => text.chars().take(1 + random.below(text.chars().count())).collect(),
    }
}

#[test]
fn texts_are_never_blank() {
    let mut random = Random::new(5);
    assert!((0..2000).all(|_| !text(&mut random).trim().is_empty()));
    let all: Vec<String> = (0..500).map(|_| text(&mut random)).collect();
    assert!(all.iter().any(|text| text.len() > 4096) && all.iter().any(|text| text.contains('\u{301}')));
}
