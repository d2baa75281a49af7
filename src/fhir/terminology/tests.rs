//! What the specification says of the operations, beyond the public suite.

use std::sync::Arc;

use super::service::{Call, Operation, run};
use super::{Core, Layers, Params, Shelf};
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse};

const CS: &str = "http://example.org/cs";

fn shelf(texts: &[&str]) -> Shelf {
    let mut shelf = Shelf::default();
    for text in texts {
        shelf.add(Arc::new(parse(text.as_bytes()).expect("JSON")));
    }
    shelf
}

/// A hierarchy of two branches, the second by properties alone.
fn animals() -> Shelf {
    shelf(&[
        r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","version":"2","status":"active","content":"complete",
        "hierarchyMeaning":"is-a","property":[{"code":"legs","type":"integer"},{"code":"kin","type":"code"},{"code":"parent","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"}],
        "concept":[{"code":"animal","display":"Animal","concept":[
            {"code":"dog","display":"Dog","property":[{"code":"legs","valueInteger":4},{"code":"kin","valueCode":"wolf"}],"concept":[{"code":"poodle","display":"Poodle"}]},
            {"code":"hen","display":"Hen","property":[{"code":"legs","valueInteger":2}]}]},
          {"code":"wolf","display":"Wolf","property":[{"code":"parent","valueCode":"animal"},{"code":"legs","valueInteger":4}]}]}"#,
    ])
}

fn ask(shelf: &Shelf, operation: Operation, pairs: &[(&str, &str)], resource: Option<(&str, &str)>) -> Result<Json> {
    let mut params = Params::default();
    pairs.iter().for_each(|(name, value)| params.push_text(name, value));
    if let Some((name, text)) = resource {
        params.push(name, parse(text.as_bytes()).expect("JSON"));
    }
    let library = Layers(vec![shelf, &Core]);
    let call = Call {
        operation,
        params: &params,
        accept_language: None,
        own: None,
        id: "6f1d6b0e-0000-4000-8000-000000000000",
        now: "2026-11-28T12:00:00Z",
    };
    run(&library, &call)
}

/// The codes of an expansion, nested ones in brackets.
fn codes(json: &Json) -> String {
    fn of(owner: &Json) -> String {
        let list = owner.get("contains").and_then(Json::as_array).unwrap_or_default();
        let one = |json: &Json| {
            let below = of(json);
            let code = json.get("code").and_then(Json::as_str).unwrap_or("?");
            if below.is_empty() { code.to_owned() } else { format!("{code}[{below}]") }
        };
        list.iter().map(one).collect::<Vec<_>>().join(" ")
    }
    of(json.get("expansion").expect("an expansion"))
}

fn expanded(shelf: &Shelf, compose: &str, pairs: &[(&str, &str)]) -> Result<String> {
    let set =
        format!(r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{compose}}}"#);
    ask(shelf, Operation::Expand, pairs, Some(("valueSet", &set))).map(|json| codes(&json))
}

fn filtered(property: &str, op: &str, value: &str) -> Result<String> {
    let filter = format!(r#"{{"property":"{property}","op":"{op}","value":"{value}"}}"#);
    let compose = format!(r#"{{"include":[{{"system":"{CS}","filter":[{filter}]}}]}}"#);
    expanded(&animals(), &compose, &[("excludeNested", "true")])
}

#[test]
fn modifier_extensions_are_refused() {
    let modifier = r#""modifierExtension":[{"url":"http://x","valueBoolean":true}]"#;
    for include in [
        format!(r#"{{"system":"urn:x",{modifier}}}"#),
        format!(r#"{{"system":"urn:x","concept":[{{"code":"a",{modifier}}}]}}"#),
        format!(r#"{{"system":"urn:x","filter":[{{"property":"a","op":"=","value":"b",{modifier}}}]}}"#),
    ] {
        let text = format!(r#"{{"resourceType":"ValueSet","compose":{{"include":[{include}]}}}}"#);
        let json = crate::fhir::json::parse(text.as_bytes()).expect("JSON");
        let fault = super::compose::ValueSet::new(std::sync::Arc::new(json)).expect_err(&include);
        assert_eq!((fault.category().status(), fault.issues()[0].code), (422, "not-supported"), "{include}");
    }
}

#[test]
fn each_code_system_that_is_told_has_codes() {
    use crate::fhir::definitions::conformance::{Kind, find, urls};
    let here: Vec<&str> = super::core::code_systems().map(|(url, _)| url).collect();
    for url in urls(Kind::CodeSystem).filter(|url| !url.is_empty()) {
        let is_absent = find(Kind::CodeSystem, url).is_some_and(|text| text.contains(r#""content":"not-present""#));
        assert_eq!(here.contains(&url), !is_absent, "{url}");
    }
}

#[test]
fn every_operator_on_concepts_and_properties() {
    for (property, op, value, expected) in [
        ("concept", "=", "dog", "dog"),
        ("concept", "is-a", "dog", "dog poodle"),
        ("concept", "is-a", "animal", "animal dog poodle hen wolf"),
        ("concept", "descendent-of", "animal", "dog poodle hen wolf"),
        ("concept", "is-not-a", "dog", "animal hen wolf"),
        ("concept", "generalizes", "poodle", "animal dog poodle"),
        ("concept", "child-of", "animal", "dog hen wolf"),
        ("concept", "descendent-leaf", "animal", "poodle hen wolf"),
        ("concept", "in", "dog, hen", "dog hen"),
        ("concept", "not-in", "dog,hen", "animal poodle wolf"),
        ("concept", "regex", "do.", "dog"),
        ("code", "regex", "o", ""),
        ("display", "regex", "[DP].*", "dog poodle"),
        ("legs", "=", "4", "dog wolf"),
        ("legs", "in", "2,3", "hen"),
        ("legs", "not-in", "4", "animal poodle hen"),
        ("legs", "exists", "true", "dog hen wolf"),
        ("legs", "exists", "false", "animal poodle"),
        ("kin", "=", "wolf", "dog"),
        ("parent", "=", "animal", "dog hen wolf"),
        ("parent", "exists", "false", "animal"),
        ("child", "=", "poodle", "dog"),
    ] {
        assert_eq!(filtered(property, op, value).expect("an expansion"), expected, "{property} {op} {value}");
    }
    for (property, op, value) in [
        ("wings", "=", "2"),
        ("legs", "exists", "maybe"),
        ("legs", "~", "2"),
        ("kin", "is-a", "wolf"),
        ("parent", "descendent-of", "animal"),
        ("concept", "regex", "("),
        ("concept", "regex", "(a{1000}){1000}"),
    ] {
        let status = filtered(property, op, value).expect_err("refused").category().status();
        assert_eq!(status, 422, "{property} {op} {value}");
    }
}

#[test]
fn what_is_a_part_is_no_kind() {
    let system = |meaning: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{CS}","status":"active","content":"complete","hierarchyMeaning":"{meaning}",
            "concept":[{{"code":"car","concept":[{{"code":"wheel"}}]}}]}}"#
        )
    };
    for (meaning, op, expected) in [
        ("is-a", "is-a", "car wheel"),
        ("part-of", "is-a", "car"),
        ("grouped-by", "is-a", "car"),
        ("part-of", "descendent-of", ""),
        ("part-of", "is-not-a", "wheel"),
        ("part-of", "child-of", ""),
        ("classified-with", "descendent-of", "wheel"),
    ] {
        let filter = format!(r#"{{"property":"concept","op":"{op}","value":"car"}}"#);
        let compose = format!(r#"{{"include":[{{"system":"{CS}","filter":[{filter}]}}]}}"#);
        let found = expanded(&shelf(&[&system(meaning)]), &compose, &[("excludeNested", "true")]);
        assert_eq!(found.expect("an expansion"), expected, "{meaning} {op}");
    }
}

#[test]
fn membership_is_what_the_expansion_lists() {
    let shelf = animals();
    let composes = [
        format!(r#"{{"include":[{{"system":"{CS}"}}]}}"#),
        format!(r#"{{"include":[{{"system":"{CS}","filter":[{{"property":"concept","op":"is-a","value":"dog"}}]}}]}}"#),
        format!(r#"{{"include":[{{"system":"{CS}"}}],"exclude":[{{"system":"{CS}","concept":[{{"code":"hen"}}]}}]}}"#),
        format!(r#"{{"include":[{{"valueSet":["{CS}"]}},{{"system":"{CS}","concept":[{{"code":"dog"}}]}}]}}"#),
        format!(
            r#"{{"include":[{{"system":"{CS}","valueSet":["{CS}?vs"],"filter":[{{"property":"legs","op":"=","value":"4"}}]}}]}}"#
        ),
    ];
    for compose in composes {
        let listed = expanded(&shelf, &compose, &[("excludeNested", "true")]).expect("an expansion");
        let set = format!(
            r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{compose}}}"#
        );
        for code in ["animal", "dog", "poodle", "hen", "wolf", "cat"] {
            let pairs = [("system", CS), ("code", code)];
            let answer =
                ask(&shelf, Operation::ValidateInValueSet, &pairs, Some(("valueSet", &set))).expect("an answer");
            let is_in = answer.get("parameter").and_then(Json::as_array).expect("parameters")[0].get("valueBoolean");
            assert_eq!(is_in, Some(&Json::Bool(listed.split(' ').any(|one| one == code))), "{code} in {compose}");
        }
    }
}

#[test]
fn hierarchies_pages_and_what_was_typed() {
    let shelf = animals();
    let all = format!(r#"{{"include":[{{"system":"{CS}"}}]}}"#);
    let of = |pairs: &[(&str, &str)]| expanded(&shelf, &all, pairs).expect("an expansion");
    assert_eq!(of(&[]), "animal[dog[poodle] hen wolf]");
    assert_eq!(of(&[("offset", "1"), ("count", "2")]), "dog poodle");
    assert_eq!(of(&[("offset", "4"), ("count", "9")]), "wolf");
    assert_eq!(of(&[("count", "0")]), "");
    assert_eq!(of(&[("filter", "poo")]), "poodle");
    assert_eq!(of(&[("filter", "animla")]), "animal");
    assert_eq!(of(&[("exclude-system", CS)]), "");
    // two includes: each code once, the first one's place
    let twice = format!(r#"{{"include":[{{"system":"{CS}","concept":[{{"code":"hen"}}]}},{{"system":"{CS}"}}]}}"#);
    assert_eq!(
        expanded(&shelf, &twice, &[("excludeNested", "true")]).expect("an expansion"),
        "hen animal dog poodle wolf"
    );
    for bad in [[("count", "-1")], [("offset", "x")], [("excludeNested", "maybe")]] {
        assert_eq!(expanded(&shelf, &all, &bad).expect_err("refused").category().status(), 400, "{bad:?}");
    }
}

#[test]
fn what_is_too_large_or_goes_round_is_refused() {
    let concepts: Vec<String> = (0..10_001).map(|n| format!(r#"{{"code":"c{n}"}}"#)).collect();
    let big = format!(
        r#"{{"resourceType":"CodeSystem","url":"{CS}","status":"active","content":"complete","concept":[{}]}}"#,
        concepts.join(",")
    );
    let round = |from: &str, to: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","url":"urn:x:{from}","status":"active","compose":{{"include":[{{"valueSet":["urn:x:{to}"]}}]}}}}"#
        )
    };
    let shelf = shelf(&[&big, &round("a", "b"), &round("b", "a")]);
    let code = |result: Result<Json>| {
        let fault: Fault = result.expect_err("refused");
        (fault.category().status(), fault.issues()[0].code)
    };
    assert_eq!(code(ask(&shelf, Operation::Expand, &[("url", CS)], None)), (422, "too-costly"));
    let page =
        ask(&shelf, Operation::Expand, &[("url", CS), ("offset", "10000"), ("count", "5")], None).expect("a page");
    assert_eq!(codes(&page), "c10000");
    assert_eq!(page.get("expansion").and_then(|e| e.get("total")), Some(&Json::integer(10_001)));
    assert_eq!(code(ask(&shelf, Operation::Expand, &[("url", "urn:x:a")], None)), (422, "processing"));
    let pairs = [("url", "urn:x:a"), ("system", CS), ("code", "c1")];
    assert_eq!(code(ask(&shelf, Operation::ValidateInValueSet, &pairs, None)), (422, "processing"));
}

#[test]
fn every_core_value_set_of_listed_codes_is_expanded() {
    use crate::fhir::definitions::terminology::{Kind, urls};
    let (shelf, mut done) = (Shelf::default(), 0);
    for url in urls(Kind::ValueSet).step_by(7) {
        match ask(&shelf, Operation::Expand, &[("url", url)], None) {
            Ok(json) => {
                done += 1;
                assert!(json.get("expansion").is_some_and(|e| e.get("timestamp").is_some()), "{url}");
            }
            Err(fault) => assert!(matches!(fault.category().status(), 404 | 422), "{url}: {fault}"),
        }
    }
    assert!(done > 120, "{done}");
}

#[test]
fn a_stored_expansion_and_codes_of_unknown_systems_are_taken_at_their_word() {
    let stored = r#"{"resourceType":"ValueSet","url":"urn:x:stored","status":"active","expansion":{"timestamp":"2020-01-01","contains":[
        {"system":"http://loinc.org","code":"1-8","display":"Acyclovir"},{"abstract":true,"display":"Group","contains":[{"system":"http://loinc.org","code":"2-6","display":"Alfa"}]}]}}"#;
    let shelf = shelf(&[stored]);
    let json = ask(&shelf, Operation::Expand, &[("url", "urn:x:stored"), ("excludeNested", "true")], None)
        .expect("an expansion");
    assert_eq!(codes(&json), "1-8 2-6");
    let pairs = [("url", "urn:x:stored"), ("system", "http://loinc.org"), ("code", "2-6")];
    let json = ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect("an answer");
    let list = json.get("parameter").and_then(Json::as_array).expect("parameters");
    assert_eq!(list[0].get("valueBoolean"), Some(&Json::Bool(true)));
    let pairs = [("url", "urn:x:stored"), ("system", "http://loinc.org"), ("code", "3-4")];
    let json = ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect("an answer");
    assert_eq!(
        json.get("parameter").and_then(Json::as_array).expect("parameters")[0].get("valueBoolean"),
        Some(&Json::Bool(false))
    );
}

#[test]
fn translations_depend_and_refer_on() {
    let maps = [
        r#"{"resourceType":"ConceptMap","url":"urn:x:one","status":"active","group":[{"source":"urn:a","target":"urn:b","element":[
            {"code":"1","target":[{"code":"x","equivalence":"wider","dependsOn":[{"property":"urn:p","system":"urn:c","value":"m"}],"product":[{"property":"urn:q","system":"urn:d","value":"z"}]}]}],
            "unmapped":{"mode":"other-map","url":"urn:x:two"}}]}"#,
        r#"{"resourceType":"ConceptMap","url":"urn:x:two","status":"active","group":[{"source":"urn:a","target":"urn:b","element":[{"code":"2","target":[{"code":"y","equivalence":"equal"}]}],"unmapped":{"mode":"provided"}}]}"#,
    ];
    let shelf = shelf(&maps);
    let found = |pairs: &[(&str, &str)], resource: Option<(&str, &str)>| {
        let json = ask(&shelf, Operation::Translate, pairs, resource).expect("an answer");
        let mut out = Vec::new();
        crate::fhir::json::write(&json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    let of = |code: &'static str| [("url", "urn:x:one"), ("system", "urn:a"), ("code", code)];
    assert!(found(&of("1"), None).contains(r#""valueBoolean":false"#));
    let given = r#"[{"name":"element","valueUri":"urn:p"},{"name":"concept","valueCodeableConcept":{"coding":[{"system":"urn:c","code":"m"}]}}]"#;
    let text = found(&of("1"), Some(("dependency", given)));
    assert!(text.contains(r#""valueCode":"wider""#) && text.contains(r#""code":"z""#), "{text}");
    assert!(found(&of("2"), None).contains(r#""code":"y""#));
    assert!(found(&of("3"), None).contains(r#""code":"3""#));
    let back = found(&[("system", "urn:b"), ("code", "x"), ("reverse", "true")], None);
    assert!(back.contains(r#""valueCode":"narrower""#) && back.contains(r#""code":"1""#), "{back}");
    for bad in [vec![("code", "1")], vec![("system", "urn:a")], vec![]] {
        assert_eq!(
            ask(&shelf, Operation::Translate, &bad, None).expect_err("refused").category().status(),
            400,
            "{bad:?}"
        );
    }
}

/// The issues of an answer as `severity/exact code: text`.
fn issues(json: &Json) -> Vec<String> {
    let list = json.get("parameter").and_then(Json::as_array).expect("parameters");
    let outcome = list.iter().find_map(|parameter| parameter.get("resource"));
    let issues = outcome.and_then(|json| json.get("issue")).and_then(Json::as_array).unwrap_or_default();
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
    let one = |issue: &Json| {
        let details = issue.get("details").expect("details");
        let code =
            details.get("coding").and_then(Json::as_array).map(|list| text(&list[0], "code")).unwrap_or_default();
        format!("{}/{code}: {}", text(issue, "severity"), text(details, "text"))
    };
    issues.iter().map(one).collect()
}

#[test]
fn displays_are_compared_without_case_and_with_white_space() {
    let shelf = animals();
    let given = |display: &'static str| {
        let pairs = [("url", CS), ("system", CS), ("code", "dog"), ("display", display)];
        issues(&ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect("an answer"))
    };
    assert!(given("Dog").is_empty() && given("dOG").is_empty());
    assert!(given(" Dog")[0].starts_with("error/invalid-display: Wrong whitespace in Display Name ' Dog'"));
    assert!(given("Cat")[0].starts_with("error/invalid-display: Wrong Display Name 'Cat'"));
}

#[test]
fn a_coding_of_another_system_is_not_in_this_one() {
    let shelf = animals();
    let coding = r#"{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}"#;
    let of =
        |url: &'static str| ask(&shelf, Operation::ValidateInCodeSystem, &[("url", url)], Some(("coding", coding)));
    assert!(issues(&of(CS).expect("an answer"))[0].starts_with("error/not-in-vs"));
    assert!(issues(&of("http://hl7.org/fhir/administrative-gender").expect("an answer")).is_empty());
}

#[test]
fn look_up_and_subsumption_by_the_specification() {
    let shelf = animals();
    let outcome = |a: &str, b: &str| {
        let json = ask(&shelf, Operation::Subsumes, &[("system", CS), ("codeA", a), ("codeB", b)], None)?;
        let list = json.get("parameter").and_then(Json::as_array).expect("parameters");
        Ok::<_, Fault>(list[0].get("valueCode").and_then(Json::as_str).unwrap_or("").to_owned())
    };
    for (a, b, expected) in [
        ("animal", "poodle", "subsumes"),
        ("wolf", "animal", "subsumed-by"),
        ("dog", "dog", "equivalent"),
        ("dog", "hen", "not-subsumed"),
    ] {
        assert_eq!(outcome(a, b).expect("an outcome"), expected, "{a} {b}");
    }
    assert_eq!(outcome("dog", "cat").expect_err("unknown").category().status(), 422);
    let lookup = |pairs: &[(&str, &str)]| ask(&shelf, Operation::Lookup, pairs, None);
    for (pairs, status) in [
        (vec![("code", "dog")], 400),
        (vec![("system", CS)], 400),
        (vec![("system", CS), ("code", "cat")], 400),
        (vec![("system", "urn:none"), ("code", "dog")], 404),
        (vec![("system", CS), ("version", "3"), ("code", "dog")], 404),
    ] {
        assert_eq!(lookup(&pairs).expect_err("refused").category().status(), status, "{pairs:?}");
    }
    let json = lookup(&[("system", CS), ("code", "dog"), ("property", "kin")]).expect("an answer");
    let list = json.get("parameter").and_then(Json::as_array).expect("parameters");
    assert_eq!(list.iter().filter(|one| one.get("part").is_some()).count(), 1);
}

#[test]
fn versions_are_found_checked_and_forced() {
    let version = |version: &str, code: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{CS}","version":"{version}","status":"active","content":"complete","concept":[{{"code":"{code}"}}]}}"#
        )
    };
    let shelf = shelf(&[&version("1.9.0", "old"), &version("1.10.0", "new"), &version("2.0.0-ballot", "next")]);
    let of = |version: &str, pairs: &[(&str, &str)]| {
        let version = if version.is_empty() { String::new() } else { format!(r#","version":"{version}""#) };
        expanded(&shelf, &format!(r#"{{"include":[{{"system":"{CS}"{version}}}]}}"#), pairs)
    };
    let force = format!("{CS}|1.9.0");
    let check = format!("{CS}|1.9.x");
    assert_eq!(of("", &[]).expect("the latest"), "next");
    assert_eq!(of("1.x.x", &[]).expect("a pattern"), "new");
    assert_eq!(of("1.9.0", &[]).expect("one"), "old");
    assert_eq!(of("", &[("system-version", &force)]).expect("the default"), "old");
    assert_eq!(of("1.10.0", &[("system-version", &force)]).expect("the named"), "new");
    assert_eq!(of("1.10.0", &[("force-system-version", &force)]).expect("forced"), "old");
    assert_eq!(of("1.10.0", &[("check-system-version", &check)]).expect_err("checked").category().status(), 422);
    assert_eq!(of("3", &[]).expect_err("unknown").category().status(), 404);
    assert_eq!(of("", &[("system-version", CS)]).expect_err("no version").category().status(), 400);
}

/// A code system with these codes.
fn listed(version: &str, date: &str, codes: &str) -> String {
    let concepts: Vec<String> = codes.split(' ').map(|code| format!(r#"{{"code":"{code}"}}"#)).collect();
    format!(
        r#"{{"resourceType":"CodeSystem","url":"{CS}","version":"{version}","date":"{date}","status":"active","content":"complete","concept":[{}]}}"#,
        concepts.join(",")
    )
}

#[test]
fn all_versions_and_those_of_a_locked_date() {
    let shelf = shelf(&[
        &listed("1", "2011", "a b"),
        &listed("2", "2013", "a c"),
        r#"{"resourceType":"ValueSet","url":"urn:x:locked","status":"active","compose":{"lockedDate":"2012-06-01","include":[{"system":"http://example.org/cs"}]}}"#,
        r#"{"resourceType":"ValueSet","url":"urn:x:early","status":"active","compose":{"lockedDate":"2010","include":[{"system":"http://example.org/cs"}]}}"#,
    ]);
    let of = |compose: &str| expanded(&shelf, compose, &[("excludeNested", "true")]).expect("an expansion");
    let all = format!(r#"{{"system":"{CS}","version":"*"}}"#);
    assert_eq!(of(&format!(r#"{{"include":[{all}]}}"#)), "a b a c");
    let without = format!(r#"{{"system":"{CS}","version":"*","concept":[{{"code":"a"}}]}}"#);
    assert_eq!(of(&format!(r#"{{"include":[{all}],"exclude":[{without}]}}"#)), "b c");
    assert_eq!(of(r#"{"include":[{"valueSet":["urn:x:locked"]}]}"#), "a b");
    assert_eq!(of(&format!(r#"{{"lockedDate":"2012","include":[{{"system":"{CS}","version":"2"}}]}}"#)), "a c");
    let is_in = |code: &'static str| {
        let pairs = [("url", "urn:x:locked"), ("system", CS), ("code", code)];
        issues(&ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect("an answer")).is_empty()
    };
    assert!(is_in("b") && !is_in("c"));
    let early = ask(&shelf, Operation::Expand, &[("url", "urn:x:early")], None).expect_err("not yet there");
    assert_eq!((early.category().status(), early.issues()[0].code), (422, "not-supported"));
}

#[test]
fn a_system_that_is_only_named_hides_none() {
    let named = r#"{"resourceType":"CodeSystem","url":"http://hl7.org/fhir/administrative-gender","status":"active","content":"not-present"}"#;
    let part = r#"{"resourceType":"CodeSystem","url":"http://unitsofmeasure.org","version":"9","status":"active","content":"fragment",
        "property":[{"code":"kind","type":"string"}],"concept":[{"code":"m","display":"metre","property":[{"code":"kind","valueString":"length"}]}]}"#;
    let shelf = shelf(&[named, part]);
    let lookup = |system: &'static str, code: &'static str| {
        let json = ask(&shelf, Operation::Lookup, &[("system", system), ("code", code)], None).expect("an answer");
        let mut out = Vec::new();
        crate::fhir::json::write(&json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    assert!(lookup("http://hl7.org/fhir/administrative-gender", "male").contains(r#""valueString":"Male""#));
    // the grammar is there beside what was loaded of it
    assert!(lookup("http://unitsofmeasure.org", "mg/dL").contains("milligram per deciliter"));
    let metre = lookup("http://unitsofmeasure.org", "m");
    assert!(metre.contains(r#""valueString":"metre""#) && metre.contains(r#""valueString":"length""#), "{metre}");
    let pairs = [("url", "http://unitsofmeasure.org/vs/mg/dL"), ("system", "http://unitsofmeasure.org")];
    let of = |code: &'static str| {
        let pairs = [pairs[0], pairs[1], ("code", code)];
        issues(&ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect("an answer")).is_empty()
    };
    assert!(of("kg/m3") && !of("kg"));
}

#[test]
fn units_that_are_comparable_are_listed_as_far_as_they_are_common() {
    let json = ask(&animals(), Operation::Expand, &[("url", "http://unitsofmeasure.org/vs/mg")], None).expect("units");
    let found = codes(&json);
    assert!(found.split(' ').any(|code| code == "kg") && !found.split(' ').any(|code| code == "mL"), "{found}");
    let extensions = json.get("expansion").and_then(|expansion| expansion.get("extension"));
    assert!(extensions.is_some_and(|list| list.as_array().is_some_and(|list| !list.is_empty())), "it is not closed");
}

#[test]
fn lists_are_compared_as_the_system_compares_codes() {
    let system = format!(
        r#"{{"resourceType":"CodeSystem","url":"{CS}","status":"active","content":"complete","caseSensitive":false,"concept":[{{"code":"a1"}},{{"code":"b1"}}]}}"#
    );
    let shelf = shelf(&[&system]);
    let compose = format!(
        r#"{{"include":[{{"system":"{CS}","concept":[{{"code":"A1"}},{{"code":"B1"}}]}}],"exclude":[{{"system":"{CS}","concept":[{{"code":"B1"}}]}}]}}"#
    );
    assert_eq!(expanded(&shelf, &compose, &[]).expect("an expansion"), "a1");
    let set =
        format!(r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{compose}}}"#);
    for (code, is_in) in [("a1", true), ("A1", true), ("b1", false)] {
        let pairs = [("system", CS), ("code", code)];
        let json = ask(&shelf, Operation::ValidateInValueSet, &pairs, Some(("valueSet", &set))).expect("an answer");
        let result = json.get("parameter").and_then(Json::as_array).expect("parameters")[0].get("valueBoolean");
        assert_eq!(result, Some(&Json::Bool(is_in)), "{code}");
    }
}

#[test]
fn one_coding_of_a_known_system_is_enough() {
    let concept = r#"{"coding":[{"system":"urn:unknown","code":"1"},{"system":"http://example.org/cs","code":"dog"}]}"#;
    let json = ask(&animals(), Operation::ValidateInValueSet, &[("url", CS)], Some(("codeableConcept", concept)))
        .expect("an answer");
    let result = json.get("parameter").and_then(Json::as_array).expect("parameters")[0].get("valueBoolean");
    assert_eq!(result, Some(&Json::Bool(true)));
    assert!(issues(&json).iter().any(|issue| issue.starts_with("warning/not-found")), "{:?}", issues(&json));
}

#[test]
fn what_filters_select_is_bounded_and_what_a_value_set_lists_is_not() {
    let many: Vec<String> = (0..1001).map(|n| format!("c{n}")).collect();
    let shelf = shelf(&[&listed("1", "2011", &many.join(" "))]);
    let whole = expanded(&shelf, &format!(r#"{{"include":[{{"system":"{CS}"}}]}}"#), &[]);
    assert_eq!(whole.expect_err("too many").issues()[0].code, "too-costly");
    let typed = expanded(&shelf, &format!(r#"{{"include":[{{"system":"{CS}"}}]}}"#), &[("filter", "c")]);
    assert_eq!(typed.expect("what was typed").split(' ').count(), 1001);
    let list: Vec<String> = many.iter().map(|code| format!(r#"{{"code":"{code}"}}"#)).collect();
    let compose = format!(r#"{{"include":[{{"system":"{CS}","concept":[{}]}}]}}"#, list.join(","));
    assert_eq!(expanded(&shelf, &compose, &[]).expect("a list").split(' ').count(), 1001);
}

#[test]
fn an_answer_says_what_it_is_made_of() {
    let shelf = shelf(&[
        r#"{"resourceType":"CodeSystem","url":"http://loinc.org","version":"2.70","status":"active","content":"fragment","concept":[{"code":"1-8"}]}"#,
        r#"{"resourceType":"ValueSet","url":"urn:x:old","version":"1","status":"retired","compose":{"include":[{"system":"http://loinc.org"}]}}"#,
    ]);
    let json = ask(&shelf, Operation::Expand, &[("url", "urn:x:old"), ("date", "2026-01-01")], None).expect("codes");
    let copyright = json.get("copyright").and_then(Json::as_str).unwrap_or("");
    assert!(copyright.contains("loinc.org/terms-of-use"), "{copyright}");
    let told = json.get("expansion").and_then(|expansion| expansion.get("parameter")).and_then(Json::as_array);
    let told = told.expect("parameters");
    let value = |name: &str| {
        let one = told.iter().find(|one| one.get("name").and_then(Json::as_str) == Some(name))?;
        one.get("valueUri").or_else(|| one.get("valueDateTime"))?.as_str().map(str::to_owned)
    };
    assert_eq!(value("used-codesystem").as_deref(), Some("http://loinc.org|2.70"));
    assert_eq!(value("used-fragment").as_deref(), Some("http://loinc.org|2.70"));
    assert_eq!(value("warning-retired").as_deref(), Some("urn:x:old|1"));
    assert_eq!(value("date").as_deref(), Some("2026-01-01"));
}

#[test]
fn what_one_group_says_counts_above_what_another_makes_of_all_others() {
    let map = r#"{"resourceType":"ConceptMap","url":"urn:x:m","status":"active","group":[
        {"source":"urn:a","target":"urn:b","element":[{"code":"1","target":[{"code":"x","equivalence":"equal","product":[{"property":"urn:q","system":"urn:d","value":"z"}],
            "dependsOn":[{"property":"urn:p","value":"m"}]}]}],"unmapped":{"mode":"fixed","code":"other"}},
        {"source":"urn:a","element":[{"code":"2","target":[{"equivalence":"unmatched"}]}]}]}"#;
    let shelf = shelf(&[map]);
    let found = |pairs: &[(&str, &str)], resource: Option<(&str, &str)>| {
        let json = ask(&shelf, Operation::Translate, pairs, resource).expect("an answer");
        let mut out = Vec::new();
        crate::fhir::json::write(&json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    let of = |code: &'static str| [("url", "urn:x:m"), ("system", "urn:a"), ("code", code)];
    let unmatched = found(&of("2"), None);
    assert!(unmatched.contains(r#""valueBoolean":false"#) && !unmatched.contains("other"), "{unmatched}");
    assert!(found(&of("3"), None).contains(r#""valueCode":"relatedto""#));
    assert!(found(&of("1"), None).contains("not given as dependency: urn:p"));
    // in reverse what is produced is asked for, and what it depends on is produced
    let back = [("url", "urn:x:m"), ("system", "urn:b"), ("code", "x"), ("reverse", "true")];
    let text = found(&back, None);
    assert!(text.contains(r#""name":"product""#) && text.contains("urn:p") && !text.contains("urn:q"), "{text}");
    let wrong = r#"[{"name":"element","valueUri":"urn:q"},{"name":"concept","valueCodeableConcept":{"coding":[{"system":"urn:d","code":"y"}]}}]"#;
    assert!(found(&back, Some(("dependency", wrong))).contains(r#""valueBoolean":false"#));
}

#[test]
fn a_deep_hierarchy_costs_no_more_than_a_flat_one() {
    let concepts: Vec<String> = (0..20_000u32)
        .map(|n| {
            let above = n.checked_sub(1).map(|n| format!(r#","property":[{{"code":"parent","valueCode":"c{n}"}}]"#));
            format!(r#"{{"code":"c{n}"{}}}"#, above.unwrap_or_default())
        })
        .collect();
    let shelf = shelf(&[&format!(
        r#"{{"resourceType":"CodeSystem","url":"{CS}","status":"active","content":"complete","hierarchyMeaning":"is-a","concept":[{}]}}"#,
        concepts.join(",")
    )]);
    let filter = |op: &str, value: &str| {
        format!(r#"{{"system":"{CS}","filter":[{{"property":"concept","op":"{op}","value":"{value}"}}]}}"#)
    };
    let of = |compose: &str, pairs: &[(&str, &str)]| expanded(&shelf, compose, pairs);
    let begun = std::time::Instant::now();
    for (op, value, expected) in [
        ("is-a", "c0", "c0 c1"),
        ("descendent-of", "c5", "c6 c7"),
        ("is-not-a", "c1", "c0"),
        ("generalizes", "c19999", "c0 c1"),
    ] {
        let compose = format!(r#"{{"include":[{}]}}"#, filter(op, value));
        assert_eq!(of(&compose, &[("count", "2")]).expect("a page"), expected, "{op}");
    }
    let without = format!(r#"{{"include":[{{"system":"{CS}"}}],"exclude":[{}]}}"#, filter("is-a", "c3"));
    assert_eq!(of(&without, &[("count", "9")]).expect("a page"), "c0 c1 c2");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    // a hierarchy is told as a whole, if it is not too large, and not deeper than can be read
    let whole = format!(r#"{{"include":[{}]}}"#, filter("is-a", "c0"));
    let nested = [("count", "2"), ("excludeNested", "false")];
    assert_eq!(of(&whole, &nested).expect_err("too many").issues()[0].code, "too-costly");
    let top = format!(r#"{{"include":[{}]}}"#, filter("generalizes", "c900"));
    let found = of(&top, &nested).expect("a hierarchy");
    assert_eq!((found.matches('c').count(), found.matches('[').count()), (901, 99));
}

#[test]
fn resources_stand_in_the_parameters_for_their_types() {
    let other = r#"{"resourceType":"Patient"}"#;
    for (operation, name) in [
        (Operation::Expand, "valueSet"),
        (Operation::ValidateInCodeSystem, "codeSystem"),
        (Operation::Translate, "conceptMap"),
        (Operation::Compare, "otherValueSet"),
    ] {
        let pairs = [("url", CS), ("system", CS), ("code", "dog")];
        let fault = ask(&animals(), operation, &pairs, Some((name, other))).expect_err("refused");
        assert_eq!((fault.category().status(), fault.issues()[0].code), (400, "structure"), "{name}");
    }
}

#[test]
fn lists_that_would_be_empty_are_left_out() {
    let shelf = Shelf::default();
    let unknown = r#"{"resourceType":"ValueSet","url":"urn:v","compose":{"include":[{"system":"urn:none","concept":[{"code":"a"}]}]}}"#;
    let json = ask(&shelf, Operation::Expand, &[], Some(("valueSet", unknown))).expect("an expansion");
    assert_eq!(codes(&json), "a");
    assert_eq!(json.get("expansion").and_then(|expansion| expansion.get("parameter")), None);
    let property = r#"[{"name":"code","valueCode":"legs"},{"name":"value","valueInteger":9}]"#;
    let json =
        ask(&animals(), Operation::FindMatches, &[("system", CS)], Some(("property", property))).expect("matches");
    assert_eq!(json.get("parameter"), None);
}

/// Whether a code is in a value set with this `compose`.
fn is_member(shelf: &Shelf, compose: &str, (system, code): (&str, &str), more: &[(&str, &str)]) -> Result<bool> {
    let set = format!(r#"{{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{compose}}}"#);
    let mut pairs = vec![("system", system), ("code", code)];
    pairs.extend(more);
    let answer = ask(shelf, Operation::ValidateInValueSet, &pairs, Some(("valueSet", &set)))?;
    let list = answer.get("parameter").and_then(Json::as_array).expect("parameters");
    Ok(list[0].get("valueBoolean") == Some(&Json::Bool(true)))
}

#[test]
fn excludes_need_no_definition_of_what_they_name() {
    let none = Shelf::default();
    let listed = r#"{"system":"urn:none","concept":[{"code":"q"},{"code":"r"}]}"#;
    let filter = r#""filter":[{"property":"concept","op":"is-a","value":"q"}]"#;
    let known = format!(r#"{{"system":"{CS}","concept":[{{"code":"dog"}},{{"code":"hen"}}]}}"#);
    let animals = animals();
    for (shelf, system, include, exclude, expected) in [
        (&none, "urn:none", listed, r#"{"system":"urn:none"}"#.to_owned(), Some("")),
        (&none, "urn:none", listed, r#"{"system":"urn:none","version":"9"}"#.to_owned(), Some("")),
        (&none, "urn:none", listed, r#"{"system":"urn:none","concept":[{"code":"r"}]}"#.to_owned(), Some("q")),
        (
            &none,
            "urn:none",
            listed,
            r#"{"system":"urn:none","version":"9","concept":[{"code":"r"}]}"#.to_owned(),
            Some("q"),
        ),
        (&none, "urn:none", listed, format!(r#"{{"system":"urn:none",{filter}}}"#), None),
        (&none, "urn:none", listed, r#"{"system":"urn:other"}"#.to_owned(), Some("q r")),
        (
            &animals,
            CS,
            &known,
            format!(r#"{{"system":"{CS}","version":"9","concept":[{{"code":"hen"}}]}}"#),
            Some("dog"),
        ),
        (&animals, CS, &known, format!(r#"{{"system":"{CS}","version":"9"}}"#), Some("")),
        (&animals, CS, &known, format!(r#"{{"system":"{CS}","version":"9",{filter}}}"#), None),
    ] {
        let compose = format!(r#"{{"include":[{include}],"exclude":[{exclude}]}}"#);
        let found = expanded(shelf, &compose, &[]);
        let Some(expected) = expected else {
            assert_eq!(found.expect_err(&exclude).category().status(), 404, "{exclude}");
            let fault = is_member(shelf, &compose, (system, if system == CS { "dog" } else { "q" }), &[]);
            assert_eq!(fault.expect_err(&exclude).category().status(), 404, "{exclude}");
            continue;
        };
        assert_eq!(found.expect("an expansion"), expected, "{exclude}");
        for code in ["q", "r", "dog", "hen"] {
            let is_in = is_member(shelf, &compose, (system, code), &[]).expect("an answer");
            assert_eq!(is_in, expected.split(' ').any(|one| one == code), "{code} {exclude}");
        }
    }
}

#[test]
fn an_exclude_is_of_the_version_that_the_includes_are_forced_to() {
    let system = |version: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"urn:m","version":"{version}","status":"active","content":"complete","concept":[{{"code":"d"}},{{"code":"e"}}]}}"#
        )
    };
    let shelf = shelf(&[&system("1.0"), &system("2.0")]);
    for version in ["1.0", "1.x"] {
        let compose = format!(
            r#"{{"include":[{{"system":"urn:m","version":"{version}"}}],"exclude":[{{"system":"urn:m","version":"{version}","concept":[{{"code":"e"}}]}}]}}"#
        );
        for pairs in [&[][..], &[("force-system-version", "urn:m|2.0")], &[("force-system-version", "urn:m|2.x")]] {
            assert_eq!(expanded(&shelf, &compose, pairs).expect("an expansion"), "d", "{version} {pairs:?}");
            for code in ["d", "e"] {
                let is_in = is_member(&shelf, &compose, ("urn:m", code), pairs).expect("an answer");
                assert_eq!(is_in, code == "d", "{code} {version} {pairs:?}");
            }
        }
    }
    // of two versions one exclude still takes its own only
    let both = r#"{"include":[{"system":"urn:m","version":"1.0"},{"system":"urn:m","version":"2.0"}],"exclude":[{"system":"urn:m","version":"2.0","concept":[{"code":"e"}]}]}"#;
    assert_eq!(expanded(&shelf, both, &[]).expect("an expansion"), "d e d");
}

#[test]
fn a_map_that_cannot_be_followed_is_passed_over() {
    let map = |url: &str, rest: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","url":"{url}","status":"active","group":[{{"source":"urn:a","target":"urn:b",{rest}}}]}}"#
        )
    };
    let other = |url: &str| format!(r#""element":[{{"code":"9"}}],"unmapped":{{"mode":"other-map","url":"{url}"}}"#);
    let good = r#""element":[{"code":"1","target":[{"code":"x","equivalence":"equal"}]}]"#;
    let maps = [
        map("urn:x:round", &other("urn:x:round")),
        map("urn:x:gone", &other("urn:x:nowhere")),
        map("urn:x:good", good),
    ];
    let shelf = shelf(&maps.each_ref().map(String::as_str));
    let code = [("system", "urn:a"), ("code", "1")];
    let answer = written(&ask(&shelf, Operation::Translate, &code, None).expect("an answer"));
    assert!(answer.contains(r#""valueBoolean":true"#) && answer.contains(r#""code":"x""#), "{answer}");
    assert!(answer.contains("'urn:x:round' was passed over") && answer.contains("'urn:x:gone' was"), "{answer}");
    for (url, status) in [("urn:x:round", 422), ("urn:x:gone", 404)] {
        let fault = ask(&shelf, Operation::Translate, &[("url", url), code[0], code[1]], None).expect_err(url);
        assert_eq!(fault.category().status(), status, "{url}");
    }
}

fn written(json: &Json) -> String {
    let mut out = Vec::new();
    crate::fhir::json::write(json, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn translations_are_of_the_value_set_that_is_wanted() {
    let set = |url: &str, include: &str| {
        format!(r#"{{"resourceType":"ValueSet","url":"{url}","status":"active","compose":{{"include":[{include}]}}}}"#)
    };
    let definitions = [
        r#"{"resourceType":"CodeSystem","url":"urn:b","status":"active","content":"complete","concept":[{"code":"x"},{"code":"y"}]}"#.to_owned(),
        r#"{"resourceType":"ConceptMap","url":"urn:m","status":"active","group":[{"source":"urn:a","target":"urn:b","element":[
            {"code":"1","target":[{"code":"x","equivalence":"equal"},{"code":"y","equivalence":"wider"}]}]}]}"#
            .to_owned(),
        r#"{"resourceType":"ConceptMap","url":"urn:n","status":"active","targetUri":"urn:v:named","group":[{"source":"urn:c","target":"urn:b",
            "element":[{"code":"1","target":[{"code":"x","equivalence":"equal"}]}]}]}"#
            .to_owned(),
        set("urn:v:x", r#"{"system":"urn:b","concept":[{"code":"x"}]}"#),
        set("urn:v:none", r#"{"system":"urn:other","concept":[{"code":"z"}]}"#),
        set("urn:v:open", r#"{"valueSet":["urn:v:gone"]}"#),
    ];
    let shelf = shelf(&definitions.each_ref().map(String::as_str));
    let found = |system: &str, more: &[(&str, &str)]| -> Result<String> {
        let mut pairs = vec![("system", system), ("code", "1")];
        pairs.extend(more);
        let text = written(&ask(&shelf, Operation::Translate, &pairs, None)?);
        let has = |code: &str| text.contains(&format!(r#""code":"{code}""#));
        Ok(["x", "y"].into_iter().filter(|code| has(code)).collect())
    };
    for named in [&[][..], &[("url", "urn:m")]] {
        for (target, expected) in [("urn:v:x", "x"), ("urn:v:none", ""), ("urn:v:open", "xy"), ("urn:b", "xy")] {
            let pairs = [named, &[("target", target)]].concat();
            assert_eq!(found("urn:a", &pairs).expect("an answer"), expected, "{pairs:?}");
        }
        let pairs = [named, &[("target", "urn:v:gone")]].concat();
        assert_eq!(found("urn:a", &pairs).expect_err("unknown").category().status(), 404, "{pairs:?}");
    }
    assert_eq!(found("urn:c", &[("target", "urn:v:named")]).expect("an answer"), "x");
}

#[test]
fn the_value_set_of_a_code_system_has_the_version_that_is_named() {
    let system = |version: &str, code: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"urn:m","version":"{version}","valueSet":"urn:m:all","status":"active","content":"complete","concept":[{{"code":"{code}"}}]}}"#
        )
    };
    let shelf = shelf(&[&system("1.0", "old"), &system("2.0", "new")]);
    for url in ["urn:m", "urn:m:all", "urn:m?fhir_vs", "urn:m/vs"] {
        let old = format!("{url}|1.0");
        for (pairs, expected) in [
            (vec![("url", url)], "new"),
            (vec![("url", &*old)], "old"),
            (vec![("url", url), ("valueSetVersion", "1.0")], "old"),
        ] {
            let json = ask(&shelf, Operation::Expand, &pairs, None).expect("an expansion");
            assert_eq!(codes(&json), expected, "{pairs:?}");
        }
        let compose = format!(r#"{{"include":[{{"valueSet":["{old}"]}}]}}"#);
        assert_eq!(expanded(&shelf, &compose, &[]).expect("an expansion"), "old", "{url}");
        assert!(is_member(&shelf, &compose, ("urn:m", "old"), &[]).expect("an answer"), "{url}");
        assert!(!is_member(&shelf, &compose, ("urn:m", "new"), &[]).expect("an answer"), "{url}");
    }
}

#[test]
fn a_display_beside_a_coding_is_checked() {
    let dog = format!(r#"{{"system":"{CS}","code":"dog"}}"#);
    let right = format!(r#"{{"system":"{CS}","code":"dog","display":"Dog"}}"#);
    let wrong = format!(r#"{{"system":"{CS}","code":"dog","display":"Cat"}}"#);
    for (coding, display, expected) in [
        (&dog, "Dog", 0),
        (&dog, "Cat", 1),
        (&right, "Dog", 0),
        (&right, "Cat", 1),
        (&wrong, "Dog", 1),
        (&wrong, "Cow", 2),
        (&wrong, "Cat", 1),
    ] {
        for (operation, pair) in
            [(Operation::ValidateInCodeSystem, ("url", CS)), (Operation::ValidateInValueSet, ("url", CS))]
        {
            let answer = ask(&animals(), operation, &[pair, ("display", display)], Some(("coding", coding)));
            let text = written(&answer.expect("an answer"));
            let found = text.matches(r#""code":"invalid-display""#).count();
            assert_eq!(found, expected, "{display} {coding}: {text}");
            assert_eq!(text.contains(r#""name":"result","valueBoolean":true"#), expected == 0, "{text}");
        }
    }
}

#[test]
fn nothing_is_asked_of_a_code_system_that_is_left_out() {
    let compose = format!(
        r#"{{"include":[{{"system":"urn:none"}},{{"system":"{CS}","concept":[{{"code":"hen"}}]}}],"exclude":[{{"system":"urn:none","version":"2"}}]}}"#
    );
    let set = format!(r#"{{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":{compose}}}"#);
    let given = Some(("valueSet", &*set));
    let json = ask(&animals(), Operation::Expand, &[("exclude-system", "urn:none")], given).expect("an expansion");
    assert_eq!(codes(&json), "hen");
    for (excluded, used) in [(CS.to_owned(), false), (format!("{CS}|2"), false), (format!("{CS}|1"), true)] {
        let json = ask(&animals(), Operation::Expand, &[("url", CS), ("exclude-system", &excluded)], None);
        let text = written(&json.expect("an expansion"));
        assert_eq!(text.contains("used-codesystem"), used, "{excluded}: {text}");
    }
}

#[test]
fn a_value_set_without_content_is_not_an_empty_one() {
    let shelf = shelf(&[
        r#"{"resourceType":"ValueSet","url":"urn:bare","status":"active"}"#,
        r#"{"resourceType":"ValueSet","url":"urn:outer","status":"active","compose":{"include":[{"valueSet":["urn:bare"]}]}}"#,
    ]);
    for url in ["urn:bare", "urn:outer"] {
        let fault = ask(&shelf, Operation::Expand, &[("url", url)], None).expect_err(url);
        assert_eq!(fault.category().status(), 422, "{url}");
        let pairs = [("url", url), ("system", CS), ("code", "dog")];
        let fault = ask(&shelf, Operation::ValidateInValueSet, &pairs, None).expect_err(url);
        assert_eq!(fault.category().status(), 422, "{url}");
    }
}

#[test]
fn designations_have_the_language_of_their_code_system() {
    let shelf = shelf(&[
        r#"{"resourceType":"CodeSystem","url":"urn:m","language":"de","status":"active","content":"complete",
        "concept":[{"code":"a","display":"Hund","designation":[{"value":"Wauwau"},{"language":"en","value":"Dog"}]}]}"#,
    ]);
    let pairs = [("url", "urn:m"), ("designation", "urn:ietf:bcp:47|de"), ("displayLanguage", "en")];
    let text = written(&ask(&shelf, Operation::Expand, &pairs, None).expect("an expansion"));
    assert!(text.contains("Wauwau") && text.contains(r#""display":"Dog""#), "{text}");
    let coding = [("url", "urn:m"), ("system", "urn:m"), ("code", "a")];
    for (language, is_right) in [("en", false), ("de", true)] {
        let pairs = [&coding[..], &[("display", "Wauwau"), ("displayLanguage", language)]].concat();
        let text = written(&ask(&shelf, Operation::ValidateInCodeSystem, &pairs, None).expect("an answer"));
        assert_eq!(text.contains(r#""valueBoolean":true"#), is_right, "{text}");
    }
}

#[test]
fn a_supplement_is_of_the_version_that_it_names() {
    let system = |version: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"urn:s","version":"{version}","status":"active","content":"complete","concept":[{{"code":"a","display":"Dog"}}]}}"#
        )
    };
    let supplement = |url: &str, of: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{url}","status":"active","content":"supplement","supplements":"{of}","concept":[{{"code":"a","designation":[{{"language":"de","value":"Hund"}}]}}]}}"#
        )
    };
    let texts = [
        system("1"),
        system("2"),
        supplement("urn:of-1", "urn:s|1"),
        supplement("urn:of-all", "urn:s"),
        supplement("urn:of-x", "urn:s|2.x"),
    ];
    let shelf = shelf(&texts.each_ref().map(|text| &**text));
    for (supplement, version, is_applied) in [
        ("urn:of-1", "1", true),
        ("urn:of-1", "2", false),
        ("urn:of-all", "1", true),
        ("urn:of-all", "2", true),
        ("urn:of-x", "2", true),
        ("urn:of-x", "1", false),
    ] {
        let shown = format!("{supplement} {version}");
        let asked = [("useSupplement", supplement), ("displayLanguage", "de")];
        let pairs = [&asked[..], &[("system", "urn:s"), ("version", version), ("code", "a")]].concat();
        let found = written(&ask(&shelf, Operation::Lookup, &pairs, None).expect(&shown));
        assert_eq!(
            (found.contains("Hund"), found.contains("used-supplement")),
            (is_applied, is_applied),
            "{shown}: {found}"
        );
        let force = format!("urn:s|{version}");
        let pairs =
            [&asked[..], &[("force-system-version", &*force), ("url", "urn:s"), ("includeDesignations", "true")]]
                .concat();
        let found = written(&ask(&shelf, Operation::Expand, &pairs, None).expect(&shown));
        assert_eq!(
            (found.contains("Hund"), found.contains("used-supplement")),
            (is_applied, is_applied),
            "{shown}: {found}"
        );
        let pairs =
            [&asked[..], &[("url", "urn:s"), ("version", version), ("code", "a"), ("display", "Hund")]].concat();
        let found = written(&ask(&shelf, Operation::ValidateInCodeSystem, &pairs, None).expect(&shown));
        assert_eq!(found.contains(r#""valueBoolean":true"#), is_applied, "{shown}: {found}");
    }
}

#[test]
fn a_closure_table_is_of_one_version_of_a_code_system() {
    use super::closure::Closure;
    use super::context::Context;
    let shelf = shelf(&[&listed("1", "2020-01-01", "a"), &listed("2", "2021-01-01", "a")]);
    let params = Params::default();
    let context = Context::new(&shelf, &params, None).expect("a context");
    let coding = |version: &str| {
        let version = if version.is_empty() { String::new() } else { format!(r#","version":"{version}""#) };
        parse(format!(r#"{{"system":"{CS}","code":"a"{version}}}"#).as_bytes()).expect("JSON")
    };
    let mut table = Closure::new("t");
    assert!(table.add(&context, &[&coding("1")]).expect("added"));
    for other in ["2", ""] {
        let fault = table.add(&context, &[&coding(other)]).expect_err(other);
        assert_eq!((fault.category().status(), fault.issues()[0].code), (422, "conflict"), "{other}");
        assert!(fault.to_string().contains("closure \"t\" must be reinitialized"), "{fault}");
    }
    let mut table = Closure::new("t");
    assert!(table.add(&context, &[&coding("2")]).expect("added"));
    assert!(!table.add(&context, &[&coding("")]).expect("known"));
}

/// Asks at the level of an instance.
fn ask_at(shelf: &Shelf, operation: Operation, own: &str, params: &Params) -> Result<Json> {
    let own = Some(Arc::new(parse(own.as_bytes()).expect("JSON")));
    let library = Layers(vec![shelf, &Core]);
    let (id, now) = ("6f1d6b0e-0000-4000-8000-000000000000", "2026-11-28T12:00:00Z");
    run(&library, &Call { operation, params, accept_language: None, own, id, now })
}

fn params(pairs: &[(&str, &str)], resources: &[(&str, &str)]) -> Params {
    let mut params = Params::default();
    pairs.iter().for_each(|(name, value)| params.push_text(name, value));
    resources.iter().for_each(|(name, text)| params.push(name, parse(text.as_bytes()).expect("JSON")));
    params
}

#[test]
fn what_contradicts_the_path_is_refused() {
    use Operation::{Expand, Lookup, Subsumes, Translate, ValidateInCodeSystem, ValidateInValueSet};
    let set = r#"{"resourceType":"ValueSet","url":"urn:v","version":"1","status":"active","compose":{"include":[{"system":"http://example.org/cs"}]}}"#;
    let other = r#"{"resourceType":"ValueSet","url":"urn:w","status":"active","compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"dog"}]}]}}"#;
    let system = r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","version":"2","status":"active","content":"complete","concept":[{"code":"dog","display":"Dog"}]}"#;
    let map = r#"{"resourceType":"ConceptMap","url":"urn:m","version":"1","status":"active","group":[{"source":"http://example.org/cs","target":"urn:t","element":[{"code":"dog","target":[{"code":"x","equivalence":"equal"}]}]}]}"#;
    let gender = r#"{"resourceType":"ValueSet","url":"http://hl7.org/fhir/ValueSet/administrative-gender","status":"active","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender"}]}}"#;
    let dog: [(&str, &str); 2] = [("system", CS), ("code", "dog")];
    let shelf = animals();
    let status = |operation, own: &str, pairs: &[(&str, &str)], resources: &[(&str, &str)]| {
        let answer = ask_at(&shelf, operation, own, &params(pairs, resources));
        answer.map_or_else(|fault| fault.category().status(), |_| 200)
    };
    for (operation, own, more, resources, expected) in [
        (Expand, set, &[("url", "urn:v")][..], &[][..], 200),
        (Expand, set, &[("url", "urn:v|1")], &[], 200),
        (Expand, set, &[("url", "urn:w")], &[], 400),
        (Expand, set, &[("url", "urn:v|9")], &[], 400),
        (Expand, set, &[("context", "Patient.gender")], &[], 400),
        (Expand, gender, &[("context", "Patient.gender")], &[], 200),
        // as in the examples of the specification
        (Expand, set, &[], &[("valueSet", other)], 200),
        (Expand, set, &[("url", "urn:v")], &[("valueSet", other)], 400),
        (ValidateInValueSet, set, &dog, &[], 200),
        (ValidateInValueSet, set, &[dog[0], dog[1], ("url", "urn:w")], &[], 400),
        (ValidateInCodeSystem, system, &[("code", "dog"), ("url", CS)], &[], 200),
        (ValidateInCodeSystem, system, &[("code", "dog"), ("url", "urn:w")], &[], 400),
        (
            ValidateInCodeSystem,
            system,
            &[("code", "dog")],
            &[("codeSystem", r#"{"resourceType":"CodeSystem","url":"urn:w"}"#)],
            400,
        ),
        (Lookup, system, &[("code", "dog")], &[], 200),
        (Lookup, system, &[("code", "dog"), ("version", "2")], &[], 200),
        (Lookup, system, &[("code", "dog"), ("version", "1")], &[], 400),
        (Lookup, system, &[("code", "dog"), ("system", "urn:w")], &[], 400),
        (Subsumes, system, &[("codeA", "dog"), ("codeB", "dog"), ("system", CS)], &[], 200),
        (Subsumes, system, &[("codeA", "dog"), ("codeB", "dog"), ("system", "urn:w")], &[], 400),
        (Subsumes, system, &[("codeA", "dog"), ("codeB", "dog"), ("version", "1")], &[], 400),
        (Translate, map, &[dog[0], dog[1], ("url", "urn:m"), ("conceptMapVersion", "1")], &[], 200),
        (Translate, map, &[dog[0], dog[1], ("url", "urn:n")], &[], 400),
        (Translate, map, &[dog[0], dog[1], ("conceptMapVersion", "2")], &[], 400),
        (Translate, map, &dog, &[("conceptMap", r#"{"resourceType":"ConceptMap","url":"urn:n"}"#)], 400),
    ] {
        assert_eq!(status(operation, own, more, resources), expected, "{operation:?} {more:?} {resources:?}");
    }
}

#[test]
fn what_is_named_twice_is_the_same_or_refused() {
    use Operation::{Expand, Lookup, Subsumes, Translate, ValidateInCodeSystem, ValidateInValueSet};
    let set = r#"{"resourceType":"ValueSet","url":"urn:v","version":"1","status":"active","compose":{"include":[{"system":"http://example.org/cs"}]}}"#;
    let map = r#"{"resourceType":"ConceptMap","url":"urn:m","version":"1","status":"active","group":[{"source":"http://example.org/cs","target":"urn:t","element":[{"code":"dog","target":[{"code":"x","equivalence":"equal"}]}]}]}"#;
    let coding = r#"{"system":"http://example.org/cs","version":"2","code":"dog"}"#;
    let concept = r#"{"coding":[{"system":"http://example.org/cs","code":"dog"}]}"#;
    let mut shelf = animals();
    [set, map].iter().for_each(|text| shelf.add(Arc::new(parse(text.as_bytes()).expect("JSON"))));
    let (dog, url) = ([("system", CS), ("code", "dog")], ("url", "urn:v"));
    let with = |more: &[(&'static str, &'static str)]| [&dog[..], more].concat();
    for (operation, pairs, resources, expected) in [
        (Expand, vec![("url", "urn:v|1"), ("valueSetVersion", "1")], &[][..], 200),
        (Expand, vec![("url", "urn:v|1"), ("valueSetVersion", "9")], &[], 400),
        (Expand, vec![url, url], &[], 200),
        (Expand, vec![url, ("url", "urn:w")], &[], 400),
        (Expand, vec![url, ("count", "2"), ("count", "3")], &[], 400),
        (Expand, vec![url, ("excludeNested", "true")], &[("excludeNested", "true")], 200),
        (Expand, vec![url, ("excludeNested", "true")], &[("excludeNested", "false")], 400),
        (Expand, vec![url, ("exclude-system", "urn:x"), ("exclude-system", "urn:y")], &[], 200),
        (Expand, vec![url], &[("valueSet", set)], 200),
        (Expand, vec![("url", "urn:w")], &[("valueSet", set)], 400),
        (Expand, vec![("valueSetVersion", "2")], &[("valueSet", set)], 400),
        (Expand, vec![url, ("context", "Patient.gender")], &[], 400),
        (ValidateInValueSet, with(&[url]), &[], 200),
        (ValidateInValueSet, with(&[url]), &[("coding", coding)], 400),
        (ValidateInValueSet, vec![url], &[("coding", coding), ("codeableConcept", concept)], 400),
        (ValidateInValueSet, vec![url, ("system", "urn:x")], &[("coding", coding)], 400),
        (ValidateInValueSet, vec![url, ("systemVersion", "1")], &[("coding", coding)], 400),
        (ValidateInValueSet, vec![url, ("systemVersion", "2")], &[("coding", coding)], 200),
        (ValidateInValueSet, vec![url, ("system", "urn:x")], &[("codeableConcept", concept)], 400),
        (ValidateInCodeSystem, vec![("url", "http://example.org/cs|2"), ("code", "dog")], &[], 200),
        (ValidateInCodeSystem, vec![("url", CS), ("code", "dog")], &[("coding", coding)], 400),
        (Lookup, with(&[]), &[("coding", coding)], 400),
        (Lookup, vec![("version", "1")], &[("coding", coding)], 400),
        (Lookup, vec![("version", "2")], &[("coding", coding)], 200),
        (Subsumes, vec![("system", CS), ("codeA", "dog"), ("codeB", "dog"), ("version", "2")], &[], 200),
        (Subsumes, vec![("system", CS), ("codeB", "dog"), ("version", "1")], &[("codingA", coding)], 400),
        (Translate, with(&[("url", "urn:m|1"), ("conceptMapVersion", "1")]), &[], 200),
        (Translate, with(&[("url", "urn:m|1"), ("conceptMapVersion", "2")]), &[], 400),
        (Translate, with(&[("url", "urn:n")]), &[("conceptMap", map)], 400),
        (Translate, with(&[("conceptMapVersion", "2")]), &[("conceptMap", map)], 400),
        (Translate, with(&[]), &[("coding", coding)], 400),
    ] {
        let mut all = params(&pairs, &[]);
        for (name, text) in resources {
            all.push(name, parse(text.as_bytes()).expect("JSON"));
        }
        let library = Layers(vec![&shelf, &Core]);
        let (id, now) = ("6f1d6b0e-0000-4000-8000-000000000000", "2026-11-28T12:00:00Z");
        let answer = run(&library, &Call { operation, params: &all, accept_language: None, own: None, id, now });
        let status = answer.map_or_else(|fault| fault.category().status(), |_| 200);
        assert_eq!(status, expected, "{operation:?} {pairs:?} {resources:?}");
    }
    let pairs = [("url", "http://example.org/cs|2"), ("code", "dog")];
    let text = written(&ask(&shelf, ValidateInCodeSystem, &pairs, None).expect("an answer"));
    assert!(
        text.contains(r#""valueBoolean":true"#) && text.contains(r#""valueUri":"http://example.org/cs""#),
        "{text}"
    );
}

#[test]
fn codes_of_maps_are_compared_as_their_systems_compare_them() {
    let system = |url: &str, matters: bool, code: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{url}","status":"active","content":"complete","caseSensitive":{matters},"concept":[{{"code":"{code}","display":"Text of {code}"}}]}}"#
        )
    };
    let map = |url: &str, (source, from): (&str, &str), (target, to): (&str, &str)| {
        format!(
            r#"{{"resourceType":"ConceptMap","url":"{url}","status":"active","group":[{{"source":"{source}","target":"{target}","element":[{{"code":"{from}","target":[{{"code":"{to}","equivalence":"equal"}}]}}],"unmapped":{{"mode":"fixed","code":"none"}}}}]}}"#
        )
    };
    let texts = [
        system("urn:loose", false, "Ab"),
        system("urn:strict", true, "Ab"),
        map("urn:m:l", ("urn:loose", "Ab"), ("urn:strict", "Ab")),
        map("urn:m:s", ("urn:strict", "Ab"), ("urn:loose", "AB")),
        map("urn:m:n", ("urn:nowhere", "Ab"), ("urn:loose", "Ab")),
    ];
    let shelf = shelf(&texts.each_ref().map(|text| &**text));
    for (map, system, code, more, expected) in [
        ("urn:m:l", "urn:loose", "aB", &[][..], r#"Ab","display":"Text of Ab""#),
        ("urn:m:s", "urn:strict", "Ab", &[], r#""code":"AB","display":"Text of Ab""#),
        ("urn:m:s", "urn:strict", "aB", &[], r#""code":"none""#),
        ("urn:m:n", "urn:nowhere", "ab", &[], r#""code":"none""#),
        ("urn:m:s", "urn:loose", "ab", &[("reverse", "true")], r#""system":"urn:strict","code":"Ab""#),
        ("urn:m:l", "urn:strict", "ab", &[("reverse", "true")], "no mapping"),
    ] {
        let pairs = [&[("url", map), ("system", system), ("code", code)], more].concat();
        let text = written(&ask(&shelf, Operation::Translate, &pairs, None).expect("an answer"));
        assert!(text.contains(expected), "{pairs:?}: {text}");
    }
}

#[test]
fn values_of_loinc_are_compared_without_case() {
    let system = |url: &str, more: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{url}","status":"active","content":"complete",{more}"property":[{{"code":"SCALE","type":"string"}},{{"code":"kin","type":"code"}}],
            "concept":[{{"code":"LP1-1","display":"One","property":[{{"code":"SCALE","valueString":"Qn"}},{{"code":"kin","valueCode":"LP2-9"}}]}},{{"code":"LP2-9","display":"Two"}}]}}"#
        )
    };
    let loinc = system("http://loinc.org", "");
    let strict = system("urn:strict", "");
    let loose = system("urn:loose", r#""caseSensitive":false,"#);
    let shelf = shelf(&[&loinc, &strict, &loose]);
    let filtered = |url: &str, property: &str, op: &str, value: &str| {
        let compose = format!(
            r#"{{"include":[{{"system":"{url}","filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}"#
        );
        expanded(&shelf, &compose, &[]).expect("an expansion")
    };
    for (property, op, value, [of_loinc, of_strict, of_loose]) in [
        ("SCALE", "=", "QN", ["LP1-1", "", ""]),
        ("SCALE", "in", "ord,qN", ["LP1-1", "", ""]),
        ("SCALE", "not-in", "qn", ["LP2-9", "LP1-1 LP2-9", "LP1-1 LP2-9"]),
        ("display", "=", "two", ["LP2-9", "", ""]),
        ("kin", "=", "lp2-9", ["LP1-1", "", "LP1-1"]),
        ("concept", "=", "lp2-9", ["LP2-9", "", "LP2-9"]),
        ("SCALE", "=", "Qn", ["LP1-1", "LP1-1", "LP1-1"]),
    ] {
        assert_eq!(filtered("http://loinc.org", property, op, value), of_loinc, "{property} {op} {value}");
        assert_eq!(filtered("urn:strict", property, op, value), of_strict, "{property} {op} {value}");
        assert_eq!(filtered("urn:loose", property, op, value), of_loose, "{property} {op} {value}");
    }
    let pairs = [("system", "http://loinc.org"), ("code", "lp1-1")];
    assert!(written(&ask(&shelf, Operation::Lookup, &pairs, None).expect("an answer")).contains("LP1-1"));
}

#[test]
fn groups_without_systems_have_those_of_the_value_sets() {
    let set = |url: &str, includes: &str| {
        format!(r#"{{"resourceType":"ValueSet","url":"{url}","status":"active","compose":{{"include":[{includes}]}}}}"#)
    };
    let map = |url: &str, sides: &str, group: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","url":"{url}","status":"active",{sides}"group":[{{{group}"element":[{{"code":"1","target":[{{"code":"x","equivalence":"equal"}}]}}]}}]}}"#
        )
    };
    let texts = [
        r#"{"resourceType":"CodeSystem","url":"urn:b","status":"active","content":"complete","concept":[{"code":"x","display":"Ex","designation":[{"language":"de","value":"Iks"}]}]}"#.to_owned(),
        set("urn:v:a", r#"{"system":"urn:a","concept":[{"code":"1"}]},{"valueSet":["urn:v:inner"]}"#),
        set("urn:v:inner", r#"{"system":"urn:a"}"#),
        set("urn:v:two", r#"{"system":"urn:a"},{"system":"urn:c"}"#),
        set("urn:v:open", r#"{"valueSet":["urn:v:gone"]}"#),
        set("urn:v:b", r#"{"system":"urn:b"}"#),
        map("urn:m:one", r#""sourceUri":"urn:v:a","targetCanonical":"urn:v:b","#, ""),
        map("urn:m:two", r#""sourceCanonical":"urn:v:two","targetUri":"urn:v:b","#, ""),
        map("urn:m:open", r#""sourceUri":"urn:v:open","#, r#""target":"urn:b","#),
        map("urn:m:bare", "", ""),
        map("urn:m:side", r#""sourceUri":"urn:v:a","#, r#""source":"urn:d","target":"urn:b","#),
    ];
    let shelf = shelf(&texts.each_ref().map(|text| &**text));
    let found = |pairs: &[(&str, &str)]| written(&ask(&shelf, Operation::Translate, pairs, None).expect("an answer"));
    let ex = r#""valueCoding":{"system":"urn:b","code":"x","display":"Ex"}"#;
    for (map, system, expected) in [
        ("urn:m:one", "urn:a", Some(ex)),
        ("urn:m:one", "urn:c", None),
        ("urn:m:two", "urn:a", Some(ex)),
        ("urn:m:two", "urn:c", Some(ex)),
        ("urn:m:two", "urn:d", None),
        // nothing says of which system it is: the map that is named is taken for any
        ("urn:m:open", "urn:d", Some(ex)),
        ("urn:m:bare", "urn:d", Some(r#""valueCoding":{"code":"x"}"#)),
        // what a group says itself counts
        ("urn:m:side", "urn:a", None),
        ("urn:m:side", "urn:d", Some(ex)),
    ] {
        let text = found(&[("url", map), ("system", system), ("code", "1")]);
        assert_eq!(text.contains(r#""valueBoolean":true"#), expected.is_some(), "{map} {system}: {text}");
        assert!(expected.is_none_or(|expected| text.contains(expected)), "{map} {system}: {text}");
    }
    // maps that are not named: those that say that they are for the system
    let maps = |pairs: &[(&str, &str)]| {
        let text = found(pairs);
        let of = |name: &&str| text.contains(&format!(r#""valueUri":"urn:m:{name}""#));
        ["one", "two", "open", "bare", "side"].into_iter().filter(of).collect::<Vec<_>>().join(" ")
    };
    let code = ("code", "1");
    assert_eq!(maps(&[("system", "urn:a"), code]), "one");
    assert_eq!(maps(&[("system", "urn:c"), code]), "two");
    assert_eq!(maps(&[("system", "urn:e"), code]), "");
    assert_eq!(maps(&[("system", "urn:e"), code, ("source", "urn:v:open")]), "open");
    assert_eq!(maps(&[("system", "urn:b"), ("code", "x"), ("reverse", "true"), ("targetsystem", "urn:d")]), "side");
    let back = found(&[("url", "urn:m:one"), ("system", "urn:b"), ("code", "x"), ("reverse", "true")]);
    assert!(back.contains(r#""valueCoding":{"system":"urn:a","code":"1"}"#), "{back}");
    let german = found(&[("url", "urn:m:one"), ("system", "urn:a"), code, ("displayLanguage", "de")]);
    assert!(german.contains(r#""display":"Iks""#), "{german}");
}

#[test]
fn a_code_system_in_fragments_is_all_of_them() {
    let part = |version: &str, content: &str, concepts: &str| {
        format!(
            r#"{{"resourceType":"CodeSystem","url":"urn:f","version":"{version}","status":"active","content":"{content}","hierarchyMeaning":"is-a","property":[{{"code":"p{version}","type":"string"}}],"concept":[{concepts}]}}"#
        )
    };
    let texts = [
        part("1", "fragment", r#"{"code":"a","display":"Old A","concept":[{"code":"b","display":"B"}]}"#),
        part("1", "fragment", r#"{"code":"c","display":"C"}"#),
        part(
            "2",
            "fragment",
            r#"{"code":"a","display":"New A","concept":[{"code":"d","display":"D","property":[{"code":"p2","valueString":"x"}]}]}"#,
        ),
    ];
    let all = texts.each_ref().map(|text| &**text);
    let of = |pairs: &[(&str, &str)]| {
        let json =
            ask(&shelf(&all), Operation::Expand, &[&[("url", "urn:f")], pairs].concat(), None).expect("an expansion");
        let text = written(&json);
        (codes(&json), text.contains("Old A"), text.contains("valueset-unclosed"))
    };
    assert_eq!(of(&[("excludeNested", "true")]), ("a d c b".to_owned(), false, true));
    assert_eq!(of(&[]), ("a[d b] c".to_owned(), false, true));
    let (found, is_old, is_unclosed) = of(&[("force-system-version", "urn:f|1"), ("excludeNested", "true")]);
    let mut found: Vec<&str> = found.split(' ').collect();
    found.sort_unstable();
    assert_eq!((found, is_old, is_unclosed), (vec!["a", "b", "c"], true, true));
    let shelf_all = shelf(&all);
    for (version, code, expected) in
        [("", "c", true), ("1", "c", true), ("2", "c", false), ("2", "d", true), ("1", "d", false)]
    {
        let mut pairs = vec![("system", "urn:f"), ("code", code)];
        if !version.is_empty() {
            pairs.push(("version", version));
        }
        assert_eq!(ask(&shelf_all, Operation::Lookup, &pairs, None).is_ok(), expected, "{version} {code}");
    }
    let pairs = [("system", "urn:f"), ("codeA", "a"), ("codeB", "b")];
    assert!(written(&ask(&shelf_all, Operation::Subsumes, &pairs, None).expect("an answer")).contains(r#""subsumes""#));
    let compose = r#"{"include":[{"system":"urn:f","filter":[{"property":"p2","op":"=","value":"x"}]}]}"#;
    assert_eq!(expanded(&shelf_all, compose, &[]).expect("an expansion"), "d");
    // a complete one of a later version is no fragment
    let whole = part("3", "complete", r#"{"code":"z"}"#);
    let with_whole = shelf(&[all[0], all[2], &whole]);
    assert_eq!(codes(&ask(&with_whole, Operation::Expand, &[("url", "urn:f")], None).expect("an expansion")), "z");
}

/// A value set that is only an expansion: `more` of the expansion before its codes.
fn stored(more: &str, contains: &str) -> String {
    format!(
        r#"{{"resourceType":"ValueSet","url":"urn:stored","status":"active","expansion":{{"timestamp":"2020-01-01",{more}"contains":[{contains}]}}}}"#
    )
}

#[test]
fn of_a_stored_expansion_is_taken_what_is_asked() {
    let contains = r#"{"abstract":true,"display":"Pets","contains":[{"system":"urn:p","code":"dog","display":"Dog","contains":[{"system":"urn:p","code":"poodle","display":"Poodle","inactive":true}]},
        {"system":"urn:p","code":"pet","display":"Any pet","abstract":true}]},{"abstract":true,"display":"None"},{"system":"urn:p","code":"hen","display":"Hen","designation":[{"language":"de","value":"Huhn"}]}"#;
    let text = stored("", contains);
    let shelf = shelf(&[&text]);
    let of = |pairs: &[(&str, &str)]| {
        codes(&ask(&shelf, Operation::Expand, &[&[("url", "urn:stored")], pairs].concat(), None).expect("an expansion"))
    };
    for (pairs, expected) in [
        (&[][..], "?[dog[poodle] pet] hen"),
        (&[("excludeNested", "true")], "dog poodle pet hen"),
        (&[("activeOnly", "true")], "?[dog pet] hen"),
        (&[("activeOnly", "true"), ("excludeNested", "true")], "dog pet hen"),
        (&[("excludeNotForUI", "true")], "dog[poodle] hen"),
        (&[("count", "2")], "dog poodle"),
        (&[("count", "2"), ("offset", "2")], "pet hen"),
        (&[("count", "0")], ""),
        (&[("filter", "poo")], "poodle"),
        (&[("filter", "huhn")], "hen"),
        (&[("filter", "poo"), ("activeOnly", "true")], ""),
        (&[("exclude-system", "urn:p")], ""),
        (&[("exclude-system", "urn:p|2")], "?[dog[poodle] pet] hen"),
        (&[("exclude-system", "urn:q")], "?[dog[poodle] pet] hen"),
    ] {
        assert_eq!(of(pairs), expected, "{pairs:?}");
    }
    let whole = written(&ask(&shelf, Operation::Expand, &[("url", "urn:stored")], None).expect("an expansion"));
    assert!(
        whole.contains(r#""total":4"#) && whole.contains(r#"{"abstract":true,"display":"Pets","contains""#),
        "{whole}"
    );
    let german = [("url", "urn:stored"), ("displayLanguage", "de"), ("includeDesignations", "true")];
    let german = written(&ask(&shelf, Operation::Expand, &german, None).expect("an expansion"));
    assert!(german.contains("Huhn"), "{german}");
}

#[test]
fn what_a_stored_expansion_was_made_without_is_not_told() {
    let codes_of = r#"{"system":"http://example.org/cs","code":"dog","display":"Dog"},{"system":"urn:other","version":"7","code":"x"}"#;
    let parameter =
        |name: &str, kind: &str, value: &str| format!(r#""parameter":[{{"name":"{name}","value{kind}":{value}}}],"#);
    let with = |more: &str, operation: Operation, pairs: &[(&str, &str)]| {
        let text = stored(more, codes_of);
        let mut shelf = animals();
        shelf.add(Arc::new(parse(text.as_bytes()).expect("JSON")));
        shelf.add(Arc::new(
            parse(br#"{"resourceType":"ValueSet","url":"urn:outer","status":"active","compose":{"include":[{"valueSet":["urn:stored"]}]}}"#)
                .expect("JSON"),
        ));
        let answer = ask(&shelf, operation, &[&[("url", "urn:stored")], pairs].concat(), None);
        let outer: Vec<(&str, &str)> = [("url", "urn:outer")].into_iter().chain(pairs.iter().copied()).collect();
        let outer = ask(&shelf, operation, &outer, None);
        let status = |answer: &Result<Json>| answer.as_ref().map_or_else(|fault| fault.category().status(), |_| 200);
        (status(&answer), status(&outer), answer.map_or_else(|fault| fault.to_string(), |json| written(&json)))
    };
    use Operation::{Expand, ValidateInValueSet};
    for (more, pairs, own, outer) in [
        (parameter("filter", "String", r#""do""#), &[][..], 422, 422),
        (parameter("filter", "String", r#""do""#), &[("filter", "do")], 200, 422),
        (parameter("filter", "String", r#""do""#), &[("filter", "x")], 422, 422),
        (parameter("exclude-system", "Uri", r#""urn:x""#), &[], 422, 422),
        (parameter("exclude-system", "Uri", r#""urn:x""#), &[("exclude-system", "urn:x")], 200, 422),
        (parameter("activeOnly", "Boolean", "true"), &[], 200, 200),
        (parameter("activeOnly", "Boolean", "true"), &[("activeOnly", "true")], 200, 200),
        (parameter("activeOnly", "Boolean", "true"), &[("activeOnly", "false")], 422, 200),
        (parameter("count", "Integer", "2"), &[], 422, 422),
        (parameter("count", "Integer", "3"), &[], 200, 200),
        (r#""total":2,"#.to_owned(), &[], 200, 200),
        (r#""total":3,"#.to_owned(), &[], 422, 422),
        (r#""offset":1,"#.to_owned(), &[], 422, 422),
        (parameter("date", "DateTime", r#""2020-01-01""#), &[("date", "2021-01-01")], 422, 200),
        (parameter("date", "DateTime", r#""2020-01-01""#), &[("date", "2020-01-01")], 200, 200),
        // the version that it was made of is the one that is forced, or it cannot be made again
        (String::new(), &[("force-system-version", "urn:other|7")], 200, 200),
        (String::new(), &[("force-system-version", "urn:other|8")], 422, 200),
        (String::new(), &[("force-system-version", "http://example.org/cs|2")], 422, 200),
        (
            parameter("version", "Uri", r#""http://example.org/cs|2""#),
            &[("force-system-version", "http://example.org/cs|2")],
            200,
            200,
        ),
        (
            parameter("used-codesystem", "Uri", r#""http://example.org/cs|2""#),
            &[("system-version", "http://example.org/cs|1")],
            200,
            200,
        ),
        (
            parameter("used-codesystem", "Uri", r#""http://example.org/cs|2""#),
            &[("check-system-version", "http://example.org/cs|1")],
            422,
            422,
        ),
    ] {
        let (found, of_outer, text) = with(&more, Expand, pairs);
        assert_eq!(found, own, "{more} {pairs:?}: {text}");
        let is_forced = pairs.iter().any(|(name, _)| name.ends_with("system-version"));
        assert!(is_forced || of_outer == outer, "{more} {pairs:?}: {of_outer}");
    }
    let (_, _, told) = with(&parameter("activeOnly", "Boolean", "true"), Expand, &[]);
    assert!(told.contains(r#"{"name":"activeOnly","valueBoolean":true}"#), "{told}");
    // what is listed is in, also in a version that is not here; what is not may be among what was left out
    let code = |system: &'static str, code: &'static str| [("system", system), ("code", code)];
    for (more, asked, expected) in [
        (String::new(), code(CS, "dog"), Some(true)),
        (String::new(), code("urn:other", "x"), Some(true)),
        (String::new(), code(CS, "hen"), Some(false)),
        (parameter("filter", "String", r#""do""#), code(CS, "dog"), Some(true)),
        (parameter("filter", "String", r#""do""#), code(CS, "hen"), None),
        (parameter("exclude-system", "Uri", r#""urn:x""#), code(CS, "hen"), Some(false)),
        (parameter("exclude-system", "Uri", r#""urn:x""#), code("urn:x", "1"), None),
        (r#""total":3,"#.to_owned(), code(CS, "hen"), None),
        (
            r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/valueset-unclosed","valueBoolean":true}],"#
                .to_owned(),
            code(CS, "hen"),
            None,
        ),
    ] {
        let (status, _, text) = with(&more, ValidateInValueSet, &asked);
        let found = (status == 200).then(|| text.contains(r#""name":"result","valueBoolean":true"#));
        assert_eq!((found, status == 422), (expected, expected.is_none()), "{more} {asked:?}: {text}");
    }
}

#[test]
fn expressions_of_snomed_are_checked() {
    const SCT: &str = "http://snomed.info/sct";
    let sct = r#"{"resourceType":"CodeSystem","url":"http://snomed.info/sct","version":"http://snomed.info/sct/900000000000207008/version/20240101","status":"active","content":"complete","hierarchyMeaning":"is-a",
        "concept":[{"code":"404684003","display":"Finding","concept":[{"code":"64572001","display":"Disease","concept":[{"code":"73211009","display":"Diabetes"}]}]},
        {"code":"363698007","display":"Finding site"},{"code":"113331007","display":"Endocrine system"},{"code":"246075003","display":"Causative agent","property":[{"code":"inactive","valueBoolean":true}]}]}"#;
    let shelf = shelf(&[sct]);
    let refined = "73211009 |Diabetes| : 363698007 = 113331007";
    let validated = |operation: Operation, url: &str, code: &str| {
        let pairs = [("url", url), ("system", SCT), ("code", code)];
        ask(&shelf, operation, &pairs, None).map(|json| written(&json))
    };
    let (in_set, in_system) = (Operation::ValidateInValueSet, Operation::ValidateInCodeSystem);
    for (code, expected) in [
        (refined, true),
        ("<<<64572001:363698007=113331007", true),
        ("64572001+73211009", true),
        ("73211009|Diabetes|", true),
    ] {
        for text in [
            validated(in_set, "http://snomed.info/sct?fhir_vs", code).expect(code),
            validated(in_system, SCT, code).expect(code),
        ] {
            assert_eq!(text.contains(r#""name":"result","valueBoolean":true"#), expected, "{code}: {text}");
            assert!(!text.contains("issues"), "{code}: {text}");
        }
    }
    for (code, reason) in [
        ("73211009:363698007=", "character 20: expected the identifier of a concept"),
        ("73211009:363698007=999999999", "concepts that are not there: 999999999"),
    ] {
        let text = validated(in_system, SCT, code).expect(code);
        assert!(text.contains(reason), "{code}: {text}");
    }
    let inactive = validated(in_system, SCT, "73211009:246075003=113331007").expect("an answer");
    assert!(inactive.contains(r#"{"name":"inactive","valueBoolean":true}"#), "{inactive}");
    // what its focus concepts say is known, what only a classifier would is not
    for (url, expected) in [
        ("http://example.org/sct-isa-64572001", Some(true)),
        ("http://example.org/sct-isa-363698007", None),
        ("http://example.org/sct-listed", Some(false)),
    ] {
        let filter = |property: &str, op: &str, value: &str| {
            format!(r#""filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]"#)
        };
        let selects = match url.rsplit('-').next() {
            Some("listed") => filter("concept", "in", "73211009,64572001"),
            Some(id) => filter("concept", "is-a", id),
            None => String::new(),
        };
        let set = format!(
            r#"{{"resourceType":"ValueSet","url":"{url}","status":"active","compose":{{"include":[{{"system":"{SCT}",{selects}}}]}}}}"#
        );
        let answer = ask(&shelf, in_set, &[("system", SCT), ("code", refined)], Some(("valueSet", &set)));
        let found = answer.as_ref().map(|json| written(json).contains(r#""name":"result","valueBoolean":true"#));
        match expected {
            Some(expected) => assert_eq!(found.ok(), Some(expected), "{url}: {answer:?}"),
            None => assert_eq!(answer.expect_err(url).issues()[0].code, "not-supported", "{url}"),
        }
    }
    let subsumes = |a: &str, b: &str| {
        let pairs = [("system", SCT), ("codeA", a), ("codeB", b)];
        ask(&shelf, Operation::Subsumes, &pairs, None).map(|json| written(&json))
    };
    for (a, b, outcome) in [
        (refined, "73211009:363698007=113331007", "equivalent"),
        ("64572001", refined, "subsumes"),
        (refined, "404684003", "subsumed-by"),
        ("73211009|x|", "64572001", "subsumed-by"),
    ] {
        let text = subsumes(a, b).expect(a);
        assert!(text.contains(&format!(r#""valueCode":"{outcome}""#)), "{a} {b}: {text}");
    }
    for (a, b) in [(refined, "113331007"), (refined, "64572001:363698007=113331007")] {
        let fault = subsumes(a, b).expect_err(a);
        assert_eq!((fault.category().status(), fault.issues()[0].code), (422, "not-supported"), "{a} {b}");
    }
    assert_eq!(subsumes("73211009:", "64572001").expect_err("none").category().status(), 422);
    let pairs = [("system", SCT), ("code", refined)];
    let text = written(&ask(&shelf, Operation::Lookup, &pairs, None).expect("an answer"));
    assert!(text.contains(refined), "{text}");
}

#[test]
fn all_value_sets_are_asked_at_once() {
    let system = r#"{"resourceType":"CodeSystem","url":"urn:dogs","version":"1","valueSet":"urn:v:all","status":"active","content":"complete",
        "concept":[{"code":"pdl","display":"Zwerg qzvxhund"},{"code":"old","display":"Alt qzvxhund"},{"code":"out","display":"Aussen qzvxhund"}]}"#;
    let set = |url: &str, include: &str| {
        format!(r#"{{"resourceType":"ValueSet","url":"{url}","status":"active","compose":{{"include":[{include}]}}}}"#)
    };
    let texts = [
        set("urn:v:some", r#"{"system":"urn:dogs","concept":[{"code":"pdl"},{"code":"old"}]}"#),
        set("urn:v:same", r#"{"valueSet":["urn:v:some"]}"#),
        set(
            "urn:v:elsewhere",
            r#"{"system":"urn:gone","filter":[{"property":"a","op":"=","value":"b"}]},{"system":"urn:dogs","concept":[{"code":"old"}]}"#,
        ),
        set("urn:v:circle", r#"{"valueSet":["urn:v:round"]}"#),
        set("urn:v:round", r#"{"valueSet":["urn:v:circle"]}"#),
        set("urn:v:word", r#"{"system":"urn:gone","concept":[{"code":"w","display":"Wort qzvxhund"}]}"#),
        set("urn:v:within", &format!(r#"{{"valueSet":["{}"]}}"#, super::everywhere::ALL)),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expanded = |shelf: &Shelf, more: &[(&str, &str)]| {
        ask(shelf, Operation::Expand, &[&[("url", super::everywhere::ALL)], more].concat(), None)
    };
    let shelf_of_some = shelf(
        &texts.iter().copied().chain([system.replace(r#""valueSet":"urn:v:all","#, "").as_str()]).collect::<Vec<_>>(),
    );
    let answer = expanded(&shelf_of_some, &[("filter", "qzvxhund")]).expect("an answer");
    let mut found: Vec<String> = codes(&answer).split(' ').map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["old", "pdl", "w"]);
    assert!(written(&answer).contains("value sets cannot be expanded here"), "{}", written(&answer));
    let used: Vec<_> = written(&answer).match_indices("used-").map(|(at, _)| at).collect();
    assert_eq!(used.len(), 1, "{}", written(&answer));
    // a code system whose codes are a value set counts as a whole
    let shelf = shelf(&texts.iter().copied().chain([system]).collect::<Vec<_>>());
    let page = |offset: &str| {
        let answer =
            expanded(&shelf, &[("filter", "qzvxhund"), ("count", "3"), ("offset", offset)]).expect("an answer");
        assert!(written(&answer).contains(r#""total":4"#), "{}", written(&answer));
        codes(&answer).split(' ').filter(|code| !code.is_empty()).count()
    };
    assert_eq!((page("0"), page("3")), (3, 1));
    for more in [&[][..], &[("filter", " ")], &[("count", "10")]] {
        assert_eq!(expanded(&shelf, more).expect_err("too much").category().status(), 422, "{more:?}");
    }
    let is_in = |system: &str, code: &str| {
        let pairs = [("url", super::everywhere::ALL), ("system", system), ("code", code)];
        let answer = ask(&shelf_of_some, Operation::ValidateInValueSet, &pairs, None).expect("an answer");
        written(&answer).contains(r#""name":"result","valueBoolean":true"#)
    };
    let told = [
        ("urn:dogs", "pdl"),
        ("urn:dogs", "out"),
        ("urn:dogs", "none"),
        ("http://hl7.org/fhir/administrative-gender", "male"),
    ];
    assert_eq!(told.map(|(system, code)| is_in(system, code)), [true, false, false, true]);
    // "can only be used as a parameter to the operations"
    let within = ask(&shelf, Operation::Expand, &[("url", "urn:v:within"), ("filter", "qzvxhund")], None);
    assert_eq!(within.expect_err("not known").category().status(), 404);
}
