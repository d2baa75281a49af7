//! A client that writes down what it asks and what it gets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::seen::{
    Content, End, Entry, Key, Moment, Operation, Outcome, Page, Row, Scope, Search, Seen, What, Write, Written,
};
use super::wire;
use crate::support::{Answer, Client};

/// A client with a connection to each node.
pub struct Recorder {
    number: usize,
    start: Instant,
    nodes: Vec<Client>,
    /// What it saw.
    pub seen: Vec<Operation>,
    /// Requests that told nothing: reads without an answer, and requests that did not get to a server.
    pub lost: usize,
}

/// What became of a request.
enum Sent {
    Answered(Answer),
    /// It was sent, and there is no answer, or one that does not know.
    Unknown,
    /// It was not sent.
    Refused,
}

impl Recorder {
    /// A client of some nodes, whose moments count from `start`. It waits for an answer no longer than `patience`.
    pub fn new(number: usize, start: Instant, nodes: &[SocketAddr], patience: Duration) -> Self {
        let nodes = nodes.iter().map(|address| Client::patient(*address, patience)).collect();
        Self { number, start, nodes, seen: Vec::new(), lost: 0 }
    }

    fn now(&self) -> Moment {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap()
    }

    fn send(&mut self, node: usize, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Sent {
        let sent = self.nodes[node].try_send(method, target, headers, body);
        match sent {
            Ok(answer) if answer.status == 503 && answer.text().contains("outcome unknown") => Sent::Unknown,
            Ok(answer) => Sent::Answered(answer),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::thread::sleep(Duration::from_millis(10));
                Sent::Refused
            }
            Err(_) => Sent::Unknown,
        }
    }

    /// A request that changes nothing: its answer, unless there is none or the server cannot at the moment.
    fn get(&mut self, node: usize, target: &str) -> Option<Answer> {
        match self.send(node, "GET", target, &[], &[]) {
            Sent::Answered(answer) if answer.status != 503 => Some(answer),
            _ => {
                self.lost += 1;
                None
            }
        }
    }

    fn record(&mut self, called: Moment, what: What) {
        self.seen.push(Operation { client: self.number, called, answered: self.now(), what });
    }

    /// Reads a resource, or one version of it.
    pub fn read(&mut self, node: usize, key: &Key, version: Option<u64>) -> Option<Seen> {
        let called = self.now();
        let path = version.map_or_else(|| key.to_string(), |version| format!("{key}/_history/{version}"));
        let answer = self.get(node, &format!("/fhir/{path}"))?;
        let seen = match answer.status {
            200 => there(&answer.json()),
            status => away(status).unwrap_or_else(|| panic!("{path}: {status} {}", answer.text())),
        };
        let what = match version {
            None => What::Read { key: key.clone(), seen: seen.clone() },
            Some(version) => What::Vread { key: key.clone(), version, seen: seen.clone() },
        };
        self.record(called, what);
        Some(seen)
    }

    /// A single change.
    pub fn change(&mut self, node: usize, write: Write) -> Option<Written> {
        let called = self.now();
        let request = wire::request(&write);
        let mut headers = vec![("Content-Type", "application/fhir+json")];
        if let Some((name, _, value)) = &request.condition {
            headers.push((name, value));
        }
        let body = request.body.map_or_else(String::new, |body| body.to_string());
        let sent = self.send(node, request.method, &format!("/fhir/{}", request.path), &headers, body.as_bytes());
        let outcome = match sent {
            Sent::Answered(answer) if matches!(answer.status, 200 | 201 | 204) => {
                let version = answer.header("etag").and_then(wire::version);
                let key = match &write {
                    Write::Put { key, .. } | Write::Keep { key, .. } => key.clone(),
                    Write::Patch { key, .. } | Write::Delete { key, .. } => key.clone(),
                    _ => Key::parse(&answer.location().0).unwrap(),
                };
                let written = Written { status: answer.status, at: version.map(|version| (key, version)) };
                Outcome::Done { written: vec![written], reads: Vec::new() }
            }
            other => self.other(other)?,
        };
        let written = match &outcome {
            Outcome::Done { written, .. } => written.first().cloned(),
            _ => None,
        };
        self.record(called, What::Change { writes: vec![write], reads: Vec::new(), outcome });
        written
    }

    /// A transaction; the answers to its changes.
    pub fn transaction(&mut self, node: usize, writes: Vec<Write>, reads: Vec<Key>) -> Option<Vec<Written>> {
        let called = self.now();
        let body = wire::transaction(&writes, &reads).to_string();
        let headers = [("Content-Type", "application/fhir+json")];
        let outcome = match self.send(node, "POST", "/fhir", &headers, body.as_bytes()) {
            Sent::Answered(answer) if answer.status == 200 => {
                let bundle = answer.json();
                let entries = bundle["entry"].as_array().unwrap();
                assert_eq!(entries.len(), writes.len() + reads.len(), "{bundle}");
                let (changed, shown) = entries.split_at(writes.len());
                let written = writes.iter().zip(changed).map(|(write, entry)| written(write, entry)).collect();
                Outcome::Done { written, reads: shown.iter().map(read_inside).collect() }
            }
            other => self.other(other)?,
        };
        let written = match &outcome {
            Outcome::Done { written, .. } => Some(written.clone()),
            _ => None,
        };
        self.record(called, What::Change { writes, reads, outcome });
        written
    }

    fn other(&mut self, sent: Sent) -> Option<Outcome> {
        match sent {
            Sent::Answered(answer) => Some(Outcome::Refused(answer.status)),
            Sent::Unknown => Some(Outcome::Unknown),
            Sent::Refused => {
                self.lost += 1;
                None
            }
        }
    }

    /// A search, and its pages, each of the node that `next` names, after what else `between` does.
    pub fn search(&mut self, node: usize, search: Search, pages: usize, mut between: impl FnMut(&mut Self) -> usize) {
        let (mut seen, mut end) = (Vec::<Page>::new(), End::Followed);
        let (mut node, mut target) = (node, wire::search(&search));
        for _ in 0..pages {
            let called = self.now();
            let Some(answer) = self.get(node, &target) else {
                end = End::Broken;
                break;
            };
            if answer.status == 410 {
                end = End::Gone;
                break;
            }
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            let bundle = answer.json();
            let of = |mode: &str| -> Vec<Row> {
                let entries = bundle["entry"].as_array().into_iter().flatten();
                entries.filter(|entry| entry["search"]["mode"] == mode).map(|e| wire::row(&e["resource"])).collect()
            };
            let next = wire::link(&bundle, "next");
            seen.push(Page {
                called,
                answered: self.now(),
                total: bundle["total"].as_u64(),
                matches: of("match"),
                included: of("include"),
                more: next.is_some(),
            });
            let Some(next) = next else { break };
            target = next;
            node = between(self);
        }
        let Some(first) = seen.first() else { return };
        let (called, answered) = (first.called, first.answered);
        let what = What::Search { search, pages: seen, end };
        self.seen.push(Operation { client: self.number, called, answered, what });
    }

    /// The first pages of a history.
    pub fn history(&mut self, node: usize, scope: Scope, count: usize, pages: usize) {
        let called = self.now();
        let path = match &scope {
            Scope::Instance(key) => format!("/fhir/{key}/_history?_count={count}"),
            Scope::Type(kind) => format!("/fhir/{}/_history?_count={count}", kind.name()),
            Scope::System => format!("/fhir/_history?_count={count}"),
        };
        let Some(answer) = self.get(node, &path) else { return };
        // Later pages are of the positions that the first one names, so the cut is that of the first.
        let answered = self.now();
        if answer.status == 404 {
            let what = What::History { scope, rows: None, total: 0, more: false };
            self.seen.push(Operation { client: self.number, called, answered, what });
            return;
        }
        let mut bundle = answer.expect(200).json();
        let total = bundle["total"].as_u64().unwrap();
        let mut rows: Vec<Row> = entries(&bundle).map(|entry| entry.row).collect();
        for _ in 1..pages {
            let Some(next) = wire::link(&bundle, "next") else { break };
            let Some(answer) = self.get(node, &next) else { return };
            bundle = answer.expect(200).json();
            rows.extend(entries(&bundle).map(|entry| entry.row));
        }
        let more = wire::link(&bundle, "next").is_some();
        let what = What::History { scope, rows: Some(rows), total, more };
        self.seen.push(Operation { client: self.number, called, answered, what });
    }

    /// The whole log of a node, oldest first.
    pub fn log(&mut self, node: usize) -> Vec<Entry> {
        let mut log = Vec::new();
        let mut next = Some("/fhir/_history?_count=1000".to_owned());
        while let Some(target) = next {
            let bundle = self.nodes[node].send("GET", &target, &[], &[]).expect(200).json();
            log.extend(entries(&bundle));
            next = wire::link(&bundle, "next");
        }
        log.reverse();
        log
    }
}

fn entries(bundle: &Value) -> impl Iterator<Item = Entry> + '_ {
    bundle["entry"].as_array().into_iter().flatten().map(|entry| {
        let response = &entry["response"];
        let version = response["etag"].as_str().and_then(wire::version).unwrap();
        let row = match &entry["resource"] {
            Value::Null => {
                assert_eq!(entry["request"]["method"], "DELETE", "{entry}");
                Row { key: Key::parse(entry["fullUrl"].as_str().unwrap()).unwrap(), version, content: None }
            }
            resource => wire::row(resource),
        };
        assert_eq!(row.version, version, "{entry}");
        Entry { row, updated: response["lastModified"].as_str().unwrap().to_owned() }
    })
}

fn there(resource: &Value) -> Seen {
    let row = wire::row(resource);
    Seen::There(row.version, row.content.unwrap())
}

fn away(status: u16) -> Option<Seen> {
    match status {
        410 => Some(Seen::Deleted),
        404 => Some(Seen::Absent),
        _ => None,
    }
}

fn status(entry: &Value) -> u16 {
    entry["response"]["status"].as_str().and_then(|status| status.get(..3)?.parse().ok()).unwrap()
}

/// The answer to a change inside a transaction.
fn written(write: &Write, entry: &Value) -> Written {
    let version = entry["response"]["etag"].as_str().and_then(wire::version);
    let location = entry["response"]["location"].as_str();
    let named = location.map(|location| Key::parse(location.split("/_history").next().unwrap()).unwrap());
    let key = match write {
        Write::Delete { key, .. } => Some(key.clone()),
        _ => named,
    };
    Written { status: status(entry), at: key.zip(version) }
}

fn read_inside(entry: &Value) -> Seen {
    match status(entry) {
        200 => there(&entry["resource"]),
        other => away(other).unwrap_or_else(|| panic!("{entry}")),
    }
}

/// What a patch or an update may build on.
pub fn content(seen: &Seen) -> Option<(u64, &Content)> {
    match seen {
        Seen::There(version, content) => Some((*version, content)),
        _ => None,
    }
}
