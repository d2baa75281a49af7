//! `$everything` of a Patient, of all Patients, of an Encounter, of a Group, and of MedicinalProducts (FHIR R4
//! `patient-operation-everything.html` and its like): a search of its own kind, with the pages of every search.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::search;
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// The parameters of all of them; what is shown of the resources is not in the specification.
const COMMON: [&str; 5] = ["_since", "_type", "_count", "_summary", "_elements"];

/// A page of the record, or all of it.
///
/// # Errors
/// 400 for a wrong parameter; 404 and 410 for what the record is of, as for reads; 410 for a page that is no longer held.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    if call.params.get("_page").is_some() {
        return search::search(call).await;
    }
    let has_care = matches!(call.kind()?.name(), "Patient" | "Group");
    let care: &[&str] = if has_care { &["start", "end"] } else { &[] };
    let known: Vec<&str> = COMMON.iter().chain(care).copied().collect();
    let arguments = Arguments::read(call, body, "everything", &known)?;
    let mut pairs = Vec::new();
    for argument in arguments.iter() {
        let text = argument.text().ok_or_else(|| argument.wrong("it needs a value of a primitive type"))?;
        pairs.push((argument.name.to_owned(), text.to_owned()));
    }
    several_types(&mut pairs);
    if call.target.id.is_some() {
        call.session.read(&call.key()?).await?;
    }
    search::asked(call, &pairs).await
}

/// Types may be repeated as well as parted by commas: both mean one of them. A search takes a second `_type` to narrow the first.
fn several_types(pairs: &mut Vec<(String, String)>) {
    let names: Vec<String> = pairs.iter().filter(|(name, _)| name == "_type").map(|(_, value)| value.clone()).collect();
    if names.len() > 1 {
        pairs.retain(|(name, _)| name != "_type");
        pairs.push(("_type".to_owned(), names.join(",")));
    }
}
