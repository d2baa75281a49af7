//! What a person has typed, against the texts of a concept: words by their beginnings, with a slip of the finger forgiven.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::concept::Concept;

/// Most words that are looked at.
const WORDS: usize = 16;
/// From so many letters on a word may have an error.
const FORGIVING: usize = 5;

/// The words of a filter.
#[derive(Debug)]
pub struct Words {
    words: Vec<Box<str>>,
    whole: Box<str>,
}

/// Lower case, without marks.
fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

impl Words {
    /// From what was typed.
    pub fn new(text: &str) -> Self {
        let folded = fold(text.trim());
        Self { words: split(&folded).take(WORDS).map(Into::into).collect(), whole: folded.into() }
    }

    /// How well a concept matches: none when a word is found nowhere. The best text of the concept counts.
    pub fn score(&self, concept: &Concept) -> Option<u32> {
        let code = fold(&concept.code);
        if code == *self.whole {
            return Some(1000);
        }
        let mut best = self.score_text(&code).map(|score| score / 2);
        if !self.whole.is_empty() && code.starts_with(&*self.whole) {
            best = best.max(Some(90));
        }
        let display = concept.display.as_deref().and_then(|text| self.score_text(&fold(text)));
        let others = concept.designations.iter().filter_map(|d| self.score_text(&fold(&d.value))).max();
        best.max(display).max(others.map(|score| score * 3 / 4))
    }

    /// 400 the whole text, 100 to 200 by how many words are whole and how short the text is.
    fn score_text(&self, text: &str) -> Option<u32> {
        if *text == *self.whole {
            return Some(400);
        }
        let words: Vec<&str> = split(text).collect();
        let mut score = 0u32;
        for wanted in &self.words {
            score += words.iter().filter_map(|word| score_word(wanted, word)).max()?;
        }
        let asked = u32::try_from(self.words.len()).unwrap_or(1).max(1);
        let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let starts = if text.starts_with(&*self.whole) { 15 } else { 0 };
        Some(100 * score / (asked * 4) + starts + 40_u32.saturating_sub(length.saturating_mul(2)))
    }
}

/// 4 the same word, 3 its beginning, 1 with an error.
fn score_word(wanted: &str, word: &str) -> Option<u32> {
    if wanted == word {
        return Some(4);
    }
    if word.starts_with(wanted) {
        return Some(3);
    }
    is_near(wanted, word).then_some(1)
}

/// Whether one letter more, less, other or exchanged with its neighbour makes a word of another, or of its beginning.
fn is_near(wanted: &str, word: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (wanted.chars().collect(), word.chars().collect());
    if a.len() < FORGIVING || b.len() + 1 < a.len() || a.first() != b.first() {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let rest = |x: usize, y: usize| {
        let (x, y) = (a.get(x..).unwrap_or_default(), b.get(y..).unwrap_or_default());
        y.starts_with(x)
    };
    let is_swapped =
        a.get(same..same + 2).zip(b.get(same..same + 2)).is_some_and(|(x, y)| x[0] == y[1] && x[1] == y[0]);
    rest(same + 1, same + 1) || rest(same + 1, same) || rest(same, same + 1) || (is_swapped && rest(same + 2, same + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(typed: &str, display: &str) -> Option<u32> {
        let concept = Concept { code: "x1".into(), display: Some(display.into()), ..Concept::default() };
        Words::new(typed).score(&concept)
    }

    #[test]
    fn words_by_their_beginnings_and_with_slips() {
        for (typed, display) in [
            ("acut ast", "Acute severe asthma"),
            ("ast acut", "Acute severe asthma"),
            ("diabtes", "Diabetes mellitus"),
            ("daibetes", "Diabetes mellitus"),
            ("diabetse", "Diabetes mellitus"),
            ("diabbetes", "Diabetes mellitus"),
            ("hernie", "Hernié discale"),
            ("X1", "anything"),
        ] {
            assert!(score(typed, display).is_some(), "{typed}: {display}");
        }
        for (typed, display) in
            [("asthma liver", "Acute severe asthma"), ("cute", "Acute"), ("dog", "dig"), ("bsthma", "asthma")]
        {
            assert_eq!(score(typed, display), None, "{typed}: {display}");
        }
    }

    #[test]
    fn the_best_comes_first() {
        let order = ["Asthma", "Asthma attack", "Severe asthma", "Asthmatic bronchitis with a long text", "Asthna"];
        let scores: Vec<_> = order.iter().map(|display| score("asthma", display).expect(display)).collect();
        assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
    }
}
