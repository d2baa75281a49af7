//! `NamingSystem/$preferred-id` (FHIR R4 `operation-namingsystem-preferred-id.html`): another identifier of a system of identifiers
//! or codes, as the NamingSystem resources here have it, else those of the packages in use.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::repo::{Handling, PackagesInUse};
use crate::search::context::SearchContext;
use crate::search::kind::escape::escape;

/// The types of identifiers.
const TYPES: [&str; 4] = ["oid", "uuid", "uri", "other"];

/// Parameters with the identifier as `result`.
///
/// # Errors
/// 400 without `id` or `type`, for a type that is none, and where several systems or identifiers would do; 404 where there is none.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "preferred-id", &["id", "type"])?;
    let id = arguments.text("id")?.ok_or_else(|| arguments.missing("an id"))?;
    let wanted = arguments.text("type")?.ok_or_else(|| arguments.missing("a type"))?;
    if let Some(argument) = arguments.one("type")?.filter(|_| !TYPES.contains(&wanted)) {
        return Err(argument.wrong("it is oid, uuid, uri or other"));
    }
    let spellings = spellings(id);
    let value = spellings.iter().map(|text| escape(text)).collect::<Vec<_>>().join(",");
    let pairs = [("value:exact".to_owned(), value), ("_count".to_owned(), "2".to_owned())];
    let found = call.session.search(SearchContext::Type(call.kind()?), &pairs, Handling::Strict).await?;
    let bodies: Vec<_> = found.entries.into_iter().filter_map(|entry| entry.stored.body).collect();
    let system = match &bodies[..] {
        [] => {
            let packages = call.session.packages_in_use();
            let looked = tokio::task::spawn_blocking(move || of_packages(&packages, &spellings)).await;
            looked.map_err(|_| Fault::internal("the search of packages stopped"))??
        }
        [body] => parse_stored(body)?,
        _ => return Err(several("naming systems have this identifier")),
    };
    let result = identifier(&system, wanted)?;
    let result = if wanted == "oid" { result.trim_start_matches("urn:oid:") } else { &result };
    let result = Json::object([("name", Json::string("result")), ("valueString", Json::string(result))]);
    let parameters =
        Json::object([("resourceType", Json::string("Parameters")), ("parameter", Json::Array(vec![result]))]);
    let mut out = Vec::new();
    write(&parameters, &mut out);
    Ok(Answer::whole(out.into()))
}

/// The NamingSystem of the packages that has one of some identifiers: of the last package with one, and there of those that
/// are not retired, if there are such.
fn of_packages(packages: &PackagesInUse, identifiers: &[String]) -> Result<Json> {
    let is_it = |system: &Json| {
        let all = system.get("uniqueId").and_then(Json::as_array).unwrap_or_default().iter();
        let mut values = all.filter_map(|id| id.get("value")?.as_str());
        values.any(|value| identifiers.iter().any(|identifier| identifier == value))
    };
    for used in packages.packages.iter().rev() {
        let mut found: Vec<Json> = used.packed.of_kind("NamingSystem").filter(is_it).collect();
        let is_retired = |system: &Json| system.get("status").and_then(Json::as_str) == Some("retired");
        if !found.iter().all(is_retired) {
            found.retain(|system| !is_retired(system));
        }
        match (found.pop(), found.is_empty()) {
            (Some(system), true) => return Ok(system),
            (Some(_), false) => return Err(several("naming systems have this identifier")),
            (None, _) => {}
        }
    }
    Err(Fault::not_found("no naming system with this identifier is known"))
}

fn several(what: &str) -> Fault {
    Fault::coded(Category::Invalid, "multiple-matches", format!("several {what}"))
}

/// An identifier as it may stand in a NamingSystem: OIDs and UUIDs also as URIs, and the other way round.
fn spellings(id: &str) -> Vec<String> {
    let mut all = vec![id.to_owned()];
    for prefix in ["urn:oid:", "urn:uuid:"] {
        match id.strip_prefix(prefix) {
            Some(bare) => all.push(bare.to_owned()),
            None if !id.contains(':') => all.push(format!("{prefix}{id}")),
            None => {}
        }
    }
    all
}

/// The identifier of a type: the preferred one, or the only one.
fn identifier(system: &Json, wanted: &str) -> Result<String> {
    let all = system.get("uniqueId").and_then(Json::as_array).unwrap_or_default().iter();
    let of_type: Vec<&Json> = all.filter(|id| id.get("type").and_then(Json::as_str) == Some(wanted)).collect();
    let preferred = of_type.iter().filter(|id| id.get("preferred").and_then(Json::as_bool) == Some(true));
    let mut found: Vec<&str> = preferred.filter_map(|id| id.get("value")?.as_str()).collect();
    if found.is_empty() {
        found = of_type.iter().filter_map(|id| id.get("value")?.as_str()).collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Fault::not_found("the naming system has no identifier of this type")),
        _ => Err(several("identifiers of this type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_are_found_however_they_are_written() {
        assert_eq!(spellings("1.2.3"), ["1.2.3", "urn:oid:1.2.3", "urn:uuid:1.2.3"]);
        assert_eq!(spellings("urn:oid:1.2.3"), ["urn:oid:1.2.3", "1.2.3"]);
        assert_eq!(spellings("http://loinc.org"), ["http://loinc.org"]);
    }
}
