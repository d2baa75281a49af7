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
    for kind in ["image/*", "application/x-nonsense", "text/HTML"] {
        let photo = photo(r#""data":"YWJj""#).replace("text/plain", kind);
        only_thorough(&[(photo, "code-invalid Patient.photo[0].contentType")]);
    }
    for kind in ["image/png", "application/fhir+json; fhirVersion=4.0", "xml"] {
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
        (status(&format!(r#"{system},"display":"  ""#)), "value Patient.maritalStatus.coding[0].display"),
        (status(&format!(r#"{system},"display":"Wed""#)), "value Patient.maritalStatus.coding[0].display"),
        (status(&format!(r#"{system},"display":"Married ""#)), "value Patient.maritalStatus.coding[0].display"),
        (tag("relative"), "value Patient.meta.tag[0].system"),
        (
            tag("http://hl7.org/fhir/ValueSet/nonsense"),
            "not-found Patient.meta.tag[0].system, code-invalid Patient.meta.tag[0].system",
        ),
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
        (r#""type":"http://hl7.org/fhir/StructureDefinition/Organization""#, ""),
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
        (measure(r#""library":["http://x.org/l"],"#), "not-found Measure.group[0].population[0].criteria"),
        (
            measure(
                r##""contained":[{"resourceType":"Library","id":"l","status":"draft","type":{"text":"x"}}],"library":["#l"],"##,
            ),
            "",
        ),
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

#[test]
fn what_cannot_be_stored_is_a_warning_where_that_is_allowed() {
    let cases = [
        patient(r#""name":[{"id":"a b","family":"x"}]"#),
        patient(r#""name":[{"family":"x\u0001y"}]"#),
        patient(r#""name":[{"family":"x","given":[]}]"#),
        narrative("x").replace("</div>", "</div>\u{a0}"),
        narrative("x").replace("</div>", "</div> and more"),
    ];
    for resource in cases {
        assert!(!errors(&resource, true).is_empty(), "{resource}");
        let json = parse(resource.as_bytes()).expect("JSON");
        let options = Options { is_thorough: true, takes_unstorable: true, ..Options::default() };
        assert!(validate(Registry::core(), &json, &[], options).is_empty(), "{resource}");
        let told = validate(Registry::core(), &json, &[], Options { with_warnings: true, ..options });
        assert!(told.iter().any(|issue| issue.severity == "warning"), "{resource}");
    }
    // an object is none, nor a list that must have items
    for (resource, expected) in [
        (patient(r#""name":[]"#), "structure Patient.name"),
        (r#"{"resourceType":"Patients"}"#.to_owned(), "value Patients"),
        (r#"{"resourceType":"Pat ient"}"#.to_owned(), "value Resource"),
    ] {
        let json = parse(resource.as_bytes()).expect("JSON");
        let options = Options { is_thorough: true, takes_unstorable: true, ..Options::default() };
        let found = validate(Registry::core(), &json, &[], options);
        let told: Vec<String> =
            found.iter().map(|one| format!("{} {}", one.code, one.expression.as_deref().unwrap_or(""))).collect();
        assert_eq!(told, [expected], "{resource}");
    }
}

#[test]
fn definitions_are_about_what_there_is() {
    let map = |code: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","status":"draft","sourceUri":"http://hl7.org/fhir/ValueSet/administrative-gender",
            "group":[{{"source":"http://hl7.org/fhir/administrative-gender","target":"http://example.org/t",
            "element":[{{"code":"{code}","target":[{{"code":"x","equivalence":"equal"}}]}}]}}]}}"#
        )
    };
    let set = |value: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","status":"draft","compose":{{"include":[{{"system":"http://hl7.org/fhir/administrative-gender",
            "filter":[{{"property":"concept","op":"is-a","value":"{value}"}}]}}]}}}}"#
        )
    };
    let structure = |rest: &str| {
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://example.org/s","name":"S","status":"draft","abstract":false,{rest}}}"#
        )
    };
    let model = |kind: &str| {
        structure(&format!(
            r#""kind":"logical","type":"{kind}","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Element",
            "derivation":"specialization","differential":{{"element":[{{"id":"X","path":"X"}}]}}"#
        ))
    };
    let profile = |element: &str| {
        structure(&format!(
            r#""kind":"resource","type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation",
            "derivation":"constraint","differential":{{"element":[{{"id":"Observation.value[x]","path":"Observation.value[x]",{element}}}]}}"#
        ))
    };
    only_thorough(&[
        (map("male"), ""),
        (map("nonsense"), "code-invalid ConceptMap.group[0].element[0].code"),
        (set("male"), ""),
        (set("nonsense"), "code-invalid ValueSet.compose.include[0].filter[0].value"),
        (model("http://example.org/Boo"), ""),
        (model("Boo"), "value StructureDefinition.type"),
        (
            profile(
                r#""type":[{"code":"Quantity","profile":["http://hl7.org/fhir/StructureDefinition/SimpleQuantity"]}]"#,
            ),
            "",
        ),
        (
            profile(r#""type":[{"code":"Quantity","profile":["http://hl7.org/fhir/StructureDefinition/Count"]}]"#),
            "value StructureDefinition.differential.element[0].type[0].profile[0]",
        ),
    ]);
}

#[test]
fn narratives_have_the_sections_that_a_profile_asks_for() {
    let profile = |name: &str, code: &str| {
        parse(
            format!(
                r#"{{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"draft","kind":"resource",
                "abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
                "differential":{{"element":[{{"id":"Patient.text","path":"Patient.text","extension":[
                {{"url":"http://hl7.org/fhir/StructureDefinition/narrative-{name}-control","valueCode":"{code}"}}]}}]}}}}"#
            )
            .as_bytes(),
        )
        .expect("JSON")
    };
    let (plain, german) = ("<p>a</p>", "<div lang='de' class='original'>b</div>");
    for (name, code, inner, is_right) in [
        ("language", "_no", plain, true),
        ("language", "_no", german, false),
        ("language", "_yes", plain, false),
        ("language", "_yes", german, true),
        ("language", "de", german, true),
        ("language", "_resource", german, false),
        ("source", "warning", plain, false),
        ("source", "warning", german, true),
        ("source", "success", plain, true),
        ("source", "warning", "text", false),
    ] {
        let registry = Registry::with([profile(name, code)]);
        let resource = narrative(inner)
            .replace("{\"resourceType\":\"Patient\",", "{\"resourceType\":\"Patient\",\"language\":\"en\",");
        let json = parse(resource.as_bytes()).expect("JSON");
        let options = Options { is_thorough: true, ..Options::default() };
        let found = validate(&registry, &json, &["http://example.org/p"], options);
        assert_eq!(found.is_empty(), is_right, "{name} {code} {inner}: {found:?}");
    }
}

#[test]
fn references_lead_to_one_entry_of_their_type() {
    let bundle = |kind: &str, reference: &str, others: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"fullUrl":"urn:uuid:54fc3e09-e279-4b74-a8ff-2649ec968642","resource":
            {{"resourceType":"Patient","generalPractitioner":[{{"reference":"{reference}"}}]}}}},{others}]}}"#
        )
    };
    let organization = r#"{"fullUrl":"urn:uuid:5d9588d8-3cd6-4b32-8fb7-ad13694e069d","resource":{"resourceType":"Organization","name":"x"}}"#;
    let id = "5d9588d8-3cd6-4b32-8fb7-ad13694e069d";
    let place = "structure Bundle.entry[0].resource.generalPractitioner[0]";
    assert_eq!(errors(&bundle("collection", &format!("Practitioner/{id}"), organization), false), place);
    assert_eq!(errors(&bundle("collection", &format!("Organization/{id}"), organization), false), "");
}

#[test]
fn a_document_has_what_its_composition_refers_to() {
    let bundle = |kind: &str, entry: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","identifier":{{"system":"http://example.org/ids","value":"x"}},"timestamp":"2020-01-01T00:00:00Z",
            "entry":[{{"fullUrl":"http://example.org/fhir/Composition/1","resource":{{"resourceType":"Composition","id":"1","status":"final",
            "type":{{"text":"x"}},"date":"2020","title":"x","author":[{{"reference":"Device/1"}}],
            "section":[{{"title":"x","entry":[{{"reference":"{entry}"}}]}}]}}}},
            {{"fullUrl":"http://example.org/fhir/Device/1","resource":{{"resourceType":"Device","id":"1"}}}}]}}"#
        )
    };
    only_thorough(&[
        (bundle("document", "Device/1"), ""),
        (bundle("document", "Device/2"), "not-found Bundle.entry[0].resource.section[0].entry[0]"),
        (
            bundle("document", "urn:uuid:54fc3e09-e279-4b74-a8ff-2649ec968642"),
            "not-found Bundle.entry[0].resource.section[0].entry[0]",
        ),
        (bundle("collection", "Device/2"), ""),
    ]);
}

#[test]
fn a_type_without_a_reference_is_not_held_against_the_element() {
    let patient = |inner: &str| patient(&format!(r#""managingOrganization":{{"display":"x","type":"Basic"{inner}}}"#));
    assert_eq!(errors(&patient(""), true), "");
    assert!(!errors(&patient(r#","reference":"Basic/1""#), true).is_empty());
}

#[test]
fn languages_and_urls_of_hl7_are_known() {
    let system =
        |url: &str| patient(&format!(r#""identifier":[{{"system":"http://hl7.org/fhir/{url}","value":"1"}}]"#));
    let unknown = "not-found Patient.identifier[0].system";
    only_thorough(&[
        (patient(r#""language":"de-CH""#), ""),
        (patient(r#""language":"english""#), "code-invalid Patient.language"),
        (patient(r#""language":"zz""#), "code-invalid Patient.language"),
        (system("sid/us-ssn"), ""),
        (system("sid/icd-10-nl"), ""),
        (system("sid/passport-DEU"), ""),
        (system("sid/nonsense"), unknown),
        (system("patient.html"), unknown),
        (system("http.html#read"), unknown),
    ]);
}

#[test]
fn one_coding_is_named_for_its_concept() {
    let condition = |codings: &str| {
        let subject = r#""subject":{"reference":"Patient/1"}"#;
        errors(&format!(r#"{{"resourceType":"Condition",{subject},"clinicalStatus":{{"coding":[{codings}]}}}}"#), false)
    };
    let (wrong, place) = (r#"{"system":"http://example.org","code":"x"}"#, "Condition.clinicalStatus");
    assert!(condition(wrong).contains(&format!("code-invalid {place}.coding[0]")), "{}", condition(wrong));
    let both = condition(&format!("{wrong},{wrong}"));
    assert!(both.contains(&format!("code-invalid {place}")) && !both.contains("coding[0]"), "{both}");
}

#[test]
fn codes_and_names_of_countries() {
    let coding = |system: &str, code: &str, display: &str| {
        let coding = format!(r#"{{"system":"{system}","code":"{code}","display":"{display}"}}"#);
        patient(&format!(r#""maritalStatus":{{"coding":[{coding}]}}"#))
    };
    let iso = "urn:iso:std:iso:3166";
    let place = "Patient.maritalStatus.coding[0]";
    for (code, display, expected) in [
        ("DE", "Germany", String::new()),
        ("US", "The United States of America", String::new()),
        ("US-CA", "California", String::new()),
        ("BD", "Australia", format!("value {place}.display")),
        ("nonsense", "x", String::new()),
    ] {
        assert_eq!(errors(&coding(iso, code, display), true), expected, "{code} {display}");
    }
    let nonsense = coding(iso, "nonsense", "x");
    let json = parse(nonsense.as_bytes()).expect("JSON");
    let warned = validate(Registry::core(), &json, &[], Options { with_warnings: true, ..Options::default() });
    let is_it =
        |issue: &Issue| issue.severity == "warning" && issue.expression.as_deref() == Some(&format!("{place}.code"));
    assert!(warned.iter().any(is_it), "{warned:?}");
}

#[test]
fn what_is_refused_on_request() {
    let told = |resource: &str, options: Options| {
        let json = parse(resource.as_bytes()).expect(resource);
        let issues = validate(Registry::core(), &json, &[], options);
        issues.iter().map(|issue| issue.expression.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    let markup = Options { refuses_markup: true, ..Options::default() };
    let name = |text: &str| patient(&format!(r#""name":[{{"text":"{text}"}}]"#));
    for (text, is_refused) in [
        ("a < b > c", false),
        ("a <b", false),
        ("<b>x</b>", true),
        ("x</i >", true),
        ("<!-- x -->", true),
        ("<3>", false),
    ] {
        assert_eq!(told(&name(text), markup), if is_refused { "Patient.name[0].text" } else { "" }, "{text}");
        assert_eq!(told(&name(text), Options::default()), "", "{text}");
    }
    let examples = Options { refuses_examples: true, ..Options::default() };
    let system = patient(r#""identifier":[{"system":"http://example.org/x","value":"1"}]"#);
    assert_eq!(told(&system, examples), "Patient.identifier[0].system");
    assert_eq!(told(&system, Options::default()), "");
}

#[test]
fn references_lead_to_what_is_given() {
    let read = |text: &str| parse(text.as_bytes()).expect(text);
    let given = [
        read(r#"{"resourceType":"Patient","id":"a"}"#),
        read(
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"b"}}]}"#,
        ),
        read(
            r#"{"resourceType":"Parameters","parameter":[{"name":"x","part":[{"name":"y","resource":{"resourceType":"Patient","id":"c"}}]}]}"#,
        ),
    ];
    let beside = super::Beside::new(&given);
    let patient = |reference: &str| {
        let text = patient(&format!(r#""link":[{{"type":"seealso","other":{{"reference":"{reference}"}}}}]"#));
        let json = read(&text);
        let with = |beside| super::validate_beside(Registry::core(), None, beside, &json, &[], Options::default());
        assert!(with(None).is_empty(), "{reference}");
        with(Some(&beside)).iter().filter_map(|issue| issue.expression.clone()).collect::<Vec<_>>().join(" ")
    };
    for reference in [
        "Patient/a",
        "Patient/b",
        "Patient/c/_history/2",
        "http://elsewhere.org/Patient/d",
        "urn:uuid:2f8f7b0a-7a6b-4b4a-9d7b-0d7f6f0a0b0c",
    ] {
        assert_eq!(patient(reference), "", "{reference}");
    }
    assert_eq!(patient("Patient/d"), "Patient.link[0].other.reference");
}

#[test]
fn a_slice_that_lacks_a_value_names_those_in_none() {
    let text = r#"{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},
      "status":"final","category":[{"coding":[{"system":"http://x.org","code":"vital-signs"}]},{"text":"x"},
      {"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"exam"}]}],
      "code":{"text":"x"},"subject":{"display":"x"},"effectiveDateTime":"2020-01-01","valueString":"x"}"#;
    let json = parse(text.as_bytes()).expect("JSON");
    let options = Options { by_meta: true, ..Options::default() };
    let issues = validate(Registry::core(), &json, &[], options);
    let told: Vec<_> = issues.iter().map(|issue| (issue.expression.as_deref(), issue.also.join(","))).collect();
    let places = [
        "category[0]",
        "category[0].coding[0].system",
        "category[1]",
        "category[1].coding",
        "category[2]",
        "category[2].coding[0].code",
        "meta.profile[0]",
    ];
    let places = places.map(|place| format!("Observation.{place}"));
    assert_eq!(told, [(Some("Observation.category"), places.join(","))]);
}

#[test]
fn no_more_than_some_places_are_told() {
    let coding = r#"{"system":"http://x.org","code":"vital-signs"}"#;
    let codings = vec![coding; 5000].join(",");
    let text = format!(
        r#"{{"resourceType":"Observation","meta":{{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]}},
        "status":"final","category":[{{"coding":[{codings}]}}],"code":{{"text":"x"}},"subject":{{"display":"x"}},
        "effectiveDateTime":"2020-01-01","valueString":"x"}}"#
    );
    let options = Options { by_meta: true, ..Options::default() };
    let issues = validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options);
    // and the claim
    assert_eq!(issues.iter().map(|issue| issue.also.len()).collect::<Vec<_>>(), [11]);
}
