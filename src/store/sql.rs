//! Texts of statements with many rows. A text exists for a few numbers of rows only (256, 64, 16, 4, 1), so that each is built
//! once per process and prepared once per connection; a list of any length is cut into these.

use std::sync::{Arc, OnceLock};

use super::dialect::Dialect;

/// Rows per statement, largest first; ends with 1.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// A text with the table that it is about, for faults.
#[derive(Debug, Clone)]
pub struct Statement {
    /// What is done, such as `versions: insert`.
    pub what: &'static str,
    /// The text.
    pub text: Text,
}

/// Text of a statement.
#[derive(Debug, Clone)]
pub enum Text {
    /// Written in the source.
    Fixed(&'static str),
    /// Built once, kept for ever.
    Built(Arc<str>),
}

/// A statement whose text is the same on both databases.
pub const fn fixed(what: &'static str, text: &'static str) -> Statement {
    Statement { what, text: Text::Fixed(text) }
}

type Texts = [OnceLock<Arc<str>>; CHUNKS.len()];

/// A statement with a list of rows, each of `width` parameters: `before (?,?),(?,?) after`. It has no other parameters:
/// where the tenant is needed it is a column of every row.
#[derive(Debug)]
pub struct Rows {
    what: &'static str,
    before: &'static str,
    width: usize,
    after: &'static str,
    texts: [Texts; 2],
}

impl Rows {
    /// A statement; `before` ends with `VALUES`.
    pub const fn new(what: &'static str, before: &'static str, width: usize, after: &'static str) -> Self {
        Self { what, before, width, after, texts: [const { [const { OnceLock::new() }; CHUNKS.len()] }; 2] }
    }

    /// The parts into which `count` rows are cut: ranges of rows, each with its statement.
    pub fn cut(&self, dialect: Dialect, count: usize) -> Vec<(std::ops::Range<usize>, Statement)> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < count {
            let class = CHUNKS.iter().position(|rows| *rows <= count - at).unwrap_or(CHUNKS.len() - 1);
            parts.push((at..at + CHUNKS[class], self.statement(dialect, class)));
            at += CHUNKS[class];
        }
        parts
    }

    /// Like [`Self::cut`] for lookups, where a row may be asked for twice: a part may be longer than what is left; the
    /// caller fills it up by repeating its last row.
    pub fn cut_padded(&self, dialect: Dialect, count: usize) -> Vec<(std::ops::Range<usize>, usize, Statement)> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < count {
            let left = count - at;
            let class = CHUNKS.iter().rposition(|rows| *rows >= left).unwrap_or(0);
            let end = (at + CHUNKS[class]).min(count);
            parts.push((at..end, CHUNKS[class] - (end - at), self.statement(dialect, class)));
            at = end;
        }
        parts
    }

    fn statement(&self, dialect: Dialect, class: usize) -> Statement {
        let texts = &self.texts[dialect.index()];
        let text = texts[class].get_or_init(|| self.build(dialect, CHUNKS[class]).into());
        Statement { what: self.what, text: Text::Built(text.clone()) }
    }

    fn build(&self, dialect: Dialect, rows: usize) -> String {
        let mut text = String::with_capacity(self.before.len() + self.after.len() + rows * self.width * 6);
        text.push_str(self.before);
        let mut number = 0;
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { ",(" });
            for column in 0..self.width {
                if column > 0 {
                    text.push(',');
                }
                number += 1;
                dialect.placeholder(&mut text, number);
            }
            text.push(')');
        }
        text.push_str(self.after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_into_few_texts() {
        static ROWS: Rows = Rows::new("t: insert", "INSERT INTO t (a, b) VALUES", 2, "");
        let sizes = |count| ROWS.cut(Dialect::Sqlite, count).iter().map(|(range, _)| range.len()).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(593), [256, 256, 64, 16, 1]);
        let padded = ROWS.cut_padded(Dialect::Sqlite, 300);
        let padded: Vec<_> = padded.into_iter().map(|(range, padding, _)| (range, padding)).collect();
        assert_eq!(padded, [(0..256, 0), (256..300, 20)]);
        assert_eq!(ROWS.build(Dialect::Postgres, 2), "INSERT INTO t (a, b) VALUES ($1,$2),($3,$4)");
        assert_eq!(ROWS.build(Dialect::Sqlite, 2), "INSERT INTO t (a, b) VALUES (?,?),(?,?)");
    }
}
