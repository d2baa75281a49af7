//! `DELETE [base]/[type]/[id]` (FHIR R4 `http.html`, 3.1.0.7) and `DELETE [base]/[type]?[search parameters]` (3.1.0.7.1).

use super::call::Call;
use super::which::which;
use crate::base::fault::Result;
use crate::repo::Change;

/// The change that a delete asks for.
///
/// # Errors
/// 400 for an `If-Match` that cannot be read.
pub fn delete(call: &Call<'_>) -> Result<Change> {
    Ok(Change::Delete { which: which(call)?, if_match: call.conditions.if_match()? })
}
