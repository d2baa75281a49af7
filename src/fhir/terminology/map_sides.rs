//! The code systems that the groups of a concept map are between. `ConceptMap.group.source` "is not needed if the source value set is
//! specified and it contains concepts from only a single system" (FHIR R4 `conceptmap-definitions.html`), and so is `target`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::compose::ValueSet;
use super::concept::Coding;
use super::context::{Context, DEPTH};
use super::memory::text;
use super::target::of_side;
use super::version;
use crate::base::fault::{Category, Result};
use crate::fhir::json::Json;

/// One side of a group.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// The code systems that it may be of; none: any.
    systems: Option<BTreeSet<String>>,
    /// The version that the group names.
    version: Option<String>,
}

impl Side {
    /// The `source` or `target` of a group: what it names, else the code systems of the value set that the map names for that side.
    ///
    /// # Errors
    /// 422 `too-costly` when it is too much work; when the library cannot be read.
    pub fn new(context: &Context<'_>, map: &Json, group: &Json, side: &str) -> Result<Self> {
        let given = text(group, &format!("{side}Version"));
        if let Some(named) = text(group, side) {
            let (url, version) = version::split(named);
            let version = given.or(version).map(str::to_owned);
            return Ok(Self { systems: Some(BTreeSet::from([url.to_owned()])), version });
        }
        let systems = match of_side(map, side) {
            Some(set) => of_value_set(context, set)?,
            None => None,
        };
        Ok(Self { systems, version: given.map(str::to_owned) })
    }

    /// Whether codes of a system may stand on it.
    pub fn may_be(&self, url: &str) -> bool {
        self.systems.as_ref().is_none_or(|systems| systems.contains(url))
    }

    /// Whether it is known of which code systems it may be.
    pub fn is_told(&self) -> bool {
        self.systems.is_some()
    }

    /// Whether it is of this version of its system, or says nothing of versions.
    pub fn is_version(&self, given: Option<&str>) -> bool {
        self.version.as_deref().zip(given).is_none_or(|(named, given)| version::matches(named, given))
    }

    /// The one code system that it is of, if that can be said.
    pub fn system(&self) -> Option<&str> {
        let systems = self.systems.as_ref()?;
        if systems.len() == 1 { systems.first().map(String::as_str) } else { None }
    }

    /// A code of this side, with the text that an element has.
    pub fn coding(&self, element: &Json) -> Option<Coding> {
        Some(Coding {
            system: self.system().map(Into::into),
            version: self.version.as_deref().map(Into::into),
            code: Some(text(element, "code")?.into()),
            display: text(element, "display").map(Into::into),
        })
    }
}

/// The code systems of a value set; none where that cannot be said.
fn of_value_set(context: &Context<'_>, url: &str) -> Result<Option<BTreeSet<String>>> {
    let mut systems = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let Some(set) = known(context, || context.value_set(url))? else { return Ok(None) };
    let mut open: Vec<(Rc<ValueSet>, usize)> = vec![(set, 0)];
    while let Some((set, depth)) = open.pop() {
        if set.includes.is_empty() || depth > DEPTH {
            return Ok(None);
        }
        for part in &set.includes {
            context.step(1)?;
            if let Some(system) = &part.system {
                systems.insert(system.to_string());
                continue;
            }
            // a code is in all of them, so each tells of which systems it may be
            let Some(first) = part.value_sets.first() else { return Ok(None) };
            let Some(inner) = known(context, || context.included(first, &set))? else { return Ok(None) };
            if seen.insert(inner.canonical.clone()) {
                open.push((inner, depth + 1));
            }
        }
    }
    Ok(Some(systems))
}

/// A value set that is here and understood.
fn known(context: &Context<'_>, ask: impl FnOnce() -> Result<Option<Rc<ValueSet>>>) -> Result<Option<Rc<ValueSet>>> {
    match ask() {
        Err(fault) if fault.category() == Category::Unprocessable => context.may_go_on().map(|()| None),
        found => found,
    }
}
