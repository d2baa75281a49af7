//! The definitions of FHIR R4, embedded in compact tables that `build.rs` makes of `fhir-profiles/`.

pub mod names;
pub mod params;
pub mod types;
