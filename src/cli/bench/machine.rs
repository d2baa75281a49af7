//! What the numbers were measured on.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

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

/// CPU time that a process has used so far, of all its threads, in user and in kernel mode; zero when it is not known.
pub fn cpu_time(process: u32) -> Duration {
    // the name of the program, in parentheses, may hold anything
    let stat = line(&format!("/proc/{process}/stat"));
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * TICK_MILLIS)
}

/// What Linux counts CPU time in for programs (USER_HZ), the same on all processors that this runs on.
const TICK_MILLIS: u64 = 10;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows() {
        let before = cpu_time(std::process::id());
        let started = std::time::Instant::now();
        let mut sum = 0_u64;
        while cpu_time(std::process::id()) <= before && started.elapsed() < Duration::from_secs(20) {
            (0..1_000_000_u64).for_each(|n| sum = std::hint::black_box(sum ^ n));
        }
        assert!(cpu_time(std::process::id()) > before);
        assert_eq!(cpu_time(u32::MAX), Duration::ZERO);
    }
}
