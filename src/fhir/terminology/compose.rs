//! A value set as it is evaluated: what it includes and excludes, with filters that were read (FHIR R4 `valueset.html#compositions`).

use std::sync::Arc;

use super::concept::Designation;
use super::filter::{Filter, Op};
use super::issues;
use super::language::Languages;
use super::made::{Made, refused};
use super::memory::{designation, extension, list, text, value};
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// The extension with a parameter that a value set wants to be expanded with.
const EXPANSION_PARAMETER: &str = "http://hl7.org/fhir/StructureDefinition/valueset-expansion-parameter";
/// The extension with a supplement that a value set needs.
const SUPPLEMENT: &str = "http://hl7.org/fhir/StructureDefinition/valueset-supplement";
/// The extension with an operator that R4 does not have.
const FILTER_OP: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op";

/// A concept that a value set lists.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Its code.
    pub code: Box<str>,
    /// The text that the value set gives it.
    pub display: Option<Box<str>>,
    /// Further texts that the value set gives it.
    pub designations: Vec<Designation>,
    /// Extensions of the concept in the value set.
    pub extensions: Vec<Json>,
    /// Whether a stored expansion says that it is abstract.
    pub is_abstract: bool,
    /// Whether a stored expansion says that it is inactive.
    pub is_inactive: bool,
}

/// An `include` or `exclude`.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// The code system.
    pub system: Option<Box<str>>,
    /// The version that is named.
    pub version: Option<Box<str>>,
    /// The concepts that are listed, if it lists any.
    pub concepts: Option<Vec<Listed>>,
    /// The filters, which all must hold.
    pub filters: Vec<Filter>,
    /// The value sets, all of which must have the code.
    pub value_sets: Vec<Box<str>>,
    /// Whether its list counts where the version of the code system is not here: it is that of a stored expansion.
    pub is_at_word: bool,
}

impl Part {
    /// Whether filters alone say which codes of the system it has.
    pub fn is_of_filters(&self) -> bool {
        self.concepts.is_none() && self.value_sets.is_empty() && !self.filters.is_empty()
    }
}

/// A value set.
#[derive(Debug)]
pub struct ValueSet {
    /// The resource.
    pub json: Arc<Json>,
    /// `url|version`, as messages name it.
    pub canonical: String,
    /// What it includes.
    pub includes: Vec<Part>,
    /// What it takes away.
    pub excludes: Vec<Part>,
    /// `compose.inactive`.
    pub inactive: Option<bool>,
    /// `compose.lockedDate`.
    pub locked: Option<Box<str>>,
    /// The supplements that it needs.
    pub supplements: Vec<Box<str>>,
    /// Parameters that it wants to be expanded with.
    parameters: Vec<(Box<str>, Box<str>)>,
    /// What the expansion was made with that its codes are of, where it has no compose.
    pub made: Option<Made>,
    /// Whether it is that of all value sets.
    pub is_everywhere: bool,
    /// The resource whose contained value sets it may name: itself, or its container.
    root: Arc<Json>,
}

impl ValueSet {
    /// From a ValueSet resource.
    ///
    /// # Errors
    /// 422 for a filter that is not understood.
    pub fn new(json: Arc<Json>) -> Result<Self> {
        let url = text(&json, "url").unwrap_or("");
        let canonical = match text(&json, "version") {
            Some(version) => format!("{url}|{version}"),
            None => url.to_owned(),
        };
        let compose = json.get("compose");
        let parts = |side: &str| -> Result<Vec<Part>> {
            let given = compose.map(|compose| list(compose, side)).unwrap_or_default();
            given.iter().enumerate().map(|(at, json)| part(json, &format!("ValueSet.compose.{side}[{at}]"))).collect()
        };
        let mut includes = parts("include")?;
        let mut made = None;
        if let Some(expansion) = json.get("expansion").filter(|_| includes.is_empty()) {
            let of_expansion = Made::new(expansion);
            includes = stored(expansion, &of_expansion);
            made = Some(of_expansion);
        }
        let owners = [Some(&*json), compose].into_iter().flatten();
        let extensions = owners.flat_map(|owner| list(owner, "extension"));
        let parameters = extensions.filter(|ext| text(ext, "url") == Some(EXPANSION_PARAMETER)).filter_map(|ext| {
            let part = |name: &str| value(extension(ext, name)?)?.1.as_str().map(Into::into);
            Some((part("name")?, part("value")?))
        });
        let supplements = list(&json, "extension").iter().filter(|ext| text(ext, "url") == Some(SUPPLEMENT));
        Ok(Self {
            canonical,
            excludes: parts("exclude")?,
            inactive: compose.and_then(|compose| compose.get("inactive")).and_then(Json::as_bool),
            locked: compose.and_then(|compose| text(compose, "lockedDate")).map(Into::into),
            supplements: supplements.filter_map(|ext| text(ext, "valueCanonical").map(Into::into)).collect(),
            parameters: parameters.collect(),
            made,
            includes,
            is_everywhere: false,
            root: json.clone(),
            json,
        })
    }

    /// Whether it says which codes it has.
    ///
    /// # Errors
    /// 422 for one without `compose` and `expansion`: that is not one without codes.
    pub fn check(&self) -> Result<()> {
        let has = |name: &str| self.json.get(name).is_some();
        if has("compose") || has("expansion") {
            return Ok(());
        }
        let text = format!("the value set '{}' has neither compose nor expansion", self.canonical);
        Err(Fault::coded(Category::Unprocessable, "incomplete", text).at("ValueSet"))
    }

    /// Whether it has all its codes at hand.
    ///
    /// # Errors
    /// 422 for a stored expansion that has not.
    pub fn check_whole(&self) -> Result<()> {
        match self.made.as_ref().and_then(|made| made.may_miss(None)) {
            Some(why) => Err(refused(&why)),
            None => Ok(()),
        }
    }

    /// Puts each version of a code system in the place of `*`, which means all of them; an exclude takes away codes of any version anyway.
    ///
    /// # Errors
    /// When the versions cannot be read.
    pub fn spread(&mut self, versions: &mut dyn FnMut(&str) -> Result<Vec<Box<str>>>) -> Result<()> {
        let is_any = |part: &Part| part.version.as_deref() == Some("*") && part.system.is_some();
        self.excludes.iter_mut().filter(|part| is_any(part)).for_each(|part| part.version = None);
        if !self.includes.iter().any(is_any) {
            return Ok(());
        }
        let mut spread = Vec::new();
        for mut part in std::mem::take(&mut self.includes) {
            let known = if is_any(&part) { versions(part.system.as_deref().unwrap_or(""))? } else { Vec::new() };
            let named = known.into_iter().filter(|version| !version.is_empty());
            let before = spread.len();
            spread.extend(named.map(|version| Part { version: Some(version), ..part.clone() }));
            if spread.len() == before {
                part.version = part.version.filter(|version| **version != *"*");
                spread.push(part);
            }
        }
        self.includes = spread;
        Ok(())
    }

    /// The value set that is named by `#id`: contained here, or in what contains this one.
    ///
    /// # Errors
    /// 422 when it is not understood.
    pub fn contained(&self, fragment: &str) -> Result<Option<Self>> {
        let id = fragment.strip_prefix('#').unwrap_or(fragment);
        let is_it = |json: &&Json| text(json, "resourceType") == Some("ValueSet") && text(json, "id") == Some(id);
        let Some(json) = list(&self.root, "contained").iter().find(is_it) else { return Ok(None) };
        let mut set = Self::new(Arc::new(json.clone()))?;
        if text(json, "url").is_none() {
            let root = text(&self.root, "url").unwrap_or("");
            set.canonical = format!("{}#{id}", canonical(root, text(&self.root, "version")));
        }
        set.root = self.root.clone();
        Ok(Some(set))
    }

    /// A name of what it contains that no other resource of the same request has.
    pub fn place_of(&self, fragment: &str) -> String {
        format!("{:p}{fragment}", Arc::as_ptr(&self.root))
    }

    /// A parameter that it wants to be expanded with.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| **given == *name).map(|(_, value)| &**value)
    }

    /// The languages that its codes are to be shown in: as it says, else its own.
    pub fn languages(&self) -> Option<Languages> {
        self.parameter("displayLanguage").or_else(|| text(&self.json, "language")).and_then(Languages::parse)
    }

    /// The URLs of the code systems that it names itself.
    pub fn systems(&self) -> impl Iterator<Item = &str> {
        self.includes.iter().chain(&self.excludes).filter_map(|part| part.system.as_deref())
    }

    /// The code systems that it includes, with the versions that it names.
    pub fn listed_versions(&self) -> Vec<(&str, Option<&str>)> {
        self.includes.iter().filter_map(|part| Some((part.system.as_deref()?, part.version.as_deref()))).collect()
    }

    /// Whether it names several versions of a code system, so that a code needs its version to be told from another.
    pub fn mixes_versions(&self, system: &str) -> bool {
        let mut versions =
            self.includes.iter().chain(&self.excludes).filter(|part| part.system.as_deref() == Some(system));
        let first = versions.next().map(|part| &part.version);
        versions.any(|part| Some(&part.version) != first)
    }
}

fn part(json: &Json, place: &str) -> Result<Part> {
    // "SHALL refuse to process the resource or affected element" (extensibility.html, 2.4.1)
    let parts = ["concept", "filter"].into_iter().flat_map(|name| list(json, name));
    if std::iter::once(json).chain(parts).any(|part| part.get("modifierExtension").is_some()) {
        let text = "it has a modifier extension, and none is understood here";
        return Err(Fault::coded(Category::Unprocessable, "not-supported", text).at(place));
    }
    let concepts = json.get("concept").and_then(Json::as_array).filter(|list| !list.is_empty());
    let system = text(json, "system");
    let filter = |(at, json): (usize, &Json)| filter(json, system.unwrap_or(""), &format!("{place}.filter[{at}]"));
    let filters: Result<Vec<Filter>> = list(json, "filter").iter().enumerate().map(filter).collect();
    let (filters, value_sets) = (filters?, list(json, "valueSet"));
    if system.is_none() && value_sets.is_empty() {
        let text = "it names neither a code system nor a value set";
        return Err(Fault::coded(Category::Unprocessable, "invalid", text).at(place));
    }
    Ok(Part {
        system: system.map(Into::into),
        version: text(json, "version").map(Into::into),
        concepts: concepts.map(|list| list.iter().filter_map(listed).collect()),
        filters,
        value_sets: value_sets.iter().filter_map(Json::as_str).map(Into::into).collect(),
        is_at_word: false,
    })
}

fn filter(json: &Json, system: &str, place: &str) -> Result<Filter> {
    let given = |name: &str| text(json, name).filter(|text| !text.is_empty());
    let later = json.get("_op").and_then(|op| extension(op, FILTER_OP)).and_then(|ext| text(ext, "valueCode"));
    if let (Some(op), Some(property), Some(value)) = (later.and_then(Op::parse), given("property"), given("value")) {
        return Ok(Filter { property: property.into(), op, value: value.into() });
    }
    if let (Some(property), Some(op), None) = (given("property"), given("op"), given("value")) {
        return Err(issues::filter_empty(system, property, op, place.to_owned()));
    }
    Filter::parse(json).map_err(|fault| fault.at(place))
}

/// A concept that a value set, or its expansion, lists.
pub fn listed(json: &Json) -> Option<Listed> {
    Some(Listed {
        code: text(json, "code")?.into(),
        display: text(json, "display").map(Into::into),
        designations: list(json, "designation").iter().filter_map(designation).collect(),
        extensions: list(json, "extension").to_vec(),
        is_abstract: json.get("abstract").and_then(Json::as_bool).unwrap_or(false),
        is_inactive: json.get("inactive").and_then(Json::as_bool).unwrap_or(false),
    })
}

/// The codes of a stored expansion as includes that list them.
fn stored(expansion: &Json, made: &Made) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut open: Vec<&Json> = list(expansion, "contains").iter().rev().collect();
    while let Some(json) = open.pop() {
        open.extend(list(json, "contains").iter().rev());
        let (Some(system), Some(concept)) = (text(json, "system"), listed(json)) else { continue };
        let version = text(json, "version").or_else(|| made.version_of(system));
        let same = |part: &Part| part.system.as_deref() == Some(system) && part.version.as_deref() == version;
        match parts.iter_mut().rev().find(|part| same(part)) {
            Some(part) => part.concepts.get_or_insert_default().push(concept),
            None => parts.push(Part {
                system: Some(system.into()),
                version: version.map(Into::into),
                concepts: Some(vec![concept]),
                is_at_word: true,
                ..Part::default()
            }),
        }
    }
    parts
}

/// `url|version` with its version, or none.
pub fn canonical(url: &str, version: Option<&str>) -> String {
    match version {
        Some(version) if version::split(url).1.is_none() => format!("{url}|{version}"),
        _ => url.to_owned(),
    }
}
