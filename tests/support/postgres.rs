//! One throw-away PostgreSQL per test run, with one database per test.
//!
//! `CRESSET_TEST_POSTGRES` names a cluster that is there already (a URL whose last part is a database to connect to).
//! Without it, one is started from the system's binaries; it ends when the test process ends, however that happens,
//! because a shell waits for the end of its input. It does not sync: the tests of durability look at our own syncs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{free_port, skip, variable};

/// The cluster.
#[derive(Debug)]
pub struct Postgres {
    /// URL up to the name of a database, ends with `/`.
    server: String,
    bin: PathBuf,
    /// Holds the input of the shell open.
    _keeper: Option<Child>,
}

static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Starts a cluster in `$1` at port `$2`, waits for the end of the input, and removes it.
const KEEPER: &str = r#"
cd / && export PATH="$3:$PATH"
initdb -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$1/initdb.log" 2>&1 || exit 1
printf '%s\n' "listen_addresses = '127.0.0.1'" "port = $2" "unix_socket_directories = '$1'" "fsync = off" \
  "full_page_writes = off" "max_connections = 400" "shared_buffers = 64MB" "max_wal_size = 256MB" >>"$1/data/postgresql.conf"
postgres -D "$1/data" >"$1/postgres.log" 2>&1 </dev/null &
trap '' HUP INT TERM
while read -r line; do :; done
kill -QUIT $!
wait
rm -rf "$1"
"#;

impl Postgres {
    /// Whether there is one; says loudly when not, and fails when `REQUIRE_POSTGRES=1`.
    pub fn available() -> bool {
        let there = SHARED.get_or_init(Self::open).is_some();
        if !there {
            skip("PostgreSQL", "REQUIRE_POSTGRES");
        }
        there
    }

    /// The cluster of this test run.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::open).as_ref().expect("PostgreSQL is available")
    }

    /// A new, empty database; its URL.
    pub fn database(&self) -> String {
        let name = format!("cresset_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("{}{name}", self.server)
    }

    /// Runs SQL in a database of a URL that [`Postgres::database`] gave; the values of its rows.
    pub fn run(&self, url: &str, text: &str) -> String {
        self.sql(url.strip_prefix(&self.server).unwrap(), text)
    }

    fn sql(&self, database: &str, text: &str) -> String {
        let own = self.bin.join("psql");
        let mut command = Command::new(if own.is_file() { own } else { "psql".into() });
        let url = format!("{}{database}", self.server);
        let output =
            command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", text]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn open() -> Option<Self> {
        let bin = binaries().unwrap_or_default();
        if let Some(url) = variable("CRESSET_TEST_POSTGRES") {
            let server = url[..=url.rfind('/')?].to_owned();
            return Some(Self { server, bin, _keeper: None });
        }
        bin.join("initdb").is_file().then(|| Self::start(bin))
    }

    fn start(bin: PathBuf) -> Self {
        let folder = std::env::temp_dir().join(format!("cresset-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = free_port();
        let mut command = as_somebody(&folder);
        command.args(["sh", "-c", KEEPER, "keeper"]).arg(&folder).arg(address.port().to_string()).arg(&bin);
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = format!("postgres://postgres@{address}/");
        let started = Self { server, bin, _keeper: Some(keeper) };
        started.wait(&folder);
        started
    }

    fn wait(&self, folder: &Path) {
        let start = Instant::now();
        let url = format!("{}postgres", self.server);
        let ready = || Command::new(self.bin.join("pg_isready")).args(["-q", "-d", &url]).status().unwrap().success();
        while !ready() {
            let log =
                || ["initdb.log", "postgres.log"].map(|f| std::fs::read_to_string(folder.join(f)).unwrap_or_default());
            assert!(start.elapsed() < Duration::from_secs(90), "PostgreSQL does not start: {:?}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A cluster of one test, which syncs, and which the test starts and stops.
#[derive(Debug)]
pub struct Cluster {
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    bin: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Makes one, not running; `None`, said loudly, where there are no binaries.
    pub fn create() -> Option<Self> {
        let bin = binaries().filter(|bin| bin.join("initdb").is_file());
        let Some(bin) = bin else {
            skip("PostgreSQL", "REQUIRE_POSTGRES");
            return None;
        };
        let made = Self { folder: tempfile::tempdir().unwrap(), address: free_port(), bin, server: None };
        let mut command = as_somebody(made.folder.path());
        let data = made.folder.path().join("data");
        command.arg(made.bin.join("initdb")).arg("-D").arg(data);
        command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let output = command.current_dir("/").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(made)
    }

    /// The program that runs it, and its arguments.
    pub fn arguments(&self) -> Vec<String> {
        let run = as_somebody(self.folder.path());
        let words = std::iter::once(run.get_program()).chain(run.get_args());
        let mut words: Vec<String> = words.map(|word| word.to_str().unwrap().to_owned()).collect();
        let folder = self.folder.path().to_str().unwrap();
        words.extend([
            self.bin.join("postgres").to_str().unwrap().to_owned(),
            "-D".to_owned(),
            format!("{folder}/data"),
        ]);
        words.extend(["-p".to_owned(), self.address.port().to_string(), "-k".to_owned(), folder.to_owned()]);
        // Only what the test does may write to the log.
        for setting in
            ["listen_addresses=127.0.0.1", "fsync=on", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0"]
        {
            words.extend(["-c".to_owned(), setting.to_owned()]);
        }
        words
    }

    /// Runs it and waits until it answers.
    pub fn start(&mut self) {
        let words = self.arguments();
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let start = Instant::now();
        while !Command::new(&self.ready()[0]).args(&self.ready()[1..]).status().unwrap().success() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(90), "PostgreSQL does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The command that succeeds when it answers.
    pub fn ready(&self) -> Vec<String> {
        let port = self.address.port().to_string();
        let program = self.bin.join("pg_isready").to_str().unwrap().to_owned();
        vec![program, "-q".to_owned(), "-h".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port]
    }

    /// Ends it at once: SIGQUIT, after which it recovers from its log.
    pub fn stop(&mut self) {
        let file = self.folder.path().join("data/postmaster.pid");
        if let Some(pid) = std::fs::read_to_string(file).ok().and_then(|text| text.lines().next().map(str::to_owned)) {
            Command::new("kill").args(["-QUIT", &pid]).stderr(Stdio::null()).status().unwrap();
        }
        if let Some(mut server) = self.server.take() {
            server.wait().unwrap();
        }
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The newest `/usr/lib/postgresql/*/bin`.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions.map(|v| v.unwrap().path().join("bin")).filter(|b| b.is_dir()).collect();
    folders.sort();
    folders.pop()
}

/// PostgreSQL refuses to run as root: then another user runs it, and owns the folder.
fn as_somebody(folder: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !root {
        return Command::new("env");
    }
    let exists = |user: &str| Command::new("id").arg(user).output().is_ok_and(|o| o.status.success());
    let user = if exists("postgres") { "postgres" } else { "nobody" };
    assert!(Command::new("chown").arg(user).arg(folder).status().unwrap().success());
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]);
    command
}
