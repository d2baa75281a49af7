//! The interactions that write, by name: each becomes a change that the repository plans and commits.

use super::call::Call;
use super::routes::Interaction;
use super::subset::PARAMS;
use super::{create, delete, update};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::repo::Change;

/// The change that an interaction asks for.
///
/// # Errors
/// 400 for a missing or wrong body and for conditions that cannot be read; 500 for an interaction that reads.
pub fn change(interaction: Interaction, call: &Call<'_>, resource: Option<Json>) -> Result<Change> {
    call.only(&PARAMS)?;
    let body = || resource.ok_or_else(|| Fault::coded(Category::Invalid, "required", "there is no resource"));
    match interaction {
        Interaction::Create => create::create(call, body()?),
        Interaction::Update => update::update(call, body()?),
        Interaction::Delete => delete::delete(call),
        _ => Err(Fault::internal("an interaction that reads was taken for one that writes")),
    }
}
