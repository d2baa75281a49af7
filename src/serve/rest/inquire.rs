//! The interactions that change nothing, by name: for requests and for entries of Bundles.

use super::call::{Answer, Call};
use super::routes::Interaction;
use super::{history, read, search};
use crate::base::fault::{Fault, Result};

/// Does one interaction that changes nothing.
///
/// # Errors
/// What the interaction says; 500 for one that writes.
pub async fn inquire(interaction: Interaction, call: &Call<'_>) -> Result<Answer> {
    match interaction {
        Interaction::Read => read::read(call).await,
        Interaction::Vread => read::vread(call).await,
        Interaction::Search | Interaction::Page => search::search(call).await,
        Interaction::HistoryInstance | Interaction::HistoryType | Interaction::HistorySystem => {
            history::history(call).await
        }
        Interaction::Capabilities => match call.params.get("mode") {
            None | Some("full" | "normative") => {
                let version = Some(call.site.started.0);
                Ok(Answer { version, ..Answer::whole(call.site.capabilities.clone()) })
            }
            Some(_) => Err(Fault::unsupported("mode is full or normative here")),
        },
        Interaction::Create
        | Interaction::Update
        | Interaction::Patch
        | Interaction::Expunge
        | Interaction::Operation
        | Interaction::Delete
        | Interaction::Bundle => Err(Fault::internal("an interaction that writes was taken for one that reads")),
        Interaction::Absent(name) => Err(Fault::unsupported(format!("{name} is not supported"))),
    }
}
