//! What a thorough validation takes and refuses as HL7's validator does, by the texts of the specification or beyond them.

use super::{Options, Registry, validate};
use crate::fhir::definitions::crossed;
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
    // another version may have other codes
    let status = |version: &str| {
        of_patient(&format!(
            r#""maritalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"ZZ"{version}}}]}}"#
        ))
    };
    assert_eq!(status(""), ["Patient.maritalStatus.coding[0].code"]);
    assert!(status(r#","version":"99.9""#).is_empty());
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
        r#""name":[{"given":["a"],"_given":[null,{"extension":[{"url":"http://example.org/x","valueString":"y"}]}]}]"#,
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

#[test]
fn narratives_that_cannot_be_stored_are_judged_by_what_they_say() {
    let div = |text: &str| {
        let text = text.replace('"', "\\\"");
        of_patient(&format!(r#""text":{{"status":"generated","div":"{text}"}}"#))
    };
    let plain = r#"<div xmlns="http://www.w3.org/1999/xhtml">x</div>"#;
    for before in ["<!-- c -->", "<?xml version=\"1.0\"?>", "<?pi x?> ", "<!DOCTYPE html>", " "] {
        assert!(div(&format!("{before}{plain}")).is_empty(), "{before}");
    }
    for before in ["x", "<p/>", "<!DOCTYPE d [<!ENTITY e \"x\">]>", "<!-- c "] {
        assert_eq!(div(&format!("{before}{plain}")), ["Patient.text.div"], "{before}");
    }
    assert!(!div(&format!("<!DOCTYPE html>{}", plain.replace(">x<", "><script>x</script><"))).is_empty());
    for inner in ["a <![CDATA[<b>x</b>]]>", "<p>a <![CDATA[b > c]]> d</p>", "a<![CDATA[a & b]]>"] {
        assert!(div(&plain.replace(">x<", &format!(">{inner}<"))).is_empty(), "{inner}");
    }
    for inner in ["<![CDATA[<b>]]>", "x<![CDATA[<b>]]><script/>"] {
        assert!(!div(&plain.replace(">x<", &format!(">{inner}<"))).is_empty(), "{inner}");
    }
}

#[test]
fn an_id_alone_is_no_value_of_a_primitive() {
    assert_eq!(of_patient(r#""_birthDate":{"id":"a"}"#), ["Patient.birthDate"]);
    assert_eq!(of_patient(r#""name":[{"given":[null,"b"],"_given":[{"id":"a"},null]}]"#), ["Patient.name[0].given[0]"]);
    assert!(of_patient(r#""birthDate":"2020","_birthDate":{"id":"a"}"#).is_empty());
}

#[test]
fn supplements_have_the_codes_of_what_they_supplement() {
    let supplement = |inner: &str| {
        errors(&format!(r#"{{"resourceType":"CodeSystem","status":"draft","content":"supplement"{inner}}}"#))
    };
    let of = r#","supplements":"http://hl7.org/fhir/observation-status","concept":[{"code":"final"}"#;
    assert_eq!(supplement(""), ["CodeSystem.supplements"]);
    assert!(supplement(&format!("{of}]")).is_empty());
    assert_eq!(supplement(&format!(r#"{of},{{"code":"zz"}}]"#)), ["CodeSystem.concept[1].code"]);
    assert!(supplement(r#","supplements":"http://example.org/none","concept":[{"code":"zz"}]"#).is_empty());
    let map = |target: &str, code: &str| {
        errors(&format!(
            r#"{{"resourceType":"ConceptMap","status":"draft","targetUri":"http://hl7.org/fhir/ValueSet/observation-status","group":[{{
            "source":"http://example.org/s","target":"{target}","element":[{{"code":"a","target":[{{"code":"{code}","equivalence":"equal"}}]}}]}}]}}"#
        ))
    };
    let place = ["ConceptMap.group[0].element[0].target[0].code"];
    assert!(map("http://hl7.org/fhir/observation-status", "final").is_empty());
    assert!(map("http://example.org/unknown", "zz").is_empty());
    assert_eq!(map("http://hl7.org/fhir/observation-status", "zz"), place);
    assert_eq!(map("http://hl7.org/fhir/administrative-gender", "male"), place);
}

#[test]
fn extensions_may_ask_something_of_the_element_that_has_them() {
    let item = |kind: &str| {
        let unit =
            r#""url":"http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption","valueCoding":{"code":"x"}"#;
        errors(&format!(
            r#"{{"resourceType":"Questionnaire","status":"draft","item":[{{"linkId":"1","text":"x","type":"{kind}","extension":[{{{unit}}}]}}]}}"#
        ))
    };
    assert!(item("quantity").is_empty(), "{:?}", item("quantity"));
    assert_eq!(item("string"), ["Questionnaire.item[0]"]);
    let value = |value: &str| {
        let accuracy = r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/quantity-accuracy","valueQuantity":{"value":1}}]"#;
        errors(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{}}}"#,
            value.replace("EXTENSION", accuracy)
        ))
    };
    let measured = value(r#""valueQuantity":{"value":2,EXTENSION}"#);
    assert!(measured.is_empty(), "{measured:?}");
    assert_eq!(value(r#""valueString":"x","_valueString":{EXTENSION}"#), ["Observation.value"]);
}

#[test]
fn a_reference_with_more_after_its_version_names_no_type() {
    let organization =
        |reference: &str| of_patient(&format!(r#""managingOrganization":{{"reference":"{reference}"}}"#));
    assert!(organization("Patient/1/_history/2/3").is_empty() && organization("Patient/1/_history/").is_empty());
    assert_eq!(organization("Patient/1/_history/2"), ["Patient.managingOrganization"]);
}

#[test]
fn the_type_of_the_base_is_only_constrained() {
    let definition = |derivation: &str, base: &str| {
        let found = errors(&format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://example.org/s","name":"S","status":"draft","kind":"complex-type",
            "abstract":false,"type":"Extension","derivation":"{derivation}","baseDefinition":"http://hl7.org/fhir/StructureDefinition/{base}",
            "differential":{{"element":[{{"id":"Extension","path":"Extension"}},
            {{"id":"Extension.url","path":"Extension.url","fixedUri":"http://example.org/s"}}]}}}}"#
        ));
        found.iter().any(|place| place == "StructureDefinition.type")
    };
    assert!(definition("specialization", "Extension"));
    assert!(!definition("constraint", "Extension") && !definition("specialization", "Element"));
}

#[test]
fn elements_of_other_versions_are_extensions() {
    let extension = |rest: &str| of_patient(&format!(r#""extension":[{{"url":"http://hl7.org/fhir/{rest}}}]"#));
    for fine in [
        r#"3.0/StructureDefinition/extension-Patient.animal.species","valueCodeableConcept":{"text":"x"}"#,
        r#"5.0/StructureDefinition/extension-Procedure.recorded","valueDateTime":"2020""#,
        r#"5.0/StructureDefinition/extension-Patient.name","valueString":"x""#,
        r#"5.0/StructureDefinition/extension-Condition.participant","extension":[
            {"url":"function","valueCodeableConcept":{"text":"x"}},{"url":"actor","valueReference":{"reference":"Patient/1"}}]"#,
    ] {
        assert!(extension(fine).is_empty(), "{fine}: {:?}", extension(fine));
    }
    let broken = (0..crossed::count())
        .step_by(97)
        .filter_map(|at| Registry::core().made(&crossed::definition(at, "http://example.org/x")).err());
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
    for (wrong, place) in [
        (r#"5.0/StructureDefinition/extension-Patient.nothing","valueString":"x""#, ""),
        (r#"9.0/StructureDefinition/extension-Patient.name","valueString":"x""#, ""),
        (r#"5.0/StructureDefinition/extension-Procedure.recorded","valueString":"x""#, ".value"),
        (r#"5.0/StructureDefinition/extension-Attachment.size","valueInteger":1"#, ".value"),
        (
            r#"3.0/StructureDefinition/extension-Patient.animal","extension":[{"url":"species","valueCodeableConcept":{"text":"x"}}]"#,
            "",
        ),
        (
            r#"5.0/StructureDefinition/extension-Condition.participant","extension":[{"url":"foo","valueString":"x"}]"#,
            ".extension[0]",
        ),
        (r#"4.0/StructureDefinition/extension-Patient.contact.gender","valueCode":"male""#, ""),
    ] {
        assert_eq!(extension(wrong).first(), Some(&format!("Patient.extension[0]{place}")), "{wrong}");
    }
}

#[test]
fn filters_have_operators_and_values_of_their_properties() {
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    const SNOMED: &str = "http://snomed.info/sct";
    const LOINC: &str = "http://loinc.org";
    for (system, filter, wrong) in [
        (ROLE, "concept is-a PRN", ""),
        (ROLE, "concept in PRN,MTH", ""),
        (ROLE, "concept in PRN,nonsense", "value"),
        (ROLE, "concept generalizes nonsense", "value"),
        (ROLE, "concept regex P.*", "op"),
        (ROLE, "concept exists true", "op"),
        (ROLE, "code regex P.*", ""),
        (ROLE, "code regex P(?!X)", ""),
        (ROLE, "code regex [", "value"),
        (ROLE, "inactive = true", ""),
        (ROLE, "inactive = yes", "value"),
        (ROLE, "status exists yes", "value"),
        (ROLE, "nonsense exists yes", ""),
        (ROLE, "parent = PRN", ""),
        (ROLE, "parent = nonsense", "value"),
        ("http://hl7.org/fhir/administrative-gender", "parent = nonsense", ""),
        ("http://terminology.hl7.org/CodeSystem/v2-tables", "v2-cs-version = 2", ""),
        ("http://terminology.hl7.org/CodeSystem/v2-tables", "v2-cs-version = lt2", ""),
        ("http://terminology.hl7.org/CodeSystem/v2-tables", "v2-cs-version = two", "value"),
        (ROLE, "nonsense is-a x", ""),
        (SNOMED, "concept is-a 404684003", "value"),
        (SNOMED, "concept = 404684003", "op"),
        (SNOMED, "363698007 = 39057004", "value"),
        (SNOMED, "constraint = <<404684003", "value"),
        (SNOMED, "expressions = true", ""),
        (SNOMED, "expressions = maybe", "value"),
        (LOINC, "STATUS = ACTIVE", ""),
        (LOINC, "STATUS is-a ACTIVE", "op"),
        (LOINC, "parent = LP43571-6", "value"),
        (LOINC, "parent regex LP.*", ""),
        ("http://hl7.org/fhir/sid/icd-10-nl", "concept is-a A00", "value"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "TTY = IN", ""),
        ("http://example.org/x", "concept is-a A00", ""),
        ("http://example.org/x", "concept regex A00", "op"),
    ] {
        let [property, op, value] = filter.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{filter}") };
        let set = format!(
            r#"{{"resourceType":"ValueSet","status":"draft","compose":{{"include":[{{"system":"{system}",
            "filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}}}"#
        );
        let told: Vec<String> =
            errors(&set).into_iter().map(|at| at.replace("ValueSet.compose.include[0].filter[0].", "")).collect();
        assert_eq!(told.join(" "), wrong, "{system}: {filter}");
    }
}

#[test]
fn warnings_never_keep_errors_from_being_told() {
    let one =
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},"value":"1"}"#;
    let resource = format!(r#"{{"resourceType":"Patient","identifier":[{}],"gender":"x"}}"#, [one; 120].join(","));
    let json = parse(resource.as_bytes()).expect("JSON");
    let options = Options { with_warnings: true, ..Options::default() };
    let issues = validate(Registry::core(), &json, &[], options);
    let count = |severity: &str| issues.iter().filter(|issue| issue.severity == severity).count();
    assert_eq!((count("error"), count("warning"), count("information")), (1, 100, 1), "{issues:?}");
}

#[test]
fn ranges_of_two_units_are_a_warning() {
    let options = Options { with_warnings: true, ..Options::default() };
    let of = |low: &str, high: &str| {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"text":{{"status":"generated",
            "div":"<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}},"valueRange":{{"low":{low},"high":{high}}}}}"#
        );
        let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
        issues.iter().map(|issue| format!("{} {}", issue.severity, issue.diagnostics)).collect::<Vec<_>>().join("|")
    };
    assert_eq!(of(r#"{"value":1,"unit":"m"}"#, r#"{"value":2,"unit":"m"}"#), "");
    assert_eq!(of(r#"{"value":1,"unit":"m"}"#, r#"{"value":2}"#), "");
    let told = |name: &str| format!("warning low and high of a range must have the same {name}");
    assert_eq!(of(r#"{"value":1,"unit":"m"}"#, r#"{"value":2,"unit":"cm"}"#), told("unit"));
    let [cm, m] =
        ["cm", "m"].map(|code| format!(r#"{{"value":1,"system":"http://unitsofmeasure.org","code":"{code}"}}"#));
    assert_eq!(of(&cm, &m), told("code"));
}

#[test]
fn null_is_no_value_beside_an_extension() {
    let absent =
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#;
    assert_eq!(of_patient(&format!(r#""birthDate":null,"_birthDate":{absent}"#)), ["Patient.birthDate"]);
    assert!(of_patient(&format!(r#""_birthDate":{absent}"#)).is_empty());
    assert!(of_patient(&format!(r#""name":[{{"given":[null,"A"],"_given":[{absent},null]}}]"#)).is_empty());
}

#[test]
fn urls_of_definitions_are_absolute_as_they_are_written() {
    for (url, is_fine) in [
        ("http://example.org/x", true),
        ("urn:oid:1.2.840.1", true),
        ("mailto:a", true),
        ("mailto:", false),
        ("URN:UUID:c757873d-ec9a-4326-a141-556f43239520", false),
        ("HTTP://example.org/x", false),
        ("x", false),
    ] {
        let system = format!(r#"{{"resourceType":"CodeSystem","status":"draft","content":"complete","url":"{url}"}}"#);
        assert_eq!(errors(&system).is_empty(), is_fine, "{url}");
        let set =
            format!(r#"{{"resourceType":"ValueSet","status":"draft","compose":{{"include":[{{"system":"{url}"}}]}}}}"#);
        assert_eq!(errors(&set).is_empty(), is_fine, "{url}");
    }
    let set = r#"{"resourceType":"ValueSet","status":"draft","compose":{"include":[{"system":"http://hl7.org/fhir/ValueSet/administrative-gender"}]}}"#;
    assert_eq!(errors(set), ["ValueSet.compose.include[0].system"]);
}
