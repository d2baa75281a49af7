//! The definitions of packages as a [`Library`]: they are known by kind, URL and version, and read when one is needed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::about::Content;
use super::face::{CodeSystem, Library};
use super::memory::{Memory, is_fragment, text};
use super::shelf::may_map;
use super::version;
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// What holds the definitions of packages.
pub trait Packages: Send + Sync {
    /// URL and version of each definition of a resource type; the version may be empty.
    fn added(&self, kind: &str) -> Vec<(Box<str>, Box<str>)>;
    /// The definition of a resource type with a canonical URL.
    fn definition(&self, kind: &str, canonical: &str) -> Option<Json>;
}

/// Most definitions that are kept once they were read.
const KEPT: usize = 2048;

const CODE_SYSTEM: &str = "CodeSystem";
const VALUE_SET: &str = "ValueSet";
const CONCEPT_MAP: &str = "ConceptMap";

/// The definitions of one set of packages.
pub struct Loaded {
    packages: Arc<dyn Packages>,
    /// The versions of each URL, the latest last.
    code_systems: HashMap<Box<str>, Vec<Box<str>>>,
    value_sets: HashMap<Box<str>, Vec<Box<str>>>,
    concept_maps: HashMap<Box<str>, Vec<Box<str>>>,
    read: Mutex<HashMap<(&'static str, String), Arc<Json>>>,
    made: Mutex<HashMap<String, Arc<Memory>>>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded with {} code systems", self.code_systems.len())
    }
}

impl Loaded {
    /// Those of these packages.
    pub fn new(packages: Arc<dyn Packages>) -> Self {
        let index = |kind: &str| {
            let mut found: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
            for (url, version) in packages.added(kind) {
                found.entry(url).or_default().push(version);
            }
            found.values_mut().for_each(|versions| versions.sort_by(|a, b| version::compare(a, b)));
            found
        };
        Self {
            code_systems: index(CODE_SYSTEM),
            value_sets: index(VALUE_SET),
            concept_maps: index(CONCEPT_MAP),
            read: Mutex::default(),
            made: Mutex::default(),
            packages,
        }
    }

    fn index(&self, kind: &'static str) -> &HashMap<Box<str>, Vec<Box<str>>> {
        match kind {
            CODE_SYSTEM => &self.code_systems,
            VALUE_SET => &self.value_sets,
            _ => &self.concept_maps,
        }
    }

    fn json(&self, kind: &'static str, canonical: &str) -> Option<Arc<Json>> {
        let key = (kind, canonical.to_owned());
        let lock = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(json) = lock().get(&key) {
            return Some(json.clone());
        }
        let mut json = self.packages.definition(kind, canonical)?;
        if kind == VALUE_SET {
            self.unpin(&mut json);
        }
        let json = Arc::new(json);
        let mut read = lock();
        if read.len() >= KEPT {
            read.clear();
        }
        Some(read.entry(key).or_insert(json).clone())
    }

    /// Lets a value set take its code systems in the versions that are there, where it names one that no package has: most value sets
    /// of `hl7.terminology` 7.0.1 for tables of HL7 v2 do.
    fn unpin(&self, set: &mut Json) {
        let Some(compose) = set.as_object_mut().and_then(|set| set.get_mut("compose")?.as_object_mut()) else { return };
        for side in ["include", "exclude"] {
            let Some(Json::Array(parts)) = compose.get_mut(side) else { continue };
            for part in parts {
                if self.is_absent(part)
                    && let Some(object) = part.as_object_mut()
                {
                    object.remove("version");
                }
            }
        }
    }

    /// Whether a part of a value set names a version of its code system that is not there, while another one is.
    fn is_absent(&self, part: &Json) -> bool {
        let Some((url, pinned)) = text(part, "system").zip(text(part, "version")) else { return false };
        let is_it = |version: &str| version.is_empty() || version::matches(pinned, version);
        let is_there = self.code_systems.get(url).is_some_and(|there| !there.iter().any(|version| is_it(version)));
        is_there && self.pick(CODE_SYSTEM, url, None, &has_content).is_some()
    }

    /// The definition that is meant: of the versions that are wanted the latest that is as it must be.
    fn pick(
        &self,
        kind: &'static str,
        url: &str,
        wanted: Option<&str>,
        fits: &dyn Fn(&Json) -> bool,
    ) -> Option<(String, Arc<Json>)> {
        let versions = self.index(kind).get(url)?.iter().rev();
        let meant = versions.filter(|version| wanted.is_none_or(|wanted| version::matches(wanted, version)));
        meant
            .map(|version| named(url, version))
            .find_map(|name| Some((name.clone(), self.json(kind, &name).filter(|json| fits(json))?)))
    }

    /// The fragments of a code system beside one, the latest version first.
    fn fragments(&self, url: &str, canonical: &str) -> Vec<Arc<Json>> {
        let mut names: Vec<String> =
            self.versions(CODE_SYSTEM, url).iter().rev().map(|version| named(url, version)).collect();
        names.dedup();
        let others = names.iter().filter(|name| **name != *canonical);
        others.filter_map(|name| self.json(CODE_SYSTEM, name)).filter(|json| is_fragment(json)).collect()
    }

    fn system(&self, url: &str, is_any: bool, (canonical, json): (String, Arc<Json>)) -> Arc<dyn CodeSystem> {
        // where no version is named, one that is published in fragments is all of them
        let is_whole = is_any && is_fragment(&json);
        let (name, key) = (canonical.clone(), if is_whole { format!("{canonical}|*") } else { canonical });
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = lock().get(&key) {
            return made.clone();
        }
        let others = if is_whole { self.fragments(url, &name) } else { Vec::new() };
        let made = Arc::new(Memory::merged(&json, &others.iter().map(|json| &**json).collect::<Vec<_>>()));
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.entry(key).or_insert(made).clone()
    }

    fn versions(&self, kind: &'static str, url: &str) -> Vec<Box<str>> {
        self.index(kind).get(url).cloned().unwrap_or_default()
    }
}

fn named(url: &str, version: &str) -> String {
    if version.is_empty() { url.to_owned() } else { format!("{url}|{version}") }
}

fn is_supplement(json: &Json) -> bool {
    text(json, "content").and_then(Content::parse) == Some(Content::Supplement)
}

/// Whether a code system has concepts: a package may name one whose content is elsewhere.
fn has_content(json: &Json) -> bool {
    !is_supplement(json) && text(json, "content") != Some("not-present")
}

impl Library for Loaded {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let found = self.pick(CODE_SYSTEM, url, version, &has_content);
        Ok(found.map(|found| self.system(url, version.is_none(), found)))
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        Ok(self.versions(CODE_SYSTEM, url))
    }

    fn supplement(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        Ok(self.pick(CODE_SYSTEM, url, version, &is_supplement).map(|found| self.system(url, false, found)))
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(self.pick(VALUE_SET, url, version, &|_| true).map(|(_, json)| json))
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        Ok(self.versions(VALUE_SET, url))
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        Ok(self.value_sets.keys().cloned().collect())
    }

    fn structure(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        let canonical = version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"));
        Ok(self.packages.definition("StructureDefinition", &canonical).map(Arc::new))
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(self.pick(CONCEPT_MAP, url, version, &|_| true).map(|(_, json)| json))
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        let has = |map: &Json| may_map(map, system, is_reverse);
        let mut urls: Vec<&Box<str>> = self.concept_maps.keys().collect();
        urls.sort();
        Ok(urls.into_iter().filter_map(|url| self.pick(CONCEPT_MAP, url, None, &has)).map(|(_, json)| json).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::terminology::memory::list;

    struct Two;

    impl Packages for Two {
        fn added(&self, kind: &str) -> Vec<(Box<str>, Box<str>)> {
            match kind {
                CODE_SYSTEM => vec![
                    ("urn:a".into(), "1.9".into()),
                    ("urn:a".into(), "1.10".into()),
                    ("urn:b".into(), "".into()),
                    ("urn:s".into(), "".into()),
                ],
                VALUE_SET => vec![("urn:v".into(), "1".into())],
                _ => Vec::new(),
            }
        }

        fn definition(&self, kind: &str, canonical: &str) -> Option<Json> {
            let (url, version) = version::split(canonical);
            if kind == VALUE_SET {
                let part = |system: &str, version: &str| format!(r#"{{"system":"{system}","version":"{version}"}}"#);
                let parts = [part("urn:a", "1.9"), part("urn:a", "1.8"), part("urn:b", "2"), part("urn:other", "3")];
                return parse(format!(r#"{{"compose":{{"include":[{}]}}}}"#, parts.join(",")).as_bytes()).ok();
            }
            let content = match url {
                "urn:b" => "not-present",
                "urn:s" => "supplement",
                _ => "complete",
            };
            let text = format!(
                r#"{{"resourceType":"{kind}","url":"{url}","version":"{}","content":"{content}","concept":[{{"code":"x"}}]}}"#,
                version.unwrap_or("")
            );
            parse(text.as_bytes()).ok()
        }
    }

    #[test]
    fn definitions_are_found_by_version() {
        let loaded = Loaded::new(Arc::new(Two));
        let version = |wanted: Option<&str>| {
            let found = loaded.code_system("urn:a", wanted).expect("an answer");
            found.map(|system| system.about().version.as_deref().unwrap_or("").to_owned())
        };
        assert_eq!(version(None).as_deref(), Some("1.10"));
        assert_eq!(version(Some("1.9")).as_deref(), Some("1.9"));
        assert_eq!(version(Some("2")), None);
        assert_eq!(loaded.code_system_versions("urn:a").expect("versions").len(), 2);
        assert!(loaded.code_system("urn:b", None).expect("an answer").is_none());
        assert!(loaded.code_system("urn:s", None).expect("an answer").is_none());
        assert!(loaded.supplement("urn:s", None).expect("an answer").is_some());
        assert!(loaded.value_set("urn:a", None).expect("an answer").is_none());
    }

    #[test]
    fn versions_that_no_package_has_are_not_asked_for() {
        let set = Loaded::new(Arc::new(Two)).value_set("urn:v", None).expect("an answer").expect("the value set");
        let parts = list(set.get("compose").expect("a compose"), "include");
        let versions: Vec<_> = parts.iter().map(|part| text(part, "version")).collect();
        assert_eq!(versions, [Some("1.9"), None, Some("2"), Some("3")]);
    }
}
