//! Something that the server stands on goes away: its database, the room on its disk, its index. Nothing answered is lost,
//! and when it is back, so is the server, by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::load::{check, doctor, pair, write_until};
use crate::support::{Client, Cluster, TestApp, on_both_databases, signal, skip, variable};

/// Writes until a write is answered with 200 again.
#[track_caller]
fn until_it_writes(app: &TestApp, name: &str) -> String {
    let start = Instant::now();
    let mut client = app.client();
    for n in 0.. {
        let name = format!("{name}-{n}");
        let headers = [("Content-Type", "application/fhir+json")];
        match client.try_send("POST", "/fhir", &headers, pair(&name).to_string().as_bytes()) {
            Ok(answer) if answer.status == 200 => return name,
            Ok(answer) => assert!(answer.status >= 500, "{} {}", answer.status, answer.text()),
            Err(_) => client = app.client(),
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    unreachable!()
}

/// Writes pairs one after the other until one fails, or `most` are written; the answered ones, and the failure's status.
fn fill(client: &mut Client, name: &str, most: usize, size: usize) -> (Vec<String>, Option<u16>) {
    let mut answered = Vec::new();
    for n in 0..most {
        let name = format!("{name}-{n}");
        let mut bundle = pair(&name);
        bundle["entry"][0]["resource"]["text"] = serde_json::json!({"status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", noise(n as u64, size))});
        let answer = client.post("", &bundle);
        if answer.status != 200 {
            let outcome = answer.json();
            assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
            return (answered, Some(answer.status));
        }
        answered.push(name);
    }
    (answered, None)
}

/// Text that does not compress.
fn noise(seed: u64, size: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn the_database_goes_away_and_comes_back() {
    let Some(mut cluster) = Cluster::create() else { return };
    cluster.start();
    let mut app = TestApp::over(Some(cluster.url()));
    app.restart(&[]);
    // A minute by default would be long for every run.
    let away = variable("CRESSET_OUTAGE_SECONDS").map_or(4, |n| n.parse().unwrap());
    let stopped = std::sync::Mutex::new(&mut cluster);
    let mut answered = write_until(&app, 0, Duration::from_millis(800), || stopped.lock().unwrap().stop());
    assert!(!answered.is_empty());
    let mut client = app.client();
    let gone = Instant::now();
    // What needs the database says that it cannot, what does not need it goes on.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let asked = Instant::now();
            let refused = app.client().post("", &pair("away"));
            // Who waits for a connection from a database that is away is told so before the pool gives up after 15 s.
            assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
            assert_eq!(refused.status, 503, "{}", refused.text());
            assert_eq!(refused.json()["resourceType"], "OperationOutcome");
        });
        scope.spawn(|| assert_eq!(app.client().send("GET", "/readyz", &[], &[]).status, 503));
        client.send("GET", "/livez", &[], &[]).expect(200);
    });
    std::thread::sleep(Duration::from_secs(away).saturating_sub(gone.elapsed()));
    let pid = app.pid();
    cluster.start();
    answered.push(until_it_writes(&app, "back"));
    check(&mut app.client(), &answered);
    assert_eq!(app.pid(), pid, "it is the same process");
    client.send("GET", "/readyz", &[], &[]).expect(200);
    doctor(&mut app);
}

/// A small file system of its own; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let disk = Self(at.to_owned());
        disk.run(&["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).then_some(disk)
    }

    fn grow(&self, megabytes: u32) {
        assert!(self.run(&["-o", &format!("remount,size={megabytes}m")]));
    }

    fn run(&self, arguments: &[&str]) -> bool {
        let output = Command::new("mount").args(arguments).arg(&self.0).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let mut app = TestApp::over(None);
    let Some(disk) = SmallDisk::mount(app.folder(), 24) else {
        return skip("a tmpfs that this user may mount", "REQUIRE_MOUNT");
    };
    app.restart(&[]);
    let mut client = app.client();
    let (mut answered, refused) = fill(&mut client, "full", 4000, 20_000);
    assert!(answered.len() > 50, "{}", answered.len());
    let status = refused.expect("the disk is full at some time");
    assert!(matches!(status, 500 | 503 | 507), "{status}");
    // What is there can still be read.
    client.get("Patient?_count=1&_total=none");
    disk.grow(200);
    answered.push(until_it_writes(&app, "room"));
    check(&mut app.client(), &answered);
    doctor(&mut app);
    // A start on a full disk: it says so or starts, and loses nothing.
    app.restart(&[]);
    check(&mut app.client(), &answered);
    app.kill();
}

on_both_databases! {
    fn a_torn_index_is_built_again(database) {
        let mut app = TestApp::start(database);
        let pid = app.pid().to_string();
        // Long enough that the index was committed: while writes stream in, that is once a second.
        let answered = write_until(&app, 0, Duration::from_millis(2500), || signal("KILL", &pid));
        app.kill();
        for round in 0..5 {
            tear(&app.folder().join("index"), round);
            app.restart(&[]);
            check(&mut app.client(), &answered);
            if round % 2 == 0 {
                signal("TERM", &app.pid().to_string());
                assert!(app.ended().success());
                // What was closed in order is trusted; so the marker must not survive what a torn disk leaves.
                std::fs::remove_file(marker(&app.folder().join("index"))).unwrap();
            }
            doctor(&mut app);
        }
    }
}

/// Damages an index: cuts a file in half, empties one, removes one, flips a byte, or leaves a stranger.
fn tear(root: &Path, round: usize) {
    let mut files = Vec::new();
    visit(root, &mut files);
    files.sort();
    let data: Vec<&PathBuf> = files.iter().filter(|f| std::fs::metadata(f).unwrap().len() > 64).collect();
    assert!(data.len() > 3, "{files:?}");
    let file = data[(round * 5 + 1) % data.len()];
    let mut bytes = std::fs::read(file).unwrap();
    match round {
        0 => bytes.truncate(bytes.len() / 2),
        1 => bytes.clear(),
        2 => return std::fs::remove_file(file).unwrap(),
        3 => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
        }
        _ => return std::fs::write(file.with_extension("stranger"), b"x").unwrap(),
    }
    std::fs::write(file, bytes).unwrap();
}

fn visit(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { visit(&path, files) } else { files.push(path) }
    }
}

fn marker(root: &Path) -> PathBuf {
    let mut files = Vec::new();
    visit(root, &mut files);
    files.into_iter().find(|f| f.ends_with("closed")).expect("it was closed in order")
}
