//! Faults of GraphQL, in one wording.

use super::ast::Place;
use crate::base::fault::{Category, Fault};

/// The document breaks the grammar.
pub fn syntax(place: Place, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "structure", message).on(place.line, place.column)
}

/// The document asks for what cannot be.
pub fn wrong(place: Place, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "invalid", message).on(place.line, place.column)
}

/// The document asks for what is not offered.
pub fn unsupported(place: Place, message: impl Into<String>) -> Fault {
    Fault::unsupported(message).on(place.line, place.column)
}

/// A bound is reached.
pub fn costly(place: Place, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "too-costly", message).on(place.line, place.column)
}

/// A name of the document for a message.
pub fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}
