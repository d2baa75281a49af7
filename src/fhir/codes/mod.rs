//! Concepts of large code systems in the form in which they travel: from the loaders (`cli/terminology`) through the
//! database (`store/concepts`) into the index of concepts (`search/concepts`).
//!
//! A code system is a CodeSystem resource without its concepts, and pieces of concepts in the order of their codes. A piece
//! is read alone, so nobody ever holds a whole code system. The form is written to databases: it is read for ever, and a new
//! one gets a new first byte ([`FORM`]).

mod concept;
mod piece;

pub use concept::{Concept, Designation, MAP, Property, PropertyValue, ROLE_GROUP, Usage};
pub use piece::{FORM, PIECE_BYTES, Packer, unpack};
