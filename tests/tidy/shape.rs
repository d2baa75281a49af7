//! Sizes: a file of at most 500 lines without its tests, a function of at most 70, nesting of at most 4.

use super::source::{Source, Violation, closing, words};

const FILE: usize = 500;
const FUNCTION: usize = 70;
const NESTING: usize = 4;

/// The laws of size for a file of the product.
pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = length(source);
    for body in bodies(&source.product) {
        let lines = source.line(body.end - 1) + 1 - source.line(body.start);
        if lines > FUNCTION {
            violations.push(source.violation(body.start, format!("function of {lines} lines (at most {FUNCTION})")));
        }
        if let Some(at) = too_deep(&source.product, &body) {
            violations.push(source.violation(at, format!("nesting deeper than {NESTING}")));
        }
    }
    violations
}

/// A file's length without its tests.
pub fn length(source: &Source) -> Vec<Violation> {
    let tests: usize = if source.path.starts_with("src/") { blanked_lines(source) } else { inline_tests(source) };
    let lines = source.text.lines().count().saturating_sub(tests);
    let broken = lines > FILE;
    broken.then(|| source.violation(0, format!("{lines} lines without tests (at most {FILE})"))).into_iter().collect()
}

/// Lines that have code in the file, but none in the product.
fn blanked_lines(source: &Source) -> usize {
    let test_at = source
        .text
        .match_indices("#[cfg(test)]")
        .map(|(at, _)| at)
        .find(|at| source.product[*at..].trim_start().is_empty());
    test_at.map_or_else(|| inline_tests(source), |at| source.text[at..].lines().count())
}

fn inline_tests(source: &Source) -> usize {
    source.code.lines().zip(source.product.lines()).filter(|(code, product)| code != product).count()
}

/// A function, from `fn` to the end of its body.
struct Body {
    start: usize,
    open: usize,
    end: usize,
}

fn bodies(code: &str) -> Vec<Body> {
    let opens = |at: usize| {
        let mut depth = 0_i32;
        code[at..].char_indices().find_map(|(n, c)| {
            depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
            (depth == 0 && matches!(c, '{' | ';')).then_some((at + n, c))
        })
    };
    let functions = words(code, "fn").filter_map(|start| match opens(start)? {
        (open, '{') => Some(Body { start, open, end: closing(code, open) }),
        _ => None,
    });
    functions.filter(|body| named(code, body.start)).collect()
}

/// `fn name`, not the type `fn(A) -> B`.
fn named(code: &str, at: usize) -> bool {
    code[at + 2..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_') && code[at + 2..].starts_with(' ')
}

/// Where more than the allowed number of branches, loops and closures with blocks stand in one another.
fn too_deep(code: &str, body: &Body) -> Option<usize> {
    let mut stack: Vec<bool> = Vec::new();
    let mut head = body.open + 1;
    for (n, byte) in code.as_bytes()[body.open..body.end].iter().enumerate() {
        let at = body.open + n;
        match byte {
            b'{' => {
                stack.push(n > 0 && nests(&code[head..at]));
                head = at + 1;
                if stack.iter().filter(|nests| **nests).count() > NESTING {
                    return Some(at);
                }
            }
            b'}' => {
                stack.pop();
                head = at + 1;
            }
            b';' => head = at + 1,
            _ => {}
        }
    }
    None
}

/// Whether the text before a brace opens a branch, a loop, or a closure's block.
fn nests(head: &str) -> bool {
    // In `a => if x {` and `(a, if x {` only what follows the last arrow or comma counts.
    let tail = head.rsplit("=>").next().unwrap_or(head);
    let branch =
        ["if", "else", "for", "while", "loop", "match"].into_iter().any(|word| words(tail, word).next().is_some());
    branch || tail.trim_end().ends_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        check(&Source::new("src/a.rs", text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn long_files_and_functions_are_found() {
        assert_eq!(found(&"\n".repeat(501)), ["src/a.rs:1: 501 lines without tests (at most 500)"]);
        let function = format!("struct A;\npub fn f(a: [u8; 2]) -> u8 {{\n{}}}\n", "g();\n".repeat(69));
        assert_eq!(found(&function), ["src/a.rs:2: function of 71 lines (at most 70)"]);
        let tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(600));
        assert_eq!(found(&tests), Vec::<String>::new());
    }

    #[test]
    fn deep_nesting_is_found() {
        let deep = "fn f() { if a { for b in c { match d { E => { while g { x.map(|y| { z }) } } } } } }";
        assert_eq!(found(deep), ["src/a.rs:1: nesting deeper than 4"]);
        let fine =
            "fn f() { if a { for b in c { match d { E => { while g { x.map(|y| S { z }) } } } } } else if h { } }";
        assert_eq!(found(fine), Vec::<String>::new());
    }
}
