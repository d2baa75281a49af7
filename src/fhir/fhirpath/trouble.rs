//! Faults of FHIRPath, in one wording.

use crate::base::fault::{Category, Fault};

/// The expression breaks the grammar at byte `at`.
pub fn syntax(text: &str, at: usize, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "invalid", format!("fhirpath: {} ({})", message.into(), place(text, at)))
}

/// The expression uses at byte `at` what this engine does not offer.
pub fn unsupported(text: &str, at: usize, message: impl Into<String>) -> Fault {
    Fault::unsupported(format!("fhirpath: {} ({})", message.into(), place(text, at)))
}

/// The evaluation cannot go on: a wrong type, too many items, an unknown variable.
pub fn evaluation(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "invalid", message.into())
}

/// A bound of the evaluation was reached.
pub fn too_costly(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "too-costly", message.into())
}

/// Line and column, both from 1, of a byte.
pub fn place(text: &str, at: usize) -> String {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let column = at.min(text.len()) - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    format!("line {line}, column {column}")
}
