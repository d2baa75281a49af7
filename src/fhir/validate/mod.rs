//! Validation of resources (FHIR R4 `validation.html`, `profiling.html`).
//!
//! [`structure()`] holds a resource against the shape of the base definitions: known elements in the right JSON shape and
//! number, choices of one type, primitives in their formats; what fails it is malformed, whatever else is wrong. [`shape()`] asks less: what storage,
//! search and the conversion between JSON and XML need. [`validate()`] asks everything: the
//! same walk carries the rules of the types and of all profiles that apply, and checks at each element cardinalities,
//! types, prescribed values, bindings, slices, references and invariants (`docs/VALIDATION.md`).
//!
//! A StructureDefinition becomes a tree of rules (`compile`, `rules`) that says only what it adds to the base definition
//! of its type. A [`Registry`] holds definitions and compiles each when it is first needed.
//!
//! Invariants: every finding has a FHIRPath expression; findings, depth and the cost of invariants are bounded; a
//! resource without fault costs no allocation of paths and texts.
//!
//! Codes of large code systems are asked of the terminology service ([`Answers`]).
//!
//! Absent: whether a reference leads anywhere outside of the resource; codes of systems whose content is not at hand.

mod answers;
mod astray;
mod attachment;
mod beside;
mod binding;
mod bindings;
mod bound;
mod bundle;
pub mod canonical;
mod claims;
mod codes;
mod compare;
mod compile;
mod complex;
mod compose;
mod conforming;
mod contained;
mod countries;
mod crossed;
mod definitional;
mod element;
mod entries;
mod entry;
mod extensions;
mod form;
mod invariant;
mod known;
mod language;
mod linked;
mod locations;
mod map;
mod narrative;
pub mod primitive;
mod questionnaire;
mod readable;
mod reference;
mod registry;
mod report;
mod restricts;
mod rules;
mod sections;
mod services;
mod signature;
mod single;
mod sliced;
mod slices;
mod slicing;
mod snapshot;
mod state;
mod storable;
mod systems;
mod terminologies;
mod terms;
mod types;
mod unknown;
mod uris;
mod vitals;
mod walk;

pub use answers::Answers;
pub use beside::Beside;
pub use entries::{BundleIndex, absolute};
pub use entry::{shape, structure, validate, validate_beside, validate_with};
pub use readable::{BASES, Shelf};
pub use registry::{OwnDefinition, Registry};
pub use services::Definitions;
pub use state::Options;
pub use terminologies::{Made, Terminologies};

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod cases_suite;
#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod snapshot_suite;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thorough_tests;
