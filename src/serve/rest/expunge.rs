//! `DELETE [base]/[type]/[id]/_history`, the same with a version, and `$expunge` on the system, a type, or a resource: content
//! is taken away for good. FHIR R4 has no such interaction ("servers are free to completely delete the resource and its
//! history", `http.html` 3.1.0.7); the operation is the one that users of HAPI FHIR know.

use super::call::{Answer, Call};
use super::routes::Shape;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, write};
use crate::fhir::validate::structure;
use crate::repo::{ExpungeRequest, ExpungeScope};

/// Versions or resources of one call, where it does not say how many.
const LIMIT: usize = 1000;

/// Expunges the history of a resource but for its current version, or one version of it.
///
/// # Errors
/// 404 for what is not known; 409 for the current version; 403 for those who may not.
pub async fn history(call: &Call<'_>) -> Result<Answer> {
    call.only(&[])?;
    let key = call.key()?;
    let scope = match (call.target.shape, call.target.version) {
        (Shape::Version, Some(version)) => ExpungeScope::Version(key, version),
        (Shape::Version, None) => return Err(Fault::not_found(format!("{key} has no such version"))),
        _ => ExpungeScope::Instance(key),
    };
    let request = ExpungeRequest { scope, deleted: false, previous: true, everything: false, limit: usize::MAX };
    call.session.expunge(&request).await?;
    Ok(Answer { status: 204, ..Answer::default() })
}

/// `$expunge`: answers how many versions were expunged.
///
/// # Errors
/// 400 for a body that is no Parameters, or asks for nothing; 404 for a resource that is not known; 403 for those who may not.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    call.only(&[])?;
    let scope = match (call.target.kind, &call.target.id) {
        (None, _) => ExpungeScope::System,
        (Some(kind), None) => ExpungeScope::Type(kind),
        (Some(_), Some(_)) => ExpungeScope::Instance(call.key()?),
    };
    let mut request = ExpungeRequest { scope, deleted: false, previous: false, everything: false, limit: LIMIT };
    if let Some(body) = body {
        read(body, &mut request)?;
    }
    if !(request.deleted || request.previous || request.everything) {
        let message = "say what: expungeDeletedResources, expungePreviousVersions, or expungeEverything";
        return Err(Fault::coded(Category::Invalid, "required", message));
    }
    let count = call.session.expunge(&request).await?;
    let count = Json::integer(i64::try_from(count).unwrap_or(i64::MAX));
    let count = Json::object([("name", Json::string("count")), ("valueInteger", count)]);
    let parameters =
        Json::object([("resourceType", Json::string("Parameters")), ("parameter", Json::Array(vec![count]))]);
    let mut out = Vec::new();
    write(&parameters, &mut out);
    Ok(Answer::whole(out.into()))
}

fn read(body: &Json, request: &mut ExpungeRequest) -> Result<()> {
    if body.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
        return Err(Fault::invalid("the body of an operation is a Parameters resource"));
    }
    structure(body)?;
    let parameters = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
    for (at, parameter) in parameters.iter().enumerate() {
        let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default();
        let wrong = |what: &str| Fault::invalid(format!("{name} is {what}")).at(format!("Parameters.parameter[{at}]"));
        let flag = || parameter.get("valueBoolean").and_then(Json::as_bool).ok_or_else(|| wrong("a valueBoolean"));
        match name {
            "expungeDeletedResources" => request.deleted = flag()?,
            "expungePreviousVersions" => request.previous = flag()?,
            "expungeEverything" => request.everything = flag()?,
            "limit" => {
                let number = parameter.get("valueInteger").and_then(Json::as_number);
                let number = number.and_then(|number| number.as_str().parse().ok()).filter(|limit| *limit > 0);
                request.limit = number.ok_or_else(|| wrong("a valueInteger of at least 1"))?;
            }
            other => {
                let shown: String = other.chars().take(60).flat_map(char::escape_debug).collect();
                let fault = Fault::unsupported(format!("$expunge has no parameter \"{shown}\""));
                return Err(fault.at(format!("Parameters.parameter[{at}]")));
            }
        }
    }
    Ok(())
}
