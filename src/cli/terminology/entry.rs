//! Entries of ICD-10-CM, from whichever list.

use super::gather::{property, usage};
use crate::fhir::codes::{Concept, Designation, PropertyValue};

/// The system.
pub const URL: &str = "http://hl7.org/fhir/sid/icd-10-cm";

/// A code with its point.
pub fn dotted(code: &str) -> String {
    match code.get(3..) {
        Some(rest) if !rest.is_empty() && !code.contains(['.', '-']) => format!("{}.{rest}", &code[..3]),
        _ => code.to_owned(),
    }
}

/// An inclusion term, which is another text for what the code means.
pub fn inclusion(text: &str) -> Designation {
    Designation {
        language: Some("en".into()),
        usage: Some(usage(URL, "inclusionTerm", "Inclusion term")),
        value: text.into(),
    }
}

/// A part that says what kind of entry it is.
pub fn kind(part: &mut Concept, kind: &str) {
    part.properties.extend(property("kind", PropertyValue::String(kind.into())).properties);
}
