//! A code system in memory, made of a CodeSystem resource.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::about::{About, Content, Hierarchy, LOINC, PropertyDefinition};
use super::composed::{self, is_composed};
use super::concept::{Coding, Concept, Designation, Property, PropertyKind, PropertyValue};
use super::face::{CodeSystem, Query};
use super::filter::{Filter, Op};
use super::matching::{Matcher, Places, Tree, base_property};
use super::text::Words;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// The extension with the status of a definition, a concept or a designation.
pub const STANDARDS_STATUS: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status";

/// A code system with its concepts in the order of the resource.
#[derive(Debug)]
pub struct Memory {
    about: About,
    concepts: Vec<Concept>,
    /// The places of the codes; in lower case where case does not matter.
    index: HashMap<Box<str>, u32>,
    parents: Vec<SmallVec<[u32; 1]>>,
    children: Vec<Vec<u32>>,
    /// What is below places, or above them, as filters have asked: they ask it of each concept.
    related: Mutex<HashMap<(u32, bool), Arc<Places>>>,
}

/// Most places of which that is kept.
const RELATED: usize = 64;

/// The text of a property.
pub fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name).and_then(Json::as_str)
}

/// The elements of a list property; empty when it is absent.
pub fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// The first extension with a URL.
pub fn extension<'j>(json: &'j Json, url: &str) -> Option<&'j Json> {
    list(json, "extension").iter().find(|extension| text(extension, "url") == Some(url))
}

/// The `value[x]` of an element.
pub fn value(json: &Json) -> Option<(&str, &Json)> {
    let mut pairs = json.as_object()?.iter();
    pairs.find_map(|(name, value)| Some((name.as_str().strip_prefix("value")?, value)))
}

/// The codes of the properties that say what the service must know, as this code system calls them.
struct Names {
    abstract_: Box<str>,
    inactive: Box<str>,
    status: Box<str>,
    parent: Box<str>,
    child: Box<str>,
}

impl Names {
    fn new(about: &About) -> Self {
        let name = |standard: &str| Box::from(about.standard_property(standard));
        Self {
            abstract_: name("notSelectable"),
            inactive: name("inactive"),
            status: name("status"),
            parent: name("parent"),
            child: name("child"),
        }
    }
}

impl Memory {
    /// From a CodeSystem resource. What is malformed in it is left out: it was checked, or not, when it was stored.
    pub fn new(json: &Json) -> Self {
        Self::merged(json, &[])
    }

    /// From the fragments of a code system (FHIR R4 `codesystem.html`, 4.8.7): `first` says what it is as a whole, and of a concept that several
    /// have the first one counts.
    pub fn merged(first: &Json, others: &[&Json]) -> Self {
        let mut about = about(first);
        for property in others.iter().flat_map(|json| self::about(json).properties) {
            if about.property(&property.code).is_none() {
                about.properties.push(property);
            }
        }
        let names = Names::new(&about);
        let mut system = Self {
            about,
            concepts: Vec::new(),
            index: HashMap::new(),
            parents: Vec::new(),
            children: Vec::new(),
            related: Mutex::default(),
        };
        system.read(first, &names);
        others.iter().for_each(|json| system.read(json, &names));
        system.link(&names);
        system.about.count = Some(system.concepts.len() as u64);
        system
    }

    fn key<'c>(&self, code: &'c str) -> Cow<'c, str> {
        if self.about.case_sensitive { Cow::Borrowed(code) } else { Cow::Owned(code.to_lowercase()) }
    }

    fn place(&self, code: &str) -> Option<u32> {
        self.index.get(&*self.key(code)).copied()
    }

    fn read(&mut self, json: &Json, names: &Names) {
        let mut open: Vec<(&Json, Option<u32>)> = list(json, "concept").iter().rev().map(|c| (c, None)).collect();
        while let Some((json, parent)) = open.pop() {
            let Some(code) = text(json, "code") else { continue };
            let key: Box<str> = self.key(code).into();
            let place = match self.index.get(&key) {
                Some(place) => *place,
                None => self.add(key, concept(json, names)),
            };
            if let Some(parent) = parent {
                self.relate(parent, place);
            }
            open.extend(list(json, "concept").iter().rev().map(|child| (child, Some(place))));
        }
    }

    fn add(&mut self, key: Box<str>, concept: Concept) -> u32 {
        let place = u32::try_from(self.concepts.len()).unwrap_or(u32::MAX);
        self.concepts.push(concept);
        self.index.insert(key, place);
        self.parents.push(SmallVec::new());
        self.children.push(Vec::new());
        place
    }

    fn relate(&mut self, parent: u32, child: u32) {
        let (above, below) = (parent as usize, child as usize);
        if parent != child && !self.parents[below].contains(&parent) {
            self.parents[below].push(parent);
            self.children[above].push(child);
        }
    }

    /// The hierarchy that stands in properties.
    fn link(&mut self, names: &Names) {
        let mut found = Vec::new();
        for (place, concept) in (0u32..).zip(&self.concepts) {
            for property in &concept.properties {
                let PropertyValue::Code(code) = &property.value else { continue };
                let Some(other) = self.place(code) else { continue };
                if property.code == names.parent || &*property.code == "subsumedBy" {
                    found.push((other, place));
                } else if property.code == names.child {
                    found.push((place, other));
                }
            }
        }
        for (parent, child) in found {
            self.relate(parent, child);
        }
    }

    fn related(&self, place: u32, is_below: bool) -> Arc<Places> {
        let kept = || self.related.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(&(place, is_below)) {
            return known.clone();
        }
        let next = |place| if is_below { Tree::children(self, place) } else { Tree::parents(self, place) };
        let found = Arc::new(Places::reached(place, next));
        let mut kept = kept();
        if kept.len() >= RELATED {
            kept.clear();
        }
        kept.insert((place, is_below), found.clone());
        found
    }

    fn code(&self, place: u32) -> Box<str> {
        self.concepts[place as usize].code.clone()
    }
}

impl Tree for Memory {
    fn place(&self, code: &str) -> Option<u32> {
        Self::place(self, code)
    }

    fn parents(&self, place: u32) -> &[u32] {
        &self.parents[place as usize]
    }

    fn children(&self, place: u32) -> &[u32] {
        &self.children[place as usize]
    }

    fn subsumes(&self) -> bool {
        self.about.hierarchy.subsumes()
    }

    fn folds(&self, kind: PropertyKind) -> bool {
        self.about.folds(kind)
    }

    fn below(&self, place: u32) -> Arc<Places> {
        self.related(place, true)
    }

    fn above(&self, place: u32) -> Arc<Places> {
        self.related(place, false)
    }
}

impl CodeSystem for Memory {
    fn about(&self) -> &About {
        &self.about
    }

    fn find(&self, code: &str) -> Result<Option<Cow<'_, Concept>>> {
        let known = |code: &str| self.place(code).map(|place| &self.concepts[place as usize]);
        match known(code) {
            None if is_composed(&self.about.url, code) => {
                Ok(composed::find(code, &|code| Ok(known(code).cloned()))?.map(Cow::Owned))
            }
            found => Ok(found.map(Cow::Borrowed)),
        }
    }

    fn complaint(&self, code: &str) -> Option<String> {
        is_composed(&self.about.url, code).then(|| composed::complaint(code, &|code| self.place(code).is_some()))
    }

    fn check(&self, filter: &Filter) -> Result<()> {
        let name = &*filter.property;
        let is_known = base_property(name)
            || self.about.property(name).is_some()
            || self.concepts.iter().any(|concept| concept.values(name).next().is_some());
        if !is_known {
            let text = format!("the code system {} has no property \"{name}\" to filter by", self.about.url);
            return Err(Fault::coded(Category::Unprocessable, "not-supported", text));
        }
        if filter.op == Op::Exists && !matches!(&*filter.value, "true" | "false") {
            let text = format!("the filter {name} exists is true or false");
            return Err(Fault::coded(Category::Unprocessable, "invalid", text));
        }
        Matcher::new(self, std::slice::from_ref(filter)).map(drop)
    }

    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool> {
        let Some(place) = self.place(code) else {
            if !is_composed(&self.about.url, code) || self.find(code)?.is_none() {
                return Ok(false);
            }
            let subsumes = |above: &str, below: &str| CodeSystem::subsumes(self, above, below);
            return composed::passes(code, filters, &|code, filters| self.passes(code, filters), &subsumes);
        };
        Ok(Matcher::new(self, filters)?.passes(self, place, &self.concepts[place as usize]))
    }

    fn select(&self, query: &Query<'_>, visit: &mut dyn FnMut(Cow<'_, Concept>) -> ControlFlow<()>) -> Result<()> {
        let matcher = Matcher::new(self, query.filters)?;
        let passes = |place: u32, concept: &Concept| {
            let is_left_out =
                (query.active_only && concept.is_inactive) || (query.selectable_only && concept.is_abstract);
            !is_left_out && matcher.passes(self, place, concept)
        };
        let selected = (0u32..).zip(&self.concepts).filter(|(place, concept)| passes(*place, concept));
        let Some(words) = query.text.map(Words::new) else {
            for (_, concept) in selected.skip(query.skip) {
                if visit(Cow::Borrowed(concept)).is_break() {
                    break;
                }
            }
            return Ok(());
        };
        let scored = selected.filter_map(|(place, concept)| Some((words.score(concept)?, place)));
        let mut scored: Vec<(u32, u32)> = scored.collect();
        // stable: of two that match alike the first of the system comes first
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        for (_, place) in scored.into_iter().skip(query.skip) {
            if visit(Cow::Borrowed(&self.concepts[place as usize])).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, query: &Query<'_>) -> Result<Option<u64>> {
        let mut count = 0;
        self.select(&Query { skip: 0, ..*query }, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(Some(count))
    }

    fn subsumes(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        let (Some(above), Some(below)) = (self.place(ancestor), self.place(descendant)) else { return Ok(false) };
        Ok(above != below && self.about.hierarchy.subsumes() && self.is_above(above, below))
    }

    fn parents(&self, code: &str) -> Result<Vec<Box<str>>> {
        let places = self.place(code).map(|place| &*self.parents[place as usize]).unwrap_or_default();
        Ok(places.iter().map(|place| self.code(*place)).collect())
    }

    fn children(&self, code: &str) -> Result<Vec<Box<str>>> {
        let places = self.place(code).map(|place| &*self.children[place as usize]).unwrap_or_default();
        Ok(places.iter().map(|place| self.code(*place)).collect())
    }
}

fn about(json: &Json) -> About {
    let owned = |name: &str| text(json, name).map(Into::into);
    let flag = |name: &str| json.get(name).and_then(Json::as_bool);
    let property = |json: &Json| {
        Some(PropertyDefinition {
            code: text(json, "code")?.into(),
            uri: text(json, "uri").map(Into::into),
            description: text(json, "description").map(Into::into),
            kind: text(json, "type").and_then(PropertyKind::parse).unwrap_or(PropertyKind::String),
        })
    };
    About {
        url: text(json, "url").unwrap_or("").into(),
        version: owned("version"),
        name: owned("name"),
        title: owned("title"),
        status: text(json, "status").unwrap_or("").into(),
        experimental: flag("experimental").unwrap_or(false),
        standards_status: standards_status(json).map(Into::into),
        content: text(json, "content").and_then(Content::parse).unwrap_or_default(),
        case_sensitive: flag("caseSensitive").unwrap_or(text(json, "url") != Some(LOINC)),
        hierarchy: text(json, "hierarchyMeaning").and_then(Hierarchy::parse).unwrap_or_default(),
        compositional: flag("compositional").unwrap_or(false),
        version_needed: flag("versionNeeded").unwrap_or(false),
        language: owned("language"),
        properties: list(json, "property").iter().filter_map(property).collect(),
        value_set: owned("valueSet"),
        supplements: owned("supplements"),
        enumerable: true,
        count: None,
        date: since(json).map(Into::into),
        is_published: text(json, "date").is_some(),
    }
}

/// Whether a CodeSystem is a part of one that is published in parts.
pub fn is_fragment(json: &Json) -> bool {
    text(json, "content").and_then(Content::parse) == Some(Content::Fragment)
}

/// Since when a definition has been as it is: when it was published or, if it does not say so, last changed here.
pub fn since(json: &Json) -> Option<&str> {
    text(json, "date").or_else(|| text(json.get("meta")?, "lastUpdated"))
}

/// The standards status of a definition, concept or designation.
pub fn standards_status(json: &Json) -> Option<&str> {
    extension(json, STANDARDS_STATUS).and_then(|extension| text(extension, "valueCode"))
}

/// A Coding.
pub fn coding(json: &Json) -> Coding {
    let owned = |name: &str| text(json, name).map(Into::into);
    Coding { system: owned("system"), version: owned("version"), code: owned("code"), display: owned("display") }
}

/// A designation of a concept.
pub fn designation(json: &Json) -> Option<Designation> {
    Some(Designation {
        language: text(json, "language").map(Into::into),
        usage: json.get("use").map(coding),
        value: text(json, "value")?.into(),
        extensions: list(json, "extension").to_vec(),
    })
}

fn concept(json: &Json, names: &Names) -> Concept {
    let properties: Vec<Property> = list(json, "property").iter().filter_map(property).collect();
    let has = |name: &str, wanted: bool| {
        properties.iter().any(|p| &*p.code == name && p.value == PropertyValue::Boolean(wanted))
    };
    let status = properties.iter().find_map(|property| match &property.value {
        PropertyValue::Code(status) | PropertyValue::String(status) if property.code == names.status => Some(&**status),
        _ => None,
    });
    let status = status.or_else(|| standards_status(json)).map(Into::into);
    let is_out = matches!(status.as_deref(), Some("retired" | "inactive" | "withdrawn"));
    Concept {
        code: text(json, "code").unwrap_or("").into(),
        display: text(json, "display").map(Into::into),
        definition: text(json, "definition").map(Into::into),
        designations: list(json, "designation").iter().filter_map(designation).collect(),
        extensions: list(json, "extension").to_vec(),
        is_abstract: has(&names.abstract_, true),
        is_inactive: has(&names.inactive, true) || (is_out && !has(&names.inactive, false)),
        status,
        properties,
    }
}

fn property(json: &Json) -> Option<Property> {
    let (kind, json_value) = value(json)?;
    let text_value = || json_value.as_str().map(Into::into);
    let value = match kind {
        "Code" => PropertyValue::Code(text_value()?),
        "Coding" => PropertyValue::Coding(coding(json_value)),
        "String" => PropertyValue::String(text_value()?),
        "DateTime" => PropertyValue::DateTime(text_value()?),
        "Boolean" => PropertyValue::Boolean(json_value.as_bool()?),
        "Integer" => PropertyValue::Integer(json_value.as_number()?.as_str().parse().ok()?),
        "Decimal" => PropertyValue::Decimal(json_value.as_number()?.as_str().into()),
        _ => return None,
    };
    Some(Property { code: text(json, "code")?.into(), value })
}
