//! The definitions of FHIR R4, embedded in compact tables that `build.rs` makes of `fhir-profiles/`.
//!
//! [`element`] knows every type and its JSON properties, [`params`] the search parameters,
//! [`compartment`] the compartments, [`names`] the property names, [`types`] the resource types. All are
//! data: nothing is generated per type. The tables are decoded at first use, in milliseconds, without
//! any JSON. Known faults of the definitions are corrected at build time (`build/corrections.rs`).
//!
//! [`conformance`] holds the profiles, value sets and code systems, as text; [`terminology`] code systems, value sets and concept maps with
//! what people read, compressed. [`packed`] is the form in which packages are kept, [`shipped`] those that are part of the program.
//!
//! Absent: operations.

pub mod compartment;
pub mod conformance;
pub mod crossed;
pub mod element;
pub mod format;
pub mod names;
pub mod package;
pub mod packed;
pub mod params;
pub mod shipped;
mod tables;
pub mod terminology;
pub mod types;
