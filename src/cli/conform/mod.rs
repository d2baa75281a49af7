//! `cresset conform`: scenarios of FHIR REST, run against any server.
//!
//! A scenario is a file of `conformance/scenarios` (TOML): requests, and what must be true of the answers, in FHIRPath.
//! The files are in the program, so that the command needs nothing but a base URL; `--scenarios` takes others.
//! Scenarios make their own data, under names that nobody else has, and so can run against a server in use.
//!
//! Invariant: an expectation passes only by being found true; one that cannot be evaluated has failed.

mod answer;
mod command;
mod embedded;
mod fill;
mod play;
mod report;
mod scenario;

pub use command::ConformArgs;
