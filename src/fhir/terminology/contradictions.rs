//! Parameters that contradict one another: what an operation is about is named twice, in ways that do not mean the same. None of them
//! may count in silence, so the request is refused.

use std::sync::Arc;

use super::bound::value_set_of;
use super::face::Library;
use super::memory::{coding, list, text};
use super::operation::Operation;
use super::params::Params;
use super::version;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::Json;

/// Parameters that may be given more than once, and those that change nothing here.
const REPEATED: [&str; 22] = [
    "_format",
    "_pretty",
    "cache-id",
    "check-system-version",
    "codeSystem",
    "conceptMap",
    "default-valueset-version",
    "dependency",
    "designation",
    "diagnostics",
    "exclude-system",
    "force-system-version",
    "issues",
    "no-cache",
    "profile",
    "property",
    "system-version",
    "tx-resource",
    "useSupplement",
    "uuid",
    "validation",
    "valueSetMode",
];

/// Refuses parameters that contradict one another, or the resource of the path.
///
/// # Errors
/// 400 for a parameter of one value that has two, and for two that name different things.
pub fn check(library: &dyn Library, operation: Operation, params: &Params, own: Option<&Arc<Json>>) -> Result<()> {
    let own = own.map(|own| &**own);
    once(params)?;
    match operation {
        Operation::Expand | Operation::ValidateInValueSet => value_sets(library, params, own)?,
        Operation::Compare => {
            definition(params, "thisUrl", "thisVersion", "thisValueSet", own)?;
            definition(params, "otherUrl", "otherVersion", "otherValueSet", None)?;
        }
        Operation::ValidateInCodeSystem => definition(params, "url", "", "codeSystem", own)?,
        Operation::Lookup | Operation::FindMatches | Operation::Subsumes => code_system(params, own)?,
        Operation::Translate => {
            definition(params, "url", "conceptMapVersion", "conceptMap", own)?;
            let name = "conceptMapVersion";
            if let (Some(own), Some(wanted)) = (own, params.text(name)?) {
                agree(name, wanted, "the concept map of the path", text(own, "version").unwrap_or(""))?;
            }
        }
        Operation::BatchValidate => return Ok(()),
    }
    codings(operation, params)
}

fn contradiction(name: &str, value: &str, other: &str, of_other: &str) -> Fault {
    let message = format!("the parameter {name} says '{value}', but {other} is '{of_other}'");
    Fault::invalid(message).at(name)
}

fn agree(name: &str, value: &str, other: &str, of_other: &str) -> Result<()> {
    if value == of_other { Ok(()) } else { Err(contradiction(name, value, other, of_other)) }
}

/// A parameter of one value that is given again has the same one.
fn once(params: &Params) -> Result<()> {
    let plain = |json: &Json| match json {
        Json::String(text) => Some(text.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    for (name, value) in params.iter().filter(|(name, _)| !REPEATED.contains(name)) {
        let first = params.get(name).unwrap_or(value);
        let is_same = first == value || plain(first).is_some_and(|first| plain(value) == Some(first));
        if !is_same {
            return Err(Fault::invalid(format!("the parameter {name} is given more than once")).at(name));
        }
    }
    Ok(())
}

/// A definition that is named by its URL, given as a resource, or the one of the path: all that is said means one.
fn definition(params: &Params, url: &str, version: &str, resource: &str, own: Option<&Json>) -> Result<()> {
    let given = params.object(resource)?;
    let of_version = if version.is_empty() { None } else { params.text(version)? };
    if let Some(canonical) = params.text(url)? {
        let (plain, in_url) = version::split(canonical);
        for (json, shown) in [(given, resource), (own, "the resource of the path")] {
            let Some(json) = json else { continue };
            agree(url, plain, shown, text(json, "url").unwrap_or(""))?;
            if let Some(wanted) = in_url {
                agree(url, wanted, shown, text(json, "version").unwrap_or(""))?;
            }
        }
        if let (Some(of_version), Some(in_url)) = (of_version, in_url) {
            agree(version, of_version, url, in_url)?;
        }
    }
    let Some(json) = given else { return Ok(()) };
    if let (Some(wanted), Some(of_given)) = (of_version, text(json, "version")) {
        agree(version, wanted, resource, of_given)?;
    }
    // a value set in the place of that of the path is in the examples of $expand
    let (named, of_path) = (text(json, "url").unwrap_or(""), own.filter(|_| resource != "valueSet"));
    match of_path.map(|own| text(own, "url").unwrap_or("")) {
        Some(of_path) if named != of_path || named.is_empty() => {
            Err(contradiction(resource, named, "the resource of the path", of_path))
        }
        _ => Ok(()),
    }
}

/// The value set that is meant: also what an element is bound to.
fn value_sets(library: &dyn Library, params: &Params, own: Option<&Json>) -> Result<()> {
    definition(params, "url", "valueSetVersion", "valueSet", own)?;
    let Some(context) = params.text("context")? else { return Ok(()) };
    let resources = [params.object("valueSet")?, own].into_iter().flatten().map(|json| text(json, "url").unwrap_or(""));
    let named: Vec<&str> = params.text("url")?.into_iter().chain(resources).collect();
    if named.is_empty() {
        return Ok(());
    }
    let bound = value_set_of(library, params, context)?;
    let same = |url: &&str| version::split(url).0 == version::split(&bound).0;
    match named.into_iter().find(|url| !same(url)) {
        Some(other) => Err(contradiction("context", &bound, "the value set", other)),
        None => Ok(()),
    }
}

/// The code system of `$lookup`, `$subsumes` and `$find-matches`, which the path may name too.
fn code_system(params: &Params, own: Option<&Json>) -> Result<()> {
    let Some(own) = own else { return Ok(()) };
    for (name, element) in [("system", "url"), ("version", "version")] {
        if let (Some(value), Some(of_own)) = (params.text(name)?, text(own, element)) {
            agree(name, value, "the code system of the path", of_own)?;
        }
    }
    Ok(())
}

/// What stands beside a coding is said of it.
fn codings(operation: Operation, params: &Params) -> Result<()> {
    let version = if operation == Operation::ValidateInValueSet { "systemVersion" } else { "version" };
    let (system, of_version) = (params.text("system")?, params.text(version)?);
    for name in ["coding", "codingA", "codingB"] {
        let Some(one) = params.object(name).ok().flatten().map(coding) else { continue };
        // how codes of other systems relate is for $subsumes to say
        if let (Some(system), Some(of_coding), "coding") = (system, &one.system, name) {
            agree("system", system, &format!("that of {name}"), of_coding)?;
        }
        if let (Some(given), Some(of_coding)) = (of_version, &one.version) {
            agree(version, given, &format!("that of {name}"), of_coding)?;
        }
    }
    let Some(concept) = params.object("codeableConcept").ok().flatten() else { return Ok(()) };
    let all = list(concept, "coding");
    match system.filter(|system| !all.is_empty() && !all.iter().any(|one| text(one, "system") == Some(system))) {
        Some(system) => Err(contradiction("system", system, "that of codeableConcept", "another one")),
        None => Ok(()),
    }
}
