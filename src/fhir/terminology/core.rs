//! The definitions of R4 as a [`Library`], with the systems that have a grammar.

use std::sync::{Arc, LazyLock, OnceLock};

use hashbrown::HashMap;

use super::face::{CodeSystem, Library};
use super::grammar;
use super::iso;
use super::memory::{Memory, text};
use super::shelf::may_map;
use super::version;
use crate::base::fault::Result;
use crate::fhir::definitions::conformance;
use crate::fhir::definitions::terminology::{Kind, find, urls};
use crate::fhir::json::{Json, parse_stored};

/// The definitions of R4; each is unpacked when it is first needed, and kept.
pub struct Core;

type Kept<T> = HashMap<&'static str, OnceLock<Option<Arc<T>>>>;

fn kept<T>(kind: Kind) -> Kept<T> {
    urls(kind).map(|url| (url, OnceLock::new())).collect()
}

static SYSTEMS: LazyLock<Kept<Memory>> = LazyLock::new(|| kept(Kind::CodeSystem));
static SETS: LazyLock<Kept<Json>> = LazyLock::new(|| kept(Kind::ValueSet));
static MAPS: LazyLock<Vec<Arc<Json>>> = LazyLock::new(|| {
    let all = urls(Kind::ConceptMap).filter_map(|url| find(Kind::ConceptMap, url).ok().flatten());
    all.map(Arc::new).collect()
});

fn is_meant(version: Option<&str>, given: Option<&str>) -> bool {
    version.is_none_or(|wanted| version::matches(wanted, given.unwrap_or("")))
}

fn system(url: &str) -> Result<Option<Arc<Memory>>> {
    let Some(slot) = SYSTEMS.get(url) else { return Ok(None) };
    if let Some(made) = slot.get() {
        return Ok(made.clone());
    }
    let made = find(Kind::CodeSystem, url)?.map(|json| Arc::new(Memory::new(&json)));
    Ok(slot.get_or_init(|| made).clone())
}

fn set(url: &str) -> Result<Option<Arc<Json>>> {
    let Some(slot) = SETS.get(url) else { return Ok(None) };
    if let Some(made) = slot.get() {
        return Ok(made.clone());
    }
    let made = find(Kind::ValueSet, url)?.map(Arc::new);
    Ok(slot.get_or_init(|| made).clone())
}

/// Code systems of which R4 has the definition, and no codes.
const NOT_PRESENT: [&str; 2] = ["http://hl7.org/fhir/CodeSystem/summary", "http://snomed.info/sct"];

/// The URLs of all code systems that are here whatever a tenant stores, with the versions of those that have one without being unpacked.
pub fn code_systems() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let is_here = |url: &&str| !url.is_empty() && !NOT_PRESENT.contains(url);
    let listed = urls(Kind::CodeSystem).filter(is_here).map(|url| (url, None));
    let countries = iso::SYSTEMS.into_iter().map(|url| (url, None));
    grammar::SYSTEMS.into_iter().chain(countries).chain(listed)
}

impl Library for Core {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        if let Some(system) = grammar::system(url).or_else(|| iso::system(url)) {
            return Ok(Some(system).filter(|system| is_meant(version, system.about().version.as_deref())));
        }
        let found = system(url)?.filter(|system| is_meant(version, system.about().version.as_deref()));
        Ok(found.map(|system| system as Arc<dyn CodeSystem>))
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        let found = self.code_system(url, None)?;
        Ok(found.map(|system| system.about().version.clone().unwrap_or_default()).into_iter().collect())
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(set(url)?.filter(|json| is_meant(version, text(json, "version"))))
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        Ok(set(url)?.map(|json| text(&json, "version").unwrap_or("").into()).into_iter().collect())
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        Ok(urls(Kind::ValueSet).map(Into::into).collect())
    }

    fn structure(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        let Some(found) = conformance::find(conformance::Kind::Profile, url) else { return Ok(None) };
        let json = parse_stored(found.as_bytes()).map_err(|fault| fault.context("a definition of FHIR"))?;
        Ok(Some(json).filter(|json| is_meant(version, Some(text(json, "version").unwrap_or("4.0.1")))).map(Arc::new))
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        let is_it = |map: &&Arc<Json>| text(map, "url") == Some(url) && is_meant(version, text(map, "version"));
        Ok(MAPS.iter().find(is_it).cloned())
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        Ok(MAPS.iter().filter(|map| may_map(map, system, is_reverse)).cloned().collect())
    }
}
