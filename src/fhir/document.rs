//! Documents (FHIR R4 `documents.html`): what a Composition refers to, and the Bundle around it all.

use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{Json, Object};
use crate::fhir::resource::{ReferenceSite, visit_references_mut};

/// Deepest nesting of sections that is looked at; bodies are not nested deeper than their own bound.
const SECTIONS: usize = 256;

/// A reference of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its text.
    pub text: String,
    /// Where it stands, as FHIRPath.
    pub place: String,
}

/// The references of a Composition that a document SHALL have with it (3.3.1), in the order of the specification. Those to
/// what it contains are left out.
pub fn required(composition: &Json) -> Vec<Mention> {
    let mut found = Vec::new();
    let root = "Composition";
    for name in ["subject", "encounter", "author"] {
        of(composition, name, root, &mut found);
    }
    each(composition, "attester", root, &mut |attester, place| of(attester, "party", place, &mut found));
    of(composition, "custodian", root, &mut found);
    each(composition, "event", root, &mut |event, place| of(event, "detail", place, &mut found));
    sections(composition, root, SECTIONS, &mut found);
    found
}

fn sections(parent: &Json, place: &str, depth: usize, found: &mut Vec<Mention>) {
    if depth == 0 {
        return;
    }
    each(parent, "section", place, &mut |section, place| {
        for name in ["author", "focus", "entry"] {
            of(section, name, place, found);
        }
        sections(section, place, depth - 1, found);
    });
}

fn each(parent: &Json, name: &str, place: &str, visit: &mut dyn FnMut(&Json, &str)) {
    for (at, item) in parent.get(name).and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        visit(item, &format!("{place}.{name}[{at}]"));
    }
}

/// The references of an element, repeated or not.
fn of(parent: &Json, name: &str, place: &str, found: &mut Vec<Mention>) {
    let mut take = |item: &Json, place: String| {
        let text = item.get("reference").and_then(Json::as_str).filter(|text| !text.starts_with('#'));
        found.extend(text.map(|text| Mention { text: text.to_owned(), place }));
    };
    match parent.get(name) {
        Some(Json::Array(items)) => {
            items.iter().enumerate().for_each(|(at, item)| take(item, format!("{place}.{name}[{at}]")));
        }
        Some(item) => take(item, format!("{place}.{name}")),
        None => {}
    }
}

/// The texts of all references of a resource, in extensions and contained resources too, each once; those to what it
/// contains are left out.
///
/// # Errors
/// None but defects of the walk.
pub fn references(resource: &Json) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    visit_references_mut(&mut resource.clone(), &mut |site, text| {
        if site == ReferenceSite::Reference && !text.starts_with('#') && !found.iter().any(|known| **known == **text) {
            found.push(text.to_string());
        }
        Ok(())
    })?;
    Ok(found)
}

/// The resource that a resource is about: its `subject` or `patient`.
pub fn subject(resource: &Json) -> Option<&str> {
    ["subject", "patient"].iter().find_map(|name| resource.get(name)?.get("reference")?.as_str())
}

/// The Bundle of a document that is made now; `uuid` is its identifier. The Composition is the first of the pairs of full
/// URLs and resources.
pub fn bundle(uuid: &str, now: Timestamp, entries: Vec<(String, Json)>) -> Json {
    let entry =
        |(url, resource): (String, Json)| Json::object([("fullUrl", Json::string(url)), ("resource", resource)]);
    let identifier =
        [("system", Json::string("urn:ietf:rfc:3986")), ("value", Json::string(format!("urn:uuid:{uuid}")))];
    let mut bundle = Object::new();
    bundle.set("resourceType", Json::string("Bundle"));
    bundle.set("meta", Json::object([("lastUpdated", Json::string(now.to_string()))]));
    bundle.set("identifier", Json::object(identifier));
    bundle.set("type", Json::string("document"));
    bundle.set("timestamp", Json::string(now.to_string()));
    bundle.set("entry", Json::Array(entries.into_iter().map(entry).collect()));
    Json::Object(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::validate::structure;

    #[test]
    fn what_a_document_must_have_is_found_in_order() {
        let composition = parse(
            br##"{"resourceType":"Composition","status":"final","type":{"text":"t"},"date":"2020","title":"t",
            "subject":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/2"},
            "author":[{"reference":"Practitioner/3"},{"reference":"#inside"},{"display":"nobody"}],
            "attester":[{"mode":"legal","party":{"reference":"Practitioner/4"}}],"custodian":{"reference":"Organization/5"},
            "relatesTo":[{"code":"replaces","targetReference":{"reference":"Composition/6"}}],
            "event":[{"detail":[{"reference":"Procedure/7"}]}],
            "section":[{"author":[{"reference":"Practitioner/8"}],"focus":{"reference":"Patient/9"},
                "entry":[{"reference":"List/10"}],"section":[{"entry":[{"reference":"Observation/11"}]}]}],
            "extension":[{"url":"http://x","valueReference":{"reference":"Device/12"}}]}"##,
        )
        .expect("JSON");
        let texts: Vec<String> = required(&composition).into_iter().map(|mention| mention.text).collect();
        assert_eq!(
            texts,
            [
                "Patient/1",
                "Encounter/2",
                "Practitioner/3",
                "Practitioner/4",
                "Organization/5",
                "Procedure/7",
                "Practitioner/8",
                "Patient/9",
                "List/10",
                "Observation/11"
            ]
        );
        assert_eq!(required(&composition)[9].place, "Composition.section[0].section[0].entry[0]");
        assert_eq!(references(&composition).expect("references").len(), 12);
        assert_eq!(subject(&composition), Some("Patient/1"));
    }

    #[test]
    fn the_bundle_has_the_structure_of_a_document() {
        let patient = parse(br#"{"resourceType":"Patient","id":"1"}"#).expect("JSON");
        let made =
            bundle("0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", Timestamp(0), vec![("http://h/Patient/1".into(), patient)]);
        assert_eq!(structure(&made), Ok(()));
    }
}
