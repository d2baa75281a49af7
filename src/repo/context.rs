//! The repository of a node: the default tenant, which is always open, and the others, which are opened when they are used.

use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::Cluster;
use super::concepts::Concepts;
use super::open::{Ground, Open, beside};
use super::others::Others;
use super::packages::{PackageId, Packages};
use super::recent::Memory;
use super::session::Session;
use super::tenancy::Status;
use crate::access::actor::Actor;
use crate::base::clock::SharedClock;
use crate::base::config::{Rest, ValidationMode};
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, Tenant, TenantName};
use crate::base::limits::Limits;
use crate::search::index::IndexOptions;
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
    /// How much is asked of resources where a tenant does not say so itself.
    pub validation: ValidationMode,
    /// The FHIR packages that every tenant has in use unless it says otherwise: name and version.
    pub packages: Vec<PackageId>,
    /// URL of the registry that administrators may have packages fetched from; none: nothing is fetched.
    pub registry: Option<String>,
    /// `host:port` where the other nodes reach this one; `None` when it does not listen.
    pub advertise: Option<String>,
    /// Memory of the index's writer before it flushes a segment, in bytes.
    pub index_heap: usize,
}

/// An open repository. Dropping it without [`Repo::close`] loses nothing but makes the next start slower.
#[derive(Debug)]
pub struct Repo {
    ground: Ground,
    default: Open,
    others: Others,
}

impl Repo {
    /// Opens store and index, migrates the schema, and starts to follow the log.
    ///
    /// # Errors
    /// A database that cannot be reached or is newer than this program; an index folder that cannot be written.
    pub async fn open(config: RepoConfig, clock: SharedClock, ids: IdSource, limits: Limits) -> Result<Self> {
        let store = Store::open(config.store).await?;
        let options = IndexOptions { heap_bytes: config.index_heap, ..IndexOptions::default() };
        let base = config.base.trim_end_matches('/').into();
        let (limits, node) = (Arc::new(limits), ids.number());
        let cluster = match config.advertise.filter(|_| store.is_shared()) {
            Some(address) => Some(Cluster::join(store.clone(), node, address).await?),
            None => None,
        };
        let memory = Memory::new(if store.is_shared() { 0 } else { limits.recent_bytes });
        let (index, rest, validation) = (config.index, config.rest, config.validation);
        let concepts = Concepts::new(store.clone(), beside(&index, "concepts"));
        let packages = Arc::new(Packages::new(store.clone(), config.packages, config.registry));
        let ground = Ground {
            store,
            options,
            index,
            base,
            rest,
            validation,
            packages,
            clock,
            ids,
            limits,
            node,
            cluster,
            memory,
            concepts,
        };
        // Indexes that are missing are made while the server answers.
        ground.concepts.installed().await?;
        ground.forget_removed(|_| false).await?;
        let default = ground.open(Tenant::DEFAULT, None).await?;
        if let Some(cluster) = ground.cluster.clone() {
            default.until_closed(|stopping| cluster.run(stopping));
        }
        Ok(Self { ground, default, others: Others::default() })
    }

    /// What `actor` may do with the data of `tenant`; others than the default one are asked for by name.
    ///
    /// # Errors
    /// 404 for another one.
    pub fn session(&self, tenant: Tenant, actor: Actor) -> Result<Session> {
        if tenant != Tenant::DEFAULT {
            return Err(Fault::not_found("there is no such tenant"));
        }
        Ok(Session::new(self.default.at.clone(), actor))
    }

    /// What `actor` may do with the data of a tenant, which is opened when nobody has asked for it lately.
    ///
    /// # Errors
    /// 404 for an unknown one; whatever opening it answers.
    pub async fn session_of(&self, name: &TenantName, actor: Actor) -> Result<Session> {
        let unknown = || Fault::not_found(format!("there is no tenant \"{}\"", name.as_str()));
        let (tenant, mode) = self.ground.store.tenant_with_validation(name).await?.ok_or_else(unknown)?;
        if tenant == Tenant::DEFAULT {
            return self.session(tenant, actor);
        }
        let at = self.others.get(&self.ground, tenant, name).await?;
        at.validation.set(mode.unwrap_or(self.ground.validation));
        Ok(Session::new(at, actor))
    }

    /// All tenants, by name, each with the mode of validation that it has of its own.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn tenants(&self) -> Result<Vec<(TenantName, Option<ValidationMode>)>> {
        let mut found = Vec::new();
        for (name, _) in self.ground.store.tenants().await? {
            let mode = self.ground.store.tenant_with_validation(&name).await?.and_then(|(_, mode)| mode);
            found.push((name, mode));
        }
        Ok(found)
    }

    /// Adds a tenant without data.
    ///
    /// # Errors
    /// 409 when there is one of this name.
    pub async fn add_tenant(&self, name: &TenantName) -> Result<()> {
        self.ground.store.add_tenant(name).await.map(drop)
    }

    /// Sets how much is asked of the resources of a tenant; `None`: what the configuration says. Other nodes follow with
    /// the next request.
    ///
    /// # Errors
    /// 404 for an unknown one; 400 for the default tenant, whose mode is that of the configuration.
    pub async fn set_validation(&self, name: &TenantName, mode: Option<ValidationMode>) -> Result<()> {
        if name.as_str() == "default" {
            return Err(Fault::invalid("the mode of the default tenant is the setting validation.mode"));
        }
        self.ground.store.set_validation(name, mode).await
    }

    /// Removes a tenant with all its data on this node and in the database.
    ///
    /// # Errors
    /// 404 for an unknown one; 400 for the default tenant; 500 when its index cannot be removed.
    pub async fn remove_tenant(&self, name: &TenantName) -> Result<()> {
        let tenant = self.ground.store.remove_tenant(name).await?;
        self.others.close(tenant).await?;
        self.ground.forget(tenant).await
    }

    /// How far the parts of the default tenant are.
    pub fn status(&self) -> Status {
        self.default.at.status()
    }

    /// How far the parts of the tenants are that are open, by name; the default one comes first.
    pub fn statuses(&self) -> Vec<(Arc<str>, Status)> {
        let mut others = self.others.open();
        others.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        std::iter::once(&self.default.at).chain(&others).map(|at| (at.name.clone(), at.status())).collect()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// 503 when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.ground.store.ping().await
    }

    /// Whether whoever shows this is a node over the same database. Takes the same time however much of it is right.
    pub fn admits(&self, secret: &[u8]) -> bool {
        self.ground.cluster.as_ref().is_some_and(|cluster| cluster.admits(secret))
    }

    /// Waits until searches see everything committed so far.
    ///
    /// # Errors
    /// 503 when that takes too long.
    pub async fn settle(&self) -> Result<()> {
        super::search::fresh(&self.default.at).await.map(drop)
    }

    /// The same for a tenant.
    ///
    /// # Errors
    /// As [`Repo::settle`]; 404 for an unknown tenant.
    pub async fn settle_of(&self, name: &TenantName) -> Result<()> {
        super::search::fresh(&self.session_of(name, Actor::System).await?.into_tenancy()).await.map(drop)
    }

    /// Makes the index of a tenant anew from its log.
    ///
    /// # Errors
    /// 404 for an unknown tenant; 500 when the index cannot be removed or made.
    pub async fn reindex_of(&self, name: &TenantName) -> Result<Status> {
        let tenant = self.session_of(name, Actor::System).await?.into_tenancy().tenant;
        self.others.close(tenant).await?;
        self.ground.forget(tenant).await?;
        self.settle_of(name).await?;
        Ok(self.session_of(name, Actor::System).await?.status())
    }

    /// Everything that is not as it must be, one line each (ids and numbers only); empty when all is well. `deep` also
    /// reads every body and every document of the index.
    ///
    /// # Errors
    /// 503 or 500 when the data cannot be read at all.
    pub async fn doctor(&self, deep: bool) -> Result<Vec<String>> {
        super::doctor::examine(&self.default.at, deep).await
    }

    /// The same for a tenant, after its index has followed the log to its end.
    ///
    /// # Errors
    /// As [`Repo::doctor`]; 404 for an unknown tenant.
    pub async fn doctor_of(&self, name: &TenantName, deep: bool) -> Result<Vec<String>> {
        let at = self.session_of(name, Actor::System).await?.into_tenancy();
        super::search::fresh(&at).await?;
        super::doctor::examine(&at, deep).await
    }

    /// Lets go of page snapshots that nobody has asked for in time, closes tenants that nobody uses, and forgets those that
    /// another node has removed.
    pub async fn sweep(&self) {
        self.default.at.pins.sweep(self.ground.clock.now());
        self.others.sweep(self.ground.clock.now(), self.ground.limits.tenant_idle_seconds).await;
        if let Err(fault) = self.ground.concepts.installed().await {
            tracing::warn!(%fault, "the code systems of the database cannot be listed");
        }
        match self.ground.forget_removed(|tenant| self.others.has(tenant)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "indexes of tenants that are there no more are removed"),
            Err(fault) => tracing::warn!(%fault, "indexes of tenants that are there no more cannot be removed"),
        }
    }

    /// Stops: everything in the Writer's queue is committed and answered, then the index is committed and synced. Later
    /// requests get 503.
    ///
    /// # Errors
    /// When the index cannot be closed; nothing is lost, the next start proves it again.
    pub async fn close(&self) -> Result<()> {
        let others = self.others.close_all().await;
        let closed = self.default.close().await.and(others);
        self.ground.store.clone().close().await;
        closed
    }
}
