//! Hostile queries of GraphQL and views: a clear 4xx or the right answer, in bounded time and memory. What each costs is printed
//! with `--nocapture`.

use std::fmt::Write;
use std::time::Instant;

use serde_json::{Value, json};

use super::hostile::{BOUND_MIB, kib};
use crate::support::{Database, TestApp};

/// A request, and the code of its refusal; `None`: it is answered.
struct Query {
    name: &'static str,
    body: String,
    code: Option<&'static str>,
}

fn graphql() -> Vec<Query> {
    let query = |name, body: String, code| Query { name, body, code };
    let lines = |count: usize, line: &dyn Fn(usize) -> String| {
        (0..count).fold(String::new(), |mut all, n| {
            let _ = write!(all, "{} ", line(n));
            all
        })
    };
    let double = |n: usize| format!("fragment f{} on Patient {{ a: id ...f{n} ...f{n} }}", n + 1);
    let fields = "fragment f0 on Patient { id }";
    let circle = "{ PatientList { ...a } } fragment a on Patient { ...b } fragment b on Patient { ...a }";
    let brackets = "(".repeat(100_000);
    vec![
        query("1 000 000 open braces", "{a".repeat(1_000_000), Some("too-costly")),
        query("1 000 000 brackets", format!("{{PatientList(name: {}", "[".repeat(1_000_000)), Some("too-costly")),
        query("8 MB of text", format!("{{PatientList(name: \"{}", "a".repeat(8 << 20)), Some("structure")),
        query("fragments in a circle", circle.to_owned(), Some("invalid")),
        query("doubled", format!("{{ PatientList {{ ...f40 }} }} {fields} {}", lines(40, &double)), Some("too-costly")),
        query(
            "100 000 aliases",
            format!("{{ {} }}", lines(100_000, &|n| format!("a{n}: __typename"))),
            Some("too-costly"),
        ),
        query(
            "searches",
            format!("{{ {} }}", lines(2000, &|n| format!("a{n}: PatientList {{ id }}"))),
            Some("too-costly"),
        ),
        query(
            "_count of 20 digits",
            format!("{{ PatientConnection(_count: {}) {{ count }} }}", "9".repeat(20)),
            Some("invalid"),
        ),
        query("_count of a million", "{ PatientConnection(_count: 1000000) { count pagesize } }".to_owned(), None),
        query("a filter", format!("{{ PatientList(_filter: \"{brackets}\") {{ id }} }}"), Some("too-costly")),
        query("a path", format!("{{ PatientList(fhirpath: \"{brackets}\") {{ id }} }}"), Some("invalid")),
    ]
}

/// A view on a Patient with 40 given names that comes with it.
fn on_a_patient(select: &Value) -> String {
    let given: Vec<String> = (0..40).map(|n| format!("g{n}")).collect();
    let view = json!({"resourceType": "ViewDefinition", "resource": "Patient", "select": select});
    json!({"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": view},
        {"name": "resource", "resource": {"resourceType": "Patient", "id": "x", "name": [{"given": given}]}}]})
    .to_string()
}

fn views() -> Vec<Query> {
    let query = |name, select: Value, code| Query { name, body: on_a_patient(&select), code };
    let constants: Vec<Value> = (0..300_000).map(|n| json!({"name": format!("c{n}"), "valueInteger": 1})).collect();
    let constants =
        json!({"resourceType": "ViewDefinition", "resource": "Patient", "constant": constants, "select": []});
    let column = |path: String| json!([{"column": [{"name": "a", "path": path}]}]);
    let columns: Vec<Value> = (0..100_000).map(|n| json!({"name": format!("c{n}"), "path": "id"})).collect();
    let mut deep = json!({"column": [{"name": "id", "path": "id"}]});
    (0..50).for_each(|_| deep = json!({"select": [deep]}));
    let crossed: Vec<Value> = (0..12)
        .map(|n| json!({"forEach": "name.given", "column": [{"name": format!("c{n}"), "path": "$this"}]}))
        .collect();
    let doubled = format!("'a'{}.length()", ".select($this & $this)".repeat(60));
    vec![
        query("a view of 100 000 columns", json!([{"column": columns}]), Some("invalid")),
        Query { name: "300 000 constants", body: constants.to_string(), code: Some("invalid") },
        query("50 selects in each other", json!([deep]), Some("structure")),
        query("a path of 100 000 brackets", column("(".repeat(100_000)), Some("invalid")),
        query("a text that doubles 60 times", column(doubled), Some("too-costly")),
        query("40 names crossed 12 times", json!(crossed), Some("too-costly")),
    ]
}

#[test]
fn queries_and_views_are_bounded() {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    client.get("Patient").expect(200);
    let graphql = graphql().into_iter().map(|query| ("/fhir/$graphql", "application/graphql", query));
    let views = views().into_iter().map(|query| ("/fhir/$viewdefinition-run", "application/fhir+json", query));
    let mut wrong = Vec::new();
    for (target, content_type, Query { name, body, code }) in graphql.chain(views) {
        // The peak of what is resident begins anew.
        std::fs::write(format!("/proc/{}/clear_refs", app.pid()), "5").unwrap();
        let (before, started) = (kib(app.pid(), "VmRSS"), Instant::now());
        let answer = client.send("POST", target, &[("Content-Type", content_type)], body.as_bytes());
        let (peak, seconds) = (kib(app.pid(), "VmHWM").saturating_sub(before) / 1024, started.elapsed().as_secs());
        let text = answer.text();
        eprintln!("| {name} | {:.1} MB | {} | {peak} MiB | {seconds} s |", body.len() as f64 / 1e6, answer.status);
        let is_right = match code {
            None => answer.status == 200,
            Some(code) => (400..500).contains(&answer.status) && text.contains(&format!("\"code\":\"{code}\"")),
        };
        if !is_right || text.len() > 1 << 20 || peak > BOUND_MIB || seconds > 60 {
            wrong.push(format!("{name}: {} {text:.300} {peak} MiB, {seconds} s", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    client.get("Patient").expect(200);
}
