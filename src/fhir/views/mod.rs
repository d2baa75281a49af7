//! Views: tables of FHIR resources, as ViewDefinitions describe them (SQL on FHIR 2.1).
//!
//! A ViewDefinition is read and compiled once (`definition`): its paths become FHIRPath expressions that are checked against
//! the definitions of FHIR, its columns get an order and a type (`column`), and what is wrong with it is told with its place.
//! Run on a resource (`run`) it yields rows of cells (`cell`), by the processing algorithm of the specification. A table
//! is written piece by piece (`writer`; `text`: CSV, NDJSON, JSON; `columnar`: Parquet), so that its size is nobody's memory.
//!
//! Invariants:
//! - The rows of one resource depend on nothing but the resource, the definition, and the time that is given.
//! - What one resource may cost in steps and cells is bounded.
//!
//! Decisions where the text leaves room, all as the public tests have them:
//! - A column of a collection is a list always: an empty one for nothing.
//! - `join` makes an empty text of nothing. Of a `repeat` any element may be asked that is somewhere on its way.
//! - The key of a resource is its id (`fhirpath/functions/views`).
//!
//! Deliberately absent: contained resources as rows of their own, and all that needs more than one resource at a time.

mod cell;
mod column;
mod columnar;
mod definition;
mod reader;
mod run;
mod text;
mod writer;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub use cell::{Cell, Row};
pub use column::{Column, Storage};
pub use definition::View;
pub use text::TextFormat;
pub use writer::TableWriter;
