//! The profiles of extensions for elements of other FHIR versions, compiled when they are first asked for. All of them
//! take 75 MiB.

use std::sync::{LazyLock, OnceLock};

use super::rules::Profile;
use crate::fhir::definitions::crossed;
use crate::fhir::json::Json;

/// Each by its number in the list of these elements.
static PROFILES: LazyLock<Vec<Made>> = LazyLock::new(|| (0..crossed::count()).map(|_| OnceLock::new()).collect());

/// A profile, or why it cannot be used.
type Made = OnceLock<Box<Result<Profile, String>>>;

/// The profile with a URL, if it is of such an extension; `make` compiles its definition.
pub fn profile(
    url: &str,
    make: impl FnOnce(&Json) -> Result<Profile, String>,
) -> Option<Result<&'static Profile, &'static str>> {
    let at = crossed::find(url)?;
    let made = PROFILES.get(at)?.get_or_init(|| Box::new(make(&crossed::definition(at, url))));
    Some(made.as_ref().as_ref().map_err(String::as_str))
}
