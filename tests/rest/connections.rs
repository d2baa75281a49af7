//! What is hardly HTTP: it is answered with an OperationOutcome as well, in bounded time, and harms nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::patient;
use crate::support::{Answer, Database, TestApp};

#[track_caller]
fn outcome(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.header("x-request-id").is_some(), "{:?}", answer.headers);
    let text = answer.text();
    match answer.header("content-type") {
        Some("application/fhir+xml; charset=utf-8") => {
            let start =
                r#"<?xml version="1.0" encoding="UTF-8"?><OperationOutcome xmlns="http://hl7.org/fhir"><issue>"#;
            assert!(text.starts_with(start) && text.contains("<diagnostics value="), "{text}");
        }
        Some("application/fhir+json; charset=utf-8") => drop(answer.clone().expect_outcome(status)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_request_is_answered_with_an_outcome() {
    let app = TestApp::start(Database::Sqlite);
    let client = app.client();
    let with = |target: &[u8], headers: &[u8], body: &[u8]| {
        [b"GET /fhir/Patient", target, b" HTTP/1.1\r\nHost: h\r\n", headers, b"\r\n", body].concat()
    };
    let long = |bytes: usize| [b"?name=".as_slice(), &vec![b'a'; bytes]].concat();
    let many = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    for (case, request, status) in [
        ("a URL of 100 kB", with(&long(100_000), b"", b""), 414),
        ("a URL of 1 MB", with(&long(1 << 20), b"", b""), 431),
        ("a header of 1 MB", with(b"", &[b"X-A: ".as_slice(), &vec![b'a'; 1 << 20], b"\r\n"].concat(), b""), 431),
        ("200 headers", with(b"", many.as_bytes(), b""), 431),
        ("a blank", with(b"?name=a b", b"", b""), 400),
        ("quotation marks", with(b"?name=\"a\"", b"", b""), 400),
        ("a sign", with(b"?birthdate=<2000", b"", b""), 400),
        ("NUL", with(b"?name=\0", b"", b""), 400),
        ("Latin 1", with(b"?name=M\xfcller", b"", b""), 400),
        ("a bad escape", with(b"?name=%zz", b"", b""), 400),
        ("bytes that are no text", with(b"?name=%ff", b"", b""), 400),
        ("a header without a name", with(b"", b": x\r\n", b""), 400),
        ("a folded header", with(b"", b"X-A: x\r\n y\r\n", b""), 400),
        ("two hosts", with(b"", b"Host: other\r\n", b""), 400),
        ("no host", b"GET /fhir/Patient HTTP/1.1\r\n\r\n".to_vec(), 400),
        ("another version", b"GET /fhir/Patient HTTP/3.0\r\nHost: h\r\n\r\n".to_vec(), 400),
        ("a handshake of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        ("a length that is none", with(b"", b"Content-Length: x\r\n", b""), 400),
        ("two lengths", with(b"", b"Content-Length: 1\r\nContent-Length: 2\r\n", b"{}"), 400),
    ] {
        let start = Instant::now();
        outcome(&client.raw(&request), status);
        let request = String::from_utf8_lossy(&request).replace("\r\nHost", "\r\nAccept: application/fhir+xml\r\nHost");
        if case != "Latin 1" && case != "a handshake of TLS" && case != "no host" {
            let answer = client.raw(request.as_bytes());
            outcome(&answer, status);
            // Of what has no end nothing more was read than its start.
            let is_seen = !case.ends_with("1 MB") && case != "200 headers";
            assert!(!is_seen || answer.header("content-type").is_some_and(|t| t.contains("xml")), "{case}");
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{case}");
    }
    let post = |headers: &str, body: &[u8]| {
        let head =
            format!("POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\n{headers}\r\n");
        [head.as_bytes(), body].concat()
    };
    outcome(&client.raw(&post("Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n")), 400);
    outcome(&client.raw(&post("Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\nabc")), 400);
    let head = client.raw(b"HEAD /fhir/Patient?name=a b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (400, 0));
    // Everybody else is served.
    app.client().get("Patient").expect(200);
    let metrics = app.client().send("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("status=\"431\""), "{metrics}");
}

#[test]
fn who_speaks_http_2_is_told() {
    let app = TestApp::start(Database::Sqlite);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let answer = app.client().raw(preface);
    outcome(&answer, 400);
    assert!(answer.text().contains("HTTP/2 is not spoken here"), "{}", answer.text());
    // An offer to change to it is declined by going on (RFC 9110, 7.8).
    let offer = b"GET /fhir/Patient HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    app.client().raw(offer).expect(200);
}

#[test]
fn targets_and_expectations_of_http() {
    let app = TestApp::start(Database::Sqlite);
    let client = app.client();
    let ask = |text: &str| client.raw(format!("{text}\r\nHost: h\r\n\r\n").as_bytes());
    let any = ask("OPTIONS * HTTP/1.1").expect(204);
    assert!(any.header("allow").is_some_and(|allow| allow.contains("PATCH") && allow.contains("OPTIONS")), "{any:?}");
    assert!(any.header("x-request-id").is_some());
    let patient = ask("OPTIONS /fhir/Patient/1 HTTP/1.1").expect(204);
    assert!(
        patient.header("accept-patch").is_some_and(|list| list.contains("application/xml-patch+xml")),
        "{patient:?}"
    );
    assert_eq!(ask("OPTIONS /fhir/metadata HTTP/1.1").expect(204).header("accept-patch"), None);
    assert_eq!(ask("OPTIONS /fhir/Patient/$match HTTP/1.1").expect(204).header("allow"), Some("POST, OPTIONS"));
    // The absolute form of a target (RFC 9112, 3.2.2).
    ask(&format!("GET {}/Patient HTTP/1.1", app.base())).expect(200);
    outcome(&ask("GET http://elsewhere.example/nothing HTTP/1.1"), 404);
    for method in ["BREW", "TRACE", "CONNECT"] {
        let answer = ask(&format!("{method} /fhir/Patient/1 HTTP/1.1"));
        assert!((400..500).contains(&answer.status), "{method}: {}", answer.status);
    }
    let body = br#"{"resourceType":"Patient"}"#;
    let head = format!(
        "POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(client.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
}

#[test]
fn what_clients_commonly_send_raw_is_taken() {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    client.post("Patient", &patient("Müller")).expect(201);
    for query in ["?name=Müller", "?identifier=a|b,c|d&name={a}^`[]"] {
        let answer = client.raw(format!("GET /fhir/Patient{query} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).expect(200);
        assert_eq!(answer.json()["total"], u8::from(query.contains("ü")), "{query}");
    }
}

#[test]
fn the_answer_to_a_body_that_is_too_large_arrives() {
    let mut app = TestApp::over(None);
    app.restart_with(&[], &[("CRESSET_LIMIT_BODY_BYTES", "1000000")]);
    let head = |field: &str| format!("POST /fhir/Patient HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n").into_bytes();
    for _ in 0..3 {
        let known = [head("Content-Length: 40000000"), vec![b' '; 40_000_000]].concat();
        outcome(&app.client().raw(&known), 413);
        let chunks = [head("Transfer-Encoding: chunked"), b"2625a00\r\n".to_vec(), vec![b' '; 40_000_000]].concat();
        outcome(&app.client().raw(&chunks), 413);
        let elsewhere = [
            b"POST /fhir/Nonsense HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n".to_vec(),
            vec![b' '; 4_000_000],
        ];
        let answer = app.client().raw(&elsewhere.concat());
        outcome(&answer, 404);
        assert_eq!(answer.header("connection"), Some("close"), "the rest of the body is not read");
    }
    // A short body is skipped, and the connection serves the next request.
    let both = b"POST /fhir/Nonsense HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(app.client().address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(both).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("HTTP/1.1 200 OK"), "{text}");
    assert_eq!(text.to_lowercase().matches("connection: close").count(), 1, "{text}");
}

#[test]
fn a_body_that_nobody_reads_does_not_surprise_the_next_request() {
    let app = TestApp::start(Database::Sqlite);
    let next = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let talk = |field: &str, body: &[u8], wait: u64| {
        let mut stream = TcpStream::connect(app.client().address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "POST /fhir/Nonsense HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        if !body.is_empty() {
            stream.write_all(&[body, next].concat()).unwrap();
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 404"), "{text}");
        let (first, second) = text.split_once("HTTP/1.1 200 OK").map_or((&*text, None), |(a, b)| (a, Some(b)));
        (first.to_lowercase().contains("connection: close"), second.is_some())
    };
    // Clients write head and body one after the other.
    let long = vec![b' '; 40_000];
    assert_eq!(talk("Content-Length: 40000", &long, 20), (false, true));
    assert_eq!(talk("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 0), (true, false));
    // What does not come, or not yet, is not waited for, and the end of the connection is said.
    assert_eq!(talk("Content-Length: 2", b"", 0), (true, false));
    assert_eq!(talk("Content-Length: 2\r\nExpect: 100-continue", b"", 0), (true, false));
}

#[test]
fn who_says_nothing_is_let_go_and_harms_nobody() {
    let mut app = TestApp::over(None);
    app.restart_with(&[], &[("CRESSET_LIMIT_HEAD_SECONDS", "2"), ("CRESSET_LIMIT_CONNECTIONS", "200")]);
    let address = app.client().address();
    let connect = |text: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(text).unwrap();
        stream
    };
    // One byte at a time does not prolong it.
    let mut slow = connect(b"GET /fhir/Patient HTTP/1.1\r\nAccept: application/fhir+xml\r\nX-A: ");
    let mut dripping = slow.try_clone().unwrap();
    let dripper = std::thread::spawn(move || {
        while dripping.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let mut silent = connect(b"");
    let mut text = String::new();
    slow.read_to_string(&mut text).unwrap_or_default();
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n") && text.contains("<OperationOutcome"), "{text}");
    drop(slow);
    dripper.join().unwrap();
    assert_eq!(silent.read_to_string(&mut String::new()).unwrap(), 0, "a silent connection just ends");
    // More than there is room for: those behind wait, and get their answer when the silent ones are let go.
    let held: Vec<_> = (0..250).map(|n| connect(if n % 2 == 0 { b"GET /fhir" } else { b"" })).collect();
    app.client().get("Patient").expect(200);
    drop(held);
}
