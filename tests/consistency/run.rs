//! The runs: on each database, on one node and on two, undisturbed, with nodes killed, and with nodes paused.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::check::{Tolerance, check};
use super::recorder::Recorder;
use super::seen::{History, Operation};
use super::workload::{INVARIANTS, Shared, WANTED, Worker};
use crate::support::{Database, Postgres, TestApp, on_both_databases, signal, variable};

/// What happens to the nodes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// SIGKILL, and a new start.
    Kill,
    /// SIGSTOP for longer than clients wait, and SIGCONT.
    Pause,
    /// The same, at a moment when the node is in the middle of a commit.
    PauseInCommit,
}

const CLIENTS: usize = 8;
/// How long a pause takes. Clients wait for less.
const PAUSE: Duration = Duration::from_secs(3);

/// How much longer than it should a run may go on.
const LONGER: Duration = Duration::from_secs(60);

fn seconds() -> Duration {
    Duration::from_secs(variable("CRESSET_CONSISTENCY_SECONDS").map_or(5, |n| n.parse().unwrap()))
}

/// A seed that differs from run to run; it is printed when a run fails.
fn seed() -> u64 {
    variable("CRESSET_CONSISTENCY_SEED")
        .map_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0), |n| n.parse().unwrap())
}

/// Lets clients work on the nodes of a fresh store while there is trouble, and checks what they saw.
fn run(name: &str, database: Database, nodes: usize, trouble: Trouble) {
    let mut apps = vec![TestApp::start(database)];
    while apps.len() < nodes {
        let next = apps[0].second_node();
        apps.push(next);
    }
    let addresses: Vec<SocketAddr> = apps.iter().map(TestApp::address).collect();
    let (shared, start, seed) = (Shared::new(), Instant::now(), seed());
    let patience = if matches!(trouble, Trouble::Pause | Trouble::PauseInCommit) { PAUSE / 2 } else { PAUSE * 20 };
    let client = |n: usize, patience: Duration| {
        let recorder = Recorder::new(n, start, &addresses, patience);
        Worker::new(recorder, &shared, nodes, seed.wrapping_add(n as u64))
    };
    let mut first = client(0, PAUSE * 20);
    first.set_up();
    let mut lost = 0;
    let mut operations: Vec<Operation> = std::thread::scope(|scope| {
        let client = &client;
        let work = |n: usize| {
            scope.spawn(move || {
                let mut worker = client(n, patience);
                worker.work();
                worker.recorder
            })
        };
        let workers: Vec<_> = (1..=CLIENTS).map(work).collect();
        // Also when it fails, or the clients would never end.
        let _end = Stop(&shared);
        disturb(&mut apps, trouble, start + seconds(), &shared);
        shared.stop.store(true, Ordering::Relaxed);
        let recorders = workers.into_iter().map(|worker| worker.join().unwrap());
        recorders
            .flat_map(|recorder| {
                lost += recorder.lost;
                recorder.seen
            })
            .collect()
    });
    first.look_at_all();
    let log = first.recorder.log(0);
    for node in 1..nodes {
        assert_eq!(first.recorder.log(node), log, "node {node} tells another log");
    }
    operations.append(&mut first.recorder.seen);
    let history = History { operations, log };
    let tolerance = Tolerance { nodes_end: trouble == Trouble::Kill };
    let verdict = check(&history, tolerance, &INVARIANTS);
    let complaints: Vec<String> =
        verdict.complaints.iter().take(20).map(|text| text.chars().take(1500).collect()).collect();
    println!("{name}: log {}, lost {lost}, checked {:?}", history.log.len(), verdict.counts);
    let count = verdict.complaints.len();
    assert!(complaints.is_empty(), "{name} (seed {seed}): {count} inconsistent:\n{}", complaints.join("\n"));
    for what in WANTED {
        assert!(verdict.counts.get(what).is_some_and(|n| *n > 0), "{what}: {:?}", verdict.counts);
    }
}

/// Ends the clients.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Troubles one node after another until the time is over; longer where clients, on a busy machine, have not seen all by then.
fn disturb(apps: &mut [TestApp], trouble: Trouble, end: Instant, shared: &Shared) {
    let mut round = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let nap = Duration::from_millis(1000 + 370 * (round % 4));
        std::thread::sleep(if left.is_zero() { nap } else { left.min(nap) });
        let over = Instant::now().checked_duration_since(end);
        if round > 0 && over.is_some_and(|over| over >= LONGER || shared.has_seen_all()) {
            return;
        }
        let node = usize::try_from(round).unwrap() % apps.len();
        match trouble {
            Trouble::Nothing => {}
            Trouble::Kill => {
                apps[node].kill();
                apps[node].restart(&[]);
            }
            Trouble::Pause => {
                signal("STOP", &apps[node].pid().to_string());
                std::thread::sleep(PAUSE);
                signal("CONT", &apps[node].pid().to_string());
            }
            Trouble::PauseInCommit => pause_in_commit(&apps[node]),
        }
        round += 1;
    }
}

/// Stops a node at moments until it is in the middle of a commit: then PostgreSQL waits for it, and it holds the head.
fn pause_in_commit(app: &TestApp) {
    let pid = app.pid().to_string();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND state = 'idle in transaction' AND backend_xid IS NOT NULL AND state_change < now() - interval '60 ms'";
    for _ in 0..100 {
        signal("STOP", &pid);
        std::thread::sleep(Duration::from_millis(100));
        if app.sql(open).trim() != "0" {
            std::thread::sleep(PAUSE);
            signal("CONT", &pid);
            return;
        }
        signal("CONT", &pid);
        std::thread::sleep(Duration::from_millis(13));
    }
    panic!("the node is never in the middle of a commit");
}

on_both_databases! {
    fn one_node(database) {
        run("one node", database, 1, Trouble::Nothing);
    }

    fn one_node_killed(database) {
        run("one node, killed", database, 1, Trouble::Kill);
    }

    fn one_node_paused(database) {
        run("one node, paused", database, 1, Trouble::Pause);
    }
}

fn two(name: &str, trouble: Trouble) {
    if Postgres::available() {
        run(name, Database::Postgres, 2, trouble);
    }
}

#[test]
fn two_nodes() {
    two("two nodes", Trouble::Nothing);
}

#[test]
fn two_nodes_one_killed() {
    two("two nodes, one killed", Trouble::Kill);
}

#[test]
fn two_nodes_one_paused() {
    two("two nodes, one paused", Trouble::Pause);
}

#[test]
fn two_nodes_one_paused_in_a_commit() {
    two("two nodes, one paused in a commit", Trouble::PauseInCommit);
}
