//! `DELETE [base]/[type]/[id]` (FHIR R4 `http.html`, 3.1.0.7).

use super::call::Call;
use crate::base::fault::Result;
use crate::repo::Change;

/// The change that a delete asks for.
///
/// # Errors
/// 400 for an `If-Match` that cannot be read.
pub fn delete(call: &Call<'_>) -> Result<Change> {
    Ok(Change::Delete { key: call.key()?, if_match: call.conditions.version()? })
}
