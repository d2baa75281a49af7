//! Which resource a URL means: by its id, or by a search (FHIR R4 `http.html`, 3.1.0.4.3).

use super::call::Call;
use super::params;
use super::subset::PARAMS;
use crate::base::fault::{Category, Fault, Result};
use crate::repo::Which;

/// Which resource an update, patch or delete means: that of the URL, or the one that its parameters select.
///
/// # Errors
/// 400 for parameters where there is an id, and for none where there is not.
pub fn which(call: &Call<'_>) -> Result<Which> {
    if call.target.id.is_some() {
        call.only(&PARAMS)?;
        return Ok(Which::Key(call.key()?));
    }
    let filters: Vec<_> =
        call.params.pairs.iter().filter(|(name, _)| !PARAMS.contains(&name.as_str())).cloned().collect();
    if filters.is_empty() {
        return Err(Fault::coded(Category::Invalid, "required", "without an id, the URL needs search parameters"));
    }
    Ok(Which::Found { kind: call.kind()?, query: params::query(&filters) })
}
