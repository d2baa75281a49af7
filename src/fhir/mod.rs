//! Floor 2: FHIR itself, as pure functions over bytes and trees.
//!
//! The JSON tree, FHIR's data types, the definitions of R4, FHIRPath and validation. No async, no
//! I/O, nothing about storage or HTTP.

pub mod bundle;
pub mod codes;
pub mod decimal;
pub mod definitions;
pub mod document;
pub mod evaluation;
pub mod fhirpath;
pub mod graphql;
pub mod json;
pub mod labels;
pub mod lastn;
pub mod measurements;
pub mod name;
pub mod outcome;
pub mod patch;
pub mod path;
pub mod quantity;
pub mod reading;
pub mod resource;
pub mod statistics;
pub mod subset;
pub mod surroundings;
pub mod terminology;
pub mod time;
pub mod types;
pub mod validate;
pub mod views;
pub mod xml;
