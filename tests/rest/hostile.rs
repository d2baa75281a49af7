//! Hostile input, each in JSON and in XML where it has both: a clear 4xx or the right answer, in bounded memory, and nothing
//! stored. The table of what each costs is printed with `--nocapture` (docs/PERFORMANCE.md).

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp};

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";
const FORM: &str = "application/x-www-form-urlencoded";

/// Generous: what is asserted is that memory does not grow with the hostility, only with the size of what is allowed.
const BOUND_MIB: u64 = 512;

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

fn kib(pid: u32, field: &str) -> u64 {
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
