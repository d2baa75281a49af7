//! The bindings of an element, from its definition (FHIR R4 `elementdefinition.html`, `ElementDefinition.binding`).

use super::rules::Binding;
use crate::fhir::json::{Json, Object};

/// The binding of an element, if codes must or should come from it.
pub fn binding(element: &Object) -> Option<Binding> {
    let binding = element.get("binding")?;
    let is_required = match binding.get("strength").and_then(Json::as_str)? {
        "required" => true,
        "extensible" => false,
        _ => return None,
    };
    Some(Binding { is_required, value_set: binding.get("valueSet")?.as_str()?.into() })
}

/// The required bindings beside the binding, as R5 and its extension for R4 have them, where they always hold.
pub fn additional(element: &Object) -> Box<[Binding]> {
    let list =
        |name: &str| element.get("binding").and_then(|b| b.get(name)).and_then(Json::as_array).unwrap_or_default();
    let is_it = |json: &&Json| {
        json.get("url").and_then(Json::as_str).is_some_and(|url| {
            url.ends_with("/additional-binding") || url.ends_with("extension-ElementDefinition.binding.additional")
        })
    };
    let part = |json: &Json, name: &str| -> Option<Box<str>> {
        if let Some(text) = json.get(name).and_then(Json::as_str) {
            return Some(text.into());
        }
        let parts = json.get("extension").and_then(Json::as_array).unwrap_or_default();
        let part = parts.iter().find(|part| part.get("url").and_then(Json::as_str) == Some(name))?;
        part.as_object()?.iter().find(|(name, _)| name.as_str().starts_with("value"))?.1.as_str().map(Into::into)
    };
    let binding = |json: &Json| {
        let always = part(json, "usage").is_none() && part(json, "purpose").as_deref() == Some("required");
        always.then(|| Some(Binding { is_required: true, value_set: part(json, "valueSet")? }))?
    };
    list("extension").iter().filter(is_it).chain(list("additional")).filter_map(binding).collect()
}
