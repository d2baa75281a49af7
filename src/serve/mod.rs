//! Floor 8: everything that listens.
//!
//! [`bind`] takes an address, [`Bound::serve`] answers on it until told to stop. `/livez`, `/readyz` and
//! `/metrics` are for operators; everything below `/fhir` is FHIR REST (`rest`). A [`Backend`] gives the
//! session that requests work with: this floor never sees the store. A fault becomes a status and an
//! OperationOutcome in `error` and nowhere else. Deliberately absent: authentication; a server has one actor.

mod backend;
pub mod baseline;
mod cors;
mod encoding;
mod error;
mod explained;
mod layers;
mod listen;
mod metrics;
pub mod rest;
mod server;
mod stalling;
mod unread;

pub use backend::{Backend, Later};
pub use server::{Bound, ServeOptions, bind, router};
