//! `$viewdefinition-run` and `ViewDefinition/$run`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

fn demographics() -> Value {
    json!({"resourceType": "ViewDefinition", "name": "demographics", "resource": "Patient", "select": [
        {"column": [{"name": "id", "path": "getResourceKey()"}, {"name": "active", "path": "active", "type": "boolean"}]},
        {"forEachOrNull": "name", "column": [{"name": "family", "path": "family"}]}]})
}

/// Parameters with a view and more.
fn parameters(view: &Value, more: &[Value]) -> Value {
    let mut list = vec![json!({"name": "viewResource", "resource": view})];
    list.extend(more.iter().cloned());
    json!({"resourceType": "Parameters", "parameter": list})
}

fn put_patients(client: &mut Client) {
    let names = json!([{"family": "A, B"}, {"family": "C"}]);
    client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a", "active": true, "name": names})).expect(201);
    client.put("Patient/b", &json!({"resourceType": "Patient", "id": "b"})).expect(201);
    for (id, patient) in [("o1", "a"), ("o2", "b"), ("o3", "a")] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/{patient}")}});
        client.put(&format!("Observation/{id}"), &observation).expect(201);
    }
}

fn keys() -> Value {
    json!({"resource": "Observation", "select": [{"column": [{"name": "id", "path": "getResourceKey()"},
        {"name": "patient", "path": "subject.getReferenceKey(Patient)"}]}]})
}

on_both_databases! {
    fn tables_are_made_of_what_is_stored(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_patients(&mut client);
        let body = parameters(&demographics(), &[]);
        let csv = "id,active,family\na,true,\"A, B\"\na,true,C\nb,,\n";
        for target in ["$viewdefinition-run", "ViewDefinition/$run", "ViewDefinition/$viewdefinition-run"] {
            let answer = client.post(&format!("{target}?_format=csv"), &body).expect(200);
            assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
            assert_eq!(answer.text(), csv, "{target}");
        }
        let accept = |client: &mut Client, accept: &str| {
            client.with_body("POST", "ViewDefinition/$run", &[("accept", accept)], &body).expect(200)
        };
        assert_eq!(accept(&mut client, "text/csv").text(), csv);
        let lines = accept(&mut client, "application/x-ndjson");
        assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(lines.text().lines().next(), Some(r#"{"id":"a","active":true,"family":"A, B"}"#));
        let rows = accept(&mut client, "application/json").json();
        assert_eq!(rows[2], json!({"id": "b", "active": null, "family": null}));
        let file = client.with_body("POST", "$viewdefinition-run", &[("accept", "application/octet-stream")], &body).expect(200);
        assert_eq!(file.header("content-type"), Some("application/vnd.apache.parquet"));
        assert!(file.body.starts_with(b"PAR1") && file.body.ends_with(b"PAR1"));
        // what was deleted is gone, what was changed is as it is now
        client.delete("Patient/b").expect(204);
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a"})).expect(200);
        assert_eq!(client.post("ViewDefinition/$run", &body).expect(200).json(), json!([{"id": "a", "active": null, "family": null}]));
    }

    fn rows_can_be_limited(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_patients(&mut client);
        let group = json!({"resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": [
            {"entity": {"reference": "Patient/b"}}, {"entity": {"reference": "Patient/a"}, "inactive": true}]});
        client.put("Group/g", &group).expect(201);
        let body = parameters(&keys(), &[]);
        let mut ids = |query: &str| -> Vec<String> {
            let rows = client.post(&format!("$viewdefinition-run?{query}"), &body).expect(200).json();
            rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(""), ["o1", "o2", "o3"]);
        assert_eq!(ids("patient=Patient/a"), ["o1", "o3"]);
        assert_eq!(ids("patient=b"), ["o2"]);
        assert_eq!(ids("group=Group/g"), ["o2"]);
        assert_eq!(ids("group=Group/g&patient=Patient/a"), [""; 0]);
        assert_eq!(ids("_limit=2"), ["o1", "o2"]);
        assert_eq!(ids("_limit=0"), [""; 0]);
        assert_eq!(ids("_since=2020-01-01T00:00:00Z").len(), 3);
        assert_eq!(ids("_since=2099-01-01T00:00:00Z"), [""; 0]);
        let patients = client.post("$viewdefinition-run?patient=Patient/b", &parameters(&demographics(), &[])).expect(200).json();
        assert_eq!(patients, json!([{"id": "b", "active": null, "family": null}]));
        let sent = [json!({"name": "resource", "resource": {"resourceType": "Patient", "id": "x", "name": [{"family": "X"}]}}),
            json!({"name": "resource", "resource": {"resourceType": "Patient", "id": "y"}}),
            json!({"name": "header", "valueBoolean": false}), json!({"name": "_format", "valueCode": "csv"})];
        let answer = client.post("ViewDefinition/$run", &parameters(&demographics(), &sent)).expect(200);
        assert_eq!(answer.text(), "x,,X\ny,,\n");
    }

    fn a_view_can_be_stored_as_a_binary(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_patients(&mut client);
        let data = BASE64_STANDARD.encode(demographics().to_string());
        let binary = json!({"resourceType": "Binary", "id": "view", "contentType": "application/fhir+json", "data": data});
        client.put("Binary/view", &binary).expect(201);
        let direct = client.post("$viewdefinition-run?_format=csv", &demographics()).expect(200).text();
        for target in ["ViewDefinition/view/$run?_format=csv", "ViewDefinition/view/$viewdefinition-run?_format=csv",
            "$viewdefinition-run?viewReference=Binary/view&_format=csv", "ViewDefinition/$run?viewReference=ViewDefinition/view&_format=csv"] {
            assert_eq!(client.get(target).expect(200).text(), direct, "{target}");
        }
        let absolute = format!("ViewDefinition/$run?_format=csv&viewReference={}/Binary/view", app.base());
        assert_eq!(client.get(&absolute).expect(200).text(), direct);
        client.put("Binary/other", &json!({"resourceType": "Binary", "id": "other", "contentType": "text/plain", "data": "eA=="})).expect(201);
        client.get("ViewDefinition/other/$run").expect_outcome(422);
    }

    fn the_command_makes_the_same_table(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_patients(&mut client);
        let file = app.folder().with_file_name("view.json");
        std::fs::write(&file, demographics().to_string()).unwrap();
        let expected = client.post("$viewdefinition-run?_format=ndjson", &demographics()).expect(200).text();
        let output = app.run(&["view", "run", file.to_str().unwrap(), "--format", "ndjson"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        let out = app.folder().with_file_name("view.parquet");
        let output = app.run(&["view", "run", file.to_str().unwrap(), "--format", "parquet", "--out", out.to_str().unwrap()]);
        assert!(output.status.success() && std::fs::read(&out).unwrap().ends_with(b"PAR1"), "{output:?}");
        std::fs::write(&file, "{}").unwrap();
        assert!(!app.run(&["view", "run", file.to_str().unwrap()]).status.success());
    }

    fn what_is_wrong_is_told(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_patients(&mut client);
        for (target, status, code, text) in [
            ("ViewDefinition/nobody/$run", 404, "not-found", "ViewDefinition with id 'nobody' not found"),
            ("ViewDefinition/$run", 400, "required", "viewReference or viewResource"),
            ("ViewDefinition/$run?viewReference=http://elsewhere/ViewDefinition/x", 400, "not-supported", "of this server"),
            ("ViewDefinition/$run?_format=xml", 400, "not-supported", "Supported formats: json, ndjson, csv"),
            ("ViewDefinition/$run?source=s3://bucket", 400, "not-supported", "source"),
            ("ViewDefinition/$nonsense", 400, "not-supported", "nonsense"),
            ("Patient/$run", 400, "not-supported", "is offered at [base] only"),
            ("ViewDefinition", 404, "not-supported", ""),
        ] {
            let outcome = client.get(target).expect_outcome(status);
            assert_eq!(outcome["issue"][0]["code"], code, "{target}: {outcome}");
            assert!(outcome.to_string().contains(text), "{target}: {outcome}");
        }
        let view = json!({"resourceType": "ViewDefinition", "resource": "Patient",
            "select": [{"column": [{"name": "id", "path": "invalid.path.syntax"}]}]});
        let outcome = client.post("ViewDefinition/$run", &parameters(&view, &[])).expect_outcome(422);
        assert_eq!(outcome["issue"][0]["expression"][0], "viewResource.select[0].column[0].path", "{outcome}");
        let patient = client.post("ViewDefinition/$run?patient=Patient/nobody", &parameters(&keys(), &[])).expect_outcome(400);
        assert_eq!((&patient["issue"][0]["code"], &patient["issue"][0]["expression"][0]), (&json!("not-found"), &json!("patient")));
        let several = json!({"resource": "Patient", "select": [{"column": [{"name": "f", "path": "name.family"}]}]});
        let outcome = client.post("ViewDefinition/$run", &parameters(&several, &[])).expect_outcome(422);
        assert!(outcome.to_string().contains("Patient/a: column 'f' has several values"), "{outcome}");
        client.with_body("POST", "ViewDefinition/$run", &[("accept", "image/png")], &parameters(&keys(), &[])).expect_outcome(406);
        client.send("DELETE", "/fhir/ViewDefinition/$run", &[], b"").expect_outcome(405);
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "ViewDefinition/x/$run"}}]});
        let answer = client.post("", &batch).expect(200).json();
        assert_eq!(answer["entry"][0]["response"]["status"], "400 Bad Request", "{answer}");
    }

    fn a_large_table_comes_whole(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let entry = |n: usize| json!({"request": {"method": "PUT", "url": format!("Patient/p{n:05}")},
            "resource": {"resourceType": "Patient", "id": format!("p{n:05}"), "active": n.is_multiple_of(2), "name": [{"family": format!("F{n}")}]}});
        for start in [0, 600, 1200] {
            let entries: Vec<Value> = (start..start + 600).map(entry).collect();
            client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": entries})).expect(200);
        }
        let text = client.post("$viewdefinition-run?_format=csv&header=false", &parameters(&demographics(), &[])).expect(200).text();
        let mut lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1800);
        lines.sort_unstable();
        assert_eq!((lines[7], lines[1799]), ("p00007,false,F7", "p01799,false,F1799"));
        let rows = client.post("$viewdefinition-run?_limit=1001", &parameters(&demographics(), &[])).expect(200).json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1001));
    }
}

/// Tables of a tenant that are made at a time.
const TABLES: usize = 16;

/// A server with patients enough for a table of 40 MB, far more than the buffers between a server and its client hold.
fn with_large_table(variables: &[(&str, &str)]) -> (TestApp, Value) {
    let mut app = TestApp::over(None);
    app.restart_with(&[], variables);
    let mut client = app.client();
    for start in [0, 500, 1000, 1500] {
        let entry = |n: usize| json!({"request": {"method": "PUT", "url": format!("Patient/p{n}")}, "resource": {"resourceType": "Patient", "id": format!("p{n}")}});
        let entries: Vec<Value> = (start..start + 500).map(entry).collect();
        client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": entries})).expect(200);
    }
    let view = json!({"resourceType": "ViewDefinition", "resource": "Patient", "constant": [{"name": "long", "valueString": "x".repeat(20_000)}],
        "select": [{"column": [{"name": "id", "path": "id"}, {"name": "long", "path": "%long"}]}]});
    (app, view)
}

/// Asks for a table, and reads the beginning of it.
fn begin(app: &TestApp, view: &Value) -> TcpStream {
    let body = view.to_string();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = "POST /fhir/$viewdefinition-run?_format=csv HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    stream
}

/// Until a table can be asked for again.
fn until_there_is_room(app: &TestApp) {
    let started = Instant::now();
    let small = json!({"resourceType": "ViewDefinition", "resource": "Group", "select": [{"column": [{"name": "id", "path": "id"}]}]});
    while app.client().post("$viewdefinition-run", &small).status == 429 {
        assert!(started.elapsed() < Duration::from_secs(30), "the places of tables are still taken");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_client_that_goes_away_ends_its_table() {
    let (app, view) = with_large_table(&[]);
    let streams: Vec<TcpStream> = (0..TABLES).map(|_| begin(&app, &view)).collect();
    let outcome = app.client().post("$viewdefinition-run", &view).expect_outcome(429);
    assert_eq!(outcome["issue"][0]["code"], "throttled", "{outcome}");
    drop(streams);
    until_there_is_room(&app);
}

#[test]
fn a_client_that_takes_nothing_is_let_go_of() {
    let (app, view) = with_large_table(&[("CRESSET_LIMIT_WRITE_SECONDS", "2")]);
    let mut streams: Vec<TcpStream> = (0..TABLES).map(|_| begin(&app, &view)).collect();
    app.client().post("$viewdefinition-run", &view).expect_outcome(429);
    until_there_is_room(&app);
    // what it had in its buffers comes still, then the connection ends before the table does
    let mut rest = Vec::new();
    let ended = streams[0].read_to_end(&mut rest);
    assert!(rest.len() < 39_000_000, "{ended:?} after {} bytes", rest.len());
}

#[test]
fn a_client_that_is_slow_gets_its_whole_table() {
    let (app, view) = with_large_table(&[("CRESSET_LIMIT_WRITE_SECONDS", "2")]);
    let mut stream = begin(&app, &view);
    let (mut piece, mut text) = (vec![0; 1 << 20], Vec::new());
    loop {
        let count = stream.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        text.extend_from_slice(&piece[..count]);
        if text.len() < 8 << 20 {
            // longer in all than it may take nothing
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let lines = text.windows(5).filter(|window| window == b"xxxx\n").count();
    assert!(lines == 2000 && text.ends_with(b"\r\n0\r\n\r\n"), "{lines} lines");
}
