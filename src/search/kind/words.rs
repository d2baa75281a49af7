//! Words: what `_text` and `_content` look at, and what a search of words asks (FHIR R4 `search.html`, 3.1.1.4.20).
//!
//! A word is a run of letters and digits, folded as strings are. The language, which R4 leaves to the server:
//! `a b` and `a AND b` both, `a OR b` one of them, `-a` and `NOT a` not, `( )` groups, `"a b"` words one after the
//! other, `a*` words that begin so. `AND` binds closer than `OR`; the words of the operators may be in lower case.

use super::fold::fold;

/// Longest word (bytes); longer ones are cut, here as there.
const WORD_MAX: usize = 64;
/// Most words and operators of one search value.
const TOKENS_MAX: usize = 256;
/// Deepest nesting of a search value.
const DEPTH_MAX: usize = 32;

/// What a search of words asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// This word.
    Word(Box<str>),
    /// A word that begins so.
    Prefix(Box<str>),
    /// These words, one after the other.
    Phrase(Vec<Box<str>>),
    /// All of these.
    All(Vec<Words>),
    /// One of these.
    Any(Vec<Words>),
    /// Not this.
    Not(Box<Words>),
}

/// The words of a text.
pub fn words(text: &str) -> Vec<Box<str>> {
    let folded = fold(text);
    folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| short(word).into())
        .collect()
}

fn short(word: &str) -> &str {
    &word[..word.floor_char_boundary(WORD_MAX)]
}

/// Appends the words of a text, one space before each, as long as there is room below `most` bytes.
pub fn append(text: &str, most: usize, out: &mut String) {
    let folded;
    let text = if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        text
    } else {
        folded = fold(text);
        &*folded
    };
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = short(word);
        if out.len() + word.len() >= most {
            return;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// Reads a search value.
///
/// # Errors
/// The reason, when it is malformed or asks for nothing.
pub fn parse(text: &str) -> Result<Words, &'static str> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let found = parser.any(0)?.ok_or("there is no word in it")?;
    if parser.at < tokens.len() {
        return Err("a parenthesis is closed that was not opened");
    }
    Ok(found)
}

#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Ask(Words),
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if found.len() == TOKENS_MAX {
            return Err("it has too many words");
        }
        let (token, after) = match first {
            '(' => (Some(Token::Open), &rest[1..]),
            ')' => (Some(Token::Close), &rest[1..]),
            '-' => (Some(Token::Not), &rest[1..]),
            '"' => {
                let (phrase, after) = rest[1..].split_once('"').ok_or("a quotation is not closed")?;
                (ask(phrase, false), after)
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"');
                let (word, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
                (operator(word).or_else(|| ask(word, word.ends_with('*'))), after)
            }
        };
        found.extend(token);
        rest = after.trim_start();
    }
    Ok(found)
}

fn operator(word: &str) -> Option<Token> {
    [("and", Token::And), ("or", Token::Or), ("not", Token::Not)]
        .into_iter()
        .find_map(|(name, token)| word.eq_ignore_ascii_case(name).then_some(token))
}

/// What stands between spaces or quotation marks; none when there is no word in it.
fn ask(text: &str, is_prefix: bool) -> Option<Token> {
    let mut found = words(text);
    Some(Token::Ask(match (found.len(), is_prefix) {
        (0, _) => return None,
        (1, true) => Words::Prefix(found.swap_remove(0)),
        (1, false) => Words::Word(found.swap_remove(0)),
        _ => Words::Phrase(found),
    }))
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Option<Words>, &'static str> {
        let mut parts = Vec::new();
        loop {
            parts.extend(self.all(depth)?);
            if self.tokens.get(self.at) != Some(&Token::Or) {
                break;
            }
            self.at += 1;
        }
        Ok(joined(parts, Words::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Option<Words>, &'static str> {
        let mut parts = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Or | Token::Close => break,
                Token::And => self.at += 1,
                Token::Open | Token::Not | Token::Ask(_) => parts.extend(self.one(depth)?),
            }
        }
        Ok(joined(parts, Words::All))
    }

    fn one(&mut self, depth: usize) -> Result<Option<Words>, &'static str> {
        if depth == DEPTH_MAX {
            return Err("it is nested too deeply");
        }
        let token = self.tokens.get(self.at);
        self.at += 1;
        match token {
            Some(Token::Ask(words)) => Ok(Some(words.clone())),
            Some(Token::Not) => Ok(self.one(depth + 1)?.map(|words| Words::Not(Box::new(words)))),
            Some(Token::Open) => {
                let found = self.any(depth + 1)?;
                if self.tokens.get(self.at) != Some(&Token::Close) {
                    return Err("a parenthesis is not closed");
                }
                self.at += 1;
                Ok(found)
            }
            _ => Err("an operator has nothing to work on"),
        }
    }
}

fn joined(mut parts: Vec<Words>, many: impl Fn(Vec<Words>) -> Words) -> Option<Words> {
    if parts.len() < 2 { parts.pop() } else { Some(many(parts)) }
}

impl Words {
    /// Whether words pass that stand in their order; without `ordered` a phrase asks for its words only.
    pub fn passes(&self, found: &[&str], ordered: bool) -> bool {
        let has = |word: &str| found.contains(&word);
        match self {
            Self::Word(word) => has(word),
            Self::Prefix(start) => found.iter().any(|word| word.starts_with(&**start)),
            Self::Phrase(phrase) if ordered => {
                found.windows(phrase.len()).any(|window| window.iter().zip(phrase).all(|(a, b)| **a == **b))
            }
            Self::Phrase(phrase) => phrase.iter().all(|word| has(word)),
            Self::All(parts) => parts.iter().all(|part| part.passes(found, ordered)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(found, ordered)),
            Self::Not(part) => !part.passes(found, ordered),
        }
    }

    /// Whether a folded text passes.
    pub fn passes_text(&self, folded: &str) -> bool {
        let found = words(folded);
        let found: Vec<&str> = found.iter().map(|word| &**word).collect();
        self.passes(&found, true)
    }

    /// The words that are wanted, for the ranking.
    pub fn wanted<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Self::Word(word) => out.push(word),
            Self::Phrase(phrase) => out.extend(phrase.iter().map(|word| &**word)),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.wanted(out)),
            Self::Prefix(_) | Self::Not(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_language() {
        let text = "Metastases of the Liver; chronic X-ray finding, Émile (stage 2)";
        let found = words(text);
        let found: Vec<&str> = found.iter().map(|word| &**word).collect();
        let passes = |asked: &str| parse(asked).expect(asked).passes(&found, true);
        for asked in [
            "liver",
            "(bone OR liver) and metastases",
            "bone or liver",
            "liver -bone",
            "NOT bone",
            "\"of the liver\"",
            "x-ray",
            "chron*",
            "émile EMILE",
            "liver AND (stage AND 2)",
            "-(bone OR heart)",
            "a OR liver AND stage",
            "not not liver",
            "& liver",
        ] {
            assert!(passes(asked), "{asked}");
        }
        for asked in [
            "bone",
            "liver bone",
            "-liver",
            "\"the of liver\"",
            "ray-x",
            "live",
            "hron*",
            "liver NOT stage",
            "(a OR liver) AND b",
            "\"liver\" \"and\"",
        ] {
            assert!(!passes(asked), "{asked}");
        }
        assert!(parse("\"the of liver\"").expect("a phrase").passes(&found, false));
        for asked in ["", " ", "&", "()", "(a", "a)", "\"a", "-", "NOT", &"(".repeat(100), &"a ".repeat(300)] {
            assert!(parse(asked).is_err(), "{asked}");
        }
        let (mut wanted, asked) = (Vec::new(), parse("a b* \"c d\" -e (f OR g)").expect("words"));
        asked.wanted(&mut wanted);
        assert_eq!(wanted, ["a", "c", "d", "f", "g"]);
    }

    #[test]
    fn texts_become_words_up_to_a_bound() {
        let mut out = String::new();
        append("Ärzte-Haus, 2. OG", 100, &mut out);
        append("plain words", 100, &mut out);
        assert_eq!(out, "arzte haus 2 og plain words");
        append(&"x".repeat(100), 200, &mut out);
        assert_eq!(out.len(), 27 + 1 + WORD_MAX);
        append("more", out.len() + 2, &mut out.clone());
        let before = out.clone();
        append("more", out.len() + 2, &mut out);
        assert_eq!(out, before);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ab()\"* -]{0,40}|\\PC{0,20}") {
            let _parsed = parse(&text);
        }
    }
}
