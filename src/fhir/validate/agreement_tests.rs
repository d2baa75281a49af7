//! What a thorough validation takes and refuses as HL7's validator does, by the texts of the specification or beyond them.

use super::{Options, Registry, validate};
use crate::fhir::json::{Json, parse};
use crate::fhir::xml;

/// The places of the errors of a resource, as `cresset validate` tells them.
fn places(json: &Json) -> Vec<String> {
    let options = Options { is_thorough: true, takes_unstorable: true, by_meta: true, ..Options::default() };
    let issues = validate(Registry::shipped(), json, &[], options);
    issues.iter().filter(|issue| issue.severity == "error").filter_map(|issue| issue.expression.clone()).collect()
}

fn errors(resource: &str) -> Vec<String> {
    places(&parse(resource.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {resource}")))
}

fn of_patient(inner: &str) -> Vec<String> {
    errors(&format!(r#"{{"resourceType":"Patient",{inner}}}"#))
}

#[test]
fn urls_within_the_specification_lead_to_something() {
    let source = |url: &str| of_patient(&format!(r#""meta":{{"source":"{url}"}}"#));
    for url in [
        "http://hl7.org/fhir/ValueSet/administrative-gender",
        "http://hl7.org/fhir/concept-properties#status",
        "http://hl7.org/fhir/sid/us-ssn",
        "http://hl7.org/fhir/w5",
        "http://hl7.org/fhirpath/System.String",
        "http://hl7.org/fhir/SearchParameter/Patient-name",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.x",
        "http://terminology.hl7.org/nope",
    ] {
        assert!(source(url).is_empty(), "{url}: {:?}", source(url));
    }
    for url in [
        "http://hl7.org/fhir",
        "http://hl7.org/fhir/foo",
        "http://hl7.org/fhir/us/x/Patient/1",
        "http://hl7.org/fhir/sid/x",
    ] {
        assert_eq!(source(url), ["Patient.meta.source"], "{url}");
    }
}

#[test]
fn versions_of_code_systems_are_there() {
    let status = |version: &str| {
        errors(&format!(
            r#"{{"resourceType":"Condition","subject":{{"display":"x"}},"clinicalStatus":{{"coding":[
            {{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active","version":"{version}"}}]}}}}"#
        ))
    };
    assert!(status("3.0.0").is_empty());
    assert_eq!(status("0.0"), ["Condition.clinicalStatus.coding[0].version"]);
    let tag = |inner: &str| of_patient(&format!(r#""meta":{{"tag":[{{"code":"HTEST",{inner}}}]}}"#));
    let system = r#""system":"http://terminology.hl7.org/CodeSystem/v3-ActReason""#;
    assert!(tag(system).is_empty());
    assert_eq!(tag(&format!(r#"{system},"version":"0.0""#)), ["Patient.meta.tag[0].system"]);
    assert_eq!(tag(&format!(r#"{system},"display":" ""#)), ["Patient.meta.tag[0].display"]);
    assert_eq!(tag(r#""system":"ftp://x""#), ["Patient.meta.tag[0].system"]);
}

#[test]
fn ranges_without_units_are_in_order() {
    let range = |low: &str, high: &str| {
        let unit = |value: &str| format!(r#"{{"value":{value}}}"#);
        of_patient(&format!(
            r#""extension":[{{"url":"http://example.org/x","valueRange":{{"low":{},"high":{}}}}}]"#,
            unit(low),
            unit(high)
        ))
    };
    assert!(range("1", "5").is_empty() && range("5", "5").is_empty());
    assert_eq!(range("5", "1"), ["Patient.extension[0].value"]);
}

#[test]
fn units_of_vital_signs_may_be_others_than_the_common_ones() {
    let bound = |set: &str, system: &str| {
        let profile = format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a.b/p","name":"P","status":"draft","kind":"resource","abstract":false,
            "type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation","derivation":"constraint",
            "differential":{{"element":[{{"id":"Observation.value[x]","path":"Observation.value[x]","binding":{{"strength":"required",
            "valueSet":"http://hl7.org/fhir/ValueSet/{set}"}}}}]}}}}"#
        );
        let registry = Registry::over(Registry::shipped(), [parse(profile.as_bytes()).expect("JSON")]);
        let value = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
            "valueQuantity":{{"value":6,"system":"{system}","code":"L/min"}}}}"#
        );
        let options = Options { is_thorough: true, ..Options::default() };
        validate(&registry, &parse(value.as_bytes()).expect("JSON"), &["http://a.b/p"], options).len()
    };
    assert_eq!(bound("ucum-vitals-common", "http://unitsofmeasure.org"), 0);
    assert_eq!(bound("ucum-vitals-common", "http://example.org/u"), 1);
    assert_eq!(bound("ucum-bodyweight", "http://unitsofmeasure.org"), 1);
}

#[test]
fn invariants_do_not_guess_what_references_lead_to() {
    let team = |member: &str, contained: &str| {
        errors(&format!(
            r#"{{"resourceType":"CareTeam",{contained}"participant":[{{"member":{{"reference":"{member}"}},
            "onBehalfOf":{{"reference":"Organization/1"}}}}]}}"#
        ))
    };
    assert!(team("Patient/1", "").is_empty(), "{:?}", team("Patient/1", ""));
    let contained = r#""contained":[{"resourceType":"Patient","id":"p"}],"#;
    assert_eq!(team("#p", contained), ["CareTeam.participant[0]"]);
}

#[test]
fn shapes_that_cannot_be_stored_are_taken() {
    for inner in [
        r#""name":[{"id":"x"}]"#,
        r#""name":[{"given":["a"],"_given":[null]}]"#,
        r#""name":[{"given":["a","b"],"_given":[{"id":"x"}]}]"#,
        r#""name":[{"given":["a"],"_given":[null,{"id":"x"}]}]"#,
    ] {
        assert!(of_patient(inner).is_empty(), "{inner}: {:?}", of_patient(inner));
    }
    let absent = r#"[{"extension":[{"url":"http://example.org/x","valueString":"x"}]}]"#;
    assert_eq!(of_patient(&format!(r#""meta":{{"profile":[null],"_profile":{absent}}}"#)), ["Patient.meta.profile[0]"]);
    assert_eq!(of_patient(&format!(r#""meta":{{"_profile":{absent}}}"#)), ["Patient.meta.profile"]);
    assert!(!of_patient(r#""name":[{"given":["a"],"_given":[null,null]}]"#).is_empty());
}

#[test]
fn documents_in_xml_are_judged_as_they_stand() {
    let of = |inner: &str| {
        let text = format!(r#"<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>"#);
        xml::parse_exact(text.as_bytes(), 64).map(|json| places(&json))
    };
    assert!(of(r#"<name><family value=" x "/></name>"#).is_ok_and(|found| found.is_empty()));
    for (inner, place) in [
        (r#"<gender value="male "/>"#, "Patient.gender"),
        (r#"<birthDate value=" 2020"/>"#, "Patient.birthDate"),
        (r#"<id value="x&#10;"/>"#, "Patient.id"),
    ] {
        assert!(of(inner).is_ok_and(|found| found.contains(&place.to_owned())), "{inner}");
    }
    assert!(of(r#"<active value="true "/>"#).is_err());
}

#[test]
fn links_of_bundles_stand_once_and_pages_are_of_searches() {
    let bundle = |kind: &str, first: &str, second: &str| {
        errors(&format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","link":[{{"relation":"{first}","url":"http://a"}},{{"relation":"{second}","url":"http://b"}}]}}"#
        ))
    };
    assert!(bundle("searchset", "self", "next").is_empty());
    assert!(bundle("searchset", "alternate", "alternate").is_empty());
    assert_eq!(bundle("searchset", "self", "self"), ["Bundle.link[1].relation"]);
    assert_eq!(bundle("collection", "self", "next"), ["Bundle.link[1].relation"]);
}

#[test]
fn definitions_are_what_they_say() {
    let parameter = |base: &str, expression: &str, kind: &str| {
        errors(&format!(
            r#"{{"resourceType":"SearchParameter","url":"http://a.b/x","name":"X","status":"draft","description":"x","code":"x","base":["{base}"],
            "type":"{kind}","expression":"{expression}"}}"#
        ))
    };
    assert!(parameter("Patient", "Patient.name.given", "string").is_empty());
    assert_eq!(parameter("Patient", "Patient.nope", "string"), ["SearchParameter.expression"]);
    assert_eq!(parameter("Patient", "(((", "string"), ["SearchParameter.expression"]);
    assert_eq!(parameter("Patient", "Patient", "composite"), ["SearchParameter.component"]);
    let extension = |fixed: &str| {
        errors(&format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a.b/x","name":"X","status":"draft","kind":"complex-type","abstract":false,
            "context":[{{"type":"element","expression":"Patient"}}],"type":"Extension","derivation":"constraint",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension",
            "differential":{{"element":[{{"id":"Extension","path":"Extension"}},{{"id":"Extension.url","path":"Extension.url","fixedUri":"{fixed}"}}]}}}}"#
        ))
    };
    assert!(extension("http://a.b/x").is_empty(), "{:?}", extension("http://a.b/x"));
    assert_eq!(extension("http://a.b/y"), ["StructureDefinition.differential"]);
}

#[test]
fn complete_code_systems_have_as_many_concepts_as_they_say() {
    let system = |content: &str, count: u8| {
        errors(&format!(
            r#"{{"resourceType":"CodeSystem","status":"draft","content":"{content}","count":{count},
            "concept":[{{"code":"a","concept":[{{"code":"b"}}]}}]}}"#
        ))
    };
    assert!(system("complete", 2).is_empty() && system("fragment", 9).is_empty());
    assert_eq!(system("complete", 3), ["CodeSystem.count"]);
}

#[test]
fn simple_extensions_have_no_parts() {
    let url = "http://hl7.org/fhir/StructureDefinition/artifactassessment-disposition";
    let inner = format!(r#""extension":[{{"url":"{url}","extension":[{{"url":"x","valueString":"y"}}]}}]"#);
    assert!(of_patient(&inner).contains(&"Patient.extension[0].extension[0]".to_owned()), "{:?}", of_patient(&inner));
}
