//! References of a resource that lead to no contained one, any of which may be the one that should (FHIR R4 `references.html#contained`).

use super::known::TYPES;
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, property, resource_type_id};
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

/// Most that are looked at.
const MOST: usize = 100;

/// A reference, or a canonical URL, that does not lead to a contained resource.
pub struct Astray<'j> {
    /// Where it is.
    place: String,
    property: &'static Property,
    /// What it says, if it says anything.
    text: Option<&'j str>,
}

impl Astray<'_> {
    /// Where it is.
    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// Whether its element may refer to a resource of the type of a contained one, and it does not name one of another type.
    pub fn could_lead_to(&self, contained: &Json) -> bool {
        let kind = contained.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find);
        let Some(kind) = kind else { return false };
        let mut segments = self.text.into_iter().flat_map(|text| text.split(['/', '?', '#']));
        let is_other = segments.find_map(ResourceType::find).is_some_and(|named| named != kind);
        !is_other && (self.property.targets.is_empty() || self.property.targets.contains(&kind))
    }
}

/// The references and canonical URLs of a resource that lead to no contained one.
pub fn references<'j>(resource: &'j Json, path: &Path<'_>) -> Vec<Astray<'j>> {
    let mut found = Vec::new();
    let kind = resource.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find);
    if let Some(kind) = kind {
        walk(resource, resource_type_id(kind), path, &mut found);
    }
    found
}

fn walk<'j>(json: &'j Json, owner: TypeId, path: &Path<'_>, found: &mut Vec<Astray<'j>>) {
    for (name, value) in json.as_object().into_iter().flat_map(|object| object.iter()) {
        if let Some(property) = property(owner, name) {
            let path = path.child(property.element);
            match value.as_array() {
                Some(items) => {
                    items.iter().enumerate().for_each(|(n, item)| step(item, property, &path.item(n), found))
                }
                None => step(value, property, &path, found),
            }
        }
    }
}

fn step<'j>(json: &'j Json, property: &'static Property, path: &Path<'_>, found: &mut Vec<Astray<'j>>) {
    if found.len() >= MOST {
        return;
    }
    let kind = Some(property.type_id);
    let mut add = |text: Option<&'j str>, place: String| {
        if !text.is_some_and(|text| text.starts_with('#')) {
            found.push(Astray { place, property, text });
        }
    };
    if kind == TYPES.canonical {
        add(json.as_str(), path.to_string());
    } else if kind == TYPES.reference {
        match json.get("reference").and_then(Json::as_str) {
            Some(text) => add(Some(text), path.child("reference").to_string()),
            None => add(None, path.to_string()),
        }
    } else if kind == TYPES.any {
        found.extend(references(json, path));
    } else if property.type_id.kind() != TypeKind::Primitive {
        walk(json, property.type_id, path, found);
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, Registry, validate};

    #[test]
    fn what_might_refer_to_a_contained_resource_is_named() {
        let told = |references: &str| {
            let text = format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                "contained":[{{"resourceType":"Patient","id":"p"}}]{references}}}"#
            );
            let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], Options::default());
            issues.into_iter().flat_map(|issue| issue.also).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(""), "Observation.contained[0].id Observation");
        assert_eq!(told(r##","subject":{"reference":"#p"}"##), "");
        assert_eq!(
            told(
                r#","subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/1"},{"display":"x"},
                {"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}],"encounter":{"reference":"Encounter/1"}"#
            ),
            "Observation.contained[0].id Observation Observation.subject.reference Observation.performer[1] Observation.performer[2].reference"
        );
        let form = r#"{"resourceType":"Questionnaire","status":"draft","contained":[{"resourceType":"ValueSet","id":"v","status":"draft"}],
            "item":[{"linkId":"a","type":"choice","answerValueSet":"v"}]}"#;
        let issues = validate(Registry::core(), &parse(form.as_bytes()).expect("JSON"), &[], Options::default());
        let orphan = issues.iter().find(|issue| issue.diagnostics.starts_with("dom-3")).expect("an orphan");
        assert_eq!(
            orphan.also,
            ["Questionnaire.contained[0].id", "Questionnaire", "Questionnaire.item[0].answerValueSet"]
        );
    }
}
