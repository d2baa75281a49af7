//! The server as a child process.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use rustix::process::{Pid, Signal, kill_process};

use super::ground::Ground;
use super::machine::{cpu_time, field, free_port};
use super::slow_disk::SlowDisk;
use crate::base::config::program;
use crate::base::fault::{Fault, Result};
use crate::base::net::Connection;

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub authority: String,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
}

/// Longest time until a child answers or ends.
const PATIENCE: Duration = Duration::from_secs(300);

impl Server {
    /// Starts `serve` on its ground, and waits until it is ready. The time is taken to the first answer of
    /// `/fhir/metadata`.
    ///
    /// # Errors
    /// 500 when it does not start.
    pub async fn start(ground: &Ground, slow: Option<&SlowDisk>, validation: Option<&str>) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program()?);
        command.args(["serve", "--insecure-no-auth", "--listen", &format!("127.0.0.1:{port}"), "--data"]);
        command.arg(ground.folder()).env("CRESSET_LOG", "error");
        if let Some(database) = ground.database() {
            command.env("CRESSET_DATABASE", database);
        }
        if let Some(mode) = validation {
            command.env("CRESSET_VALIDATION_MODE", mode);
        }
        if let Some(slow) = slow {
            slow.slow_down(&mut command);
        }
        let mut server = Self::spawn(command, port, "/fhir/metadata").await?;
        server.wait("/readyz", Instant::now()).await?;
        Ok(server)
    }

    /// Starts the bare handler that answers `bytes` bytes.
    ///
    /// # Errors
    /// 500 when it does not start.
    pub async fn start_bare(bytes: usize) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program()?);
        command.args(["bare", "--listen", &format!("127.0.0.1:{port}"), "--bytes", &bytes.to_string()]);
        Self::spawn(command, port, "/fhir/Patient/0").await
    }

    async fn spawn(mut command: Command, port: u16, path: &str) -> Result<Self> {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| Fault::internal(format!("the server does not start: {error}")))?;
        let mut server = Self { child, authority: format!("127.0.0.1:{port}"), started_in: Duration::ZERO };
        server.started_in = server.wait(path, started).await?;
        Ok(server)
    }

    /// Asks until there is a good answer. Answers how long after `started` that was.
    async fn wait(&mut self, path: &str, started: Instant) -> Result<Duration> {
        let mut connection = Connection::new(&self.authority)?;
        while started.elapsed() < PATIENCE {
            let answer = connection.send(Method::GET, path, HeaderMap::new(), Bytes::new()).await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(started.elapsed());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Fault::internal(format!("the server ended by itself: {status}")));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(Fault::internal(format!("the server did not answer {path} in {} s", PATIENCE.as_secs())))
    }

    /// The fault of a task, with how the server ended if it did: that is the cause then.
    pub fn explain(&mut self, fault: Fault) -> Fault {
        match self.child.try_wait() {
            Ok(Some(status)) => fault.context(format!("the server ended by itself ({status})")),
            _ => fault,
        }
    }

    /// Resident memory in MiB: (`RssAnon`, `VmRSS`).
    pub fn memory(&self) -> (f64, f64) {
        let status = format!("/proc/{}/status", self.child.id());
        let kib = |name| -> f64 {
            let value = field(&status, name).unwrap_or_default();
            value.trim_end_matches("kB").trim().parse().unwrap_or_default()
        };
        (kib("RssAnon") / 1024.0, kib("VmRSS") / 1024.0)
    }

    /// CPU time that it has used, of all threads, in user and in kernel mode.
    pub fn cpu(&self) -> Duration {
        cpu_time(self.child.id())
    }

    /// Ends it with SIGTERM. Answers how long that took.
    ///
    /// # Errors
    /// 500 when it does not end well.
    pub async fn stop(mut self) -> Result<Duration> {
        let started = Instant::now();
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Fault::internal("the server has no process id"))?;
        kill_process(pid, Signal::TERM).map_err(|error| Fault::internal(format!("SIGTERM: {error}")))?;
        while started.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(started.elapsed()),
                Ok(Some(status)) => return Err(Fault::internal(format!("the server ended with {status}"))),
                Ok(None) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => return Err(Fault::internal(format!("the server: {error}"))),
            }
        }
        Err(Fault::internal("the server does not end after SIGTERM"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` this does nothing: the process has ended and was waited for.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
