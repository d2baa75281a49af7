//! `$closure` (FHIR R4 `terminology-service.html`, 4.7.10): a table of which code is above which, which grows with the codes that a client meets.
//!
//! The table is a ConceptMap: its `version` counts the calls that changed it, and each code and relation says in which version it came, so that a
//! client can ask for all that it has missed.

use hashbrown::HashSet;

use super::context::Context;
use super::lookup::system;
use super::memory::{coding, extension, list, text};
use super::subsumes::relation;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object};

/// The extension with the version in which a code or relation came.
const SINCE: &str = "urn:cresset:closure-since";
/// The extension with the version of the code system that a table was made with.
const MADE_WITH: &str = "urn:cresset:closure-system-version";
/// What marks a ConceptMap as a table: `ConceptMap.identifier.system`.
pub const MARK: &str = "urn:cresset:closure";
/// Most codes of a table.
const CODES: usize = 50_000;

/// A code in a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    system: Box<str>,
    code: Box<str>,
}

/// How two codes of a table stand to one another.
#[derive(Debug)]
struct Related {
    below: Entry,
    above: Entry,
    /// Whether they are two spellings of one code.
    is_same: bool,
    /// The version in which this came.
    since: u64,
}

/// A table.
#[derive(Debug, Default)]
pub struct Closure {
    name: String,
    version: u64,
    entries: Vec<(Entry, u64)>,
    relations: Vec<Related>,
    /// The code systems with the versions that the relations are of.
    systems: Vec<(Box<str>, Box<str>)>,
}

/// Checks the name of a table: it is the id of a resource.
///
/// # Errors
/// 400 for a name that is none.
pub fn check_name(name: &str) -> Result<()> {
    let is_id = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_id {
        Ok(())
    } else {
        Err(Fault::coded(Category::Invalid, "value", format!("invalid closure name \"{name}\"")))
    }
}

/// Whether a ConceptMap is a table.
pub fn is_table(json: &Json) -> bool {
    json.get("identifier").is_some_and(|identifier| text(identifier, "system") == Some(MARK))
}

impl Closure {
    /// An empty table.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// From the ConceptMap in which it is kept.
    ///
    /// # Errors
    /// 400 when the ConceptMap is no table.
    pub fn read(name: &str, json: &Json) -> Result<Self> {
        if !is_table(json) {
            let text = format!("invalid closure name \"{name}\": a concept map has this id");
            return Err(Fault::coded(Category::Invalid, "value", text));
        }
        let since =
            |json: &Json| extension(json, SINCE).and_then(|ext| text(ext, "valueString")?.parse().ok()).unwrap_or(0);
        let mut closure = Self::new(name);
        closure.version = text(json, "version").and_then(|version| version.parse().ok()).unwrap_or(0);
        for group in list(json, "group") {
            let system: Box<str> = text(group, "source").unwrap_or("").into();
            // a code system without a version has no extension
            let made_with = extension(group, MADE_WITH).and_then(|ext| text(ext, "valueString"));
            closure.systems.push((system.clone(), made_with.unwrap_or_default().into()));
            for element in list(group, "element") {
                let Some(code) = text(element, "code") else { continue };
                let entry = Entry { system: system.clone(), code: code.into() };
                for target in list(element, "target") {
                    let Some(code) = text(target, "code") else { continue };
                    let above = Entry { system: system.clone(), code: code.into() };
                    let is_same = text(target, "equivalence") == Some("equal");
                    let related = Related { below: entry.clone(), above, is_same, since: since(target) };
                    closure.relations.push(related);
                }
                closure.entries.push((entry, since(element)));
            }
        }
        Ok(closure)
    }

    /// The ConceptMap in which it is kept.
    pub fn kept(&self, now: &str) -> Json {
        let mut json = self.map(0, now, true);
        if let Some(object) = json.as_object_mut() {
            let identifier = [("system", Json::string(MARK)), ("value", Json::string(self.name.as_str()))];
            object.set("identifier", Json::object(identifier));
        }
        json
    }

    /// Adds codes; whether any of them is new.
    ///
    /// # Errors
    /// 422 for a code that its system does not have, and when a code system has another version than before; 404 for a system that is not known.
    pub fn add(&mut self, context: &Context<'_>, codings: &[&Json]) -> Result<bool> {
        let mut known: HashSet<Entry> = self.entries.iter().map(|(entry, _)| entry.clone()).collect();
        let version = self.version + 1;
        let before = self.entries.len();
        for json in codings {
            let coding = coding(json);
            let (Some(url), Some(code)) = (coding.system, coding.code) else {
                return Err(
                    Fault::coded(Category::Invalid, "required", "a concept has a system and a code").at("concept")
                );
            };
            let system = system(context, &url, coding.version.as_deref())?;
            let is = system.about().version.clone().unwrap_or_default();
            match self.systems.iter().find(|(other, _)| *other == url) {
                Some((_, made_with)) if *made_with != is => {
                    let text = format!("closure \"{}\" must be reinitialized", self.name);
                    return Err(Fault::coded(Category::Unprocessable, "conflict", text));
                }
                Some(_) => {}
                None => self.systems.push((url.clone(), is)),
            }
            let entry = Entry { system: url, code };
            if known.contains(&entry) {
                continue;
            }
            if self.entries.len() >= CODES {
                let text = format!("a closure table has at most {CODES} codes");
                return Err(Fault::coded(Category::Unprocessable, "too-costly", text));
            }
            relation(&*system, &entry.code, &entry.code)?;
            for (other, _) in self.entries.iter().filter(|(other, _)| other.system == entry.system) {
                context.step(1)?;
                let (below, above, is_same) = match relation(&*system, &other.code, &entry.code)? {
                    "subsumes" => (&entry, other, false),
                    "subsumed-by" => (other, &entry, false),
                    "equivalent" => (&entry, other, true),
                    _ => continue,
                };
                let (below, above) = (below.clone(), above.clone());
                self.relations.push(Related { below, above, is_same, since: version });
            }
            known.insert(entry.clone());
            self.entries.push((entry, version));
        }
        let is_new = self.entries.len() > before;
        if is_new {
            self.version = version;
        }
        Ok(is_new)
    }

    /// What came after a version, as the answer to the client.
    ///
    /// # Errors
    /// 400 for a version that this table never had.
    pub fn since(&self, version: &str, now: &str) -> Result<Json> {
        let known = version.parse::<u64>().ok().filter(|version| *version <= self.version);
        let known = known.ok_or_else(|| {
            Fault::coded(Category::Invalid, "value", format!("closure \"{}\" had no version \"{version}\"", self.name))
                .at("version")
        })?;
        Ok(self.map(known, now, false))
    }

    /// The current version.
    pub fn version(&self) -> String {
        self.version.to_string()
    }

    fn map(&self, after: u64, now: &str, is_whole: bool) -> Json {
        let title = if self.version == 0 {
            format!("Closure Table {} Creation", self.name)
        } else {
            format!("Updates for Closure Table {}", self.name)
        };
        let mut json = Json::object([
            ("resourceType", Json::string("ConceptMap")),
            ("id", Json::string(self.name.as_str())),
            ("version", Json::string(self.version.to_string())),
            ("name", Json::string(title)),
            ("status", Json::string("active")),
            ("experimental", Json::Bool(true)),
            ("date", Json::string(now)),
        ]);
        let groups: Vec<Json> = self.systems.iter().filter_map(|system| self.group(system, after, is_whole)).collect();
        if let Some(object) = json.as_object_mut().filter(|_| !groups.is_empty()) {
            object.set("group", Json::Array(groups));
        }
        json
    }

    fn group(&self, (system, made_with): &(Box<str>, Box<str>), after: u64, is_whole: bool) -> Option<Json> {
        let mut elements = Vec::new();
        let mark = |object: &mut Object, since: u64| {
            let since = [("url", Json::string(SINCE)), ("valueString", Json::string(since.to_string()))];
            object.set("extension", Json::Array(vec![Json::object(since)]));
        };
        for (entry, since) in self.entries.iter().filter(|(entry, _)| entry.system == *system) {
            let of = self.relations.iter().filter(|related| related.below == *entry && related.since > after);
            let targets = of.map(|related| {
                let mut target = Object::new();
                if is_whole {
                    mark(&mut target, related.since);
                }
                target.set("code", Json::string(related.above.code.clone()));
                target.set("equivalence", Json::string(if related.is_same { "equal" } else { "subsumes" }));
                Json::Object(target)
            });
            let targets: Vec<Json> = targets.collect();
            if targets.is_empty() && !is_whole {
                continue;
            }
            let mut element = Object::new();
            if is_whole {
                mark(&mut element, *since);
            }
            element.set("code", Json::string(entry.code.clone()));
            if !targets.is_empty() {
                element.set("target", Json::Array(targets));
            }
            elements.push(Json::Object(element));
        }
        if elements.is_empty() {
            return None;
        }
        let mut group = Object::new();
        if is_whole && !made_with.is_empty() {
            let made_with = [("url", Json::string(MADE_WITH)), ("valueString", Json::string(made_with.clone()))];
            group.set("extension", Json::Array(vec![Json::object(made_with)]));
        }
        group.set("source", Json::string(system.clone()));
        group.set("target", Json::string(system.clone()));
        group.set("element", Json::Array(elements));
        Some(Json::Object(group))
    }
}
