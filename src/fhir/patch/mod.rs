//! Patches: changes to a resource in place of a whole new one (FHIR R4 `http.html`, 3.1.0.6; `fhirpatch.html`).
//!
//! Four forms. Three are read from a tree and applied to a tree: JSON Patch (`json_patch`, RFC 6902, with `pointer`, RFC
//! 6901), merge patch (`merge`, RFC 7386), and FHIRPath Patch (`operations` reads the Parameters, `fhirpath_patch` applies them,
//! `place` finds in the tree what a path selects, `element` and `value` change it by the definitions). XML Patch
//! (`xml_patch`, RFC 5261, with `selector`) is applied to the XML of the resource, which is then read as any XML.
//!
//! Invariants: a patch that fails leaves nothing changed, for it works on its own copy; the result is the same resource, by
//! type and id; operations, growth, depth and work are bounded, whatever the document says. A narrative that was generated
//! from data that is now different is taken away, and one that people wrote must be changed with the data
//! (3.1.0.6: "SHALL ensure that the narrative is not clinically unsafe").
//!
//! `diff` goes the other way: from two versions to the FHIRPath Patch that leads from one to the other.
//!
//! A document that is none is a 400; one that does not fit the resource is a 422. Whether the result is a valid
//! resource is not decided here: it is written like any update.

mod budget;
mod diff;
mod document;
mod element;
mod equality;
mod fhirpath_patch;
mod json_patch;
mod merge;
mod operations;
mod place;
mod pointer;
mod selector;
#[cfg(test)]
mod suite;
mod value;
mod xml_patch;

pub use budget::PatchBounds;
pub use diff::diff;
pub use document::{Patch, PatchFormat};
