//! A PostgreSQL of the benchmark's own: a fresh cluster with the settings that it comes with, so `fsync` and
//! `synchronous_commit` are on.
//!
//! A shell runs it and waits for the end of its input: the cluster ends with the benchmark, however that ends.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::machine::{disk_bytes, free_port};
use super::slow_disk::SlowDisk;
use crate::base::fault::{Fault, Result};

/// `$1` the binaries, `$2` the folder, `$3` the port, `$4` what `postgres` preloads.
const KEEPER: &str = r#"
cd / && export PATH="$1:$PATH"
initdb -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 || exit 1
LD_PRELOAD="$4" postgres -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 >>"$2/log" 2>&1 </dev/null &
trap '' HUP INT TERM
while read -r line; do :; done
kill -INT $!
wait
"#;

/// A running cluster; it ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    keeper: Child,
    port: u16,
    folder: tempfile::TempDir,
}

/// Longest time until it answers.
const PATIENCE: Duration = Duration::from_secs(90);

impl Cluster {
    /// Makes and starts one in a new folder below `work`.
    ///
    /// # Errors
    /// 500 when its programs are not there or it does not start.
    pub fn start(work: &Path, slow: Option<&SlowDisk>) -> Result<Self> {
        let failed = |error: std::io::Error| Fault::internal(format!("PostgreSQL: {error}"));
        let bin = binaries().ok_or_else(|| Fault::internal("/usr/lib/postgresql holds no initdb"))?;
        let work = work.canonicalize().map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("cresset-bench-").tempdir_in(work).map_err(failed)?;
        let mut command = as_somebody(folder.path())?;
        command.args(["sh", "-c", KEEPER, "keeper"]).arg(&bin).arg(folder.path());
        let port = free_port()?;
        command.arg(port.to_string()).arg(slow.map(SlowDisk::library).unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut cluster = Self { keeper: command.spawn().map_err(failed)?, port, folder };
        cluster.wait(&bin)?;
        Ok(cluster)
    }

    /// The URL of its empty database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Bytes of its tables and their indexes, without its log.
    pub fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.folder.path().join("data/base"))
    }

    fn wait(&mut self, bin: &Path) -> Result<()> {
        let started = Instant::now();
        let port = self.port.to_string();
        while started.elapsed() < PATIENCE {
            let mut command = Command::new(bin.join("pg_isready"));
            let asked = command.args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            if asked.is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if let Ok(Some(_)) = self.keeper.try_wait() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut message = "PostgreSQL does not start".to_owned();
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        if let Some(line) = log.lines().rfind(|line| !line.is_empty()) {
            write!(message, ": {line}").ok();
        }
        Err(Fault::internal(message))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}

/// The newest `/usr/lib/postgresql/*/bin` that can make a cluster.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|bin| bin.join("initdb").is_file()).max()
}

/// PostgreSQL refuses to run as root: then the system's user `postgres` runs it, and owns the folder.
fn as_somebody(folder: &Path) -> Result<Command> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let owned = Command::new("chown").arg("postgres").arg(folder).status();
    let failed = |error: std::io::Error| Fault::internal(format!("PostgreSQL: {error}"));
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    if !owned.map_err(failed)?.success() {
        return Err(Fault::internal("PostgreSQL needs a user that is not root: there is no user postgres"));
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]);
    Ok(command)
}
