//! What an evaluation is given beside the expression and its root.

use std::fmt;

use super::value::{Collection, Node};
use crate::base::clock::Timestamp;

/// Finds the targets of references.
pub trait Resolver<'a> {
    /// The resource that a reference names, or a [`Node::stub`] of its type when that is all that is
    /// known; none when nothing is known. `text` is `Reference.reference`, a canonical or a uri
    /// (never one that begins with `#`: the engine finds contained resources itself); `kind` is
    /// `Reference.type`.
    fn resolve(&self, text: &str, kind: Option<&str>) -> Option<Node<'a>>;
}

/// The surroundings of an evaluation.
#[derive(Clone, Default)]
pub struct Context<'a> {
    /// `%resource`; the root of the evaluation when absent.
    pub resource: Option<Node<'a>>,
    /// `%rootResource`: the container of `%resource`; the same as `%resource` when absent.
    pub root_resource: Option<Node<'a>>,
    /// Further variables, by name without `%`.
    pub variables: &'a [(&'a str, Collection<'a>)],
    /// Who finds the targets of references; by default their type is read off the reference.
    pub resolver: Option<&'a dyn Resolver<'a>>,
    /// `now()`, `today()` and `timeOfDay()`; they fail without it.
    pub now: Option<Timestamp>,
    /// The bounds.
    pub bounds: Bounds,
}

/// What one evaluation may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most steps: nodes of the expression evaluated, and items looked at.
    pub steps: u64,
    /// Most items in one collection.
    pub items: usize,
    /// Longest text that a function may make, in bytes.
    pub text: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps: 5_000_000, items: 200_000, text: 16 << 20 }
    }
}

impl<'a> Context<'a> {
    /// A context in which `resource` is `%resource`, `%rootResource`, and there is nothing else.
    pub fn new(resource: Node<'a>) -> Self {
        Self { resource: Some(resource), ..Self::default() }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("now", &self.now).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
