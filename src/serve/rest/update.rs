//! `PUT [base]/[type]/[id]`, with `If-Match` or `If-None-Match: *` (FHIR R4 `http.html`, 3.1.0.4), and
//! `PUT [base]/[type]?[search parameters]` (3.1.0.4.3).

use super::call::Call;
use super::create::of_type;
use super::which::which;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceKey;
use crate::repo::{Change, Which};

/// The change that an update asks for.
///
/// # Errors
/// 400 for a body of another type or id, and for conditions that cannot be read.
pub fn update(call: &Call<'_>, resource: Json) -> Result<Change> {
    of_type(&resource, call.kind()?)?;
    let which = which(call)?;
    if let Which::Key(key) = &which {
        of_id(&resource, key)?;
    }
    let (if_match, if_none_match) = (call.conditions.if_match()?, call.conditions.if_none_match()?);
    Ok(Change::Update { which, resource, if_match, if_none_match })
}

fn of_id(resource: &Json, key: &ResourceKey) -> Result<()> {
    let place = format!("{}.id", key.kind);
    match resource.get("id").and_then(Json::as_str) {
        Some(id) if id == key.id.as_str() => Ok(()),
        Some(_) => {
            let message = "the id of the body is not the id of the URL";
            Err(Fault::coded(Category::Invalid, "invariant", message).at(place))
        }
        None => Err(Fault::coded(Category::Invalid, "required", "the body has no id").at(place)),
    }
}
