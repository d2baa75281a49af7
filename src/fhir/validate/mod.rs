//! Validation of resources.
//!
//! [`structure()`] holds a resource against the base definitions, on every write: known elements in the
//! right JSON shape and number, choices of one type, primitives in their formats. Every finding has a
//! FHIRPath expression, and the findings are bounded. A resource without fault costs no allocation.
//!
//! Absent: invariants, bindings, slices and profiles; whether a reference leads anywhere.

pub mod primitive;
mod structure;

pub use structure::structure;

#[cfg(test)]
mod tests;
