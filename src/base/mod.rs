//! Floor 1: what everything stands on and what knows nothing of FHIR.
//!
//! Faults, the clock, ids, limits and configuration. Time and randomness enter the program here and
//! nowhere else, so that a test repeats to the byte. Deliberately absent: any FHIR type, any I/O
//! beyond the environment, the system clock and outbound HTTP.

pub mod clock;
pub mod config;
pub mod fault;
pub mod id;
pub mod limits;
pub mod log;
pub mod net;
pub mod telemetry;
pub mod traces;
