//! The repository of a node: store, index, Writer and feed, opened together and closed together.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::feed::Feed;
use super::indexer::{CATALOG, Indexer, Visibility, blocking};
use super::integrity::catch_up;
use super::loader::Loader;
use super::pins::Pins;
use super::recent::Recent;
use super::session::Session;
use super::shelf::Shelf;
use super::tenancy::Tenancy;
use super::writer::Writer;
use crate::access::actor::Actor;
use crate::base::clock::SharedClock;
use crate::base::config::Rest;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, Seq, Tenant};
use crate::base::limits::Limits;
use crate::search::index::{IndexOptions, Searcher};
use crate::store::{Store, StoreConfig};

/// Where a repository keeps its data and what it is told about its surroundings.
#[derive(Debug, Clone)]
pub struct RepoConfig {
    /// The database.
    pub store: StoreConfig,
    /// The folder of the search index; one per node.
    pub index: PathBuf,
    /// The server's base URL, such as `http://127.0.0.1:8080/fhir`: absolute references below it are local.
    pub base: String,
    /// What clients may do.
    pub rest: Rest,
    /// `host:port` where the other nodes reach this one; `None` when it does not listen.
    pub advertise: Option<String>,
    /// Memory of the index's writer before it flushes a segment, in bytes.
    pub index_heap: usize,
}

/// How far the parts of a tenant are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The newest position of the log known here.
    pub head: Seq,
    /// The position up to which searches see.
    pub indexed: Seq,
    /// Plans that wait for the Writer.
    pub waiting: usize,
    /// Live documents of the index.
    pub documents: u64,
    /// Bytes of the index's files.
    pub index_bytes: u64,
}

/// An open repository. Dropping it without [`Repo::close`] loses nothing but makes the next start slower.
#[derive(Debug)]
pub struct Repo {
    default: Arc<Tenancy>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Repo {
    /// Opens store and index, migrates the schema, and starts to follow the log.
    ///
    /// # Errors
    /// A database that cannot be reached or is newer than this program; an index folder that cannot be written.
    pub async fn open(config: RepoConfig, clock: SharedClock, ids: IdSource, limits: Limits) -> Result<Self> {
        let limits = Arc::new(limits);
        let store = Store::open(config.store).await?;
        let options = IndexOptions { heap_bytes: config.index_heap, ..IndexOptions::new(CATALOG) };
        let tenant = Tenant::DEFAULT;
        let head = store.head(tenant).await?;
        let folder = config.index.clone();
        let index = Arc::new(blocking(move || Shelf::open(&folder, options, head.seq)).await?);
        let feed = Arc::new(Feed::new(head.seq));
        // Another node's commit would not be seen here.
        let recent = Arc::new(Recent::new(if store.is_shared() { 0 } else { limits.recent_bytes }));
        let visibility = Arc::new(Visibility::new(index.get()?.reached()));
        let (stop, stopping) = watch::channel(false);
        let node = ids.number();
        let mut tasks = Vec::new();
        let cluster = match config.advertise.filter(|_| store.is_shared()) {
            Some(address) => Some(Cluster::join(store.clone(), node, address).await?),
            None => None,
        };
        tasks.extend(cluster.clone().map(|cluster| tokio::spawn(cluster.run(stopping.clone()))));
        let base: Arc<str> = config.base.trim_end_matches('/').into();
        if config.rest.referential_integrity {
            refer(&store, tenant, &base).await?;
        }
        let writer = Writer {
            tenant,
            store: store.clone(),
            feed: feed.clone(),
            recent: recent.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
            integrity: config.rest.referential_integrity,
            base: base.clone(),
            stop: stopping.clone(),
        };
        let (handle, writing) = writer.start();
        let indexer = Indexer {
            tenant,
            store: store.clone(),
            feed: feed.clone(),
            index: index.clone(),
            visibility: visibility.clone(),
            base: base.clone(),
            stop: stopping,
        };
        tasks.extend([writing, tokio::spawn(indexer.run())]);
        let default = Arc::new(Tenancy {
            tenant,
            loader: Loader::start(tenant, &store, &recent),
            store,
            index,
            feed,
            visibility,
            writer: handle,
            pins: Pins::new(limits.page_pins, limits.page_pin_seconds),
            clock,
            node,
            cluster,
            ids,
            limits,
            rest: config.rest,
            base,
        });
        Ok(Self { default, stop, tasks: Mutex::new(tasks) })
    }

    /// What `actor` may do with the data of `tenant`.
    ///
    /// # Errors
    /// 404 for a tenant that does not exist.
    pub fn session(&self, tenant: Tenant, actor: Actor) -> Result<Session> {
        if tenant != self.default.tenant {
            return Err(Fault::not_found("there is no such tenant"));
        }
        Ok(Session::new(self.default.clone(), actor))
    }

    /// How far the parts are.
    pub fn status(&self) -> Status {
        let at = &self.default;
        let searcher = at.index.searcher().ok();
        Status {
            head: at.feed.head(),
            indexed: at.visibility.reached(),
            waiting: at.writer.waiting(),
            documents: searcher.as_ref().map_or(0, Searcher::count),
            index_bytes: searcher.as_ref().map_or(0, Searcher::disk_bytes),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// 503 when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.default.store.ping().await
    }

    /// Whether whoever shows this is a node over the same database. Takes the same time however much of it is right.
    pub fn admits(&self, secret: &[u8]) -> bool {
        self.default.cluster.as_ref().is_some_and(|cluster| cluster.admits(secret))
    }

    /// Waits until searches see everything committed so far.
    ///
    /// # Errors
    /// 503 when that takes too long.
    pub async fn settle(&self) -> Result<()> {
        super::search::fresh(&self.default).await.map(drop)
    }

    /// Everything that is not as it must be, one line each (ids and numbers only); empty when all is well. `deep` also
    /// reads every body and every document of the index.
    ///
    /// # Errors
    /// 503 or 500 when the data cannot be read at all.
    pub async fn doctor(&self, deep: bool) -> Result<Vec<String>> {
        super::doctor::examine(&self.default, deep).await
    }

    /// Lets go of page snapshots that nobody has asked for in time.
    pub fn sweep(&self) {
        self.default.pins.sweep(self.default.clock.now());
    }

    /// Stops: everything in the Writer's queue is committed and answered, then the index is committed and synced. Later
    /// requests get 503.
    ///
    /// # Errors
    /// When the index cannot be closed; nothing is lost, the next start proves it again.
    pub async fn close(&self) -> Result<()> {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(20), task).await.is_err() {
                tracing::warn!("a task does not end; it is given up");
                abort.abort();
            }
        }
        let index = self.default.index.clone();
        let closed = blocking(move || index.close()).await;
        self.default.store.clone().close().await;
        closed
    }
}

/// Brings the referrals up to the head of the log, in pieces.
async fn refer(store: &Store, tenant: Tenant, base: &str) -> Result<()> {
    let (reached, head) = (store.referrals_reached(tenant).await?, store.head(tenant).await?.seq);
    if reached < head {
        tracing::info!(reached = reached.0, head = head.0, "references are to be enforced: looking through the log");
    }
    loop {
        let mut batch = store.begin(tenant).await?;
        let is_there = catch_up(store, tenant, base, &mut batch).await?;
        batch.commit().await?;
        if is_there {
            return Ok(());
        }
    }
}
