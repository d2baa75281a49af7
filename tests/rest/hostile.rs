//! Hostile input, each in JSON and in XML where it has both: a clear 4xx or the right answer, in bounded memory, and nothing
//! stored. The table of what each costs is printed with `--nocapture` (docs/PERFORMANCE.md).

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp};

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";
const FORM: &str = "application/x-www-form-urlencoded";

/// Generous: what is asserted is that memory does not grow with the hostility, only with the size of what is allowed.
pub(super) const BOUND_MIB: u64 = 512;

/// A request of which nothing may be stored unless it is answered with success.
struct Hostile {
    name: &'static str,
    target: &'static str,
    content_type: &'static str,
    coding: Option<&'static str>,
    body: Vec<u8>,
}

fn hostile(name: &'static str, target: &'static str, content_type: &'static str, body: impl Into<Vec<u8>>) -> Hostile {
    Hostile { name, target, content_type, coding: None, body: body.into() }
}

fn bomb(name: &'static str, content_type: &'static str, byte: u8) -> Hostile {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![byte; 1 << 20];
    (0..512).for_each(|_| writer.write_all(&piece).unwrap());
    let body = writer.finish().unwrap();
    Hostile { coding: Some("gzip"), ..hostile(name, "/fhir/Patient", content_type, body) }
}

fn patient(inner: &str) -> String {
    format!(r#"{{"resourceType":"Patient"{inner}}}"#)
}

fn xml(inner: &str) -> String {
    format!(r#"<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>"#)
}

fn bundle(kind: &str, entries: usize) -> String {
    let entry = |n: usize| json!({"resource": {"resourceType": "Nonsense", "n": n}, "request": {"method": "POST", "url": "Patient"}});
    json!({"resourceType": "Bundle", "type": kind, "entry": (0..entries).map(entry).collect::<Vec<_>>()}).to_string()
}

fn resources() -> Vec<Hostile> {
    const P: &str = "/fhir/Patient";
    let many = 200_000;
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE p [<!ENTITY l0 \"ha\">{laughs}]>{}", xml("<language value=\"&l9;\"/>"));
    let outside =
        format!("<!DOCTYPE p [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}", xml("<language value=\"&e;\"/>"));
    let attributes: String = (0..many).map(|n| format!(" a{n}=\"1\"")).collect();
    let namespaces: String = (0..many).map(|n| format!(" xmlns:a{n}=\"u\"")).collect();
    let twice: String = (0..many).map(|_| r#","a":1"#).collect();
    let unknown: String = (0..many).map(|n| format!(r#","a{n}":1"#)).collect();
    let digits = "9".repeat(1 << 20);
    vec![
        hostile(
            "JSON: 1 000 000 open lists",
            P,
            JSON,
            [br#"{"resourceType":"Patient","name":"#.to_vec(), vec![b'['; 1_000_000]].concat(),
        ),
        hostile("JSON: 1 000 000 open objects", P, JSON, r#"{"a":"#.repeat(200_000)),
        hostile("JSON: 200 000 duplicate keys", P, JSON, patient(&twice)),
        hostile("JSON: 200 000 unknown elements", P, JSON, patient(&unknown)),
        hostile(
            "JSON: 1 000 000 empty objects in a list",
            P,
            JSON,
            patient(&format!(r#","name":[{}{{}}]"#, "{},".repeat(1_000_000))),
        ),
        hostile(
            "JSON: a list of 2 000 000 nulls",
            P,
            JSON,
            patient(&format!(r#","name":[{}null]"#, "null,".repeat(2_000_000))),
        ),
        hostile("JSON: a number of 1 MB", P, JSON, patient(&format!(r#","multipleBirthInteger":{digits}"#))),
        hostile("JSON: 1e999999999", P, JSON, patient(r#","multipleBirthInteger":1e999999999"#)),
        hostile("JSON: a name of an element of 8 MB", P, JSON, patient(&format!(r#","{}":1"#, "a".repeat(8 << 20)))),
        hostile(
            "JSON: a string of 8 MB that never ends",
            P,
            JSON,
            format!(r#"{{"resourceType":"{}"#, "a".repeat(8 << 20)),
        ),
        hostile("JSON: 8 MB that are not UTF-8", P, JSON, vec![0xFF; 8 << 20]),
        hostile("JSON: 8 MB of blanks", P, JSON, vec![b' '; 8 << 20]),
        bomb("JSON: 512 MiB of blanks in 0.5 MiB of gzip", JSON, b' '),
        hostile("JSON: a batch of 10 001 entries", "/fhir", JSON, bundle("batch", 10_001)),
        hostile("JSON: a transaction of 10 000 bad entries", "/fhir", JSON, bundle("transaction", 10_000)),
        hostile(
            "XML: 200 000 open elements",
            P,
            XML,
            format!("<Patient xmlns=\"http://hl7.org/fhir\">{}", "<contact>".repeat(many)),
        ),
        hostile("XML: 200 000 attributes", P, XML, format!("<Patient xmlns=\"http://hl7.org/fhir\"{attributes}/>")),
        hostile("XML: 200 000 namespaces", P, XML, format!("<Patient xmlns=\"http://hl7.org/fhir\"{namespaces}/>")),
        hostile("XML: 200 000 unknown elements", P, XML, xml(&"<a value=\"1\"/>".repeat(many))),
        hostile("XML: entities in entities", P, XML, laughs),
        hostile("XML: an external entity", P, XML, outside),
        hostile("XML: a number of 1 MB", P, XML, xml(&format!("<multipleBirthInteger value=\"{digits}\"/>"))),
        hostile("XML: 1e999999999", P, XML, xml("<multipleBirthInteger value=\"1e999999999\"/>")),
        hostile("XML: an attribute of 8 MB that never ends", P, XML, format!("<Patient a=\"{}", "a".repeat(8 << 20))),
        hostile("XML: a comment of 8 MB that never ends", P, XML, format!("<Patient><!--{}", "a".repeat(8 << 20))),
        hostile("XML: 8 MB that are not UTF-8", P, XML, vec![0xFF; 8 << 20]),
        bomb("XML: 512 MiB of blanks in 0.5 MiB of gzip", XML, b' '),
    ]
}

fn searches() -> Vec<Hostile> {
    const P: &str = "/fhir/Patient/_search";
    let list = |n: usize| (0..n).map(|n| format!("v{n}")).collect::<Vec<_>>().join(",");
    vec![
        hostile("search: a value of 1 MB", P, FORM, format!("name={}", "a".repeat(1 << 20))),
        hostile("search: 4000 values", P, FORM, format!("name={}", list(4000))),
        hostile("search: 100 000 values", P, FORM, format!("name={}", list(100_000))),
        hostile("search: 4000 parameters", P, FORM, (0..4000).map(|n| format!("name=v{n}&")).collect::<String>()),
        hostile("search: 100 000 parameters", P, FORM, (0..100_000).map(|n| format!("name=v{n}&")).collect::<String>()),
        hostile(
            "search: a chain of 20",
            "/fhir/Encounter/_search",
            FORM,
            format!("{}status=finished", "part-of.".repeat(20)),
        ),
        hostile(
            "search: a chain of 100 000",
            "/fhir/Encounter/_search",
            FORM,
            format!("{}status=finished", "part-of.".repeat(100_000)),
        ),
        hostile("search: 20 _has", P, FORM, format!("{}code=x", "_has:Observation:patient:".repeat(20))),
        hostile("search: a filter of 100 000 brackets", P, FORM, format!("_filter={}", "(".repeat(100_000))),
        hostile(
            "search: a filter of 100 000 terms",
            P,
            FORM,
            format!("_filter={}name eq x", "name eq x or ".repeat(100_000)),
        ),
        hostile("search: 100 000 keys to sort by", P, FORM, format!("_sort={}", "name,".repeat(100_000))),
        hostile("search: 10 000 includes", P, FORM, "_include=Patient:organization&".repeat(10_000)),
        hostile("search: number 1e999999999", "/fhir/RiskAssessment/_search", FORM, "probability=1e999999999"),
        hostile(
            "search: a number of 1 MB",
            "/fhir/RiskAssessment/_search",
            FORM,
            format!("probability={}", "9".repeat(1 << 20)),
        ),
        hostile("search: 2023-02-30", P, FORM, "birthdate=2023-02-30"),
    ]
}

pub(super) fn kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[track_caller]
fn clear(name: &str, answer: &Answer, is_xml: bool) {
    assert!((200..500).contains(&answer.status), "{name}: {} {:.500}", answer.status, answer.text());
    if answer.status >= 400 {
        let text = answer.text();
        let start = if is_xml {
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OperationOutcome"
        } else {
            r#"{"resourceType":"OperationOutcome""#
        };
        assert!(text.starts_with(start), "{name}: {text:.300}");
        assert!(text.contains("diagnostics"), "{name}: {text:.300}");
        assert!(text.len() < 16 << 20, "{name}: {} bytes", text.len());
    }
}

#[test]
fn memory_is_bounded_under_hostile_input() {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    client.get("Patient").expect(200);
    for Hostile { name, target, content_type, coding, body } in resources().into_iter().chain(searches()) {
        // The peak of what is resident begins anew.
        std::fs::write(format!("/proc/{}/clear_refs", app.pid()), "5").unwrap();
        let before = kib(app.pid(), "VmRSS");
        let mut statuses = Vec::new();
        for accept in [JSON, XML] {
            let coding = coding.map(|coding| ("Content-Encoding", coding));
            let headers = [("Content-Type", content_type), ("Accept", accept), ("Prefer", "handling=strict")];
            let headers: Vec<_> = headers.into_iter().chain(coding).collect();
            let answer = client.send("POST", target, &headers, &body);
            clear(name, &answer, accept == XML);
            statuses.push(answer.status);
        }
        let peak = kib(app.pid(), "VmHWM").saturating_sub(before) / 1024;
        eprintln!("| {name} | {:.1} | {statuses:?} | {peak} |", body.len() as f64 / f64::from(1 << 20));
        assert_eq!(statuses[0], statuses[1], "{name}");
        assert!(peak < BOUND_MIB, "{name}: {peak} MiB more");
        assert!(content_type == FORM || statuses[0] >= 400, "{name}: {statuses:?}");
    }
    assert_eq!(client.get("_history?_count=0").expect(200).json()["total"], 0, "nothing was stored");
    let rest = kib(app.pid(), "RssAnon") / 1024;
    assert!(rest < BOUND_MIB, "{rest} MiB stay");
}

/// Method, target, content type, body, and the status that is expected.
type Request = (&'static str, &'static str, &'static str, &'static str, String, u16);

/// The patch of an operation of FHIRPath Patch, many times.
fn fhirpath_patch(count: usize, path: &str, kind: &str) -> Value {
    let mut parts = vec![json!({"name": "type", "valueCode": kind}), json!({"name": "path", "valueString": path})];
    if kind == "add" {
        parts.push(json!({"name": "name", "valueString": "given"}));
        parts.push(json!({"name": "value", "valueString": "x"}));
    }
    json!({"resourceType": "Parameters", "parameter": vec![json!({"name": "operation", "part": parts}); count]})
}

fn patches() -> Vec<Request> {
    const LIST: &str = "application/json-patch+json";
    const MERGE: &str = "application/merge-patch+json";
    const ELEMENTS: &str = "application/xml-patch+xml";
    const H: &str = "/fhir/Patient/h";
    const BIG: &str = "/fhir/Patient/big";
    let list = |count: usize, operation: Value| json!(vec![operation; count]).to_string();
    let parameters = |count, path: &str, kind| fhirpath_patch(count, path, kind).to_string();
    let elements = |count: usize, operation: &str| {
        format!("<diff xmlns:f=\"http://hl7.org/fhir\">{}</diff>", operation.repeat(count))
    };
    let test = json!({"op": "test", "path": "/active", "value": true});
    let copy = |to: &str| json!({"op": "copy", "from": "/name", "path": to});
    let of = |name, target, form, body, status| ("PATCH", name, target, form, body, status);
    let many = "JSON Patch: 100 000 operations";
    vec![
        of(many, H, LIST, list(100_000, test), 400),
        of("JSON Patch: copies of copies", H, LIST, list(1000, copy("/name/0/extension")), 422),
        of("JSON Patch: copies that double", H, LIST, list(1000, copy("/name/-")), 422),
        of(
            "JSON Patch: 1000 adds in front",
            BIG,
            LIST,
            list(1000, json!({"op": "add", "path": "/name/0", "value": {"text": "a"}})),
            200,
        ),
        of(
            "JSON Patch: a pointer of 2 MB",
            H,
            LIST,
            list(1, json!({"op": "remove", "path": "/a".repeat(1 << 20)})),
            400,
        ),
        of("JSON Patch: 1 000 000 open lists", H, LIST, format!("[{{\"value\":{}", "[".repeat(1_000_000)), 400),
        of(
            "merge patch: 100 000 properties",
            H,
            MERGE,
            format!("{{{}}}", (0..100_000).map(|n| format!("\"a{n}\":1")).collect::<Vec<_>>().join(",")),
            400,
        ),
        of("merge patch: 100 000 open objects", H, MERGE, "{\"a\":".repeat(100_000), 400),
        of("FHIRPath Patch: 20 000 operations", H, JSON, parameters(20_000, "Patient.name[0]", "add"), 400),
        of(
            "FHIRPath Patch: 1000 times all below",
            BIG,
            JSON,
            parameters(1000, "Patient.descendants().where($this = 'n5').first()", "delete"),
            400,
        ),
        of(
            "FHIRPath Patch: 1000 times each with each",
            BIG,
            JSON,
            parameters(1000, "Patient.name.select($this.given.combine(%resource.name))", "delete"),
            400,
        ),
        of(
            "FHIRPath Patch: a path of 1 MB",
            H,
            JSON,
            parameters(1, &format!("Patient{}", ".name".repeat(200_000)), "delete"),
            400,
        ),
        of("FHIRPath Patch: 200 000 parentheses", H, JSON, parameters(1, &"(".repeat(200_000), "delete"), 400),
        of(
            "XML Patch: 100 000 operations",
            H,
            ELEMENTS,
            elements(100_000, "<replace sel=\"f:Patient/f:active/@value\">true</replace>"),
            400,
        ),
        of(
            "XML Patch: 1000 searches",
            BIG,
            ELEMENTS,
            elements(1000, "<replace sel=\"f:Patient/f:name[f:given/@value='n9']/f:given[1]/@value\">n9</replace>"),
            422,
        ),
        of(
            "XML Patch: a selector of 1 MB",
            H,
            ELEMENTS,
            elements(1, &format!("<remove sel=\"f:Patient{}\"/>", "/f:name".repeat(150_000))),
            400,
        ),
        of("XML Patch: 200 000 open elements", H, ELEMENTS, format!("<diff>{}", "<add>".repeat(200_000)), 400),
    ]
}

fn operations() -> Vec<Request> {
    let names: Vec<Value> = (0..2000).map(|n| json!({"given": [format!("n{n}")]})).collect();
    let resource = json!({"resourceType": "Patient", "name": names});
    let ask = |name: &'static str, expression: String, status: u16| {
        let body = json!({"resourceType": "Parameters", "parameter": [
            {"name": "expression", "valueString": expression}, {"name": "resource", "resource": resource}]});
        ("POST", name, "/fhir/$fhirpath", JSON, body.to_string(), status)
    };
    vec![
        ask("FHIRPath: each with each", "descendants().select(%resource.descendants()).count()".into(), 400),
        ask("FHIRPath: without end", "1.repeat($this + 1)".into(), 400),
        ask("FHIRPath: a text that doubles", format!("'a'{}", ".select($this & $this)".repeat(60)), 400),
        ask(
            "FHIRPath: a replacement that grows",
            format!("'{}'{}", "a".repeat(10), ".replace('a', 'aaaaaaaaaa')".repeat(12)),
            400,
        ),
        ask("FHIRPath: a regular expression that grows", "'a'.matches('(((a{100}){100}){100})')".into(), 400),
        ask("FHIRPath: 100 000 parentheses", format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)), 400),
        ask("FHIRPath: 100 000 steps", format!("name{}", ".given".repeat(100_000)), 400),
        ask("FHIRPath: a text of 4 MB", format!("'{}'", "x".repeat(4 << 20)), 400),
        ask(
            "FHIRPath: items compared with each other",
            "(descendants() | descendants()).subsetOf(%resource.descendants() | 1)".into(),
            200,
        ),
        ask(
            "FHIRPath: texts added up",
            "descendants().ofType(string).aggregate($total & $this & $total, 'a')".into(),
            400,
        ),
    ]
}

fn bundles() -> Vec<Request> {
    let batch = |name: &'static str, kind: &str, entry: &dyn Fn(usize) -> Value, count: usize, status: u16| {
        let entries: Vec<Value> = (0..count).map(entry).collect();
        let body = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        ("POST", name, "/fhir", JSON, body.to_string(), status)
    };
    let evaluated =
        |_: usize| json!({"request": {"method": "GET", "url": "$fhirpath?expression=1.repeat($this%20%2B%201)"}});
    let patched = |n: usize| {
        let target = ["big", "big2", "big3", "big4"][n % 4];
        json!({"request": {"method": "PATCH", "url": format!("Patient/{target}")}, "resource": fhirpath_patch(1, "Patient.name[0]", "add")})
    };
    let read = |_: usize| json!({"request": {"method": "GET", "url": "Patient/big"}});
    vec![
        batch("Bundle: 300 expressions without end", "batch", &evaluated, 300, 200),
        batch("Bundle: 20 patches of large resources", "batch", &patched, 20, 200),
        batch("Bundle: a transaction of patches of large resources", "transaction", &patched, 4, 413),
        batch("Bundle: a large resource read 2000 times", "batch", &read, 2000, 200),
        batch("Bundle: the same in a transaction", "transaction", &read, 2000, 200),
    ]
}

#[test]
fn memory_is_bounded_under_patches_and_operations() {
    const ANSWERS: usize = 32 << 20;
    let mut app = TestApp::start(Database::Sqlite);
    app.restart_with(&[], &[("CRESSET_LIMIT_BODY_BYTES", "5767168"), ("CRESSET_LIMIT_ANSWER_BYTES", "33554432")]);
    let mut client = app.client();
    client
        .put("Patient/h", &json!({"resourceType": "Patient", "id": "h", "active": true, "name": [{"given": ["a"]}]}))
        .expect(201);
    let names: Vec<Value> = (0..25_000).map(|n| json!({"given": [format!("n{n}"), "x".repeat(40)]})).collect();
    for id in ["big", "big2", "big3", "big4"] {
        client.put(&format!("Patient/{id}"), &json!({"resourceType": "Patient", "id": id, "name": names})).expect(201);
    }
    for (method, name, target, content_type, body, status) in patches().into_iter().chain(operations()).chain(bundles())
    {
        std::fs::write(format!("/proc/{}/clear_refs", app.pid()), "5").unwrap();
        let before = kib(app.pid(), "VmRSS");
        let started = std::time::Instant::now();
        let headers = [("Content-Type", content_type), ("Accept", JSON), ("Prefer", "return=minimal")];
        let answer = client.send(method, target, &headers, body.as_bytes());
        let peak = kib(app.pid(), "VmHWM").saturating_sub(before) / 1024;
        let took = started.elapsed().as_secs();
        eprintln!("| {name} | {:.1} | {} | {peak} | {took} s |", body.len() as f64 / f64::from(1 << 20), answer.status);
        assert_eq!(answer.status, status, "{name}: {:.500}", answer.text());
        clear(name, &answer, false);
        assert!(peak < BOUND_MIB && took < 120, "{name}: {peak} MiB more, {took} s");
        if name.contains("2000 times") || name.contains("the same") {
            let bundle = answer.json();
            let entries = bundle["entry"].as_array().unwrap();
            let refused =
                entries.iter().filter(|entry| entry["response"]["status"].as_str().unwrap().starts_with("413"));
            assert!((1970..2000).contains(&refused.count()) && answer.body.len() < ANSWERS * 2, "{name}");
            assert!(
                entries[1999]["response"]["outcome"]["issue"][0]["diagnostics"].as_str().unwrap().contains("33554432")
            );
        }
    }
    let rest = kib(app.pid(), "RssAnon") / 1024;
    assert!(rest < BOUND_MIB, "{rest} MiB stay");
}

#[test]
fn what_is_wrong_in_xml_is_refused_with_its_place() {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    let long = format!("<id value=\"{}\"/>", "a".repeat(65));
    let digits = "9".repeat(500);
    let deep = format!("{}{}", "<contact>".repeat(200), "</contact>".repeat(200));
    for (inner, place) in [
        ("<active value=\"tru\"/>", "Patient.active"),
        ("<active value=\"true\"/><active value=\"true\"/>", "active"),
        ("<active value=\"true\" value=\"true\"/>", "line"),
        ("<active/>", "active"),
        ("<active value=\"\"/>", "active"),
        ("<name/>", "name"),
        ("<nonsense value=\"1\"/>", "nonsense"),
        ("<birthDate value=\"2023-02-30\"/>", "Patient.birthDate"),
        ("<birthDate value=\"23-2-3\"/>", "Patient.birthDate"),
        ("text", "line"),
        ("<contact><name><nonsense value=\"x\"/></name></contact>", "contact[0].name"),
        ("<active value=\"true\">", "line"),
        ("<active xmlns=\"urn:other\" value=\"true\"/>", "line"),
        (&format!("<multipleBirthInteger value=\"{digits}\"/>"), "multipleBirth"),
        (&long, "Patient.id"),
        (&deep, ""),
    ] {
        let body = xml(inner);
        for accept in [JSON, XML] {
            let method = if inner == long { "PUT" } else { "POST" };
            let target = if method == "PUT" { "/fhir/Patient/x" } else { "/fhir/Patient" };
            let answer = client.send(method, target, &[("Content-Type", XML), ("Accept", accept)], body.as_bytes());
            assert!(matches!(answer.status, 400 | 413 | 422), "{inner:.200}: {} {:.300}", answer.status, answer.text());
            clear(inner, &answer, accept == XML);
            assert!(answer.text().contains(place), "{inner:.200}: {:.500}", answer.text());
        }
    }
    for body in [
        &b""[..],
        b"<",
        b"<Patient",
        b"<Patient/>",
        b"<Nonsense xmlns=\"http://hl7.org/fhir\"/>",
        b"\xff\xfe<\0",
        b"<?xml version=\"1.0\" encoding=\"latin1\"?><Patient/>",
        b"<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"\xff\"/></Patient>",
    ] {
        let answer = client.send("POST", "/fhir/Patient", &[("Content-Type", XML)], body);
        assert!(matches!(answer.status, 400 | 415), "{body:?}: {}", answer.text());
        let outcome: Value = answer.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
    }
    assert_eq!(client.get("_history?_count=0").expect(200).json()["total"], 0, "nothing was stored");
}
