//! A disk that syncs slowly: a preloaded library adds a time to every `fsync` and `fdatasync` of a process.
//!
//! Where the disk syncs in a tenth of a millisecond, only the delay shows whether commits share their syncs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::base::fault::{Fault, Result};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void delay(void) {
    struct timespec left = { DELAY_MILLIS / 1000, DELAY_MILLIS % 1000 * 1000000L };
    while (nanosleep(&left, &left)) {}
}
int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); delay(); return real(fd); }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); delay(); return real(fd); }
"#;

/// The library, for processes that are to be started.
#[derive(Debug)]
pub struct SlowDisk {
    folder: tempfile::TempDir,
}

impl SlowDisk {
    /// A library that adds `millis`, compiled with the system's `cc`.
    ///
    /// # Errors
    /// 500 when there is no compiler, or it refuses.
    pub fn build(millis: u64) -> Result<Self> {
        let failed = |error: std::io::Error| Fault::internal(format!("--fsync-delay: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        // The database may run as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let built = Self { folder };
        let source = built.folder.path().join("delay.c");
        std::fs::write(&source, SOURCE).map_err(failed)?;
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(built.library()).arg(&source).arg("-ldl");
        let output = command.arg(format!("-DDELAY_MILLIS={millis}")).output();
        let output =
            output.map_err(|error| Fault::internal(format!("--fsync-delay needs the compiler cc: {error}")))?;
        if !output.status.success() {
            return Err(Fault::internal(format!("cc: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(built)
    }

    /// The file to preload.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("delay.so")
    }

    /// Makes a process sync slowly, with all that it starts.
    pub fn slow_down(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_sync_takes_at_least_the_delay() {
        // Without a compiler there is nothing to test.
        if Command::new("cc").arg("--version").output().is_err() {
            return;
        }
        let slow = SlowDisk::build(200).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "bs=1", "count=1", "conv=fsync", "status=none"]);
        command.arg(format!("of={}", folder.path().join("file").display()));
        slow.slow_down(&mut command);
        let started = Instant::now();
        assert!(command.status().unwrap().success());
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
}
