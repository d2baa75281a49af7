//! Filters against the concepts of a code system in memory (FHIR R4 `valueset.html`, "Code system filters").

use std::sync::Arc;

use hashbrown::HashSet;
use regex::{Regex, RegexBuilder};

use super::concept::{Concept, PropertyKind, PropertyValue};
use super::filter::{Filter, Op};
use crate::base::fault::{Category, Fault, Result};

/// Largest compiled regular expression, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// A hierarchy of concepts by their places.
pub trait Tree {
    /// The place of a code.
    fn place(&self, code: &str) -> Option<u32>;
    /// The places right above.
    fn parents(&self, place: u32) -> &[u32];
    /// The places right below.
    fn children(&self, place: u32) -> &[u32];

    /// Whether a concept below another one is one of its kind (`CodeSystem.hierarchyMeaning`).
    fn subsumes(&self) -> bool {
        true
    }

    /// Whether the case of values of a type is disregarded.
    fn folds(&self, _kind: PropertyKind) -> bool {
        false
    }

    /// All places strictly below one, each once.
    fn below(&self, place: u32) -> Arc<Places>;
    /// All places strictly above one.
    fn above(&self, place: u32) -> Arc<Places>;

    /// Whether one place is strictly above another.
    fn is_above(&self, above: u32, below: u32) -> bool {
        let mut seen = HashSet::new();
        let mut open: Vec<u32> = self.parents(below).to_vec();
        while let Some(place) = open.pop() {
            if place == above {
                return true;
            }
            if seen.insert(place) {
                open.extend(self.parents(place));
            }
        }
        false
    }
}

/// A set of places.
#[derive(Debug, Default)]
pub struct Places(Vec<u64>);

impl Places {
    /// What is reached from a place, step by step; the place itself only if a circle leads back to it.
    pub fn reached<'t>(from: u32, next: impl Fn(u32) -> &'t [u32]) -> Self {
        let mut found = Self::default();
        let mut open: Vec<u32> = next(from).to_vec();
        while let Some(place) = open.pop() {
            if found.insert(place) {
                open.extend(next(place));
            }
        }
        found
    }

    fn insert(&mut self, place: u32) -> bool {
        let (at, bit) = (place as usize / 64, 1 << (place % 64));
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let is_new = self.0[at] & bit == 0;
        self.0[at] |= bit;
        is_new
    }

    /// Whether a place is in it.
    pub fn has(&self, place: u32) -> bool {
        self.0.get(place as usize / 64).is_some_and(|bits| bits & (1 << (place % 64)) != 0)
    }
}

/// Whether every code system has a property, whatever it defines.
pub fn base_property(name: &str) -> bool {
    matches!(
        name,
        "concept"
            | "code"
            | "display"
            | "definition"
            | "parent"
            | "child"
            | "inactive"
            | "notSelectable"
            | "status"
            | "effectiveDate"
            | "deprecationDate"
            | "retirementDate"
    )
}

/// Filters that are ready to be asked.
pub struct Matcher<'f> {
    filters: Vec<Ready<'f>>,
}

struct Ready<'f> {
    filter: &'f Filter,
    /// The concept that a filter of the hierarchy names.
    pivot: Option<u32>,
    /// What is below it, or above, as the filter asks: once for all concepts.
    related: Option<Arc<Places>>,
    regex: Option<Regex>,
}

impl<'f> Matcher<'f> {
    /// Makes filters ready.
    ///
    /// # Errors
    /// 422 for a regular expression that is none, or too large, and for the hierarchy of a property.
    pub fn new(tree: &dyn Tree, filters: &'f [Filter]) -> Result<Self> {
        let ready = |filter: &'f Filter| -> Result<Ready<'f>> {
            if filter.op.is_of_hierarchy() && !matches!(&*filter.property, "concept" | "code") {
                let (property, op) = (&filter.property, filter.op.code());
                let text =
                    format!("the filter \"{property}\" with {op} is not understood: the hierarchy is of concepts");
                return Err(Fault::coded(Category::Unprocessable, "not-supported", text));
            }
            let regex = match filter.op {
                Op::Regex => Some(whole(&filter.value)?),
                _ => None,
            };
            let pivot = tree.place(&filter.value);
            let related = match filter.op {
                _ if !tree.subsumes() => None,
                Op::IsA | Op::DescendentOf | Op::IsNotA | Op::DescendentLeaf => pivot.map(|place| tree.below(place)),
                Op::Generalizes => pivot.map(|place| tree.above(place)),
                _ => None,
            };
            Ok(Ready { filter, pivot, related, regex })
        };
        Ok(Self { filters: filters.iter().map(ready).collect::<Result<_>>()? })
    }

    /// Whether a concept passes all of them.
    pub fn passes(&self, tree: &dyn Tree, place: u32, concept: &Concept) -> bool {
        self.filters.iter().all(|ready| ready.passes(tree, place, concept))
    }
}

/// A regular expression that must match all of a value.
///
/// # Errors
/// 422 when it is none, or too large.
pub fn whole(pattern: &str) -> Result<Regex> {
    let built =
        RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
    built.map_err(|_| {
        let shown: String = pattern.chars().take(80).collect();
        let text = format!("the regular expression \"{shown}\" is not understood, or too large");
        Fault::coded(Category::Unprocessable, "invalid", text)
    })
}

impl Ready<'_> {
    fn passes(&self, tree: &dyn Tree, place: u32, concept: &Concept) -> bool {
        let is_concept = matches!(&*self.filter.property, "concept" | "code");
        let is_related = self.related.as_ref().is_some_and(|related| related.has(place));
        let is_pivot = self.pivot == Some(place);
        match self.filter.op {
            Op::IsA | Op::Generalizes => is_pivot || is_related,
            Op::DescendentOf => is_related && !is_pivot,
            Op::IsNotA => !is_pivot && !is_related,
            Op::ChildOf if !tree.subsumes() => false,
            Op::ChildOf => self.pivot.is_some_and(|it| tree.parents(place).contains(&it)),
            Op::DescendentLeaf => is_related && tree.children(place).is_empty(),
            Op::Equals if is_concept => is_pivot,
            Op::In if is_concept => self.filter.list().any(|code| tree.place(code) == Some(place)),
            Op::NotIn if is_concept => !self.filter.list().any(|code| tree.place(code) == Some(place)),
            Op::Equals => self.any(tree, place, concept, &|value, folds| is_same(value, &self.filter.value, folds)),
            Op::In => self.any(tree, place, concept, &|value, folds| self.has(value, folds)),
            Op::NotIn => !self.any(tree, place, concept, &|value, folds| self.has(value, folds)),
            Op::Regex => {
                let matches = |value: &str, _| self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
                self.any(tree, place, concept, &matches)
            }
            Op::Exists => self.any(tree, place, concept, &|_, _| true) == (&*self.filter.value == "true"),
        }
    }

    /// Whether the filter's list has a value.
    fn has(&self, value: &str, folds: bool) -> bool {
        self.filter.list().any(|one| is_same(one, value, folds))
    }

    /// Whether a value of the filter's property is as asked; what is asked is told whether case is disregarded.
    fn any(&self, tree: &dyn Tree, place: u32, concept: &Concept, asked: &dyn Fn(&str, bool) -> bool) -> bool {
        let name = &*self.filter.property;
        let of_texts = tree.folds(PropertyKind::String);
        let given = match name {
            "concept" | "code" => return asked(&concept.code, tree.folds(PropertyKind::Code)),
            "display" => concept.display.as_deref(),
            "definition" => concept.definition.as_deref(),
            "status" => concept.status.as_deref(),
            _ => None,
        };
        if let Some(given) = given {
            return asked(given, of_texts);
        }
        let mut found = concept.values(name).peekable();
        if found.peek().is_none() {
            return match name {
                "inactive" => asked(if concept.is_inactive { "true" } else { "false" }, of_texts),
                // the filter's value is a code: that of the parent or child is found by its place
                "parent" => self.relative(tree.parents(place), tree, asked),
                "child" => self.relative(tree.children(place), tree, asked),
                _ => false,
            };
        }
        found.any(|value| {
            let kind = if matches!(value, PropertyValue::Code(_)) { PropertyKind::Code } else { PropertyKind::String };
            asked(&plain(value), tree.folds(kind))
        })
    }

    fn relative(&self, places: &[u32], tree: &dyn Tree, asked: &dyn Fn(&str, bool) -> bool) -> bool {
        let is_there = |code: &str| tree.place(code).is_some_and(|it| places.contains(&it));
        match self.filter.op {
            Op::Exists => !places.is_empty(),
            _ => self.filter.list().any(|code| is_there(code) && asked(code, tree.folds(PropertyKind::Code))),
        }
    }
}

/// Whether two values are the same, in any case if that is disregarded.
fn is_same(a: &str, b: &str, folds: bool) -> bool {
    a == b || (folds && a.to_lowercase() == b.to_lowercase())
}

/// The value of a property as a filter writes it.
pub fn plain(value: &PropertyValue) -> std::borrow::Cow<'_, str> {
    match value {
        PropertyValue::Code(text)
        | PropertyValue::String(text)
        | PropertyValue::DateTime(text)
        | PropertyValue::Decimal(text) => (&**text).into(),
        PropertyValue::Coding(coding) => coding.code.as_deref().unwrap_or("").into(),
        PropertyValue::Integer(number) => number.to_string().into(),
        PropertyValue::Boolean(true) => "true".into(),
        PropertyValue::Boolean(false) => "false".into(),
    }
}
