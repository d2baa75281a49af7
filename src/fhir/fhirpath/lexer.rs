//! The lexer: text to tokens with their places (grammar of N1, "Lexical Elements").

use super::temporal::Temporal;
use super::trouble;
use crate::base::fault::Result;

/// Longest expression in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name or keyword; `true` marks one in backticks, which is never a keyword.
    Name(String, bool),
    /// A string literal, unescaped.
    String(String),
    /// An integer or decimal literal, as written.
    Number(String),
    /// A literal that begins with `@`.
    Temporal(Temporal),
    /// `%name`
    Variable(String),
    /// `$this`, `$index`, `$total`
    Special(String),
    /// An operator or bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// Longer symbols first, so that the first match is the longest.
const SYMBOLS: [&str; 25] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|", "=", "~", "<", ">",
    ":", ";", "!",
];

/// All tokens of a text, each with the offset of its first byte; the last is [`Token::End`].
///
/// # Errors
/// 400 when the text is too long or holds what is no token.
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>> {
    if text.len() > MAX_LENGTH {
        return Err(trouble::syntax(text, 0, format!("an expression has at most {MAX_LENGTH} bytes")));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let token = lexer.next()?;
        let ended = token == Token::End;
        tokens.push((token, start));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Result<T> {
        Err(trouble::syntax(self.text, at, message))
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.fail(self.at, "comment without end"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token> {
        match self.peek() {
            None => Ok(Token::End),
            Some(b'\'') => Ok(Token::String(self.quoted(b'\'')?)),
            Some(b'`') => Ok(Token::Name(self.quoted(b'`')?, true)),
            // the quotes of FHIR R4's older text: %"vs-name" and name."given"
            Some(b'"') => Ok(Token::Name(self.quoted(b'"')?, true)),
            Some(b'@') => self.temporal(),
            Some(b'%') => self.variable(),
            Some(b'$') => {
                self.at += 1;
                Ok(Token::Special(self.word()))
            }
            Some(byte) if byte.is_ascii_digit() => Ok(self.number()),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => Ok(Token::Name(self.word(), false)),
            Some(_) => self.symbol(),
        }
    }

    fn symbol(&mut self) -> Result<Token> {
        let rest = self.rest();
        match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
            None => {
                let shown = rest.chars().next().unwrap_or_default();
                self.fail(self.at, format!("unexpected character {shown:?}"))
            }
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        self.at += length;
        rest[..length].to_owned()
    }

    fn number(&mut self) -> Token {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) {
            length += 1 + digits(length + 1);
        }
        let text = self.rest()[..length].to_owned();
        self.at += length;
        // `1L`: the integers here are long ones all
        let after = &bytes[length..];
        let is_long = !text.contains('.') && after.first() == Some(&b'L');
        if is_long && !after.get(1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.at += 1;
        }
        Token::Number(text)
    }

    fn temporal(&mut self) -> Result<Token> {
        match Temporal::scan(&self.rest()[1..]) {
            Some((value, length)) => {
                self.at += 1 + length;
                Ok(Token::Temporal(value))
            }
            None => self.fail(self.at, "`@` begins a date, a date with time or a time"),
        }
    }

    fn variable(&mut self) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        let name = match self.peek() {
            Some(quote @ (b'`' | b'\'' | b'"')) => self.quoted(quote)?,
            _ => self.word(),
        };
        if name.is_empty() {
            return self.fail(start, "`%` begins the name of a variable");
        }
        Ok(Token::Variable(name))
    }

    /// A text in quotes with its escapes undone. A `\` before any other character is dropped (N1, 4.1.2).
    fn quoted(&mut self, quote: u8) -> Result<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((offset, c)) = chars.next() {
            if c == char::from(quote) {
                self.at = start + 1 + offset + 1;
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next().map(|(_, escaped)| escaped) {
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('f') => out.push('\u{c}'),
                Some('u') => out.push_str(&unicode_escape(&mut chars)),
                Some(other) => out.push(other),
                None => break,
            }
        }
        self.fail(start, "text without closing quote")
    }
}

/// The character of `\uXXXX`, with a following low surrogate if it needs one; `u` alone when the four
/// digits are not there.
fn unicode_escape(chars: &mut std::str::CharIndices<'_>) -> String {
    let Some(high) = four_digits(chars) else { return "u".to_owned() };
    if let Some(c) = char::from_u32(high) {
        return c.to_string();
    }
    let mut ahead = chars.clone();
    let paired = ahead.next().is_some_and(|(_, c)| c == '\\') && ahead.next().is_some_and(|(_, c)| c == 'u');
    let low = if paired { four_digits(&mut ahead) } else { None };
    let pair = low.filter(|low| (0xDC00..0xE000).contains(low) && high < 0xDC00);
    match pair.and_then(|low| char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))) {
        Some(c) => {
            *chars = ahead;
            c.to_string()
        }
        None => char::REPLACEMENT_CHARACTER.to_string(),
    }
}

/// Four hexadecimal digits, consumed only if all are there.
fn four_digits(chars: &mut std::str::CharIndices<'_>) -> Option<u32> {
    let digits = chars.as_str().get(..4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    chars.nth(3);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Token {
        tokens(text).expect(text).swap_remove(0).0
    }

    #[test]
    fn a_number_ends_before_a_function() {
        let all: Vec<Token> = tokens("1.count()").expect("lexes").into_iter().map(|(t, _)| t).collect();
        assert_eq!(all[0], Token::Number("1".into()));
        assert_eq!(all[1], Token::Symbol("."));
        assert_eq!(first("1.50"), Token::Number("1.50".into()));
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(first(r"'a\'b\u0041\n\p\\'"), Token::String("a'bA\np\\".into()));
        assert_eq!(first(r"'\u005'"), Token::String("u005".into()));
        assert_eq!(first(r"'\ud83d\ude00'"), Token::String("\u{1f600}".into()));
    }

    #[test]
    fn comments_are_skipped_and_must_end() {
        assert_eq!(first("/* a */ // b\n x"), Token::Name("x".into(), false));
        assert!(tokens("2 /* not finished").is_err());
    }

    #[test]
    fn errors_tell_the_place() {
        let fault = tokens("a\n  # b").expect_err("not a token");
        assert!(fault.message().contains("line 2, column 3"), "{fault}");
        assert!(tokens("'open").is_err());
        assert!(tokens(&" ".repeat(MAX_LENGTH + 1)).is_err());
    }
}
