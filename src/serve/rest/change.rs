//! The interactions that write, by name: each becomes a change that the repository plans and commits.

use bytes::Bytes;

use super::call::Call;
use super::routes::Interaction;
use super::{create, delete, patch, update};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::patch::{Patch, PatchBounds};
use crate::repo::Change;

/// What came with the request.
#[derive(Debug)]
pub enum Sent {
    /// Nothing.
    Nothing,
    /// A resource; in an entry of a Bundle also the one that holds a patch.
    Resource(Json),
    /// A patch.
    Patch(Patch),
    /// The archive of a package.
    Archive(Bytes),
}

impl Sent {
    /// The resource of an entry, if it has one.
    pub fn entry(resource: Option<Json>) -> Self {
        resource.map_or(Self::Nothing, Self::Resource)
    }
}

/// The change that an interaction asks for.
///
/// # Errors
/// 400 for a missing or wrong body and for conditions that cannot be read; 500 for an interaction that reads.
pub fn change(interaction: Interaction, call: &Call<'_>, sent: Sent) -> Result<Change> {
    let missing = || Fault::coded(Category::Invalid, "required", "there is no resource");
    match (interaction, sent) {
        (Interaction::Create, Sent::Resource(resource)) => create::create(call, resource),
        (Interaction::Update, Sent::Resource(resource)) => update::update(call, resource),
        (Interaction::Patch, Sent::Patch(patch)) => patch::patch(call, patch),
        (Interaction::Patch, Sent::Resource(resource)) => {
            patch::patch(call, Patch::of_entry(resource, PatchBounds::from(&call.site.limits))?)
        }
        (Interaction::Delete, _) => delete::delete(call),
        (Interaction::Create | Interaction::Update | Interaction::Patch, _) => Err(missing()),
        _ => Err(Fault::internal("an interaction that reads was taken for one that writes")),
    }
}
