//! The parts of a definition, as its JSON has them.

use crate::fhir::json::Json;

/// A text, where there is one.
pub fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name)?.as_str()
}

/// The items of an array; none where there is none.
pub fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}
