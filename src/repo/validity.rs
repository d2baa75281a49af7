//! What a resource must be to be stored: as much as the tenant asks for (`docs/VALIDATION.md`).

use super::tenancy::Tenancy;
use crate::base::config::ValidationMode;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::Json;
use crate::fhir::subset::is_subset;
use crate::fhir::validate::{Options, Registry, shape, structure, validate_with};

/// A resource of more values than this is checked in a thread for CPU work.
const LIGHT: usize = 4000;

/// Checks a resource as it was sent, also what the server then assigns: as much as the tenant asks for, and that it is a whole
/// one (FHIR R4 `search.html`, 3.1.1.5.8).
///
/// # Errors
/// 400 for its structure; 422 for the rules of its type and profiles, with warnings beside the errors, and for a part of a
/// resource.
pub(super) fn checked(at: &Tenancy, resource: &Json) -> Result<()> {
    match at.validation.get() {
        ValidationMode::Off => shape(resource)?,
        mode => valid(at, mode, resource)?,
    }
    if !is_subset(resource) {
        return Ok(());
    }
    let message = "the resource is tagged SUBSETTED: it is a part of one, which is not stored";
    let place = format!("{}.meta.tag", resource.get("resourceType").and_then(Json::as_str).unwrap_or("Resource"));
    Err(Fault::coded(Category::Unprocessable, "business-rule", message).at(place))
}

fn valid(at: &Tenancy, mode: ValidationMode, resource: &Json) -> Result<()> {
    let options = options(at, mode);
    let (all, core) = (at.registry(), Registry::core());
    let answers = at.answers(&all);
    let registry = if mode >= ValidationMode::Profiles { &*all } else { core };
    if validate_with(registry, answers.as_deref(), resource, &[], options).iter().all(is_no_error) {
        return Ok(());
    }
    // What is not even a resource in its shape is malformed, whatever else is wrong with it.
    structure(resource)?;
    let mut issues =
        validate_with(registry, answers.as_deref(), resource, &[], Options { with_warnings: true, ..options });
    issues.sort_by_key(is_no_error);
    Err(Fault::of(Category::Unprocessable, issues))
}

/// What is told of a resource that was stored: warnings and notes.
pub(super) fn notes(at: &Tenancy, resource: &Json) -> Vec<Issue> {
    match at.validation.get() {
        ValidationMode::Off => Vec::new(),
        mode => {
            let options = Options { with_warnings: true, ..options(at, mode) };
            let all = at.registry();
            let answers = at.answers(&all);
            let registry = if mode >= ValidationMode::Profiles { &*all } else { Registry::core() };
            let mut issues = validate_with(registry, answers.as_deref(), resource, &[], options);
            // the mode may have changed since it was stored
            issues.retain(is_no_error);
            issues.extend(unusable(registry, resource));
            issues
        }
    }
}

/// Why a profile that was stored will be of no use.
fn unusable(registry: &Registry, resource: &Json) -> Option<Issue> {
    let text = |name: &str| resource.get(name).and_then(Json::as_str);
    if text("resourceType") != Some("StructureDefinition") || text("derivation") != Some("constraint") {
        return None;
    }
    let url = text("url")?;
    let canonical = text("version").map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"));
    let why = registry.profile(&canonical)?.err()?;
    Some(Issue::warning("not-supported", format!("as a profile it cannot be used: {why}")).at("StructureDefinition"))
}

/// Everything that there is to say of a resource, whatever the tenant asks for on writes.
///
/// # Errors
/// 404 for a profile that is asked for and not known, 422 for one that cannot be used.
pub(super) fn judged(at: &Tenancy, resource: &Json, profiles: &[String]) -> Result<Vec<Issue>> {
    let all = at.registry();
    let answers = at.answers(&all);
    let registry = &*all;
    for url in profiles {
        let shown: String = url.chars().take(200).flat_map(char::escape_debug).collect();
        match registry.profile(url).filter(|_| registry.has_version(url)) {
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                let message = format!("the profile {shown} cannot be used: {why}");
                return Err(Fault::coded(Category::Unprocessable, "not-supported", message));
            }
            None => return Err(Fault::not_found(format!("the profile {shown} is not known here"))),
        }
    }
    let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
    let options = Options {
        with_warnings: true,
        unknown_is_error: at.validation.get() == ValidationMode::Strict,
        by_meta: true,
        is_thorough: true,
        takes_unstorable: true,
        now: Some(at.clock.now()),
        ..Options::default()
    };
    Ok(validate_with(registry, answers.as_deref(), resource, &profiles, options))
}

fn options(at: &Tenancy, mode: ValidationMode) -> Options {
    Options {
        unknown_is_error: mode == ValidationMode::Strict,
        by_meta: mode >= ValidationMode::Profiles,
        is_thorough: mode == ValidationMode::Strict,
        for_storage: mode < ValidationMode::Strict,
        now: Some(at.clock.now()),
        ..Options::default()
    }
}

fn is_no_error(issue: &Issue) -> bool {
    !matches!(issue.severity, "error" | "fatal")
}

/// Whether a resource is checked in no time. Looks at no more of it than that takes.
pub(super) fn is_light(resource: &Json) -> bool {
    let mut left = LIGHT;
    let mut open = vec![resource];
    while let Some(json) = open.pop() {
        let inner = match json {
            Json::Array(items) => items.len(),
            Json::Object(object) => object.len(),
            _ => continue,
        };
        let Some(rest) = left.checked_sub(inner) else { return false };
        left = rest;
        match json {
            Json::Array(items) => open.extend(items),
            Json::Object(object) => open.extend(object.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_resources_are_not_light() {
        let of = |count: usize| Json::object([("item", Json::Array(vec![Json::Bool(true); count]))]);
        assert!(is_light(&of(10)) && is_light(&of(LIGHT - 1)) && !is_light(&of(LIGHT)));
        let nested = Json::Array(vec![of(LIGHT / 2), of(LIGHT / 2)]);
        assert!(!is_light(&nested));
    }
}
