//! The query language as tables: what is asked, what is refused, how to answer.

use super::context::ParseContext;
use super::request::parse;
use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::limits::Limits;
use crate::fhir::types::ResourceType;
use crate::search::context::SearchContext;
use crate::search::params::ParamSet;
use crate::search::query::{Clause, Prefix, Query, SortBy, Test, Total};

fn kind(name: &str) -> ResourceType {
    ResourceType::find(name).expect(name)
}

fn run(kind_name: &str, params: &[(&str, &str)], strict: bool, limits: &Limits) -> Result<Query, Fault> {
    let params: Vec<_> = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (base, now, official) = ("http://host/fhir", Timestamp(0), ParamSet::default());
    parse(kind(kind_name), &params, &ParseContext { base, strict, limits, now, params: &official })
}

/// A query as one line, for the tables below.
fn shown(query: &Query) -> String {
    query.clauses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" & ")
}

#[test]
fn what_is_asked() {
    let cases = [
        ("Patient", "name", "Eve", "name=eve*"),
        ("Patient", "name", "Eve,Jó\\,e", "name=eve*,joe*,jo e*"),
        ("Patient", "name:contains", "VE", "name=*ve*"),
        ("Patient", "name:exact", "Eve", "name='Eve'"),
        ("Patient", "name:missing", "true", "name missing true"),
        ("Patient", "gender:not", "male,female", "not gender=male,female"),
        ("Patient", "identifier", "s|1,|2,s|,3", "identifier=s|1,none|2,s|any,3"),
        ("Patient", "birthdate", "ge2000-02", "birthdate=Ge[2000-02-01T00:00:00.000Z]"),
        ("Patient", "_id", "a,b", "id [a, b]"),
        (
            "Patient",
            "_lastUpdated",
            "gt2020,lt2010",
            "updated Gt[2020-01-01T00:00:00.000Z],Lt[2010-01-01T00:00:00.000Z]",
        ),
        ("Patient", "_tag", "s|c", "_tag=s|c"),
        ("Patient", "_source", "http://a", "_source=http://a"),
        ("RiskAssessment", "probability", "gt0.8", "probability=Gt[0.75 0.85)"),
        ("Observation", "subject", "Patient/1", "subject=[Patient]/1"),
        ("Observation", "subject", "http://host/fhir/Group/1", "subject=[Group]/1"),
        ("Observation", "subject", "http://other/Group/1", "subject=<http://other/Group/1>"),
        ("Observation", "subject:Patient", "1", "subject=[Patient]/1"),
        ("Observation", "patient", "1", "patient=[Patient]/1"),
        ("Observation", "subject:identifier", "s|1", "subject=~s|1"),
        ("Observation", "code-value-quantity", "s|c$gt5", "code-value-quantity=s|c$Gt5"),
        ("Observation", "value-quantity", "5.4|http://unitsofmeasure.org|mg", "value-quantity=Eq5.4 = 0.0054 g"),
        ("Observation", "patient.name", "eve", "patient->(Patient: name=eve*)"),
        ("Observation", "subject:Patient.name:exact", "Eve", "subject->(Patient: name='Eve')"),
        ("Observation", "patient.organization.name", "a", "patient->(Patient: organization->(Organization: name=a*))"),
        ("Observation", "subject.birthdate", "2000", "subject->(Patient: birthdate=Eq[2000-01-01T00:00:00.000Z])"),
        ("Observation", "patient._id", "1", "patient->(Patient: id [1])"),
        ("Patient", "_has:Observation:patient:code", "a,b", "Observation.patient<-(code=a,b)"),
        (
            "Patient",
            "_has:Observation:patient:_has:AuditEvent:entity:agent-name",
            "x",
            "Observation.patient<-(AuditEvent.entity<-(agent-name=x*))",
        ),
        (
            "Patient",
            "_has:Observation:patient:performer:Practitioner.name",
            "x",
            "Observation.patient<-(performer->(Practitioner: name=x*))",
        ),
        (
            "Encounter",
            "patient._has:Observation:patient:code",
            "a",
            "patient->(Patient: Observation.patient<-(code=a))",
        ),
        ("Condition", "code:text", "Head Áche,\\,x", "code=word head ache,word ,x"),
        ("Patient", "identifier:of-type", "s|MR|1\\|2", "identifier=s|MR 1|2"),
        ("Condition", "code:in", "http://a/vs|1,ValueSet/b", "code=in <http://a/vs|1>,in <ValueSet/b>"),
        ("Condition", "code:not-in", "http://a/vs", "not code=in <http://a/vs>"),
        ("Condition", "code:below", "http://a|x,y", "code=below http://a|x,below y"),
        ("Patient", "gender:above", "male", "gender=above male"),
        ("Encounter", "patient.gender:in", "http://a", "patient->(Patient: gender=in <http://a>)"),
        ("ValueSet", "url:below", "http://a/,b", "url=http://a/..,b.."),
        ("ValueSet", "url:above", "http://a/b", "url=..http://a/b"),
        ("DocumentReference", "contenttype:below", "text/xml", "contenttype=text/xml,text/xml;"),
        ("Procedure", "location:below", "42", "location below Location/42"),
        ("MedicationAdministration", "context:above", "Encounter/21", "context above Encounter/21"),
        ("PlanDefinition", "definition:below", "http://a|1", "definition=<http://a|1..>"),
        ("Patient", "name:text", "a -b", "name=All([Word(\"a\"), Not(Word(\"b\"))])"),
        ("Patient", "name:fuzzy", "Smiht", "name=Fuzzy([\"smiht\"])"),
        ("Condition", "_text", "Bone,\"a b\"", "Narrative Word(\"bone\"),Phrase([\"a\", \"b\"])"),
        ("Condition", "_content", "a*", "Content Prefix(\"a\")"),
        ("Location", "near", "-83.5|42|11.20|km,1|2", "near=(-83.5 42 11200),(1 2 10000)"),
        ("Patient", "_id:missing", "true", "id []"),
        ("Patient", "_id:not", "a,b", "not (id [a, b])"),
        ("Patient", "_lastUpdated:missing", "false", "not (id [])"),
        ("Observation", "value-quantity", "5.4|http://a|", "value-quantity=Eq5.4 of http://a"),
        ("ValueSet", "url", "http://a|1", "url=http://a & version=1"),
        ("ValueSet", "url", "http://a,http://b", "url=http://a,http://b"),
    ];
    for (on, name, value, expected) in cases {
        let query =
            run(on, &[(name, value)], true, &Limits::default()).unwrap_or_else(|e| panic!("{name}={value}: {e}"));
        assert_eq!(shown(&query), expected, "{on}?{name}={value}");
        assert_eq!(query.used, [(name.to_owned(), value.to_owned())]);
        assert!(query.warnings.is_empty());
    }
}

#[test]
fn what_is_refused() {
    let cases = [
        ("birthdate", "2023-02-30", "value", "value \"2023-02-30\" is not valid: the month does not have this day"),
        ("birthdate", "xx2023", "value", "the prefixes are"),
        ("birthdate:exact", "2023", "not-supported", "modifier \":exact\" is not allowed on a parameter of type date"),
        ("name:nonsense", "a", "not-supported", "modifier \":nonsense\" is not allowed"),
        ("name:not", "a", "not-supported", "not allowed on a parameter of type string"),
        ("name:text", "(a", "value", "a parenthesis is not closed"),
        ("birthdate:text", "a", "not-supported", "modifier \":text\" is not supported"),
        ("name:fuzzy", "-", "value", "no letter or digit"),
        ("gender:fuzzy", "a", "not-supported", "modifier \":fuzzy\" is not allowed on a parameter of type token"),
        ("gender:below", "|a", "value", "a code without a system is in no hierarchy"),
        ("gender:below", "s|", "value", "there is no code in it"),
        ("active:in", "a", "not-supported", "on elements that are no Coding, CodeableConcept, code"),
        ("gender:contains", "a", "not-supported", "not allowed on a parameter of type token"),
        ("name:missing", "yes", "value", "`:missing` is true or false"),
        ("identifier", "a|b|c", "value", "more than one `|`"),
        ("name", "a\\b", "value", "a backslash"),
        ("_id", "a_b", "value", "an id has 1 to 64"),
        ("_id", "a,b_c", "value", "an id has 1 to 64"),
        ("_id:not", "a_b", "value", "an id has 1 to 64"),
        ("_lastUpdated:not", "2020", "not-supported", "modifier \":not\""),
        ("_id:missing", "maybe", "value", "`:missing` is true or false"),
        ("_id:exact", "a", "not-supported", "modifier \":exact\""),
        ("_lastUpdated:not", "2020", "not-supported", "modifier \":not\""),
        ("_explain", "maybe", "value", "true or false"),
        ("_explain:not", "true", "not-supported", "a modifier"),
        ("_lastUpdated", "xx2020", "value", "prefixes"),
        ("general-practitioner", "Nonsense/1", "value", "no Type/id of a known type"),
        ("general-practitioner:Group", "1", "value", "does not refer to Group"),
        ("general-practitioner:Nonsense", "1", "not-supported", "modifier \":Nonsense\""),
        ("link:above", "1", "not-supported", "modifier \":above\" on a reference to types without a hierarchy"),
        ("general-practitioner:above", "http://other/a", "not-supported", "modifier \":above\" on a canonical"),
        ("gender:text", "a", "not-supported", "on elements that are no Coding, CodeableConcept, Identifier"),
        ("gender:of-type", "a|b|c", "not-supported", "on elements that are no Identifier"),
        ("identifier:of-type", "a|b", "value", "takes system|code|value"),
        ("identifier:of-type", "a||b", "value", "takes system|code|value"),
        ("identifier:below", "a", "not-supported", "on elements that are no Coding, CodeableConcept, code"),
        ("name.family", "a", "value", "is not a reference"),
        ("general-practitioner:Group.name", "a", "value", "does not refer to Group"),
        ("general-practitioner.birthdate", "x", "not-supported", "unknown search parameter \"birthdate\""),
        ("_has:Observation:patient", "a", "value", "_has:Type:reference:parameter"),
        ("_has", "a", "value", "_has:Type:reference:parameter"),
        ("_has:Nonsense:patient:code", "a", "value", "unknown resource type \"Nonsense\""),
        ("_has:Observation:code:code", "a", "value", "is not a reference"),
        ("_has:Observation:encounter:code", "a", "value", "does not refer to Patient"),
        ("_text", "\"a", "value", "a quotation is not closed"),
        ("_content", "&", "value", "there is no word in it"),
        ("_content:exact", "a", "not-supported", "a modifier is not supported"),
        ("_summary", "x", "value", "it is true, text, data, count or false"),
        ("_total", "x", "value", "none, estimate or accurate"),
        ("_count", "-1", "value", "whole number"),
        ("_count", "1.5", "value", "whole number"),
        ("_sort", "nonsense", "value", "Patient has no such search parameter"),
        ("_sort:desc", "name", "not-supported", "a modifier is not supported"),
        ("_include", "Patient", "value", "Type:parameter"),
        ("_include", "Patient:name", "value", "is not a reference"),
        ("_include", "Patient:nonsense", "value", "has no search parameter"),
        ("_include", "Patient:organization:Group", "value", "does not refer to Group"),
        ("_include", "*:*", "value", "*"),
        ("_include", "*:subject", "value", "*"),
        ("_include:recurse", "Patient:organization", "not-supported", "modifier \":recurse\""),
        ("_contained", "maybe", "value", "true, false or both"),
        ("_containedType", "both", "value", "container or contained"),
        ("nonsense", "a", "not-supported", "unknown search parameter \"nonsense\" of Patient"),
    ];
    for (name, value, code, message) in cases {
        let fault = run("Patient", &[(name, value)], true, &Limits::default()).expect_err(name);
        assert_eq!((fault.category().status(), fault.issues()[0].code), (400, code), "{name}={value}: {fault}");
        assert!(fault.message().contains(message), "{name}={value}: {fault}");
        assert!(fault.message().contains(name.split([':', '.']).next().expect("a name")), "{name}: {fault}");
    }
    for (on, name, value) in [
        ("Location", "near", "1|x"),
        ("Location", "near:exact", "1|2"),
        ("Location", "_sort", "near"),
        ("ValueSet", "url:below", "urn:oid:1"),
        ("Observation", "code-value-quantity", "a"),
    ] {
        assert!(run(on, &[(name, value)], false, &Limits::default()).is_err(), "{name}");
    }
}

#[test]
fn when_it_was_updated_takes_every_prefix() {
    let text = "2020,ne2020,gt2020,lt2020,ge2020,le2020,sa2020,eb2020,ap2020";
    let query = run("Patient", &[("_lastUpdated", text)], true, &Limits::default()).expect("a query");
    let [Clause::LastUpdated(tests)] = query.clauses.as_slice() else { panic!("{:?}", query.clauses) };
    let prefixes: Vec<_> = tests.iter().map(|test| format!("{:?}", test.prefix).to_lowercase()).collect();
    assert_eq!(prefixes.join(" "), "eq ne gt lt ge le sa eb ap");
}

#[test]
fn lenient_about_the_unknown_only() {
    let params = [("nonsense", "a"), ("patient.nonsense", "b"), ("code", "c"), ("status", ""), ("status", ",")];
    let query = run("Observation", &params, false, &Limits::default()).expect("lenient");
    assert_eq!(shown(&query), "code=c");
    assert_eq!(query.used, [("code".to_owned(), "c".to_owned())]);
    assert_eq!(query.warnings.len(), 4);
    assert!(query.warnings[0].diagnostics.contains("unknown search parameter \"nonsense\" of Observation"));
    assert!(run("Observation", &[("date", "x")], false, &Limits::default()).is_err());
    assert!(run("Observation", &[("patient.birthdate", "x")], false, &Limits::default()).is_err());
}

#[test]
fn how_to_answer() {
    let params = [
        ("_sort", "-date,_id,-_lastUpdated"),
        ("_count", "5000"),
        ("_summary", "count"),
        ("_total", "none"),
        ("_format", "json"),
        ("_include", "Observation:subject:Patient"),
        ("_include:iterate", "Patient:*"),
        ("_include", "*"),
        ("_revinclude", "*"),
        ("_revinclude:iterate", "*"),
        ("_revinclude", "Provenance:target"),
    ];
    let query = run("Observation", &params, true, &Limits::default()).expect("a query");
    assert_eq!(query.sort.iter().map(|key| key.descending).collect::<Vec<_>>(), [true, false, true]);
    assert!(matches!(&query.sort[0].by, SortBy::Param(param) if param.code == "date"));
    assert_eq!((query.count, query.count_only, query.total), (Some(1000), true, Total::None));
    let includes: Vec<_> = query
        .includes
        .iter()
        .map(|i| {
            (
                i.reverse,
                i.source.map_or("*", ResourceType::name),
                i.param.as_ref().map(|p| &*p.code),
                i.target.map(ResourceType::name),
                i.iterate,
            )
        })
        .collect();
    assert_eq!(
        includes,
        [
            (false, "Observation", Some("subject"), Some("Patient"), false),
            (false, "Patient", None, None, true),
            (false, "*", None, None, false),
            (true, "*", None, None, false),
            (true, "*", None, None, true),
            (true, "Provenance", Some("target"), None, false),
        ]
    );
    assert!(query.used.contains(&("_count".into(), "1000".into())) && query.used.len() == params.len() - 1);
    let zero = run("Patient", &[("_count", "0")], true, &Limits::default()).expect("a query");
    assert_eq!(zero.count, Some(0));
    let huge = run("Patient", &[("_count", &"9".repeat(50))], true, &Limits::default()).expect("a query");
    assert_eq!(huge.count, Some(1000));
    assert!(run("Patient", &[("_count", "1"), ("_count", "2")], true, &Limits::default()).is_err());
}

#[test]
fn bounds_are_errors() {
    let limits = Limits::default();
    let many = vec!["a"; limits.search_values + 1].join(",");
    let deep = format!("{}name", "link.".repeat(20));
    let nested = format!("{}code", "_has:Observation:patient:".repeat(20));
    let fan = "focus.focus.focus.focus.focus.code";
    for (on, name, value) in [
        ("Patient", "name", many.as_str()),
        ("Patient", deep.as_str(), "a"),
        ("Patient", nested.as_str(), "a"),
        ("Observation", fan, "a"),
    ] {
        let fault = run(on, &[(name, value)], false, &limits).expect_err("a bound");
        assert!(matches!(fault.issues()[0].code, "too-costly" | "value"), "{fault}");
        assert!(fault.message().len() < 400, "{fault}");
    }
    let most = vec!["a"; limits.search_values].join(",");
    assert!(run("Patient", &[("name", &most)], true, &limits).is_ok());
    let repeated = vec![("name", "a"); limits.search_values + 1];
    assert!(run("Patient", &repeated, true, &limits).is_err());
    assert!(run("Patient", &[("birthdate", "1e999999999")], true, &limits).is_err());
}

#[test]
fn approximate_dates_are_widened_by_the_distance_to_now() {
    let query = run("Patient", &[("birthdate", "ap1980-01-01")], true, &Limits::default()).expect("a query");
    let [Clause::Param { tests, .. }] = query.clauses.as_slice() else { panic!("one clause") };
    let [Test::Date(test)] = tests.as_slice() else { panic!("one date") };
    let start = 3652 * 86_400_000_000_i64;
    assert_eq!(test.prefix, Prefix::Ap);
    assert_eq!((test.span.start, test.span.end), (start - start / 10, start + 86_400_000_000 + start / 10));
}

/// A search of a context, by its path.
fn within(path: &str, params: &[(&str, &str)]) -> Result<Query, Fault> {
    let params: Vec<_> = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let limits = Limits::default();
    let (base, now, official) = ("http://host/fhir", Timestamp(0), ParamSet::default());
    let context = ParseContext { base, strict: false, limits: &limits, now, params: &official };
    parse(SearchContext::of_path(path).expect(path), &params, &context)
}

#[test]
fn what_a_filter_asks() {
    for (on, text, expected) in [
        ("Patient", "name co \"PÉT\"", "name=Contains pet"),
        (
            "Patient",
            "given eq Peter and birthdate ge 2014-10-10",
            "(given=Same peter and birthdate=Ge[2014-10-10T00:00:00.000Z])",
        ),
        (
            "Patient",
            "family sw a or family ew b or family ne c",
            "(family=Starts a or family=Ends b or family=Other c)",
        ),
        ("Patient", "family gt m or family le n", "(family=Above m or family=AtMost n)"),
        ("Patient", "not (gender eq male)", "not (gender=~male)"),
        ("Patient", "gender ne |MALE", "gender=!~none|MALE"),
        ("Patient", "birthdate pr false", "not (birthdate missing false)"),
        (
            "Patient",
            "birthdate po 2020 and birthdate co 2020-01-01",
            "(birthdate=Ap[2020-01-01T00:00:00.000Z] and birthdate=Co[2020-01-01T00:00:00.000Z])",
        ),
        ("Patient", "_id eq a and _id ne b", "(id [a] and not (id [b]))"),
        ("Patient", "_lastUpdated gt 2020", "updated Gt[2020-01-01T00:00:00.000Z]"),
        ("Observation", "code eq loinc|1-8", "code=~http://loinc.org|1-8"),
        ("Observation", "patient.name co x", "patient->(Patient: name=Contains x)"),
        ("Observation", "patient[gender eq male].name co x", "patient->(Patient: (gender=~male and name=Contains x))"),
        ("Observation", "patient.name pr false", "not (patient->(Patient: name missing false))"),
        ("Observation", "patient re Patient/1", "patient=[Patient]/1"),
        ("Observation", "value-quantity gt 5|ucum|mg", "value-quantity=Gt5 = 0.005 g"),
        ("ValueSet", "url ne http://x", "url=!~http://x"),
        ("ValueSet", "url eq http://x", "url=~http://x"),
        ("Observation", "code in http://x/vs", "code=in <http://x/vs>"),
        ("Observation", "code ni ValueSet/x", "not code=in <ValueSet/x>"),
        ("Observation", "code sb loinc|1-8", "code=above http://loinc.org|1-8"),
        ("Observation", "code ss 1-8", "code=below 1-8"),
        ("RiskAssessment", "probability lt 0.5", "probability=Lt[0.45 0.55)"),
        ("RiskAssessment", "probability co 0.5", "probability=implied 0.5"),
        ("Patient", "a-b eq 1", ""),
    ] {
        let found = run(on, &[("_filter", text)], true, &Limits::default());
        match found {
            Ok(query) => assert_eq!(shown(&query), expected, "{text}"),
            Err(fault) => assert!(expected.is_empty(), "{text}: {fault}"),
        }
    }
}

#[test]
fn a_filter_is_never_ignored() {
    for (on, text, code, part) in [
        ("Patient", "nonsense eq 1", "not-supported", "unknown search parameter"),
        ("Patient", "name eq 1 and", "value", "at character 14"),
        ("Patient", "identifier sb x", "not-supported", "on elements that are no Coding, CodeableConcept, code"),
        ("Observation", "code ss loinc|", "value", "there is no code in it"),
        ("Observation", "code co x", "not-supported", "does not apply to \"code\", which is of type token"),
        ("Observation", "patient eq Patient/1", "value", "compared with \"re\""),
        ("Observation", "date sw 2020", "not-supported", "does not apply"),
        ("Observation", "date ge le2020", "value", "begins with a digit"),
        ("Observation", "date ge 2020-13", "value", "is not valid"),
        ("RiskAssessment", "probability co lt1", "value", "begins with a digit"),
        ("Observation", "value-quantity co 1", "not-supported", "does not apply"),
        ("Patient", "name pr maybe", "value", "true or false"),
        ("Patient", "name.family eq x", "value", "is not a reference"),
        ("Patient", "_content co x", "not-supported", "_content"),
        ("Observation", "focus.focus.focus.focus.focus.code eq x", "too-costly", "more than"),
        ("Observation", "patient.link.link.link.link.link.link.link.link.link.name eq x", "too-costly", "steps"),
    ] {
        let fault = run(on, &[("_filter", text)], false, &Limits::default()).expect_err(text);
        assert!(fault.message().contains(part), "{text}: {fault}");
        assert_eq!(fault.issues()[0].code, code, "{text}: {fault}");
    }
    assert!(run("Patient", &[("_filter:not", "name eq x")], true, &Limits::default()).is_err());
    assert!(within("", &[("_filter", "_tag eq x")]).is_ok());
    assert!(within("", &[("_filter", "code eq x")]).is_err());
}

#[test]
fn lists_are_entries_of_lists() {
    let limits = Limits::default();
    let one = |value| run("Patient", &[("_list", value)], true, &limits).map(|query| shown(&query));
    assert_eq!(one("42,43").expect("a list"), "List.item<-(id [42, 43])");
    for value in ["$current-nonsense", "List/42", "a_b"] {
        assert!(one(value).is_err(), "{value}");
    }
    assert!(within("", &[("_list", "42")]).is_ok());
    let chained = run("Observation", &[("patient._list", "42")], true, &limits).expect("a chain");
    assert_eq!(shown(&chained), "patient->(Patient: List.item<-(id [42]))");
    let of_42 = run("Condition", &[("_list", "$current-problems"), ("patient", "42")], true, &limits).expect("a list");
    let codes = "code=http://loinc.org|46105-3,http://loinc.org|11450-4,\
                 http://terminology.hl7.org/CodeSystem/list-example-use-codes|problems";
    let lists = format!("{codes} and status=current and mode=working and subject=[Patient]/42");
    assert_eq!(shown(&of_42), format!("List.item<-(({lists})) & patient=[Patient]/42"));
    let anybody = run("AllergyIntolerance", &[("_list", "$current-drug-allergies")], true, &limits).expect("a list");
    assert!(shown(&anybody).ends_with("mode=working)) and category=medication)"), "{}", shown(&anybody));
    let member = within("Patient/1/*", &[("_list", "$current-medications")]).expect("a list");
    assert!(shown(&member).ends_with("mode=working and subject=[Patient]/1))"), "{}", shown(&member));
}

#[test]
fn types_are_narrowed() {
    let names = |path: &str, params: &[(&str, &str)]| -> Vec<&str> {
        within(path, params).expect(path).types.iter().map(|kind| kind.name()).collect()
    };
    assert_eq!(names("", &[]).len(), 145);
    assert_eq!(names("", &[("_type", "Patient,Group"), ("_type", "Group,Device")]), ["Group"]);
    assert_eq!(names("Patient/1/*", &[("_type", "Condition,Medication")]), ["Condition"]);
    assert_eq!(names("Patient", &[("_type", "Patient")]), ["Patient"]);
    let query = within("Patient/1/*", &[("_type", "Condition,Medication")]).expect("a query");
    assert_eq!((shown(&query).as_str(), query.warnings.len()), ("in Patient/1", 1));
    for (path, value, code) in
        [("", "Pat", "value"), ("Patient", "Group", "value"), ("Patient/1/*", "Medication", "value")]
    {
        assert_eq!(within(path, &[("_type", value)]).expect_err(value).issues()[0].code, code);
    }
    assert!(within("", &[("_type:not", "Patient")]).is_err());
}

#[test]
fn parameters_of_several_types_are_common_to_all() {
    for (path, types, name, value) in [
        ("", "", "_tag", "a"),
        ("", "", "_id", "a"),
        ("", "", "_lastUpdated", "2020"),
        ("", "", "_has:Provenance:target:agent", "Practitioner/1"),
        ("", "", "_sort", "-_lastUpdated,_profile"),
        ("", "Condition,Observation", "code", "a"),
        ("", "Condition,Observation", "patient.name", "a"),
        ("", "Condition,Observation", "_sort", "code"),
        ("", "Patient,Group", "_has:Observation:subject:code", "a"),
        ("Patient/1/*", "", "_security", "a"),
    ] {
        assert!(within(path, &[("_type", types), (name, value)]).is_ok(), "{name}");
    }
    for (types, name, value, text) in [
        ("", "code", "a", "not common to all types"),
        ("Patient,Practitioner", "name", "a", "not common"),
        ("Condition,Patient", "code:not", "a", "for Patient"),
        ("Patient,Group", "_has:Observation:patient:code", "a", "does not refer to Group"),
        ("Condition,Patient", "_sort", "code", "not common"),
    ] {
        let fault = within("", &[("_type", types), (name, value)]).expect_err(name);
        assert!(fault.message().contains(text), "{fault}");
    }
    let query = within("", &[("nonsense", "a")]).expect("a query");
    assert!(query.clauses.is_empty() && query.warnings.len() == 1);
}

proptest::proptest! {
    #[test]
    fn never_panics(name in "(_has:|_sort|name|subject|code|[.:|a-zA-Z])*", value in "\\PC{0,40}") {
        let _ = run("Observation", &[(&name, &value)], false, &Limits::default());
    }
}
