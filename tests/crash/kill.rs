//! SIGKILL under load, several rounds over one store.

use std::time::Duration;

use super::load::{check, doctor, write_until};
use crate::support::{TestApp, on_both_databases, signal, variable};

on_both_databases! {
    fn what_was_answered_survives_a_kill(database) {
        let rounds: usize = variable("CRESSET_CRASH_ROUNDS").map_or(3, |n| n.parse().unwrap());
        let mut app = TestApp::start(database);
        let mut answered = Vec::new();
        for round in 0..rounds {
            let pid = app.pid().to_string();
            let time = Duration::from_millis(400 + 170 * (round as u64 % 7));
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
