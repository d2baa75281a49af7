//! The index, from documents made by hand to pages.

use std::sync::{Arc, OnceLock};

use rust_decimal::Decimal;
use tempfile::TempDir;

use super::prepare::Document;
use super::reader::Hit;
use super::writer::{Index, IndexOptions};
use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::base::limits::Limits;
use crate::fhir::definitions::params::{ParamId, ParamKind, SearchParam};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::query::*;
use crate::search::value::*;

pub const TABLE: &[(&str, ParamKind)] = &[
    ("code", ParamKind::Token),
    ("subject", ParamKind::Reference),
    ("date", ParamKind::Date),
    ("value-quantity", ParamKind::Quantity),
    ("name", ParamKind::String),
    ("probability", ParamKind::Number),
    ("url", ParamKind::Uri),
    ("code-value-quantity", ParamKind::Composite),
    ("encounter", ParamKind::Reference),
    ("code-value-string", ParamKind::Composite),
    ("status", ParamKind::Token),
    ("category", ParamKind::Token),
    ("patient", ParamKind::Reference),
    ("combo-code", ParamKind::Token),
    ("combo-value-quantity", ParamKind::Quantity),
    ("combo-code-value-quantity", ParamKind::Composite),
    ("_profile", ParamKind::Uri),
    ("gender", ParamKind::Token),
    ("near", ParamKind::Special),
];

fn params() -> &'static [Arc<SearchParam>] {
    static PARAMS: OnceLock<Vec<Arc<SearchParam>>> = OnceLock::new();
    PARAMS.get_or_init(|| {
        let make = |(id, (code, kind)): (usize, &(&'static str, ParamKind))| {
            Arc::new(SearchParam {
                id: ParamId::added(id as u64),
                code: (*code).into(),
                url: "".into(),
                kind: *kind,
                base: Vec::new(),
                expression: None,
                targets: Vec::new(),
                components: Vec::new(),
                details: None,
            })
        };
        TABLE.iter().enumerate().map(make).collect()
    })
}

pub fn param(code: &str) -> Arc<SearchParam> {
    params().iter().find(|param| param.code == code).unwrap().clone()
}

pub fn kind(name: &str) -> ResourceType {
    ResourceType::find(name).unwrap()
}

pub fn key(text: &str) -> ResourceKey {
    let (name, id) = text.split_once('/').unwrap();
    ResourceKey::new(kind(name), ResourceId::parse(id).unwrap())
}

pub fn token(system: Option<&str>, code: &str) -> Value {
    Value::Token { system: system.map(Into::into), code: Some(code.into()), text: None }
}

pub fn subject(text: &str) -> Value {
    Value::Reference(Target::Local(key(text)))
}

pub fn string(text: &str) -> Value {
    Value::String { folded: text.to_lowercase().into(), exact: text.into(), others: Box::default() }
}

pub fn day(number: i64) -> Span {
    Span { start: number * 86_400_000_000, end: (number + 1) * 86_400_000_000 }
}

pub fn quantity(value: Decimal, code: &str, canonical: Option<(Decimal, &str)>) -> Quantity {
    Quantity {
        low: Some(value),
        high: Some(value),
        excludes_side: false,
        system: Some("http://unitsofmeasure.org".into()),
        code: Some(code.into()),
        unit: Some(code.into()),
        canonical: canonical.map(|(value, unit)| Canonical { low: Some(value), high: Some(value), unit: unit.into() }),
    }
}

pub struct World {
    pub dir: TempDir,
    pub index: Index,
    seq: i64,
}

pub fn options() -> IndexOptions {
    IndexOptions { heap_bytes: 16 << 20, ..IndexOptions::default() }
}

impl World {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let index = Index::open(dir.path(), options()).unwrap();
        Self { dir, index, seq: 0 }
    }

    pub fn write(&mut self, text: &str, is_new: bool, values: Option<&[(&str, Value)]>) {
        self.seq += 1;
        let values = values.map(|values| Extracted {
            values: values.iter().map(|(code, value)| (param(code).id, value.clone())).collect(),
            ..Extracted::default()
        });
        let updated = Timestamp(self.seq * 1_000_000);
        self.index.apply(&[Document { key: key(text), seq: Seq(self.seq), updated, values, is_new }]).unwrap();
    }

    pub fn put(&mut self, text: &str, values: &[(&str, Value)]) {
        self.write(text, true, Some(values));
    }

    pub fn commit(&self) {
        self.index.commit(Seq(self.seq)).unwrap();
    }

    pub fn reopen(self) -> Self {
        let Self { dir, index, seq } = self;
        index.close().unwrap();
        let index = Index::open(dir.path(), options()).unwrap();
        Self { dir, index, seq }
    }

    pub fn seqs(&self, query: &Query) -> Vec<i64> {
        seqs(&self.index.searcher().search(query, 0, 1000, &Limits::default()).unwrap().hits)
    }

    pub fn find(&self, name: &str, clause: Clause) -> Vec<i64> {
        let query = query(name, vec![clause]);
        let found = self.seqs(&query);
        let counted = self.index.searcher().search(&query, 0, 0, &Limits::default()).unwrap().total;
        assert_eq!(counted, Some(found.len() as u64));
        found
    }
}

pub fn seqs(hits: &[Hit]) -> Vec<i64> {
    hits.iter().map(|hit| hit.seq.0).collect()
}

pub fn query(name: &str, clauses: Vec<Clause>) -> Query {
    Query {
        types: vec![kind(name)],
        clauses,
        sort: Vec::new(),
        count: None,
        total: Total::Accurate,
        count_only: false,
        explain: false,
        contained: ContainedMode::default(),
        everything: None,
        includes: Vec::new(),
        added: Vec::new(),
        used: Vec::new(),
        warnings: Vec::new(),
    }
}

pub fn tests(code: &str, tests: Vec<Test>) -> Clause {
    Clause::Param { param: param(code), tests }
}

pub fn token_test(system: SystemTest, code: Option<&str>) -> Test {
    Test::Token(TokenTest { system, code: code.map(Into::into) })
}

pub fn is(system: &str) -> SystemTest {
    SystemTest::Is(system.into())
}

pub fn date(prefix: Prefix, span: Span) -> Test {
    Test::Date(DateTest { prefix, span })
}

pub fn number_test(prefix: Prefix, value: &str, low: &str, high: &str) -> NumberTest {
    let decimal = |text: &str| text.parse().unwrap();
    NumberTest { prefix, value: decimal(value), low: decimal(low), high: decimal(high) }
}

pub fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn tokens_in_all_their_forms() {
    let mut world = World::new();
    world.put("Observation/1", &[("code", token(Some("http://loinc.org"), "1234-5"))]);
    world.put("Observation/2", &[("code", token(None, "1234-5"))]);
    world.put(
        "Observation/3",
        &[("code", token(Some("other"), "1234-5")), ("code", token(Some("http://loinc.org"), "x"))],
    );
    world.put("Observation/4", &[]);
    world.put("Condition/5", &[("code", token(Some("http://loinc.org"), "1234-5"))]);
    world.commit();
    let find = |test| world.find("Observation", tests("code", vec![test]));
    assert_eq!(find(token_test(SystemTest::Any, Some("1234-5"))), [1, 2, 3]);
    assert_eq!(find(token_test(is("http://loinc.org"), Some("1234-5"))), [1]);
    assert_eq!(find(token_test(SystemTest::Absent, Some("1234-5"))), [2]);
    assert_eq!(find(token_test(is("http://loinc.org"), None)), [1, 3]);
    assert_eq!(find(token_test(SystemTest::Any, Some("1234-"))), [0; 0]);
    let either = vec![token_test(is("other"), Some("1234-5")), token_test(SystemTest::Absent, Some("1234-5"))];
    assert_eq!(world.find("Observation", tests("code", either.clone())), [2, 3]);
    assert_eq!(world.find("Observation", Clause::Not { param: param("code"), tests: either }), [1, 4]);
    assert_eq!(world.find("Observation", Clause::Missing { param: param("code"), missing: true }), [4]);
    assert_eq!(world.find("Observation", Clause::Missing { param: param("code"), missing: false }), [1, 2, 3]);
    let mut many: Vec<Test> = (0..4000).map(|n| token_test(SystemTest::Any, Some(&format!("no-{n}")))).collect();
    many.push(token_test(SystemTest::Any, Some("x")));
    assert_eq!(world.find("Observation", tests("code", many)), [3]);
}

#[test]
fn strings_and_uris() {
    let mut world = World::new();
    world.put("Patient/1", &[("name", string("Müller")), ("name", string("Anna"))]);
    world.put("Patient/2", &[("name", string("müllerin"))]);
    world.put("Patient/3", &[("name", string("Annamaria")), ("url", Value::Uri("http://a/b".into()))]);
    world.commit();
    let find = |test| world.find("Patient", tests("name", vec![Test::String(test)]));
    assert_eq!(find(StringTest::StartsWith("müll".into())), [1, 2]);
    assert_eq!(find(StringTest::StartsWith("anna".into())), [1, 3]);
    assert_eq!(find(StringTest::Contains("nama".into())), [3]);
    assert_eq!(find(StringTest::Exact("Anna".into())), [1]);
    assert_eq!(find(StringTest::Exact("anna".into())), [0; 0]);
    assert_eq!(world.find("Patient", tests("url", vec![Test::Uri(UriTest::Is("http://a/b".into()))])), [3]);
    assert_eq!(world.find("Patient", tests("url", vec![Test::Uri(UriTest::Is("http://a/".into()))])), [0; 0]);
}

#[test]
fn dates_with_every_prefix() {
    let mut world = World::new();
    for (n, span) in [day(9), day(10), day(11), Span { start: day(9).start, end: day(11).end }].into_iter().enumerate()
    {
        world.put(&format!("Observation/{n}"), &[("date", Value::Date(span))]);
    }
    world.put("Observation/open", &[("date", Value::Date(Span { start: day(10).start, end: i64::MAX }))]);
    world.commit();
    let find = |prefix| world.find("Observation", tests("date", vec![date(prefix, day(10))]));
    assert_eq!(find(Prefix::Eq), [2]);
    assert_eq!(find(Prefix::Ne), [1, 3, 4, 5]);
    assert_eq!(find(Prefix::Gt), [3, 4, 5]);
    assert_eq!(find(Prefix::Lt), [1, 4]);
    assert_eq!(find(Prefix::Ge), [2, 3, 4, 5]);
    assert_eq!(find(Prefix::Le), [1, 2, 4]);
    assert_eq!(find(Prefix::Sa), [3]);
    assert_eq!(find(Prefix::Eb), [1]);
    assert_eq!(find(Prefix::Ap), [2, 4, 5]);
}

#[test]
fn numbers_may_be_ranges() {
    let mut world = World::new();
    let range =
        |low: Option<&str>, high: Option<&str>| Value::Number(Interval { low: low.map(dec), high: high.map(dec) });
    world.put("RiskAssessment/a", &[("probability", range(Some("1"), Some("3")))]);
    world.put("RiskAssessment/b", &[("probability", Value::Number(dec("2").into()))]);
    world.put("RiskAssessment/c", &[("probability", range(None, Some("2.5")))]);
    world.commit();
    let find = |prefix, value| {
        let test = Test::Number(number_test(prefix, value, value, value));
        world.find("RiskAssessment", tests("probability", vec![test]))
    };
    assert_eq!(find(Prefix::Gt, "2.7"), [1]);
    assert_eq!(find(Prefix::Lt, "1"), [3]);
    assert_eq!(find(Prefix::Ge, "2.5"), [1, 3]);
    assert_eq!(find(Prefix::Sa, "0"), [1, 2]);
}

#[test]
fn numbers_are_exact_at_their_bounds() {
    let mut world = World::new();
    for text in ["5.35", "5.4", "5.4499999999", "5.45"] {
        world.put(&format!("RiskAssessment/{text}"), &[("probability", Value::Number(dec(text).into()))]);
    }
    world.commit();
    let find = |prefix, value: &str| {
        let test = Test::Number(number_test(prefix, value, "5.35", "5.45"));
        world.find("RiskAssessment", tests("probability", vec![test]))
    };
    assert_eq!(find(Prefix::Eq, "5.4"), [1, 2, 3]);
    assert_eq!(find(Prefix::Ne, "5.4"), [4]);
    assert_eq!(find(Prefix::Gt, "5.4"), [3, 4]);
    assert_eq!(find(Prefix::Ge, "5.45"), [4]);
    assert_eq!(find(Prefix::Le, "5.35"), [1]);
    assert_eq!(find(Prefix::Lt, "5.4"), [1]);
}

#[test]
fn quantities_keep_value_and_unit_together() {
    let mut world = World::new();
    let g = |value: &str, code: &str, grams: &str| Value::Quantity(quantity(dec(value), code, Some((dec(grams), "g"))));
    world.put("Observation/1", &[("value-quantity", g("1", "g", "1"))]);
    world.put("Observation/2", &[("value-quantity", g("1000", "mg", "1"))]);
    world.put("Observation/3", &[("value-quantity", g("5", "g", "5")), ("value-quantity", g("1", "mg", "0.001"))]);
    world.commit();
    let find = |unit| {
        let number = number_test(Prefix::Eq, "1", "0.5", "1.5");
        world.find("Observation", tests("value-quantity", vec![Test::Quantity(QuantityTest { number, unit })]))
    };
    let number = number_test(Prefix::Eq, "1", "0.5", "1.5");
    assert_eq!(find(UnitTest::Canonical { number, unit: "g".into() }), [1, 2]);
    assert_eq!(find(UnitTest::Any), [1, 3]);
    assert_eq!(find(UnitTest::Code("g".into())), [1]);
    assert_eq!(find(UnitTest::Code("mg".into())), [3]);
    let ucum: Box<str> = "http://unitsofmeasure.org".into();
    assert_eq!(find(UnitTest::System { system: ucum, code: "mg".into() }), [3]);
    assert_eq!(find(UnitTest::System { system: "x".into(), code: "mg".into() }), [0; 0]);
}

#[test]
fn composites_keep_their_tuples() {
    let mut world = World::new();
    let pair = |code: &str, value: &str| {
        Value::Composite([token(Some("s"), code), Value::Quantity(quantity(dec(value), "mm", None))].into())
    };
    let text = |code: &str, value: &str| Value::Composite([token(Some("s"), code), string(value)].into());
    world.put("Observation/1", &[("code-value-quantity", pair("a", "1")), ("code-value-quantity", pair("b", "2"))]);
    world.put("Observation/2", &[("code-value-quantity", pair("a", "2"))]);
    world.put("Observation/3", &[("code-value-string", text("a", "Yes")), ("code-value-string", text("b", "No"))]);
    world.commit();
    let find = |code: &str| {
        let number = number_test(Prefix::Gt, "1", "0.5", "1.5");
        let quantity = Test::Quantity(QuantityTest { number, unit: UnitTest::Any });
        let parts = [token_test(is("s"), Some(code)), quantity];
        world.find("Observation", tests("code-value-quantity", vec![Test::Composite(parts.into())]))
    };
    assert_eq!(find("a"), [2]);
    assert_eq!(find("b"), [1]);
    let find = |code: &str, test| {
        let parts = [token_test(SystemTest::Any, Some(code)), Test::String(test)];
        world.find("Observation", tests("code-value-string", vec![Test::Composite(parts.into())]))
    };
    assert_eq!(find("a", StringTest::StartsWith("ye".into())), [3]);
    assert_eq!(find("b", StringTest::StartsWith("ye".into())), [0; 0]);
    assert_eq!(find("b", StringTest::Exact("No".into())), [3]);
    assert_eq!(find("b", StringTest::Contains("o".into())), [3]);
}

pub fn family(world: &mut World) {
    world.put("Patient/1", &[("name", string("Anna"))]);
    world.put("Patient/2", &[("name", string("Berta"))]);
    for n in 3..9 {
        let values = [
            ("code", token(Some("s"), if n % 2 == 0 { "even" } else { "odd" })),
            ("subject", subject(if n < 6 { "Patient/1" } else { "Patient/2" })),
        ];
        world.put(&format!("Observation/{n}"), &values);
    }
    world.commit();
}

#[test]
fn chains_and_has() {
    let mut world = World::new();
    family(&mut world);
    let name = tests("name", vec![Test::String(StringTest::StartsWith("ann".into()))]);
    let chain = Clause::Chain { param: param("subject"), targets: vec![(kind("Patient"), name)] };
    assert_eq!(world.find("Observation", chain.clone()), [3, 4, 5]);
    let code = tests("code", vec![token_test(SystemTest::Any, Some("odd"))]);
    let has = Clause::Has { source: kind("Observation"), param: param("subject"), clause: Box::new(chain) };
    assert_eq!(world.find("Patient", has), [1]);
    let has = Clause::Has { source: kind("Observation"), param: param("subject"), clause: Box::new(code) };
    assert_eq!(world.find("Patient", has.clone()), [1, 2]);
    let limits = Limits { join_keys: 1, ..Limits::default() };
    let refused = world.index.searcher().search(&query("Patient", vec![has]), 0, 10, &limits);
    assert_eq!(refused.unwrap_err().issues()[0].code, "too-costly");
}

#[test]
fn references_and_ids() {
    let mut world = World::new();
    family(&mut world);
    let url = |text: &str| Value::Reference(Target::Other(text.into()));
    let logical = Target::Identifier { system: Some("s".into()), value: "7".into() };
    world.put("Observation/9", &[("subject", url("http://x/Q|1.0")), ("subject", Value::Reference(logical))]);
    world.commit();
    let find = |test| world.find("Observation", tests("subject", vec![Test::Reference(test)]));
    let id = |text: &str| ResourceId::parse(text).unwrap();
    assert_eq!(find(ReferenceTest::Local { types: vec![kind("Patient")], id: id("1") }), [3, 4, 5]);
    assert_eq!(find(ReferenceTest::Local { types: vec![kind("Group"), kind("Patient")], id: id("2") }), [6, 7, 8]);
    assert_eq!(find(ReferenceTest::Local { types: vec![kind("Group")], id: id("2") }), [0; 0]);
    assert_eq!(find(ReferenceTest::Url("http://x/Q".into())), [9]);
    assert_eq!(find(ReferenceTest::Url("http://x/Q|1.0".into())), [9]);
    assert_eq!(find(ReferenceTest::Url("http://x/Q|2.0".into())), [0; 0]);
    let identifier = TokenTest { system: is("s"), code: Some("7".into()) };
    assert_eq!(find(ReferenceTest::Identifier(identifier)), [9]);
    assert_eq!(world.find("Observation", Clause::Id(vec![id("3"), id("9"), id("1")])), [3, 9]);
    let span = Span { start: 4_000_000, end: 6_000_000 };
    let updated = Clause::LastUpdated(vec![DateTest { prefix: Prefix::Eq, span }]);
    assert_eq!(world.find("Observation", updated), [4, 5]);
}

#[test]
fn includes_in_both_directions() {
    let mut world = World::new();
    family(&mut world);
    world.put("Encounter/9", &[("subject", subject("Patient/2"))]);
    world.put("Observation/10", &[("encounter", subject("Encounter/9"))]);
    world.commit();
    let searcher = world.index.searcher();
    let include = |reverse, source: &str, code: Option<&str>, iterate| Include {
        reverse,
        source: Some(kind(source)),
        param: code.map(param),
        added: vec![(kind("Observation"), param("subject").id), (kind("Observation"), param("encounter").id)],
        target: None,
        iterate,
    };
    let added = |name: &str, includes: Vec<Include>, limits: &Limits| {
        let query = Query { includes, ..query(name, vec![]) };
        let matches = searcher.search(&query, 0, 50, limits).unwrap().hits;
        let found = searcher.includes(&query, &matches, limits).unwrap();
        (seqs(&found.hits), found.cut)
    };
    let all = Limits::default();
    assert_eq!(
        added("Observation", vec![include(false, "Observation", Some("subject"), false)], &all),
        (vec![1, 2], false)
    );
    assert_eq!(added("Observation", vec![include(false, "Observation", None, false)], &all), (vec![1, 2, 9], false));
    assert_eq!(
        added("Patient", vec![include(true, "Observation", Some("subject"), false)], &all).0,
        [3, 4, 5, 6, 7, 8]
    );
    let iterate = vec![
        include(false, "Observation", Some("encounter"), false),
        include(false, "Encounter", Some("subject"), true),
    ];
    assert_eq!(added("Observation", iterate, &all).0, [9, 2]);
    let few = Limits { includes: 2, ..Limits::default() };
    assert_eq!(added("Patient", vec![include(true, "Observation", Some("subject"), false)], &few), (vec![3, 4], true));
    let query = Query {
        includes: vec![Include { target: Some(kind("Group")), ..include(false, "Observation", None, false) }],
        ..query("Observation", vec![])
    };
    let matches = searcher.search(&query, 0, 50, &all).unwrap().hits;
    assert!(searcher.includes(&query, &matches, &all).unwrap().hits.is_empty());
}

#[test]
fn sorts_with_missing_values_last() {
    let mut world = World::new();
    let dates = |a: i64, b: i64| [("date", Value::Date(day(a))), ("date", Value::Date(day(b)))];
    world.put("Observation/c", &dates(5, 20));
    world.commit();
    world.put("Observation/a", &dates(10, 11));
    world.put("Observation/b", &[("name", string("Zoe")), ("name", string("Bea"))]);
    world.commit();
    world.put("Observation/d", &[("name", string("Mia")), ("date", Value::Date(day(1)))]);
    world.commit();
    let sorted = |by: SortBy, descending| {
        world.seqs(&Query { sort: vec![SortKey { by, descending }], ..query("Observation", vec![]) })
    };
    assert_eq!(sorted(SortBy::Param(param("date")), false), [4, 1, 2, 3]);
    assert_eq!(sorted(SortBy::Param(param("date")), true), [1, 2, 4, 3]);
    assert_eq!(sorted(SortBy::Param(param("name")), false)[..2], [3, 4]);
    assert_eq!(sorted(SortBy::Param(param("name")), true)[..2], [3, 4]);
    assert_eq!(sorted(SortBy::Id, false), [2, 3, 1, 4]);
    assert_eq!(sorted(SortBy::Id, true), [4, 1, 3, 2]);
    assert_eq!(sorted(SortBy::LastUpdated, true), [4, 3, 2, 1]);
    let sort = vec![
        SortKey { by: SortBy::Param(param("code")), descending: false },
        SortKey { by: SortBy::LastUpdated, descending: true },
    ];
    assert_eq!(world.seqs(&Query { sort, ..query("Observation", vec![]) }), [4, 3, 2, 1]);
}

#[test]
fn pages_join_to_the_whole_and_a_pinned_searcher_stays() {
    let mut world = World::new();
    for n in 0..300 {
        world.put(&format!("Observation/{n}"), &[("date", Value::Date(day(n % 7)))]);
        if n % 40 == 0 {
            world.commit();
        }
    }
    world.commit();
    let pinned = world.index.searcher();
    let sort = vec![SortKey { by: SortBy::Param(param("date")), descending: true }];
    let query = Query { sort, ..query("Observation", vec![]) };
    let limits = Limits::default();
    let whole = pinned.search(&query, 0, 1000, &limits).unwrap();
    assert_eq!(whole.total, Some(300));
    let mut joined = Vec::new();
    for page in 0..10 {
        world.write(&format!("Observation/{}", page * 20), false, None);
        world.put(&format!("Observation/new{page}"), &[("date", Value::Date(day(9)))]);
        world.commit();
        let hits = pinned.search(&query, page * 33, 33, &limits).unwrap();
        assert_eq!(hits.total, Some(300));
        joined.extend(hits.hits);
    }
    assert_eq!(joined, whole.hits);
    assert_eq!(pinned.count(), 300);
    assert_eq!(world.index.searcher().search(&query, 0, 1, &limits).unwrap().total, Some(300));
}
