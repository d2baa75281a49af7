//! What the public tests do not ask.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Entry, Found, Request, Root, Search, Source, execute};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::limits;
use crate::fhir::definitions::params::search_params;
use crate::fhir::json::{Json, parse, parse_with, write};
use crate::fhir::types::{ResourceId, ResourceType};

/// A few resources; a search finds all of its type and is written down.
#[derive(Default)]
struct World {
    resources: Vec<Arc<Json>>,
    asked: RefCell<Vec<String>>,
}

impl World {
    fn new(resources: &[&str]) -> Self {
        let resources = resources.iter().map(|text| Arc::new(parse(text.as_bytes()).expect("JSON"))).collect();
        Self { resources, ..Self::default() }
    }

    fn find(&self, kind: &str, id: &str) -> Option<Arc<Json>> {
        let is = |json: &Json, name: &str, value: &str| json.get(name).and_then(Json::as_str) == Some(value);
        self.resources.iter().find(|json| is(json, "resourceType", kind) && is(json, "id", id)).cloned()
    }

    fn root(&self, path: &str) -> Root {
        path.split_once('/').map_or(Root::System, |(kind, id)| Root::Resource(self.find(kind, id).expect(path)))
    }

    fn run(&self, path: &str, query: &str, variables: &str) -> Result<String> {
        let variables = parse(variables.as_bytes()).expect("JSON").as_object().expect("an object").clone();
        let request = Request { query: query.to_owned(), variables, operation: None };
        let data = execute(&request, &self.root(path), self, Timestamp(1_700_000_000_000_000))?;
        let mut text = Vec::new();
        write(&data, &mut text);
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    fn ok(&self, path: &str, query: &str) -> String {
        self.run(path, query, "{}").unwrap_or_else(|fault| panic!("{query}: {fault}"))
    }

    fn fault(&self, path: &str, query: &str) -> Fault {
        self.run(path, query, "{}").expect_err(query)
    }
}

impl Source for World {
    fn read(&self, kind: ResourceType, id: &ResourceId) -> Result<Option<Arc<Json>>> {
        self.asked.borrow_mut().push(format!("{kind}/{}", id.as_str()));
        Ok(self.find(kind.name(), id.as_str()))
    }

    fn resolve(&self, reference: &str) -> Result<Option<Arc<Json>>> {
        self.asked.borrow_mut().push(reference.to_owned());
        Ok(reference.split_once('/').and_then(|(kind, id)| self.find(kind, id)))
    }

    fn params(&self, kind: ResourceType) -> Vec<String> {
        search_params(kind).iter().map(|param| param.code.to_string()).collect()
    }

    fn search(&self, search: &Search) -> Result<Found> {
        self.asked.borrow_mut().push(format!("{:?} {:?} {:?}", search.params, search.count, search.cursor));
        let is = |json: &&Arc<Json>| json.get("resourceType").and_then(Json::as_str) == Some(search.kind.name());
        let all: Vec<&Arc<Json>> = self.resources.iter().filter(is).collect();
        let size = search.count.unwrap_or(50);
        let entry = |json: &&Arc<Json>| Entry { resource: (*json).clone(), mode: Some("match"), score: None };
        Ok(Found {
            total: Some(all.len() as u64),
            size,
            entries: all.iter().take(size).map(entry).collect(),
            next: (all.len() > size).then(|| "next".to_owned()),
            ..Found::default()
        })
    }

    fn most(&self) -> usize {
        4
    }
}

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1970-01-02","_birthDate":{"id":"b"},
    "name":[{"use":"official","family":"A","given":["B","C"],"_given":[null,{"id":"g"}]},{"use":"usual","given":["D"]}],
    "telecom":[{"system":"phone","value":"1","rank":1},{"system":"email","value":"2"}],
    "contained":[{"resourceType":"Organization","id":"o","name":"O","partOf":{"reference":"#"}}],
    "managingOrganization":{"reference":"#o"},"generalPractitioner":[{"reference":"Practitioner/d"},{"reference":"Organization/x"}],
    "multipleBirthInteger":2}"##;

fn world() -> World {
    let observations = (0..3).map(|n| {
        format!(r#"{{"resourceType":"Observation","id":"o{n}","status":"final","subject":{{"reference":"Patient/p"}},"valueQuantity":{{"value":{n}.50}}}}"#)
    });
    let observations: Vec<String> = observations.collect();
    let practitioner = r#"{"resourceType":"Practitioner","id":"d","active":true,"gender":"male"}"#;
    let mut all = vec![PATIENT, practitioner];
    all.extend(observations.iter().map(String::as_str));
    World::new(&all)
}

#[test]
fn elements_are_answered_as_fhir_has_them() {
    let world = world();
    for (query, expected) in [
        (
            "{ resourceType id active multipleBirthInteger }",
            r#"{"resourceType":"Patient","id":"p","active":true,"multipleBirthInteger":2}"#,
        ),
        (
            "{ __typename name { __typename use } }",
            r#"{"__typename":"Patient","name":[{"__typename":"HumanName","use":"official"},{"__typename":"HumanName","use":"usual"}]}"#,
        ),
        ("{ born: birthDate _birthDate { id } }", r#"{"born":"1970-01-02","_birthDate":{"id":"b"}}"#),
        ("{ name(use: official) { _given { id } } }", r#"{"name":[{"_given":[null,{"id":"g"}]}]}"#),
        (
            "{ name(use: official) { given _given { id } } }",
            r#"{"name":[{"given":["B","C"],"_given":[null,{"id":"g"}]}]}"#,
        ),
        (r#"{ name(fhirpath: "$index = 1") { use } }"#, r#"{"name":[{"use":"usual"}]}"#),
        ("{ name(_offset: 1) { given } }", r#"{"name":[{"given":["D"]}]}"#),
        ("{ name(_count: 1) { given @first } }", r#"{"name":[{"given":"B"}]}"#),
        (r#"{ name(use: "usual", fhirpath: "family.exists()") { given } active }"#, r#"{"active":true}"#),
        ("{ telecom(rank: 1) { value } }", r#"{"telecom":[{"value":"1"}]}"#),
        (
            "{ name { family } ...on Patient { name { use } } ...x } fragment x on Resource { id }",
            r#"{"name":[{"family":"A","use":"official"},{"use":"usual"}],"id":"p"}"#,
        ),
        ("{ ... on Observation { status } ... on DomainResource { id } }", r#"{"id":"p"}"#),
        ("{ photo { url } }", "{}"),
    ] {
        assert_eq!(world.ok("Patient/p", query), expected, "{query}");
    }
}

#[test]
fn references_lead_on() {
    let world = world();
    for (query, expected) in [
        (
            "{ managingOrganization { resource { ...on Organization { name partOf { resource { id } } } } } }",
            r#"{"managingOrganization":{"resource":{"name":"O","partOf":{"resource":{"id":"p"}}}}}"#,
        ),
        (
            "{ generalPractitioner { resource(optional: true) { gender } } }",
            r#"{"generalPractitioner":[{"resource":{"gender":"male"}},{}]}"#,
        ),
        (
            "{ generalPractitioner { resource(type: [Practitioner]) { gender } } }",
            r#"{"generalPractitioner":[{"resource":{"gender":"male"}},{}]}"#,
        ),
        ("{ contained { id ...on Organization { name } } }", r#"{"contained":[{"id":"o","name":"O"}]}"#),
    ] {
        assert_eq!(world.ok("Patient/p", query), expected, "{query}");
    }
    let fault = world.fault("Patient/p", "{ generalPractitioner {\n resource { id } } }");
    assert_eq!((fault.issues()[0].code, fault.issues()[0].position), ("not-found", Some((2, 2))));
    // each is looked up once, and not at all where its type tells that it is not wanted
    world.asked.borrow_mut().clear();
    world.ok(
        "Patient/p",
        "{ generalPractitioner { a: resource(type: Practitioner) { id } b: resource(type: Practitioner) { id } } }",
    );
    assert_eq!(*world.asked.borrow(), ["Practitioner/d"]);
}

/// A list of a Patient, a Group and a Location, whose `name` is a HumanName and texts.
fn mixed() -> World {
    World::new(&[
        r#"{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}},
            {"item":{"reference":"Group/g"}},{"item":{"reference":"Organization/o"}}],"subject":{"reference":"Patient/p"}}"#,
        r#"{"resourceType":"Patient","id":"p","birthDate":"1970-01-02","name":[{"use":"official","family":"A"},{"use":"usual","family":"B"}],
            "contact":[{"name":{"family":"C"},"gender":"male"}]}"#,
        r#"{"resourceType":"Group","id":"g","type":"person","actual":true,"name":"G","code":{"text":"code"}}"#,
        r#"{"resourceType":"Organization","id":"o","name":"O","contact":[{"purpose":{"text":"P"},"name":{"family":"D"}}]}"#,
    ])
}

#[test]
fn a_field_of_a_target_fits_any_type_and_is_answered_by_the_one_that_is_there() {
    let world = mixed();
    for (fields, expected) in [
        ("name { family }", r#"[{"name":[{"family":"A"},{"family":"B"}]},{},{}]"#),
        ("name", r#"[{},{"name":"G"},{"name":"O"}]"#),
        ("name(use: official) { family }", r#"[{"name":[{"family":"A"}]},{},{}]"#),
        (r#"name(fhirpath: "use = 'usual'") { family }"#, r#"[{"name":[{"family":"B"}]},{},{}]"#),
        ("name @flatten { family @singleton @first } code { text }", ""),
        (
            "contact { purpose { text } gender name { family } }",
            r#"[{"contact":[{"gender":"male","name":{"family":"C"}}]},{},{"contact":[{"purpose":{"text":"P"},"name":{"family":"D"}}]}]"#,
        ),
        (
            "contact { ...on PatientContact { gender } ...on BackboneElement { id } }",
            r#"[{"contact":[{"gender":"male"}]},{},{"contact":[{}]}]"#,
        ),
        ("code { text } birthDate", r#"[{"birthDate":"1970-01-02"},{"code":{"text":"code"}},{}]"#),
        ("...x", r#"[{"name":[{"family":"A"},{"family":"B"}]},{},{}]"#),
    ] {
        let query = format!(
            "{{ entry @flatten {{ item @flatten {{ resource {{ {fields} }} }} }} }} fragment x on Resource {{ name {{ family }} }}"
        );
        if expected.is_empty() {
            assert!(world.fault("List/l", &query).message().contains("is a @singleton"));
        } else {
            assert_eq!(world.ok("List/l", &query), format!(r#"{{"resource":{expected}}}"#), "{query}");
        }
    }
    for (fields, message) in [
        ("name { nonsense }", "has no field nonsense"),
        ("name(nonsense: 1) { family }", "name has no argument nonsense"),
        ("name(use: official)", "name has no argument use"),
        (r#"name(fhirpath: "nonsense") { family }"#, "no element `nonsense`"),
        ("birthDate { id }", "birthDate is a value"),
        ("identifier", "identifier has parts"),
        ("contact { nonsense }", "no field nonsense"),
        ("nonsense", "Resource has no field nonsense"),
        ("name { family } name", "needs an alias"),
        ("__schema { queryType { name } }", "Resource has no field __schema"),
    ] {
        let fault = world.fault("List/l", &format!("{{ subject {{ resource {{ {fields} }} }} }}"));
        assert!(fault.message().contains(message), "{fields}: {fault}");
    }
}

#[test]
fn targets_of_different_types_may_have_one_name() {
    let world = mixed();
    for (fields, expected) in [
        (
            "reference resource(type: Patient) { birthDate } resource(type: Practitioner) { qualification { identifier { value } } }",
            r#"{"subject":{"reference":"Patient/p","resource":{"birthDate":"1970-01-02"}}}"#,
        ),
        (
            "resource(type: Practitioner) { active } resource(type: [Group, Patient]) { id } resource(type: Practitioner) { gender }",
            r#"{"subject":{"resource":{"id":"p"}}}"#,
        ),
        (
            "x: resource(type: $kind) { birthDate } x: resource(type: Group) { name } ...y",
            r#"{"subject":{"x":{"birthDate":"1970-01-02","id":"p"}}}"#,
        ),
        (
            "resource(optional: true, type: Patient) { id } resource(type: Patient, optional: true) { birthDate }",
            r#"{"subject":{"resource":{"id":"p","birthDate":"1970-01-02"}}}"#,
        ),
    ] {
        let query = format!(
            "query($kind: String = \"Patient\") {{ subject {{ {fields} }} }} fragment y on Reference {{ x: resource(type: $kind) {{ id }} }}"
        );
        assert_eq!(world.ok("List/l", &query), expected, "{query}");
    }
    for fields in [
        "resource(type: Patient) { id } resource { birthDate }",
        "resource(type: Patient) { id } resource(type: [Patient, Group]) { birthDate }",
        "resource(type: Patient) { id } resource: display",
    ] {
        let fault = world.fault("List/l", &format!("{{ subject {{ {fields} }} }}"));
        assert!(fault.message().contains("resource stands for different things"), "{fields}: {fault}");
    }
}

#[test]
fn searches_have_their_parameters() {
    let world = world();
    let found = world.ok(
        "",
        r#"{ ObservationList(value_quantity: "gt1", status: [final, "a,b"], _sort: "-date,_id", _count: 2) { id } }"#,
    );
    assert_eq!(found, r#"{"ObservationList":[{"id":"o0"},{"id":"o1"}]}"#);
    let asked = r#"[("value-quantity", "gt1"), ("status", "final,a\\,b"), ("_sort", "-date,_id")] Some(2) None"#;
    assert_eq!(*world.asked.borrow(), [asked]);
    assert_eq!(
        world.ok("", r#"{ ObservationList(fhirpath: "id = 'o1'", _offset: 0) { id } }"#),
        r#"{"ObservationList":[{"id":"o1"}]}"#
    );
    assert_eq!(world.ok("", "{ ObservationList(_offset: 2) { id } }"), r#"{"ObservationList":[{"id":"o2"}]}"#);
    assert_eq!(world.ok("", "{ GroupList { id } }"), r#"{"GroupList":[]}"#);
    let page = world.ok("", "{ ObservationConnection(_count: 1) { __typename count offset pagesize edges { __typename mode score resource { id } } first next } }");
    assert_eq!(
        page,
        r#"{"ObservationConnection":{"__typename":"ObservationConnection","count":3,"offset":0,"pagesize":1,"edges":[{"__typename":"ObservationEdge","mode":"match","resource":{"id":"o0"}}],"next":"next"}}"#
    );
    world.asked.borrow_mut().clear();
    world.ok("", r#"{ ObservationConnection(_cursor: "x") { count } }"#);
    world.ok("Patient/p", "{ ObservationList(_reference: subject, _count: 1) { id } }");
    world.ok("", "{ Patient(id: p) { ObservationConnection(_reference: patient) { count } } }");
    let asked = [
        r#"[] None Some("x")"#,
        r#"[("subject", "Patient/p")] Some(1) None"#,
        "Patient/p",
        r#"[("patient", "Patient/p")] None None"#,
    ];
    assert_eq!(*world.asked.borrow(), asked);
    assert_eq!(world.fault("", "{ Patient(id: nobody) { id } }").category().status(), 404);
}

#[test]
fn a_list_is_whole_or_an_error() {
    let patients: Vec<String> = (0..5).map(|n| format!(r#"{{"resourceType":"Patient","id":"p{n}"}}"#)).collect();
    let world = World::new(&patients.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(world.fault("", "{ PatientList { id } }").issues()[0].code, "too-costly");
    assert_eq!(world.fault("", "{ PatientList(_count: 5) { id } }").issues()[0].code, "too-costly");
    assert!(world.ok("", "{ PatientList(_count: 4) { id } }").contains("p3"));
}

#[test]
fn answers_are_flattened_as_the_page_says() {
    let world = world();
    for (query, expected) in [
        ("{ name @flatten @first { family given @singleton @first } }", r#"{"family":"A","given":"B"}"#),
        ("{ name @slice(path: \"use\") { family } }", r#"{"name.official":[{"family":"A"}],"name.usual":[{}]}"#),
        (
            "{ telecom @flatten @slice(fhirpath: \"system\") { value @singleton } }",
            r#"{"value.phone":"1","value.email":"2"}"#,
        ),
        ("{ name @flatten { given } telecom @flatten { given: value } }", r#"{"given":["B","C","D","1","2"]}"#),
        (
            "query($e: String = \"$index\") { name @flatten @slice(path: $e) { use @singleton } }",
            r#"{"use.0":"official","use.1":"usual"}"#,
        ),
        (
            "{ managingOrganization @flatten { resource @flatten { id } reference } }",
            r##"{"id":"o","reference":"#o"}"##,
        ),
        (
            "{ generalPractitioner @flatten { resource(type: Practitioner) @flatten { gender } } }",
            r#"{"gender":["male"]}"#,
        ),
    ] {
        assert_eq!(world.ok("Patient/p", query), expected, "{query}");
    }
    for (query, message) in [
        ("{ name @flatten { x: use } telecom @flatten { x: rank } }", "of the types code and positiveInt"),
        ("{ name @flatten { use @singleton } }", "is a @singleton and has 2 values"),
        ("{ active @flatten }", "cannot be flattened"),
    ] {
        let fault = world.fault("Patient/p", query);
        assert!(fault.message().contains(message), "{query}: {fault}");
    }
}

#[test]
fn what_is_unknown_or_misused_is_an_error_whatever_the_data_are() {
    let world = world();
    for (path, query, message) in [
        ("Patient/p", "{ photo { nonsense } }", "Attachment has no field nonsense"),
        ("Patient/p", "{ deceased }", "Patient has no field deceased"),
        ("Patient/p", "{ _name { id } }", "no field _name"),
        ("Patient/p", "{ name }", "has parts"),
        ("Patient/p", "{ active { id } }", "is a value"),
        ("Patient/p", "{ active(_count: 1) }", "active has no argument _count"),
        ("Patient/p", "{ name(nonsense: 1) { use } }", "name has no argument nonsense"),
        ("Patient/p", "{ name(_count: -1) { use } }", "at least 0"),
        ("Patient/p", "{ name(fhirpath: \"family.\") { use } }", "fhirpath"),
        ("Patient/p", "{ name(fhirpath: \"nonsense\") { use } }", "no element `nonsense`"),
        ("Patient/p", "{ ...on Nonsense { id } }", "no type Nonsense"),
        ("Patient/p", "{ ...x }", "no fragment x"),
        ("Patient/p", "{ ...x } fragment x on Patient { ...y } fragment y on Patient { ...x }", "contains itself"),
        ("Patient/p", "{ id } fragment x on Patient { id } fragment x on Patient { id }", "defined twice"),
        ("Patient/p", "{ id @nonsense }", "@nonsense is not known"),
        ("Patient/p", "{ ObservationList(_reference: subject) @flatten { id } }", "@flatten is not known here"),
        ("Patient/p", "{ id @skip }", "needs its argument if"),
        ("Patient/p", "{ id @skip(if: 1) }", "needs a Boolean"),
        ("Patient/p", "{ id @skip(if: true) @skip(if: true) }", "stands twice"),
        ("Patient/p", "{ id @include(if: $x) }", "$x is not defined"),
        ("Patient/p", "{ x: id x: active }", "needs an alias"),
        ("Patient/p", "{ managingOrganization { resource(type: Nonsense) { id } } }", "no type Nonsense"),
        ("Patient/p", "{ managingOrganization { resource(optional: maybe) { id } } }", "optional is a Boolean"),
        ("Patient/p", "{ ObservationList { id } }", "needs the argument _reference"),
        ("Patient/p", "{ ObservationList(_reference: nonsense) { id } }", "no search parameter nonsense"),
        (
            "Patient/p",
            "{ ObservationConnection(_reference: subject, _cursor: \"x\") { count } }",
            "no argument _cursor",
        ),
        ("", "{ PatientList(_include: \"x\") { id } }", "no argument _include"),
        ("", "{ PatientList(nonsense: 1) { id } }", "no argument nonsense"),
        ("", "{ PatientList(name: {a: 1}) { id } }", "has values"),
        ("", "{ PatientConnection(_cursor: \"x\", name: \"y\") { count } }", "cannot be changed"),
        ("", "{ Patient { id } }", "needs its id"),
        ("", "{ Patient(id: \"a b\") { id } }", ""),
        ("", "{ ParametersList { id } }", "Query has no field ParametersList"),
        ("", "{ id }", "Query has no field id"),
        ("", "{ __schema { types { nonsense } } }", "__Type has no field nonsense"),
        ("", "{ __type { name } }", "needs the name of the type"),
    ] {
        let fault = world.fault(path, query);
        let issue = &fault.issues()[0];
        assert!(issue.diagnostics.contains(message), "{query}: {fault}");
        assert_eq!(fault.category().status(), 400, "{query}");
        assert!(issue.position.is_some(), "{query} has no place: {fault}");
    }
}

#[test]
fn what_a_query_costs_is_bounded() {
    let world = world();
    let code = |query: &str| world.fault("Patient/p", query).issues()[0].code;
    // fragments that multiply
    let mut bomb = "{ ...f0 }".to_owned();
    for n in 0..20 {
        bomb.push_str(&format!(" fragment f{n} on Patient {{ ...f{} ...f{} }}", n + 1, n + 1));
    }
    bomb.push_str(" fragment f20 on Patient { id }");
    assert_eq!(code(&bomb), "too-costly");
    // expressions
    let slow = r#"{ name(fhirpath: "repeatAll($this | %resource).count() > 0") { use } }"#;
    assert_eq!(code(slow), "too-costly");
    // reads
    let many: String = (0..=limits::GRAPHQL_SEARCHES).map(|n| format!(" a{n}: Patient(id: p) {{ id }}")).collect();
    assert_eq!(world.fault("", &format!("{{{many}}}")).issues()[0].code, "too-costly");
    // references
    let list = |n: usize| {
        (0..n).map(|n| format!(r#"{{"item":{{"reference":"Patient/x{n}"}}}}"#)).collect::<Vec<_>>().join(",")
    };
    let of_list = |entries: String| {
        World::new(&[&format!(
            r#"{{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{entries}]}}"#
        )])
    };
    let query = "{ entry { item { resource(optional: true) { id } } } }";
    assert!(of_list(list(limits::GRAPHQL_REFERENCES)).run("List/l", query, "{}").is_ok());
    assert_eq!(of_list(list(limits::GRAPHQL_REFERENCES + 1)).fault("List/l", query).issues()[0].code, "too-costly");
    // values
    let aliases: String = (0..300).map(|n| format!(" a{n}: entry {{ item {{ reference }} }}")).collect();
    assert_eq!(of_list(list(5000)).fault("List/l", &format!("{{{aliases}}}")).issues()[0].code, "too-costly");
    // selections that yield nothing
    let many = " display @skip(if: true)".repeat(1000) + &" display".repeat(6000);
    let query = format!("{{ entry {{ item {{ reference {many} }} }} }}");
    assert_eq!(of_list(list(5000)).fault("List/l", &query).issues()[0].code, "too-costly");
    assert!(of_list(list(100)).run("List/l", &query, "{}").is_ok());
    // bytes
    let big = format!(r#"{{"resourceType":"Patient","id":"p","name":[{{"text":"{}"}}]}}"#, "x".repeat(1 << 20));
    let big = World::new(&[&big]);
    let aliases: String = (0..33).map(|n| format!(" a{n}: name {{ text }}")).collect();
    assert_eq!(big.fault("Patient/p", &format!("{{{aliases}}}")).issues()[0].code, "too-costly");
    // depth, by a reference that leads back
    let deep =
        "{ managingOrganization { resource { ...o } } } fragment o on Organization { partOf { resource { id } } }";
    assert!(world.run("Patient/p", deep, "{}").is_ok());
    assert!(parse_with(b"{}", 1).is_ok());
}

/// What graphical clients ask for at their start.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
    description types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
    fragment FullType on __Type { kind name description specifiedByURL
      fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue }
      type { ...TypeRef } isDeprecated deprecationReason } inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
      enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";

#[test]
fn the_schema_is_told_and_closed() {
    let world = world();
    let text = world.ok("", INTROSPECTION);
    let json = parse_with(text.as_bytes(), 64).expect("JSON");
    let schema = json.get("__schema").expect("a schema");
    let text_of = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let list = |json: &Json, name: &str| json.get(name).and_then(Json::as_array).unwrap_or_default().to_vec();
    let types = list(schema, "types");
    let mut names: Vec<String> = types.iter().filter_map(|kind| text_of(kind, "name")).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert!(names.len() == all && all > 900, "{all} types, {} names", names.len());
    let mut named = Vec::new();
    let mut follow = |mut kind: Json| {
        while let Some(inner) = kind.get("ofType").filter(|inner| **inner != Json::Null) {
            kind = inner.clone();
        }
        named.extend(text_of(&kind, "name"));
    };
    for field in types.iter().flat_map(|kind| list(kind, "fields")) {
        follow(field.get("type").expect("a type").clone());
        list(&field, "args").iter().for_each(|argument| follow(argument.get("type").expect("a type").clone()));
    }
    assert!(named.iter().all(|name| names.binary_search(name).is_ok()), "every type that is named is there");
    println!("{all} types, {} bytes", text.len());
    let found = world
        .ok("", r#"{ __type(name: "PatientContact") { name kind fields { name } } none: __type(name: "X") { name } }"#);
    assert!(
        found.starts_with(r#"{"__type":{"name":"PatientContact","kind":"OBJECT","fields":[{"name":"id"}"#),
        "{found}"
    );
    assert!(found.ends_with(r#""none":null}"#), "{found}");
}

#[test]
fn a_resource_tells_its_own_schema() {
    let world = world();
    for (query, expected) in [
        (
            "{ __schema { queryType { name kind } } id }",
            r#"{"__schema":{"queryType":{"name":"Patient","kind":"OBJECT"}},"id":"p"}"#,
        ),
        (
            r#"{ __type(name: "Patient") { name } none: __type(name: "Query") { name } }"#,
            r#"{"__type":{"name":"Patient"},"none":null}"#,
        ),
        (
            "{ ...x } fragment x on Patient { __schema { mutationType { name } } }",
            r#"{"__schema":{"mutationType":null}}"#,
        ),
    ] {
        assert_eq!(world.ok("Patient/p", query), expected, "{query}");
    }
    let text = world.ok("Patient/p", INTROSPECTION);
    assert!(text.contains(r#"{"kind":"OBJECT","name":"Patient","#) && !text.contains(r#""name":"Query""#));
    let fault = world.fault("Patient/p", "{ name { __schema { queryType { name } } } }");
    assert!(fault.message().contains("HumanName has no field __schema"), "{fault}");
    let fault = world.fault("Patient/p", "{ name @flatten { __type(name: \"Query\") { name } } }");
    assert!(fault.message().contains("HumanName has no field __type"), "{fault}");
    assert!(
        world
            .fault("", "{ Patient(id: p) { __schema { queryType { name } } } }")
            .message()
            .contains("no field __schema")
    );
}

#[test]
fn values_without_a_value_keep_their_place() {
    let world = World::new(&[
        r#"{"resourceType":"Patient","id":"n","name":[{"given":["E",null,"F"],"_given":[null,{"id":"h"},null]}]}"#,
    ]);
    let expected = r#"{"name":[{"given":["E",null,"F"],"_given":[null,{"id":"h"},null]}]}"#;
    assert_eq!(world.ok("Patient/n", "{ name { given _given { id } } }"), expected);
    let fault = world.fault("Patient/n", "{ ObservationList(_reference: code) { id } }");
    assert!(fault.message().contains("no references"), "{fault}");
}
