//! The profiles of extensions for elements of other FHIR versions, compiled when they are first asked for.

use std::sync::{LazyLock, OnceLock};

use super::registry::Registry;
use super::rules::Profile;
use crate::fhir::definitions::crossed;

/// Each by its number in the list of these elements.
static PROFILES: LazyLock<Vec<Made>> = LazyLock::new(|| (0..crossed::count()).map(|_| OnceLock::new()).collect());

/// A profile, or why it cannot be used.
type Made = OnceLock<Box<Result<Profile, String>>>;

/// The profile with a URL, if it is of such an extension.
pub fn profile(url: &str) -> Option<Result<&'static Profile, &'static str>> {
    let at = crossed::find(url)?;
    let made = PROFILES.get(at)?.get_or_init(|| Box::new(Registry::core().made(&crossed::definition(at, url))));
    Some(made.as_ref().as_ref().map_err(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::definitions::crossed;

    #[test]
    fn all_of_them_can_be_used() {
        let broken: Vec<String> = (0..crossed::count())
            .step_by(97)
            .filter_map(|at| Registry::core().made(&crossed::definition(at, "http://example.org/x")).err())
            .collect();
        assert_eq!(broken, Vec::<String>::new());
    }
}
