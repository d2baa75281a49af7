//! The product under test: the real binary as a child process, over a store of its own.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{Client, Postgres};

/// Where a test's store lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Embedded, in the data folder.
    Sqlite,
    /// A fresh database of the throw-away cluster.
    Postgres,
}

/// A running server and its folder; both go away with it.
#[derive(Debug)]
pub struct TestApp {
    child: Option<Child>,
    address: SocketAddr,
    folder: PathBuf,
    keep: Option<tempfile::TempDir>,
    url: Option<String>,
    program: String,
}

/// How long a server may take to become ready, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

impl TestApp {
    /// A server over an empty store.
    #[track_caller]
    pub fn start(database: Database) -> Self {
        let url = (database == Database::Postgres).then(|| Postgres::shared().database());
        let mut app = Self::over(url);
        app.restart(&[]);
        app
    }

    /// A server that is not started yet, over a database of PostgreSQL or, without a URL, in its folder.
    pub fn over(url: Option<String>) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let (folder, program) = (keep.path().join("data"), env!("CARGO_BIN_EXE_cresset").to_owned());
        Self { child: None, address: free_port(), folder, keep: Some(keep), url, program }
    }

    /// A second node over the same database, with an index of its own.
    #[track_caller]
    pub fn second_node(&self) -> Self {
        assert!(self.url.is_some(), "two nodes share a PostgreSQL");
        let mut app = Self::over(self.url.clone());
        app.restart(&[]);
        app
    }

    /// Another program, such as an older one, for the next starts.
    pub fn set_program(&mut self, path: &str) {
        path.clone_into(&mut self.program);
    }

    /// Starts the server (again) over what is there. `through`: a program and its arguments that runs it, such as strace.
    #[track_caller]
    pub fn restart(&mut self, through: &[&str]) {
        self.restart_with(through, &[]);
    }

    /// The same with variables of the environment.
    #[track_caller]
    pub fn restart_with(&mut self, through: &[&str], variables: &[(&str, &str)]) {
        self.kill();
        let listen = self.address.to_string();
        let mut arguments: Vec<&str> = through.to_vec();
        arguments.extend([&self.program, "serve", "--insecure-no-auth", "--listen", &listen]);
        let mut command = command(&arguments);
        let child = self.with_store(&mut command).envs(variables.iter().copied()).stdin(Stdio::null());
        // A group of its own: a program that runs the server, such as strace, must not outlive or be outlived by it.
        let child = child.process_group(0);
        let log = std::fs::File::create(self.log()).unwrap();
        let child = child.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        self.wait_until_ready();
    }

    /// Starts another command of the binary over the same store, to be killed.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let all: Vec<&str> = [env!("CARGO_BIN_EXE_cresset")].iter().chain(arguments).copied().collect();
        let mut command = command(&all);
        let command = self.with_store(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Adds `--data` and `--database` to a command.
    fn with_store<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        std::fs::create_dir_all(&self.folder).unwrap();
        command.arg("--data").arg(&self.folder);
        if let Some(url) = &self.url {
            command.arg("--database").arg(url);
        }
        command
    }

    /// Runs another command of the binary over the same store (the server must be stopped).
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        let all: Vec<&str> = [env!("CARGO_BIN_EXE_cresset")].iter().chain(arguments).copied().collect();
        self.with_store(&mut command(&all)).output().unwrap()
    }

    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let start = Instant::now();
        loop {
            let ready = self.client().try_send("GET", "/readyz", &[], &[]);
            if ready.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            let exited = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            if exited.is_some() || start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                panic!("the server is not ready ({exited:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Where it listens, also after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS/fhir`.
    pub fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// What the server has written to its log since it was started.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process id of the server (or of the program that runs it).
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The URL of its PostgreSQL, if it has one.
    pub fn database(&self) -> Option<String> {
        self.url.clone()
    }

    /// Runs SQL in the database behind the server's back.
    pub fn sql(&self, text: &str) -> String {
        Postgres::shared().run(self.url.as_deref().expect("PostgreSQL"), text)
    }

    /// SIGKILL: nothing is flushed, nothing is said goodbye to.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until the server has ended by itself, and says how.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("the last lines of the server's log:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        drop(self.keep.take());
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(arguments[0]);
    command.args(&arguments[1..]);
    command
}

/// A loopback address that was free a moment ago.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
