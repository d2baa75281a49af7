//! Tokens of code systems that are not case-sensitive: "match is case sensitive unless the underlying semantics for the context
//! indicate that the token should be interpreted case-insensitively (see, e.g. CodeSystem.caseSensitive)" (FHIR R4 `search.html`,
//! 3.1.1.4.10). What a code system says is known to whoever knows code systems, so parsing leaves such tokens as they are, and they are
//! loosened before the search is compiled.

use super::concept_tests::each_tests_mut;
use super::query::{AnyCase, Clause, SystemTest, Test, TokenTest};

/// Most tokens of one condition whose case is disregarded wholly, since each is looked for in several places of the index.
const WHOLLY: usize = 16;

/// Loosens the tokens `system|code` of systems for which `folds` is true.
pub fn loosen(clauses: &mut [Clause], folds: &mut dyn FnMut(&str) -> bool) {
    each_tests_mut(clauses, &mut |tests| {
        let is_loose = |test: &Test, folds: &mut dyn FnMut(&str) -> bool| match test {
            Test::Token(token) => is_folded(token, folds),
            Test::Composite(parts) => {
                parts.iter().any(|part| matches!(part, Test::Token(token) if is_folded(token, folds)))
            }
            _ => false,
        };
        if !tests.iter().any(|test| is_loose(test, folds)) {
            return;
        }
        let mut wholly = 0;
        for test in std::mem::take(tests) {
            if !is_loose(&test, folds) {
                tests.push(test);
                continue;
            }
            match test {
                Test::Token(token) if wholly < WHOLLY => {
                    wholly += 1;
                    tests.push(Test::AnyCase(AnyCase { token, other: false }));
                }
                Test::Token(token) => tests.extend(spellings(token).into_iter().map(Test::Token)),
                Test::Composite(parts) => tests.extend(composites(&parts, folds)),
                other => tests.push(other),
            }
        }
    });
}

/// Whether a token has letters whose case its system disregards.
fn is_folded(token: &TokenTest, folds: &mut dyn FnMut(&str) -> bool) -> bool {
    let (SystemTest::Is(system), Some(code)) = (&token.system, &token.code) else { return false };
    code.bytes().any(|byte| byte.is_ascii_alphabetic()) && folds(system)
}

/// As written, in lowercase, in uppercase.
fn spellings(token: TokenTest) -> Vec<TokenTest> {
    let code = token.code.clone().unwrap_or_default();
    let mut codes: Vec<Box<str>> = vec![code.clone()];
    for other in [code.to_ascii_lowercase(), code.to_ascii_uppercase()] {
        if codes.iter().all(|known| **known != *other) {
            codes.push(other.into());
        }
    }
    codes.into_iter().map(|code| TokenTest { code: Some(code), ..token.clone() }).collect()
}

/// A composite with its tokens in each spelling; there are few components, so there are few of these.
fn composites(parts: &[Test], folds: &mut dyn FnMut(&str) -> bool) -> Vec<Test> {
    let mut all: Vec<Vec<Test>> = vec![Vec::new()];
    for part in parts {
        let ways: Vec<Test> = match part {
            Test::Token(token) if is_folded(token, folds) => {
                spellings(token.clone()).into_iter().map(Test::Token).collect()
            }
            other => vec![other.clone()],
        };
        let with = |begun: &Vec<Test>| {
            ways.iter().map(|way| [&begun[..], std::slice::from_ref(way)].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all.into_iter().map(|parts| Test::Composite(parts.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(system: Option<&str>, code: &str) -> Test {
        let system = system.map_or(SystemTest::Any, |system| SystemTest::Is(system.into()));
        Test::Token(TokenTest { system, code: Some(code.into()) })
    }

    fn loosened(tests: Vec<Test>) -> Vec<Test> {
        let kind = crate::fhir::types::ResourceType::parse("Observation").expect("a type");
        let param = crate::fhir::definitions::params::search_param(kind, "code").expect("a parameter").clone();
        let mut clauses = [Clause::Any(vec![Clause::Param { param, tests }])];
        loosen(&mut clauses, &mut |system| system == "urn:loose");
        match clauses {
            [Clause::Any(mut all)] => match all.pop() {
                Some(Clause::Param { tests, .. }) => tests,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_letters_of_systems_that_disregard_case_are_loosened() {
        let strict = vec![token(Some("urn:strict"), "a"), token(None, "a"), token(Some("urn:loose"), "8480-6")];
        assert_eq!(loosened(strict.clone()), strict);
        let Test::Token(loose) = token(Some("urn:loose"), "Ab") else { panic!() };
        let expected = Test::AnyCase(AnyCase { token: loose, other: false });
        assert_eq!(loosened(vec![strict[0].clone(), token(Some("urn:loose"), "Ab")]), [strict[0].clone(), expected]);
    }

    #[test]
    fn of_many_and_of_composites_three_spellings_are_looked_for() {
        let many: Vec<Test> = (0..WHOLLY + 1).map(|n| token(Some("urn:loose"), &format!("Ab{n}"))).collect();
        let found = loosened(many);
        assert_eq!(found.len(), WHOLLY + 3);
        let code = |code: &str| token(Some("urn:loose"), code);
        assert_eq!(found[WHOLLY..], [code("Ab16"), code("ab16"), code("AB16")]);
        let composite =
            |first: &str, second: &str| Test::Composite([code(first), token(Some("urn:strict"), second)].into());
        assert_eq!(loosened(vec![composite("a", "X")]), [composite("a", "X"), composite("A", "X")]);
    }
}
