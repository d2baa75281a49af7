//! The composition root: opens what the configuration names and puts the server together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::access::actor::Actor;
use crate::base::clock::SharedClock;
use crate::base::config::Config;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, Tenant};
use crate::cli::demo;
use crate::cli::generate::{Day, Depth, Generator};
use crate::cli::place::store;
use crate::repo::{Repo, RepoConfig, Session};
use crate::store::folder::Folder;

/// Locks the data folder. A node on PostgreSQL has one too, for its index: two nodes in one would ruin it.
///
/// # Errors
/// 409 when another process has it.
pub fn lock(config: &Config) -> Result<Folder> {
    Folder::lock(&config.store.data)
}

/// An open repository with the lock of its data folder.
#[derive(Debug)]
pub struct App {
    repo: Arc<Repo>,
    folder: Folder,
    config: Config,
    clock: SharedClock,
}

impl App {
    /// Opens the repository in a data folder that is locked. `base` is the URL below which references are local;
    /// `listens` is the address of a server, so that other nodes can ask it.
    ///
    /// # Errors
    /// Whatever [`Repo::open`] answers.
    pub async fn open(
        config: Config,
        folder: Folder,
        base: String,
        listens: Option<SocketAddr>,
        clock: SharedClock,
        ids: IdSource,
    ) -> Result<Self> {
        let settings = RepoConfig {
            store: store(&config),
            index: config.index_folder(),
            base,
            rest: config.rest,
            validation: config.validation.mode,
            packages: config.packages.active.clone(),
            registry: config.packages.registry.clone(),
            advertise: listens.map(|address| config.advertised(address)),
            index_heap: config.index.heap_bytes,
        };
        let repo = Arc::new(Repo::open(settings, clock.clone(), ids, config.limits.clone()).await?);
        Ok(Self { repo, folder, config, clock })
    }

    /// The repository.
    pub fn repo(&self) -> &Arc<Repo> {
        &self.repo
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A session of the server itself.
    ///
    /// # Errors
    /// None with the default tenant.
    pub fn session(&self) -> Result<Session> {
        self.repo.session(Tenant::DEFAULT, Actor::System)
    }

    /// Fills the store with generated patients if it is empty and the configuration says so.
    ///
    /// # Errors
    /// Whatever the transactions answer.
    pub async fn fill_demo(&self) -> Result<()> {
        if !self.config.access.demo || self.repo.status().head.0 > 0 {
            return Ok(());
        }
        let today = Day(self.clock.now().millis().div_euclid(86_400_000));
        let generator = Generator::new(1, today, Depth::Years);
        let patients = self.config.access.demo_patients;
        tracing::info!(patients, "the store is empty: generating patients");
        let resources = demo::fill(&self.session()?, &generator, patients, &self.config.limits).await?;
        self.settle().await?;
        tracing::info!(resources, "the demo is ready");
        Ok(())
    }

    /// Waits until searches see everything, however long that takes; says now and then how far it is.
    ///
    /// # Errors
    /// 503 when nothing moves for a while.
    pub async fn settle(&self) -> Result<()> {
        let mut stalled = 0;
        let mut before = self.repo.status().indexed;
        loop {
            let status = self.repo.status();
            if status.indexed >= status.head {
                return Ok(());
            }
            stalled = if status.indexed == before { stalled + 1 } else { 0 };
            if stalled > 600 {
                return Err(Fault::unavailable(format!("the index stays at {} of {}", status.indexed, status.head)));
            }
            before = status.indexed;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Commits what is under way, closes the repository, and gives the folder back.
    ///
    /// # Errors
    /// 500 when somebody still uses the repository, or its parts cannot be closed; nothing is lost.
    pub async fn close(self) -> Result<()> {
        let Self { repo, folder, .. } = self;
        let repo = alone(repo).await?;
        let closed = repo.close().await;
        drop(folder);
        closed
    }
}

/// The repository, once nobody else has it: a request may hold it for a moment longer.
async fn alone(mut repo: Arc<Repo>) -> Result<Repo> {
    for _ in 0..500 {
        repo = match Arc::try_unwrap(repo) {
            Ok(repo) => return Ok(repo),
            Err(shared) => shared,
        };
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Fault::internal("the repository is still in use; the next start recovers"))
}
