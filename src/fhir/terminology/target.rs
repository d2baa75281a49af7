//! The value set that the translations of `$translate` are to be of (its parameter `target`).

use std::cell::Cell;
use std::rc::Rc;

use super::compose::ValueSet;
use super::concept::Coding;
use super::context::Context;
use super::issues;
use super::member::{Asked, Look};
use super::memory::text;
use super::version;
use crate::base::fault::{Category, Result};
use crate::fhir::json::Json;

/// The value set that is wanted, if one is.
pub struct Target<'p> {
    name: Option<&'p str>,
    /// As it is here.
    set: Option<Rc<ValueSet>>,
    /// The side of a map that is translated to.
    side: &'static str,
    /// Whether a map names it, so that it need not be here.
    is_named: Cell<bool>,
}

impl<'p> Target<'p> {
    /// By its canonical URL; one that cannot be understood lets all translations pass.
    ///
    /// # Errors
    /// When the library cannot be read.
    pub fn new(context: &Context<'_>, name: Option<&'p str>, is_reverse: bool) -> Result<Self> {
        let found = match name.map(|name| context.value_set(name)) {
            Some(Err(fault)) if fault.category() == Category::Unprocessable => None,
            Some(found) => Some(found?),
            None => None,
        };
        let side = if is_reverse { "source" } else { "target" };
        let name = name.filter(|_| found.is_some());
        Ok(Self { name, set: found.flatten(), side, is_named: Cell::new(false) })
    }

    /// Notes that a map was asked.
    pub fn note(&self, map: &Json) {
        let same =
            |name: &str| of_side(map, self.side).is_some_and(|of| version::split(of).0 == version::split(name).0);
        if self.name.is_some_and(same) {
            self.is_named.set(true);
        }
    }

    /// Whether a code is in it, or that cannot be said.
    ///
    /// # Errors
    /// When it is too much work, or the content cannot be read.
    pub fn may_have(&self, context: &Context<'_>, coding: &Coding) -> Result<bool> {
        let (Some(set), Some(system), Some(code)) = (&self.set, coding.system.as_deref(), coding.code.as_deref())
        else {
            return Ok(true);
        };
        let mut look = Look::new(context, false);
        match look.look(set, Asked { system: Some(system), version: coding.version.as_deref(), code }) {
            Ok(found) => {
                let is_open = look.report.missing_value_set.is_some() || !look.report.missing_systems.is_empty();
                Ok(is_open || !found.is_empty())
            }
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Unprocessable) => {
                context.may_go_on().map(|()| true)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether it is known, when all maps were asked.
    ///
    /// # Errors
    /// 404 for a value set that is neither here nor what one of the maps is for.
    pub fn check(&self) -> Result<()> {
        match self.name {
            Some(name) if self.set.is_none() && !self.is_named.get() => Err(issues::value_set_unknown(name)),
            _ => Ok(()),
        }
    }
}

/// The value set that a map says it is from or to.
pub fn of_side<'m>(map: &'m Json, side: &str) -> Option<&'m str> {
    let names = ["Uri", "Canonical", ""].map(|kind| format!("{side}{kind}"));
    names.iter().find_map(|name| text(map, name))
}
