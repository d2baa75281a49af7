//! The interactions that change nothing, by name: for requests and for entries of Bundles.

use super::call::{Answer, Call};
use super::operation::operation;
use super::routes::Interaction;
use super::subset::{PARAMS, Shown};
use super::{history, metadata, read, search};
use crate::base::fault::{Fault, Result};

/// Refuses what is wrong with an interaction whatever the data are: in a transaction that is known before the commit.
///
/// # Errors
/// 400 for parameters that are wrong.
pub fn check(interaction: Interaction, call: &Call<'_>) -> Result<()> {
    match interaction {
        Interaction::Read | Interaction::Vread => {
            call.only(&PARAMS)?;
            Shown::of_one(call, call.kind()?).map(drop)
        }
        Interaction::Search | Interaction::Page => search::check(call),
        _ => Ok(()),
    }
}

/// Does one interaction that changes nothing. All but the read are boxed: see `dispatch`.
///
/// # Errors
/// What the interaction says; 500 for one that writes.
pub async fn inquire(interaction: Interaction, call: &Call<'_>) -> Result<Answer> {
    match interaction {
        Interaction::Read => read::read(call).await,
        Interaction::Vread => Box::pin(read::vread(call)).await,
        Interaction::Search | Interaction::Page => Box::pin(search::search(call)).await,
        Interaction::HistoryInstance | Interaction::HistoryType | Interaction::HistorySystem => {
            Box::pin(history::history(call)).await
        }
        Interaction::Capabilities => metadata::metadata(call),
        Interaction::Inquiry => Box::pin(operation(call, None)).await,
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
