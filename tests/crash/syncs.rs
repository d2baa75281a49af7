//! strace: no answer leaves before the sync that covers it, and one sync serves many requests.

use std::collections::HashMap;

use super::load::pair;
use crate::support::{Database, TestApp, has_program, parallel, skip};

const CALLS: &str = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg";

/// What happened, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// Bytes went to the write-ahead log.
    Log,
    /// A sync of it, which began after this many earlier `Log` events, is complete.
    Synced(usize),
    /// `HTTP/1.1 200`: a transaction is answered.
    Answer,
}

fn traced(delay: bool) -> Option<(TestApp, std::path::PathBuf)> {
    if !has_program("strace") {
        skip("strace", "REQUIRE_TOOLS");
        return None;
    }
    let mut app = TestApp::start(Database::Sqlite);
    let file = app.folder().with_extension("strace");
    let path = file.to_str().unwrap().to_owned();
    let mut arguments = vec!["strace", "-f", "-y", "-s", "24", "-e", CALLS, "-o", &path];
    if delay {
        arguments.extend(["-e", "inject=fsync,fdatasync:delay_exit=5000"]);
    }
    app.restart(&arguments);
    Some((app, file))
}

/// Reads a trace. A call that is interrupted by another thread's stands in two lines.
fn events(trace: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut logged = 0;
    let mut pending: HashMap<&str, usize> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let on_log = call.contains("-wal>");
        let sync = call.starts_with("fsync(") || call.starts_with("fdatasync(");
        if call.starts_with("pwrite64(") && on_log {
            logged += 1;
            events.push(Event::Log);
        } else if sync && on_log && call.contains("<unfinished") {
            pending.insert(thread, logged);
        } else if sync && on_log {
            events.push(Event::Synced(logged));
        } else if call.starts_with("<... f") && call.contains("sync resumed") {
            events.extend(pending.remove(thread).map(Event::Synced));
        } else if call.contains("HTTP/1.1 200") {
            events.push(Event::Answer);
        }
    }
    events
}

/// Answers that left although something in the log before them was not synced.
fn unsynced_answers(events: &[Event]) -> usize {
    let (mut logged, mut synced, mut wrong) = (0, 0, 0);
    for event in events {
        match event {
            Event::Log => logged += 1,
            Event::Synced(covers) => synced = synced.max(*covers),
            Event::Answer => wrong += usize::from(synced < logged),
        }
    }
    wrong
}

#[test]
fn no_answer_leaves_before_its_sync() {
    let Some((mut app, file)) = traced(false) else { return };
    let mut client = app.client();
    for n in 0..40 {
        client.post("", &pair(&format!("s{n}"))).expect(200);
    }
    app.kill();
    let events = events(&std::fs::read_to_string(file).unwrap());
    let answers = events.iter().filter(|e| **e == Event::Answer).count();
    let syncs = events.iter().filter(|e| matches!(e, Event::Synced(_))).count();
    assert!(answers >= 40 && syncs >= 40, "{answers} answers, {syncs} syncs");
    assert_eq!(unsynced_answers(&events), 0, "{events:?}");
}

#[test]
fn one_sync_serves_many_requests() {
    let Some((mut app, file)) = traced(true) else { return };
    let answers = parallel(32, |thread| {
        let mut client = app.client();
        (0..8).for_each(|n| drop(client.post("", &pair(&format!("g{thread}-{n}"))).expect(200)));
        8
    });
    app.kill();
    let events = events(&std::fs::read_to_string(file).unwrap());
    let syncs = events.iter().filter(|e| matches!(e, Event::Synced(_))).count();
    let answers: usize = answers.iter().sum();
    assert!(syncs * 3 < answers, "{syncs} syncs for {answers} transactions");
}

#[test]
fn an_early_answer_is_found() {
    let wrong = "1 pwrite64(9</d/x.db-wal>, \"\", 8, 0) = 8\n1 sendto(5<s>, \"HTTP/1.1 200 OK\", 9, 0) = 9\n1 fdatasync(9</d/x.db-wal>) = 0\n";
    assert_eq!(unsynced_answers(&events(wrong)), 1);
    let split = "1 pwrite64(9</d/x.db-wal>, \"\", 8, 0) = 8\n1 fdatasync(9</d/x.db-wal> <unfinished ...>\n2 write(1<l>, \"\") = 1\n1 <... fdatasync resumed>) = 0\n1 sendto(5<s>, \"HTTP/1.1 200 OK\", 9, 0) = 9\n";
    assert_eq!(unsynced_answers(&events(split)), 0);
}
