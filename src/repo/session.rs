//! The session: what an actor can do.

use std::sync::Arc;

use bytes::Bytes;

use super::download::{self, Installed};
use super::face::{
    ExpungeRequest, Handling, HistoryAnswer, HistoryRequest, Page, Scan, SearchAnswer, Stored, WriteEntry, Written,
};
use super::meaning::Meaning;
use super::packages::{LoadedPackage, PackageId, PackagesInUse};
use super::reading::Reading;
use super::tenancy::{Status, Tenancy};
use super::turns::Turn;
use super::worker::blocking;
use super::{expunge, history, labels, read, reading, rehearse, scan, search, terminology, transaction, validity};
use crate::access::actor::Actor;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::labels::Labels;
use crate::fhir::terminology::Library;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::fhir::validate::{Answers, Registry};
use crate::search::context::SearchContext;
use crate::search::index::Coverage;
use crate::search::params::ParamSet;

/// What an actor does with a tenant's data. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    at: Arc<Tenancy>,
    actor: Actor,
}

impl Session {
    pub(super) fn new(at: Arc<Tenancy>, actor: Actor) -> Self {
        Self { at, actor }
    }

    pub(super) fn into_tenancy(self) -> Arc<Tenancy> {
        self.at
    }

    /// How far the parts of the tenant are.
    pub fn status(&self) -> Status {
        self.at.status()
    }

    /// The right to be answered, to be held until the answer is ready.
    ///
    /// # Errors
    /// 429 when too many requests of the tenant are under way.
    pub fn turn(&self) -> Result<Turn> {
        Turn::take(&self.at.turns)
    }

    /// On whose behalf.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The current version of a resource.
    ///
    /// # Errors
    /// 404 unknown, 410 deleted.
    pub async fn read(&self, key: &ResourceKey) -> Result<Stored> {
        read::read(&self.at, key).await
    }

    /// One version of a resource.
    ///
    /// # Errors
    /// 404 unknown, 410 when this version is a deletion.
    pub async fn vread(&self, key: &ResourceKey, version: i64) -> Result<Stored> {
        read::vread(&self.at, key, version).await
    }

    /// A page of history.
    ///
    /// # Errors
    /// 404 when the resource never existed; 400 for a bad token.
    pub async fn history(&self, request: HistoryRequest) -> Result<HistoryAnswer> {
        history::history(&self.at, request).await
    }

    /// The first page of a search. `params`: decoded names and values in order.
    ///
    /// # Errors
    /// 400 with the reason for a bad value, an unknown modifier, or what is not offered; 404 for a
    /// compartment that is none; 403 for `_explain` by those who may not.
    pub async fn search(&self, of: SearchContext, params: &[(String, String)], how: Handling) -> Result<SearchAnswer> {
        let is_explained = params.iter().any(|(name, value)| name == "_explain" && value == "true");
        if is_explained && !self.actor.may_explain() {
            return Err(Fault::new(Category::Forbidden, "only an administrator may have a search explained"));
        }
        search::first_page(&self.at, of, params, how, &Meaning).await
    }

    /// Everything that one of some searches for a type finds, as it is now, to be read piece by piece.
    ///
    /// # Errors
    /// As [`Session::search`]; 429 when too many such readings are under way.
    pub async fn reading(&self, kind: ResourceType, searches: &[Vec<(String, String)>]) -> Result<Reading> {
        reading::reading(&self.at, kind, searches).await
    }

    /// Whether a search could be done: what is wrong with its parameters is known before anything is done.
    ///
    /// # Errors
    /// 400 for a bad value, an unknown modifier, or what is not offered.
    pub fn check_search(&self, of: SearchContext, params: &[(String, String)]) -> Result<()> {
        search::parsed(&self.at, &self.at.params.set(), of, params, Handling::Lenient, self.at.clock.now()).map(drop)
    }

    /// A page by the token of a link of an earlier one, or the node that holds it.
    ///
    /// # Errors
    /// 400 for a bad token, 410 when the page is not held any more.
    pub async fn page(&self, token: &str) -> Result<Page> {
        search::page_of(&self.at, token, &Meaning).await
    }

    /// The same without asking another node: out of the snapshot that is held here, or by keyset.
    ///
    /// # Errors
    /// As [`Session::page`].
    pub async fn page_here(&self, token: &str) -> Result<SearchAnswer> {
        search::page_here(&self.at, token, &Meaning).await
    }

    /// All matches of a search; their bodies are fetched by [`Session::fetch`].
    ///
    /// # Errors
    /// As [`Session::search`]; 400 `too-costly` where there are more than `Limits::scan`.
    pub async fn scan(&self, of: SearchContext, params: &[(String, String)], how: Handling) -> Result<Scan> {
        scan::scan(&self.at, of, params, how).await
    }

    /// Some of the matches, by their numbers from 0, in this order; what was expunged since is left out.
    ///
    /// # Errors
    /// 500 and 503 of the store.
    pub async fn fetch(&self, scan: &Scan, numbers: &[usize]) -> Result<Vec<Stored>> {
        scan::fetch(&self.at, scan, numbers).await
    }

    /// The search parameters of the tenant.
    pub fn search_params(&self) -> Arc<ParamSet> {
        self.at.params.set()
    }

    /// Which of the search parameters that were added the index of this node knows of every resource.
    ///
    /// # Errors
    /// 503 while the index is being opened.
    pub fn coverage(&self) -> Result<Coverage> {
        Ok(self.at.index.searcher()?.coverage().clone())
    }

    /// The profiles, tags and security labels in use by a type, or by all.
    ///
    /// # Errors
    /// 400 `too-costly` where there are too many; 503 while the index is being opened.
    pub async fn labels(&self, kind: Option<ResourceType>) -> Result<Labels> {
        labels::labels(&self.at, kind).await
    }

    /// Takes content away for good; how many versions. In pieces: after a fault what was done stays done.
    ///
    /// # Errors
    /// 403 for those who may not; 404 for what is not known; 409 for a version that is current.
    pub async fn expunge(&self, request: &ExpungeRequest) -> Result<u64> {
        if !self.actor.may_expunge() {
            return Err(Fault::new(Category::Forbidden, "only an administrator may expunge"));
        }
        expunge::expunge(&self.at, request).await
    }

    /// Runs something with the definitions that the terminology service knows here, on a thread for CPU work.
    ///
    /// # Errors
    /// What it answers; 500 when it stops.
    pub async fn with_definitions<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Library) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        terminology::with(self.at.clone(), work).await
    }

    /// All changes or none; answered when durable.
    ///
    /// # Errors
    /// 400, 404, 409, 412, 422 as FHIR says; nothing is stored then. The place of
    /// a fault begins with `Bundle.entry[i]` where the entry has an index.
    pub async fn transaction(&self, entries: Vec<WriteEntry>) -> Result<Vec<Written>> {
        transaction::transaction(&self.at, entries).await
    }

    /// What validation says of a version that was stored, beside what would have kept it from being stored: warnings and
    /// notes, as far as the tenant asks for validation.
    ///
    /// # Errors
    /// 500 for a version that cannot be read.
    pub async fn notes(&self, stored: &Stored) -> Result<Vec<Issue>> {
        let Some(body) = stored.body.clone() else { return Ok(Vec::new()) };
        let at = self.at.clone();
        blocking(move || Ok(validity::notes(&at, &parse_stored(&body)?))).await
    }

    /// Everything that validation says of a resource, warnings and notes too: about the base definitions, the profiles that it
    /// claims, and those that are named here.
    ///
    /// # Errors
    /// 404 for a profile named here that is not known, 422 for one that cannot be used.
    pub async fn validate(&self, resource: Json, profiles: Vec<String>) -> Result<Vec<Issue>> {
        let at = self.at.clone();
        blocking(move || validity::judged(&at, &resource, &profiles)).await
    }

    /// Whether a change would be done as things are now; nothing is done.
    ///
    /// # Errors
    /// Those that [`Session::transaction`] has for it.
    pub async fn rehearse(&self, entry: WriteEntry) -> Result<()> {
        rehearse::rehearse(&self.at, entry).await
    }

    /// The large code systems of the installation: URL and version of each.
    pub fn large_systems(&self) -> Vec<(String, String)> {
        let seen = self.at.concepts.seen();
        seen.all().iter().map(|slot| (slot.url().to_owned(), slot.version().to_owned())).collect()
    }

    /// All definitions for validation and FHIRPath, those of the tenant among them, and the large code systems beside them.
    pub fn knowledge(&self) -> (Arc<Registry>, Option<Arc<Answers>>) {
        let registry = self.at.registry();
        let answers = self.at.answers(&registry);
        (registry, answers)
    }

    /// The profiles of resource types that the tenant has stored: type and URL of each.
    pub fn own_profiles(&self) -> Vec<(Box<str>, Box<str>)> {
        self.at.own.profiles()
    }

    /// What the tenant has of FHIR packages in use.
    pub fn packages_in_use(&self) -> Arc<PackagesInUse> {
        self.at.packages.now()
    }

    /// Name and version of every package that there is.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn packages(&self) -> Result<Vec<PackageId>> {
        self.at.packages.all().await
    }

    /// Reads the archive of a package and keeps it, for all tenants.
    ///
    /// # Errors
    /// 400 for what is no package; 403 for those who may not.
    pub async fn load_package(&self, archive: Bytes) -> Result<LoadedPackage> {
        self.may_change_packages()?;
        let loaded = self.at.packages.packages().load(archive).await?;
        if self.at.packages.refresh().await? {
            self.at.visibility.wake();
        }
        Ok(loaded)
    }

    /// Fetches a package from the registry of the configuration, with what it needs, and keeps them for all tenants. `version`: one,
    /// with `x` for any number, or the last one.
    ///
    /// # Errors
    /// 422 where no registry is allowed; 400 for what is no name or version; 404 for what is not there; 503 when it cannot be
    /// reached; 403 for those who may not; as [`Session::load_package`].
    pub async fn install_package(&self, name: &str, version: Option<&str>) -> Result<Installed> {
        self.may_change_packages()?;
        let installed = download::install(self.at.packages.packages(), name, version).await;
        if self.at.packages.refresh().await? {
            self.at.visibility.wake();
        }
        installed
    }

    /// Removes a package that nobody has in use.
    ///
    /// # Errors
    /// 404 for an unknown one; 409 when it is in use; 403 for those who may not.
    pub async fn remove_package(&self, name: &str, version: &str) -> Result<()> {
        self.may_change_packages()?;
        self.at.packages.packages().remove(name, version).await
    }

    /// Takes a package into use by the tenant, or out of it; which one that was. Without a version the last one is meant.
    ///
    /// # Errors
    /// 404 for an unknown one; 403 for those who may not.
    pub async fn use_package(&self, name: &str, version: Option<&str>, is_active: bool) -> Result<PackageId> {
        self.may_change_packages()?;
        let chosen = self.at.packages.choose(name, version, is_active).await?;
        self.at.visibility.wake();
        Ok(chosen)
    }

    fn may_change_packages(&self) -> Result<()> {
        match self.actor.may_change_packages() {
            true => Ok(()),
            false => Err(Fault::new(Category::Forbidden, "only an administrator may change packages")),
        }
    }
}
