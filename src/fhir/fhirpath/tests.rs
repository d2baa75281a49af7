//! Tests of the whole: text in, items out.

use super::context::Context;
use super::convert::to_text;
use super::expression::{Options, compile, compile_with};
use super::value::{Collection, Item, Node};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{self, Json};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
  "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],
  "birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://x/birthTime","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
  "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],
  "managingOrganization":{"reference":"#o"},
  "generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"http://h/fhir/Organization/2/_history/3"},
    {"type":"PractitionerRole","identifier":{"value":"x"}},{"reference":"urn:uuid:1"}]}"##;

fn tree(text: &str) -> Json {
    json::parse(text.as_bytes()).expect("valid JSON")
}

/// The result on a patient, each item as text; nodes without text as `{}`.
fn run(text: &str) -> Result<Vec<String>> {
    let patient = tree(PATIENT);
    run_on(text, &patient)
}

fn run_on(text: &str, resource: &Json) -> Result<Vec<String>> {
    run_by(&Options::default(), text, resource)
}

fn run_by(options: &Options<'_>, text: &str, resource: &Json) -> Result<Vec<String>> {
    let expression = compile_with(text, options)?;
    let node = Node::resource(resource);
    let context = Context { now: Some(Timestamp(1_700_000_000_000_000)), ..Context::new(node) };
    let items: Collection<'_> = expression.eval(node, &context)?;
    Ok(items.iter().map(|item: &Item<'_>| to_text(item).map_or("{}".to_owned(), |text| text.to_string())).collect())
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let got = run(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).join(",");
        assert_eq!(got, *expected, "{text}");
    }
}

#[test]
fn paths_and_filters() {
    check(&[
        ("Patient.name.given", "Peter,James,Jim"),
        ("name[1].given", "Jim"),
        ("Observation.code", ""),
        ("DomainResource.id", "p"),
        ("name.where(use = 'usual').given", "Jim"),
        ("name.exists(family = 'Chalmers')", "true"),
        ("birthDate.extension('http://x/birthTime').exists()", "true"),
        ("contained.name", "Org"),
        ("name.select(given.first() & '-' & use)", "Peter-official,Jim-usual"),
        ("name.given | name.family | name.given", "Peter,James,Jim,Chalmers"),
        ("%resource.id | %context.id | %rootResource.id", "p"),
        ("Patient.deceased.exists() and Patient.deceased != false", "false"),
    ]);
}

#[test]
fn references_resolve_to_their_type() {
    check(&[
        ("generalPractitioner.where(resolve() is Practitioner).reference", "Practitioner/1"),
        ("generalPractitioner.where(resolve() is Organization).reference", "http://h/fhir/Organization/2/_history/3"),
        ("generalPractitioner.where(resolve() is PractitionerRole).identifier.value", "x"),
        ("managingOrganization.resolve().name", "Org"),
        ("managingOrganization.where(resolve() is Organization).exists()", "true"),
        ("generalPractitioner.resolve().count()", "3"),
    ]);
}

#[test]
fn logic_has_three_values() {
    check(&[
        ("true and {}", ""),
        ("false and {}", "false"),
        ("{} or true", "true"),
        ("{} xor true", ""),
        ("{} implies true", "true"),
        ("true implies {}", ""),
        ("{}.not()", ""),
        ("false implies (1 | 2)", "true"),
        ("active and name.given.first()", "true"),
    ]);
    assert!(run("name and true").is_err(), "several items are no Boolean");
}

#[test]
fn arithmetic_is_exact_and_empty_where_there_is_no_result() {
    check(&[
        ("1.2 + 1.8", "3.0"),
        ("1 / 0", ""),
        ("5 div 0", ""),
        ("5.5 div 0.7", "7"),
        ("(5.5 div 0.7) is Decimal and (7 div 2) is Integer and (7 div 0.5) is Decimal", "true"),
        ("10000000000000000000.0 div 3", "3333333333333333333"),
        ("5.5 mod 0.7", "0.6"),
        ("'a' + {}", ""),
        ("'a' & {} & 'b'", "ab"),
        ("9223372036854775807 + 1", ""),
        ("3 'm' - 3 'cm'", "297 'cm'"),
        ("(-5.5).abs() | 1.1.ceiling() | (-2.1).floor() | (-1.56).truncate()", "5.5,2,-3,-1"),
        ("2.power(10) | 2.power(-1) | (-1).power(0.5)", "1024,0.5"),
        ("81.sqrt() | 2.sqrt().round(10) | (-1).sqrt()", "9,1.4142135624"),
        ("0.exp() | 1.ln() | 16.log(2) | 0.ln()", "1,0,4"),
        ("3.14159.round(3) | (-2.5).round()", "3.142,-3"),
    ]);
    for text in ["'a' - 'b'", "1 + 'a'", "-name", "(1 | 2) + 1", "@1974-12-25 + 7", "@1974-12-25 - 1 'cm'", "'x'.abs()"]
    {
        assert!(run(text).is_err(), "{text}");
    }
}

#[test]
fn dates_move_by_the_calendar() {
    check(&[
        ("@1973-12-25 + 7.7 days", "1974-01-01"),
        ("@2024-01-31 + 1 month", "2024-02-29"),
        ("@2014 + 23 months", "2015"),
        ("@2016 + 365 days", "2017"),
        ("@2014 - 24 months", "2012"),
        ("@2019-03-01 - 24 months", "2017-03-01"),
        ("@T23:30 + 45 minutes", "00:15"),
        ("@1973-12-25T00:00:00.000+10:00 + 10 'ms'", "1973-12-25T00:00:00.010+10:00"),
        ("birthDate + 1 year > @1975", ""),
        ("birthDate + 2 years > @1975", "true"),
        ("today()", "2023-11-14"),
        ("now() > today()", ""),
        ("birthDate < now()", "true"),
    ]);
    for text in ["@2024-01-01 + 1 hour", "@T10:00 + 1 day", "@2024 + 1 'mo'", "@2024 + 1 'a'"] {
        assert!(run(text).is_err(), "{text}");
    }
}

#[test]
fn strings_count_characters() {
    check(&[
        ("'äbc'.length() | 'äbc'.indexOf('c') | 'äbc'.substring(1, 1)", "3,2,b"),
        ("'abc'.substring(3) | 'abc'.substring(-1)", ""),
        ("'abc'.replace('', 'x')", "xaxbxcx"),
        ("'11/30/1972'.replaceMatches('(?<m>\\\\d+)/(?<d>\\\\d+)/(?<y>\\\\d+)', '${d}-${m}-${y}')", "30-11-1972"),
        ("'ab'.replaceMatches('(a)', '$1x')", "axb"),
        ("'A\nB'.matches('A.B') and 'xAx'.matches('A') and 'xAx'.matchesFull('A').not()", "true"),
        ("'a,,b'.split(',').join('-')", "a--b"),
        ("'Zoë € 1'.encode('ascii') & 'Zoe'.decode('ascii')", "Zo? ? 1"),
        ("'test'.encode('base64').decode('base64') & 'a?_'.encode('hex')", "test613f5f"),
        ("'<\"&'.escape('html').unescape('html') & '\"\\n'.escape('json').unescape('json')", "<\"&\"\n"),
        ("{}.startsWith('a')", ""),
    ]);
    assert!(run("name.given.upper()").is_err());
    assert!(run("1.length()").is_err());
    assert!(run("'a'.matches('(')").is_err());
}

#[test]
fn conversion_knows_what_converts() {
    check(&[
        ("'1.1'.toInteger()", ""),
        ("'TRUE'.toBoolean() | '0.0'.toBoolean()", "true,false"),
        ("'2015-02'.toDate() | '2015-02-04T14'.toDateTime() | '14:34'.toTime()", "2015-02,2015-02-04T14,14:34"),
        ("'2023-02-29'.convertsToDate()", "false"),
        ("'1 \\'wk\\''.toQuantity() | '4 days'.toQuantity()", "1 'wk',4 days"),
        ("'1 wk'.convertsToQuantity()", "false"),
        ("1000 'mg'.toQuantity('g')", "1 'g'"),
        ("true.toDecimal() | 1.toString()", "1,1"),
        ("{}.convertsToInteger()", ""),
    ]);
    assert!(run("(1 | 2).toString()").is_err());
}

#[test]
fn collections_keep_order_and_drop_repetitions_where_asked() {
    check(&[
        ("(1 | 2 | 2).count() | (1 | 2).combine(2).count()", "2,3"),
        ("(1 | 2 | 3).intersect(2 | 4) | (1 | 2 | 3).exclude(2)", "2,1,3"),
        ("(1 | 2).subsetOf(1 | 2 | 3) and (1 | 2).supersetOf(1)", "true"),
        ("(3 | 1 | 2).sort() = (1 | 2 | 3)", "true"),
        ("(3 | 1 | 2).sort(-$this).first()", "3"),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", "6"),
        ("(1 | 2 | 3).tail().skip(1) | (1 | 2 | 3).take(1) | (1 | 2 | 3).last()", "3,1"),
        ("name.select($index)", "0,1"),
        ("(1 | 2) = (2 | 1)", "false"),
        ("(1 | 2) ~ (2 | 1)", "true"),
        ("{} ~ {}", "true"),
        ("iif(true, 1, 1 / 'a') | iif({}, 1, 2)", "1,2"),
        ("name.repeat(given).count()", "3"),
        ("1 in (1 | 2) and ((1 | 2) contains 3).not()", "true"),
        ("$this.descendants().where($this = 'Jim').count()", "1"),
        ("type().name", "Patient"),
    ]);
    assert!(run("name.single()").is_err());
    assert!(run("(1 | 'a').sort()").is_err());
    assert!(run("(1 | 2) in (1 | 2)").is_err());
}

#[test]
fn what_needs_a_service_says_so() {
    let alone = [
        ("gender.memberOf('x')", "id.memberOf('x')"),
        ("conformsTo('x')", "conformsTo('x')"),
        ("code.subsumes(code)", "maritalStatus.subsumes(maritalStatus)"),
        ("code.subsumedBy(code)", "maritalStatus.subsumedBy(maritalStatus)"),
        ("slice('a', 'b')", "slice('a', 'b')"),
        ("elementDefinition()", "elementDefinition()"),
        ("text.`div`.htmlChecks()", "text.`div`.htmlChecks()"),
    ];
    let patient = tree(
        r#"{"resourceType":"Patient","id":"p","maritalStatus":{"text":"x"},"text":{"status":"empty","div":"<div/>"}}"#,
    );
    for (refused, unanswered) in alone {
        let fault = compile_with(refused, &Options::SEARCH).expect_err(refused);
        assert_eq!(fault.issues()[0].code, "not-supported", "{refused}: {fault}");
        let fault = run_on(unanswered, &patient).expect_err(unanswered);
        assert_eq!(fault.issues()[0].code, "not-supported", "{unanswered}: {fault}");
    }
}

#[test]
fn unknown_names_fail_while_compiling() {
    for text in ["name.nonsense()", "name is Nonsense", "name.where()", "name.first(1)", "'a'.matches('(')"] {
        let fault = compile(text).expect_err(text);
        assert!(fault.message().contains("column"), "{text}: {fault}");
    }
    assert!(run("%nonsense").is_err());
}

#[test]
fn every_bound_has_its_error() {
    let costly = |text: &str| {
        let fault = run(text).expect_err(text);
        assert_eq!(fault.issues()[0].code, "too-costly", "{text}: {fault}");
    };
    // a list that doubles for ever: items
    costly("(1 | 2).repeatAll($this | ($this + 1) | ($this + 2))");
    // a list that never ends: steps
    costly("1.repeatAll($this)");
    // a text that doubles for ever
    let doubling = format!("'{}'{}", "x".repeat(1000), ".select($this & $this)".repeat(20));
    costly(&doubling);
    costly(&format!("'{}'.replace('', '{}')", "x".repeat(30_000), "y".repeat(30_000)));
    assert_eq!(compile("'a'.matches('(a{1000}){1000}')").expect_err("too large").category().status(), 400);
    costly(&format!("'a'.matches('' & '{}')", "a".repeat(10_000)));
}

#[test]
fn the_deepest_expressions_run_on_half_the_stack_of_a_thread() {
    let deepest = |make: &dyn Fn(usize) -> String| (1..200).rev().map(make).find(|text| compile(text).is_ok());
    let shapes: [&dyn Fn(usize) -> String; 5] = [
        &|n| vec!["1"; n].join(" + "),
        &|n| format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        &|n| format!("{}1{}", "1.select(".repeat(n), ")".repeat(n)),
        &|n| format!("{}1{}", "iif(true, ".repeat(n), ")".repeat(n)),
        &|n| format!("name{}", ".where(true)".repeat(n)),
    ];
    let texts: Vec<String> = shapes.iter().map(|make| deepest(*make).expect("some depth compiles")).collect();
    for text in texts {
        println!("{} bytes", text.len());
        let run = move || drop(run(&text).unwrap_or_else(|fault| panic!("{text}: {fault}")));
        std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread").join().expect("no overflow");
    }
}

#[test]
fn items_are_small() {
    assert!(size_of::<Item<'_>>() <= 40, "{}", size_of::<Item<'_>>());
}

#[test]
fn many_items_are_distinct_in_little_time() {
    let many: Vec<String> = (0..3000).map(|n| format!(r#"{{"use":"usual","family":"f{n}","given":["g"]}}"#)).collect();
    let patient = tree(&format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, many.join(",")));
    assert_eq!(run_on("(name | name | name.family).count()", &patient).expect("runs"), ["6000"]);
    assert_eq!(run_on("name.repeat($this).count()", &patient).expect("runs"), ["3000"]);
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn holds(text: &str) {
        assert_eq!(run(text).unwrap_or_else(|fault| panic!("{text}: {fault}")), ["true"], "{text}");
    }

    fn list(numbers: &[i8]) -> String {
        let combined: String = numbers.iter().map(|n| format!(".combine({n})")).collect();
        format!("{{}}{combined}")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn union_is_the_distinct_combination(a in proptest::collection::vec(0i8..5, 0..6), b in proptest::collection::vec(0i8..5, 0..6)) {
            let (a, b) = (list(&a), list(&b));
            holds(&format!("({a} | {b}) ~ ({a}).combine({b}).distinct()"));
            holds(&format!("({a}).intersect({b}) ~ ({b}).intersect({a})"));
            holds(&format!("({a}).subsetOf({a} | {b})"));
            holds(&format!("({a}).exclude({b}).intersect({b}).empty()"));
        }

        #[test]
        fn numbers_obey_their_laws(a in -10_000i32..10_000, b in -10_000i32..10_000, scale in 1u32..5) {
            let (a, b) = (format!("({}.{scale})", a), format!("({}.{scale})", b));
            holds(&format!("{a} + {b} = {b} + {a}"));
            holds(&format!("({a} - {b}) + {b} = {a}"));
            holds(&format!("({a} < {b}) = ({b} > {a})"));
            holds(&format!("{a}.lowBoundary() <= {a} and {a} <= {a}.highBoundary()"));
            holds(&format!("{a}.toString().toDecimal() = {a}"));
        }

        #[test]
        fn no_text_makes_the_compiler_panic(text in "[a-z0-9 .()'%$@|=<>{}+*/\\[\\]-]{0,40}") {
            if let Ok(expression) = compile(&text) {
                let patient = tree(PATIENT);
                let node = Node::resource(&patient);
                let _ = expression.eval(node, &Context::new(node));
            }
        }
    }
}

mod parameters {
    use super::*;
    use crate::fhir::definitions::params::{all_params, expression_for, search_param, search_params};
    use crate::fhir::types::ResourceType;

    const OBSERVATION: &str = r##"{"resourceType":"Observation","id":"o","status":"final",
      "category":[{"coding":[{"code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
      "subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-02-29","_effectiveDateTime":{"id":"e"},
      "component":[{"code":{"text":"systolic"},"valueQuantity":{"value":120,"unit":"mmHg"}},
        {"code":{"text":"note"},"valueString":"high"}]}"##;
    const MEDICATION: &str = r##"{"resourceType":"MedicationRequest","medicationReference":{"reference":"#m"},
      "contained":[{"resourceType":"Medication","id":"m"}],"subject":{"reference":"http://other/Patient/9"}}"##;
    const BUNDLE: &str = r##"{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition",
      "id":"c"}},{"resource":{"resourceType":"Patient","id":"d"}}]}"##;

    /// What a parameter yields on a resource.
    fn values(code: &str, resource: &str) -> Vec<String> {
        let resource = tree(resource);
        let kind = resource.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find).expect("a type");
        let param = search_param(kind, code).expect(code);
        run_by(&Options::SEARCH, &expression_for(kind, param).expect(code), &resource).expect(code)
    }

    #[test]
    fn every_expression_compiles_and_runs_on_resources_of_every_kind() {
        let resources = [PATIENT, OBSERVATION, MEDICATION, BUNDLE].map(tree);
        let mut count = 0;
        for param in all_params() {
            for text in param.expression.iter().chain(param.components.iter().map(|c| &c.expression)) {
                for resource in &resources {
                    run_by(&Options::SEARCH, text, resource).unwrap_or_else(|fault| panic!("{}: {fault}", param.url));
                }
                count += 1;
            }
        }
        assert!(count > 1400, "{count}");
        for kind in ResourceType::all() {
            for param in search_params(kind) {
                let text = expression_for(kind, param);
                assert!(text.is_none_or(|text| compile(&text).is_ok()), "{kind} {}", param.code);
            }
        }
    }

    #[test]
    fn values_of_parameters() {
        let cases = [
            ("birthdate", PATIENT, "1974-12-25"),
            ("family", PATIENT, "Chalmers"),
            ("general-practitioner", PATIENT, "{},{},{},{}"),
            ("deceased", PATIENT, "false"),
            ("_id", PATIENT, "p"),
            ("date", OBSERVATION, "2024-02-29"),
            ("patient", OBSERVATION, "{}"),
            ("combo-code", OBSERVATION, "{},{},{}"),
            ("component-value-quantity", OBSERVATION, "{}"),
            ("value-string", OBSERVATION, ""),
            ("medication", MEDICATION, "{}"),
            ("code", MEDICATION, ""),
            ("patient", MEDICATION, "{}"),
            ("composition", BUNDLE, "{}"),
        ];
        for (code, resource, expected) in cases {
            assert_eq!(values(code, resource).join(","), expected, "{code}");
        }
    }

    #[test]
    fn choices_are_one_element_with_the_type_of_their_name() {
        let observation = tree(OBSERVATION);
        let cases = [
            ("Observation.component.value.ofType(Quantity).unit", "mmHg"),
            ("Observation.component.value.as(string)", "high"),
            ("Observation.component.value.type().name", "Quantity,string"),
            ("Observation.effective.id", "e"),
            ("Observation.effective is dateTime", "true"),
            ("Observation.effective.as(DateTime)", "2024-02-29"),
            ("Observation.component.valueQuantity.value", "120"),
            ("Observation.component.value.value", "120,high"),
            ("Observation.status.is(string) and Observation.status.ofType(string).empty()", "true"),
            ("Observation.status.value.type().namespace", "System"),
            ("Observation.resourceType", ""),
        ];
        for (text, expected) in cases {
            let got = run_by(&Options::SEARCH, text, &observation).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(got.join(","), expected, "{text}");
        }
        // the name of a form is one for search parameters only
        let got = run_by(&Options::default(), "Observation.component.valueQuantity", &observation).expect("a path");
        assert_eq!(got.join(","), "");
    }

    #[test]
    fn primitives_without_a_value_are_elements_too() {
        let patient = tree(
            r##"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]},
            "name":[{"given":["a",null],"_given":[null,{"id":"x"}]}],
            "deceasedBoolean":false,"_deceasedBoolean":{"id":"d"}}"##,
        );
        let cases = [
            ("birthDate.exists() and birthDate.hasValue().not()", "true"),
            ("birthDate.extension('u').value", "unknown"),
            ("name.given.count() | name.given.id", "2,x"),
            ("name.given.select(hasValue())", "true,false"),
            ("deceased.id | deceased", "d,false"),
            ("birthDate = birthDate", "true"),
            ("name.given[1] = name.given[0]", "false"),
            ("(name.given[1] = 'a') | (name.given[1] != 'a') | ('a' != name.given[1])", ""),
            ("name.given[0] != 'b'", "true"),
            ("name.children().count()", "2"),
        ];
        for (text, expected) in cases {
            let got = run_by(&Options::SEARCH, text, &patient).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(got.join(","), expected, "{text}");
        }
    }
}
