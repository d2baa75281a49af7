//! FHIR packages: those of the program and of the database, shared by the tenants of this node, and which of them a tenant has in
//! use.
//!
//! What is in use is one value, swapped as a whole: a request goes on with the one that it began with. Nothing of a package is
//! read before it is needed but the table of its definitions, and its search parameters.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::indexer::Visibility;
use super::params::Params;
use super::worker::blocking;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Tenant;
use crate::fhir::definitions::package::{Manifest, Needs};
use crate::fhir::definitions::packed::{Packed, pack};
use crate::fhir::definitions::shipped;
use crate::fhir::json::Json;
use crate::fhir::terminology::{self, Loaded};
use crate::fhir::validate::Registry;
use crate::store::{PackageChoice, Store};

/// How often a node looks whether another one has changed packages.
const POLL: Duration = Duration::from_secs(1);

/// Name and version.
pub type PackageId = (String, String);

/// Packages in use, in their order, each with whether the tenant has chosen it itself.
type Choice = Vec<(PackageId, bool)>;

/// A package in use.
#[derive(Debug)]
pub struct UsedPackage {
    /// Its definitions.
    pub packed: Arc<Packed>,
    /// What it needs and does not get.
    pub needs: Needs,
    /// Whether its search parameters count: those of the packages that are part of the program do so only for a tenant that
    /// has chosen the package itself, since every index would pay for them.
    has_params: bool,
}

/// What a tenant has in use.
#[derive(Debug)]
pub struct PackagesInUse {
    /// The packages, the last of which counts most where several define the same.
    pub packages: Vec<UsedPackage>,
    /// Those that were chosen and are not there any more, as `name#version`.
    pub absent: Vec<String>,
    /// All definitions.
    pub registry: Arc<Registry>,
    /// Those of them that the terminology service asks for.
    pub(super) terms: Loaded,
}

impl PackagesInUse {
    /// `name#version` of each, and of those that are absent; the same for the same set.
    pub fn fingerprint(&self) -> String {
        let labels = self.packages.iter().map(|used| used.packed.manifest.label());
        labels.collect::<Vec<_>>().join(" ")
    }
}

/// What became of an archive.
#[derive(Debug)]
pub struct LoadedPackage {
    /// What it says of itself.
    pub manifest: Manifest,
    /// How many definitions it has.
    pub definitions: usize,
    /// Files that could not be read, each with the reason.
    pub passed_over: Vec<String>,
}

/// The packages of this node.
#[derive(Debug)]
pub(super) struct Packages {
    store: Store,
    /// Those that every tenant has in use unless it says otherwise.
    configured: Vec<PackageId>,
    /// URL of the registry that packages may be fetched from.
    registry: Option<String>,
    read: Mutex<HashMap<PackageId, Weak<Packed>>>,
    sets: Mutex<HashMap<Choice, Weak<PackagesInUse>>>,
    /// Tells the tenants of this node that there is another package.
    news: watch::Sender<()>,
}

/// The definitions of packages, for the terminology service.
struct Terms(Arc<Registry>);

impl terminology::Packages for Terms {
    fn added(&self, kind: &str) -> Vec<(Box<str>, Box<str>)> {
        self.0.added(kind).into_iter().map(|(url, version)| (url.into(), version.into())).collect()
    }

    fn definition(&self, kind: &str, canonical: &str) -> Option<Json> {
        self.0.definition(kind, canonical).map(Cow::into_owned)
    }
}

impl Packages {
    pub(super) fn new(store: Store, configured: Vec<PackageId>, registry: Option<String>) -> Self {
        Self {
            store,
            configured,
            registry,
            read: Mutex::default(),
            sets: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }

    /// Reads an archive and keeps it.
    ///
    /// # Errors
    /// 400 for what is no package; 409 for other content of one that is in use; 503 or 500 from the database.
    pub(super) async fn load(&self, archive: Bytes) -> Result<LoadedPackage> {
        self.load_as(archive, None).await
    }

    /// The same, for an archive that must have this name and version.
    ///
    /// # Errors
    /// As [`Packages::load`]; 400 where it has others.
    pub(super) async fn load_as(&self, archive: Bytes, wanted: Option<(&str, &str)>) -> Result<LoadedPackage> {
        let (made, packed) = blocking(move || {
            let made = pack(&*archive)?;
            let content = Bytes::from(made.content);
            Ok((made.passed_over, (Packed::read(content.clone())?, content)))
        })
        .await?;
        let (packed, content) = packed;
        let manifest = packed.manifest.clone();
        let (name, version) = (&manifest.name, &manifest.version);
        if let Some((name, version)) = wanted.filter(|wanted| *wanted != (name, version)) {
            let message = format!("the archive of {name}#{version} says that it is {}", manifest.label());
            return Err(Fault::invalid(message));
        }
        if let Some(packed) = shipped::find(name, version) {
            return Ok(LoadedPackage { definitions: packed.rows.len(), manifest, passed_over: made });
        }
        // A version of a package does not change: nodes rely on it for those that they have in use.
        if self.store.package(name, version).await?.is_some_and(|old| old != content) {
            self.unused(name, version).await?;
        }
        self.store.put_package(name, version, content).await?;
        let id = (name.clone(), version.clone());
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.sets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|ids, _| !ids.iter().any(|(other, _)| *other == id));
        self.news.send_replace(());
        Ok(LoadedPackage { definitions: packed.rows.len(), manifest, passed_over: made })
    }

    /// Removes a package that nobody has in use.
    ///
    /// # Errors
    /// 404 for an unknown one; 409 when it is in use, or part of the program.
    pub(super) async fn remove(&self, name: &str, version: &str) -> Result<()> {
        if shipped::find(name, version).is_some() {
            let message = format!("{name}#{version} is part of the program: it can only be taken out of use");
            return Err(Fault::new(Category::Conflict, message));
        }
        self.unused(name, version).await?;
        match self.store.remove_package(name, version).await? {
            true => Ok(()),
            false => Err(unknown(name, version)),
        }
    }

    /// Refuses a package that somebody has in use.
    async fn unused(&self, name: &str, version: &str) -> Result<()> {
        let mut users = self.store.package_users(name, version).await?;
        if self.configured.iter().any(|(n, v)| n == name && v == version) {
            users.push("the configuration".to_owned());
        }
        if !users.is_empty() {
            let message = format!("{name}#{version} is in use by {}", users.join(", "));
            return Err(Fault::new(Category::Conflict, message));
        }
        Ok(())
    }

    /// URL of the registry that packages may be fetched from.
    pub(super) fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Name and version of every package that there is.
    pub(super) async fn all(&self) -> Result<Vec<PackageId>> {
        let mut all = self.store.packages().await?;
        all.extend(shipped::packages().iter().map(|packed| id(&packed.manifest)));
        all.sort_by(|(a, v), (b, w)| (a, order(v)).cmp(&(b, order(w))));
        all.dedup();
        Ok(all)
    }

    /// The version that is meant: this one, or the last one that there is.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(super) async fn find(&self, name: &str, version: Option<&str>) -> Result<PackageId> {
        let all = self.all().await?;
        let of_name = all.into_iter().filter(|(n, v)| n == name && version.is_none_or(|version| v == version));
        let last = of_name.max_by(|(_, a), (_, b)| order(a).cmp(&order(b)));
        last.ok_or_else(|| unknown(name, version.unwrap_or("*")))
    }

    async fn packed(&self, id: &PackageId) -> Result<Option<Arc<Packed>>> {
        if let Some(packed) = shipped::find(&id.0, &id.1) {
            return Ok(Some(packed.clone()));
        }
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(id).and_then(Weak::upgrade);
        if known.is_some() {
            return Ok(known);
        }
        let Some(content) = self.store.package(&id.0, &id.1).await? else { return Ok(None) };
        let packed = Arc::new(blocking(move || Packed::read(content)).await?);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::downgrade(&packed));
        Ok(Some(packed))
    }

    /// What a tenant has in use.
    async fn of(&self, tenant: Tenant) -> Result<Arc<PackagesInUse>> {
        let mut ids: Choice = self.configured.iter().map(|id| (id.clone(), false)).collect();
        for PackageChoice { name, version, is_active } in self.store.package_choices(tenant).await? {
            ids.retain(|((n, v), _)| *n != name || *v != version);
            if is_active {
                ids.push(((name, version), true));
            }
        }
        ids.sort_by(|((a, v), _), ((b, w), _)| (a, order(v)).cmp(&(b, order(w))));
        let known = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get(&ids).and_then(Weak::upgrade);
        if let Some(known) = known {
            return Ok(known);
        }
        let (mut packages, mut absent) = (Vec::new(), Vec::new());
        for (id, is_chosen) in &ids {
            match self.packed(id).await? {
                Some(packed) => packages.push((packed, *is_chosen)),
                None => absent.push(format!("{}#{}", id.0, id.1)),
            }
        }
        let made = Arc::new(blocking(move || Ok(in_use(packages, absent))).await?);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|_, set| set.strong_count() > 0);
        if made.absent.is_empty() {
            sets.insert(ids, Arc::downgrade(&made));
        }
        Ok(made)
    }
}

fn id(manifest: &Manifest) -> PackageId {
    (manifest.name.clone(), manifest.version.clone())
}

/// Packages, and whether the tenant has chosen each itself.
fn in_use(packages: Vec<(Arc<Packed>, bool)>, absent: Vec<String>) -> PackagesInUse {
    let registry = Arc::new(Registry::of_packages(packages.iter().map(|(packed, _)| packed)));
    let terms = Loaded::new(Arc::new(Terms(registry.clone())));
    let among: Vec<Manifest> = packages.iter().map(|(packed, _)| packed.manifest.clone()).collect();
    let among: Vec<&Manifest> = among.iter().collect();
    let used = |(packed, is_chosen): (Arc<Packed>, bool)| {
        let needs = Needs::of(&packed.manifest, &among);
        let has_params = is_chosen || shipped::find(&packed.manifest.name, &packed.manifest.version).is_none();
        UsedPackage { packed, needs, has_params }
    };
    PackagesInUse { packages: packages.into_iter().map(used).collect(), absent, terms, registry }
}

fn unknown(name: &str, version: &str) -> Fault {
    let shown = |text: &str| text.chars().take(128).flat_map(char::escape_debug).collect::<String>();
    Fault::not_found(format!("there is no package {}#{}", shown(name), shown(version)))
}

/// Versions in their order: numbers as numbers, and `1.0.0-ballot` before `1.0.0`.
pub(super) fn order(version: &str) -> (Vec<(u64, String)>, bool, String) {
    let (numbers, label) = version.split_once('-').map_or((version, ""), |(numbers, label)| (numbers, label));
    let part = |part: &str| part.parse().map_or((0, part.to_owned()), |number| (number, String::new()));
    (numbers.split('.').map(part).collect(), label.is_empty(), label.to_owned())
}

/// What a tenant has in use on this node.
#[derive(Debug)]
pub(super) struct InUse {
    tenant: Tenant,
    packages: Arc<Packages>,
    params: Arc<Params>,
    now: RwLock<Arc<PackagesInUse>>,
    revision: AtomicI64,
    turn: tokio::sync::Mutex<()>,
}

impl InUse {
    /// Looks what the tenant has in use.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn open(tenant: Tenant, packages: Arc<Packages>, params: Arc<Params>) -> Result<Self> {
        let now = RwLock::new(Arc::new(in_use(Vec::new(), Vec::new())));
        let this =
            Self { tenant, packages, params, now, revision: AtomicI64::new(-1), turn: tokio::sync::Mutex::default() };
        this.refresh().await?;
        Ok(this)
    }

    /// What is in use now.
    pub(super) fn now(&self) -> Arc<PackagesInUse> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The packages of the node.
    pub(super) fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Name and version of every package that there is.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn all(&self) -> Result<Vec<PackageId>> {
        self.packages.all().await
    }

    /// Takes a package into use, or out of it.
    ///
    /// # Errors
    /// 404 for an unknown one; 503 or 500 from the database.
    pub(super) async fn choose(&self, name: &str, version: Option<&str>, is_active: bool) -> Result<PackageId> {
        let (name, version) = self.packages.find(name, version).await?;
        let choice = PackageChoice { name: name.clone(), version: version.clone(), is_active };
        self.packages.store.choose_package(self.tenant, &choice).await?;
        self.refresh().await?;
        Ok((name, version))
    }

    /// Looks whether packages have changed, and takes over what is new; whether search parameters have.
    ///
    /// # Errors
    /// 503 or 500 from the database; everything stays as it was then.
    pub(super) async fn refresh(&self) -> Result<bool> {
        let revision = self.packages.store.package_revision().await?;
        if revision == self.revision.load(Ordering::Acquire) {
            return Ok(false);
        }
        let _turn = self.turn.lock().await;
        let next = self.packages.of(self.tenant).await?;
        let reading = next.clone();
        let params = blocking(move || Ok(search_params(&reading))).await?;
        let has_shifted = self.params.take_packages(&params);
        for name in &next.absent {
            tracing::warn!(package = name, tenant = self.tenant.0, "a package is to be in use and is not there");
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
        self.revision.store(revision, Ordering::Release);
        Ok(has_shifted)
    }

    /// Follows what other tenants load, and other nodes change; ends when told to stop.
    pub(super) async fn follow(self: Arc<Self>, visibility: Arc<Visibility>, mut stop: watch::Receiver<bool>) {
        let (mut news, is_shared) = (self.packages.news.subscribe(), self.packages.store.is_shared());
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                Ok(()) = news.changed() => {}
                () = tokio::time::sleep(POLL), if is_shared => {}
            }
            match self.refresh().await {
                Ok(true) => visibility.wake(),
                Ok(false) => {}
                Err(fault) => tracing::warn!(%fault, "whether packages have changed is not known"),
            }
        }
    }
}

/// The search parameters of packages, by where they come from.
fn search_params(used: &PackagesInUse) -> Vec<(String, Json)> {
    let mut found = Vec::new();
    for UsedPackage { packed, .. } in used.packages.iter().filter(|used| used.has_params) {
        for (at, row) in packed.rows.iter().enumerate().filter(|(_, row)| &*row.kind == "SearchParameter") {
            let source =
                format!("package {} {}", packed.manifest.label(), if row.id.is_empty() { &row.url } else { &row.id });
            found.extend(packed.json(at).map(|json| (source, json)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let mut versions = ["10.0.0", "2.0.0", "2.0.0-ballot", "2.0", "6.1.0-snapshot1", "6.1.0"];
        versions.sort_by_key(|version| order(version));
        assert_eq!(versions, ["2.0", "2.0.0-ballot", "2.0.0", "6.1.0-snapshot1", "6.1.0", "10.0.0"]);
    }
}
