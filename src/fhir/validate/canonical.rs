//! What a canonical URL leads to, of whatever resource type (FHIR R4 `references.html`, 2.3.0.3).

use std::borrow::Cow;

use super::registry::{Registry, Source, begins};
use crate::base::fault::Result;
use crate::fhir::definitions::terminology::{self, Kind};
use crate::fhir::json::Json;

/// A definition.
pub struct Resolved<'r> {
    /// Its JSON; that of a package is without what only people read.
    pub json: Cow<'r, Json>,
    /// Whether the tenant has stored it, so that not everybody may read it.
    pub is_own: bool,
}

/// The definition with a canonical URL, in the version that this names, else the last one; none where that is not here.
///
/// # Errors
/// 500 when the program's own data is broken.
pub fn resolve<'r>(registry: &'r Registry, canonical: &str) -> Result<Option<Resolved<'r>>> {
    let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
    let found = match registry.source(canonical) {
        Some((kind, Source::Embedded(_))) => whole(kind, url)?,
        Some((_, source)) => Some(Resolved { json: source.json(), is_own: matches!(source, Source::Text(_)) }),
        None => whole("ConceptMap", url)?,
    };
    let own = |found: &Resolved<'_>| found.json.get("version").and_then(Json::as_str).unwrap_or("").to_owned();
    Ok(found.filter(|found| version.is_empty() || own(found) == version || begins(&own(found), version)))
}

/// Whether there is a definition with a canonical URL, in any version.
pub fn is_known(registry: &Registry, canonical: &str) -> bool {
    let url = canonical.split('|').next().unwrap_or(canonical);
    registry.source(canonical).is_some() || terminology::has(Kind::ConceptMap, url)
}

/// A definition of R4 itself.
fn whole(kind: &str, url: &str) -> Result<Option<Resolved<'static>>> {
    let kind = match kind {
        "StructureDefinition" => Kind::StructureDefinition,
        "ValueSet" => Kind::ValueSet,
        "CodeSystem" => Kind::CodeSystem,
        "ConceptMap" => Kind::ConceptMap,
        _ => return Ok(None),
    };
    Ok(terminology::find(kind, url)?.map(|json| Resolved { json: Cow::Owned(json), is_own: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_in_its_version() {
        let registry = Registry::shipped();
        let cases = [
            ("http://hl7.org/fhir/StructureDefinition/Patient", Some("StructureDefinition")),
            ("http://hl7.org/fhir/StructureDefinition/Patient|4.0.1", Some("StructureDefinition")),
            ("http://hl7.org/fhir/StructureDefinition/Patient|4.0", Some("StructureDefinition")),
            ("http://hl7.org/fhir/StructureDefinition/Patient|5.0.0", None),
            ("http://hl7.org/fhir/ValueSet/administrative-gender", Some("ValueSet")),
            ("http://hl7.org/fhir/administrative-gender", Some("CodeSystem")),
            ("http://hl7.org/fhir/ConceptMap/cm-address-type-v3", Some("ConceptMap")),
            ("http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips", Some("StructureDefinition")),
            ("http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips|2.0.0", Some("StructureDefinition")),
            ("http://nowhere/ValueSet/x", None),
        ];
        for (canonical, expected) in cases {
            let found = resolve(registry, canonical).expect("data");
            let kind = found.as_ref().and_then(|found| found.json.get("resourceType")?.as_str());
            assert_eq!(kind, expected, "{canonical}");
            assert!(found.is_none_or(|found| is_known(registry, canonical) && !found.is_own), "{canonical}");
        }
        let gender = resolve(registry, "http://hl7.org/fhir/administrative-gender").expect("data").expect("gender");
        let first = gender.json.get("concept").and_then(|list| list.as_array()?.first()?.get("display")?.as_str());
        assert_eq!(first, Some("Male"), "with its texts");
    }
}
