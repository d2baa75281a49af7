//! The large code systems of the installation on this node: which there are, and the index of each.
//!
//! The database says which there are; a look at it that is a second old is taken again. The index of a new one is made in
//! the background, one at a time; whoever needs it meanwhile waits. The folder of one that is gone is removed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::worker::blocking;
use crate::base::fault::{Fault, Result};
use crate::fhir::terminology::CodeSystem;
use crate::search::concepts::{ConceptIndex, FORMAT, about, build};
use crate::store::{InstalledSystem, Store};

/// How old a look at the database may be.
const FRESH: Duration = Duration::from_secs(1);

/// How long an index that is being made is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Concepts {
    store: Store,
    /// Where the indexes are.
    folder: PathBuf,
    state: Mutex<State>,
    /// One look at a time.
    looking: Semaphore,
    /// One index is made at a time.
    building: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    installed: Arc<Installed>,
}

/// The large code systems that were there at a moment.
#[derive(Debug, Default)]
pub(super) struct Installed {
    systems: Vec<Arc<Slot>>,
}

impl Installed {
    /// The versions of a code system.
    pub(super) fn versions(&self, url: &str) -> impl Iterator<Item = &Arc<Slot>> {
        self.systems.iter().filter(move |slot| slot.row.url == url)
    }

    /// Those whose indexes are ready.
    pub(super) fn ready(&self) -> Self {
        Self { systems: self.systems.iter().filter(|slot| slot.is_ready()).cloned().collect() }
    }

    /// Whether case matters in the codes of a code system, where it is one of these. Of several versions one in which it does not is enough.
    pub(super) fn case_sensitive(&self, url: &str) -> Option<bool> {
        self.versions(url).map(|slot| slot.case_sensitive).reduce(|one, other| one && other)
    }

    /// All of them, by URL and version.
    pub(super) fn all(&self) -> &[Arc<Slot>] {
        &self.systems
    }
}

/// A version of a large code system.
#[derive(Debug)]
pub(super) struct Slot {
    row: InstalledSystem,
    case_sensitive: bool,
    folder: PathBuf,
    made: Mutex<Made>,
    bell: Condvar,
}

#[derive(Debug)]
enum Made {
    /// Nobody works at it.
    Not,
    /// Somebody does.
    Soon,
    Ready(Arc<dyn CodeSystem>),
    Failed(Fault),
}

impl Slot {
    /// Its canonical URL.
    pub(super) fn url(&self) -> &str {
        &self.row.url
    }

    /// Its version; empty for none.
    pub(super) fn version(&self) -> &str {
        &self.row.version
    }

    /// The code system. Waits while its index is being made, so it is for threads of CPU work.
    ///
    /// # Errors
    /// 503 when that takes longer than a minute, or has failed and will be tried again.
    pub(super) fn system(&self) -> Result<Arc<dyn CodeSystem>> {
        let waiting =
            self.bell.wait_timeout_while(self.lock(), PATIENCE, |made| matches!(made, Made::Not | Made::Soon));
        let (made, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        let name = || format!("code system {}|{}", self.row.url, self.row.version);
        match &*made {
            Made::Ready(system) => Ok(system.clone()),
            Made::Not | Made::Soon => Err(Fault::unavailable(format!("{} is still being prepared", name()))),
            Made::Failed(fault) => Err(Fault::unavailable(format!("{} cannot be prepared: {fault}", name()))),
        }
    }

    /// Whether its index is there.
    pub(super) fn is_ready(&self) -> bool {
        matches!(*self.lock(), Made::Ready(_))
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, made: Made) {
        *self.lock() = made;
        self.bell.notify_all();
    }

    /// Takes the work, if it is to be done.
    fn take(&self) -> bool {
        let mut made = self.lock();
        let is_left = matches!(*made, Made::Not | Made::Failed(_));
        if is_left {
            *made = Made::Soon;
        }
        is_left
    }

    /// Opens the index, after making it when it is not there.
    fn open(&self, store: &Store, runtime: &Handle) -> Result<Arc<dyn CodeSystem>> {
        if !self.folder.exists() {
            let started = Instant::now();
            let number = self.row.number;
            build(&self.folder, self.row.concepts, &mut |piece| runtime.block_on(store.piece(number, piece)))?;
            let millis = started.elapsed().as_millis() as u64;
            tracing::info!(system = %self.row.url, concepts = self.row.concepts, millis, "the index of a code system is made");
        }
        Ok(Arc::new(ConceptIndex::open(&self.folder, &self.row.about)?))
    }
}

impl Concepts {
    /// Of a store, with the indexes in a folder.
    pub(super) fn new(store: Store, folder: PathBuf) -> Arc<Self> {
        let (looking, building) = (Semaphore::new(1), Semaphore::new(1));
        Arc::new(Self { store, folder, state: Mutex::default(), looking, building })
    }

    /// What was there at the last look.
    pub(super) fn seen(&self) -> Arc<Installed> {
        self.lock().installed.clone()
    }

    /// What is there, as of a second ago at most.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn installed(self: &Arc<Self>) -> Result<Arc<Installed>> {
        // It is never closed.
        let _turn = self.looking.acquire().await.map_err(|_| Fault::unavailable("the server is stopping"))?;
        let before = {
            let state = self.lock();
            if state.looked.is_some_and(|looked| looked.elapsed() < FRESH) {
                return Ok(state.installed.clone());
            }
            state.installed.clone()
        };
        let looked = Instant::now();
        let known: Vec<_> = self.store.installed_numbers().await?;
        let mut held: Vec<_> = before.systems.iter().map(|slot| (slot.row.number, slot.row.loaded)).collect();
        held.sort_unstable();
        let is_first = self.lock().looked.is_none();
        let installed = if known == held && !is_first { before } else { self.read(&before).await? };
        for slot in &installed.systems {
            self.make(slot);
        }
        *self.lock() = State { looked: Some(looked), installed: installed.clone() };
        Ok(installed)
    }

    /// Reads the list anew; what stays is kept.
    async fn read(&self, before: &Installed) -> Result<Arc<Installed>> {
        let slot = |row: InstalledSystem| {
            let kept =
                before.systems.iter().find(|slot| (slot.row.number, slot.row.loaded) == (row.number, row.loaded));
            kept.cloned().unwrap_or_else(|| {
                let folder = self.folder.join(format!("{}-{}-{FORMAT}", row.number, row.loaded.0));
                let case_sensitive = about(&row.about).is_ok_and(|about| about.case_sensitive);
                Arc::new(Slot { row, case_sensitive, folder, made: Mutex::new(Made::Not), bell: Condvar::new() })
            })
        };
        let systems: Vec<Arc<Slot>> = self.store.installed_systems().await?.into_iter().map(slot).collect();
        let kept: HashSet<PathBuf> = systems.iter().map(|slot| slot.folder.clone()).collect();
        let folder = self.folder.clone();
        // What is mapped stays readable until nobody has it any more.
        blocking(move || {
            let folders = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            // one that is being made ends in `.new`: it is emptied by whoever makes it
            let is_gone = |path: &PathBuf| !kept.contains(path) && !kept.contains(&path.with_extension(""));
            folders.filter(is_gone).try_for_each(|path| {
                let failed = |error| Fault::internal(format!("folder {}: {error}", path.display()));
                std::fs::remove_dir_all(&path).map_err(failed)
            })
        })
        .await?;
        Ok(Arc::new(Installed { systems }))
    }

    /// Begins to make an index, if nobody does or did.
    fn make(self: &Arc<Self>, slot: &Arc<Slot>) {
        if !slot.take() {
            return;
        }
        let (all, slot) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            let Ok(_turn) = all.building.acquire().await else { return };
            let (store, runtime, own) = (all.store.clone(), Handle::current(), slot.clone());
            match blocking(move || own.open(&store, &runtime)).await {
                Ok(system) => slot.set(Made::Ready(system)),
                Err(fault) => {
                    tracing::warn!(system = %slot.row.url, %fault, "the index of a code system cannot be made");
                    slot.set(Made::Failed(fault));
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fhir::codes::{Concept, Packer};
    use crate::store::StoreConfig;

    async fn load(store: &Store, version: &str, codes: &[&str]) {
        let load = store.begin_load("http://x", version).await.unwrap();
        let mut packer = Packer::default();
        for code in codes {
            packer.add(&Concept { code: (*code).into(), ..Concept::default() }).unwrap();
        }
        store.add_piece(load, 0, Bytes::from(packer.finish().unwrap().unwrap())).await.unwrap();
        let about =
            format!(r#"{{"resourceType":"CodeSystem","url":"http://x","version":"{version}","caseSensitive":true}}"#);
        store.finish_load(load, &about, codes.len() as u64).await.unwrap();
    }

    async fn system(concepts: &Arc<Concepts>, version: &str) -> Option<Arc<dyn CodeSystem>> {
        let installed = concepts.installed().await.unwrap();
        let slot = installed.versions("http://x").find(|slot| slot.version() == version)?.clone();
        Some(blocking(move || slot.system()).await.unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_loaded_is_noticed_and_what_is_removed_too() {
        let data = tempfile::tempdir().unwrap();
        let config = StoreConfig::Sqlite { folder: data.path().to_owned(), readers: 2 };
        let store = Store::open(config).await.unwrap();
        let folder = data.path().join("index-concepts");
        let concepts = Concepts::new(store.clone(), folder.clone());
        assert!(system(&concepts, "1").await.is_none());
        load(&store, "1", &["a", "b"]).await;
        tokio::time::sleep(FRESH).await;
        let first = system(&concepts, "1").await.unwrap();
        assert!(first.find("b").unwrap().is_some() && first.find("c").unwrap().is_none());
        // another load of the version is another one; whoever has the old one can still read it
        load(&store, "1", &["c"]).await;
        load(&store, "2", &["d"]).await;
        tokio::time::sleep(FRESH).await;
        assert!(system(&concepts, "1").await.unwrap().find("c").unwrap().is_some());
        assert!(system(&concepts, "2").await.unwrap().find("d").unwrap().is_some());
        assert!(first.find("a").unwrap().is_some());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        // after a restart the indexes are opened, not made
        let made = |folder: &PathBuf| {
            let mut times: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().metadata().unwrap().modified().unwrap())
                .collect();
            times.sort();
            times
        };
        let before = made(&folder);
        let again = Concepts::new(store.clone(), folder.clone());
        assert!(system(&again, "2").await.unwrap().find("d").unwrap().is_some());
        assert_eq!(made(&folder), before);
        assert!(store.remove_system("http://x", "2").await.unwrap());
        tokio::time::sleep(FRESH).await;
        assert!(system(&again, "2").await.is_none());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        drop((concepts, again));
        store.close().await;
    }
}
