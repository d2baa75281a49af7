//! The text of an expression constraint as it is read: blanks, comments, symbols, words, quoted texts, and its bounds.

use crate::base::fault::{Category, Fault, Result};

/// Longest text, in bytes.
pub const TEXT: usize = 16 << 10;
/// Most parts.
const PARTS: usize = 1000;
/// Most parentheses and operators within one another.
const DEPTH: usize = 32;

/// Too much of something (422).
pub fn costly(text: String) -> Fault {
    Fault::coded(Category::Unprocessable, "too-costly", text)
}

/// Something that is not offered (422).
pub fn absent(what: &str) -> Fault {
    let text = format!("expression constraint: {what} are not supported");
    Fault::coded(Category::Unprocessable, "not-supported", text)
}

/// A text that is read from left to right; parts and depth are counted.
pub struct Reader<'t> {
    text: &'t str,
    /// The byte that comes next.
    pub at: usize,
    parts: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// Of a text, from its beginning.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, parts: 0, depth: 0 }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// What must stand here, in place of what does.
    pub fn expected(&self, what: &str) -> Fault {
        let near: String = self.rest().chars().take(24).flat_map(char::escape_debug).collect();
        let place = self.text[..self.at].chars().count() + 1;
        let text = format!("expression constraint, character {place}: expected {what} before \"{near}\"");
        Fault::coded(Category::Unprocessable, "invalid", text)
    }

    /// Passes over blanks and comments.
    ///
    /// # Errors
    /// 422 for a comment without an end.
    pub fn space(&mut self) -> Result<()> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            let Some(comment) = self.rest().strip_prefix("/*") else { return Ok(()) };
            let end = comment.find("*/").ok_or_else(|| self.expected("the end of the comment"))?;
            self.at += end + 4;
        }
    }

    /// Passes over a symbol, if it is next.
    ///
    /// # Errors
    /// 422 for a comment without an end.
    pub fn take(&mut self, symbol: &str) -> Result<bool> {
        self.space()?;
        let is_next = self.rest().starts_with(symbol);
        self.at += if is_next { symbol.len() } else { 0 };
        Ok(is_next)
    }

    /// Passes over a symbol.
    ///
    /// # Errors
    /// 422 when something else is next.
    pub fn need(&mut self, symbol: &str) -> Result<()> {
        if self.take(symbol)? { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    /// A word in any case, with no letter after it.
    ///
    /// # Errors
    /// 422 for a comment without an end.
    pub fn word(&mut self, word: &str) -> Result<bool> {
        self.space()?;
        let is_next = self.rest().get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word))
            && !self.rest()[word.len()..].starts_with(|c: char| c.is_alphanumeric());
        self.at += if is_next { word.len() } else { 0 };
        Ok(is_next)
    }

    /// Counts a part.
    ///
    /// # Errors
    /// 422 for too many.
    pub fn part(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS {
            return Err(costly(format!("an expression constraint has at most {PARTS} parts")));
        }
        Ok(())
    }

    /// Reads something that is within the rest.
    ///
    /// # Errors
    /// 422 when it is too deep.
    pub fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH {
            return Err(costly(format!("an expression constraint is at most {DEPTH} deep")));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// A text in quotes, with `\"` and `\\`.
    ///
    /// # Errors
    /// 422 when there is none, or it has no end.
    pub fn quoted(&mut self) -> Result<Box<str>> {
        self.need("\"")?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(text.into());
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err(self.expected("the end of the text"))
    }
}
