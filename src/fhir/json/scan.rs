//! Walking over JSON text without a tree: names and values as they stand.

/// A place in the text of valid JSON. On other text its functions answer `None` sooner or later; none panics.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the start of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The place.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place.
    pub fn back(&mut self, at: usize) {
        self.at = at;
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Steps over `{` or `[`.
    pub fn open(&mut self, bracket: u8) -> Option<()> {
        (self.peek()? == bracket).then(|| self.at += 1)
    }

    /// The name of the next property of an object, still escaped; its value comes next. `Some(None)`: the object ended.
    pub fn member(&mut self) -> Option<Option<&'a [u8]>> {
        if !self.next_before(b'}')? {
            return Some(None);
        }
        let quoted = self.string()?;
        (self.peek()? == b':').then(|| self.at += 1)?;
        Some(Some(&quoted[1..quoted.len() - 1]))
    }

    /// Whether another item of an array comes next; else the array ended.
    pub fn item(&mut self) -> Option<bool> {
        self.next_before(b']')
    }

    fn next_before(&mut self, close: u8) -> Option<bool> {
        let mut next = self.peek()?;
        if next == b',' {
            self.at += 1;
            next = self.peek()?;
        }
        if next == close {
            self.at += 1;
        }
        Some(next != close)
    }

    /// Steps over a value; its text.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => return self.string(),
            b'{' | b'[' => self.nested()?,
            _ => {
                let rest = &self.text[start..];
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let len = rest.iter().position(is_end).unwrap_or(rest.len());
                (len > 0).then(|| self.at += len)?;
            }
        }
        self.text.get(start..self.at)
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Steps over a string; its text with the quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        (self.peek()? == b'"').then_some(())?;
        let start = self.at;
        let mut at = start + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.text.get(at..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return self.text.get(start..self.at);
            }
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_values_stand_as_written() {
        let mut scan = Scanner::new(br#" { "a" : "x\"}\\" , "b":[1.0, {"c":null}],"d":{}} "#);
        scan.open(b'{').expect("an object");
        let mut seen = Vec::new();
        while let Some(name) = scan.member().expect("JSON") {
            seen.push((name, scan.value().expect("a value")));
        }
        let expected: [(&[u8], &[u8]); 3] = [(b"a", br#""x\"}\\""#), (b"b", br#"[1.0, {"c":null}]"#), (b"d", b"{}")];
        assert_eq!(seen, expected);
    }

    proptest! {
        #[test]
        fn other_text_ends(text in "[\\[\\]{},:\"\\\\a1 ]{0,40}") {
            let mut scan = Scanner::new(text.as_bytes());
            let mut steps = 0;
            while scan.value().is_some() {
                steps += 1;
            }
            let mut scan = Scanner::new(text.as_bytes());
            let _ = scan.open(b'{');
            while let Some(Some(_)) = scan.member() {
                steps += 1;
                if scan.value().is_none() {
                    break;
                }
            }
            prop_assert!(steps <= 2 * text.len() + 1);
        }
    }
}
