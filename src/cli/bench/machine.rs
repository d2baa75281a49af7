//! What the numbers were measured on.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::base::fault::{Fault, Result};

/// Lines that describe the machine: processor, memory, kernel, what else runs, versions.
pub fn describe() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processor", format!("{cores} x {}", field("/proc/cpuinfo", "model name").unwrap_or_default())),
        ("memory", field("/proc/meminfo", "MemTotal").unwrap_or_default()),
        ("kernel", line("/proc/sys/kernel/osrelease")),
        ("load average", line("/proc/loadavg")),
        ("cresset", env!("CARGO_PKG_VERSION").to_owned()),
        ("build", if cfg!(debug_assertions) { "debug: these numbers mean nothing" } else { "release" }.to_owned()),
    ]
}

/// The 1-minute load average: what else runs on the machine.
pub fn load_average() -> f64 {
    line("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The value of a line `name: value` of a file under `/proc`.
pub fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Bytes of all files below a folder.
pub fn disk_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => disk_bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// A port that nobody listens on.
///
/// # Errors
/// 500 when there is none.
pub fn free_port() -> Result<u16> {
    let bad = |error: std::io::Error| Fault::internal(format!("no free port: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(bad)?;
    listener.local_addr().map(|address| address.port()).map_err(bad)
}
