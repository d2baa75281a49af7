//! What an evaluation is given beside the expression and its root.

use std::fmt;

use super::value::{Collection, Item, Node};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};

/// Knows what is around an element: the targets of references, what contains it, and how it is defined.
pub trait Resolver<'a> {
    /// The resource that a reference names, or a [`Node::stub`] of its type when that is all that is
    /// known; none when nothing is known. `text` is `Reference.reference`, a canonical or a uri
    /// (never one that begins with `#`: the engine finds contained resources itself); `kind` is
    /// `Reference.type`.
    fn resolve(&self, text: &str, kind: Option<&str>) -> Option<Node<'a>>;

    /// As [`resolve`](Self::resolve) for what an element of a resource says, which may be relative to where that resource is.
    fn resolve_within(&self, element: Node<'a>, text: &str, kind: Option<&str>) -> Option<Node<'a>> {
        let _ = element;
        self.resolve(text, kind)
    }

    /// The resource around an element that has the contained ones; none when that is `%rootResource`, as far as is known.
    fn container(&self, element: Node<'a>) -> Option<Node<'a>> {
        let _ = element;
        None
    }

    /// `elementDefinition()`: the ElementDefinition of an element; none when it is not known where that stands.
    ///
    /// # Errors
    /// `not-supported` for a resolver that has no definitions.
    fn element_definition(&self, element: Node<'a>) -> Result<Option<Node<'a>>> {
        let _ = element;
        Err(absent("elementDefinition()", "definitions"))
    }
}

/// An operation of `%terminologies` (FHIR R4 `fhirpath.html`, 2.9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminology {
    /// `expand(valueSet, params)`
    Expand,
    /// `lookup(coded, params)`
    Lookup,
    /// `validateVS(valueSet, coded, params)`
    ValidateInValueSet,
    /// `validateCS(codeSystem, coded, params)`
    ValidateInCodeSystem,
    /// `subsumes(system, coded1, coded2, params)`
    Subsumes,
    /// `translate(conceptMap, coded, params)`
    Translate,
}

/// What functions ask that lies outside the resource: terminology and definitions (FHIR R4 `fhirpath.html`, 2.9.1.5).
/// A method that is not implemented is `not-supported`; none is ever guessed.
pub trait Services<'a> {
    /// `memberOf(valueset)` for a code, Coding, CodeableConcept, Quantity or string; none when that cannot be told.
    ///
    /// # Errors
    /// 400 when the value set cannot be resolved, or has several code systems and is asked for a string.
    fn member_of(&self, coded: &Item<'a>, value_set: &str) -> Result<Option<bool>> {
        let _ = (coded, value_set);
        Err(absent("memberOf()", "a terminology service"))
    }

    /// Whether a Coding or CodeableConcept subsumes another, or is equivalent (`subsumes`, `subsumedBy`); none when
    /// that cannot be told.
    ///
    /// # Errors
    /// 400 when the codes are of different code systems that have no known relationship.
    fn subsumes(&self, ancestor: &Item<'a>, descendant: &Item<'a>) -> Result<Option<bool>> {
        let _ = (ancestor, descendant);
        Err(absent("subsumes()", "a terminology service"))
    }

    /// An operation of `%terminologies` with its arguments, of which the last are `params`, encoded as in a URL: a resource, or a code
    /// for `subsumes`; none when the service answers with an error.
    ///
    /// # Errors
    /// 400 for arguments that are none; 500 and 503 when the service cannot answer.
    fn terminology(&'a self, operation: Terminology, arguments: &[Item<'a>], params: &str) -> Result<Option<Item<'a>>> {
        let _ = (operation, arguments, params);
        Err(absent("%terminologies", "a terminology service"))
    }

    /// `conformsTo(structure)` for one element, which is in `container` (`%rootResource`); none when that cannot be told.
    ///
    /// # Errors
    /// 400 when the structure cannot be resolved to a profile.
    fn conforms_to(&self, node: Node<'a>, container: Node<'a>, structure: &str) -> Result<Option<bool>> {
        let _ = (node, container, structure);
        Err(absent("conformsTo()", "profiles"))
    }

    /// `slice(structure, name)`: the elements below `node` that are of the slice.
    ///
    /// # Errors
    /// 400 when the structure cannot be resolved, or has no such slice.
    fn slice(&self, node: Node<'a>, structure: &str, name: &str) -> Result<Collection<'a>> {
        let _ = (node, structure, name);
        Err(absent("slice()", "profiles"))
    }

    /// `htmlChecks()`: whether an XHTML text keeps the rules of narratives.
    ///
    /// # Errors
    /// When that cannot be told.
    fn html_checks(&self, text: &str) -> Result<bool> {
        let _ = text;
        Err(absent("htmlChecks()", "the narrative checker"))
    }
}

/// The fault of a function whose service is not there.
pub fn absent(function: &str, needs: &str) -> Fault {
    Fault::unsupported(format!("{function} needs {needs}, which is not available here"))
}

/// Takes what `trace` tells. Nothing is told without one, for the values may be a patient's.
pub trait Tracer<'a> {
    /// Items that were traced under a name.
    fn trace(&self, name: &str, items: &Collection<'a>);
}

/// The surroundings of an evaluation.
#[derive(Clone, Default)]
pub struct Context<'a> {
    /// `%resource`; the root of the evaluation when absent.
    pub resource: Option<Node<'a>>,
    /// `%rootResource`: the container of `%resource`; the same as `%resource` when absent.
    pub root_resource: Option<Node<'a>>,
    /// Further variables, by name without `%`.
    pub variables: &'a [(&'a str, Vec<Item<'a>>)],
    /// Who finds the targets of references; by default their type is read off the reference.
    pub resolver: Option<&'a dyn Resolver<'a>>,
    /// Whether what is not found is left out by `resolve()`, though its type is known.
    pub has_no_stubs: bool,
    /// Terminology and definitions; what needs them is `not-supported` without.
    pub services: Option<&'a dyn Services<'a>>,
    /// Who takes what `trace` tells.
    pub tracer: Option<&'a dyn Tracer<'a>>,
    /// `now()`, `today()` and `timeOfDay()`; they fail without it.
    pub now: Option<Timestamp>,
    /// The bounds.
    pub bounds: Bounds,
    /// `$index`, where the root is one of several.
    pub index: usize,
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
