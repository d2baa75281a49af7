//! The index beside a plain reading of the same concepts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::{ConceptIndex, build};
use crate::base::fault::Category;
use crate::fhir::codes::{Concept, Designation, Packer, Property, PropertyValue, ROLE_GROUP, Usage};
use crate::fhir::terminology::{CodeSystem, Filter, Op, Query};

const ABOUT: &str = r#"{"resourceType":"CodeSystem","url":"http://x/cs","version":"1","content":"complete","caseSensitive":true,
    "hierarchyMeaning":"is-a","count":5,"property":[{"code":"kind","type":"string"}]}"#;

fn index(concepts: &[Concept], about: &str) -> (tempfile::TempDir, ConceptIndex) {
    let (mut packer, mut pieces) = (Packer::default(), Vec::new());
    for concept in concepts {
        pieces.extend(packer.add(concept).unwrap());
    }
    pieces.extend(packer.finish().unwrap());
    let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("1");
    build(&own, concepts.len() as u64, &mut |piece| Ok(pieces.get(piece as usize).cloned())).unwrap();
    let index = ConceptIndex::open(&own, about).unwrap();
    (folder, index)
}

fn concept(code: &str, display: &str, parents: &[&str]) -> Concept {
    Concept {
        code: code.into(),
        display: Some(display.into()),
        parents: parents.iter().map(|parent| (*parent).into()).collect(),
        ..Concept::default()
    }
}

fn with(mut concept: Concept, properties: &[(&str, &str)]) -> Concept {
    let property =
        |(code, value): &(&str, &str)| Property { code: (*code).into(), value: PropertyValue::String((*value).into()) };
    concept.properties.extend(properties.iter().map(property));
    concept
}

fn sample() -> Vec<Concept> {
    let other =
        |text: &str| vec![Designation { language: Some("de".into()), value: text.into(), ..Designation::default() }];
    vec![
        with(Concept { is_abstract: true, ..concept("A", "Heart diseases", &[]) }, &[("kind", "chapter")]),
        with(
            Concept { designations: other("Herzinfarkt"), ..concept("A1", "Myocardial infarction", &["A"]) },
            &[("kind", "code")],
        ),
        with(
            concept("A1.0", "Acute myocardial infarction of the anterior wall", &["A1"]),
            &[("kind", "code"), ("side", "left")],
        ),
        with(Concept { inactive: true, ..concept("A2", "Old heart attack", &["A", "B"]) }, &[("kind", "old")]),
        concept("B", "Infarction of anything", &[]),
    ]
}

fn select(index: &ConceptIndex, query: &Query<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let visit = &mut |concept: std::borrow::Cow<'_, crate::fhir::terminology::Concept>| {
        found.push(concept.code.to_string());
        ControlFlow::Continue(())
    };
    index.select(query, visit).unwrap();
    assert_eq!(index.count(query).unwrap(), Some((found.len() + query.skip) as u64), "{query:?}");
    found
}

fn filter(property: &str, op: &str, value: &str) -> Filter {
    Filter { property: property.into(), op: Op::parse(op).unwrap(), value: value.into() }
}

#[test]
fn concepts_are_found_with_all_they_have() {
    let (_folder, index) = index(&sample(), ABOUT);
    let found = index.find("A1").unwrap().unwrap();
    assert_eq!(found.display.as_deref(), Some("Myocardial infarction"));
    assert_eq!(&*found.designations[0].value, "Herzinfarkt");
    assert_eq!(&*found.properties[0].code, "kind");
    assert!(index.find("a1").unwrap().is_none() && index.find("").unwrap().is_none());
    assert!(index.find("A2").unwrap().unwrap().is_inactive && index.find("A").unwrap().unwrap().is_abstract);
    assert_eq!(index.parents("A2").unwrap(), ["A".into(), "B".into()]);
    assert_eq!(index.children("A").unwrap(), ["A1".into(), "A2".into()]);
    let subsumes = |above, below| index.subsumes(above, below).unwrap();
    assert!(
        subsumes("A", "A1.0")
            && subsumes("B", "A2")
            && !subsumes("A1.0", "A")
            && !subsumes("A", "A")
            && !subsumes("B", "A1")
    );
    assert!(!subsumes("x", "A") && !subsumes("A", "x"));
    assert_eq!(index.about().count, Some(5));
    let folded = ABOUT.replace("\"caseSensitive\":true", "\"caseSensitive\":false");
    let (_folder, index) = self::index(&sample(), &folded);
    assert_eq!(&*index.find("a1.0").unwrap().unwrap().code, "A1.0");
}

#[test]
fn what_is_a_part_is_no_kind() {
    let about = ABOUT.replace("is-a", "part-of");
    let (_folder, index) = index(&sample(), &about);
    let cases: &[(&str, &str, &[&str])] = &[
        ("is-a", "A", &["A"]),
        ("generalizes", "A1", &["A1"]),
        ("is-not-a", "A", &["A1", "A1.0", "B", "A2"]),
        ("is-not-a", "x", &["A", "A1", "A1.0", "B", "A2"]),
        ("descendent-of", "A", &[]),
        ("child-of", "A", &[]),
        ("descendent-leaf", "A", &[]),
        ("=", "A", &["A"]),
    ];
    for (op, value, expected) in cases {
        let filters = [filter("concept", op, value)];
        assert_eq!(select(&index, &Query { filters: &filters, ..Query::default() }), *expected, "{op} {value}");
    }
    assert!(!index.subsumes("A", "A1").unwrap());
    assert_eq!(index.children("A").unwrap(), ["A1".into(), "A2".into()]);
}

#[test]
fn the_status_is_the_property_that_says_so() {
    let sample = [with(concept("A", "Heart", &[]), &[("state", "retired"), ("status", "open")])];
    let named = r#""property":[{"code":"state","uri":"http://hl7.org/fhir/concept-properties#status","type":"code"},"#;
    let about = ABOUT.replace(r#""property":["#, named);
    for (about, status) in [(ABOUT, "open"), (&*about, "retired")] {
        let (_folder, index) = index(&sample, about);
        assert_eq!(index.find("A").unwrap().unwrap().status.as_deref(), Some(status));
    }
}

#[test]
fn filters_select_what_they_say() {
    let (_folder, index) = index(&sample(), ABOUT);
    let all = ["A", "A1", "A1.0", "B", "A2"];
    assert_eq!(select(&index, &Query::default()), all, "parents come before their children");
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("concept", "is-a", "A", &["A", "A1", "A1.0", "A2"]),
        ("concept", "descendent-of", "A", &["A1", "A1.0", "A2"]),
        ("concept", "is-not-a", "A1", &["A", "B", "A2"]),
        ("concept", "child-of", "A", &["A1", "A2"]),
        ("concept", "descendent-leaf", "A", &["A1.0", "A2"]),
        ("concept", "generalizes", "A2", &["A", "B", "A2"]),
        ("concept", "is-a", "x", &[]),
        ("concept", "is-not-a", "x", &all),
        ("code", "=", "A1", &["A1"]),
        ("code", "in", "A1, B,x", &["A1", "B"]),
        ("code", "not-in", "A1,B", &["A", "A1.0", "A2"]),
        ("code", "regex", "A[0-9]", &["A1", "A2"]),
        ("display", "=", "Infarction of anything", &["B"]),
        ("display", "regex", ".*infarction", &["A1"]),
        ("kind", "=", "code", &["A1", "A1.0"]),
        ("kind", "in", "chapter,old", &["A", "A2"]),
        ("kind", "not-in", "code", &["A", "B", "A2"]),
        ("kind", "regex", "c.*", &["A", "A1", "A1.0"]),
        ("kind", "exists", "false", &["B"]),
        ("side", "exists", "true", &["A1.0"]),
        ("parent", "=", "A", &["A1", "A2"]),
        ("ancestor", "in", "A1,B", &["A1.0", "A2"]),
        ("child", "=", "A2", &["A", "B"]),
        ("descendant", "=", "A1.0", &["A", "A1"]),
        ("parent", "exists", "false", &["A", "B"]),
        ("child", "exists", "false", &["A1.0", "A2"]),
        ("inactive", "=", "true", &["A2"]),
        ("notSelectable", "=", "false", &["A1", "A1.0", "B", "A2"]),
    ];
    for (property, op, value, expected) in cases {
        let filters = [filter(property, op, value)];
        index.check(&filters[0]).unwrap();
        let query = Query { filters: &filters, ..Query::default() };
        assert_eq!(select(&index, &query), *expected, "{property} {op} {value}");
        for code in all {
            let passes = index.passes(code, &filters).unwrap();
            assert_eq!(passes, expected.contains(&code), "{code}: {property} {op} {value}");
        }
    }
    let both = [filter("concept", "is-a", "A"), filter("kind", "=", "code")];
    let query = Query { filters: &both, skip: 1, ..Query::default() };
    assert_eq!(select(&index, &query), ["A1.0"]);
    let query = Query { active_only: true, selectable_only: true, ..Query::default() };
    assert_eq!(select(&index, &query), ["A1", "A1.0", "B"]);
    for (property, op, value) in [
        ("nothing", "=", "x"),
        ("kind", "is-a", "x"),
        ("kind", "regex", "("),
        ("kind", "exists", "maybe"),
        ("inactive", "=", "maybe"),
        ("parent", "regex", "x"),
    ] {
        let fault = index.check(&filter(property, op, value)).unwrap_err();
        assert_eq!(
            (fault.category(), fault.issues()[0].code),
            (Category::Unprocessable, "not-supported"),
            "{property}"
        );
        assert!(fault.message().contains(property));
    }
}

#[test]
fn typed_words_are_ranked_and_forgiving() {
    let (_folder, index) = index(&sample(), ABOUT);
    let typed = |text: &str| select(&index, &Query { text: Some(text), ..Query::default() });
    assert_eq!(typed("infarc")[..], ["A1", "A1.0", "B"].map(str::to_owned)[..]);
    assert_eq!(typed("myocardial infarction"), ["A1", "A1.0"], "the shorter text fits better");
    assert_eq!(typed("INFARCTION ant"), ["A1.0"]);
    assert_eq!(typed("a1"), ["A1", "A1.0"], "a code comes first");
    assert_eq!(typed("A1.0"), ["A1.0"]);
    assert_eq!(typed("herzinf"), ["A1"], "other texts count too");
    assert_eq!(typed("myocadial"), ["A1", "A1.0"], "a letter is missing");
    assert_eq!(typed("hart"), ["A", "A2"], "a letter is missing in a short word");
    assert_eq!(typed("infarct xyz"), [""; 0]);
    assert_eq!(typed(" "), ["A", "A1", "A1.0", "B", "A2"]);
    let active = Query { text: Some("heart"), active_only: true, ..Query::default() };
    assert_eq!(select(&index, &active), ["A"]);
    assert!(index.count(&Query { text: Some(&"a ".repeat(40)), ..Query::default() }).is_err());
}

/// A hierarchy of some thousands at random, in several segments: each relation is that of a plain walk.
#[test]
fn large_hierarchies_are_walked_right() {
    let count = 4000_u64;
    let parents_of = |n: u64| -> Vec<u64> {
        let dice = |k: u64| (n * 7919 + k * 104_729).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        (0..dice(9) % 3).map(|k| dice(k) % n.max(1)).filter(|parent| *parent < n).collect()
    };
    let name = |n: u64| format!("{:05}", n * 31 % 99_991);
    let mut concepts: Vec<Concept> = (0..count)
        .map(|n| {
            let mut parents: Vec<Box<str>> = parents_of(n).into_iter().map(|p| name(p).into()).collect();
            parents.sort();
            parents.dedup();
            Concept { parents, ..concept(&name(n), &format!("concept number {n}"), &[]) }
        })
        .collect();
    concepts.sort_by(|a, b| a.code.cmp(&b.code));
    let above: BTreeMap<&str, &Vec<Box<str>>> = concepts.iter().map(|c| (&*c.code, &c.parents)).collect();
    let ancestors = |code: &str| {
        let (mut found, mut left) = (BTreeSet::new(), vec![code.to_owned()]);
        while let Some(code) = left.pop() {
            left.extend(
                above[&*code].iter().filter(|parent| found.insert(parent.to_string())).map(ToString::to_string),
            );
        }
        found
    };
    let (_folder, index) = index(&concepts, ABOUT);
    let index: Arc<dyn CodeSystem> = Arc::new(index);
    for at in (0..count).step_by(97) {
        let code = name(at);
        let expected: BTreeSet<String> =
            concepts.iter().map(|c| c.code.to_string()).filter(|c| ancestors(c).contains(&code)).collect();
        let filters = [filter("concept", "descendent-of", &code)];
        let mut found = BTreeSet::new();
        let visit = &mut |concept: std::borrow::Cow<'_, crate::fhir::terminology::Concept>| {
            found.insert(concept.code.to_string());
            ControlFlow::Continue(())
        };
        index.select(&Query { filters: &filters, ..Query::default() }, visit).unwrap();
        assert_eq!(found, expected, "{code}");
        for other in ancestors(&code) {
            assert!(index.subsumes(&other, &code).unwrap() && !index.subsumes(&code, &other).unwrap());
        }
    }
}

#[test]
fn urls_of_large_systems_imply_value_sets() {
    let about = |url: &str| ABOUT.replace("http://x/cs", url);
    let (_folder, snomed) = index(&[], &about("http://snomed.info/sct"));
    let text = |json: Option<crate::fhir::json::Json>| {
        let mut bytes = Vec::new();
        json.iter().for_each(|json| crate::fhir::json::write(json, &mut bytes));
        String::from_utf8(bytes).unwrap()
    };
    let found = text(snomed.implicit_value_set("http://snomed.info/sct?fhir_vs=isa/73211009").unwrap());
    assert!(found.contains(r#""include":[{"system":"http://snomed.info/sct","version":"1","filter":[{"property":"concept","op":"is-a","value":"73211009"}]"#), "{found}");
    let found = text(snomed.implicit_value_set("http://snomed.info/sct?fhir_vs=refset/723264001").unwrap());
    assert!(found.contains(r#""op":"in","value":"723264001""#), "{found}");
    assert!(snomed.implicit_value_set("http://snomed.info/sct?fhir_vs=isa/x").is_err());
    assert!(snomed.implicit_value_set("http://snomed.info/sct?fhir_vs=ecl/<<1").is_err());
    for constraint in ["%3C%3C%20731121009%20%7CDiabetes%7C", "<< 731121009 |Diabetes|", "<<+731121009+|Diabetes|"] {
        let url = format!("http://snomed.info/sct?fhir_vs=ecl/{constraint}");
        let found = text(snomed.implicit_value_set(&url).unwrap());
        let filter = r#""filter":[{"property":"constraint","op":"=","value":"<< 731121009 |Diabetes|"}]"#;
        assert!(found.contains(filter), "{found}");
    }
    assert!(snomed.implicit_value_set("http://other?fhir_vs=isa/73211009").unwrap().is_none());
    let (_folder, loinc) = index(&[], &about("http://loinc.org"));
    assert_eq!(loinc.about().value_set.as_deref(), Some("http://loinc.org/vs"));
    let found = text(loinc.implicit_value_set("http://loinc.org/vs/LL715-4").unwrap());
    assert!(found.contains(r#""property":"LIST","op":"=","value":"LL715-4""#), "{found}");
    assert!(loinc.implicit_value_set("http://loinc.org/vs/LP14635-4").unwrap().is_some());
    assert!(loinc.implicit_value_set("http://loinc.org/vs/x").is_err());
}

#[test]
fn reference_sets_imply_concept_maps() {
    let old = with(concept("100005", "Old", &[]), &[("map:900000000000526001", "100006"), ("map:447562003", "A00")]);
    let about = ABOUT.replace("http://x/cs", "http://snomed.info/sct");
    let (_folder, index) = index(&[old, concept("100006", "New", &[])], &about);
    let map = |set: &str, code: &str, is_reverse: bool| {
        let url = format!("http://snomed.info/sct?fhir_cm={set}");
        let json = index.implicit_concept_map(&url, code, is_reverse).unwrap().unwrap();
        let mut bytes = Vec::new();
        crate::fhir::json::write(&json, &mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    let element = r#""element":[{"code":"100005","target":[{"code":"100006","equivalence":"equivalent"}]}]"#;
    for (code, is_reverse) in [("100005", false), ("100006", true)] {
        let found = map("900000000000526001", code, is_reverse);
        assert!(found.contains(element) && found.contains(r#""target":"http://snomed.info/sct""#), "{found}");
    }
    assert!(map("900000000000526001", "100006", false).contains(r#""element":[]"#));
    let found = map("447562003", "100005", false);
    assert!(
        found.contains(r#"{"code":"A00","equivalence":"relatedto"}"#) && !found.contains(r#""target":"http"#),
        "{found}"
    );
    assert!(index.implicit_concept_map("http://snomed.info/sct?fhir_cm=x", "100005", false).is_err());
    assert!(index.implicit_concept_map("http://snomed.info/sct?fhir_vs", "100005", false).unwrap().is_none());
}

/// Findings with sites, a set of them, and two drugs with strengths; of our own invention, as their ids.
fn constrained() -> Vec<Concept> {
    let code = |code: &str, value: &str| Property { code: code.into(), value: PropertyValue::Code(value.into()) };
    let of = |mut concept: Concept, properties: Vec<Property>| {
        concept.properties = properties;
        concept
    };
    let told = |mut concept: Concept, texts: &[(&str, &str, &str)]| {
        let described = |(language, kind, value): &(&str, &str, &str)| Designation {
            language: Some((*language).into()),
            usage: Some(Usage { code: (*kind).into(), ..Usage::default() }),
            value: (*value).into(),
        };
        concept.designations = texts.iter().map(described).collect();
        concept
    };
    let defined = Property { code: "sufficientlyDefined".into(), value: PropertyValue::Boolean(true) };
    let strength = |value: &str| Property { code: "400003".into(), value: PropertyValue::Decimal(value.into()) };
    let site = |value: &str| code("400001", value);
    let member = || code("memberOf", "500001");
    let group = |text: &str| Property { code: ROLE_GROUP.into(), value: PropertyValue::String(text.into()) };
    vec![
        concept("100001", "Thing", &[]),
        concept("200001", "Finding", &["100001"]),
        of(concept("200002", "Pain", &["200001"]), vec![code("moduleId", "500001")]),
        told(
            of(concept("200003", "Knee pain", &["200002", "200004"]), vec![site("300002"), member(), defined]),
            &[("de", "900000000000013009", "Knie tut weh")],
        ),
        Concept { inactive: true, ..of(concept("200004", "Finding of knee", &["200001"]), vec![site("300002")]) },
        told(
            of(
                concept("200005", "Severe pain of the left knee", &["200003"]),
                vec![
                    site("300003"),
                    group("1 400001 300003"),
                    site("300001"),
                    group("2 400001 300001"),
                    code("400002", "200002"),
                    group("1 400002 200002"),
                    member(),
                ],
            ),
            &[("en", "900000000000003001", "Severe pain of the left knee (finding)")],
        ),
        concept("300001", "Body structure", &["100001"]),
        concept("300002", "Knee", &["300001"]),
        concept("300003", "Left knee", &["300002"]),
        concept("400000", "Attribute", &["100001"]),
        concept("400001", "Site", &["400000"]),
        concept("400002", "Due to", &["400000"]),
        concept("500000", "Reference set", &["100001"]),
        concept("500001", "Pains", &["500000"]),
        of(concept("600001", "Weak drug", &["100001"]), vec![strength("5")]),
        of(concept("600002", "Strong drug", &["100001"]), vec![strength("10.0")]),
    ]
}

#[test]
fn expression_constraints_select() {
    let about = ABOUT.replace("http://x/cs", "http://snomed.info/sct");
    let (_folder, index) = index(&constrained(), &about);
    let cases: &[(&str, &[&str])] = &[
        ("200003 |Knee pain|", &["200003"]),
        ("<< 200002", &["200002", "200003", "200005"]),
        ("< 200001 MINUS << 200002", &["200004"]),
        ("<! 200001", &["200002", "200004"]),
        ("<<! 200002", &["200002", "200003"]),
        ("> 200003", &["100001", "200001", "200002", "200004"]),
        (">> 200002", &["100001", "200001", "200002"]),
        (">! 200003", &["200002", "200004"]),
        (">>! 300003", &["300002", "300003"]),
        ("< (200002 OR 300001)", &["200003", "200005", "300002", "300003"]),
        ("<< 200002 AND << 200004", &["200003", "200005"]),
        ("^ 500001", &["200003", "200005"]),
        ("^ < 500000", &["200003", "200005"]),
        ("^ * AND < 200003", &["200005"]),
        ("^ 500000", &[]),
        ("<< 200001 : 400001 = 300002", &["200003", "200004"]),
        ("<< 200001 : 400001 = << 300002", &["200003", "200004", "200005"]),
        ("<< 200001 : { 400001 |Site| = < 300002 |Knee| }", &["200005"]),
        ("<< 200002 : 400001 = << 300002, 400002 = *", &["200005"]),
        ("* : 400001 = 300003 OR 400003 = #5", &["200005", "600001"]),
        ("* : < 400000 = 200002", &["200005"]),
        ("* : * = 300003", &["200005"]),
        ("* : 400001 != << 300002", &["200005"]),
        ("< 200001 : [2..*] 400001 = *", &["200005"]),
        ("< 200001 : [1..1] 400001 = *", &["200003", "200004"]),
        ("< 200001 : [0..0] 400001 = *", &["200002"]),
        ("< 200001 : [0..1] 400001 = *", &["200002", "200003", "200004"]),
        ("< 200001 : [0..*] 400001 = *", &["200002", "200003", "200004", "200005"]),
        ("<< 300001 : R 400001 = << 200002", &["300001", "300002", "300003"]),
        ("<< 300001 : [0..0] R 400001 = << 200002", &[]),
        ("<< 300001 : [2..*] R 400001 = << 200001", &["300002"]),
        ("<< 200001 . 400001", &["300001", "300002", "300003"]),
        ("* : 400003 >= #6", &["600002"]),
        ("* : 400003 = #10", &["600002"]),
        ("* : 400003 < #6.5", &["600001"]),
        ("* : { 400001 = 300003, 400002 = * }", &["200005"]),
        ("* : { 400001 = 300001, 400002 = * }", &[]),
        ("* : { 400001 = 300001 }, { 400002 = *, 400001 = * }", &["200005"]),
        ("* : { 400001 = 300002 OR 400002 = * }", &["200003", "200004", "200005"]),
        ("* : [2..*] { 400001 = * }", &["200005"]),
        ("* : [1..1] { 400001 = * }", &["200003", "200004"]),
        ("< 200001 : [0..1] { 400001 = * }", &["200002", "200003", "200004"]),
        ("< 200001 : [0..0] { 400001 = *, 400002 = * }", &["200002", "200003", "200004"]),
        ("* : { 400001 = *, [0..0] 400002 = * }", &["200003", "200004", "200005"]),
        ("* : { < 400000 = 300003, 400002 = 200002 }", &["200005"]),
        ("!!> << 200002", &["200002"]),
        ("!!> (200003 OR 200005 OR 300002)", &["200003", "300002"]),
        ("!!< << 200001", &["200005"]),
        ("!!< (200002 OR 200004 OR 300001)", &["200002", "200004", "300001"]),
        ("<< 200001 {{ term = \"pain kn\" }}", &["200003", "200005"]),
        ("<< 200001 {{ term = (\"severe\" \"finding\") }}", &["200001", "200004", "200005"]),
        ("<< 200001 {{ term = wild:\"*knee*\" }}", &["200003", "200004", "200005"]),
        ("<< 200001 {{ term = \"knie\", language = de }}", &["200003"]),
        ("<< 200001 {{ term = \"knie\", language = en }}", &[]),
        ("<< 200001 {{ term = \"knee\", type = fsn }}", &["200005"]),
        ("<< 200001 {{ term != \"knee\", language = de }}", &["200003"]),
        ("<< 200001 {{ C active = 0 }}", &["200004"]),
        ("<< 200001 {{ C active = true, definitionStatus = defined }}", &["200003"]),
        ("<< 200002 {{ C definitionStatus = primitive }}", &["200002", "200005"]),
        ("* {{ C moduleId = << 500000 }}", &["200002"]),
        ("< 200001 {{ C moduleId != 500001 }} {{ D term = \"severe\" }}", &["200005"]),
    ];
    for (constraint, expected) in cases {
        let filters = [filter("constraint", "=", constraint)];
        index.check(&filters[0]).unwrap();
        let mut found = select(&index, &Query { filters: &filters, ..Query::default() });
        found.sort();
        assert_eq!(found, *expected, "{constraint}");
        for concept in constrained() {
            let passes = index.passes(&concept.code, &filters).unwrap();
            assert_eq!(passes, expected.contains(&&*concept.code), "{} in {constraint}", concept.code);
        }
    }
    let grouped = [filter("constraint", "=", "< 200001 : { 400001 = *, 400002 = * }")];
    let (_folder, without) = self::index(&constrained()[..4], &about);
    let refused = without.passes("200003", &grouped).unwrap_err();
    assert_eq!(refused.issues()[0].code, "not-supported");
    assert!(index.check(&filter("constraint", "is-a", "200001")).is_err());
}

#[test]
fn what_is_not_case_sensitive_is_found_in_any_case() {
    let about = |url: &str, matters: bool| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{url}","version":"1","content":"complete","caseSensitive":{matters},"hierarchyMeaning":"is-a","count":5,
            "property":[{{"code":"kind","type":"string"}},{{"code":"kin","type":"code"}}]}}"#
        )
    };
    let long = "Ab".repeat(300);
    let mut all = sample();
    all.push(with(concept("B2", "Of a long value", &[]), &[("kind", &long), ("kin", "A1")]));
    let (_strict, strict) = index(&all, &about("http://x/cs", true));
    let (_loose, loose) = index(&all, &about("http://x/cs", false));
    let (_loinc, loinc) = index(&all, &about("http://loinc.org", false));
    for (property, op, value, of_strict, of_loose, of_loinc) in [
        ("concept", "=", "a1.0", &[][..], &["A1.0"][..], &["A1.0"][..]),
        ("concept", "in", "a1,b", &[], &["A1", "B"], &["A1", "B"]),
        ("concept", "is-a", "b", &[], &["A2", "B"], &["A2", "B"]),
        ("kind", "=", "CODE", &[], &[], &["A1", "A1.0"]),
        ("kind", "=", "code", &["A1", "A1.0"], &["A1", "A1.0"], &["A1", "A1.0"]),
        ("kind", "in", "Old, CHAPTER", &[], &[], &["A", "A2"]),
        (
            "side",
            "not-in",
            "LEFT",
            &["A", "A1", "A1.0", "A2", "B", "B2"],
            &["A", "A1", "A1.0", "A2", "B", "B2"],
            &["A", "A1", "A2", "B", "B2"],
        ),
        ("kin", "=", "a1", &[], &["B2"], &["B2"]),
        ("kind", "=", &long, &["B2"], &["B2"], &["B2"]),
        ("kind", "exists", "false", &["B"], &["B"], &["B"]),
    ] {
        let filters = [filter(property, op, value)];
        let query = Query { filters: &filters, ..Query::default() };
        for (index, expected) in [(&strict, of_strict), (&loose, of_loose), (&loinc, of_loinc)] {
            let mut found = select(index, &query);
            found.sort();
            assert_eq!(found, expected, "{} {property} {op} {value}", index.about().url);
            for one in &all {
                let passes = index.passes(&one.code, &filters).unwrap();
                assert_eq!(passes, expected.contains(&&*one.code), "{property} {op} {value} {}", one.code);
            }
        }
    }
}

#[test]
fn expressions_are_of_concepts_that_are_there() {
    let all = [
        Concept { inactive: true, ..concept("113331007", "Endocrine system", &[]) },
        concept("363698007", "Finding site", &[]),
        concept("64572001", "Disease", &[]),
        concept("73211009", "Diabetes", &["64572001"]),
    ];
    let about = |url: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{url}","content":"complete","caseSensitive":true,"hierarchyMeaning":"is-a"}}"#
        )
    };
    let (_folder, snomed) = index(&all, &about("http://snomed.info/sct"));
    let (_other, other) = index(&all, &about("http://x/cs"));
    let refined = "73211009 : 363698007 = 113331007";
    let found = snomed.find(refined).unwrap().unwrap();
    assert_eq!((&*found.code, found.is_inactive), (refined, true));
    assert_eq!(snomed.find("73211009 |Diabetes|").unwrap().unwrap().display.as_deref(), Some("Diabetes"));
    assert!(other.find(refined).unwrap().is_none() && other.complaint(refined).is_none());
    let missing = "73211009 : 363698007 = 999999999";
    assert!(snomed.find(missing).unwrap().is_none());
    assert!(snomed.complaint(missing).unwrap().contains("999999999"));
    let passes = |filter: Filter| snomed.passes(refined, &[filter]);
    assert!(passes(filter("concept", "is-a", "64572001")).unwrap());
    assert!(
        !passes(filter("expressions", "=", "false")).unwrap() && passes(filter("expressions", "=", "true")).unwrap()
    );
    assert!(snomed.passes("73211009", &[filter("expressions", "=", "false")]).unwrap());
    assert!(!snomed.passes(missing, &[filter("concept", "is-a", "64572001")]).unwrap());
    let unsaid = passes(filter("concept", "is-a", "113331007")).unwrap_err();
    assert_eq!((unsaid.category(), unsaid.issues()[0].code), (Category::Unprocessable, "not-supported"));
}
