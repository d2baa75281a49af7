//! `PUT [base]/[type]/[id]`, with `If-Match` or `If-None-Match: *` (FHIR R4 `http.html`, 3.1.0.4).

use super::call::Call;
use super::create::of_type;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::repo::Change;

/// The change that an update asks for.
///
/// # Errors
/// 400 for a body of another type or id, and for conditions that cannot be read.
pub fn update(call: &Call<'_>, resource: Json) -> Result<Change> {
    let key = call.key()?;
    of_type(&resource, key.kind)?;
    let place = format!("{}.id", key.kind);
    match resource.get("id").and_then(Json::as_str) {
        Some(id) if id == key.id.as_str() => {}
        Some(_) => {
            let message = "the id of the body is not the id of the URL";
            return Err(Fault::coded(Category::Invalid, "invariant", message).at(place));
        }
        None => return Err(Fault::coded(Category::Invalid, "required", "the body has no id").at(place)),
    }
    let if_match = call.conditions.version()?;
    Ok(Change::Update { key, resource, if_match, only_create: call.conditions.only_create()? })
}
