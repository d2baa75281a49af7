//! The resource types of R4.

/// The names of the concrete resource types, sorted.
pub static RESOURCES: &[&str] = &super::names::RESOURCES;
