//! `:fuzzy` on strings: words with typing errors. Two letters changed places count as one error.

use super::words::words;

/// Words that are looked for, each with the errors it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fuzzy(Box<[Box<str>]>);

/// Reads one value.
///
/// # Errors
/// The reason, when it has no word, or too many.
pub fn parse(text: &str) -> Result<Fuzzy, &'static str> {
    const WORDS_MAX: usize = 8;
    let found = words(text);
    match found.len() {
        0 => Err("there is no letter or digit in it"),
        1..=WORDS_MAX => Ok(Fuzzy(found.into())),
        _ => Err("it has more than 8 words"),
    }
}

/// The errors that a word of this many letters may have: none up to 2, one up to 5, else two.
fn errors_of(letters: usize) -> usize {
    match letters {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

impl Fuzzy {
    /// How like a folded text is, above 0 to 1; `None` when one of the words is like none of its words.
    pub fn likeness(&self, folded: &str) -> Option<f32> {
        let others = words(folded);
        let mut sum = 0.0;
        for wanted in &self.0 {
            sum += others.iter().filter_map(|other| likeness(wanted, other)).max_by(f32::total_cmp)?;
        }
        Some(sum / self.0.len() as f32)
    }
}

/// How like two folded words are, above 0 to 1; `None` beyond the errors that the first may have.
pub fn likeness(wanted: &str, other: &str) -> Option<f32> {
    if wanted == other {
        return Some(1.0);
    }
    let (a, b): (Vec<char>, Vec<char>) = (wanted.chars().collect(), other.chars().collect());
    let most = errors_of(a.len());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let errors = distance(&a, &b, most)?;
    Some(1.0 - errors as f32 / a.len().max(b.len()) as f32)
}

/// Insertions, deletions, changes and swaps of neighbours that make one of the other; `None` beyond `most`.
fn distance(a: &[char], b: &[char], most: usize) -> Option<usize> {
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|errors| *errors <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_errors_by_their_length() {
        let is_like = |wanted: &str, text: &str| parse(wanted).expect(wanted).likeness(text).is_some();
        for (wanted, text) in [
            ("smiht", "smith"),
            ("smth", "smith"),
            ("smithe", "smith"),
            ("katherine", "catharine"),
            ("Müller", "muler"),
            ("jo", "jo"),
            ("eva", "eve"),
            ("berg", "van den berg"),
            ("den berk", "van den berg"),
        ] {
            assert!(is_like(wanted, text), "{wanted} {text}");
        }
        for (wanted, text) in
            [("jo", "ju"), ("eva", "ava b"), ("smith", "smythe"), ("anna", "hans"), ("van berg", "den bergen")]
        {
            assert_eq!(is_like(wanted, text), wanted == "eva", "{wanted} {text}");
        }
        let close = |wanted| parse(wanted).expect(wanted).likeness("smith");
        assert_eq!(close("smith"), Some(1.0));
        assert_eq!(close("smiht"), Some(0.8));
        assert!(parse("-").is_err() && parse("a b c d e f g h i").is_err());
    }
}
