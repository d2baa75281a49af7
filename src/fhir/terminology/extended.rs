//! A code system with a grammar of which some codes were loaded too (UCUM): the grammar says what is a code and which filters there are,
//! what was loaded adds its texts and properties.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::about::About;
use super::concept::Concept;
use super::face::{CodeSystem, Query};
use super::filter::Filter;
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// See the module.
#[derive(Debug)]
pub struct Extended {
    loaded: Arc<dyn CodeSystem>,
    grammar: Arc<dyn CodeSystem>,
    about: About,
}

impl Extended {
    /// What was loaded, with the grammar around it.
    pub fn new(loaded: Arc<dyn CodeSystem>, grammar: Arc<dyn CodeSystem>) -> Self {
        let mut about = grammar.about().clone();
        about.version.clone_from(&loaded.about().version);
        let known = |code: &str| grammar.about().property(code).is_some();
        let others = loaded.about().properties.iter().filter(|property| !known(&property.code));
        about.properties.extend(others.cloned());
        Self { loaded, grammar, about }
    }
}

impl CodeSystem for Extended {
    fn about(&self) -> &About {
        &self.about
    }

    fn find(&self, code: &str) -> Result<Option<Cow<'_, Concept>>> {
        let Some(loaded) = self.loaded.find(code)? else { return self.grammar.find(code) };
        let mut concept = loaded.into_owned();
        if let Some(made) = self.grammar.find(code)? {
            let made = made.into_owned();
            let is_told = |text: &str| made.designations.iter().any(|one| *one.value == *text);
            concept.designations.retain(|one| !is_told(&one.value));
            let display = concept.display.filter(|text| made.display.as_ref() != Some(text) && !is_told(text));
            let display = display.map(|value| super::concept::Designation { value, ..Default::default() });
            concept.designations.extend(display);
            concept.designations.extend(made.designations);
            concept.display = made.display;
        }
        Ok(Some(Cow::Owned(concept)))
    }

    fn complaint(&self, code: &str) -> Option<String> {
        self.grammar.complaint(code)
    }

    fn refusal(&self, code: &str, filters: &[Filter]) -> Option<String> {
        self.grammar.refusal(code, filters)
    }

    fn check(&self, filter: &Filter) -> Result<()> {
        self.grammar.check(filter).or_else(|fault| self.loaded.check(filter).map_err(|_| fault))
    }

    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool> {
        for filter in filters {
            let one = std::slice::from_ref(filter);
            let who = if self.grammar.check(filter).is_ok() { &self.grammar } else { &self.loaded };
            if !who.passes(code, one)? {
                return Ok(false);
            }
        }
        Ok(!filters.is_empty() || self.find(code)?.is_some())
    }

    fn select(&self, query: &Query<'_>, visit: &mut dyn FnMut(Cow<'_, Concept>) -> ControlFlow<()>) -> Result<()> {
        self.grammar.select(query, visit)
    }

    fn count(&self, query: &Query<'_>) -> Result<Option<u64>> {
        self.grammar.count(query)
    }

    fn subsumes(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        self.loaded.subsumes(ancestor, descendant)
    }

    fn parents(&self, code: &str) -> Result<Vec<Box<str>>> {
        self.loaded.parents(code)
    }

    fn children(&self, code: &str) -> Result<Vec<Box<str>>> {
        self.loaded.children(code)
    }

    fn implicit_value_set(&self, url: &str) -> Result<Option<Json>> {
        self.grammar.implicit_value_set(url)
    }
}
