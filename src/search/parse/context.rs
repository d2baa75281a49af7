//! What parsing is given, what it counts, and its faults.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault};
use crate::base::limits::Limits;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::ResourceType;
use crate::search::kind::dispatch::Reading;
use crate::search::kind::escape::split;
use crate::search::params::ParamSet;

/// Most conditions on targets that one search may fan out to.
const CONDITIONS_MAX: usize = 4096;

/// The surroundings of a search.
#[derive(Debug, Clone, Copy)]
pub struct ParseContext<'a> {
    /// The server's base such as `http://host/fhir`, to recognise its own absolute URLs.
    pub base: &'a str,
    /// `Prefer: handling=strict`: unknown parameters are errors.
    pub strict: bool,
    /// The bounds.
    pub limits: &'a Limits,
    /// For the prefix `ap` on dates.
    pub now: Timestamp,
    /// What can be searched.
    pub params: &'a ParamSet,
}

/// The work of one search.
pub(super) struct Work<'a> {
    /// Its surroundings.
    pub context: &'a ParseContext<'a>,
    conditions: Cell<usize>,
    /// The parameters that were used and are not official.
    added: RefCell<Vec<Arc<SearchParam>>>,
}

/// Why a parameter could not be parsed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such parameter.
    Unknown(Fault),
    /// It has no value.
    Empty,
    /// It is wrong.
    Bad(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Bad(fault)
    }
}

impl<'a> Work<'a> {
    /// Nothing is counted yet.
    pub fn new(context: &'a ParseContext<'a>) -> Self {
        Self { context, conditions: Cell::new(0), added: RefCell::default() }
    }

    /// The parameter of a type with a code.
    pub fn param(&self, kind: ResourceType, code: &str) -> Option<Arc<SearchParam>> {
        let found = self.context.params.find(kind, code)?;
        self.note(found);
        Some(found.clone())
    }

    /// Notes that a parameter is used.
    pub fn note(&self, param: &Arc<SearchParam>) {
        let mut added = self.added.borrow_mut();
        if param.id.is_added() && !added.iter().any(|known| known.id == param.id) {
            added.push(param.clone());
        }
    }

    /// The parameters that were used and are not official.
    pub fn into_added(self) -> Vec<Arc<SearchParam>> {
        self.added.into_inner()
    }

    /// What the parameter types need.
    pub fn reading(&self) -> Reading<'a> {
        Reading { base: self.context.base, now: self.context.now }
    }

    /// Counts one condition.
    pub fn count(&self) -> Result<(), Fault> {
        self.conditions.set(self.conditions.get() + 1);
        if self.conditions.get() <= CONDITIONS_MAX {
            return Ok(());
        }
        let message =
            format!("the chains lead to more than {CONDITIONS_MAX} conditions; name the types of their targets");
        Err(Fault::coded(Category::Invalid, "too-costly", message))
    }
}

/// A text as it may be shown: cut, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.escape_debug().to_string()
}

/// The type that a parameter names.
pub(super) fn known_type(text: &str, name: &str) -> Result<ResourceType, Fault> {
    ResourceType::find(text).ok_or_else(|| {
        let message = format!("search parameter \"{}\": unknown resource type \"{}\"", shown(name), shown(text));
        Fault::coded(Category::Invalid, "value", message)
    })
}

/// 400: a parameter with a bad value.
pub(super) fn bad(name: &str, value: &str, reason: &str) -> Fault {
    let message = format!("search parameter \"{}\": value \"{}\" is not valid: {reason}", shown(name), shown(value));
    Fault::coded(Category::Invalid, "value", message)
}

/// 400: something that is known, but not offered.
pub(super) fn unsupported(name: &str, what: &str) -> Fault {
    Fault::unsupported(format!("search parameter \"{}\": {what} is not supported", shown(name)))
}

/// 400: too many of something.
pub(super) fn too_many(name: &str, what: &str, most: usize) -> Fault {
    Fault::coded(
        Category::Invalid,
        "too-costly",
        format!("search parameter \"{}\": more than {most} {what}", shown(name)),
    )
}

/// The alternatives between the commas; empty ones do not count.
pub(super) fn tests<T>(
    work: &Work<'_>,
    name: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, Trouble> {
    let most = work.context.limits.search_values;
    let mut found = Vec::new();
    for value in split(text, b',').filter(|value| !value.is_empty()) {
        if found.len() == most {
            return Err(too_many(name, "values", most).into());
        }
        found.push(parse(value).map_err(|reason| bad(name, value, reason))?);
    }
    if found.is_empty() { Err(Trouble::Empty) } else { Ok(found) }
}
