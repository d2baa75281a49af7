//! What the public tests do not ask.

use super::text::TextWriter;
use super::{Storage, TextFormat, View};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::limits;
use crate::fhir::json::{Json, parse};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn json(text: &str) -> Json {
    parse(text.as_bytes()).expect("JSON")
}

/// A view of patients with this content, beside its resource.
fn view(content: &str) -> Result<View> {
    View::compile(&json(&format!(r#"{{"resourceType":"ViewDefinition","resource":"Patient",{content}}}"#)), "view")
}

fn refused(content: &str) -> Fault {
    view(content).expect_err(content)
}

fn written(view: &View, format: TextFormat, resources: &[&str]) -> Result<String> {
    let mut out = Vec::new();
    let mut writer = TextWriter::new(format, view.columns(), &mut out);
    for resource in resources {
        for row in view.rows(&json(resource), NOW)? {
            writer.row(&row, &mut out);
        }
    }
    writer.end(&mut out);
    Ok(String::from_utf8(out).expect("UTF-8"))
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1970-06",
    "name":[{"use":"official","family":"A, \"B\"","given":["C","D"]},{"given":["E"]}],
    "identifier":[{"value":" x"},{"value":""}],"multipleBirthInteger":2,"deceasedDateTime":"2020",
    "link":[{"type":"seealso","other":{"reference":"Patient/q/_history/3"}},{"type":"refer","other":{"reference":"http://h/Patient/r"}}]}"#;

#[test]
fn tables_are_written_in_every_form() {
    let view = view(
        r#""select":[{"column":[{"name":"id","path":"getResourceKey()"},{"name":"n","path":"multipleBirth.ofType(integer)"},
        {"name":"given","path":"name.given","collection":true},{"name":"active","path":"active"},
        {"name":"gender","path":"gender"}],"select":[{"forEach":"name","column":[{"name":"family","path":"family"}]}]}]"#,
    );
    let view = view.expect("a view");
    let csv = written(&view, TextFormat::Csv { has_header: true }, &[PATIENT, r#"{"resourceType":"Group"}"#]);
    let expected = "id,n,given,active,gender,family\np,2,\"[\"\"C\"\",\"\"D\"\",\"\"E\"\"]\",true,,\"A, \"\"B\"\"\"\n\
                    p,2,\"[\"\"C\"\",\"\"D\"\",\"\"E\"\"]\",true,,\n";
    assert_eq!(csv.expect("CSV"), expected);
    let lines = written(&view, TextFormat::NdJson, &[PATIENT]).expect("NDJSON");
    let first = r#"{"id":"p","n":2,"given":["C","D","E"],"active":true,"gender":null,"family":"A, \"B\""}"#;
    assert_eq!(lines.lines().next(), Some(first));
    let array = written(&view, TextFormat::Json, &[PATIENT, PATIENT]).expect("JSON");
    assert_eq!(json(&array).as_array().map(<[Json]>::len), Some(4));
    assert_eq!(written(&view, TextFormat::Json, &[]).expect("JSON"), "[]\n");
    assert_eq!(written(&view, TextFormat::Csv { has_header: false }, &[]).expect("CSV"), "");
}

#[test]
fn an_empty_text_is_told_from_nothing_in_csv() {
    let view = view(
        r#""select":[{"forEach":"identifier","column":[{"name":"v","path":"value"},{"name":"s","path":"system"}]}]"#,
    );
    let csv = written(&view.expect("a view"), TextFormat::Csv { has_header: false }, &[PATIENT]);
    assert_eq!(csv.expect("CSV"), "\" x\",\n\"\",\n");
}

#[test]
fn types_are_declared_tagged_or_told_by_the_path() {
    let view = view(
        r#""select":[{"column":[{"name":"a","path":"active"},{"name":"b","path":"birthDate"},
        {"name":"c","path":"multipleBirth.ofType(integer)"},{"name":"d","path":"name.exists()"},
        {"name":"e","path":"meta.lastUpdated"},{"name":"f","path":"name.count() + 1"},{"name":"g","path":"photo.first().data"},
        {"name":"h","path":"birthDate","tag":[{"name":"ansi/type","value":"date"}]},
        {"name":"i","path":"id","type":"http://hl7.org/fhir/StructureDefinition/id"},{"name":"j","path":"%rowIndex"},
        {"name":"k","path":"name.first()"},{"name":"l","path":"id","tags":[{"name":"x/y","value":"Z"}]}]}]"#,
    );
    let view = view.expect("a view");
    let storage: Vec<Storage> = view.columns().iter().map(|column| column.storage).collect();
    use Storage::{Binary, Boolean, Date, Int, Text, Timestamp};
    assert_eq!(storage, [Boolean, Text, Int, Boolean, Timestamp, Int, Binary, Date, Text, Int, Text, Text]);
    assert!(view.columns()[10].is_open && !view.columns()[8].is_open);
}

#[test]
fn keys_are_those_of_this_server() {
    let view = view(
        r#""select":[{"forEach":"link","column":[{"name":"key","path":"other.getReferenceKey()"},
        {"name":"patient","path":"other.getReferenceKey(Patient)"},{"name":"group","path":"other.getReferenceKey(Group)"}]}]"#,
    );
    let lines = written(&view.expect("a view"), TextFormat::Csv { has_header: false }, &[PATIENT]);
    assert_eq!(lines.expect("CSV"), "q,q,\n,,\n");
}

#[test]
fn boundaries_of_periods_are_those_of_their_ends() {
    let text = r#"{"resource":"Encounter","select":[{"column":[{"name":"low","path":"period.lowBoundary()","type":"dateTime"},
        {"name":"high","path":"period.highBoundary()","type":"dateTime"}]}]}"#;
    let view = View::compile(&json(text), "view").expect("a view");
    let encounter = r#"{"resourceType":"Encounter","id":"e","period":{"start":"2020-02"}}"#;
    let csv = written(&view, TextFormat::Csv { has_header: false }, &[encounter]).expect("CSV");
    assert_eq!(csv, "2020-02-01T00:00:00.000+14:00,\n");
}

#[test]
fn calculated_values_can_be_gone_through() {
    let view = view(
        r#""select":[{"forEach":"name.given.select($this & '!')","column":[{"name":"v","path":"$this"},{"name":"at","path":"%rowIndex"},
        {"name":"id","path":"%resource.id"}]}]"#,
    );
    let csv = written(&view.expect("a view"), TextFormat::Csv { has_header: false }, &[PATIENT]);
    assert_eq!(csv.expect("CSV"), "C!,0,p\nD!,1,p\nE!,2,p\n");
}

#[test]
fn what_is_wrong_with_a_definition_is_told_with_its_place() {
    let column = r#"{"name":"a","path":"id"}"#;
    let cases = [
        (r#""select":[]"#, "view.select", "missing"),
        (r#""select":{}"#, "view.select", "a list"),
        (r#""select":[1]"#, "view.select[0]", "objects"),
        (r#""select":[{}]"#, "view.select[0]", "needs a column"),
        (r#""select":[{"column":[{"path":"id"}]}]"#, "view.select[0].column[0].name", "missing"),
        (r#""select":[{"column":[{"name":"a"}]}]"#, "view.select[0].column[0].path", "missing"),
        (
            r#""select":[{"column":[{"name":"1a","path":"id"}]}]"#,
            "view.select[0].column[0].name",
            "begins with a letter",
        ),
        (
            r#""select":[{"column":[{"name":"a","path":"id","type":"text"}]}]"#,
            "view.select[0].column[0].type",
            "no FHIR type",
        ),
        (
            r#""select":[{"column":[{"name":"a","path":"id","collection":"x"}]}]"#,
            "view.select[0].column[0].collection",
            "boolean",
        ),
        (
            r#""select":[{"column":[{"name":"id","path":"invalid.path.syntax"}]}]"#,
            "view.select[0].column[0].path",
            "no element `invalid`",
        ),
        (
            r#""select":[{"column":[{"name":"id","path":"%nobody"}]}]"#,
            "view.select[0].column[0].path",
            "unknown variable",
        ),
        (
            r#""select":[{"column":[{"name":"id","path":"name.memberOf('x')"}]}]"#,
            "view.select[0].column[0].path",
            "not available",
        ),
        (
            r#""select":[{"forEach":"name","forEachOrNull":"name","column":[{"name":"a","path":"use"}]}]"#,
            "view.select[0]",
            "only one of",
        ),
        (r#""select":[{"repeat":[],"column":[{"name":"a","path":"use"}]}]"#, "view.select[0].repeat", "list of paths"),
        (
            r#""select":[{"repeat":["item("],"column":[{"name":"a","path":"use"}]}]"#,
            "view.select[0].repeat[0]",
            "column 6",
        ),
        (r#""status":"gone","select":[{"column":[{"name":"a","path":"id"}]}]"#, "view.status", "draft"),
        (r#""constant":[{"name":"c"}],"select":[]"#, "view.constant[0]", "one value"),
        (r#""constant":[{"name":"c","valueString":"1","valueCode":"2"}],"select":[]"#, "view.constant[0]", "one value"),
        (r#""constant":[{"name":"c","valueInteger":"1"}],"select":[]"#, "view.constant[0]", "no integer"),
        (r#""constant":[{"name":"c","valueDate":"2020-99"}],"select":[]"#, "view.constant[0]", "no date"),
        (r#""constant":[{"name":"c","valuePositiveInt":0}],"select":[]"#, "view.constant[0]", "no positiveInt"),
        (r#""constant":[{"name":"c","valueInteger":99999999999}],"select":[]"#, "view.constant[0]", "no integer"),
        (r#""constant":[{"name":"c","valueTime":"25:00:00"}],"select":[]"#, "view.constant[0]", "no time"),
        (r#""constant":[{"name":"c","valueCoding":{}}],"select":[]"#, "view.constant[0]", "none may have"),
        (
            r#""constant":[{"name":"resource","valueString":"x"}],"select":[]"#,
            "view.constant[0].name",
            "a meaning already",
        ),
        (
            r#""constant":[{"name":"c","valueString":"x"},{"name":"c","valueString":"x"}],"select":[]"#,
            "view.constant[1].name",
            "twice",
        ),
    ];
    for (content, place, message) in cases {
        let fault = refused(content);
        let issue = &fault.issues()[0];
        assert_eq!(fault.category().status(), 422, "{content}");
        assert_eq!(issue.expression.as_deref(), Some(place), "{content}: {fault}");
        assert!(issue.diagnostics.contains(message), "{content}: {fault}");
    }
    let twice = refused(&format!(r#""select":[{{"column":[{column}]}},{{"column":[{column}]}}]"#));
    assert!(twice.message().contains("defined twice"), "{twice}");
    let union = |a: &str, b: &str| {
        refused(&format!(r#""select":[{{"unionAll":[{{"column":[{a}]}},{{"column":[{b}]}}]}}]"#)).message().to_owned()
    };
    let swapped =
        union(&format!(r#"{column},{{"name":"b","path":"id"}}"#), &format!(r#"{{"name":"b","path":"id"}},{column}"#));
    assert!(swapped.contains("(a, b) and (b, a)"), "{swapped}");
    let typed = union(r#"{"name":"a","path":"id","type":"id"}"#, r#"{"name":"a","path":"active","type":"boolean"}"#);
    assert!(typed.contains("another type"), "{typed}");
    let whole = View::compile(&json("[]"), "view").expect_err("no object");
    assert!(whole.message().contains("is an object"), "{whole}");
    let other = json(r#"{"resourceType":"Patient"}"#);
    assert!(View::compile(&other, "view").is_err());
}

#[test]
fn values_are_of_their_columns_types() {
    for (path, kind, message) in [
        ("name.family.first()", "integer", "is of type integer and gets a text"),
        ("name.first()", "string", "gets an element"),
        ("active", "decimal", "gets a boolean"),
        ("active", "date", "gets a boolean"),
        ("active", "Coding", "gets a boolean"),
        ("id", "decimal", "gets a text"),
        ("id", "date", "gets a text"),
        ("id", "time", "gets a text"),
        ("birthDate", "instant", "gets a text"),
        ("deceased.ofType(dateTime) & 'T10:00:00Z'", "date", "gets a text"),
        ("multipleBirth.ofType(integer)", "decimal", ""),
        ("birthDate", "dateTime", ""),
        ("multipleBirth.ofType(integer)", "boolean", "gets a number"),
        ("name.given", "string", "several values"),
    ] {
        let view = view(&format!(r#""select":[{{"column":[{{"name":"a","path":"{path}","type":"{kind}"}}]}}]"#));
        let rows = view.expect("a view").rows(&json(PATIENT), NOW);
        match message {
            "" => assert!(rows.is_ok(), "{path}"),
            message => {
                let fault = rows.expect_err(path);
                assert!(fault.message().starts_with("Patient/p: ") && fault.message().contains(message), "{fault}");
                assert_eq!(fault.category().status(), 422);
            }
        }
    }
}

#[test]
fn declared_texts_are_texts_in_every_form() {
    let view = view(
        r#""select":[{"column":[{"name":"a","path":"active","type":"string"},{"name":"n","path":"multipleBirth.ofType(integer)","type":"code"},
        {"name":"l","path":"active | multipleBirth.ofType(integer)","type":"string","collection":true},{"name":"u","path":"active"}],
        "select":[{"forEachOrNull":"photo","column":[{"name":"i","path":"%rowIndex","type":"string"}]}]}]"#,
    );
    let lines = written(&view.expect("a view"), TextFormat::NdJson, &[PATIENT]).expect("NDJSON");
    assert_eq!(lines, "{\"a\":\"true\",\"n\":\"2\",\"l\":[\"true\",\"2\"],\"u\":true,\"i\":\"0\"}\n");
}

#[test]
fn branches_of_a_union_are_of_the_same_types() {
    let union = |a: &str, b: &str| {
        let branch = |column: &str| format!(r#"{{"column":[{{"name":"a",{column}}}]}}"#);
        view(&format!(r#""select":[{{"unionAll":[{},{}]}}]"#, branch(a), branch(b)))
    };
    for (a, b, what) in [
        (r#""path":"id""#, r#""path":"active""#, "string and boolean"),
        (r#""path":"active","type":"string""#, r#""path":"active""#, "string and boolean"),
        (r#""path":"birthDate""#, r#""path":"deceased.ofType(dateTime)""#, "date and dateTime"),
        (r#""path":"name.count()""#, r#""path":"name.count() / 2""#, "integer and decimal"),
        (r#""path":"name.first()""#, r#""path":"id""#, "HumanName and string"),
        (r#""path":"id""#, r#""path":"name.given","collection":true"#, "a collection and none"),
    ] {
        let fault = union(a, b).expect_err(what);
        assert!(fault.message().contains(what), "{fault}");
        assert_eq!(
            (fault.category().status(), fault.issues()[0].expression.as_deref()),
            (422, Some("view.select[0].unionAll[1]"))
        );
        assert!(union(b, a).is_err(), "{what}");
    }
    for (a, b) in [
        (r#""path":"id""#, r#""path":"name.first().family""#),
        (r#""path":"birthDate","type":"dateTime""#, r#""path":"deceased.ofType(dateTime)""#),
        (r#""path":"{}""#, r#""path":"active""#),
        (r#""path":"id""#, r#""path":"iif(active, 'x', 1)""#),
        (r#""path":"extension.first().value""#, r#""path":"active","type":"boolean""#),
    ] {
        union(a, b).unwrap_or_else(|fault| panic!("{a} {b}: {fault}"));
    }
}

#[test]
fn what_a_resource_costs_is_bounded() {
    let view_of = |content: &str| view(content).expect("a view");
    let endless = view_of(r#""select":[{"repeat":["$this"],"column":[{"name":"a","path":"id"}]}]"#);
    let fault = endless.rows(&json(PATIENT), NOW).expect_err("endless");
    assert!(fault.message().contains("deeper than"), "{fault}");
    let wide = view_of(r#""select":[{"repeat":["$this | name | %resource"],"column":[{"name":"a","path":"1"}]}]"#);
    assert_eq!(wide.rows(&json(PATIENT), NOW).expect_err("wide").issues()[0].code, "too-costly");
    let names: Vec<String> = (0..200).map(|_| r#"{"family":"x"}"#.to_owned()).collect();
    let patient = format!(r#"{{"resourceType":"Patient","id":"p","name":[{}]}}"#, names.join(","));
    let each = |name: &str| format!(r#"{{"forEach":"name","column":[{{"name":"{name}","path":"family"}}]}}"#);
    let squared = view_of(&format!(r#""select":[{},{}]"#, each("a"), each("b")));
    assert_eq!(squared.rows(&json(&patient), NOW).expect("40,000 rows").len(), 40_000);
    let cubed = view_of(&format!(r#""select":[{},{},{}]"#, each("a"), each("b"), each("c")));
    assert_eq!(cubed.rows(&json(&patient), NOW).expect_err("8 million rows").issues()[0].code, "too-costly");
    let column = |at: usize| format!(r#"{{"name":"c{at}","path":"id"}}"#);
    let columns: Vec<String> = (0..=limits::VIEW_COLUMNS).map(column).collect();
    assert!(refused(&format!(r#""select":[{{"column":[{}]}}]"#, columns.join(","))).message().contains("at most"));
}
