//! `GET [base]/[type]/[id]` and `GET [base]/[type]/[id]/_history/[vid]` (FHIR R4 `http.html`, 3.1.0.2 and 3.1.0.3).

use super::call::{Answer, Call};
use super::definitions;
use super::subset::{PARAMS, Shown};
use crate::base::fault::{Fault, Result};
use crate::repo::Stored;

/// The current version: as it is stored, or a part of it.
///
/// # Errors
/// 404 unknown, 410 deleted.
pub async fn read(call: &Call<'_>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let shown = shown(call)?;
    let key = call.key()?;
    let stored = match call.session.read(&key).await {
        Ok(stored) => stored,
        Err(fault) => definitions::own(call, key, fault)?,
    };
    answer(call, &shown, stored)
}

/// One version: as it is stored, or a part of it.
///
/// # Errors
/// 404 unknown, 410 for a version that is a deletion.
pub async fn vread(call: &Call<'_>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let shown = shown(call)?;
    let key = call.key()?;
    let version = call.target.version.ok_or_else(|| Fault::not_found(format!("{key} has no such version")))?;
    let stored = call.session.vread(&key, version).await?;
    answer(call, &shown, stored)
}

fn shown(call: &Call<'_>) -> Result<Shown> {
    if call.params.pairs.is_empty() { Ok(Shown::default()) } else { Shown::of_one(call, call.kind()?) }
}

fn answer(call: &Call<'_>, shown: &Shown, stored: Stored) -> Result<Answer> {
    let kind = stored.key.kind;
    let mut answer = shown.answer(kind, Answer::read(stored, call.conditions)?)?;
    // A part is not what is at the URL of the version.
    answer.is_part = shown.part.is_some();
    Ok(answer)
}
