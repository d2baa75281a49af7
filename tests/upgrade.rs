//! A rolling upgrade: two nodes over one PostgreSQL are replaced one after the other under load, while the schema grows; and
//! a node goes on under a schema that is newer than it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, Postgres, TestApp, parallel, signal, variable};

/// What a later step of the schema may do ("only add"), for every table there is.
const LATER: &str = "
    DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_steps' LOOP
            EXECUTE format('ALTER TABLE %I ADD COLUMN of_later BIGINT DEFAULT 7', t);
        END LOOP;
    END $$;
    CREATE TABLE later (tenant BIGINT NOT NULL PRIMARY KEY);
    CREATE INDEX versions_later ON versions (tenant, updated);";

/// A load balancer with two nodes behind it: what a node refuses goes to the other one.
struct Balancer {
    nodes: Vec<Client>,
    next: usize,
}

impl Balancer {
    fn new(nodes: &[SocketAddr]) -> Self {
        Self { nodes: nodes.iter().map(|address| Client::new(*address)).collect(), next: 0 }
    }

    /// Sends what may be sent twice until it is answered. Fails on every answer of the server's own failure but the one that
    /// sends the client elsewhere.
    #[track_caller]
    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(120) {
            self.next += 1;
            let node = self.next % self.nodes.len();
            match self.nodes[node].try_send(method, target, headers, body) {
                Ok(answer) if answer.status == 503 => {
                    assert!(answer.header("retry-after").is_some(), "{method} {target}: {}", answer.text());
                }
                Ok(answer) => {
                    assert!(answer.status < 500, "{method} {target}: {} {}", answer.status, answer.text());
                    return answer;
                }
                Err(error) => {
                    let is_gone = [
                        ErrorKind::ConnectionRefused,
                        ErrorKind::ConnectionReset,
                        ErrorKind::BrokenPipe,
                        ErrorKind::UnexpectedEof,
                        ErrorKind::ConnectionAborted,
                    ];
                    assert!(is_gone.contains(&error.kind()), "{method} {target}: {error}");
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{method} {target}: no node answers");
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[], &[])
    }
}

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");

/// Writes and searches what it has written until told to stop; the values that were answered.
fn write(nodes: &[SocketAddr], thread: usize, is_over: &AtomicBool, written: &AtomicUsize) -> Vec<String> {
    let mut balancer = Balancer::new(nodes);
    let mut answered = Vec::new();
    for n in 0.. {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let value = format!("w{thread}-{n}");
        let mut body = json!({"resourceType": "Patient", "identifier": [{"system": "http://up", "value": value}]});
        let condition = format!("identifier=http://up|{value}");
        let answer = if n % 2 == 0 {
            body["id"] = json!(value);
            balancer.send("PUT", &format!("/fhir/Patient/{value}"), &[JSON], body.to_string().as_bytes())
        } else {
            let headers = [JSON, ("If-None-Exist", condition.as_str())];
            balancer.send("POST", "/fhir/Patient", &headers, body.to_string().as_bytes())
        };
        // 200: it had been done when the connection broke.
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        let found = balancer.get(&format!("/fhir/Patient?{condition}")).expect(200).json();
        assert_eq!(found["total"], 1, "what was answered is not found: {found}");
        answered.push(value);
        written.fetch_add(1, Ordering::SeqCst);
    }
    answered
}

/// Follows pages until told to stop; how many answered, and how many had expired.
fn page(nodes: &[SocketAddr], sort: &str, is_over: &AtomicBool) -> (usize, usize) {
    let mut balancer = Balancer::new(nodes);
    let (mut followed, mut expired) = (0, 0);
    while !is_over.load(Ordering::SeqCst) {
        let mut page = balancer.get(&format!("/fhir/Patient?_count=3&_sort={sort}")).expect(200).json();
        let mut seen = BTreeSet::new();
        for _ in 0..10 {
            for entry in page["entry"].as_array().into_iter().flatten() {
                let id = entry["resource"]["id"].as_str().unwrap().to_owned();
                assert!(seen.insert(id), "{sort}: a page repeats: {page}");
            }
            let Some(next) = link(&page) else { break };
            let answer = balancer.get(&next);
            if answer.status == 410 && sort != "_id" {
                assert_eq!(answer.json()["issue"][0]["code"], "expired");
                expired += 1;
                break;
            }
            page = answer.expect(200).json();
            followed += 1;
        }
    }
    (followed, expired)
}

fn link(page: &Value) -> Option<String> {
    let links = page["link"].as_array()?;
    let url = links.iter().find(|link| link["relation"] == "next")?["url"].as_str()?;
    Some(url[url.find("/fhir").unwrap()..].to_owned())
}

/// Waits until so much more was written: whatever has changed, it has been worked under.
fn until_more(written: &AtomicUsize) {
    let (before, begun) = (written.load(Ordering::SeqCst), Instant::now());
    while written.load(Ordering::SeqCst) < before + 40 {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing is written any more");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_nodes_are_replaced_one_after_the_other_under_load() {
    if !Postgres::available() {
        return;
    }
    let older = variable("CRESSET_UPGRADE_FROM");
    let mut first = TestApp::over(Some(Postgres::shared().database()));
    let mut second = TestApp::over(first.database());
    for node in [&mut first, &mut second] {
        if let Some(older) = &older {
            node.set_program(older);
        }
        node.restart(&[]);
    }
    let addresses = [first.address(), second.address()];
    let (is_over, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let nodes = std::sync::Mutex::new((first, second));
    let outcomes = parallel(6, |thread| {
        let _bell = Over(&is_over, thread == 0);
        match thread {
            0 => {
                let mut nodes = nodes.lock().unwrap();
                let (first, second) = &mut *nodes;
                until_more(&written);
                if older.is_none() {
                    // The newer program's own step, while the older nodes serve.
                    first.sql(LATER);
                    until_more(&written);
                }
                for node in [second, first] {
                    signal("TERM", &node.pid().to_string());
                    assert!(node.ended().success());
                    node.set_program(env!("CARGO_BIN_EXE_cresset"));
                    node.restart_with(&[], &[("CRESSET_DRAIN_DELAY_SECONDS", "1")]);
                    until_more(&written);
                }
                (Vec::new(), 0)
            }
            1 => (Vec::new(), page(&addresses, "_id", &is_over).0),
            2 => (Vec::new(), page(&addresses, "-_lastUpdated", &is_over).0),
            _ => (write(&addresses, thread, &is_over, &written), 0),
        }
    });
    assert!(outcomes[1].1 > 10 && outcomes[2].1 > 10, "hardly a page was followed");
    let answered: BTreeSet<String> = outcomes.into_iter().flat_map(|(answered, _)| answered).collect();
    let (mut first, mut second) = nodes.into_inner().unwrap();
    for node in [&first, &second] {
        let (found, _) = node.client().search_all("Patient?_count=500");
        let values = found.iter().map(|r| r["identifier"][0]["value"].as_str().unwrap().to_owned());
        let values: Vec<String> = values.collect();
        assert_eq!(values.len(), answered.len(), "a write was done twice, or is lost");
        assert_eq!(values.into_iter().collect::<BTreeSet<_>>(), answered);
    }
    for node in [&mut first, &mut second] {
        signal("TERM", &node.pid().to_string());
        assert!(node.ended().success());
        let doctor = node.run(&["doctor", "--deep"]);
        assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    }
}

/// Ends the others when the thread that decides ends, also by a failure.
struct Over<'a>(&'a AtomicBool, bool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if self.1 || std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_node_goes_on_under_a_newer_schema_and_does_not_start_again() {
    if !Postgres::available() {
        return;
    }
    let mut app = TestApp::start(Database::Postgres);
    let (is_over, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = [app.address()];
    parallel(3, |thread| {
        let _bell = Over(&is_over, thread == 0);
        match thread {
            0 => {
                until_more(&written);
                app.sql(LATER);
                app.sql("INSERT INTO schema_steps (number, name, hash) SELECT max(number) + 1, 'later', 1 FROM schema_steps");
                until_more(&written);
            }
            _ => drop(write(&address, thread, &is_over, &written)),
        }
    });
    app.kill();
    let again = app.run(&["serve", "--insecure-no-auth", "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(2), "{text}");
    assert!(text.contains("newer than this program"), "{text}");
}
