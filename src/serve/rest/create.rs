//! `POST [base]/[type]`, with `If-None-Exist` a conditional create (FHIR R4 `http.html`, 3.1.0.8).
//!
//! Two habits of clients are understood: a header with the URL of a search in place of its parameters, and parameters in the
//! URL of the request, which are the condition then. To ignore them would make duplicates.

use super::call::Call;
use super::params;
use super::subset::PARAMS;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;
use crate::repo::Change;

/// The change that a create asks for.
///
/// # Errors
/// 400 for a body of another type, and for a condition that is none or stands there twice.
pub fn create(call: &Call<'_>, resource: Json) -> Result<Change> {
    let kind = call.kind()?;
    of_type(&resource, kind)?;
    // With the content of a Binary clients send hints, such as its file's name.
    let has_hints = kind.name() == "Binary";
    let filters = call.params.pairs.iter().filter(|(name, _)| !has_hints && !PARAMS.contains(&name.as_str()));
    let filters: Vec<_> = filters.cloned().collect();
    let header = call.conditions.if_none_exist.as_deref().map(|text| condition(text, kind)).transpose()?;
    let if_none_exist = match header {
        None if filters.is_empty() => None,
        None => Some(params::query(&filters)),
        Some(header) if filters.is_empty() => Some(header.to_owned()),
        Some(_) => return Err(Fault::invalid("the condition stands in If-None-Exist or in the URL, not in both")),
    };
    Ok(Change::Create { kind, resource, if_none_exist })
}

/// The search parameters of an `If-None-Exist`: themselves, after a `?`, or after the URL of the type.
fn condition(text: &str, kind: ResourceType) -> Result<&str> {
    let Some((place, query)) = text.split_once('?').filter(|(place, _)| !place.contains('=')) else { return Ok(text) };
    if place.is_empty() || place.rsplit('/').next() == Some(kind.name()) {
        return Ok(query);
    }
    Err(Fault::invalid(format!("If-None-Exist is a search of {kind}, such as identifier=system|value")))
}

/// Checks that a body has the type of the URL.
///
/// # Errors
/// 400 with the place.
pub fn of_type(resource: &Json, kind: ResourceType) -> Result<()> {
    match resource.get("resourceType").and_then(Json::as_str) {
        Some(name) if name == kind.name() => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(60).collect();
            let message = format!("the body is of type \"{}\", the URL of type {kind}", shown.escape_debug());
            Err(Fault::coded(Category::Invalid, "invariant", message).at("resourceType"))
        }
        None => Err(Fault::coded(Category::Invalid, "structure", "the body has no resourceType").at("resourceType")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_parameters_or_a_search_of_the_type() {
        let kind = ResourceType::find("Patient").expect("a type");
        for text in ["name=a", "?name=a", "Patient?name=a", "http://h/fhir/Patient?name=a"] {
            assert_eq!(condition(text, kind), Ok("name=a"), "{text}");
        }
        assert_eq!(condition("identifier=http://x?y|1", kind), Ok("identifier=http://x?y|1"));
        assert!(condition("Observation?code=x", kind).is_err());
    }
}
