//! Traces: what a collector gets of a create and a search, and what happens when there is none.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::support::{Database, TestApp, free_port, on_both_databases, signal};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A collector that speaks as much of OTLP over HTTP as the exporter needs, and keeps what it gets.
struct Collector {
    address: SocketAddr,
    got: Arc<(Mutex<Got>, Condvar)>,
}

#[derive(Default)]
struct Got {
    spans: Vec<Span>,
    services: Vec<String>,
    /// Everything as it came, to look for what must not be in it.
    bytes: Vec<u8>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, got) = (listener.local_addr().unwrap(), Arc::new((Mutex::default(), Condvar::new())));
        let shared = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                std::thread::spawn(move || while take(&stream, &shared).is_some() {});
            }
        });
        Self { address, got }
    }

    /// Waits until the spans fulfil a condition; all of them.
    #[track_caller]
    fn wait(&self, what: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let (lock, bell) = &*self.got;
        let waited = bell.wait_timeout_while(lock.lock().unwrap(), Duration::from_secs(60), |got| !what(&got.spans));
        let (got, timeout) = waited.unwrap();
        let names: Vec<&str> = got.spans.iter().map(|span| span.name.as_str()).collect();
        assert!(!timeout.timed_out(), "the spans do not come; there are {names:?}");
        got.spans.clone()
    }
}

/// Takes one request of a connection.
fn take(stream: &std::net::TcpStream, shared: &(Mutex<Got>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut head) = (String::new(), Vec::new());
    while reader.read_line(&mut line).ok()? > 2 {
        head.push(std::mem::take(&mut line).to_lowercase());
    }
    assert_eq!(head.first()?, "post /v1/traces http/1.1\r\n");
    assert!(head.iter().any(|line| line.starts_with("content-type: application/x-protobuf")), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let message = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    let mut got = shared.0.lock().unwrap();
    for of in message.resource_spans {
        got.services.extend(of.resource.into_iter().flat_map(|r| text(&r.attributes, "service.name")));
        got.spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    got.bytes.extend(body);
    shared.1.notify_all();
    drop(got);
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
}

fn text(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value?;
    match value {
        Any::StringValue(text) => Some(text),
        Any::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of a trace by name.
fn of_trace<'a>(spans: &'a [Span], trace: &str) -> HashMap<&'a str, &'a Span> {
    spans.iter().filter(|span| hex(&span.trace_id) == trace).map(|span| (span.name.as_str(), span)).collect()
}

on_both_databases! {
    fn a_create_and_a_search_are_traced_below_their_caller(database) {
        let collector = Collector::start();
        let mut app = TestApp::start(database);
        let endpoint = format!("http://{}", collector.address);
        app.restart_with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_SERVICE_NAME", "ward 7")]);
        let mut client = app.client();
        let parent = format!("00-{TRACE}-{PARENT}-01");
        let headers = [("traceparent", parent.as_str()), ("X-Request-Id", "my-create"), ("Content-Type", "application/fhir+json")];
        let patient = json!({"resourceType": "Patient", "name": [{"family": "Quodlibet"}]}).to_string();
        let created = client.send("POST", "/fhir/Patient", &headers, patient.as_bytes()).expect(201);
        let (name, _) = created.location();
        let other = TRACE.replace('0', "1");
        let parent = format!("00-{other}-{PARENT}-01");
        client.send("GET", "/fhir/Patient?family=Quodlibet", &[("traceparent", &parent)], &[]).expect(200);
        // Its caller says that it is not to be sampled.
        let unsampled = format!("00-{}-{PARENT}-00", TRACE.replace('0', "2"));
        client.send("GET", "/fhir/Patient/none", &[("traceparent", &unsampled)], &[]).expect(404);
        client.send("GET", "/fhir/Patient/none?x=Quodlibet", &[], &[]).expect(404);

        let is_there = |spans: &[Span], name: &str| spans.iter().any(|span| span.name == name);
        let wanted = ["POST /{type}", "GET /{type}", "GET /{type}/{id}", "commit", "fetch"];
        let spans = collector.wait(|spans| wanted.iter().all(|name| is_there(spans, name)));

        let create = of_trace(&spans, TRACE);
        let request = create["POST /{type}"];
        assert_eq!((hex(&request.parent_span_id).as_str(), request.kind), (PARENT, 2));
        let attribute = |name| text(&request.attributes, name);
        for (name, value) in [
            ("http.request.method", "POST"), ("http.route", "/{type}"), ("http.response.status_code", "201"),
            ("fhir.interaction", "create"), ("fhir.resource_type", "Patient"), ("cresset.request_id", "my-create"),
        ] {
            assert_eq!(attribute(name).as_deref(), Some(value), "{name}");
        }
        for (part, of) in [("plan", "POST /{type}"), ("write", "POST /{type}"), ("batch", "write"), ("commit", "batch")] {
            assert_eq!(create[part].parent_span_id, create[of].span_id, "{part} is no part of {of}");
            assert!(create[part].start_time_unix_nano >= create[of].start_time_unix_nano);
        }
        let search = of_trace(&spans, &other);
        let request = search["GET /{type}"];
        assert_eq!((hex(&request.parent_span_id).as_str(), text(&request.attributes, "fhir.interaction").as_deref()), (PARENT, Some("search")));
        for part in ["index wait", "search", "fetch"] {
            assert_eq!(search[part].parent_span_id, request.span_id, "{part}");
        }
        assert_eq!(of_trace(&spans, &TRACE.replace('0', "2")).len(), 0, "the caller did not want it");
        let own = spans.iter().find(|span| span.name == "GET /{type}/{id}").unwrap();
        assert!(own.parent_span_id.is_empty() && text(&own.attributes, "fhir.interaction").as_deref() == Some("read"));

        let got = collector.got.0.lock().unwrap();
        assert!(got.services.iter().all(|service| service == "ward 7"), "{:?}", got.services);
        let bytes = String::from_utf8_lossy(&got.bytes).into_owned();
        drop(got);
        for secret in ["Quodlibet", name.strip_prefix("Patient/").unwrap(), "family"] {
            assert!(!bytes.contains(secret), "{secret} is in the spans");
        }
        let metrics = client.send("GET", "/metrics", &[], &[]).text();
        assert!(metrics.contains("cresset_spans_dropped_total 0\n"), "{metrics}");
    }

    fn what_waits_is_delivered_when_the_server_stops(database) {
        let collector = Collector::start();
        let mut app = TestApp::start(database);
        let endpoint = format!("http://{}/", collector.address);
        app.restart_with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        app.client().get("Patient/none").expect(404);
        signal("TERM", &app.pid().to_string());
        assert!(app.ended().success());
        assert_eq!(collector.wait(|spans| !spans.is_empty()).len(), 1);
    }
}

#[test]
fn requests_that_are_committed_together_are_linked() {
    let collector = Collector::start();
    let mut app = TestApp::start(Database::Sqlite);
    let endpoint = format!("http://{}", collector.address);
    app.restart_with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let joint = |spans: &[Span]| spans.iter().find(|span| span.name == "batch" && !span.links.is_empty()).cloned();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let batch = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = app.client();
                while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    client.post("Basic", &json!({"resourceType": "Basic", "code": {"text": "x"}})).expect(201);
                }
            });
        }
        let spans = collector.wait(|spans| joint(spans).is_some());
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        joint(&spans).unwrap()
    });
    let linked = &batch.links[0];
    let is_write = |span: &&Span| span.name == "write" && span.span_id == linked.span_id;
    let spans = collector.wait(|spans| spans.iter().any(|span| is_write(&span)));
    let write = spans.iter().find(is_write).unwrap();
    assert_ne!(write.trace_id, batch.trace_id);
    assert!(write.links.iter().any(|link| link.span_id == batch.span_id), "the link leads in one direction only");
}

#[test]
fn a_collector_that_is_away_costs_nothing_and_is_counted() {
    let mut app = TestApp::start(Database::Sqlite);
    let endpoint = format!("http://{}", free_port());
    app.restart_with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let mut client = app.client();
    let dropped = |client: &mut crate::support::Client| -> u64 {
        let metrics = client.send("GET", "/metrics", &[], &[]).text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("cresset_spans_dropped_total ")).unwrap();
        line.parse().unwrap()
    };
    // More than may wait, so some are dropped at once.
    for _ in 0..9000 {
        client.get("Patient/none").expect(404);
    }
    assert!(dropped(&mut client) > 0);
    signal("TERM", &app.pid().to_string());
    assert!(app.ended().success());
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    let app = TestApp::over(None);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cresset"));
    let command = command.args(["serve", "--insecure-no-auth", "--listen", "127.0.0.1:0", "--data"]).arg(app.folder());
    for bad in ["localhost:4318", "http://user:secret@host"] {
        let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", bad).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !text.contains("user:"), "{text}");
    }
}
