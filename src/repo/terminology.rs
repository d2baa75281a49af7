//! The definitions of a tenant for the terminology service: its own code systems, value sets and concept maps, above the large code
//! systems of the installation, the packages in use, and those of R4.
//!
//! They are found by search, so that a definition counts from the moment its write was answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::definitions::Made;
use super::face::Handling;
use super::resolver::Plain;
use super::search::first_page;
use super::tenancy::Tenancy;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::terminology::shelf::{all_codes, may_map};
use crate::fhir::terminology::{CodeSystem, Core, Layers, Library, version};
use crate::fhir::types::ResourceType;
use crate::search::context::SearchContext;
use crate::search::kind::escape::escape;

/// Requests to the service at a time; more wait. Each holds a thread that waits for searches, which need threads too.
static TURNS: Semaphore = Semaphore::const_new(64);
/// Most versions of one definition that are looked at.
const VERSIONS: &str = "200";

/// A tenant's own definitions, for one request.
struct Own {
    at: Arc<Tenancy>,
    runtime: Handle,
    found: Mutex<HashMap<(&'static str, String), Versions>>,
}

/// The definitions that a search found, the latest version last.
type Versions = Arc<Vec<Arc<Made>>>;

/// Runs something with the definitions of a tenant, on a thread for CPU work.
///
/// # Errors
/// What it answers; 500 when it panics.
pub(super) async fn with<T: Send + 'static>(
    at: Arc<Tenancy>,
    work: impl FnOnce(&dyn Library) -> Result<T> + Send + 'static,
) -> Result<T> {
    let turn = TURNS.acquire().await.map_err(|_| Fault::unavailable("the server is shutting down"))?;
    let large = at.concepts.installed().await?;
    let used = at.packages.now();
    let own = Own { at, runtime: Handle::current(), found: Mutex::default() };
    let done = tokio::task::spawn_blocking(move || work(&Layers(vec![&own, &*large, &used.terms, &Core]))).await;
    drop(turn);
    done.map_err(|_| Fault::internal("a terminology operation stopped"))?
}

impl Own {
    /// The definitions of a type that a parameter finds, the latest version last.
    fn search(&self, kind: &'static str, param: &'static str, value: &str) -> Result<Versions> {
        let key = (kind, format!("{param}={value}"));
        if let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(found.clone());
        }
        let of = SearchContext::Type(ResourceType::parse(kind)?);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let params = [pair(param, &escape(value)), pair("_count", VERSIONS), pair("_total", "none")];
        let answer = self.runtime.block_on(first_page(&self.at, of, &params, Handling::Lenient, &Plain))?;
        let mut made = Vec::new();
        for entry in answer.entries {
            let Some(body) = entry.stored.body else { continue };
            made.push(self.at.terms.made((entry.stored.key, entry.stored.version), &body)?);
        }
        made.sort_by(|a, b| version::compare(a.version(), b.version()));
        let made = Arc::new(made);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        Ok(made)
    }

    fn pick(
        &self,
        kind: &'static str,
        (url, wanted): (&str, Option<&str>),
        fits: impl Fn(&Made) -> bool,
    ) -> Result<Option<Arc<Made>>> {
        let all = self.search(kind, "url", url)?;
        let is_meant =
            |made: &&Arc<Made>| wanted.is_none_or(|wanted| version::matches(wanted, made.version())) && fits(made);
        Ok(all.iter().rev().find(is_meant).cloned())
    }

    fn versions(&self, kind: &'static str, url: &str) -> Result<Vec<Box<str>>> {
        let all = self.search(kind, "url", url)?;
        Ok(all.iter().filter(|made| !made.is_supplement()).map(|made| made.version().into()).collect())
    }
}

impl Library for Own {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let Some(found) = self.pick("CodeSystem", (url, version), |made| !made.is_supplement())? else {
            return Ok(None);
        };
        if !found.is_fragment() {
            return Ok(Some(found.system()));
        }
        // one that is published in fragments is all of them: those of the version that is asked for, or of any
        let all = self.search("CodeSystem", "url", url)?;
        let is_part =
            |made: &&Arc<Made>| made.is_fragment() && (version.is_none() || made.version() == found.version());
        Ok(self.at.terms.merged(&all.iter().rev().filter(is_part).cloned().collect::<Vec<_>>()))
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.versions("CodeSystem", url)
    }

    fn supplement(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let found = self.pick("CodeSystem", (url, version), Made::is_supplement)?;
        Ok(found.map(|made| made.system()))
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        if let Some(made) = self.pick("ValueSet", (url, version), |_| true)? {
            return Ok(Some(made.json.clone()));
        }
        // `CodeSystem.valueSet` names the value set of all its codes, which need not be stored
        let Some(system) = self.at.own.implied(url) else { return Ok(None) };
        let found = self.code_system(&system, version)?;
        Ok(found.map(|system| Arc::new(all_codes(&*system, url, version))))
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.versions("ValueSet", url)
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        Ok(self.at.own.value_sets())
    }

    fn structure(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(self.pick("StructureDefinition", (url, version), |_| true)?.map(|made| made.json.clone()))
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(self.pick("ConceptMap", (url, version), |_| true)?.map(|made| made.json.clone()))
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        let (param, missing) = if is_reverse {
            ("target-system", "target-system:missing")
        } else {
            ("source-system", "source-system:missing")
        };
        let (named, unnamed) = (self.search("ConceptMap", param, system)?, self.search("ConceptMap", missing, "true")?);
        let has = |made: &&Arc<Made>| may_map(&made.json, system, is_reverse);
        Ok(named.iter().chain(unnamed.iter()).filter(has).map(|made| made.json.clone()).collect())
    }
}
