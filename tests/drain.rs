//! The end of a server: what is under way is answered, what is new is sent elsewhere, a second signal does not wait; and
//! what the log and the counters say of requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::support::{Database, TestApp, on_both_databases, signal};

const BODY: &str = r#"{"resourceType":"Patient","id":"slow"}"#;

/// A request whose body has not come whole: it is under way until the rest is sent.
fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        "PUT /fhir/Patient/slow HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\nExpect: 100-continue\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", BODY.len()).unwrap();
    // The server asks for the body: so it has the request.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue\r\n"), "{}", String::from_utf8_lossy(&asked));
    stream
}

fn end(stream: &mut TcpStream) -> String {
    stream.write_all(BODY.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until nobody listens there any more.
fn until_refused(address: SocketAddr) {
    while TcpStream::connect(address).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

on_both_databases! {
    fn what_is_under_way_is_answered(database) {
        let mut app = TestApp::start(database);
        let address = app.address();
        let mut stream = begin(address);
        signal("TERM", &app.pid().to_string());
        until_refused(address);
        let answer = end(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.to_lowercase().contains("connection: close\r\n"), "{answer}");
        assert!(app.ended().success());
        app.restart(&[]);
        app.client().get("Patient/slow").expect(200);
    }

    fn a_load_balancer_has_time_to_notice(database) {
        let mut app = TestApp::start(database);
        app.restart_with(&[], &[("CRESSET_DRAIN_DELAY_SECONDS", "3")]);
        let mut client = app.client();
        signal("TERM", &app.pid().to_string());
        while client.send("GET", "/readyz", &[], &[]).status == 200 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        client.send("GET", "/livez", &[], &[]).expect(200);
        let answer = app.client().put("Patient/late", &json!({"resourceType": "Patient", "id": "late"})).expect(201);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(app.ended().success());
        app.restart(&[]);
        app.client().get("Patient/late").expect(200);
    }

    fn a_second_signal_does_not_wait(database) {
        let mut app = TestApp::start(database);
        let mut stream = begin(app.address());
        let pid = app.pid().to_string();
        signal("TERM", &pid);
        until_refused(app.address());
        signal("INT", &pid);
        // A drain that comes to its end, or cuts off what is under way, ends with 0.
        assert_eq!(app.ended().code(), Some(1));
        let mut answer = String::new();
        assert_eq!(stream.read_to_string(&mut answer).unwrap_or(0), 0, "{answer}");
        app.restart(&[]);
        app.client().get("Patient/slow").expect(404);
    }
}

#[test]
fn the_log_has_a_line_with_the_id_of_each_request_and_nothing_of_a_patient() {
    let mut app = TestApp::start(Database::Sqlite);
    app.restart_with(&[], &[("CRESSET_LOG_JSON", "true"), ("CRESSET_LOG", "cresset=debug,info")]);
    let mut client = app.client();
    let patient = json!({"resourceType": "Patient", "id": "abc", "name": [{"family": "Quodlibet"}]});
    client.put("Patient/abc", &patient).expect(201);
    let headers = [("X-Request-Id", "mine-1")];
    client.send("GET", "/fhir/Patient?family=Quodlibet", &headers, &[]).expect(200);
    let own = client.get("Patient/abc").expect(200).header("x-request-id").unwrap().to_owned();
    client.get("Patient?family:nonsense=Quodlibet").expect(400);
    signal("TERM", &app.pid().to_string());
    assert!(app.ended().success());

    let text = app.log_text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| lines.iter().find(|line| line["target"] == "cresset::request" && line["id"] == id);
    let search = of("mine-1").unwrap();
    assert_eq!(
        (&search["method"], &search["template"], &search["status"]),
        (&json!("GET"), &json!("/{type}"), &json!(200))
    );
    assert!(search["micros"].is_u64() && search["timestamp"].is_string() && search["level"] == "DEBUG", "{search}");
    assert_eq!(of(&own).unwrap()["template"], "/{type}/{id}");
    assert!(!text.contains("Quodlibet"), "{text}");
}

#[test]
fn requests_are_counted_by_interaction_and_status() {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    let patient = json!({"resourceType": "Patient", "id": "a"});
    client.put("Patient/a", &patient).expect(201);
    client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a", "active": true})).expect(200);
    client.post("Patient", &json!({"resourceType": "Patient"})).expect(201);
    client.get("Patient/a").expect(200);
    client.get("Patient/a/_history/1").expect(200);
    client.get("Patient/a/_history").expect(200);
    client.get("Patient/_history").expect(200);
    client.get("_history").expect(200);
    client.get("Patient?_count=1").expect(200);
    client.get("Patient?gender:nonsense=x").expect(400);
    client.get("metadata").expect(200);
    client.delete("Patient/a").expect(204);
    client.get("Patient/a").expect(410);
    client.post("", &json!({"resourceType": "Bundle", "type": "batch"})).expect(200);
    let metrics = client.send("GET", "/metrics", &[], &[]).text();
    for (interaction, status, count) in [
        ("update", 201, 1),
        ("update", 200, 1),
        ("create", 201, 1),
        ("read", 200, 1),
        ("read", 410, 1),
        ("vread", 200, 1),
        ("history-instance", 200, 1),
        ("history-type", 200, 1),
        ("history-system", 200, 1),
        ("search", 200, 1),
        ("search", 400, 1),
        ("capabilities", 200, 1),
        ("delete", 204, 1),
        ("bundle", 200, 1),
    ] {
        let line = format!("cresset_requests_total{{interaction=\"{interaction}\",status=\"{status}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert!(metrics.contains("cresset_request_duration_seconds_count{interaction=\"read\"} 2\n"), "{metrics}");
}
