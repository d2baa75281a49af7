//! Doc comments: on every module and public item; `mod.rs` begins with the module's essay.

use super::source::{Source, Violation};

/// An essay has at least this many lines.
const ESSAY: usize = 3;

/// What can be public and needs a doc comment.
const ITEMS: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "const", "static", "union", "async", "unsafe", "macro"];

/// The laws of documentation for a file of the product.
pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = module(source);
    let texts: Vec<&str> = source.text.lines().collect();
    for (n, code) in source.product.lines().enumerate() {
        let Some(name) = public(code.trim_start()) else { continue };
        if !documented(&texts, n) {
            violations.push(Violation {
                file: source.path.clone(),
                line: n + 1,
                what: format!("public `{name}` has no doc comment"),
            });
        }
    }
    violations
}

/// A file begins with what the module is; a `mod.rs` with an essay.
pub fn module(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().take_while(|l| l.starts_with("//!")).filter(|l| l.len() > 4).count();
    let needed = if source.path.starts_with("src/") && source.path.ends_with("/mod.rs") { ESSAY } else { 1 };
    let what = if needed == ESSAY {
        "mod.rs does not begin with an essay of 3 lines"
    } else {
        "the module has no doc comment"
    };
    (lines < needed).then(|| source.violation(0, what)).into_iter().collect()
}

/// The name of the public item or field that a line declares.
fn public(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("pub ")?;
    let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').find(|w| !w.is_empty())?;
    let field = rest[word.len()..].starts_with(':') && !rest[word.len()..].starts_with("::");
    if ITEMS.contains(&word) {
        return rest.split(|c: char| !c.is_alphanumeric() && c != '_').find(|w| !w.is_empty() && !ITEMS.contains(w));
    }
    field.then_some(word)
}

/// Whether a doc comment stands above a line, with attributes between.
fn documented(lines: &[&str], item: usize) -> bool {
    let above = lines[..item].iter().rev().map(|l| l.trim());
    let mut in_attribute = false;
    for line in above {
        if line.starts_with("///") || line.ends_with("*/") || line.starts_with("#[doc") {
            return true;
        }
        if line.ends_with(']') && !line.starts_with("#[") {
            in_attribute = true;
        }
        let attribute = in_attribute || line.starts_with("#[");
        if line.starts_with("#[") {
            in_attribute = false;
        }
        if !attribute {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_undocumented_is_found() {
        let lines = found("src/a.rs", "use x;\npub fn f() {}\n#[derive(A)]\npub struct S {\n    pub a: u8,\n}\n");
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[0], "src/a.rs:1: the module has no doc comment");
        assert_eq!(found("src/a/mod.rs", "//! One line.\n").len(), 1);
    }

    #[test]
    fn what_is_right_passes() {
        let text = "//! One.\n//! Two.\n//! Three.\npub mod x;\npub use y::Z;\n/// F.\n#[derive(\n    A,\n)]\n#[must_use]\npub const fn f() {}\n/// T.\npub struct T(pub u8);\n#[cfg(test)]\nmod t { pub fn g() {} }\n";
        assert_eq!(found("src/a/mod.rs", text), Vec::<String>::new());
    }
}
