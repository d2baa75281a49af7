//! A hospital and a clinic that do not exist: seeded, plausible, and as large as needed.
//!
//! [`hospital`] is one transaction Bundle of what everybody refers to (organizations, places, staff,
//! services, calendars, devices); [`patient`] is one person's record over years. Load the hospital first: the
//! patients refer to it with conditional references. Equal seeds give equal bytes, and any patient can be
//! made alone from (seed, number, today), so that many are made in parallel.
//!
//! The data are meant to exercise a server, not to teach medicine: they hold partial dates, several time zones,
//! one property in several units, numbers of every precision, open periods and absent values.
//! Invariants: no ambient time or randomness; no entry without a use of its identifiers.

mod booking;
mod care;
mod chart;
mod code;
mod command;
mod directory;
mod hospital;
mod illness;
mod laboratory;
mod names;
mod out;
mod papers;
mod patient;
mod person;
mod random;
mod seeded;
mod visit;
mod when;

pub use command::GenerateArgs;
pub use patient::Depth;
pub use seeded::{Generated, Generator, hospital, patient};
pub use when::Day;
