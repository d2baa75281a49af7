//! `List/$find` (FHIR R4 `list-operation-find.html`): the List of a patient that has a function, such as `$current-allergies`. It is
//! the newest of those whose entries `_list=$current-allergies` searches.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::ResourceId;
use crate::repo::Handling;
use crate::search::context::SearchContext;
use crate::search::parse::codes_of_list;

/// Most Lists that are looked at: of a patient few have a function.
const MOST: &str = "100";

/// The List.
///
/// # Errors
/// 400 without `patient` or `name`, for a patient that is no id, and for a function that is not known; 404 where there is no such List.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "find", &["patient", "name"])?;
    let patient = arguments.text("patient")?.ok_or_else(|| arguments.missing("a patient"))?;
    let (name, argument) = match (arguments.text("name")?, arguments.one("name")?) {
        (Some(name), Some(argument)) => (name, argument),
        _ => return Err(arguments.missing("a name")),
    };
    let codes = codes_of_list(name).map_err(|reason| argument.wrong(reason))?;
    let patient = ResourceId::parse(patient.strip_prefix("Patient/").unwrap_or(patient))?;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let pairs = [
        pair("subject", &format!("Patient/{}", patient.as_str())),
        pair("code", &codes),
        pair("status", "current"),
        pair("_sort", "-date,-_lastUpdated"),
        pair("_count", MOST),
    ];
    let found = call.session.search(SearchContext::Type(call.kind()?), &pairs, Handling::Strict).await?;
    for entry in found.entries {
        let Some(body) = &entry.stored.body else { continue };
        if parse_stored(body)?.get("mode").and_then(Json::as_str) == Some("working") {
            return Ok(Answer::whole(body.clone()));
        }
    }
    Err(Fault::not_found("the patient has no List of this function that is current and kept up to date"))
}
