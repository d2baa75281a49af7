//! A server that runs: for `cresset serve`, for loading into a folder, and for tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::access::actor::Actor;
use crate::base::clock::SharedClock;
use crate::base::config::Config;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, Tenant, TenantName};
use crate::cli::app::{App, lock};
use crate::repo::{Repo, Session, Status};
use crate::serve::{Backend, Later, ServeOptions, bind};

/// A server that listens. Dropping it without [`Running::stop`] loses nothing that was answered.
#[derive(Debug)]
pub struct Running {
    app: App,
    door: Arc<Door>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Running {
    /// Opens the data, listens, and, where the configuration says so, fills an empty store; `/readyz` answers
    /// well only from then on.
    ///
    /// # Errors
    /// 409 when another process has the data folder; 500 or 503 when the address or the database cannot be used.
    pub async fn start(config: Config, clock: SharedClock, ids: IdSource) -> Result<Self> {
        let folder = lock(&config)?;
        let options = ServeOptions {
            base: config.http.base.clone(),
            drain: Duration::from_secs(config.http.drain_seconds),
            cors: config.http.cors_origins.clone(),
            limits: config.limits.clone(),
            rest: config.rest,
            ..ServeOptions::new(config.http.listen, Actor::Development)
        };
        let bound = bind(options).await?;
        let (address, base) = (bound.address(), bound.base());
        let app = App::open(config, folder, base, Some(address), clock.clone(), ids.clone()).await?;
        let door = Arc::new(Door {
            repo: RwLock::new(Some(app.repo().clone())),
            is_filled: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
        });
        let (stop, mut stopping) = watch::channel(false);
        let shutdown = async move {
            // An error means that the `Running` is gone, which stops the server as well.
            let _gone = stopping.wait_for(|stop| *stop).await.is_err();
        };
        let serving = tokio::spawn(bound.serve(door.clone(), clock, ids, shutdown));
        let running = Self { app, door, address, stop, serving };
        running.app.fill_demo().await?;
        running.door.is_filled.store(true, Ordering::SeqCst);
        tokio::spawn(sweep(Arc::downgrade(&running.door)));
        Ok(running)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL that clients see.
    pub fn url(&self) -> String {
        self.app.config().base_url(self.address)
    }

    /// What it serves.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Waits until the server ends by itself, which it does only by a defect.
    ///
    /// # Errors
    /// 500 then.
    pub async fn ended(&mut self) -> Result<()> {
        served((&mut self.serving).await)
    }

    /// Says that it will not be ready any more, then takes no more requests, finishes those under way, and closes the data.
    ///
    /// # Errors
    /// 500 when something does not end in time; nothing that was answered is lost.
    pub async fn stop(self) -> Result<()> {
        self.door.is_leaving.store(true, Ordering::SeqCst);
        // A load balancer looks at `/readyz` now and then; until it has looked, its requests are answered.
        tokio::time::sleep(Duration::from_secs(self.app.config().http.drain_delay_seconds)).await;
        self.stop.send_replace(true);
        // After `ended` there is nothing to wait for.
        let ended = if self.serving.is_finished() { Ok(()) } else { served(self.serving.await) };
        self.door.shut();
        self.app.close().await.and(ended)
    }
}

fn served(ended: std::result::Result<(), JoinError>) -> Result<()> {
    ended.map_err(|error| Fault::internal(format!("the server stopped: {error}")))
}

/// How often page snapshots are looked through for those that nobody has asked for in time.
const SWEEP: Duration = Duration::from_secs(15);

async fn sweep(door: std::sync::Weak<Door>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(repo) = door.upgrade().and_then(|door| door.repo().ok()) else { return };
        repo.sweep().await;
    }
}

/// The repository as the server sees it, until it is shut: a connection that outlives the drain time must not
/// keep the repository from being closed.
#[derive(Debug)]
struct Door {
    repo: RwLock<Option<Arc<Repo>>>,
    is_filled: AtomicBool,
    is_leaving: AtomicBool,
}

impl Door {
    fn repo(&self) -> Result<Arc<Repo>> {
        let repo = self.repo.read().unwrap_or_else(PoisonError::into_inner);
        repo.clone().ok_or_else(|| Fault::unavailable("the server is stopping"))
    }

    fn shut(&self) {
        self.repo.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Backend for Door {
    fn session(&self, actor: Actor) -> Result<Session> {
        self.repo()?.session(Tenant::DEFAULT, actor)
    }

    fn admits(&self, secret: &[u8]) -> bool {
        self.repo().is_ok_and(|repo| repo.admits(secret))
    }

    fn tenant<'a>(&'a self, name: &'a TenantName, actor: Actor) -> Later<'a, Result<Session>> {
        Box::pin(async move { self.repo()?.session_of(name, actor).await })
    }

    fn gauges(&self) -> Vec<(Arc<str>, Status)> {
        self.repo().map_or_else(|_| Vec::new(), |repo| repo.statuses())
    }

    fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    fn ready(&self) -> Later<'_, Result<()>> {
        Box::pin(async {
            if self.is_leaving() {
                return Err(Fault::unavailable("the server is stopping"));
            }
            if !self.is_filled.load(Ordering::SeqCst) {
                return Err(Fault::unavailable("the store is being filled"));
            }
            self.repo()?.ping().await
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method, header};

    use super::*;
    use crate::base::clock::{FixedClock, Timestamp};
    use crate::base::fault::Category;
    use crate::base::net::{Answer, Connection};

    async fn start(data: &std::path::Path) -> Result<Running> {
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(1_700_000_000_000_000)));
        let mut config = Config::default();
        config.store.data = data.to_owned();
        config.http.listen = "127.0.0.1:0".parse().unwrap();
        Running::start(config, clock.clone(), IdSource::seeded(clock, 7)).await
    }

    async fn ask(running: &Running, method: Method, path: &str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        let mut connection = Connection::new(&running.address().to_string()).unwrap();
        connection.send(method, path, headers, Bytes::from_static(body.as_bytes())).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_answered_is_there_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let running = start(data.path()).await.unwrap();
        let second = start(data.path()).await.unwrap_err();
        assert_eq!(second.category(), Category::Conflict);
        assert_eq!(ask(&running, Method::GET, "/readyz", "").await.status, 200);
        let created = ask(&running, Method::PUT, "/fhir/Patient/a", r#"{"resourceType":"Patient","id":"a"}"#).await;
        assert_eq!(created.status, 201);
        running.stop().await.unwrap();

        let running = start(data.path()).await.unwrap();
        let read = ask(&running, Method::GET, "/fhir/Patient/a", "").await;
        assert_eq!((read.status.as_u16(), read.headers[header::ETAG].as_bytes()), (200, br#"W/"1""#.as_slice()));
        assert_eq!(running.app().repo().doctor(true).await.unwrap(), Vec::<String>::new());
        running.stop().await.unwrap();
    }
}
