//! What is asked beside structure, rules and profiles, most of it only where a validation is thorough.

use super::{Options, Registry, validate};
use crate::base::fault::Issue;
use crate::fhir::json::parse;

/// The errors of a resource, as `code expression`.
fn errors(resource: &str, is_thorough: bool) -> String {
    let json = parse(resource.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {resource}"));
    let options = Options { is_thorough, ..Options::default() };
    let told = |issue: &Issue| format!("{} {}", issue.code, issue.expression.as_deref().unwrap_or(""));
    validate(Registry::core(), &json, &[], options).iter().map(told).collect::<Vec<_>>().join(", ")
}

/// Resources that only a thorough validation refuses, and for what.
fn only_thorough(cases: &[(String, &str)]) {
    for (resource, expected) in cases {
        assert_eq!(errors(resource, true), *expected, "{resource}");
        assert_eq!(errors(resource, false), "", "{resource}");
    }
}

fn patient(inner: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{inner}}}"#)
}

fn narrative(inner: &str) -> String {
    patient(&format!(
        r#""text":{{"id":"t","status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>{inner}</div>"}}"#
    ))
}

#[test]
fn narratives_are_built_as_html_is() {
    let place = "structure Patient.text.div";
    let cases = [
        ("<p>a<b>b</b></p><ul>\\n<li>c</li>&#10;</ul><table><tr><td><p>d</p></td></tr></table>", ""),
        ("<blockquote><p>a</p></blockquote><a href='http://x'>b</a>", ""),
        ("<p><div>a</div></p>", place),
        ("<p>a<p>b</p></p>", place),
        ("<b>a<b>b</b></b>", place),
        ("<table><td>a</td></table>", place),
        ("<ul>a</ul>", place),
        ("<ul><p>a</p></ul>", place),
        ("<li>a</li>", place),
        ("<br>a</br>", place),
        ("<a href=''>a</a>", place),
        ("<a href='urn:x'>a</a>", place),
        ("<a href='#t'>a</a><a href='#here'>b</a><p id='here'>c</p><a name='n'>x</a><a href='#n'>d</a>", ""),
        ("<a href='#nowhere'>a</a>", "not-found Patient.text.div"),
        ("<img src='#nowhere' alt='x'/>", "not-found Patient.text.div"),
    ];
    only_thorough(&cases.map(|(inner, expected)| (narrative(inner), expected)));
}

#[test]
fn attachments_hold_what_they_say() {
    let photo = |inner: &str| patient(&format!(r#""photo":[{{"contentType":"text/plain",{inner}}}]"#));
    only_thorough(&[
        (photo(r#""data":"YWJj","size":3,"hash":"qZk+NkcGgWq6PiVxeFDCbJzQ2J0=""#), ""),
        (photo(r#""data":"YWJj","size":4"#), "structure Patient.photo[0].size"),
        (photo(r#""data":"YWJj","hash":"YWJj""#), "value Patient.photo[0].hash"),
        (photo(r#""data":"YWJj YWJj""#), "value Patient.photo[0].data"),
    ]);
    assert_eq!(
        errors(&photo(r#""data":"YWJj""#).replace("text/plain", "nonsense"), false),
        "code-invalid Patient.photo[0].contentType"
    );
    for kind in ["image/*", "application/fhir+json; fhirVersion=4.0", "xml"] {
        assert_eq!(errors(&photo(r#""data":"YWJj""#).replace("text/plain", kind), true), "", "{kind}");
    }
}

#[test]
fn displays_and_systems_of_codes() {
    let status = |inner: &str| patient(&format!(r#""maritalStatus":{{"coding":[{{{inner}}}]}}"#));
    let system = r#""system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M""#;
    let tag = |system: &str| patient(&format!(r#""meta":{{"tag":[{{"system":"{system}","code":"x"}}]}}"#));
    only_thorough(&[
        (status(&format!(r#"{system},"display":"married""#)), ""),
        (status(&format!(r#"{system},"display":"Wed""#)), "value Patient.maritalStatus.coding[0].display"),
        (status(&format!(r#"{system},"display":"Married ""#)), "value Patient.maritalStatus.coding[0].display"),
        (tag("relative"), "value Patient.meta.tag[0].system"),
        (tag("http://hl7.org/fhir/ValueSet/nonsense"), "not-found Patient.meta.tag[0].system"),
        (tag("urn:oid:1.2.3"), "value Patient.meta.tag[0].system"),
        (patient(r#""identifier":[{"system":"relative","value":"x"}]"#), "value Patient.identifier[0].system"),
    ]);
    let invoice = |currency: &str| {
        format!(r#"{{"resourceType":"Invoice","status":"issued","totalNet":{{"value":1,"currency":"{currency}"}}}}"#)
    };
    assert_eq!(errors(&invoice("EUR"), false), "");
    assert_eq!(errors(&invoice("XYZ"), false), "code-invalid Invoice.totalNet.currency");
    let absent = r#"{"resourceType":"Observation","code":{"text":"x"},
        "_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}"#;
    assert_eq!(errors(absent, false), "required Observation.status");
}

#[test]
fn ids_extensions_and_contained_resources() {
    let basic =
        |id: &str| format!(r##"{{"resourceType":"Basic",{id}"code":{{"text":"x"}},"subject":{{"reference":"#"}}}}"##);
    let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let cases = [
        (r#""name":[{"id":"a","text":"x"},{"id":"a","text":"y"}]"#.to_owned(), "value Patient.name[1].id"),
        (r#""name":[{"id":"a b","text":"x"}]"#.to_owned(), "value Patient.name[0].id"),
        (r#""id":"p","_id":{"id":"x"}"#.to_owned(), "structure Patient.id"),
        (format!(r#""contained":[{}]"#, basic("")), "required Patient.contained[0].id"),
        (format!(r#""contained":[{0},{0}]"#, basic(r#""id":"a","#)), "value Patient.contained[1].id"),
        (
            format!(r#""modifierExtension":[{{"url":"{absent}","valueCode":"unknown"}}]"#),
            "extension Patient.modifierExtension[0]",
        ),
        (
            format!(r#""extension":[{{"url":"{absent}","valueString":"unknown"}}]"#),
            "structure Patient.extension[0].value",
        ),
    ];
    for (inner, expected) in cases {
        assert_eq!(errors(&patient(&inner), false), expected, "{inner}");
    }
    let unknown = |url: &str| patient(&format!(r#""extension":[{{"url":"{url}","valueCode":"x"}}]"#));
    only_thorough(&[
        (unknown("http://example.org/x"), ""),
        (unknown("http://elsewhere.net/x"), "extension Patient.extension[0]"),
    ]);
}

#[test]
fn references_and_canonicals() {
    let link = |inner: &str| patient(&format!(r#""managingOrganization":{{{inner}}}"#));
    for (inner, expected) in [
        (r#""reference":"Organization/a b""#, "value Patient.managingOrganization.reference"),
        (r#""reference":"Organization/1","type":"Organization""#, ""),
        (r#""reference":"Organization/1","type":"Practitioner""#, "structure Patient.managingOrganization.type"),
        (
            r#""type":"http://hl7.org/fhir/StructureDefinition/Organization""#,
            "structure Patient.managingOrganization.type",
        ),
        (r#""reference":"Practitioner/1/x/_history""#, ""),
        (r#""reference":"Practitioner/""#, ""),
        (r#""reference":"Practitioner/1?x=y""#, "structure Patient.managingOrganization"),
    ] {
        assert_eq!(errors(&link(inner), false), expected, "{inner}");
    }
    only_thorough(&[(link(r#""reference":"Organization?name=x""#), "value Patient.managingOrganization.reference")]);
    let response = |url: &str| {
        format!(r#"{{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"{url}"}}"#)
    };
    assert_eq!(errors(&response("http://example.org/q"), false), "");
    let wrong = response("http://hl7.org/fhir/ValueSet/marital-status");
    assert_eq!(errors(&wrong, false), "value QuestionnaireResponse.questionnaire");
    let set = r#"{"resourceType":"ValueSet","status":"draft","url":"relative"}"#;
    assert_eq!(errors(set, false), "value ValueSet.url");
    let entry = |reference: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"http://x.org/Organization/o","resource":
            {{"resourceType":"Organization","id":"o","name":"x","partOf":{{"reference":"{reference}"}}}}}}]}}"#
        )
    };
    assert_eq!(errors(&entry("Organization/o"), false), "");
    assert_eq!(errors(&entry("1"), false), "value Bundle.entry[0].resource.partOf.reference");
}

#[test]
fn definitions_beyond_their_invariants() {
    let system =
        |inner: &str| format!(r#"{{"resourceType":"CodeSystem","status":"draft","content":"complete",{inner}}}"#);
    let measure = |inner: &str| {
        let criteria = r#""group":[{"population":[{"criteria":{"language":"text/cql","expression":"x"}}]}]"#;
        format!(r#"{{"resourceType":"Measure","status":"draft",{inner}{criteria}}}"#)
    };
    let profile = |path: &str| {
        let base = "http://hl7.org/fhir/StructureDefinition/Patient";
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"draft","kind":"resource",
            "abstract":false,"type":"Patient","baseDefinition":"{base}","derivation":"constraint",
            "differential":{{"element":[{{"id":"Patient","path":"Patient"}},{{"id":"{path}","path":"{path}","min":1}}]}}}}"#
        )
    };
    only_thorough(&[
        (system(r#""property":[{"code":"a","type":"string"},{"code":"b","type":"string"}]"#), ""),
        (
            system(r#""property":[{"code":"a","type":"string"},{"code":"a","type":"code"}]"#),
            "value CodeSystem.property[1].code",
        ),
        (system(r#""supplements":"http://x.org/y""#), "value CodeSystem.content"),
        (measure(r#""library":["http://x.org/l"],"#), ""),
        (measure(""), "not-found Measure.group[0].population[0].criteria"),
        (profile("Patient.name"), ""),
        (profile("Patient.nonsense"), "value StructureDefinition.differential"),
    ]);
    let found = |inner: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","search":{{"mode":"{inner}"}},
            "resource":{{"resourceType":"Patient"}}}}]}}"#
        )
    };
    only_thorough(&[
        (found("match"), "required Bundle.entry[0].resource.id"),
        (found("outcome"), "value Bundle.entry[0].resource"),
    ]);
}
