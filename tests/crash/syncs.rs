//! strace: no answer leaves before the sync that covers it, and one sync serves many requests.

use std::collections::HashMap;

use super::load::pair;
use crate::support::{Cluster, Database, TestApp, has_program, parallel, skip};

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

/// Answers that left without a commit of a process that had synced what it wrote, and commits that were told before that.
/// A process of PostgreSQL writes to its log, syncs it, and says `COMMIT` to the server; the server answers after it.
fn unsynced_commits(trace: &str) -> (usize, usize, usize) {
    let (mut answers, mut wrong, mut unsynced) = (0, 0, 0);
    let mut dirty: HashMap<&str, bool> = HashMap::new();
    let mut durable = false;
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let on_log = call.contains("/pg_wal/");
        let sync = call.starts_with("fsync(") || call.starts_with("fdatasync(");
        let complete = !call.contains("<unfinished");
        if call.starts_with("pwrite64(") && on_log {
            dirty.insert(process, true);
        } else if (sync && on_log && complete) || (call.starts_with("<... f") && call.contains("sync resumed")) {
            dirty.entry(process).and_modify(|dirty| *dirty = false);
        } else if call.starts_with("sendto(") && call.contains(r"C\0\0\0\vCOMMIT") {
            durable |= dirty.get(process) == Some(&false);
            unsynced += usize::from(dirty.get(process) == Some(&true));
        } else if call.contains("HTTP/1.1 200") {
            answers += 1;
            wrong += usize::from(!durable);
            durable = false;
        }
    }
    (answers, wrong, unsynced)
}

#[test]
fn no_answer_leaves_before_the_sync_of_postgres() {
    if !has_program("strace") {
        return skip("strace", "REQUIRE_TOOLS");
    }
    let Some(mut cluster) = Cluster::create() else { return };
    let mut app = TestApp::over(Some(cluster.url()));
    let file = app.folder().with_extension("strace");
    // The first start makes the tables, without the tracer.
    cluster.start();
    app.restart(&[]);
    app.kill();
    cluster.stop();
    let script = format!(
        "cd /; {} & until {}; do sleep 0.1; done; exec \"$@\"",
        cluster.arguments().join(" "),
        cluster.ready().join(" ")
    );
    let arguments =
        ["strace", "-f", "-y", "-s", "48", "-e", CALLS, "-o", file.to_str().unwrap(), "sh", "-c", &script, "sh"];
    app.restart(&arguments);
    let mut client = app.client();
    let before = unsynced_commits(&std::fs::read_to_string(&file).unwrap()).0;
    for n in 0..40 {
        client.post("", &pair(&format!("p{n}"))).expect(200);
    }
    cluster.stop();
    app.kill();
    let (answers, wrong, unsynced) = unsynced_commits(&std::fs::read_to_string(&file).unwrap());
    assert!(answers - before >= 40, "{answers} answers, {before} before");
    // The answer to /readyz is not one of a write.
    assert!(wrong <= before, "{wrong} answers without a synced commit");
    assert_eq!(unsynced, 0, "commits were told before their sync");
}

#[test]
fn an_early_commit_is_found() {
    let written = "7 pwrite64(9</d/pg_wal/01>, \"\", 8, 0) = 8\n";
    let told = "7 sendto(8<s>, \"C\\0\\0\\0\\vCOMMIT\\0Z\", 20, 0, NULL, 0) = 20\n";
    let (synced, answer) = ("7 fdatasync(9</d/pg_wal/01>) = 0\n", "1 sendto(5<s>, \"HTTP/1.1 200 OK\", 9, 0) = 9\n");
    let trace = |parts: &[&str]| unsynced_commits(&parts.concat());
    assert_eq!(trace(&[written, synced, told, answer]), (1, 0, 0));
    assert_eq!(trace(&[written, told, answer, synced]), (1, 1, 1));
    assert_eq!(trace(&[written, synced, answer, told]), (1, 1, 0));
}

#[test]
fn an_early_answer_is_found() {
    let wrong = "1 pwrite64(9</d/x.db-wal>, \"\", 8, 0) = 8\n1 sendto(5<s>, \"HTTP/1.1 200 OK\", 9, 0) = 9\n1 fdatasync(9</d/x.db-wal>) = 0\n";
    assert_eq!(unsynced_answers(&events(wrong)), 1);
    let split = "1 pwrite64(9</d/x.db-wal>, \"\", 8, 0) = 8\n1 fdatasync(9</d/x.db-wal> <unfinished ...>\n2 write(1<l>, \"\") = 1\n1 <... fdatasync resumed>) = 0\n1 sendto(5<s>, \"HTTP/1.1 200 OK\", 9, 0) = 9\n";
    assert_eq!(unsynced_answers(&events(split)), 0);
}
