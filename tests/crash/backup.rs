//! SIGKILL while a backup is made: of the backup, and of the server.

use std::time::Duration;

use super::load::{check, doctor, write_until};
use super::rounds::{is_time_for_a_new_store, random, rounds};
use crate::support::{Database, Postgres, TestApp, on_both_databases, signal};

#[track_caller]
fn run(app: &TestApp, arguments: &[&str]) {
    let output = app.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The backup is whole: what it is restored to has everything that was answered, and nothing by half.
fn restore(database: Database, backup: &str, answered: &[String]) {
    let mut restored = TestApp::over((database == Database::Postgres).then(|| Postgres::shared().database()));
    run(&restored, &["restore", "--from", backup]);
    restored.restart(&[]);
    check(&mut restored.client(), answered);
    doctor(&mut restored);
}

on_both_databases! {
    fn a_backup_that_is_killed_goes_on(database) {
        let (mut app, mut folder, mut answered) = (TestApp::start(database), tempfile::tempdir().unwrap(), Vec::new());
        // Every store has something to be backed up, however slow the machine is.
        answered.extend(write_until(&app, 0, Duration::from_millis(300), || ()));
        let path = |folder: &tempfile::TempDir| folder.path().to_str().unwrap().to_owned();
        for round in 0..rounds() {
            if is_time_for_a_new_store(round) {
                restore(database, &path(&folder), &answered);
                (app, folder) = (TestApp::start(database), tempfile::tempdir().unwrap());
                answered = write_until(&app, 0, Duration::from_millis(300), || ());
            }
            let (to, server) = (path(&folder), app.pid().to_string());
            let is_server = round % 2 == 1;
            // While others write, one of the two is killed at some moment of the backup.
            let kill = || {
                let mut backup = app.spawn(&["backup", "--to", &to]);
                std::thread::sleep(Duration::from_millis(random(round) % 60));
                if is_server {
                    signal("KILL", &server);
                    assert!(backup.wait().unwrap().success(), "a backup does not need the server");
                } else {
                    backup.kill().unwrap();
                    backup.wait().unwrap();
                }
            };
            answered.extend(write_until(&app, 1 + round, Duration::from_millis(150), kill));
            if is_server {
                app.restart(&[]);
            }
            run(&app, &["backup", "--to", &to]);
        }
        restore(database, &path(&folder), &answered);
        check(&mut app.client(), &answered);
        doctor(&mut app);
    }
}
