//! `GET [base]/[type]/[id]` and `GET [base]/[type]/[id]/_history/[vid]` (FHIR R4 `http.html`, 3.1.0.2 and 3.1.0.3).

use super::call::{Answer, Call};
use crate::base::fault::{Fault, Result};

/// The current version, as it is stored.
///
/// # Errors
/// 404 unknown, 410 deleted.
pub async fn read(call: &Call<'_>) -> Result<Answer> {
    call.only(&[])?;
    let stored = call.session.read(&call.key()?).await?;
    Answer::read(stored, call.conditions)
}

/// One version, as it is stored.
///
/// # Errors
/// 404 unknown, 410 for a version that is a deletion.
pub async fn vread(call: &Call<'_>) -> Result<Answer> {
    call.only(&[])?;
    let key = call.key()?;
    let version = call.target.version.ok_or_else(|| Fault::not_found(format!("{key} has no such version")))?;
    let stored = call.session.vread(&key, version).await?;
    Answer::read(stored, call.conditions)
}
