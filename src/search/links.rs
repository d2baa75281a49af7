//! The resources of this server that a resource names in no search parameter: what `$everything` also follows.
//!
//! References stand anywhere, in extensions and contained resources too, and attachments name Binaries by their URL. What a
//! parameter yields is not repeated here, so that this is little.

use super::kind::reference::local;
use super::value::{Target, Value};
use crate::fhir::definitions::names;
use crate::fhir::definitions::params::ParamId;
use crate::fhir::json::{Json, Object};

/// The hashes of these resources, each once.
pub fn links(resource: &Object, values: &[(ParamId, Value)], base: &str) -> Vec<u64> {
    let mut found = Vec::new();
    in_object(resource, base, &mut found);
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return found;
    }
    let mut known: Vec<u64> = values.iter().filter_map(|(_, value)| target(value)).collect();
    known.sort_unstable();
    found.retain(|key| known.binary_search(key).is_err());
    found
}

fn target(value: &Value) -> Option<u64> {
    match value {
        Value::Reference(Target::Local(key)) => Some(key.hash64()),
        _ => None,
    }
}

fn in_object(object: &Object, base: &str, found: &mut Vec<u64>) {
    for (name, json) in object.iter() {
        match (name.id(), json) {
            (Some(names::REFERENCE | names::URL), Json::String(text)) => {
                found.extend(local(text, base).map(|key| key.hash64()));
            }
            (_, Json::Object(inner)) => in_object(inner, base, found),
            (_, Json::Array(items)) => in_array(items, base, found),
            _ => {}
        }
    }
}

fn in_array(items: &[Json], base: &str, found: &mut Vec<u64>) {
    for item in items {
        match item {
            Json::Object(inner) => in_object(inner, base, found),
            Json::Array(inner) => in_array(inner, base, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::json::parse;
    use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
    use crate::search::extract::extract;

    #[test]
    fn what_no_parameter_yields_is_found() {
        let resource = parse(
            br##"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"hasMember":[{"reference":"#c"}],
            "extension":[{"url":"http://x/Patient/9","valueReference":{"reference":"Encounter/2/_history/3"}},
                {"url":"http://y","valueAttachment":{"url":"http://h/fhir/Binary/4"}}],
            "contained":[{"resourceType":"Practitioner","id":"c","photo":[{"url":"Binary/5"}]}],
            "note":[{"authorReference":{"reference":"Practitioner/6"},"text":"Patient/7"},
                {"authorReference":{"reference":"http://other/fhir/Practitioner/8"}}]}"##,
        )
        .expect("JSON");
        let kind = ResourceType::find("Observation").expect("a type");
        let mut expected: Vec<u64> = ["Encounter/2", "Binary/4", "Binary/5", "Practitioner/6"]
            .iter()
            .map(|text| {
                let (kind, id) = text.split_once('/').expect("a key");
                let kind = ResourceType::find(kind).expect(kind);
                ResourceKey::new(kind, ResourceId::parse(id).expect(id)).hash64()
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(extract(kind, &resource, "http://h/fhir").links, expected);
    }
}
