//! The product in this process, with a clock that stands still and ids from a seed: its answers repeat to the byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use cresset::base::clock::{FixedClock, SharedClock, Timestamp};
use cresset::base::config::{Config, Secret, ValidationMode};
use cresset::base::id::IdSource;
use cresset::cli::running::Running;

use super::{Client, Database, Postgres};

/// 2024-02-29T12:34:56.789Z.
const START: Timestamp = Timestamp(1_709_210_096_789_000);

/// A server in a thread of its own; it ends with the value.
#[derive(Debug)]
pub struct StillApp {
    address: SocketAddr,
    clock: Arc<FixedClock>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StillApp {
    /// A server over an empty store.
    #[track_caller]
    pub fn start(database: Database) -> Self {
        Self::with(database, ValidationMode::default())
    }

    /// The same, which takes what has the shape of a resource.
    #[track_caller]
    pub fn without_validation(database: Database) -> Self {
        Self::with(database, ValidationMode::Off)
    }

    #[track_caller]
    fn with(database: Database, mode: ValidationMode) -> Self {
        let url = (database == Database::Postgres).then(|| Postgres::shared().database());
        let clock = Arc::new(FixedClock::new(START));
        let (stop, stopping) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        let hand = clock.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let folder = tempfile::tempdir().unwrap();
                let mut config = Config::default();
                config.http.listen = "127.0.0.1:0".parse().unwrap();
                config.http.base = Some("http://cresset.test/fhir".to_owned());
                config.store.data = folder.path().join("data");
                config.store.database = url.map(Secret::new);
                config.access.insecure_no_auth = true;
                config.validation.mode = mode;
                let clock: SharedClock = hand;
                let running = Running::start(config, clock.clone(), IdSource::seeded(clock, 42)).await.unwrap();
                tell.send(running.address()).unwrap();
                // An error means that the test is over as well.
                let _over = stopping.await.is_err();
                running.stop().await.unwrap();
            });
        });
        let address = told.recv().expect("the server starts");
        Self { address, clock, stop: Some(stop), thread: Some(thread) }
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Moves the clock.
    pub fn advance(&self, micros: i64) {
        self.clock.advance(micros);
    }
}

impl Drop for StillApp {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server does not stop in order");
        }
    }
}
