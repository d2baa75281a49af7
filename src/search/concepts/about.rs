//! What the CodeSystem resource of a large code system says.

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::terminology::{About, Content, Hierarchy, PropertyDefinition, PropertyKind};

/// Reads the resource.
///
/// # Errors
/// 500 when it cannot be read.
pub fn about(text: &str) -> Result<About> {
    let resource = parse_stored(text.as_bytes()).map_err(|fault| fault.context("a stored CodeSystem"))?;
    let string = |name: &str| resource.get(name).and_then(Json::as_str).map(Box::<str>::from);
    let truth = |name: &str| resource.get(name).and_then(Json::as_bool).unwrap_or_default();
    let url = string("url").ok_or_else(|| Fault::internal("a stored CodeSystem has no url"))?;
    let properties = resource.get("property").and_then(Json::as_array).unwrap_or_default();
    let count = resource.get("count").and_then(Json::as_number).and_then(|count| count.as_str().parse().ok());
    let implied = match &*url {
        "http://loinc.org" => Some("http://loinc.org/vs".into()),
        "http://www.nlm.nih.gov/research/umls/rxnorm" => Some(format!("{url}/vs").into()),
        _ => None,
    };
    Ok(About {
        version: string("version"),
        name: string("name"),
        title: string("title"),
        status: string("status").unwrap_or_else(|| "unknown".into()),
        experimental: truth("experimental"),
        content: string("content").and_then(|code| Content::parse(&code)).unwrap_or_default(),
        case_sensitive: truth("caseSensitive"),
        hierarchy: string("hierarchyMeaning").and_then(|code| Hierarchy::parse(&code)).unwrap_or_default(),
        compositional: truth("compositional"),
        version_needed: truth("versionNeeded"),
        language: string("language"),
        properties: properties.iter().filter_map(property).collect(),
        value_set: string("valueSet").or(implied),
        enumerable: true,
        count,
        date: string("date"),
        is_published: string("date").is_some(),
        url,
        ..About::default()
    })
}

fn property(json: &Json) -> Option<PropertyDefinition> {
    let string = |name: &str| json.get(name).and_then(Json::as_str).map(Box::<str>::from);
    Some(PropertyDefinition {
        code: string("code")?,
        uri: string("uri"),
        description: string("description"),
        kind: string("type").and_then(|code| PropertyKind::parse(&code)).unwrap_or(PropertyKind::String),
    })
}
