//! `POST [base]/[type]`, with `If-None-Exist` a conditional create (FHIR R4 `http.html`, 3.1.0.8).

use super::call::Call;
use super::subset::PARAMS;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;
use crate::repo::Change;

/// The change that a create asks for.
///
/// # Errors
/// 400 for a body of another type.
pub fn create(call: &Call<'_>, resource: Json) -> Result<Change> {
    call.only(&PARAMS)?;
    let kind = call.kind()?;
    of_type(&resource, kind)?;
    let if_none_exist = call.conditions.if_none_exist.as_deref().map(|query| query.trim_start_matches('?').to_owned());
    Ok(Change::Create { kind, resource, if_none_exist })
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
