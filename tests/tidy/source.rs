//! A source file with its comments and strings masked, so that laws can be checked on what is code.

use std::fmt;
use std::path::{Path, PathBuf};

/// A broken law at a place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path from the top level.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// A Rust file in three views of the same length, so that positions agree.
#[derive(Debug)]
pub struct Source {
    /// Path from the top level, with `/`.
    pub path: String,
    /// As written.
    pub text: String,
    /// Comments and the insides of strings and characters are blank.
    pub code: String,
    /// `code` with every item under `#[cfg(test)]` blank, too.
    pub product: String,
}

impl Source {
    /// Masks a text. Non-ASCII text outside comments and strings is blanked, too.
    pub fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let product = if is_test_file(path) { blank(&code) } else { without_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// All `.rs` files under some paths of the repository, sorted.
    pub fn read_all(roots: &[&str]) -> Vec<Self> {
        let top = top();
        let mut files = Vec::new();
        roots.iter().for_each(|root| collect(&top.join(root), &mut files));
        files.sort();
        let shown = |file: &PathBuf| file.strip_prefix(&top).unwrap().to_str().unwrap().replace('\\', "/");
        let mut sources: Vec<Self> =
            files.iter().map(|file| Self::new(&shown(file), &std::fs::read_to_string(file).unwrap())).collect();
        Self::leave_out_test_files(&mut sources);
        sources
    }

    /// `#[cfg(test)] mod name;` makes a whole file a test.
    fn leave_out_test_files(sources: &mut [Self]) {
        let declared: Vec<String> = sources.iter().flat_map(Self::test_modules).collect();
        let is_test =
            |path: &str| declared.iter().any(|d| path == format!("{d}.rs") || path.starts_with(&format!("{d}/")));
        sources.iter_mut().filter(|s| is_test(&s.path)).for_each(|s| s.product = blank(&s.code));
    }

    /// Paths, without `.rs`, of the modules that this file declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let stem = self.path.trim_end_matches(".rs");
        let base = if stem.ends_with("/mod") || stem.ends_with("/lib") { folder } else { stem };
        let declared = self.code.match_indices("#[cfg(test)]").filter_map(|(at, attribute)| {
            let rest = self.code[at + attribute.len()..].trim_start();
            let rest = rest.strip_prefix("pub(crate) ").or_else(|| rest.strip_prefix("pub(super) ")).unwrap_or(rest);
            let name = rest.strip_prefix("mod ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            rest[4 + name.len()..].trim_start().starts_with(';').then(|| format!("{base}/{name}"))
        });
        declared.collect()
    }

    /// The line of a byte position, from 1.
    pub fn line(&self, at: usize) -> usize {
        1 + self.code.as_bytes()[..at].iter().filter(|b| **b == b'\n').count()
    }

    /// A violation at a byte position.
    pub fn violation(&self, at: usize, what: impl Into<String>) -> Violation {
        Violation { file: self.path.clone(), line: self.line(at), what: what.into() }
    }
}

/// The top level of the repository.
pub fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        entries.for_each(|entry| collect(&entry.unwrap().path(), files));
    } else if path.is_file() && path.extension().is_some_and(|e| e == "rs") {
        files.push(path.to_owned());
    }
}

/// Files of tests beside the product: `#[cfg(test)] mod tests;` has its file in `tests.rs` or `tests/`.
fn is_test_file(path: &str) -> bool {
    path.starts_with("src/") && (path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("_tests.rs"))
}

fn blank(code: &str) -> String {
    code.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Whether the byte can be part of a name.
pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Positions where `word` stands on its own.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = *at == 0 || !is_name(bytes[at - 1]) || !is_name(word.as_bytes()[0]);
        let after =
            bytes.get(at + word.len()).is_none_or(|b| !is_name(*b) || !is_name(word.as_bytes()[word.len() - 1]));
        before && after
    })
}

/// The position after the bracket that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Blanks comments and the insides of literals; keeps line breaks and length.
fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        if end > at && matches!(bytes[at], b'"' | b'r' | b'b' | b'c' | b'\'') {
            // Quotes stay, so that a law can see that a literal stands there.
            out[at] = b'"';
            out[end - 1] = b'"';
        }
        at = if end > at { end } else { at + 1 };
    }
    out.iter().map(|b| if b.is_ascii() { *b as char } else { ' ' }).collect()
}

/// The end of the comment or literal that begins at `at`; `at` itself if none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let starts_word = at == 0 || !is_name(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_end(bytes, at),
        [b'"', ..] => string_end(bytes, at + 1),
        [b'b' | b'c', b'"', ..] if starts_word => string_end(bytes, at + 2),
        [b'b', b'\'', ..] if starts_word => char_end(bytes, at + 1).max(at),
        [b'r', b'"' | b'#', ..] if starts_word => raw_end(bytes, at + 1).unwrap_or(at),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if starts_word => raw_end(bytes, at + 2).unwrap_or(at),
        [b'\'', ..] => char_end(bytes, at),
        _ => at,
    }
}

fn block_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(bytes: &[u8], inside: usize) -> usize {
    let mut at = inside;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn raw_end(bytes: &[u8], hashes_at: usize) -> Option<usize> {
    let hashes = bytes[hashes_at..].iter().take_while(|b| **b == b'#').count();
    let open = hashes_at + hashes;
    (bytes.get(open) == Some(&b'"')).then_some(())?;
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = bytes[open + 1..].windows(closing.len()).position(|w| w == closing)?;
    Some(open + 1 + length + closing.len())
}

/// The end of a character literal at `at`; `at` for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> usize {
    let rest = std::str::from_utf8(&bytes[at + 1..]).unwrap_or_default();
    if rest.starts_with('\\') {
        let close = rest[2..].find('\'').map_or(0, |n| n + 2);
        return at + 1 + close + 1;
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some(c), Some('\'')) => at + 1 + c.len_utf8() + 1,
        _ => at,
    }
}

/// Blanks every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let mut at = start + attribute.len();
        while let Some(next) = next_attribute(code, at) {
            at = next;
        }
        let stop = code[at..].find(['{', ';']).map_or(code.len(), |n| at + n);
        let end = if code[stop..].starts_with('{') { closing(code, stop) } else { stop + 1 };
        for byte in &mut out[start..end.min(code.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// The end of the attribute that follows `at`, if one does.
fn next_attribute(code: &str, at: usize) -> Option<usize> {
    let begin = at + code[at..].len() - code[at..].trim_start().len();
    code[begin..].starts_with("#[").then(|| closing(code, begin + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_what_is_not_code() {
        let text = "let a = \"x.unwrap()\"; // y.unwrap()\nlet r = r#\"a\"b\"#; /* a /* b */ c */ let c = '\"'; f::<'a>('\\'');";
        let source = Source::new("src/a.rs", text);
        assert_eq!(source.code.len(), text.len());
        assert!(!source.code.contains("unwrap"), "{}", source.code);
        assert!(source.code.contains("let c = \""), "{}", source.code);
        assert!(source.code.contains("f::<'a>("), "{}", source.code);
    }

    #[test]
    fn leaves_out_tests() {
        let text = "fn a() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n fn b() { if x { y } }\n}\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}";
        let product = Source::new("src/a.rs", text).product;
        assert!(product.contains("fn a") && product.contains("fn c") && product.contains("fn d"), "{product}");
        assert!(!product.contains("fn b") && !product.contains("mod t"), "{product}");
        assert!(Source::new("src/a/tests.rs", text).product.trim().is_empty());
        let mut files = [
            Source::new("src/a/mod.rs", text),
            Source::new("src/a/t.rs", "fn x() {}"),
            Source::new("src/a/u.rs", "fn x() {}"),
        ];
        Source::leave_out_test_files(&mut files);
        assert!(files[1].product.trim().is_empty() && !files[2].product.trim().is_empty());
    }
}
