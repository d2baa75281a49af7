//! The whole server in this process, over a SQLite of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use cresset::access::actor::Actor;
use cresset::base::clock::{FixedClock, SharedClock, Timestamp};
use cresset::base::config::Config;
use cresset::base::id::{IdSource, Seq, Tenant};
use cresset::cli::running::Running;
use cresset::repo::Session;

use crate::support::Client;

/// So many changes are kept before an empty store takes the place of the full one.
const MOST: i64 = 4000;

/// A server with a connection to it.
pub struct Server {
    address: SocketAddr,
    /// A connection.
    pub client: Client,
    snapshot: Option<[String; 3]>,
    session: Session,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

/// A server, once somebody has asked for it.
type Place = Mutex<Option<Server>>;

/// For those who wait for every answer: what the log has at its end is then of the last request.
pub static WHOLE: Place = Mutex::new(None);

/// For those who go away.
pub static WIRE: Place = Mutex::new(None);

/// The server in a place, for one user at a time.
pub fn server(place: &'static Place) -> MutexGuard<'static, Option<Server>> {
    let mut server = place.lock().unwrap_or_else(PoisonError::into_inner);
    if server.as_ref().is_none_or(|server| server.head().0 > MOST) {
        *server = Some(Server::start());
    }
    server
}

impl Server {
    fn start() -> Self {
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(1_709_210_096_789_000)));
        let (stop, stopping) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let folder = tempfile::tempdir().expect("a folder");
                let mut config = Config::default();
                config.http.listen = "127.0.0.1:0".parse().expect("an address");
                config.http.base = Some("http://cresset.test/fhir".to_owned());
                config.store.data = folder.path().join("data");
                config.access.insecure_no_auth = true;
                let ids = IdSource::seeded(clock.clone(), 42);
                let running = Running::start(config, clock, ids).await.expect("it starts");
                let session = running.app().repo().session(Tenant::DEFAULT, Actor::System).expect("a session");
                tell.send((running.address(), session)).expect("somebody waits");
                let _over = stopping.await.is_err();
                running.stop().await.expect("it stops");
            });
        });
        let (address, session) = told.recv().expect("it starts");
        Self { address, client: Client::new(address), snapshot: None, session, stop: Some(stop) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What names a snapshot that the server holds in a page token: its form with the tenant, the node, the end of the log.
    pub fn snapshot(&mut self) -> [String; 3] {
        if self.snapshot.is_none() {
            for family in ["a", "b", "c"] {
                let patient = serde_json::json!({"resourceType": "Patient", "name": [{"family": family}]});
                self.client.post("Patient", &patient).expect(201);
            }
            let page = self.client.get("Patient?_count=1&_sort=name").expect(200).text();
            let token = page.split("_page=").find(|text| text.starts_with('s')).expect("a token");
            let parts: Vec<&str> = token.split('.').collect();
            self.snapshot = Some([parts[..2].join("."), parts[2].to_owned(), parts[3].to_owned()]);
        }
        self.snapshot.clone().expect("it is there by now")
    }

    /// The end of the log.
    pub fn head(&self) -> Seq {
        self.session.status().head
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
