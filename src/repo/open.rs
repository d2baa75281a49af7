//! Opening a tenant on this node, and closing it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::answers::Remembered;
use super::cluster::Cluster;
use super::concepts::Concepts;
use super::definitions::Kept;
use super::feed::Feed;
use super::indexer::{Indexer, Visibility};
use super::integrity::catch_up;
use super::loader::Loader;
use super::mode::Mode;
use super::own::Own;
use super::packages::{InUse, Packages};
use super::params::Params;
use super::pins::Pins;
use super::recent::{Memory, Recent};
use super::reindex::Reindex;
use super::shelf::Shelf;
use super::tenancy::Tenancy;
use super::turns::Turns;
use super::worker::blocking;
use super::writer::Writer;
use crate::base::clock::SharedClock;
use crate::base::config::{Rest, ValidationMode};
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, Seq, Tenant, TenantName};
use crate::base::limits::{Limits, TENANT_SCANS};
use crate::search::index::IndexOptions;
use crate::store::Store;

/// What all tenants of a node stand on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) store: Store,
    pub(super) options: IndexOptions,
    /// The folder of the default tenant's index; those of the others stand beside it.
    pub(super) index: PathBuf,
    /// The base URL of the default tenant.
    pub(super) base: Arc<str>,
    pub(super) rest: Rest,
    /// How much is asked of resources where a tenant does not say so itself.
    pub(super) validation: ValidationMode,
    /// The FHIR packages of all tenants.
    pub(super) packages: Arc<Packages>,
    pub(super) clock: SharedClock,
    pub(super) ids: IdSource,
    pub(super) limits: Arc<Limits>,
    /// Marks this run of this node in page tokens.
    pub(super) node: u64,
    /// The other nodes; `None` when there can be none, or this one does not listen.
    pub(super) cluster: Option<Arc<Cluster>>,
    /// What was read lately; `None` with a shared database, since another node's commit would not be seen here.
    pub(super) memory: Option<Arc<Memory>>,
    /// The large code systems.
    pub(super) concepts: Arc<Concepts>,
}

/// An open tenant with the tasks that work for it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) at: Arc<Tenancy>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Ground {
    /// Opens the index of a tenant and starts to follow its log. `name`: of any but the default one.
    ///
    /// # Errors
    /// An index folder that cannot be written; 503 or 500 from the database.
    pub(super) async fn open(&self, tenant: Tenant, name: Option<&TenantName>) -> Result<Open> {
        let Self { store, clock, limits, .. } = self;
        let base = name.map_or_else(|| self.base.clone(), |name| base_of(&self.base, name).into());
        let (index, head) = self.shelf(tenant).await?;
        let feed = Arc::new(Feed::new(head));
        let recent = Arc::new(Recent::new(tenant, self.memory.clone()));
        let params = Arc::new(Params::load(store, tenant).await?);
        let packages = Arc::new(InUse::open(tenant, self.packages.clone(), params.clone()).await?);
        let own = Arc::new(Own::load(store, tenant).await?);
        let visibility = Arc::new(Visibility::new(index.get()?.reached()));
        let (stop, stopping) = watch::channel(false);
        self.refer(tenant, &base).await?;
        let writer = Writer {
            tenant,
            store: store.clone(),
            feed: feed.clone(),
            recent: recent.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
            integrity: self.rest.referential_integrity,
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
            reindex: Reindex::new(tenant, store, &index, &params, &base),
            params: params.clone(),
            own: own.clone(),
            base: base.clone(),
            stop: stopping.clone(),
        };
        let following = tokio::spawn(packages.clone().follow(visibility.clone(), stopping));
        let tasks = Mutex::new(vec![writing, tokio::spawn(indexer.run()), following]);
        let at = Arc::new(Tenancy {
            tenant,
            loader: Loader::start(tenant, store, &recent),
            recent,
            store: store.clone(),
            index,
            feed,
            visibility,
            params,
            packages,
            own,
            writer: handle,
            terms: Kept::default(),
            answers: Remembered::default(),
            pins: Pins::new(limits.page_pins, limits.page_search_bytes, limits.page_pin_seconds),
            clock: clock.clone(),
            node: self.node,
            cluster: self.cluster.clone(),
            name: name.map_or("default", TenantName::as_str).into(),
            concepts: self.concepts.clone(),
            turns: Arc::new(Turns::new(limits.tenant_requests)),
            searching: Semaphore::new(limits.tenant_searches),
            scanning: Arc::new(Semaphore::new(TENANT_SCANS)),
            ids: self.ids.clone(),
            limits: limits.clone(),
            rest: self.rest,
            validation: Mode::new(self.validation),
            base,
        });
        Ok(Open { at, stop, tasks })
    }

    /// Brings the referrals of a tenant up to the head of its log, where references are enforced.
    async fn refer(&self, tenant: Tenant, base: &str) -> Result<()> {
        if self.rest.referential_integrity { refer(&self.store, tenant, base).await } else { Ok(()) }
    }

    /// The index of a tenant, and where its log ends.
    async fn shelf(&self, tenant: Tenant) -> Result<(Arc<Shelf>, Seq)> {
        let head = self.store.head(tenant).await?.seq;
        let (folder, options) = (self.folder(tenant), self.options.clone());
        Ok((Arc::new(blocking(move || Shelf::open(&folder, options, head)).await?), head))
    }

    /// Removes what this node keeps of a tenant that is closed.
    ///
    /// # Errors
    /// 500 when the folder cannot be removed.
    pub(super) async fn forget(&self, tenant: Tenant) -> Result<()> {
        let folder = self.folder(tenant);
        blocking(move || match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::internal(format!("index folder {}: {error}", folder.display())))
            }
            _ => Ok(()),
        })
        .await
    }

    /// Removes what this node keeps of tenants that are there no more, which another node may have removed; how many.
    /// `is_open`: those of them that are not closed yet wait for the next time.
    ///
    /// # Errors
    /// 503 or 500 from the database; 500 when a folder cannot be removed.
    pub(super) async fn forget_removed(&self, is_open: impl Fn(Tenant) -> bool) -> Result<usize> {
        let mut kept = self.kept();
        kept.retain(|tenant| !is_open(*tenant));
        if kept.is_empty() {
            return Ok(0);
        }
        let removed = self.store.removed_tenants().await?;
        kept.retain(|tenant| removed.contains(tenant));
        for tenant in &kept {
            self.forget(*tenant).await?;
        }
        Ok(kept.len())
    }

    /// The tenants beside the default one that have an index folder here.
    fn kept(&self) -> Vec<Tenant> {
        let prefix = format!("{}-", self.index.file_name().unwrap_or_default().to_string_lossy());
        let beside = self.index.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let number = |name: std::ffi::OsString| name.to_str()?.strip_prefix(&prefix)?.parse().ok().map(Tenant);
        beside.into_iter().flatten().flatten().filter_map(|entry| number(entry.file_name())).collect()
    }

    fn folder(&self, tenant: Tenant) -> PathBuf {
        if tenant == Tenant::DEFAULT {
            return self.index.clone();
        }
        beside(&self.index, &tenant.0.to_string())
    }
}

/// A folder beside that of the default tenant's index.
pub(super) fn beside(index: &std::path::Path, what: &str) -> PathBuf {
    let mut name = index.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{what}"));
    index.with_file_name(name)
}

/// The base URL of a tenant: `http://host/t/NAME/fhir` beside `http://host/fhir`.
pub fn base_of(base: &str, name: &TenantName) -> String {
    let host = base.strip_suffix("/fhir").unwrap_or(base);
    format!("{host}/t/{}/fhir", name.as_str())
}

impl Open {
    /// Runs a task that ends when the tenant is closed, and is waited for then.
    pub(super) fn until_closed<F>(&self, task: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = tokio::spawn(task(self.stop.subscribe()));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Stops: everything in the Writer's queue is committed and answered, then the index is committed and synced. Later
    /// requests get 503.
    ///
    /// # Errors
    /// When the index cannot be closed; nothing is lost, the next start proves it again.
    pub(super) async fn close(&self) -> Result<()> {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(20), task).await.is_err() {
                tracing::warn!("a task does not end; it is given up");
                abort.abort();
            }
        }
        let index = self.at.index.clone();
        blocking(move || index.close()).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_have_bases_of_their_own() {
        let name = TenantName::parse("ward-7").expect("a name");
        assert_eq!(base_of("http://h:1/fhir", &name), "http://h:1/t/ward-7/fhir");
        assert_eq!(base_of("https://h/x", &name), "https://h/x/t/ward-7/fhir");
    }
}
