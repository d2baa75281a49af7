//! The functions of FHIRPath and those that FHIR adds, one file per chapter of N1.
//!
//! A function gets the collection that it is applied to and its arguments as code: it evaluates them
//! itself, in the scope around the call or once for each item. `table` knows them by name; that
//! is asked only while compiling.

mod aggregates;
mod args;
mod boundaries;
mod collections;
mod components;
mod conversion;
mod date_format;
mod encoding;
mod existence;
mod fhir;
mod math;
mod projection;
mod services;
mod strings;
mod table;
mod terminologies;
mod utility;
mod views;

pub use encoding::{from_base64, to_base64};
pub use strings::pattern;
pub use table::{Argument, Entry, find, find_of_view};
pub use terminologies::find_terminology;
