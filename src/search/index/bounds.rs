//! What a search may not cost: long lists are answered or refused, in bounded time.

use super::tests::*;
use crate::base::limits::Limits;
use crate::search::query::*;

#[test]
fn what_costs_too_much_is_refused() {
    let mut world = World::new();
    family(&mut world);
    let searcher = world.index.searcher();
    let code_of = |clauses| searcher.search(&query("Patient", clauses), 0, 1, &Limits::default()).map(|_| ());
    let contains = |n: usize| Test::String(StringTest::Contains(format!("part{n}").into()));
    let refused = code_of(vec![tests("name", (0..4000).map(contains).collect())]).unwrap_err();
    assert_eq!((refused.category().status(), refused.issues()[0].code), (400, "too-costly"));
    let has = |n: usize| Clause::Has {
        source: kind("Observation"),
        param: param("subject"),
        clause: Box::new(tests("code", vec![token_test(SystemTest::Any, Some(&n.to_string()))])),
    };
    assert_eq!(code_of((0..4000).map(has).collect()).unwrap_err().issues()[0].code, "too-costly");
    let long = tests("name", vec![Test::String(StringTest::StartsWith("x".repeat(1 << 20).into()))]);
    assert_eq!(code_of(vec![long]).unwrap_err().issues()[0].code, "too-long");
    let starts = |n: usize| Test::String(StringTest::StartsWith(format!("x{n}").into()));
    assert_eq!(code_of(vec![tests("name", (0..4000).map(starts).collect())]), Ok(()));
}
