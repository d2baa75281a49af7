//! What terminology operations say went wrong, with the codes and texts that terminology clients look for (`tx-issue-type`).

use super::version::choices;
use crate::base::fault::{Category, Detail, Fault, Issue};

/// The code system of what exactly an issue is.
const TYPES: &str = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type";

/// An issue: severity, issue code, exact code, key of the message, text.
pub fn issue(severity: &'static str, code: &'static str, exact: &'static str, id: &'static str, text: String) -> Issue {
    let detail = Detail { system: TYPES, code: exact, message_id: id };
    Issue { severity, detail: Some(detail), ..Issue::error(code, text) }
}

/// A fault of one issue.
pub fn fault(category: Category, issue: Issue) -> Fault {
    Fault::of(category, vec![issue])
}

/// The value set is not known (404).
pub fn value_set_unknown(canonical: &str) -> Fault {
    fault(Category::NotFound, value_set_missing(canonical))
}

/// The value set is not known.
pub fn value_set_missing(canonical: &str) -> Issue {
    let text = format!("A definition for the value Set '{canonical}' could not be found");
    issue("error", "not-found", "not-found", "Unable_to_resolve_value_Set_", text)
}

/// A value set that another one includes is not known (404).
pub fn included_unknown(url: &str, version: Option<&str>) -> Fault {
    let (id, text) = match version {
        Some(version) => {
            ("VS_EXP_IMPORT_UNK_PINNED", format!("Unable to find included value set '{url}' version '{version}'"))
        }
        None => ("VS_EXP_IMPORT_UNK", format!("Unable to find included value set '{url}'")),
    };
    fault(Category::NotFound, issue("error", "not-found", "not-found", id, text))
}

/// A code system is not known, or not in a version: what that prevents stands at the end.
pub fn system_missing(url: &str, version: Option<&str>, known: &[Box<str>], expands: bool) -> Issue {
    let so = if expands { "the value set cannot be expanded" } else { "the code cannot be validated" };
    let (id, text) = match version {
        None => {
            let id = if expands { "UNKNOWN_CODESYSTEM_EXP" } else { "UNKNOWN_CODESYSTEM" };
            (id, format!("A definition for CodeSystem '{url}' could not be found, so {so}"))
        }
        Some(version) if choices(known).is_empty() => {
            let id = if expands { "UNKNOWN_CODESYSTEM_VERSION_EXP_NONE" } else { "UNKNOWN_CODESYSTEM_VERSION_NONE" };
            let text = format!(
                "A definition for CodeSystem '{url}' version '{version}' could not be found, so {so}. No versions of this code system are known"
            );
            (id, text)
        }
        Some(version) => {
            let id = if expands { "UNKNOWN_CODESYSTEM_VERSION_EXP" } else { "UNKNOWN_CODESYSTEM_VERSION" };
            let text = format!(
                "A definition for CodeSystem '{url}' version '{version}' could not be found, so {so}. Valid versions: {}",
                choices(known)
            );
            (id, text)
        }
    };
    issue("error", "not-found", "not-found", id, text)
}

/// A version is other than a parameter demands.
pub fn version_refused(url: &str, version: &str, demanded: &str) -> Issue {
    let text = format!(
        "The version '{version}' is not allowed for system '{url}': required to be '{demanded}' by a version-check parameter"
    );
    issue("error", "exception", "version-error", "VALUESET_VERSION_CHECK", text)
}

/// A supplement that is asked for is not known (404).
pub fn supplement_missing(canonical: &str) -> Fault {
    let text = format!("Required supplement not found: {canonical}");
    fault(Category::NotFound, issue("error", "not-found", "not-found", "VALUESET_SUPPLEMENT_MISSING", text))
}

/// Value sets that include one another (422).
pub fn circle(pointing: &str, path: &[String]) -> Fault {
    let text =
        format!("Found a circularity pointing to {pointing} processing ValueSet with pathway [{}]", path.join(", "));
    fault(Category::Unprocessable, issue("error", "processing", "vs-invalid", "VALUESET_CIRCULAR_REFERENCE", text))
}

/// A filter without a value (422).
pub fn filter_empty(system: &str, property: &str, op: &str, place: String) -> Fault {
    let text = format!("The system {system} filter with property = {property}, op = {op} has no value");
    let id = "UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE";
    fault(Category::Unprocessable, issue("error", "invalid", "vs-invalid", id, text).at(place))
}

/// An expansion is larger than the bound (422).
pub fn too_costly(value_set: &str, bound: usize) -> Fault {
    let text = format!("The value set '{value_set}' expansion has too many codes to produce (>{bound})");
    fault(Category::Unprocessable, issue("error", "too-costly", "too-costly", "VALUESET_TOO_COSTLY", text))
}
