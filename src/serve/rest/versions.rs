//! `GET [base]/$versions` (FHIR R4 `capabilitystatement-operation-versions.html`): which versions of FHIR are spoken here.

use super::call::{Answer, Call};
use crate::base::fault::Result;
use crate::fhir::json::{Json, write};

/// The version, as the parameter `fhirVersion` of a media type has it.
const VERSION: &str = "4.0";

/// Parameters with `version` and `default`.
///
/// # Errors
/// 400 for parameters under `Prefer: handling=strict`.
pub fn operation(call: &Call<'_>) -> Result<Answer> {
    call.only(&[])?;
    let one = |name| Json::object([("name", Json::string(name)), ("valueCode", Json::string(VERSION))]);
    let parameters = Json::object([
        ("resourceType", Json::string("Parameters")),
        ("parameter", Json::Array(vec![one("version"), one("default")])),
    ]);
    let mut out = Vec::new();
    write(&parameters, &mut out);
    Ok(Answer::whole(out.into()))
}
