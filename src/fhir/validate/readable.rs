//! Snapshots that people read (`StructureDefinition/$snapshot`): with the texts, mappings and bindings of every strength that
//! validation does without.
//!
//! A registry keeps definitions without texts. So those of R4 are read where they are whole, those that a tenant has stored are
//! given whole, and what packages define has the texts of the elements of R4 that it stands on.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::registry::Registry;
use super::snapshot::generate;
use crate::fhir::definitions::conformance::CORE;
use crate::fhir::definitions::terminology::{self, Kind};
use crate::fhir::json::{Json, Object};

/// How deep base definitions may stand on one another.
pub const BASES: usize = 16;
/// Most bytes of the texts of a snapshot, counted without the signs between them.
const BYTES: usize = 32 << 20;
/// The texts of an element.
const TEXTS: [&str; 6] = ["short", "definition", "comment", "requirements", "alias", "mapping"];

/// Where definitions are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'s> {
    /// What is known.
    pub registry: &'s Registry,
    /// Definitions with all of their texts, which count before those of the registry.
    pub whole: &'s [Json],
}

impl<'s> Shelf<'s> {
    /// The StructureDefinition with a canonical URL, with the texts that are there.
    pub fn definition(self, canonical: &str) -> Option<Cow<'s, Json>> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        if let Some(whole) = self.whole.iter().find(|json| json.get("url").and_then(Json::as_str) == Some(url)) {
            return Some(Cow::Borrowed(whole));
        }
        let found = self.registry.definition("StructureDefinition", canonical)?;
        // R4's own are kept in a short form, which lacks even what every StructureDefinition has.
        if found.get("status").is_some() {
            return Some(found);
        }
        terminology::find(Kind::StructureDefinition, url).ok().flatten().map(Cow::Owned)
    }

    /// A StructureDefinition with the snapshot that is made of its differential; one without a differential, or of a new type,
    /// keeps the snapshot that it has.
    ///
    /// # Errors
    /// Why there is none.
    pub fn complete(self, mut definition: Json) -> Result<Json, String> {
        let is_constraint = definition.get("derivation").and_then(Json::as_str) == Some("constraint");
        let has_differential = list(&definition, "differential").is_some();
        if list(&definition, "snapshot").is_some() && !(is_constraint && has_differential) {
            return Ok(definition);
        }
        if !is_constraint {
            return Err(
                "a snapshot is made of constraints on a base definition; this is not one (derivation)".to_owned()
            );
        }
        let mut elements = self.made(&definition, BASES)?;
        add_texts(&mut elements);
        if elements.iter().map(weight).sum::<usize>() > BYTES {
            return Err(format!("its snapshot has more than {BYTES} bytes"));
        }
        let identities = self.identities(&definition);
        let Some(object) = definition.as_object_mut() else { return Err("it is no object".to_owned()) };
        if !identities.is_empty() {
            object.set("mapping", Json::Array(identities));
        }
        let differential = object.remove("differential");
        object.set("snapshot", Json::object([("element", Json::Array(elements))]));
        if let Some(differential) = differential {
            object.set("differential", differential);
        }
        Ok(definition)
    }

    /// The snapshot of a definition's differential.
    fn made(self, of: &Json, depth: usize) -> Result<Vec<Json>, String> {
        let differential = list(of, "differential").unwrap_or_default();
        let url = of.get("baseDefinition").and_then(Json::as_str).ok_or("it has no base definition")?;
        if depth == 0 {
            return Err(format!("its base definitions are more than {BASES} deep, or a circle"));
        }
        let base = self.snapshot(url, depth - 1).ok_or_else(|| format!("its base {url} is not known"))??;
        generate(&base, differential, &|url| self.snapshot(url, depth - 1)?.ok())
    }

    /// The snapshot of the definition with a canonical URL, made where it has none.
    fn snapshot(self, canonical: &str, depth: usize) -> Option<Result<Vec<Json>, String>> {
        let found = self.definition(canonical)?;
        Some(match list(&found, "snapshot") {
            Some(elements) => Ok(elements.to_vec()),
            None => self.made(&found, depth),
        })
    }

    /// The declarations of mappings: its own, and those of its base, which elements of the snapshot name.
    fn identities(self, of: &Json) -> Vec<Json> {
        let declared = |of: &Json| of.get("mapping").and_then(Json::as_array).unwrap_or_default().to_vec();
        let mut all = declared(of);
        let base = of.get("baseDefinition").and_then(Json::as_str).and_then(|url| self.definition(url));
        for more in base.map(|base| declared(&base)).unwrap_or_default() {
            if all.iter().all(|own| own.get("identity") != more.get("identity")) {
                all.push(more);
            }
        }
        all
    }
}

/// The elements that a definition lists in a part.
fn list<'d>(definition: &'d Json, part: &str) -> Option<&'d [Json]> {
    definition.get(part)?.get("element")?.as_array()
}

/// Gives elements without a definition, which are of a package, the texts of the elements of R4 that they stand on.
fn add_texts(elements: &mut [Json]) {
    let mut types: HashMap<String, Vec<Json>> = HashMap::new();
    for element in elements.iter_mut().filter_map(Json::as_object_mut) {
        if element.get("definition").is_some() {
            continue;
        }
        let text = |name: &str| element.get(name).and_then(Json::as_str);
        let base = element.get("base").and_then(|base| base.get("path")).and_then(Json::as_str).or(text("path"));
        let Some(path) = base.map(str::to_owned) else { continue };
        let kind = path.split('.').next().unwrap_or_default();
        let all = types.entry(kind.to_owned()).or_insert_with(|| {
            let found = terminology::find(Kind::StructureDefinition, &format!("{CORE}{kind}")).ok().flatten();
            found.and_then(|found| list(&found, "snapshot").map(<[Json]>::to_vec)).unwrap_or_default()
        });
        let same = all.iter().find(|other| other.get("path").and_then(Json::as_str) == Some(&*path));
        same.and_then(Json::as_object).into_iter().for_each(|same| take_texts(element, same));
    }
}

fn take_texts(element: &mut Object, same: &Object) {
    for name in TEXTS {
        if let Some(text) = same.get(name).filter(|_| element.get(name).is_none()) {
            element.set(name, text.clone());
        }
    }
}

/// The bytes of an element's names and texts.
fn weight(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Number(number) => number.as_str().len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        Json::Object(object) => object.iter().map(|(name, value)| name.as_str().len() + weight(value)).sum(),
        Json::Null | Json::Bool(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::validate;
    use super::super::state::Options;
    use super::*;
    use crate::fhir::json::parse;

    fn complete(definition: Json) -> Result<Json, String> {
        Shelf { registry: Registry::core(), whole: &[] }.complete(definition)
    }

    fn profile(differential: &str) -> Json {
        let text = format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://x/p","name":"P","status":"draft","kind":"resource",
            "abstract":false,"type":"Patient","baseDefinition":"{CORE}Patient","derivation":"constraint","differential":{{"element":[{differential}]}}}}"#
        );
        parse(text.as_bytes()).expect("JSON")
    }

    fn element<'j>(definition: &'j Json, id: &str) -> &'j Json {
        let elements = list(definition, "snapshot").expect("a snapshot");
        elements.iter().find(|e| e.get("id").and_then(Json::as_str) == Some(id)).expect(id)
    }

    #[test]
    fn a_snapshot_has_the_texts_of_its_base_and_is_valid() {
        let differential = r#"{"id":"Patient","path":"Patient","short":"Mine"},{"id":"Patient.name","path":"Patient.name","min":1},
            {"id":"Patient.name.family","path":"Patient.name.family","min":1,"comment":"as on the card"}"#;
        let done = complete(profile(differential)).expect("a snapshot");
        let text = |id: &str, name: &str| element(&done, id).get(name).and_then(Json::as_str).map(str::to_owned);
        assert_eq!(text("Patient", "short").as_deref(), Some("Mine"));
        assert_eq!(text("Patient.gender", "short").as_deref(), Some("male | female | other | unknown"));
        assert!(text("Patient.name.family", "definition").is_some_and(|text| text.contains("genealogy")));
        assert_eq!(text("Patient.name.family", "comment").as_deref(), Some("as on the card"));
        let base = element(&done, "Patient.name.family").get("base").expect("a base");
        assert_eq!(base.get("path").and_then(Json::as_str), Some("HumanName.family"));
        assert!(done.get("mapping").and_then(Json::as_array).is_some_and(|all| all.len() > 3), "of the base");
        assert_eq!(list(&done, "differential").map(<[Json]>::len), Some(3));
        let issues = validate(Registry::core(), &done, &[], Options::default());
        assert!(issues.iter().all(|issue| issue.severity != "error"), "{issues:?}");
    }

    #[test]
    fn what_has_no_differential_keeps_its_snapshot_and_the_rest_is_refused() {
        let patient = Shelf { registry: Registry::core(), whole: &[] }.definition(&format!("{CORE}Patient|4.0.1"));
        let patient = patient.expect("Patient").into_owned();
        assert_eq!(complete(patient.clone()), Ok(patient));
        let wrong = complete(profile(r#"{"path":"Patient.nonsense"}"#)).expect_err("no element");
        assert!(wrong.contains("Patient.nonsense"), "{wrong}");
        let mut unknown = profile("");
        unknown.as_object_mut().expect("an object").set("baseDefinition", Json::string("http://x/unknown"));
        assert!(complete(unknown).expect_err("unknown").contains("http://x/unknown"));
        let mut logical = profile("");
        logical.as_object_mut().expect("an object").set("derivation", Json::string("specialization"));
        assert!(complete(logical).is_err());
    }

    #[test]
    fn texts_of_a_base_are_its_own_where_they_are_known() {
        let base = profile(r#"{"id":"Patient.name","path":"Patient.name","short":"Mine"}"#);
        let mut above = profile(r#"{"id":"Patient.name","path":"Patient.name","min":1}"#);
        let object = above.as_object_mut().expect("an object");
        object.set("url", Json::string("http://x/q"));
        object.set("baseDefinition", Json::string("http://x/p|1"));
        let short = |shelf: Shelf<'_>| {
            let done = shelf.complete(above.clone()).expect("a snapshot");
            element(&done, "Patient.name").get("short").and_then(Json::as_str).map(str::to_owned)
        };
        let whole = [base.clone()];
        assert_eq!(short(Shelf { registry: Registry::core(), whole: &whole }).as_deref(), Some("Mine"));
        // a package has no texts: those of R4 take their place
        let mut lean = Shelf { registry: Registry::core(), whole: &[] }.complete(base).expect("a snapshot");
        crate::fhir::definitions::packed::lean(&mut lean);
        let registry = Registry::with([lean]);
        let found = short(Shelf { registry: &registry, whole: &[] });
        assert_eq!(found.as_deref(), Some("A name associated with the patient"));
    }
}
