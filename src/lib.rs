//! Cresset: a FHIR R4 (4.0.1) interoperability server in one binary.
//!
//! The modules below stand in floor order, lowest first: a module imports only from floors below it
//! (`docs/ARCHITECTURE.md`; the tidy test holds it).

pub mod base;

pub mod fhir;

pub mod store;

pub mod search;

pub mod access;

pub mod repo;

pub mod serve;

pub mod cli;
