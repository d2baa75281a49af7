//! `POST [base]/$convert` (FHIR R4 `resource-operation-convert.html`): the resource that is sent, in the format that is asked
//! for. The body is read by its `Content-Type` and the answer is written by `Accept`, as everywhere; nothing is stored.

use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, write};
use crate::fhir::validate::structure;

/// The resource of the body, or that of its parameter `input`.
///
/// # Errors
/// 400 where there is none, or it does not have the structure of R4: then it cannot be told in the other format.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    call.only(&[])?;
    let missing = || Fault::coded(Category::Invalid, "required", "$convert needs a resource as its body");
    let body = body.ok_or_else(missing)?;
    structure(body)?;
    let mut out = Vec::new();
    write(input(body).unwrap_or(body), &mut out);
    Ok(Answer::whole(out.into()))
}

/// The resource of Parameters that have nothing but `input`; other Parameters are what is to be converted.
fn input(body: &Json) -> Option<&Json> {
    let is_parameters = body.get("resourceType").and_then(Json::as_str) == Some("Parameters");
    let [one] = body.get("parameter").filter(|_| is_parameters)?.as_array()? else { return None };
    one.get("resource").filter(|_| one.get("name").and_then(Json::as_str) == Some("input"))
}
