//! Random resources and random searches: the index answers as `matches` and as a plain reading of the values do,
//! whatever was updated, deleted, committed and merged in between.

use std::sync::Arc;

use proptest::prelude::*;
use rust_decimal::Decimal;
use tempfile::TempDir;

use super::prepare::Document;
use super::tests::*;
use super::writer::{Index, IndexOptions};
use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::base::limits::Limits;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::ResourceId;
use crate::search::codeset::{Asked, CodeSet, ConceptTest};
use crate::search::kind::fuzzy;
use crate::search::kind::words::Words;
use crate::search::matches::{DocMeta, matches};
use crate::search::query::*;
use crate::search::value::*;

type Text = Box<str>;
type Values = Vec<(&'static str, Value)>;

fn text() -> impl Strategy<Value = String> {
    "[abÀ]{1,3}"
}

/// One to three short words.
fn words() -> impl Strategy<Value = String> {
    "[ab]{1,3}( [ab]{1,2}|-[ab]){0,2}"
}

/// URLs with a path, some with a version.
fn url() -> impl Strategy<Value = String> {
    "[ab]{1,2}(/[ab]{1,2}){0,2}(\\|[12]{1,2}(\\.[12]){0,2})?"
}

/// Small numbers, and close neighbours of 15 digits, which are what the index keeps.
fn small() -> impl Strategy<Value = Decimal> {
    let long = (prop_oneof![Just(123_456_789_012_343), Just(999_999_999_999_996_i64)], 0..4_i64, any::<bool>());
    let scale = prop_oneof![Just(0_u32), Just(4), Just(15)];
    prop_oneof![
        3 => (-3_i64..12).prop_map(|n| Decimal::new(n * 5, 1)),
        1 => (long, scale).prop_map(|((base, more, negative), scale)| {
            Decimal::new(if negative { -base - more } else { base + more }, scale)
        }),
    ]
}

/// Mostly a number, else a range that may be open on one side.
fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        3 => small().prop_map(Interval::from),
        1 => (small(), small()).prop_map(|(a, b)| Interval { low: Some(a.min(b)), high: Some(a.max(b)) }),
        1 => small().prop_map(|low| Interval { low: Some(low), high: None }),
        1 => small().prop_map(|high| Interval { low: None, high: Some(high) }),
    ]
}

fn a_number() -> impl Strategy<Value = Value> {
    let implied = (interval(), any::<bool>()).prop_map(|(Interval { low, high }, is_closed)| Implied {
        low,
        high,
        is_closed: is_closed || low == high,
    });
    prop_oneof![interval().prop_map(Value::Number), implied.prop_map(Value::Implied)]
}

fn span() -> impl Strategy<Value = Span> {
    let open = prop_oneof![8 => Just(false), 1 => Just(true)];
    (0_i64..9, 1_i64..4, open.clone(), open).prop_map(|(start, length, left, right)| Span {
        start: if left { i64::MIN } else { start },
        end: if right { i64::MAX } else { start + length },
    })
}

fn maybe(text: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(text.prop_map(Into::into))
}

fn a_token() -> impl Strategy<Value = Value> {
    let coded = |(system, code, text): (_, String, _)| Value::Token { system, code: Some(code.into()), text };
    prop_oneof![
        8 => (maybe(text()), text(), maybe(words())).prop_map(coded),
        1 => text().prop_map(|system| Value::Token { system: Some(system.into()), code: None, text: None }),
        1 => words().prop_map(|text| Value::Token { system: None, code: None, text: Some(text.into()) }),
    ]
}

/// What tokens that are no components have beside.
fn beside() -> impl Strategy<Value = Value> {
    let typed = (text(), text(), text());
    prop_oneof![
        typed.prop_map(|(a, b, c)| Value::Typed(Typed { system: a.into(), code: b.into(), value: c.into() })),
        text().prop_map(|base| Value::Mime(base.into())),
    ]
}

fn a_quantity() -> impl Strategy<Value = Value> {
    let canonical = prop::option::of((interval(), text()).prop_map(|(Interval { low, high }, unit)| Canonical {
        low,
        high,
        unit: unit.into(),
    }));
    (interval(), maybe(text()), maybe(text()), maybe(text()), canonical, any::<bool>()).prop_map(
        |(Interval { low, high }, system, code, unit, canonical, excludes)| {
            let is_open = |low: Option<Decimal>, high: Option<Decimal>| low.is_none() || high.is_none();
            let are_open = is_open(low, high) && canonical.as_ref().is_none_or(|c| is_open(c.low, c.high));
            let excludes_side = excludes && are_open;
            Value::Quantity(Quantity { low, high, excludes_side, system, code, unit, canonical })
        },
    )
}

fn a_string() -> impl Strategy<Value = Value> {
    text().prop_map(|text| string(&text))
}

/// Some are found at other texts, too.
fn a_name() -> impl Strategy<Value = Value> {
    (text(), prop::collection::vec("[ab]{1,3}", 0..2)).prop_map(|(text, others)| {
        let others = others.into_iter().map(Box::from).collect();
        Value::String { folded: text.to_lowercase().into(), exact: text.into(), others }
    })
}

fn a_reference(urls: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..4_u8).prop_map(|n| subject(&format!("Patient/{n}"))),
        urls.prop_map(|text| Value::Reference(Target::Other(text.into()))),
        (maybe(text()), text())
            .prop_map(|(system, value)| Value::Reference(Target::Identifier { system, value: value.into() })),
    ]
}

/// Places around the date line, a pole and the origin.
fn a_place() -> impl Strategy<Value = Position> {
    let units = |degrees: i32| degrees * Position::UNITS;
    (prop_oneof![-3..3, 87..91], prop_oneof![-3..3, 177..181, -180..-177])
        .prop_map(move |(north, east)| Position { latitude: units(north), longitude: units(east) })
}

fn ask_place() -> impl Strategy<Value = Circle> {
    (a_place(), prop_oneof![Just(0.0), 100_000.0..500_000.0]).prop_map(|(at, metres)| {
        let degrees = |units: i32| f64::from(units / Position::UNITS);
        Circle { latitude: degrees(at.latitude), longitude: degrees(at.longitude), metres }
    })
}

/// The angle between two places as vectors, times the radius: no haversine.
fn is_within(circle: &Circle, at: Position) -> bool {
    let vector = |north: f64, east: f64| {
        let (north, east) = (north.to_radians(), east.to_radians());
        [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
    };
    let degrees = |units: i32| f64::from(units) / f64::from(Position::UNITS);
    let (a, b) = (vector(circle.latitude, circle.longitude), vector(degrees(at.latitude), degrees(at.longitude)));
    let chord = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    2.0 * (chord / 2.0).min(1.0).asin() * 6_371_008.8 <= circle.metres + 0.01
}

fn several(code: &'static str, value: impl Strategy<Value = Value>) -> impl Strategy<Value = Values> {
    prop::collection::vec(value.prop_map(move |value| (code, value)), 0..3)
}

fn resource() -> impl Strategy<Value = Values> {
    let pair = (a_token(), a_quantity()).prop_map(|(a, b)| Value::Composite([a, b].into()));
    let texts = (a_token(), a_string()).prop_map(|(a, b)| Value::Composite([a, b].into()));
    let uri = prop_oneof![text().prop_map(Text::from), Just("x".into())];
    let of_all_kinds = (span(), interval(), uri, a_reference(text()))
        .prop_map(|(a, b, c, d)| Value::Composite([Value::Date(a), Value::Number(b), Value::Uri(c), d].into()));
    (
        several("code", prop_oneof![3 => a_token(), 1 => beside()]),
        several("subject", a_reference(url())),
        several("date", span().prop_map(Value::Date)),
        several("value-quantity", a_quantity()),
        several("name", a_name()),
        several("probability", a_number()),
        several("url", url().prop_map(|text| Value::Uri(text.into()))),
        several("near", a_place().prop_map(Value::Position)),
        several("code-value-quantity", pair),
        several("code-value-string", texts),
        several("combo-code-value-quantity", of_all_kinds),
    )
        .prop_map(|(a, b, c, d, e, f, g, near, h, i, j)| [a, b, c, d, e, f, g, near, h, i, j].concat())
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (0..Prefix::ALL.len()).prop_map(|at| Prefix::ALL[at])
}

fn ask_token() -> impl Strategy<Value = TokenTest> {
    let system = prop_oneof![
        Just(SystemTest::Any),
        Just(SystemTest::Absent),
        text().prop_map(|text| SystemTest::Is(text.into()))
    ];
    (system, maybe(text())).prop_filter_map("asks something", |(system, code)| {
        (code.is_some() || matches!(system, SystemTest::Is(_))).then_some(TokenTest { system, code })
    })
}

fn ask_words() -> impl Strategy<Value = Words> {
    let word = || "[ab]{1,3}".prop_map(Box::<str>::from);
    let leaf = prop_oneof![
        4 => word().prop_map(Words::Word),
        1 => word().prop_map(Words::Prefix),
        2 => prop::collection::vec(word(), 2..4).prop_map(Words::Phrase),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Words::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Words::Any),
            inner.prop_map(|part| Words::Not(Box::new(part))),
        ]
    })
}

/// A value set of some codes; also one of so many that each value is looked for among them.
fn ask_concepts() -> impl Strategy<Value = ConceptTest> {
    let codes = prop::collection::vec((text(), text()), 1..6);
    (codes, any::<bool>(), prop::sample::select(&[0, 1500][..])).prop_map(|(codes, is_code, more)| {
        let mut set = CodeSet::default();
        let fillers = (0..more).map(|n| ("filler".to_owned(), format!("filler {n}")));
        for (system, code) in codes.into_iter().chain(fillers) {
            set.insert(&system, &code);
        }
        ConceptTest { codes: Some(Arc::new(set)), ..ConceptTest::new(Asked::In("x".into()), is_code) }
    })
}

/// Everything that is asked of tokens.
fn ask_coded() -> impl Strategy<Value = Test> {
    let typed = (text(), text(), text());
    prop_oneof![
        3 => ask_token().prop_map(Test::Token),
        1 => ask_concepts().prop_map(Test::Concepts),
        1 => words().prop_map(|text| Test::Text(text.into())),
        1 => typed.prop_map(|(a, b, c)| Test::Typed(Typed { system: a.into(), code: b.into(), value: c.into() })),
        1 => text().prop_map(|base| Test::Mime(base.into())),
    ]
}

fn ask_uri() -> impl Strategy<Value = UriTest> {
    prop_oneof![
        url().prop_map(|text| UriTest::Is(text.into())),
        url().prop_map(|text| UriTest::Below(text.into())),
        url().prop_map(|text| UriTest::Above(text.into())),
    ]
}

fn ask_string() -> impl Strategy<Value = StringTest> {
    prop_oneof![
        text().prop_map(|text| StringTest::StartsWith(text.to_lowercase().into())),
        text().prop_map(|text| StringTest::Contains(text.to_lowercase().into())),
        text().prop_map(|text| StringTest::Exact(text.into())),
    ]
}

fn ask_name() -> impl Strategy<Value = StringTest> {
    prop_oneof![
        3 => ask_string(),
        1 => ask_words().prop_map(StringTest::Words),
        1 => "[ab]{1,3}".prop_map(|text| StringTest::Fuzzy(fuzzy::parse(&text).unwrap())),
    ]
}

const RELATIONS: [Relation; 9] = [
    Relation::Same,
    Relation::Other,
    Relation::Starts,
    Relation::Contains,
    Relation::Ends,
    Relation::Above,
    Relation::AtLeast,
    Relation::Below,
    Relation::AtMost,
];

fn ask_relation() -> impl Strategy<Value = StringTest> {
    (0..RELATIONS.len(), text()).prop_map(|(at, text)| StringTest::Relation(RELATIONS[at], text.to_lowercase().into()))
}

fn ask_number() -> impl Strategy<Value = NumberTest> {
    (prefix(), small(), 1_i64..4).prop_map(|(prefix, value, width)| {
        let width = Decimal::new(width * 5, 1);
        NumberTest { prefix, value, low: value - width, high: value + width }
    })
}

fn ask_quantity() -> impl Strategy<Value = QuantityTest> {
    let unit = prop_oneof![
        Just(UnitTest::Any),
        text().prop_map(|text| UnitTest::Code(text.into())),
        text().prop_map(|text| UnitTest::OfSystem(text.into())),
        (text(), text()).prop_map(|(system, code)| UnitTest::System { system: system.into(), code: code.into() }),
        (ask_number(), text()).prop_map(|(number, unit)| UnitTest::Canonical { number, unit: unit.into() }),
    ];
    (ask_number(), unit).prop_map(|(number, unit)| QuantityTest { number, unit })
}

fn ask_reference() -> impl Strategy<Value = ReferenceTest> {
    prop_oneof![
        (0..4_u8).prop_map(move |n| ReferenceTest::Local { types: vec![kind("Group"), kind("Patient")], id: id(n) }),
        url().prop_map(|text| ReferenceTest::Url(text.into())),
        url().prop_map(|text| ReferenceTest::Below(text.into())),
        ask_token().prop_map(ReferenceTest::Identifier),
    ]
}

fn date_test() -> impl Strategy<Value = Test> {
    (prefix(), span()).prop_map(|(prefix, span)| date(prefix, span))
}

fn id(n: u8) -> ResourceId {
    ResourceId::parse(&n.to_string()).unwrap()
}

/// Spans around the times at which [`updated`] puts the resources, some narrower than a millisecond.
fn instants() -> impl Strategy<Value = Span> {
    (0_i64..40, 1_i64..6).prop_map(|(start, length)| Span { start: start * 500, end: (start + length) * 500 })
}

/// When the resource with an id was updated.
fn updated(id: u8) -> Timestamp {
    Timestamp(i64::from(id % 20) * 1000)
}

/// A condition, or groups of them.
fn ask() -> impl Strategy<Value = Clause> {
    one().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Clause::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Clause::Any),
            inner.prop_map(|clause| Clause::Complement(Box::new(clause))),
        ]
    })
}

fn one() -> impl Strategy<Value = Clause> {
    let many = |code: &'static str, test: BoxedStrategy<Test>| {
        (prop::collection::vec(test, 1..4), any::<bool>()).prop_map(move |(tests, not)| match not {
            true => Clause::Not { param: param(code), tests },
            false => Clause::Param { param: param(code), tests },
        })
    };
    let pair =
        (ask_token(), ask_quantity()).prop_map(|(a, b)| Test::Composite([Test::Token(a), Test::Quantity(b)].into()));
    let texts =
        (ask_token(), ask_string()).prop_map(|(a, b)| Test::Composite([Test::Token(a), Test::String(b)].into()));
    let target = (0..4_u8).prop_map(|n| ReferenceTest::Local { types: vec![kind("Patient")], id: id(n) });
    let target = prop_oneof![target, text().prop_map(|text| ReferenceTest::Url(text.into()))];
    let of_all_kinds = (date_test(), ask_number(), Just("x"), target).prop_map(|(a, b, c, d)| {
        Test::Composite([a, Test::Number(b), Test::Uri(UriTest::Is(c.into())), Test::Reference(d)].into())
    });
    prop_oneof![
        many("code", ask_coded().boxed()),
        many("subject", ask_reference().prop_map(Test::Reference).boxed()),
        many("date", date_test().boxed()),
        many("value-quantity", ask_quantity().prop_map(Test::Quantity).boxed()),
        many("name", prop_oneof![ask_name(), ask_relation()].prop_map(Test::String).boxed()),
        (any::<bool>(), prop::collection::vec(ask_words(), 1..3)).prop_map(|(narrative, tests)| Clause::Words {
            place: if narrative { WordPlace::Narrative } else { WordPlace::Content },
            tests,
        }),
        many(
            "probability",
            prop_oneof![3 => ask_number().prop_map(Test::Number), 1 => small().prop_map(Test::Implied)].boxed(),
        ),
        many("near", ask_place().prop_map(Test::Near).boxed()),
        many("url", ask_uri().prop_map(Test::Uri).boxed()),
        many("code-value-quantity", pair.boxed()),
        many("code-value-string", texts.boxed()),
        many("combo-code-value-quantity", of_all_kinds.boxed()),
        prop::collection::vec(0..30_u8, 1..4).prop_map(|ids| Clause::Id(ids.into_iter().map(id).collect())),
        prop::collection::vec((prefix(), instants()), 1..3).prop_map(|tests| {
            Clause::LastUpdated(tests.into_iter().map(|(prefix, span)| DateTest { prefix, span }).collect())
        }),
        (0..9_usize, any::<bool>()).prop_map(|(at, missing)| Clause::Missing { param: param(TABLE[at].0), missing }),
    ]
}

/// The words of the strings, which stand for the narrative; the other way round for the content.
fn names(values: &Values) -> Vec<String> {
    let strings = values.iter().filter_map(|(_, value)| match value {
        Value::String { folded, .. } => Some(plain(folded)),
        _ => None,
    });
    strings.flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn plain(text: &str) -> String {
    text.replace('à', "a")
}

fn words_hold(asked: &Words, found: &[String], ordered: bool) -> bool {
    match asked {
        Words::Word(word) => found.iter().any(|other| other == &**word),
        Words::Prefix(start) => found.iter().any(|other| other.starts_with(&**start)),
        Words::Phrase(phrase) if ordered => {
            format!(" {} ", found.join(" ")).contains(&format!(" {} ", phrase.join(" ")))
        }
        Words::Phrase(phrase) => phrase.iter().all(|word| found.iter().any(|other| other == &**word)),
        Words::All(parts) => !parts.iter().any(|part| !words_hold(part, found, ordered)),
        Words::Any(parts) => parts.iter().any(|part| words_hold(part, found, ordered)),
        Words::Not(part) => !words_hold(part, found, ordered),
    }
}

/// Whether one word of three letters becomes the other by one error; shorter ones must be equal.
fn is_like(wanted: &str, other: &str) -> bool {
    let without = |text: &str, at: usize| format!("{}{}", &text[..at], &text[at + 1..]);
    let swapped = |text: &str, at: usize| {
        format!("{}{}{}", &text[..at], &text[at + 1..at + 2], &text[at..at + 1]) + &text[at + 2..]
    };
    if wanted == other || wanted.len() < 3 {
        return wanted == other;
    }
    let shorter = (0..3).map(|at| without(wanted, at)).collect::<Vec<_>>();
    match other.len() {
        2 => shorter.iter().any(|text| text == other),
        3 => (0..2).any(|at| swapped(wanted, at) == other) || (0..3).any(|at| shorter[at] == without(other, at)),
        _ => false,
    }
}

/// A reading of its own of what a clause asks.
fn holds(clause: &Clause, at: u8, values: &Values) -> bool {
    let of = |param: &SearchParam| {
        let code = param.code.clone();
        values.iter().filter(move |(other, _)| *other == code).map(|(_, value)| value)
    };
    match clause {
        Clause::Param { param, tests } => of(param).any(|value| tests.iter().any(|test| passes(test, value))),
        Clause::Not { param, tests } => !of(param).any(|value| tests.iter().any(|test| passes(test, value))),
        Clause::Missing { param, missing } => of(param).next().is_none() == *missing,
        Clause::Words { place: WordPlace::Narrative, tests } => {
            tests.iter().any(|test| words_hold(test, &names(values), true))
        }
        Clause::Words { place: WordPlace::Content, tests } => {
            tests.iter().any(|test| words_hold(test, &names(values), false))
        }
        Clause::Id(ids) => ids.contains(&id(at)),
        Clause::LastUpdated(tests) => {
            let span = Span { start: updated(at).0, end: updated(at).0 + 1000 };
            tests.iter().any(|test| passes(&Test::Date(*test), &Value::Date(span)))
        }
        Clause::All(all) => all.iter().all(|clause| holds(clause, at, values)),
        Clause::Any(any) => any.iter().any(|clause| holds(clause, at, values)),
        Clause::Complement(inner) => !holds(inner, at, values),
        _ => unreachable!(),
    }
}

fn passes(test: &Test, value: &Value) -> bool {
    match (test, value) {
        (Test::String(test), Value::String { folded, exact, others }) => match test {
            StringTest::StartsWith(text) => others.iter().chain([folded]).any(|other| other.starts_with(text.as_ref())),
            StringTest::Contains(text) => others.iter().chain([folded]).any(|other| other.contains(text.as_ref())),
            StringTest::Exact(text) => exact == text,
            StringTest::Words(words) => words_hold(words, &[plain(folded)], true),
            StringTest::Fuzzy(wanted) => {
                // its one word, as it is shown
                let shown = format!("{wanted:?}");
                is_like(shown.split('"').nth(1).unwrap(), &plain(folded))
            }
            StringTest::Relation(relation, text) => {
                let first = folded.chars().next().cmp(&text.chars().next());
                match relation {
                    Relation::Same => folded == text,
                    Relation::Other => folded != text,
                    Relation::Starts => folded.starts_with(text.as_ref()),
                    Relation::Contains => folded.contains(text.as_ref()),
                    Relation::Ends => folded.ends_with(text.as_ref()),
                    Relation::Above => first.is_gt(),
                    Relation::AtLeast => first.is_ge(),
                    Relation::Below => first.is_lt(),
                    Relation::AtMost => first.is_le(),
                }
            }
        },
        (Test::Token(test), Value::Token { system, code, .. }) => token_passes(test, system, code),
        (Test::Concepts(test), Value::Token { system, code: Some(code), .. }) => {
            let all: Vec<_> = test.codes.iter().flat_map(|codes| codes.iter()).collect();
            all.iter().any(|(own, listed)| **listed == **code && system.as_ref().map_or(test.is_code, |s| **s == **own))
        }
        (Test::AnyCase(test), Value::Token { system, code, .. }) => {
            let small = |text: &Option<Text>| text.as_ref().map(|text| text.to_ascii_lowercase().into());
            let wanted = TokenTest { code: small(&test.token.code), ..test.token.clone() };
            let passes = token_passes(&wanted, system, &small(code));
            if test.other { code.is_some() && !passes } else { passes }
        }
        (Test::Text(part), Value::Token { text: Some(text), .. }) => {
            let starts = text.split(' ').scan(0, |at, word| Some(std::mem::replace(at, *at + word.len() + 1)));
            let inner = text.match_indices('-').flat_map(|(at, _)| [at, at + 1]);
            starts.chain(inner).any(|at| text[at..].starts_with(part.as_ref()))
        }
        (Test::Typed(wanted), Value::Typed(found)) => wanted == found,
        (Test::Mime(wanted), Value::Mime(found)) => wanted == found,
        (Test::Reference(test), Value::Reference(target)) => match (test, target) {
            (ReferenceTest::Local { types, id }, Target::Local(key)) => types.contains(&key.kind) && *id == key.id,
            (ReferenceTest::Url(url), Target::Other(other)) => {
                url == other || other.rsplit_once('|').is_some_and(|(base, _)| base == &**url)
            }
            (ReferenceTest::Below(url), Target::Other(other)) => {
                let rest = other.strip_prefix(url.as_ref());
                let dots = if url.contains('|') { &['.'][..] } else { &['|'] };
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(dots))
            }
            (ReferenceTest::Identifier(test), Target::Identifier { system, value }) => {
                token_passes(test, system, &Some(value.clone()))
            }
            _ => false,
        },
        (Test::Date(test), Value::Date(span)) => {
            let (s, e) = (test.span, span);
            let inside = s.start <= e.start && e.end <= s.end;
            match test.prefix {
                Prefix::Eq => inside,
                Prefix::Ne => !inside,
                Prefix::Gt => e.end > s.end,
                Prefix::Lt => e.start < s.start,
                Prefix::Ge => e.end > s.end || inside,
                Prefix::Le => e.start < s.start || inside,
                Prefix::Sa => e.start >= s.end,
                Prefix::Eb => e.end <= s.start,
                Prefix::Ap => e.start < s.end && s.start < e.end,
                Prefix::Co => e.start <= s.start && e.end >= s.end,
            }
        }
        (Test::Near(circle), Value::Position(at)) => is_within(circle, *at),
        (Test::Number(test), Value::Number(number)) => number_passes(test, number.low, number.high),
        (Test::Implied(wanted), Value::Implied(range)) => {
            let above = range.high.is_some_and(|high| if range.is_closed { *wanted > high } else { *wanted >= high });
            !above && range.low.is_none_or(|low| *wanted >= low)
        }
        (Test::Quantity(test), Value::Quantity(q)) => {
            let compare = |test: &NumberTest, low, high| match q.excludes_side {
                true => beyond_passes(test, low, high),
                false => number_passes(test, low, high),
            };
            let plain = || compare(&test.number, q.low, q.high);
            match &test.unit {
                UnitTest::Any => plain(),
                UnitTest::Code(code) => (q.code.as_ref() == Some(code) || q.unit.as_ref() == Some(code)) && plain(),
                UnitTest::OfSystem(system) => q.system.as_ref() == Some(system) && plain(),
                UnitTest::System { system, code } => {
                    q.system.as_ref() == Some(system) && q.code.as_ref() == Some(code) && plain()
                }
                UnitTest::Canonical { number, unit } => {
                    q.canonical.as_ref().is_some_and(|c| c.unit == *unit && compare(number, c.low, c.high))
                }
            }
        }
        (Test::Uri(UriTest::Is(uri)), Value::Uri(other)) => uri == other,
        (Test::Uri(UriTest::Below(uri)), Value::Uri(other)) => other.starts_with(uri.as_ref()),
        (Test::Uri(UriTest::Above(uri)), Value::Uri(other)) => uri
            .strip_prefix(other.as_ref())
            .is_some_and(|rest| rest.is_empty() || other.ends_with('/') || rest.starts_with(['/', '|'])),
        (Test::Composite(tests), Value::Composite(values)) => {
            tests.iter().zip(values.iter()).all(|(test, value)| passes(test, value))
        }
        _ => false,
    }
}

fn token_passes(test: &TokenTest, system: &Option<Box<str>>, code: &Option<Box<str>>) -> bool {
    let fits = match &test.system {
        SystemTest::Any => true,
        SystemTest::Absent => system.is_none(),
        SystemTest::Is(wanted) => system.as_ref() == Some(wanted),
    };
    fits && test.code.as_ref().is_none_or(|wanted| code.as_ref() == Some(wanted))
}

/// Of all numbers above `low`, or below `high`, without these.
fn beyond_passes(test: &NumberTest, low: Option<Decimal>, high: Option<Decimal>) -> bool {
    let is_at = |side: Option<Decimal>, at: Decimal| side == Some(at);
    match test.prefix {
        Prefix::Ge => number_passes(test, low, high) && !is_at(high, test.value),
        Prefix::Le => number_passes(test, low, high) && !is_at(low, test.value),
        Prefix::Sa => number_passes(test, low, high) || is_at(low, test.value),
        Prefix::Eb => number_passes(test, low, high) || is_at(high, test.value),
        Prefix::Ap => number_passes(test, low, high) && !is_at(high, test.low),
        Prefix::Co => number_passes(test, low, high) && !is_at(low, test.low) && !is_at(high, test.high),
        _ => number_passes(test, low, high),
    }
}

/// `None`: open.
fn number_passes(test: &NumberTest, low: Option<Decimal>, high: Option<Decimal>) -> bool {
    let inside = low.is_some_and(|low| test.low <= low) && high.is_some_and(|high| high < test.high);
    match test.prefix {
        Prefix::Eq => inside,
        Prefix::Ne => !inside,
        Prefix::Gt => high.is_none_or(|high| high > test.value),
        Prefix::Lt => low.is_none_or(|low| low < test.value),
        Prefix::Ge => high.is_none_or(|high| high >= test.value),
        Prefix::Le => low.is_none_or(|low| low <= test.value),
        Prefix::Sa => low.is_some_and(|low| low > test.value),
        Prefix::Eb => high.is_some_and(|high| high < test.value),
        Prefix::Co => low.is_none_or(|low| low <= test.low) && high.is_none_or(|high| high >= test.high),
        Prefix::Ap => low.is_none_or(|low| low < test.high) && high.is_none_or(|high| high >= test.low),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Values),
    Delete(u8),
    Commit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0..30_u8, resource()).prop_map(|(id, values)| Step::Put(id, values)),
        1 => (0..30_u8).prop_map(Step::Delete),
        3 => Just(Step::Commit),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_index_answers_as_the_values_do(steps in steps(), clauses in prop::collection::vec(ask(), 60)) {
        let dir = TempDir::new().unwrap();
        let options = IndexOptions { heap_bytes: 16 << 20, ..IndexOptions::default() };
        let index = Index::open(dir.path(), options).unwrap();
        let mut current: Vec<Option<(i64, u8, Values, Extracted)>> = vec![None; 30];
        let mut seq = 0;
        for step in steps {
            let (id, values) = match step {
                Step::Commit => {
                    index.commit(Seq(seq)).unwrap();
                    continue;
                }
                Step::Put(id, values) => (id, Some(values)),
                Step::Delete(id) => (id, None),
            };
            seq += 1;
            let is_new = current[id as usize].is_none();
            let extract = |values: &Values| Extracted {
                values: values.iter().map(|(code, value)| (param(code).id, value.clone())).collect(),
                narrative: names(values).join(" ").into(),
                content: names(values).into_iter().rev().collect::<Vec<_>>().join(" ").into(),
                ..Extracted::default()
            };
            let extracted = values.as_ref().map(extract);
            current[id as usize] = values.zip(extracted.clone()).map(|(values, all)| (seq, id, values, all));
            let key = key(&format!("Observation/{id}"));
            let document = Document { key, seq: Seq(seq), updated: updated(id), values: extracted, is_new };
            index.apply(&[document]).unwrap();
        }
        index.commit(Seq(seq)).unwrap();
        let searcher = index.searcher();
        for pair in clauses.chunks(2) {
            for clauses in [&pair[..1], pair] {
                let mut expected = Vec::new();
                for (seq, at, values, extracted) in current.iter().flatten() {
                    let meta = DocMeta { key: key(&format!("Observation/{at}")), updated: updated(*at) };
                    for clause in clauses {
                        let found = matches(clause, extracted, &meta);
                        prop_assert_eq!(found, Some(holds(clause, *at, values)), "{:?} on {:?}", clause, values);
                    }
                    if clauses.iter().all(|clause| holds(clause, *at, values)) {
                        expected.push(*seq);
                    }
                }
                expected.sort_unstable();
                let query = query("Observation", clauses.to_vec());
                let found = searcher.search(&query, 0, 100, &Limits::default()).unwrap();
                let counted = searcher.search(&query, 0, 0, &Limits::default()).unwrap();
                prop_assert_eq!(found.total, Some(expected.len() as u64), "{:?}", clauses);
                prop_assert_eq!(counted.total, found.total);
                prop_assert_eq!(found.hits.iter().map(|hit| hit.seq.0).collect::<Vec<_>>(), expected);
            }
        }
    }
}

/// What a value is sorted by: the smallest and the largest place it takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Time(i64),
    Number(Decimal),
    Text(String),
}

fn places(value: &Value) -> Option<(Place, Place)> {
    let text = |text: &str| (Place::Text(text.into()), Place::Text(text.into()));
    Some(match value {
        Value::Date(span) => (Place::Time(span.start), Place::Time(span.end)),
        Value::Number(number) => {
            let open = |side: Option<Decimal>, beyond| Place::Number(side.unwrap_or(beyond));
            (open(number.low, Decimal::MIN), open(number.high, Decimal::MAX))
        }
        Value::String { folded, .. } => text(folded),
        Value::Token { code, .. } => text(code.as_deref()?),
        Value::Typed(_) | Value::Mime(_) | Value::Implied(_) | Value::Position(_) => return None,
        Value::Uri(uri) => text(uri),
        Value::Reference(Target::Local(key)) => text(&key.to_string()),
        Value::Reference(Target::Other(url)) => text(url),
        Value::Reference(Target::Identifier { value, .. }) => text(value),
        _ => unreachable!(),
    })
}

fn compare(keys: &[SortKey], a: &Values, b: &Values) -> std::cmp::Ordering {
    for key in keys {
        let SortBy::Param(param) = &key.by else { unreachable!() };
        let best = |values: &Values| {
            let of = || values.iter().filter(|(code, _)| *code == param.code).map(|(_, value)| value);
            let mut found: Vec<_> = of().filter_map(places).collect();
            if found.is_empty() {
                let texts = of().filter_map(|value| match value {
                    Value::Token { text: Some(text), .. } => Some(Place::Text(text.to_string())),
                    _ => None,
                });
                found.extend(texts.map(|text| (text.clone(), text)));
            }
            let places = found.into_iter();
            if key.descending { places.map(|pair| pair.1).max() } else { places.map(|pair| pair.0).min() }
        };
        let order = match (best(a), best(b)) {
            (Some(a), Some(b)) if key.descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

fn a_sort() -> impl Strategy<Value = Vec<SortKey>> {
    const BY: [&str; 6] = ["code", "subject", "date", "name", "probability", "url"];
    let key = (0..BY.len(), any::<bool>())
        .prop_map(|(at, descending)| SortKey { by: SortBy::Param(param(BY[at])), descending });
    prop::collection::vec(key, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn pages_stand_in_the_order_of_the_values(
        resources in prop::collection::vec((resource(), prop::bool::weighted(0.2)), 1..50),
        sorts in prop::collection::vec(a_sort(), 10), size in 1_usize..9,
    ) {
        let dir = TempDir::new().unwrap();
        let options = IndexOptions { heap_bytes: 16 << 20, ..IndexOptions::default() };
        let index = Index::open(dir.path(), options).unwrap();
        for (n, (values, commit)) in resources.iter().enumerate() {
            let key = key(&format!("Observation/{n}"));
            let values = values.iter().map(|(code, value)| (param(code).id, value.clone())).collect();
            let (seq, values) = (Seq(n as i64 + 1), Some(Extracted { values, ..Extracted::default() }));
            index.apply(&[Document { key, seq, updated: Timestamp(0), values, is_new: true }]).unwrap();
            if *commit {
                index.commit(seq).unwrap();
            }
        }
        index.commit(Seq(resources.len() as i64)).unwrap();
        let searcher = index.searcher();
        for sort in sorts {
            let hash = |n: usize| key(&format!("Observation/{n}")).hash64();
            let mut expected: Vec<usize> = (0..resources.len()).collect();
            expected.sort_by(|a, b| {
                compare(&sort, &resources[*a].0, &resources[*b].0).then(hash(*a).cmp(&hash(*b)))
            });
            let query = Query { sort, ..query("Observation", Vec::new()) };
            let mut found = Vec::new();
            for page in 0..resources.len().div_ceil(size) {
                let hits = searcher.search(&query, page * size, size, &Limits::default()).unwrap().hits;
                found.extend(hits.iter().map(|hit| hit.seq.0 as usize - 1));
            }
            prop_assert_eq!(found, expected, "{:?}", query.sort);
        }
    }
}
