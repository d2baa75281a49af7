//! A [`Library`] of resources in memory, and one on top of another.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;

use super::about::Content;
use super::extended::Extended;
use super::face::{CodeSystem, Library};
use super::grammar;
use super::memory::{Memory, is_fragment, list, text};
use super::notices::notice;
use super::version;
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// Definitions by their URLs.
#[derive(Default)]
pub struct Shelf {
    code_systems: Versions<System>,
    supplements: Versions<System>,
    value_sets: Versions<Arc<Json>>,
    concept_maps: Versions<Arc<Json>>,
    /// The code systems by the URLs of their value sets of all codes.
    implied: HashMap<Box<str>, Box<str>>,
    /// What was made of several fragments, by URL and the version that was asked for.
    merged: Mutex<HashMap<Meant, Arc<Memory>>>,
}

/// A URL, and a version if one is meant.
type Meant = (Box<str>, Option<Box<str>>);

/// The versions of each URL; the latest last.
struct Versions<T>(HashMap<Box<str>, Vec<(Box<str>, T)>>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Versions<T> {
    fn add(&mut self, json: &Json, item: T) {
        let version: Box<str> = text(json, "version").unwrap_or("").into();
        let list = self.0.entry(text(json, "url").unwrap_or("").into()).or_default();
        let at = list.partition_point(|(other, _)| version::compare(other, &version).is_le());
        list.insert(at, (version, item));
    }

    fn find(&self, url: &str, wanted: Option<&str>) -> Option<&T> {
        let list = self.0.get(url)?;
        let found =
            list.iter().rev().find(|(version, _)| wanted.is_none_or(|wanted| version::matches(wanted, version)));
        found.map(|(_, item)| item)
    }

    fn versions(&self, url: &str) -> Vec<Box<str>> {
        self.0.get(url).into_iter().flatten().map(|(version, _)| version.clone()).collect()
    }

    /// Those of one version, or of all; the latest first.
    fn of(&self, url: &str, version: Option<&str>) -> impl Iterator<Item = &T> {
        let all = self.0.get(url).into_iter().flatten().rev();
        all.filter(move |(given, _)| version.is_none_or(|version| **given == *version)).map(|(_, item)| item)
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.0.values().flatten().map(|(_, item)| item)
    }
}

/// A code system that is read when it is first needed.
struct System {
    json: Arc<Json>,
    made: OnceLock<Arc<Memory>>,
}

impl System {
    fn made(&self) -> Arc<dyn CodeSystem> {
        self.made.get_or_init(|| Arc::new(Memory::new(&self.json))).clone()
    }
}

impl Shelf {
    /// Adds a CodeSystem, ValueSet or ConceptMap; anything else is left out. Of two with one URL and version the later one is found, but of
    /// fragments all count, and of concept maps both are asked.
    pub fn add(&mut self, json: Arc<Json>) {
        self.merged.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        match text(&json, "resourceType") {
            Some("CodeSystem") => {
                let is_supplement = text(&json, "content").and_then(Content::parse) == Some(Content::Supplement);
                if let (Some(implied), Some(url)) = (text(&json, "valueSet"), text(&json, "url")) {
                    self.implied.insert(version::split(implied).0.into(), url.into());
                }
                let system = System { json: json.clone(), made: OnceLock::new() };
                if is_supplement { &mut self.supplements } else { &mut self.code_systems }.add(&json, system);
            }
            Some("ValueSet") => self.value_sets.add(&json, json.clone()),
            Some("ConceptMap") => self.concept_maps.add(&json, json.clone()),
            _ => {}
        }
    }

    /// The code system that is meant: one that is published in fragments is all of them, those of the version that is asked for, or of any.
    fn system(&self, url: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        let found = self.code_systems.find(url, version)?;
        if !is_fragment(&found.json) {
            return Some(found.made());
        }
        let meant = version.map(|_| text(&found.json, "version").unwrap_or(""));
        let parts: Vec<&Json> =
            self.code_systems.of(url, meant).map(|system| &*system.json).filter(|json| is_fragment(json)).collect();
        let Some((first, others @ [_, ..])) = parts.split_first() else { return Some(found.made()) };
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Box::from(url), meant.map(Box::from));
        Some(merged.entry(key).or_insert_with(|| Arc::new(Memory::merged(first, others))).clone())
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.code_systems.0.is_empty()
            && self.supplements.0.is_empty()
            && self.value_sets.0.is_empty()
            && self.concept_maps.0.is_empty()
    }
}

/// Whether a concept map has a group whose source is a code system or, `is_reverse`, whose target is, or that names none.
pub fn may_map(map: &Json, system: &str, is_reverse: bool) -> bool {
    let side = if is_reverse { "target" } else { "source" };
    list(map, "group").iter().any(|group| text(group, side).is_none_or(|url| version::split(url).0 == system))
}

/// The value set of all codes of a code system; of this very version where `wanted` names one, else of the latest.
pub fn all_codes(system: &dyn CodeSystem, url: &str, wanted: Option<&str>) -> Json {
    let about = system.about();
    let mut include = Json::object([("system", Json::string(about.url.clone()))]);
    if let (Some(part), Some(version), Some(_)) = (include.as_object_mut(), &about.version, wanted) {
        part.set("version", Json::string(version.clone()));
    }
    let compose = Json::object([("include", Json::Array(vec![include]))]);
    let mut json = Json::object([("resourceType", Json::string("ValueSet")), ("url", Json::string(url))]);
    if let Some(object) = json.as_object_mut() {
        if let Some(version) = &about.version {
            object.set("version", Json::string(version.clone()));
        }
        let name = about.title.as_ref().or(about.name.as_ref());
        if let Some(name) = name {
            object.set("title", Json::string(format!("All codes of {name}")));
        }
        object.set("status", Json::string("active"));
        if let Some(notice) = notice(&about.url) {
            object.set("copyright", Json::string(notice));
        }
        object.set("compose", compose);
    }
    json
}

impl Library for Shelf {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        Ok(self.system(url, version))
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        Ok(self.code_systems.versions(url))
    }

    fn supplement(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        Ok(self.supplements.find(url, version).map(System::made))
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        if let Some(json) = self.value_sets.find(url, version) {
            return Ok(Some(json.clone()));
        }
        let implied = self.implied.get(url).and_then(|system| self.code_systems.find(system, version));
        Ok(implied.map(|system| Arc::new(all_codes(&*system.made(), url, version))))
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        Ok(self.value_sets.versions(url))
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        let named = self.value_sets.0.keys().filter(|url| !url.is_empty());
        Ok(named.chain(self.implied.keys()).cloned().collect())
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(self.concept_maps.find(url, version).cloned())
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        let has = |map: &&Arc<Json>| may_map(map, system, is_reverse);
        let mut found: Vec<Arc<Json>> = self.concept_maps.all().filter(has).cloned().collect();
        found.sort_by(|a, b| text(a, "url").cmp(&text(b, "url")));
        Ok(found)
    }
}

/// Libraries one above the other. What the first one has counts; where no version is named, the latest of all counts only if the first
/// has none. A code system that one only names (`not-present`) counts where no other has its concepts.
pub struct Layers<'l>(pub Vec<&'l dyn Library>);

impl Layers<'_> {
    fn first<T>(&self, ask: impl Fn(&dyn Library) -> Result<Option<T>>) -> Result<Option<T>> {
        for library in &self.0 {
            if let Some(found) = ask(*library)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn all<T>(&self, ask: impl Fn(&dyn Library) -> Result<Vec<T>>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for library in self.0.iter().rev() {
            found.extend(ask(*library)?);
        }
        Ok(found)
    }
}

impl Library for Layers<'_> {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let is_here = |system: &Arc<dyn CodeSystem>| system.about().content != Content::NotPresent;
        let here = self.first(|library| Ok(library.code_system(url, version)?.filter(is_here)))?;
        let Some(system) = here else { return self.first(|library| library.code_system(url, version)) };
        match grammar::system(url).filter(|_| system.about().enumerable) {
            Some(grammar) => Ok(Some(Arc::new(Extended::new(system, grammar)))),
            None => Ok(Some(system)),
        }
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.all(|library| library.code_system_versions(url)).map(sorted)
    }

    fn supplement(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        self.first(|library| library.supplement(url, version))
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        self.first(|library| library.value_set(url, version))
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.all(|library| library.value_set_versions(url)).map(sorted)
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        let mut found = self.all(|library| library.value_sets())?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn structure(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        self.first(|library| library.structure(url, version))
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        self.first(|library| library.concept_map(url, version))
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        self.all(|library| library.concept_maps(system, is_reverse))
    }
}

fn sorted(mut versions: Vec<Box<str>>) -> Vec<Box<str>> {
    versions.sort_by(|a, b| version::compare(a, b));
    versions.dedup();
    versions
}
