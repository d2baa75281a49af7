//! SIGKILL under load, several rounds over one store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::load::{check, doctor, write_until};
use super::rounds::{is_time_for_a_new_store, random, rounds};
use crate::support::{Database, Postgres, TestApp, on_both_databases, signal};

on_both_databases! {
    fn what_was_answered_survives_a_kill(database) {
        let mut app = TestApp::start(database);
        let mut answered = Vec::new();
        for round in 0..rounds() {
            if is_time_for_a_new_store(round) {
                app = TestApp::start(database);
                answered.clear();
            }
            let pid = app.pid().to_string();
            let time = Duration::from_millis(200 + random(round) % 1200);
            let kill = || signal("KILL", &pid);
            let written = write_until(&app, round, time, kill);
            assert!(!written.is_empty(), "round {round} wrote nothing");
            answered.extend(written);
            doctor(&mut app);
            app.restart(&[]);
            check(&mut app.client(), &answered);
        }
        doctor(&mut app);
    }

    fn what_was_answered_survives_a_kill_while_the_index_merges(database) {
        let mut app = TestApp::start(database);
        let mut answered = Vec::new();
        for round in 0..rounds() {
            if is_time_for_a_new_store(round) {
                doctor(&mut app);
                app = TestApp::start(database);
                answered.clear();
            }
            let pid = app.pid().to_string();
            let over = std::sync::atomic::AtomicBool::new(false);
            // Each search that waits makes the index commit; many small commits make it merge.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut client = app.client();
                    let ask = |client: &mut crate::support::Client| client.try_send("GET", "/fhir/Patient?_count=0", &[], &[]);
                    while !over.load(Ordering::SeqCst) && ask(&mut client).is_ok() {
                        std::thread::yield_now();
                    }
                });
                let time = Duration::from_millis(500 + random(round) % 1500);
                let written = write_until(&app, round, time, || signal("KILL", &pid));
                over.store(true, Ordering::SeqCst);
                answered.extend(written);
            });
            app.restart(&[]);
            check(&mut app.client(), &answered);
        }
        doctor(&mut app);
    }

    fn a_reindex_that_is_killed_begins_again(database) {
        let mut app = TestApp::start(database);
        let pid = app.pid().to_string();
        let answered = write_until(&app, 0, Duration::from_millis(1500), || signal("KILL", &pid));
        for round in 0..rounds() {
            app.kill();
            let mut child = app.spawn(&["reindex"]);
            std::thread::sleep(Duration::from_millis(random(round) % 400));
            child.kill().unwrap();
            child.wait().unwrap();
            app.restart(&[]);
            check(&mut app.client(), &answered);
            doctor(&mut app);
        }
        app.kill();
        assert!(app.run(&["reindex"]).status.success());
        app.restart(&[]);
        check(&mut app.client(), &answered);
    }

    fn a_migration_that_is_killed_begins_again(database) {
        for round in 0..rounds() {
            let mut app = TestApp::over((database == Database::Postgres).then(|| Postgres::shared().database()));
            // Several kills over one new store, each a little later.
            for attempt in 0..4 {
                let listen = ["serve", "--insecure-no-auth", "--listen", "127.0.0.1:0"];
                let command: &[&str] = if attempt % 2 == 0 { &["migrate"] } else { &listen };
                let mut child = app.spawn(command);
                std::thread::sleep(Duration::from_millis(random(round * 4 + attempt) % (60 + 60 * attempt as u64)));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            app.restart(&[]);
            let pid = app.pid().to_string();
            let answered = write_until(&app, round, Duration::from_millis(200), || signal("KILL", &pid));
            doctor(&mut app);
            app.restart(&[]);
            check(&mut app.client(), &answered);
        }
    }

    fn sigterm_drains(database) {
        let mut app = TestApp::start(database);
        let pid = app.pid().to_string();
        let term = || signal("TERM", &pid);
        let answered = write_until(&app, 0, Duration::from_millis(500), term);
        assert!(app.ended().success());
        app.restart(&[]);
        check(&mut app.client(), &answered);
        doctor(&mut app);
    }
}

#[test]
fn a_data_folder_has_one_process() {
    let app = TestApp::start(crate::support::Database::Sqlite);
    let output = app.run(&["serve", "--insecure-no-auth", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
