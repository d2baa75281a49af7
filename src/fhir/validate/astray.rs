//! Where a contained resource that nothing refers to could be referred to from (FHIR R4 `references.html#contained`): references
//! of the resource around it that lead to no contained one, and elements that are absent.

use hashbrown::HashMap;

use super::known::TYPES;
use super::locations::PLACES;
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, properties, property, resource_type_id};
use crate::fhir::json::{Json, Object};
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

/// Most references that are looked at.
const MOST: usize = 100;

/// The places of a resource that may refer to a contained one and do not.
#[derive(Default)]
pub struct Astray<'j> {
    references: Vec<Reference<'j>>,
    absent: Vec<(String, &'static Property)>,
    /// How often each element was found absent, by its owner and position; more often than places are told is not kept.
    counts: HashMap<(TypeId, u16), usize>,
    /// Whether the walk is within a contained resource, of which only the references that are there count.
    is_within: bool,
}

/// A reference, or a canonical URL, that does not lead to a contained resource.
struct Reference<'j> {
    place: String,
    property: &'static Property,
    /// What it says, if it says anything.
    text: Option<&'j str>,
}

impl Reference<'_> {
    /// Whether it names a type, and not this one.
    fn names_another(&self, kind: ResourceType) -> bool {
        let mut segments = self.text.into_iter().flat_map(|text| text.split(['/', '?', '#']));
        segments.find_map(ResourceType::find).is_some_and(|named| named != kind)
    }
}

impl<'j> Astray<'j> {
    /// Those of a resource.
    pub fn of(resource: &'j Json, path: &Path<'_>) -> Self {
        let mut found = Self::default();
        found.resource(resource, path);
        found
    }

    /// Where a contained resource could be referred to from by its type: references that may be meant for it, those that name another
    /// type, and elements that are absent, those for its type first.
    pub fn places_for(&self, contained: &Json) -> Vec<String> {
        let Some(kind) = resource_type(contained) else { return Vec::new() };
        let fitting = self.references.iter().filter(|reference| may_name(reference.property, kind));
        let (others, likely): (Vec<_>, Vec<_>) = fitting.partition(|reference| reference.names_another(kind));
        let absent = self.absent.iter().filter(|(_, property)| may_lead_to(property, kind, &mut Vec::new()));
        let mut absent: Vec<_> = absent.collect();
        absent.sort_by_key(|(_, property)| !property.targets.contains(&kind));
        let absent = absent.into_iter().map(|(place, _)| place);
        likely.into_iter().chain(others).map(|reference| &reference.place).chain(absent).cloned().collect()
    }

    fn resource(&mut self, resource: &'j Json, path: &Path<'_>) {
        if let (Some(kind), Some(object)) = (resource_type(resource), resource.as_object()) {
            self.walk(object, resource_type_id(kind), path);
        }
    }

    fn walk(&mut self, object: &'j Object, owner: TypeId, path: &Path<'_>) {
        for (name, value) in object.iter() {
            if let Some(property) = property(owner, name) {
                let path = path.child(property.element);
                match value.as_array() {
                    Some(items) => {
                        items.iter().enumerate().for_each(|(n, item)| self.step(item, property, &path.item(n)))
                    }
                    None => self.step(value, property, &path),
                }
            }
        }
        // What a data type could refer to, as the assigner of an identifier, is seldom meant.
        if !self.is_within && matches!(owner.kind(), TypeKind::Backbone | TypeKind::Resource) {
            self.absent_of(object, owner, path);
        }
    }

    /// Keeps the elements of an object that could lead to a contained resource and have no such value.
    fn absent_of(&mut self, object: &Object, owner: TypeId, path: &Path<'_>) {
        let leads = |property: &Property| is_reference(property) || property.type_id.kind() == TypeKind::Backbone;
        for property in properties(owner).iter().filter(|property| leads(property)) {
            let count = self.counts.entry((owner, property.position)).or_default();
            if *count < PLACES && object.get_name(&property.name).is_none() {
                *count += 1;
                self.absent.push((path.child(property.element).to_string(), property));
            }
        }
    }

    fn step(&mut self, json: &'j Json, property: &'static Property, path: &Path<'_>) {
        if is_reference(property) {
            let reference = json.get("reference").and_then(Json::as_str);
            let text = json.as_str().or(reference);
            if !text.is_some_and(|text| text.starts_with('#')) && self.references.len() < MOST {
                let place = if reference.is_some() { path.child("reference").to_string() } else { path.to_string() };
                self.references.push(Reference { place, property, text });
            }
        } else if Some(property.type_id) == TYPES.any {
            let around = std::mem::replace(&mut self.is_within, true);
            self.resource(json, path);
            self.is_within = around;
        } else if let (Some(object), true) = (json.as_object(), property.type_id.kind() != TypeKind::Primitive) {
            self.walk(object, property.type_id, path);
        }
    }
}

fn resource_type(resource: &Json) -> Option<ResourceType> {
    resource.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find)
}

fn is_reference(property: &Property) -> bool {
    let kind = Some(property.type_id);
    kind == TYPES.reference || kind == TYPES.canonical
}

fn may_name(property: &Property, kind: ResourceType) -> bool {
    property.targets.is_empty() || property.targets.contains(&kind)
}

/// Whether an element, or one within it, may refer to a type by its definition; `seen` are the types that are being looked at.
fn may_lead_to(property: &Property, kind: ResourceType, seen: &mut Vec<TypeId>) -> bool {
    if is_reference(property) {
        return may_name(property, kind);
    }
    let backbone = property.type_id;
    if backbone.kind() != TypeKind::Backbone || seen.contains(&backbone) {
        return false;
    }
    seen.push(backbone);
    properties(backbone).iter().any(|property| may_lead_to(property, kind, seen))
}

#[cfg(test)]
mod tests {
    use super::PLACES;
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, Registry, validate};

    /// What the orphans of a resource name beside themselves.
    fn named(text: &str) -> Vec<String> {
        let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], Options::default());
        let orphans = issues.into_iter().filter(|issue| issue.diagnostics.starts_with("dom-3"));
        orphans.flat_map(|issue| issue.also).collect()
    }

    #[test]
    fn what_might_refer_to_a_contained_resource_is_named() {
        let told = |references: &str| {
            named(&format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                "contained":[{{"resourceType":"Patient","id":"p"}}]{references}}}"#
            ))
            .join(" ")
        };
        let start = "Observation.contained[0].id Observation";
        assert_eq!(told(""), format!("{start} Observation.subject Observation.performer Observation.focus"));
        assert_eq!(told(r##","subject":{"reference":"#p"}"##), "");
        let references = r#","performer":[{"reference":"Practitioner/1"},{"display":"x"},
            {"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}],"encounter":{"reference":"Encounter/1"}"#;
        let likely = "Observation.performer[1] Observation.performer[2].reference";
        let less = "Observation.performer[0].reference Observation.subject Observation.focus";
        assert_eq!(told(references), format!("{start} {likely} {less}"));
    }

    #[test]
    fn absent_elements_that_might_refer_to_a_contained_resource_are_named() {
        let form = |items: &str| {
            named(&format!(
                r#"{{"resourceType":"Questionnaire","status":"draft","contained":[{{"resourceType":"ValueSet","id":"v","status":"draft"}}],
                "item":[{items}]}}"#
            ))
        };
        let start = ["Questionnaire.contained[0].id", "Questionnaire"];
        let item = r#"{"linkId":"a","type":"choice""#;
        let told = form(&format!(r#"{item},"answerValueSet":"v"}}"#));
        assert_eq!(told[..3], [start[0], start[1], "Questionnaire.item[0].answerValueSet"]);
        let told = form(&vec![format!("{item}}}"); 50].join(","));
        assert_eq!(told[..3], [start[0], start[1], "Questionnaire.item[0].answerValueSet"]);
        assert_eq!(told.len(), PLACES, "{told:?}");
        // Another form of the choice is there; an element within one that is absent.
        let medication = named(
            r#"{"resourceType":"MedicationRequest","status":"draft","intent":"order","subject":{"display":"x"},
            "medicationCodeableConcept":{"text":"x"},"contained":[{"resourceType":"Medication","id":"m"}]}"#,
        );
        assert!(medication.contains(&"MedicationRequest.medication".to_owned()), "{medication:?}");
        let ingredient = named(r#"{"resourceType":"Medication","contained":[{"resourceType":"Substance","id":"s"}]}"#);
        assert_eq!(ingredient, ["Medication.contained[0].id", "Medication", "Medication.ingredient"]);
    }
}
