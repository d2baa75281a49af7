//! What the owners of code systems want to be said beside their codes.

/// LOINC (FHIR R4 `loinc.html`, 4.3.3.2): in any value set or expansion with its codes.
const LOINC: &str = "This content LOINC® is copyright © 1995 Regenstrief Institute, Inc. and the LOINC Committee, and available at no \
    cost under the license at http://loinc.org/terms-of-use";
/// SNOMED CT (FHIR R4 `snomedct.html`, 4.3.1.0.9): in the value sets that follow from its URLs.
const SNOMED: &str = "This value set includes content from SNOMED CT, which is copyright © 2002+ International Health Terminology \
    Standards Development Organisation (SNOMED International), and distributed by agreement between SNOMED International and HL7. \
    Implementer use of SNOMED CT is not covered by this agreement";

/// The notice of a code system, if it wants one in value sets that it implies.
pub fn notice(system: &str) -> Option<&'static str> {
    match system {
        "http://loinc.org" => Some(LOINC),
        "http://snomed.info/sct" => Some(SNOMED),
        _ => None,
    }
}

/// `ValueSet.copyright` of an expansion: what the value set says itself, with the notice that must be there and is not.
pub fn copyright<'a>(said: Option<&str>, systems: impl Iterator<Item = &'a str>) -> Option<String> {
    let needed = systems.into_iter().any(|system| system == "http://loinc.org").then_some(LOINC);
    match (said, needed) {
        (Some(said), Some(_)) if said.contains("LOINC") => Some(said.to_owned()),
        (Some(said), Some(needed)) => Some(format!("{said}\n\n{needed}")),
        (None, needed) => needed.map(str::to_owned),
        (Some(_), None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loinc_is_named_beside_its_codes() {
        let of = |said: Option<&str>, system: &'static str| copyright(said, std::iter::once(system));
        assert_eq!(of(None, "http://loinc.org").as_deref(), Some(LOINC));
        assert_eq!(of(Some("LOINC is ..."), "http://loinc.org").as_deref(), Some("LOINC is ..."));
        assert!(of(Some("Ours"), "http://loinc.org").is_some_and(|text| text.starts_with("Ours\n\nThis content")));
        assert_eq!((of(None, "http://x"), of(Some("Ours"), "http://x")), (None, None));
    }
}
