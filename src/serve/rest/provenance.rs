//! `X-Provenance` (FHIR R4 `provenance.html`, 6.3.4.2.1): a Provenance in a header of a create or an update, stored in the
//! same transaction with the resource as its target.

use http::{HeaderMap, HeaderName};

use super::create::of_type;
use super::extract;
use super::routes::Interaction;
use crate::base::fault::{Fault, Result};
use crate::base::id::IdSource;
use crate::fhir::json::Json;
use crate::fhir::reading;
use crate::fhir::types::ResourceType;
use crate::repo::{Change, WriteEntry};

const HEADER: HeaderName = HeaderName::from_static("x-provenance");

/// The entries of a write: the change, and with it the Provenance of the header, whose target is what was changed.
///
/// # Errors
/// 400 for a header that is no Provenance or has a target itself, and with an interaction that it does not go with.
pub fn entries(
    interaction: Interaction,
    headers: &HeaderMap,
    change: Change,
    ids: &IdSource,
    nesting: usize,
) -> Result<Vec<WriteEntry>> {
    let mut entries = vec![WriteEntry { index: None, full_url: None, change }];
    if !headers.contains_key(HEADER) {
        return Ok(entries);
    }
    if !matches!(interaction, Interaction::Create | Interaction::Update) {
        none(headers)?;
    }
    let in_header = |fault: Fault| fault.context("X-Provenance");
    let text = extract::text(headers, &HEADER)?.unwrap_or_default();
    let mut resource = reading::of_json(text.as_bytes(), nesting).map_err(in_header)?;
    let kind = ResourceType::parse("Provenance")?;
    of_type(&resource, kind).map_err(in_header)?;
    if resource.get("target").is_some() {
        let message = "X-Provenance: the target is filled in by the server";
        return Err(Fault::invalid(message).at("Provenance.target"));
    }
    let url = format!("urn:uuid:{}", ids.uuid());
    let target = Json::Array(vec![Json::object([("reference", Json::string(url.as_str()))])]);
    if let Some(object) = resource.as_object_mut() {
        object.set("target", target);
    }
    entries[0].full_url = Some(url);
    let change = Change::Create { kind, resource, if_none_exist: None };
    entries.push(WriteEntry { index: None, full_url: None, change });
    Ok(entries)
}

/// Refuses the header where it is not understood: to ignore it would lose what it says.
///
/// # Errors
/// 400 then.
pub fn none(headers: &HeaderMap) -> Result<()> {
    match headers.contains_key(HEADER) {
        false => Ok(()),
        true => {
            let message = "X-Provenance goes with a create or an update; a Bundle holds the Provenance itself";
            Err(Fault::unsupported(message))
        }
    }
}
