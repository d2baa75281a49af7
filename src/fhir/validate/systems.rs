//! The systems of codes and identifiers, where a validation is thorough: whether a system is one that can be (FHIR R4
//! `terminologies.html#system`, `datatypes.html#Coding`), and whether it is there in the version that is named.

use super::registry::Registry;
use super::state::{Check, shown};
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Systems whose codes nobody has at hand, in whatever version: what only resembles one of them is wrong.
const WELL_KNOWN: [&str; 4] = [
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
];

/// The code systems that HL7 gave a URL under `http://hl7.org/fhir/sid/`.
const CODES: [&str; 19] = [
    "ca-hc-din",
    "ca-hc-npn",
    "cvx",
    "dsm5",
    "ex-icd-10-procedures",
    "icd-10",
    "icd-10-am",
    "icd-10-ca",
    "icd-10-cm",
    "icd-10-nl",
    "icd-10-vn",
    "icd-9",
    "icd-9-cm",
    "icf-nl",
    "icpc-1",
    "icpc-1-nl",
    "icpc-2",
    "ndc",
    "srt",
];

/// The systems of identifiers there, and others.
const OTHERS: [&str; 14] = [
    "eui-48/bluetooth",
    "eui-48/ethernet",
    "eui-64/zigbee",
    "icf",
    "icpc2",
    "imei",
    "mvx",
    "ncpdp",
    "us-mbi",
    "us-medicare",
    "us-npi",
    "us-ssn",
    "usb",
    "dicom",
];

/// Whether a name under `http://hl7.org/fhir/sid/` is that of a code system.
fn is_code_system(name: &str) -> bool {
    CODES.contains(&name)
}

/// Whether HL7 gave a name under `http://hl7.org/fhir/sid/` to a system of codes or identifiers.
pub fn is_known(name: &str) -> bool {
    let is_country = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code_system(name) || OTHERS.contains(&name) || name.strip_prefix("passport-").is_some_and(is_country)
}

/// Whether a system is one that can be: a URL, or a URN.
pub fn is_absolute(system: &str) -> bool {
    ["http:", "https:", "urn:"].iter().any(|scheme| system.starts_with(scheme))
}

/// Checks the system of a Coding that stands for itself, or of a Quantity: those within a concept may be of any system.
/// The value set of an element that is bound to one tells itself which version it takes.
pub fn check(check: &mut Check<'_, '_>, coding: &Json, is_bound: bool, path: &Path) {
    let Some(system) = coding.text_known(names::SYSTEM) else { return };
    let place = path.child("system");
    if !is_absolute(system) {
        let text = || format!("the system of a code must be an absolute URL, not \"{}\"", shown(system));
        return check.fail("value", text, &place);
    }
    if coding.text_known(names::CODE).is_none() {
        return;
    }
    let version = coding.get("version").and_then(Json::as_str).filter(|_| !is_bound);
    if let Some(problem) = problem(check.registry, system, version) {
        let others = || version.map(|_| path.child("version").to_string()).into_iter().collect();
        check.fail_of_several("code-invalid", || problem, &place, others);
    }
}

/// What is wrong with the system of a code.
fn problem(registry: &Registry, system: &str, version: Option<&str>) -> Option<String> {
    if registry.kind_of(system) == Some("ValueSet") {
        return Some(format!("{} is a value set, and no code system", shown(system)));
    }
    if WELL_KNOWN.contains(&system) {
        return None;
    }
    if let Some(known) = WELL_KNOWN.iter().find(|known| system.starts_with(**known)) {
        return Some(format!("{} is no code system: that is {known}", shown(system)));
    }
    let plain = system.strip_prefix("https:").map(|rest| format!("http:{rest}"));
    let is_there = |url: &str| WELL_KNOWN.contains(&url) || registry.code_system(url).is_some();
    if let Some(plain) = plain.filter(|plain| is_there(plain)) {
        return Some(format!("the URL of the code system is {plain}"));
    }
    if let Some(rest) = of_fhir(system) {
        let is_fine = rest.strip_prefix("/sid/").is_some_and(is_code_system)
            || rest.starts_with("/test")
            || registry.code_system(system).is_some();
        return (!is_fine).then(|| format!("HL7 has no code system {}", shown(system)));
    }
    is_other_version(registry, system, version).then(|| {
        format!("the code system {} is not known in the version {}", shown(system), shown(version.unwrap_or("")))
    })
}

/// What follows in the URL of something within the specification.
fn of_fhir(system: &str) -> Option<&str> {
    ["http://hl7.org/fhir", "https://hl7.org/fhir", "http://www.hl7.org/fhir", "https://www.hl7.org/fhir"]
        .iter()
        .find_map(|base| system.strip_prefix(base))
}

/// Whether a code system is there, but not in a version.
pub fn is_other_version(registry: &Registry, system: &str, version: Option<&str>) -> bool {
    version.is_some_and(|version| registry.has_code_system_version(system, version) == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_that_cannot_be_are_told() {
        let of = |system: &str, version: Option<&str>| problem(Registry::shipped(), system, version).is_none();
        let act_reason = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        for system in [
            act_reason,
            "http://snomed.info/sct",
            "http://hl7.org/fhir/sid/icd-10-cm",
            "http://hl7.org/fhir/administrative-gender",
            "http://example.org/x",
            "https://example.org/x",
            "urn:oid:1.2.3.4",
        ] {
            assert!(of(system, None), "{system}");
        }
        for system in [
            "http://loinc.org/",
            "http://snomed.info/sctx",
            "https://loinc.org",
            "https://terminology.hl7.org/CodeSystem/v3-ActReason",
            "http://hl7.org/fhir/administrative-gender/",
            "http://hl7.org/fhir/sid/us-ssn",
            "http://hl7.org/fhir/ValueSet/administrative-gender",
            "https://hl7.org/fhir/foo",
        ] {
            assert!(!of(system, None), "{system}");
        }
        assert!(!of(act_reason, Some("0.0")));
        assert!(of("http://loinc.org", Some("0.0")) && of("http://example.org/x", Some("0.0")));
        assert!(of("http://hl7.org/fhir/administrative-gender", Some("0.0")));
    }

    #[test]
    fn identifier_systems_of_hl7() {
        assert!(is_known("us-ssn") && is_known("passport-DEU") && is_known("cvx"));
        assert!(!is_known("us-npix") && !is_known("passport-X") && !is_known("nope"));
        assert!(CODES.iter().all(|name| !OTHERS.contains(name)));
    }
}
