//! Words that have no place outside tests, and lints that are silenced only with a reason.

use super::source::{Source, Violation, closing, words};

/// What never stands in the product, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (".unwrap()", "handle the absence, or `expect` an invariant with its reason"),
    (".unwrap_err()", "handle the other case"),
    ("todo!", "finish it, or answer a clear fault"),
    ("unimplemented!", "finish it, or answer a clear fault"),
    ("dbg!", "log at the boundary"),
];

/// The laws of words for a file of the product.
pub fn check(source: &Source) -> Vec<Violation> {
    let code = &source.product;
    let mut violations = lints(source);
    for (word, instead) in FORBIDDEN {
        violations.extend(words(code, word).map(|at| source.violation(at, format!("`{word}`: {instead}"))));
    }
    for (at, found) in code.match_indices(".expect(") {
        let argument = at + found.len();
        let reasoned = code[argument..].trim_start().starts_with('"') && closing(code, argument - 1) - argument > 10;
        // `self.expect(token)` is a parser's own method.
        if !reasoned && !code[..at].ends_with("self") {
            violations.push(source.violation(at, "`.expect` without its reason as text"));
        }
    }
    violations
}

/// No `allow`; `expect` with a reason. Also for tests.
pub fn lints(source: &Source) -> Vec<Violation> {
    let code = &source.code;
    let mut violations = Vec::new();
    for (hash, _) in code.match_indices('#') {
        let open = hash + code[hash..].find('[').unwrap_or(0);
        if !matches!(code[hash + 1..open.max(hash + 1)].trim(), "" | "!") || open == hash {
            continue;
        }
        let attribute = &code[open..closing(code, open)];
        let calls = |word: &'static str| words(attribute, word).any(|at| attribute[at + word.len()..].starts_with('('));
        if calls("allow") {
            violations.push(source.violation(hash, "`allow`: use `#[expect(lint, reason = \"...\")]`"));
        }
        if calls("expect") && words(attribute, "reason").next().is_none() {
            violations.push(source.violation(hash, "`expect` without a reason"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        check(&Source::new("src/a.rs", text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn forbidden_words_are_found() {
        let lines = found("fn f() {\n a.unwrap();\n todo!();\n dbg!(x);\n b.expect(reason);\n c.expect(\"no\");\n}");
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines.iter().any(|l| l.starts_with("src/a.rs:2: `.unwrap()`")), "{lines:?}");
    }

    #[test]
    fn silenced_lints_are_found() {
        assert_eq!(found("#[allow(dead_code)]\nfn f() {}").len(), 1);
        assert_eq!(found("#![cfg_attr(x, allow(y))]").len(), 1);
        assert_eq!(found("#[expect(dead_code)]\nfn f() {}"), ["src/a.rs:1: `expect` without a reason"]);
    }

    #[test]
    fn what_is_right_passes() {
        let text = "#[expect(x, reason = \"y\")]\nfn f() { a.unwrap_or(b).expect(\"the table is sorted\"); \"todo!\"; let [a] = b; }\n#[cfg(test)]\nmod t { fn g() { a.unwrap() } }";
        assert_eq!(found(text), Vec::<String>::new());
    }
}
