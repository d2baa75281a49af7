//! Value sets as sets of codes (FHIR R4 `valueset.html#compositions`), as far as their code systems are known.
//!
//! Filters are read as the terminology service reads them. What cannot be known here stays open: a system whose content is not at
//! hand, or a filter that is not understood; the terminology service may know more (`answers`).

use std::ops::ControlFlow;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use crate::base::fault::{Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::terminology::memory::Memory;
use crate::fhir::terminology::{CodeSystem as _, Filter, Query};

/// A code system with all its codes.
#[derive(Debug)]
pub struct CodeSystem {
    /// The codes, in lower case where case does not matter.
    codes: HashMap<Box<str>, Concept>,
    /// Whether the case of codes matters.
    is_case_sensitive: bool,
    /// Whether these are all of its codes.
    pub is_complete: bool,
}

/// The language of a text, where that is said, and the text.
type Display = (Option<Box<str>>, Box<str>);

#[derive(Debug, Default)]
struct Concept {
    /// What it is called, with the language where that is said; the display first.
    displays: SmallVec<[Display; 1]>,
    parents: SmallVec<[Box<str>; 1]>,
}

impl CodeSystem {
    /// From a CodeSystem resource.
    pub fn new(json: &Json) -> Self {
        let mut system = Self {
            codes: HashMap::new(),
            is_case_sensitive: json.get("caseSensitive").and_then(Json::as_bool).unwrap_or(true),
            is_complete: json.get("content").and_then(Json::as_str) == Some("complete"),
        };
        let is_hierarchy =
            !matches!(json.get("hierarchyMeaning").and_then(Json::as_str), Some("grouped-by" | "part-of"));
        let mut open: Vec<(&Json, Option<&str>)> = vec![(json, None)];
        while let Some((owner, parent)) = open.pop() {
            for concept in owner.get("concept").and_then(Json::as_array).unwrap_or_default() {
                let Some(code) = concept.get("code").and_then(Json::as_str) else { continue };
                let key = system.key(code);
                let entry = system.codes.entry(key).or_default();
                entry.parents.extend(parent.filter(|_| is_hierarchy).map(Into::into));
                entry.displays.extend(displays(concept));
                for property in concept.get("property").and_then(Json::as_array).unwrap_or_default() {
                    entry.add_property(property);
                }
                open.push((concept, Some(code)));
            }
        }
        system
    }

    fn key(&self, code: &str) -> Box<str> {
        if self.is_case_sensitive { code.into() } else { code.to_lowercase().into() }
    }

    /// Whether all its codes are known.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether it has a code.
    pub fn has(&self, code: &str) -> bool {
        if self.is_case_sensitive {
            self.codes.contains_key(code)
        } else {
            self.codes.contains_key(&*code.to_lowercase())
        }
    }

    /// The display of a code, if what it is called in a resource of a language is none of its displays: case aside. None for a code
    /// without a display.
    pub fn other_display(&self, code: &str, given: &str, language: Option<&str>) -> Option<&str> {
        let concept = self.codes.get(&self.key(code))?;
        let given = given.to_lowercase();
        let of = |language: &str| language.split('-').next().unwrap_or("").to_lowercase();
        let fits = |one: &Option<Box<str>>| {
            one.as_deref()
                .is_none_or(|one| language.map_or_else(|| of(one) == "en", |language| of(one) == of(language)))
        };
        let is_known = concept.displays.iter().any(|(language, text)| fits(language) && text.to_lowercase() == given);
        if is_known { None } else { concept.displays.first().filter(|first| first.0.is_none()).map(|first| &*first.1) }
    }

    /// Whether a text is the display of some code.
    pub fn is_display(&self, given: &str) -> bool {
        let given = given.to_lowercase();
        self.codes.values().any(|concept| concept.displays.iter().any(|(_, text)| text.to_lowercase() == given))
    }

    /// Whether a code is the other, or below it.
    pub fn is_a(&self, code: &str, ancestor: &str) -> bool {
        let mut open = vec![code];
        let mut steps = 0;
        while let Some(code) = open.pop() {
            steps += 1;
            if code == ancestor {
                return true;
            }
            if let Some(concept) = self.codes.get(code).filter(|_| steps < 1000) {
                open.extend(concept.parents.iter().map(|parent| &**parent));
            }
        }
        false
    }
}

/// The display of a concept and its designations.
fn displays(concept: &Json) -> impl Iterator<Item = Display> {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(Box::from);
    let designations = concept.get("designation").and_then(Json::as_array).unwrap_or_default();
    let others = designations.iter().filter_map(move |json| Some((text(json, "language"), text(json, "value")?)));
    concept.get("display").and_then(Json::as_str).map(|display| (None, display.into())).into_iter().chain(others)
}

impl Concept {
    fn add_property(&mut self, property: &Json) {
        if !matches!(property.get("code").and_then(Json::as_str), Some("parent" | "subsumedBy")) {
            return;
        }
        let values = property.as_object().into_iter().flat_map(|object| object.iter());
        let value = values.filter(|(name, _)| name.as_str().starts_with("value")).find_map(|(_, value)| match value {
            Json::String(text) => Some(text.clone()),
            _ => None,
        });
        if let Some(value) = value {
            self.parents.push(value);
        }
    }
}

/// Whether a code is in a value set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It is not.
    Out,
    /// Nobody knows here.
    Unknown,
    /// Somebody should know and could not answer: a code system could not be read, or its definition is not understood.
    Failed,
}

/// Finds the definitions that a value set is made of.
pub trait Sources<'s> {
    /// The ValueSet resource with a canonical URL.
    fn value_set(&self, canonical: &str) -> Option<std::borrow::Cow<'s, Json>>;
    /// The CodeSystem resource with a URL.
    fn code_system(&self, url: &str) -> Option<std::borrow::Cow<'s, Json>>;
}

/// A value set as the set of its codes.
#[derive(Debug, Default)]
pub struct ValueSet {
    /// The systems of each code.
    codes: HashMap<Box<str>, SmallVec<[u16; 1]>>,
    /// The systems of each code in lower case, of systems where case does not matter.
    folded: HashMap<Box<str>, SmallVec<[u16; 1]>>,
    /// The URLs of the systems.
    systems: Vec<Box<str>>,
    /// Systems of which nobody knows here which codes are in the value set.
    open: HashSet<Box<str>>,
    /// Whether something of any system may be in it.
    is_unknown: bool,
    /// A value set that it includes and that nobody has.
    missing: Option<Box<str>>,
}

/// How deep value sets may include one another.
const DEPTH: usize = 12;

impl ValueSet {
    /// The codes of a ValueSet resource.
    pub fn new(json: &Json, sources: &dyn Sources<'_>) -> Self {
        let mut set = Self::default();
        set.compose(json, sources, DEPTH);
        set
    }

    /// One of which nobody knows what is in it.
    pub fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    fn compose(&mut self, json: &Json, sources: &dyn Sources<'_>, depth: usize) {
        let parts =
            |side: &str| json.get("compose").and_then(|c| c.get(side)).and_then(Json::as_array).unwrap_or_default();
        if parts("include").is_empty() {
            return self.expansion(json);
        }
        for part in parts("include") {
            self.add(Self::part(part, sources, depth));
        }
        for part in parts("exclude") {
            self.remove(&Self::part(part, sources, depth));
        }
    }

    /// The codes of an expansion, for a value set that tells nothing else.
    fn expansion(&mut self, json: &Json) {
        let Some(expansion) = json.get("expansion") else {
            self.is_unknown = true;
            return;
        };
        let mut open = vec![expansion];
        while let Some(owner) = open.pop() {
            for item in owner.get("contains").and_then(Json::as_array).unwrap_or_default() {
                let text = |name: &str| item.get(name).and_then(Json::as_str);
                if let (Some(system), Some(code)) = (text("system"), text("code")) {
                    self.insert(system, code);
                }
                open.push(item);
            }
        }
    }

    /// What one `include` or `exclude` selects: of its system, and of all its value sets.
    fn part(part: &Json, sources: &dyn Sources<'_>, depth: usize) -> Self {
        let mut found = part.get("system").and_then(Json::as_str).map(|system| Self::of_system(part, system, sources));
        for url in part.get("valueSet").and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_str) {
            let mut set = Self { missing: Some(url.into()), ..Self::unknown() };
            if let Some(json) = sources.value_set(url).filter(|_| depth > 0) {
                set = Self::default();
                set.compose(&json, sources, depth - 1);
            }
            found = Some(match found {
                Some(both) => both.common(set),
                None => set,
            });
        }
        found.unwrap_or_else(Self::unknown)
    }

    fn of_system(part: &Json, system: &str, sources: &dyn Sources<'_>) -> Self {
        let mut set = Self::default();
        if let Some(concepts) = part.get("concept").and_then(Json::as_array) {
            concepts.iter().filter_map(|c| c.get("code")?.as_str()).for_each(|code| set.insert(system, code));
            return set;
        }
        let json = sources.code_system(system);
        let is_complete = |json: &Json| json.get("content").and_then(Json::as_str) == Some("complete");
        let selected = match &json {
            Some(json) if is_complete(json) => set.select(part, system, &Memory::new(json)),
            _ => Err(Fault::not_found("the code system is not at hand")),
        };
        if selected.is_err() {
            set = Self::default();
            set.open.insert(system.into());
        }
        set
    }

    /// The codes of a code system that pass all filters.
    fn select(&mut self, part: &Json, system: &str, known: &Memory) -> Result<()> {
        let filters = part.get("filter").and_then(Json::as_array).unwrap_or_default();
        let filters = filters.iter().map(Filter::parse).collect::<Result<Vec<Filter>>>()?;
        filters.iter().try_for_each(|filter| known.check(filter))?;
        let is_folded = !known.about().case_sensitive;
        known.select(&Query { filters: &filters, ..Query::default() }, &mut |concept| {
            self.insert(system, &concept.code);
            if is_folded {
                let number = self.number(system);
                note(&mut self.folded, &concept.code.to_lowercase(), number);
            }
            ControlFlow::Continue(())
        })
    }

    fn number(&mut self, system: &str) -> u16 {
        let number = self.systems.iter().position(|known| **known == *system).unwrap_or_else(|| {
            self.systems.push(system.into());
            self.systems.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    fn insert(&mut self, system: &str, code: &str) {
        let number = self.number(system);
        note(&mut self.codes, code, number);
    }

    fn add(&mut self, other: Self) {
        self.is_unknown |= other.is_unknown;
        for (code, systems) in &other.codes {
            systems.iter().for_each(|n| self.insert(&other.systems[usize::from(*n)], code));
        }
        for (code, systems) in &other.folded {
            for system in systems {
                let number = self.number(&other.systems[usize::from(*system)]);
                note(&mut self.folded, code, number);
            }
        }
        self.open.extend(other.open);
        self.missing = self.missing.take().or(other.missing);
    }

    fn remove(&mut self, other: &Self) {
        // what may or may not be excluded is left in
        let systems = &self.systems;
        for codes in [&mut self.codes, &mut self.folded] {
            codes.retain(|code, numbers| {
                numbers.retain(|n| other.contains(Some(&systems[usize::from(*n)]), code) != Membership::In);
                !numbers.is_empty()
            });
        }
    }

    /// What is in both.
    fn common(mut self, other: Self) -> Self {
        let mut both = Self { is_unknown: self.is_unknown && other.is_unknown, ..Self::default() };
        for (one, two) in [(&self, &other), (&other, &self)] {
            for (code, systems) in &one.codes {
                let systems = systems.iter().map(|n| &*one.systems[usize::from(*n)]);
                systems
                    .filter(|system| two.contains(Some(system), code) != Membership::Out)
                    .for_each(|s| both.insert(s, code));
            }
            for (code, systems) in &one.folded {
                for system in systems.iter().map(|n| &*one.systems[usize::from(*n)]) {
                    if two.contains(Some(system), code) != Membership::Out {
                        let number = both.number(system);
                        note(&mut both.folded, code, number);
                    }
                }
            }
        }
        self.open.retain(|system| other.is_unknown || other.open.contains(system));
        both.open = self.open;
        both.missing = self.missing.or(other.missing);
        both
    }

    /// Whether a code is in it; without a system, whether it is in it under any.
    pub fn contains(&self, system: Option<&str>, code: &str) -> Membership {
        let has = |systems: &SmallVec<[u16; 1]>| {
            system.is_none_or(|wanted| systems.iter().any(|n| *self.systems[usize::from(*n)] == *wanted))
        };
        let is_in = self.codes.get(code).is_some_and(has)
            || (!self.folded.is_empty() && self.folded.get(&*code.to_lowercase()).is_some_and(has));
        if is_in {
            return Membership::In;
        }
        let may_be = self.is_unknown || system.map_or(!self.open.is_empty(), |system| self.open.contains(system));
        if may_be { Membership::Unknown } else { Membership::Out }
    }

    /// How many codes of it are known.
    pub fn size(&self) -> usize {
        self.codes.len()
    }

    /// One of its codes that another set has not, as far as is known.
    pub fn beyond(&self, other: &Self) -> Option<&str> {
        let is_beyond = |code: &str, systems: &[u16]| {
            let mut systems = systems.iter().map(|n| &*self.systems[usize::from(*n)]);
            systems.any(|system| other.contains(Some(system), code) == Membership::Out)
        };
        self.codes.iter().filter(|(code, systems)| is_beyond(code, systems)).map(|(code, _)| &**code).min()
    }

    /// Whether a concept has a code without a system that is in it.
    pub fn has_plain(&self, concept: &Json) -> bool {
        let codings = concept.get("coding").and_then(Json::as_array).unwrap_or_default();
        let mut plain = codings.iter().filter(|coding| coding.get("system").is_none());
        plain.any(|one| {
            one.get("code").and_then(Json::as_str).is_some_and(|code| self.contains(None, code) == Membership::In)
        })
    }

    /// Whether its codes are of several systems, so that one without a system may be of any.
    pub fn has_systems(&self) -> bool {
        self.systems.len() > 1
    }

    /// Whether a code without a system is not enough to say what is meant, as far as is known.
    pub fn is_ambiguous(&self) -> bool {
        let is_other = |open: &&str| !self.systems.iter().any(|known| **known == **open);
        self.systems.len() + self.open_systems().filter(is_other).count() > 1
    }

    /// Whether something of any system may be in it.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// A value set that it includes and that is not known here.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// The systems of which nobody knows here which codes are in it.
    pub fn open_systems(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|url| &**url)
    }

    /// Whether nobody knows here what is in it.
    pub fn is_open(&self) -> bool {
        self.is_unknown || !self.open.is_empty()
    }

    /// Some of its codes, for a message.
    pub fn some(&self) -> String {
        let mut codes: Vec<&str> = self.codes.keys().map(|code| &**code).collect();
        codes.sort_unstable();
        let more = if codes.len() > 12 { " ..." } else { "" };
        codes.truncate(12);
        codes.join(", ") + more
    }
}

/// Adds a system to those of a code.
fn note(codes: &mut HashMap<Box<str>, SmallVec<[u16; 1]>>, code: &str, number: u16) {
    let systems = codes.entry_ref(code).or_default();
    if !systems.contains(&number) {
        systems.push(number);
    }
}
