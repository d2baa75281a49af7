//! The operations by name (FHIR R4 `operations.html`): for requests and for entries of Bundles.

use super::call::{Answer, Call};
use super::offered::{OPERATIONS, Operation, OperationRow};
use super::routes::Target;
use super::{
    closure, convert, diff, document, everything, expunge, fhirpath, graph, lastn, list_find, meta, packages,
    patient_match, preferred_id, reindex_status, snapshot, statement_subset, stats, terminology, validate, versions,
};
use crate::base::fault::{Fault, Result};
use crate::fhir::json::Json;

/// What an operation does with the resource that came with it, if one did.
///
/// # Errors
/// What the operation says.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    match call.target.operation {
        Some(Operation::Closure) => closure::operation(call, body).await,
        Some(Operation::Convert) => convert::operation(call, body).await,
        Some(Operation::Diff) => diff::operation(call, body).await,
        Some(Operation::Document) => document::operation(call, body).await,
        Some(Operation::Everything) => everything::operation(call, body).await,
        Some(Operation::FindList) => list_find::operation(call, body).await,
        Some(Operation::PreferredId) => preferred_id::operation(call, body).await,
        Some(Operation::Subset) => statement_subset::operation(call, body).await,
        Some(Operation::Versions) => versions::operation(call),
        Some(Operation::Terminology(which)) => terminology::operation(call, body, which).await,
        Some(Operation::Expunge) => expunge::operation(call, body).await,
        Some(Operation::FhirPath) => fhirpath::operation(call, body).await,
        Some(Operation::Graph) => graph::operation(call, body).await,
        Some(Operation::Snapshot) => snapshot::operation(call, body).await,
        Some(Operation::Lastn) => lastn::operation(call, body).await,
        Some(Operation::Match) => patient_match::operation(call, body).await,
        Some(Operation::Meta) => meta::operation(call, body).await,
        Some(Operation::MetaAdd | Operation::MetaDelete) => meta::change(call, body).await,
        Some(Operation::Stats) => stats::operation(call, body).await,
        Some(Operation::Packages(what)) => packages::operation(call, what, body).await,
        Some(Operation::ReindexStatus) => reindex_status::operation(call),
        Some(Operation::GraphQl | Operation::ViewRun) => Err(alone(call.target)),
        Some(Operation::Validate) => validate::operation(call, body).await,
        None => Err(Fault::internal("route of an operation without its name")),
    }
}

/// Whether the answer of the operation of a path is no resource, but has a form of its own.
pub fn has_own_form(target: &Target) -> bool {
    matches!(target.operation, Some(Operation::GraphQl | Operation::ViewRun))
}

/// The refusal of such an operation within a Bundle.
pub fn alone(target: &Target) -> Fault {
    Fault::unsupported(format!("${} is not offered in a Bundle: its answer is no resource", name(target)))
}

/// Whether the operation of a path changes anything (`OperationDefinition.affectsState`).
pub fn changes(target: &Target) -> bool {
    row(target).is_some_and(|row| row.changes)
}

/// Whether the operation of a path is a change like any write, which can be part of a transaction.
pub fn is_change(target: &Target) -> bool {
    matches!(target.operation, Some(Operation::MetaAdd | Operation::MetaDelete))
}

/// The name of the operation of a path, without `$`.
pub fn name(target: &Target) -> &'static str {
    row(target).map_or("", |row| row.name)
}

/// A fault about the method at a path, with the name of the operation where it has one.
pub fn named(target: &Target, fault: Fault) -> Fault {
    match row(target) {
        Some(row) => fault.context(format!("${}", row.name)),
        None => fault,
    }
}

fn row(target: &Target) -> Option<&'static OperationRow> {
    let is_it = |row: &&OperationRow| Some(row.operation) == target.operation;
    let concerns = |row: &&OperationRow| target.kind.is_none_or(|kind| row.offered.concerns(kind));
    OPERATIONS.iter().filter(is_it).find(concerns)
}
