//! The tokens of a document (GraphQL, October 2021, 2.1).

use super::ast::Place;
use super::trouble;
use crate::base::fault::Result;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// `{ } ( ) [ ] : = ! | & $ @`
    Mark(char),
    /// `...`
    Spread,
    /// A name.
    Name(String),
    /// A number as written.
    Number(String),
    /// A text, without its quotes and escapes.
    Text(String),
    /// The end of the document.
    End,
}

impl Token {
    /// What it is, for messages.
    pub fn shown(&self) -> String {
        match self {
            Self::Mark(mark) => format!("`{mark}`"),
            Self::Spread => "`...`".to_owned(),
            Self::Name(name) | Self::Number(name) => format!("`{}`", name.chars().take(40).collect::<String>()),
            Self::Text(_) => "a string".to_owned(),
            Self::End => "the end of the document".to_owned(),
        }
    }
}

/// Reads tokens, one after the other.
pub struct Lexer<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    place: Place,
}

impl<'t> Lexer<'t> {
    /// At the start of a text.
    pub fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text.chars().peekable(), place: Place { line: 1, column: 1 } }
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        let is_line = next == '\n' || (next == '\r' && self.rest.peek() != Some(&'\n'));
        if is_line {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
        Some(next)
    }

    fn while_is(&mut self, is: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied().filter(|next| is(*next)) {
            text.push(next);
            self.bump();
        }
        text
    }

    fn skip(&mut self) {
        while let Some(next) = self.rest.peek() {
            match next {
                ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => _ = self.bump(),
                '#' => _ = self.while_is(|c| c != '\n' && c != '\r'),
                _ => break,
            }
        }
    }

    /// The next token and where it begins.
    ///
    /// # Errors
    /// 400 with line and column for what is none.
    pub fn token(&mut self) -> Result<(Token, Place)> {
        self.skip();
        let place = self.place;
        let Some(next) = self.rest.peek().copied() else { return Ok((Token::End, place)) };
        let token = match next {
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '=' | '!' | '|' | '&' | '$' | '@' => {
                self.bump();
                Token::Mark(next)
            }
            '.' => {
                let dots = self.while_is(|c| c == '.');
                if dots != "..." {
                    return Err(trouble::syntax(place, "expected `...`"));
                }
                Token::Spread
            }
            '"' => self.text(place)?,
            c if c == '-' || c.is_ascii_digit() => self.number(place)?,
            c if c == '_' || c.is_ascii_alphabetic() => Token::Name(self.while_is(is_name)),
            c => return Err(trouble::syntax(place, format!("unexpected character `{}`", c.escape_debug()))),
        };
        Ok((token, place))
    }

    fn number(&mut self, place: Place) -> Result<Token> {
        let text = self.while_is(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
        let is_number = crate::fhir::json::Number::from_text(&text).is_some();
        // FHIR's ids may begin with a digit, but a name of GraphQL may not
        let problem = || trouble::syntax(place, "this is no number; a text stands in quotes");
        if is_number { Ok(Token::Number(text)) } else { Err(problem()) }
    }

    fn text(&mut self, place: Place) -> Result<Token> {
        let unclosed = || trouble::syntax(place, "the string has no end");
        self.bump();
        if self.rest.peek() == Some(&'"') {
            self.bump();
            if self.rest.peek() != Some(&'"') {
                return Ok(Token::Text(String::new()));
            }
            self.bump();
            return self.block(place);
        }
        let mut text = String::new();
        loop {
            match self.bump().ok_or_else(unclosed)? {
                '"' => return Ok(Token::Text(text)),
                '\n' | '\r' => return Err(unclosed()),
                '\\' => text.push(self.escape(place)?),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self, place: Place) -> Result<char> {
        let wrong = || trouble::syntax(place, "the string has an escape that is none");
        Ok(match self.bump().ok_or_else(wrong)? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            same @ ('"' | '\\' | '/') => same,
            'u' => {
                let first = self.hexadecimal(place)?;
                let code = if (0xD800..0xDC00).contains(&first) {
                    let is_pair = self.bump() == Some('\\') && self.bump() == Some('u');
                    let second = if is_pair { self.hexadecimal(place)? } else { 0 };
                    let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400).ok_or_else(wrong)?;
                    0x10000 + ((first - 0xD800) << 10) + low
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        })
    }

    /// Four digits, or any number of them in braces.
    fn hexadecimal(&mut self, place: Place) -> Result<u32> {
        let is_braced = self.rest.peek() == Some(&'{');
        let digits: String = if is_braced {
            self.bump();
            let digits = self.while_is(|c| c.is_ascii_hexdigit());
            self.bump().filter(|c| *c == '}').map(|_| digits).unwrap_or_default()
        } else {
            (0..4).filter_map(|_| self.bump()).collect()
        };
        let is_right = digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && (is_braced || digits.len() == 4);
        let code = if is_right { u32::from_str_radix(&digits, 16).ok() } else { None };
        code.ok_or_else(|| trouble::syntax(place, "the string has an escape that is none"))
    }

    /// A block string, after its opening quotes: common indentation and empty lines at both ends do not count (2.9.4).
    fn block(&mut self, place: Place) -> Result<Token> {
        let mut raw = String::new();
        loop {
            raw.push(self.bump().ok_or_else(|| trouble::syntax(place, "the string has no end"))?);
            if raw.ends_with("\\\"\"\"") {
                raw.truncate(raw.len() - 4);
                raw.push_str("\"\"\u{0}");
            } else if raw.ends_with("\"\"\"") {
                raw.truncate(raw.len() - 3);
                break;
            }
        }
        let raw = raw.replace("\r\n", "\n").replace('\r', "\n").replace('\u{0}', "\"");
        let is_blank = |line: &&str| line.trim_matches([' ', '\t']).is_empty();
        let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
        let lines: Vec<&str> = raw.split('\n').collect();
        let common = lines.iter().skip(1).filter(|line| !is_blank(line)).map(indent).min().unwrap_or(0);
        let cut = |(at, line): (usize, &&'_ str)| {
            if at == 0 { (*line).to_owned() } else { line.get(common..).unwrap_or_default().to_owned() }
        };
        let lines: Vec<String> = lines.iter().enumerate().map(cut).collect();
        let first = lines.iter().position(|line| !is_blank(&line.as_str())).unwrap_or(lines.len());
        let last = lines.iter().rposition(|line| !is_blank(&line.as_str())).map_or(first, |last| last + 1);
        Ok(Token::Text(lines[first..last].join("\n")))
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}
