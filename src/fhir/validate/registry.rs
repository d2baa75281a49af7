//! The definitions that resources are validated against: the base definitions of R4, and those of loaded packages.
//!
//! Everything is compiled when it is first needed, and kept. A registry does not change: another set of packages is
//! another registry, taken into use as a whole.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use hashbrown::HashMap;

use super::codes::{CodeSystem, Sources, ValueSet};
use super::compile::compile;
use super::countries;
use super::crossed;
use super::rules::{At, Profile};
use super::snapshot::generate;
use crate::fhir::definitions::conformance::{self, CORE, Kind};
use crate::fhir::definitions::element::{TypeId, TypeKind, all_types};
use crate::fhir::definitions::packed::Packed;
use crate::fhir::definitions::shipped;
use crate::fhir::json::{Json, parse};

/// How deep base definitions without snapshots may stand on one another.
const BASES: usize = 16;

/// The versions of each URL.
type Definitions<T> = HashMap<Box<str>, Vec<Entry<T>>>;

/// A set of definitions.
#[derive(Default)]
pub struct Registry {
    profiles: Definitions<Result<Profile, String>>,
    value_sets: Definitions<ValueSet>,
    code_systems: Definitions<CodeSystem>,
    questionnaires: Definitions<()>,
    /// Definitions of other types, by type and URL.
    others: HashMap<Box<str>, Definitions<()>>,
    /// The definitions below these.
    parent: Option<Below>,
}

/// One definition.
struct Entry<T> {
    version: Box<str>,
    source: Source,
    compiled: OnceLock<T>,
}

/// What is below a registry.
enum Below {
    /// What is there as long as the program.
    Always(&'static Registry),
    /// What is there as long as it is in use.
    InUse(Arc<Registry>),
}

/// A definition of a tenant.
#[derive(Debug, Clone)]
pub struct OwnDefinition {
    /// Its resource type.
    pub kind: Box<str>,
    /// Its canonical URL.
    pub url: Box<str>,
    /// Its version; empty without one.
    pub version: Box<str>,
    /// Its JSON.
    pub text: Bytes,
}

impl OwnDefinition {
    /// Bytes of its text.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

/// Where a definition is.
pub(super) enum Source {
    /// In the program, without what only people read.
    Embedded(&'static str),
    /// Read already.
    Loaded(Json),
    /// Of a tenant.
    Text(Bytes),
    /// Of a package, by its number there.
    Packed(Arc<Packed>, usize),
}

impl Source {
    /// The definition.
    pub(super) fn json(&self) -> Cow<'_, Json> {
        match self {
            Self::Embedded(text) => Cow::Owned(parse(text.as_bytes()).unwrap_or(Json::Null)),
            Self::Loaded(json) => Cow::Borrowed(json),
            Self::Text(text) => Cow::Owned(parse(text).unwrap_or(Json::Null)),
            Self::Packed(package, at) => Cow::Owned(package.json(*at).unwrap_or(Json::Null)),
        }
    }
}

/// Adds a definition; of several with one version the last counts.
fn put<T>(map: &mut Definitions<T>, url: &str, version: &str, source: Source) {
    let list = map.entry(url.into()).or_default();
    list.retain(|entry| *entry.version != *version);
    list.push(Entry { version: version.into(), source, compiled: OnceLock::new() });
}

/// Takes definitions from below, not compiled: below those with the same URL, or all of them.
fn again<T>(map: &mut Definitions<T>, below: &Definitions<T>, all: bool) {
    for (url, list) in below {
        if !all && !map.contains_key(url) {
            continue;
        }
        let above = map.remove(url).unwrap_or_default();
        let taken = |entry: &Entry<T>| match &entry.source {
            Source::Packed(package, at) => {
                let source = Source::Packed(package.clone(), *at);
                Some(Entry { version: entry.version.clone(), source, compiled: OnceLock::new() })
            }
            _ => None,
        };
        let is_other = |entry: &Entry<T>| above.iter().all(|own| own.version != entry.version);
        let mut merged: Vec<Entry<T>> = list.iter().filter_map(taken).filter(is_other).collect();
        merged.extend(above);
        map.insert(url.clone(), merged);
    }
}

/// The URLs and versions of definitions.
fn named<T>(map: &Definitions<T>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().flat_map(|(url, list)| list.iter().map(move |entry| (&**url, &*entry.version)))
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry of {} profiles", self.profiles.len())
    }
}

static CORE_REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    fn embedded<T>(kind: Kind) -> impl Iterator<Item = (Box<str>, Vec<Entry<T>>)> {
        conformance::urls(kind).filter_map(move |url| {
            let source = Source::Embedded(conformance::find(kind, url)?);
            Some((url.into(), vec![Entry { version: Box::default(), source, compiled: OnceLock::new() }]))
        })
    }
    registry.profiles.extend(embedded(Kind::Profile));
    registry.value_sets.extend(embedded(Kind::ValueSet));
    registry.code_systems.extend(embedded(Kind::CodeSystem));
    registry
});

/// The rules of the base definition of each type, by its number.
static BASE: LazyLock<Vec<OnceLock<Option<At<'static>>>>> =
    LazyLock::new(|| all_types().map(|_| OnceLock::new()).collect());

/// The rules of the base definition of a type.
pub fn base(type_id: TypeId) -> Option<At<'static>> {
    *BASE[type_id.0 as usize].get_or_init(|| {
        let name = type_id.name();
        if type_id.kind() != TypeKind::Backbone {
            return CORE_REGISTRY.profile(&format!("{CORE}{name}"))?.ok().map(At::root);
        }
        let root = name.split('.').next().unwrap_or(name);
        let profile = CORE_REGISTRY.profile(&format!("{CORE}{root}"))?.ok()?;
        let index = profile.rules.iter().position(|rule| *rule.id == *name)?;
        Some(At { profile, index: u32::try_from(index).ok()? })
    })
}

/// As [`base`], where that asks for anything.
static ASKING: LazyLock<Vec<OnceLock<Option<At<'static>>>>> =
    LazyLock::new(|| all_types().map(|_| OnceLock::new()).collect());

/// The rules of the base definition of a type, if they ask for anything beyond its structure.
#[inline]
pub fn asking(type_id: TypeId) -> Option<At<'static>> {
    *ASKING[type_id.0 as usize].get_or_init(|| base(type_id).filter(|at| !at.rule().is_idle()))
}

/// The base definitions with the packages that are part of the program.
static SHIPPED_REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::of_packages(shipped::packages()));

impl Registry {
    /// The base definitions of R4.
    pub fn core() -> &'static Self {
        &CORE_REGISTRY
    }

    /// The base definitions of R4 with the packages that are part of the program.
    pub fn shipped() -> &'static Self {
        &SHIPPED_REGISTRY
    }

    /// The base definitions with further ones: whatever has a canonical URL, anything else is left out. Of several with one
    /// URL and version the last counts.
    pub fn with(resources: impl IntoIterator<Item = Json>) -> Self {
        Self::above(Self::core(), resources)
    }

    /// The same over another registry.
    pub fn over(parent: &'static Self, resources: impl IntoIterator<Item = Json>) -> Self {
        Self::above(parent, resources)
    }

    fn above(parent: &'static Self, resources: impl IntoIterator<Item = Json>) -> Self {
        let mut registry = Self { parent: Some(Below::Always(parent)), ..Self::default() };
        for resource in resources {
            let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
            let (kind, url, version) = (text("resourceType"), text("url"), text("version"));
            registry.add(&kind, &url, &version, Source::Loaded(resource));
        }
        registry
    }

    /// The base definitions with those of packages, the last of which counts most. Nothing of them is read yet.
    pub fn of_packages<'p>(packages: impl IntoIterator<Item = &'p Arc<Packed>>) -> Self {
        let mut registry = Self { parent: Some(Below::Always(Self::core())), ..Self::default() };
        for package in packages {
            for (at, row) in package.rows.iter().enumerate() {
                registry.add(&row.kind, &row.url, &row.version, Source::Packed(package.clone(), at));
            }
        }
        registry
    }

    /// Those of a tenant above those of packages; of several with one URL and version the last counts.
    pub fn own(packages: Arc<Self>, definitions: impl IntoIterator<Item = OwnDefinition>) -> Self {
        let mut registry = Self::default();
        let mut has_terms = false;
        for OwnDefinition { kind, url, version, text } in definitions {
            has_terms |= matches!(Kind::of(&kind), Some(Kind::ValueSet | Kind::CodeSystem));
            registry.add(&kind, &url, &version, Source::Text(text));
        }
        again(&mut registry.profiles, &packages.profiles, false);
        again(&mut registry.code_systems, &packages.code_systems, false);
        // A value set of a package may be made of what the tenant defines, so it is compiled anew.
        again(&mut registry.value_sets, &packages.value_sets, has_terms);
        registry.parent = Some(Below::InUse(packages));
        registry
    }

    fn below(&self) -> Option<&Self> {
        match self.parent.as_ref()? {
            Below::Always(registry) => Some(registry),
            Below::InUse(registry) => Some(registry),
        }
    }

    fn add(&mut self, kind: &str, url: &str, version: &str, source: Source) {
        match Kind::of(kind) {
            Some(Kind::Profile) => put(&mut self.profiles, url, version, source),
            Some(Kind::ValueSet) => put(&mut self.value_sets, url, version, source),
            Some(Kind::CodeSystem) => put(&mut self.code_systems, url, version, source),
            None if kind == "Questionnaire" => put(&mut self.questionnaires, url, version, source),
            None if url.is_empty() => {}
            None => put(self.others.entry(kind.into()).or_default(), url, version, source),
        }
    }

    /// The definition of a resource type with a canonical URL, as it was loaded: in the version that it names (else in the
    /// last one), or the last one loaded. Those of R4 itself are without what only people read, such as displays.
    pub fn definition(&self, kind: &str, canonical: &str) -> Option<Cow<'_, Json>> {
        let found = match Kind::of(kind) {
            Some(Kind::Profile) => pick(&self.profiles, canonical).map(|entry| entry.source.json()),
            Some(Kind::ValueSet) => pick(&self.value_sets, canonical).map(|entry| entry.source.json()),
            Some(Kind::CodeSystem) => pick(&self.code_systems, canonical).map(|entry| entry.source.json()),
            None if kind == "Questionnaire" => pick(&self.questionnaires, canonical).map(|entry| entry.source.json()),
            None => self.others.get(kind).and_then(|map| pick(map, canonical)).map(|entry| entry.source.json()),
        };
        found.or_else(|| self.below()?.definition(kind, canonical))
    }

    /// The type of the definition with a canonical URL, and where it is, as [`definition`](Self::definition) finds it.
    pub(super) fn source(&self, canonical: &str) -> Option<(&str, &Source)> {
        fn of<'r, T>(kind: &'r str, map: &'r Definitions<T>, canonical: &str) -> Option<(&'r str, &'r Source)> {
            pick(map, canonical).map(|entry| (kind, &entry.source))
        }
        of("StructureDefinition", &self.profiles, canonical)
            .or_else(|| of("ValueSet", &self.value_sets, canonical))
            .or_else(|| of("CodeSystem", &self.code_systems, canonical))
            .or_else(|| of("Questionnaire", &self.questionnaires, canonical))
            .or_else(|| self.others.iter().find_map(|(kind, map)| of(kind, map, canonical)))
            .or_else(|| self.below()?.source(canonical))
    }

    /// As [`definition`](Self::definition), without those of R4 itself.
    pub fn added_definition(&self, kind: &str, canonical: &str) -> Option<Cow<'_, Json>> {
        if std::ptr::eq(self, Self::core()) {
            return None;
        }
        let found = match Kind::of(kind) {
            Some(Kind::ValueSet) => pick(&self.value_sets, canonical).map(|entry| entry.source.json()),
            Some(Kind::CodeSystem) => pick(&self.code_systems, canonical).map(|entry| entry.source.json()),
            _ => None,
        };
        found.or_else(|| self.below()?.added_definition(kind, canonical))
    }

    /// URL and version of every definition of a resource type, without those of R4 itself; a version may be empty.
    pub fn added(&self, kind: &str) -> Vec<(&str, &str)> {
        match Kind::of(kind) {
            Some(Kind::Profile) => named(&self.profiles).collect(),
            Some(Kind::ValueSet) => named(&self.value_sets).collect(),
            Some(Kind::CodeSystem) => named(&self.code_systems).collect(),
            None if kind == "Questionnaire" => named(&self.questionnaires).collect(),
            None => self.others.get(kind).into_iter().flat_map(named).collect(),
        }
    }

    /// The Questionnaire with a canonical URL.
    pub fn questionnaire(&self, canonical: &str) -> Option<Cow<'_, Json>> {
        let found = pick(&self.questionnaires, canonical).map(|entry| entry.source.json());
        found.or_else(|| self.below()?.questionnaire(canonical))
    }

    /// The profile with a canonical URL; none when it is not known, an error when it cannot be used.
    pub fn profile(&self, canonical: &str) -> Option<Result<&Profile, &str>> {
        let entry = pick(&self.profiles, canonical);
        let Some(entry) = entry else {
            return match self.below() {
                Some(below) => below.profile(canonical),
                None => crossed::profile(canonical, |definition| self.made(definition)),
            };
        };
        let compiled = entry.compiled.get_or_init(|| self.made(&entry.source.json()));
        Some(compiled.as_ref().map_err(String::as_str))
    }

    /// The profile that a definition says.
    pub(super) fn made(&self, definition: &Json) -> Result<Profile, String> {
        let elements = self.elements(definition, BASES)?;
        let is_base = definition.get("derivation").and_then(Json::as_str) != Some("constraint");
        compile(definition, &elements, (!is_base).then_some(&base))
    }

    /// The elements of a definition's snapshot, made of its differential where there is none.
    fn elements(&self, definition: &Json, depth: usize) -> Result<Vec<Json>, String> {
        let list = |part: &str| definition.get(part).and_then(|part| part.get("element")).and_then(Json::as_array);
        if let Some(elements) = list("snapshot") {
            return Ok(elements.to_vec());
        }
        // a differential without elements changes nothing
        let differential = list("differential").unwrap_or_default();
        let url = definition.get("baseDefinition").and_then(Json::as_str).ok_or("it has no base definition")?;
        if depth == 0 {
            return Err(format!("its base definitions are more than {BASES} deep, or a circle"));
        }
        let base = self.snapshot(url, depth - 1).ok_or_else(|| format!("its base {url} is not known"))??;
        generate(&base, differential, &|url| self.snapshot(url, depth - 1)?.ok())
    }

    /// The elements of the snapshot of the definition with a canonical URL.
    fn snapshot(&self, canonical: &str, depth: usize) -> Option<Result<Vec<Json>, String>> {
        match pick(&self.profiles, canonical) {
            Some(entry) => Some(self.elements(&entry.source.json(), depth)),
            None => self.below()?.snapshot(canonical, depth),
        }
    }

    /// The snapshot that is made of a definition's differential, whatever snapshot it has.
    ///
    /// # Errors
    /// Why there is none.
    #[cfg(test)]
    pub fn made_snapshot(&self, url: &str) -> Result<Vec<Json>, String> {
        let mut definition = pick(&self.profiles, url).ok_or("unknown")?.source.json().into_owned();
        if let Some(object) = definition.as_object_mut() {
            object.remove("snapshot");
        }
        self.elements(&definition, BASES)
    }

    /// The value set with a canonical URL.
    pub fn value_set(&self, canonical: &str) -> Option<&ValueSet> {
        match pick(&self.value_sets, canonical) {
            Some(entry) => Some(entry.compiled.get_or_init(|| ValueSet::new(&entry.source.json(), &self))),
            None => self.below()?.value_set(canonical),
        }
    }

    /// The code system with a URL.
    pub fn code_system(&self, url: &str) -> Option<&CodeSystem> {
        match pick(&self.code_systems, url) {
            Some(entry) => Some(entry.compiled.get_or_init(|| CodeSystem::new(&entry.source.json()))),
            None => self.below().map_or_else(|| countries::system(url), |below| below.code_system(url)),
        }
    }

    /// Whether a profile is there in the version that a canonical URL names; the base definitions are those of R4.
    pub fn has_version(&self, canonical: &str) -> bool {
        let Some((url, version)) = canonical.split_once('|') else { return true };
        match self.profiles.get(url) {
            Some(list) => list.iter().any(|entry| is_version(&entry.version, version)),
            None => !version.is_empty() && self.below().is_none_or(|parent| parent.has_version(canonical)),
        }
    }

    /// The same of a value set.
    pub fn has_value_set_version(&self, canonical: &str) -> bool {
        let Some((url, version)) = canonical.split_once('|') else { return true };
        match self.value_sets.get(url) {
            Some(list) => list.iter().any(|entry| is_version(&entry.version, version)),
            None => self.below().is_none_or(|parent| parent.has_value_set_version(canonical)),
        }
    }

    /// Whether a code system is there in a version; none where it is not there, or in one that is not said.
    pub fn has_code_system_version(&self, url: &str, version: &str) -> Option<bool> {
        let Some(list) = self.code_systems.get(url) else { return self.below()?.has_code_system_version(url, version) };
        let is_it = |entry: &Entry<_>| *entry.version == *version || begins(&entry.version, version);
        list.iter().all(|entry| !entry.version.is_empty()).then(|| list.iter().any(is_it))
    }

    /// The type of the definition with a canonical URL, if it is of those that are kept.
    pub fn kind_of(&self, canonical: &str) -> Option<&'static str> {
        if pick(&self.profiles, canonical).is_some() {
            Some("StructureDefinition")
        } else if pick(&self.value_sets, canonical).is_some() {
            Some("ValueSet")
        } else if pick(&self.code_systems, canonical).is_some() {
            Some("CodeSystem")
        } else if pick(&self.questionnaires, canonical).is_some() {
            Some("Questionnaire")
        } else {
            self.below()?.kind_of(canonical)
        }
    }

    /// Why no snapshot can be made of a profile that has none; none if one can, or if its base is not known.
    pub fn unmakeable(&self, definition: &Json) -> Option<String> {
        let base = definition.get("baseDefinition").and_then(Json::as_str)?;
        if definition.get("url").and_then(Json::as_str) == Some(base) {
            return Some("its base definition is itself".to_owned());
        }
        self.snapshot(base, BASES)?.ok()?;
        self.elements(definition, BASES).err()
    }

    /// The elements of the snapshot of a definition, if it is known and has one.
    pub fn base_elements(&self, canonical: &str) -> Option<Vec<Json>> {
        self.snapshot(canonical, BASES)?.ok()
    }

    /// The URLs of all profiles, with the base definitions.
    pub fn profile_urls(&self) -> impl Iterator<Item = &str> {
        let below = self.below().into_iter().flat_map(|parent| parent.profiles.keys());
        self.profiles.keys().chain(below).map(|url| &**url)
    }
}

impl<'s> Sources<'s> for &'s Registry {
    fn value_set(&self, canonical: &str) -> Option<Cow<'s, Json>> {
        match pick(&self.value_sets, canonical) {
            Some(entry) => Some(entry.source.json()),
            None => Sources::value_set(&self.below()?, canonical),
        }
    }

    fn code_system(&self, url: &str) -> Option<Cow<'s, Json>> {
        match pick(&self.code_systems, url) {
            Some(entry) => Some(entry.source.json()),
            None => match self.below() {
                Some(below) => Sources::code_system(&below, url),
                None => countries::json(url).map(Cow::Borrowed),
            },
        }
    }
}

/// Whether a definition of a version is meant by one that a canonical URL names; the base definitions are those of R4.
fn is_version(version: &str, named: &str) -> bool {
    let is_base = version.is_empty() && matches!(named, "4.0.1" | "4.0" | "4");
    !named.is_empty() && (version == named || begins(version, named) || is_base)
}

/// Whether a version is one of those that a shorter one stands for: 1.2.0 for 1.2.
pub(super) fn begins(version: &str, part: &str) -> bool {
    !part.is_empty() && version.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'))
}

/// The definition with a canonical URL: in the version that it names, else the last one.
fn pick<'e, T>(map: &'e Definitions<T>, canonical: &str) -> Option<&'e Entry<T>> {
    let (url, version) = match memchr::memchr(b'|', canonical.as_bytes()) {
        Some(at) => (&canonical[..at], &canonical[at + 1..]),
        None => (canonical, ""),
    };
    let list = map.get(url)?;
    let exact = list.iter().find(|entry| *entry.version == *version);
    exact.or_else(|| list.iter().rfind(|entry| begins(&entry.version, version))).or_else(|| list.last())
}
