//! `$subsumes` (FHIR R4 `codesystem-operation-subsumes.html`).

use super::composed::{self, is_composed};
use super::concept::Coding;
use super::context::Context;
use super::face::CodeSystem;
use super::issues::{self, issue};
use super::lookup::system;
use super::memory::coding;
use super::params::Params;
use super::validate_code::{parameter, parameters};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// How two codes of a system relate: `equivalent`, `subsumes`, `subsumed-by` or `not-subsumed`.
///
/// # Errors
/// 422 for a code that the system does not have, and for expressions of SNOMED CT of which that cannot be said.
pub fn relation(system: &dyn CodeSystem, a: &str, b: &str) -> Result<&'static str> {
    let known = |code: &str| -> Result<Box<str>> {
        let found = system.find(code)?.map(|concept| concept.code.clone());
        found.ok_or_else(|| {
            let text = format!("Unknown code '{code}' in the CodeSystem '{}'", system.about().url);
            issues::fault(
                Category::Unprocessable,
                issue("error", "code-invalid", "invalid-code", "Unknown_Code_in", text),
            )
        })
    };
    let (a, b) = (known(a)?, known(b)?);
    if a == b {
        return Ok("equivalent");
    }
    if [&a, &b].into_iter().any(|code| is_composed(&system.about().url, code)) {
        return composed::relation(&a, &b, &|above, below| system.subsumes(above, below));
    }
    if system.subsumes(&a, &b)? {
        return Ok("subsumes");
    }
    Ok(if system.subsumes(&b, &a)? { "subsumed-by" } else { "not-subsumed" })
}

/// Whether code A subsumes code B; `own` is the code system of the path.
///
/// # Errors
/// 400 for parameters that do not name two codes of one system; 404 for a code system that is not known; 422 for codes it does not have.
pub fn subsumes(context: &Context<'_>, params: &Params, own: Option<(&str, Option<&str>)>) -> Result<Json> {
    let one = |code: &str, name: &str| -> Result<Coding> {
        match (params.text(code)?, params.object(name)?) {
            (Some(code), None) => Ok(Coding { code: Some(code.into()), ..Coding::default() }),
            (None, Some(json)) => Ok(coding(json)),
            _ => Err(Fault::coded(Category::Invalid, "required", format!("one of {code} and {name} is given"))),
        }
    };
    let (a, b) = (one("codeA", "codingA")?, one("codeB", "codingB")?);
    let named = params.text("system")?.map(Box::from).or_else(|| own.map(|(url, _)| url.into()));
    let url = named.or_else(|| a.system.clone()).or_else(|| b.system.clone());
    let Some(url) = url else {
        return Err(Fault::coded(Category::Invalid, "required", "the code system is named by system"));
    };
    for other in [&a.system, &b.system].into_iter().flatten() {
        if *other != url {
            let text = format!("how {other} relates to {url} is not known");
            return Err(Fault::coded(Category::Invalid, "not-supported", text));
        }
    }
    let version = params.text("version")?.or(own.and_then(|(_, version)| version));
    let version = version.or(a.version.as_deref()).or(b.version.as_deref());
    let system = system(context, &url, version)?;
    let code = |coding: &Coding, name: &str| {
        let code = coding.code.clone();
        code.ok_or_else(|| Fault::coded(Category::Invalid, "required", format!("{name} has no code")))
    };
    let outcome = relation(&*system, &code(&a, "codingA")?, &code(&b, "codingB")?)?;
    Ok(parameters(vec![parameter("outcome", "valueCode", Json::string(outcome))]))
}
