//! The large code systems as a `Library`.

use std::sync::Arc;

use super::concepts::{Installed, Slot};
use crate::base::fault::Result;
use crate::fhir::json::Json;
use crate::fhir::terminology::shelf::all_codes;
use crate::fhir::terminology::{CodeSystem, Library, version};

impl Installed {
    /// The version that is meant, or the latest.
    fn find(&self, url: &str, wanted: Option<&str>) -> Option<&Arc<Slot>> {
        // an edition of SNOMED CT without a date means its latest release
        let is_edition =
            |wanted: &str, version: &str| version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'));
        let fits = |slot: &&Arc<Slot>| {
            wanted.is_none_or(|wanted| version::matches(wanted, slot.version()) || is_edition(wanted, slot.version()))
        };
        self.versions(url).filter(fits).max_by(|a, b| version::compare(a.version(), b.version()))
    }
}

impl Library for Installed {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        self.find(url, version).map(|slot| slot.system()).transpose()
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        let mut versions: Vec<Box<str>> = self.versions(url).map(|slot| slot.version().into()).collect();
        versions.sort_by(|a, b| version::compare(a, b));
        Ok(versions)
    }

    /// `http://loinc.org/vs` and what begins so; URLs with `?fhir_vs` are asked of the code system itself.
    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        let rest = |slot: &Arc<Slot>| {
            let rest = url.strip_prefix(slot.url())?.strip_prefix("/vs")?;
            (rest.is_empty() || rest.starts_with('/')).then_some(slot.url().len())
        };
        let Some(length) = self.all().iter().find_map(rest) else { return Ok(None) };
        let Some(slot) = self.find(&url[..length], version) else { return Ok(None) };
        let system = slot.system()?;
        if url.ends_with("/vs") {
            return Ok(Some(Arc::new(all_codes(&*system, url, version))));
        }
        Ok(system.implicit_value_set(url)?.map(Arc::new))
    }

    /// That of all codes of each.
    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        Ok(self.all().iter().map(|slot| format!("{}?fhir_vs", slot.url()).into()).collect())
    }
}
