//! The terminology service (FHIR R4 `terminology-service.html`): what code systems, value sets and concept maps say, as pure functions.
//!
//! [`CodeSystem`] is one version of a code system and [`Library`] finds definitions; what implementers keep stands with them. The
//! service takes both as they are: it does not know whether concepts come from a resource, a grammar or an index of hundreds of thousands.
//! Nothing here does I/O, though an implementation may read; so callers use a thread for CPU work.
//!
//! [`service`] runs operations by name. A [`context`] is one request: it finds versions, and remembers what was used. A value set is
//! evaluated in two ways that must agree: [`member`] looks for one code where the value set says, without listing anything, and [`expand`]
//! lists. Includes of other value sets are asked by the first way in both, so only what is selected is ever listed.

pub mod about;
pub mod bound;
pub mod check;
pub mod closure;
pub mod compare;
pub mod compose;
pub mod composed;
pub mod concept;
pub mod context;
mod contradictions;
pub mod core;
pub mod dated;
pub mod display;
pub mod ecl;
pub mod everywhere;
pub mod expand;
pub mod expanded;
pub mod expansion;
pub mod expression;
pub mod extended;
pub mod face;
pub mod filter;
pub mod grammar;
pub mod iso;
pub mod issues;
pub mod language;
pub mod languages;
pub mod loaded;
pub mod lookup;
pub mod made;
pub mod map_sides;
pub mod matches;
pub mod matching;
pub mod media;
pub mod member;
pub mod memory;
pub mod notices;
pub mod operation;
pub mod params;
mod passed;
pub mod service;
pub mod shelf;
pub mod stored;
pub mod subsumes;
#[cfg(test)]
mod suite;
pub mod target;
#[cfg(test)]
mod tests;
pub mod text;
pub mod translate;
pub mod translated;
pub mod tree;
pub mod ucum;
pub mod validate_code;
pub mod verdict;
pub mod version;
pub mod wanted;

pub use about::{About, Content, Hierarchy, PropertyDefinition};
pub use concept::{Coding, Concept, Designation, Property, PropertyKind, PropertyValue};
pub use core::Core;
pub use face::{CodeSystem, Library, Query};
pub use filter::{Filter, Op};
pub use loaded::{Loaded, Packages};
pub use params::Params;
pub use service::{Call, Operation, run};
pub use shelf::{Layers, Shelf};
