//! Resources made for what goes beyond one type: compartments, lists, includes in steps, contained resources; and how
//! a search of them is asked and compared.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::dataset::Dataset;
use super::paths::at;
use crate::support::{Client, TestApp};

/// How many of each there are.
pub const EACH: usize = 8;

/// `(full url, resource)`; they look back to [`super::extra::resources`].
pub fn resources() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for n in 0..EACH {
        all.push((url("doctor", n), doctor(n)));
        all.push((url("device", n), device(n)));
        all.push((url("relative", n), relative(n)));
        all.push((url("problem", n), problem(n)));
        all.push((url("linked", n), linked(n)));
    }
    for n in 0..EACH {
        all.push((url("panel", n), panel(n)));
        all.push((url("group", n), group(n)));
        all.push((url("list", n), list(n)));
        all.push((url("provenance", n), provenance(n)));
    }
    all
}

fn url(what: &str, n: usize) -> String {
    let kinds = ["doctor", "device", "relative", "problem", "linked", "panel", "group", "list", "provenance"];
    let code = kinds.iter().position(|k| *k == what).unwrap();
    format!("urn:uuid:00000000-0000-4000-9000-{code:04}{n:08}")
}

/// The full URL of a patient of the edges; of other things by their number there.
fn edge(kind: usize, n: usize) -> Value {
    json!({"reference": format!("urn:uuid:00000000-0000-4000-8000-{kind:04}{n:08}")})
}

fn to(what: &str, n: usize) -> Value {
    json!({"reference": url(what, n)})
}

fn tag(n: usize) -> Value {
    json!({"tag": [{"system": "http://example.org/joined", "code": format!("j{}", n % 3)}],
        "profile": [format!("http://example.org/StructureDefinition/joined-{}", n % 4)]})
}

fn doctor(n: usize) -> Value {
    json!({"resourceType": "Practitioner", "meta": tag(n), "name": [{"family": format!("Doc{n}"), "given": ["Joined"]}],
        "identifier": [{"system": "http://example.org/doc", "value": format!("D{n}")}],
        "gender": if n.is_multiple_of(2) { "female" } else { "male" }})
}

fn device(n: usize) -> Value {
    json!({"resourceType": "Device", "meta": tag(n), "patient": edge(1, n), "status": "active",
        "identifier": [{"system": "http://example.org/dev", "value": format!("V{n}")}]})
}

fn relative(n: usize) -> Value {
    json!({"resourceType": "RelatedPerson", "patient": edge(1, n), "name": [{"family": format!("Kin{n}")}]})
}

fn problem(n: usize) -> Value {
    let by = if n.is_multiple_of(2) { to("doctor", n) } else { edge(1, (n + 1) % EACH) };
    json!({"resourceType": "Condition", "meta": tag(n + 1), "subject": edge(1, n), "encounter": edge(2, n), "asserter": by,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": (["38341003", "73211009"][n % 2])}], "text": "Joined"},
        "recordedDate": format!("2021-0{}-01", n % 9 + 1)})
}

fn linked(n: usize) -> Value {
    json!({"resourceType": "Patient", "meta": tag(n), "name": [{"family": "Linked", "given": [format!("L{n}")]}],
        "birthDate": format!("19{}0-05-05", n + 1), "generalPractitioner": [to("doctor", (n + 1) % EACH)],
        "link": [{"type": "seealso", "other": edge(1, n)}]})
}

/// A chain of panels: each has the one before it as a member.
fn panel(n: usize) -> Value {
    let mut panel = json!({"resourceType": "Observation", "meta": tag(n), "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "55418-8"}], "text": "Joined panel"},
        "subject": edge(1, n), "performer": [to("doctor", n), edge(1, (n + 2) % EACH)], "device": to("device", n),
        "encounter": edge(2, (n + 1) % EACH)});
    if n > 0 {
        panel["hasMember"] = json!([to("panel", n - 1)]);
    }
    if n.is_multiple_of(2) {
        panel["performer"] = json!([to("relative", n)]);
    }
    panel
}

fn group(n: usize) -> Value {
    json!({"resourceType": "Group", "type": "person", "actual": true, "name": format!("Group {n}"),
        "member": [{"entity": edge(1, n)}, {"entity": edge(1, n + EACH)}]})
}

fn list(n: usize) -> Value {
    json!({"resourceType": "List", "status": "current", "mode": "working", "title": format!("List {n}"), "subject": edge(1, n),
        "source": to("doctor", (n + 3) % EACH), "entry": [{"item": edge(1, n)}, {"item": edge(1, n + 2)}, {"item": to("problem", n)}]})
}

fn provenance(n: usize) -> Value {
    json!({"resourceType": "Provenance", "recorded": "2024-01-01T00:00:00Z", "agent": [{"who": to("doctor", n)}],
        "target": [edge(1, n), to("panel", n)]})
}

/// What is loaded.
pub fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(Dataset::joined)
}

/// The resources (of a type, or all with an empty name) for which a test on the raw JSON holds.
pub fn those(kind: &str, holds: impl Fn(usize, &Value) -> bool) -> Vec<usize> {
    let all = data().resources.iter().enumerate();
    all.filter(|(n, r)| (kind.is_empty() || r.kind == kind) && holds(*n, &r.json)).map(|(n, _)| n).collect()
}

/// The resources that the references at a path lead to.
pub fn led(n: usize, path: &str) -> Vec<usize> {
    let resource = &data().resources[n];
    let texts = at(&resource.json, path);
    texts.iter().filter_map(|r| resource.references.get(r["reference"].as_str()?).copied()).collect()
}

/// Whether some text at a path equals another.
pub fn has(json: &Value, path: &str, text: &str) -> bool {
    at(json, path).iter().any(|value| value.as_str() == Some(text))
}

/// A search with its answer. In the target `{12}` stands for `Type/id` of a resource, `{#12}` for its id.
pub struct Ask {
    /// Path and query.
    pub target: String,
    /// The matches.
    pub expected: Vec<usize>,
    /// What is included.
    pub included: Vec<usize>,
}

/// A search without includes.
pub fn ask(target: impl Into<String>, expected: Vec<usize>) -> Ask {
    Ask { target: target.into(), expected, included: Vec::new() }
}

/// Loads the data and asks; every search by GET in one page and in small ones, and by POST.
pub fn compare(app: &TestApp, asks: &[Ask]) {
    let mut client = app.client();
    let names = load(&mut client);
    let mut wrong = Vec::new();
    for ask in asks {
        let target = filled(&ask.target, &names);
        for (way, page) in [("GET", 1000), ("pages", 3), ("POST", 1000)] {
            if let Err(text) = once(&mut client, &target, way, page, ask, &names) {
                wrong.push(format!("{way} {target}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asks.iter().filter(|a| !a.expected.is_empty()).count() * 4 >= asks.len() * 3, "most find something");
}

/// Loads the data; gives back `Type/id` of every resource.
pub fn load(client: &mut Client) -> Vec<String> {
    let mut names = vec![String::new(); data().resources.len()];
    for (bundle, entries) in data().bundles.iter().zip(&data().entries) {
        let answer = client.post("", bundle).expect(200).json();
        for (entry, n) in answer["entry"].as_array().unwrap().iter().zip(entries) {
            let location = entry["response"]["location"].as_str().unwrap();
            let parts: Vec<&str> = location.split('/').collect();
            let at = parts.iter().position(|p| *p == "_history").unwrap();
            names[*n] = parts[at - 2..at].join("/");
        }
    }
    names
}

/// A target with names in place of numbers.
pub fn filled(target: &str, names: &[String]) -> String {
    let mut out = String::new();
    let mut rest = target;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, after) = after.split_once('}').unwrap();
        out.push_str(before);
        match inner.strip_prefix('#') {
            Some(n) => out.push_str(names[n.parse::<usize>().unwrap()].split('/').nth(1).unwrap()),
            None => out.push_str(&names[inner.parse::<usize>().unwrap()]),
        }
        rest = after;
    }
    out + rest
}

fn once(client: &mut Client, target: &str, way: &str, count: usize, ask: &Ask, names: &[String]) -> Result<(), String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let sized = format!("{query}&_count={count}");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut page = match way {
        "POST" => client.send("POST", &format!("/fhir/{path}/_search").replace("//", "/"), &form, sized.as_bytes()),
        _ => client.send("GET", &format!("/fhir/{path}?{sized}"), &[], &[]),
    };
    let (mut matches, mut included) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        if page.status != 200 {
            return Err(format!("{} {}", page.status, page.text()));
        }
        let bundle = page.json();
        if bundle["total"].as_u64() != Some(ask.expected.len() as u64) {
            return Err(format!("total {}, not {}", bundle["total"], ask.expected.len()));
        }
        let (mut own, mut others) = (names_of(&bundle, "match"), names_of(&bundle, "include"));
        let mut all: Vec<&String> = own.iter().chain(&others).collect();
        all.sort();
        if all.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a page has a resource twice".into());
        }
        matches.append(&mut own);
        included.append(&mut others);
        let links = bundle["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|l| l["relation"] == "next").and_then(|l| l["url"].as_str()) else { break };
        page = client.send("GET", &next[next.find("/fhir").unwrap()..], &[], &[]);
    }
    same("matches", &ask.expected, matches, names)?;
    // a small page includes what a later page has as a match
    if count == 1000 { same("included", &ask.included, included, names) } else { Ok(()) }
}

fn same(what: &str, expected: &[usize], mut got: Vec<String>, names: &[String]) -> Result<(), String> {
    let mut wanted: Vec<&String> = expected.iter().map(|n| &names[*n]).collect();
    wanted.sort();
    got.sort();
    if wanted.iter().copied().eq(&got) { Ok(()) } else { Err(format!("{what} {got:?}, not {wanted:?}")) }
}

fn names_of(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten().filter(|e| e["search"]["mode"] == mode);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    entries.map(|e| format!("{}/{}", text(&e["resource"]["resourceType"]), text(&e["resource"]["id"]))).collect()
}
