//! The machinery of profiles, on small profiles of our own.

use super::{Options, Registry, validate};
use crate::base::fault::Issue;
use crate::fhir::json::{Json, parse};

const URL: &str = "http://example.org/StructureDefinition/test";

fn json(text: &str) -> Json {
    parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

/// A profile by its differential, with further definitions.
fn registry(kind: &str, differential: &str, others: &[&str]) -> Registry {
    let base = format!("http://hl7.org/fhir/StructureDefinition/{kind}");
    let profile = profile(URL, kind, &base, differential);
    Registry::with(others.iter().map(|text| json(text)).chain([json(&profile)]))
}

fn profile(url: &str, kind: &str, base: &str, differential: &str) -> String {
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"{url}","type":"{kind}","kind":"resource","abstract":false,
        "derivation":"constraint","baseDefinition":"{base}","differential":{{"element":[{differential}]}}}}"#
    )
}

/// The errors of a resource under the profile, as `code expression`.
fn errors(registry: &Registry, resource: &str) -> Vec<String> {
    let issues = validate(registry, &json(resource), &[URL], Options::default());
    let told = |issue: &Issue| format!("{} {}", issue.code, issue.expression.as_deref().unwrap_or(""));
    issues.iter().map(told).collect()
}

/// What each resource breaks; nothing for the empty text.
fn check(registry: &Registry, cases: &[(&str, &str)]) {
    for (resource, expected) in cases {
        assert_eq!(errors(registry, resource).join(", "), *expected, "{resource}");
    }
}

#[test]
fn cardinality_fixed_and_pattern() {
    let registry = registry(
        "Patient",
        r#"{"path":"Patient"},{"path":"Patient.name","min":1,"max":"2"},{"path":"Patient.name.use","min":1,"fixedCode":"official"},
        {"path":"Patient.photo","max":"0"},{"path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"system":"http://s","code":"M"}]}},
        {"path":"Patient.contact.relationship","min":1},{"path":"Patient.multipleBirthInteger","minValueInteger":2,"maxValueInteger":4},
        {"path":"Patient.name.family","maxLength":5}"#,
        &[],
    );
    check(
        &registry,
        &[
            (r#"{"resourceType":"Patient","name":[{"use":"official","family":"äbcde"}]}"#, ""),
            (r#"{"resourceType":"Patient"}"#, "required Patient.name"),
            (r#"{"resourceType":"Patient","name":[{"use":"usual"}]}"#, "value Patient.name[0].use"),
            (r#"{"resourceType":"Patient","name":[{"family":"x"}]}"#, "required Patient.name[0].use"),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official","family":"abcdef"}]}"#,
                "too-long Patient.name[0].family",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"},{"use":"official"},{"use":"official"}],"photo":[{"title":"x"}]}"#,
                "structure Patient.name, structure Patient.photo",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"}],"maritalStatus":{"coding":[{"system":"http://s","code":"M","display":"x"}],"text":"y"}}"#,
                "",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"}],"maritalStatus":{"coding":[{"system":"http://s","code":"S"}]}}"#,
                "value Patient.maritalStatus.coding[0]",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"}],"contact":[{"gender":"male","name":{"text":"x"}}]}"#,
                "required Patient.contact[0].relationship",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"}],"multipleBirthInteger":5}"#,
                "value Patient.multipleBirth",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"use":"official"}],"multipleBirthInteger":1}"#,
                "value Patient.multipleBirth",
            ),
            (r#"{"resourceType":"Patient","name":[{"use":"official"}],"multipleBirthBoolean":true}"#, ""),
            (r#"{"resourceType":"Organization","name":"x"}"#, "value Organization"),
        ],
    );
}

#[test]
fn slices_by_value() {
    let slicing = |rules: &str, ordered: bool| {
        format!(
            r#"{{"path":"Patient.identifier","slicing":{{"discriminator":[{{"type":"value","path":"system"}}],"rules":"{rules}","ordered":{ordered}}},"min":1}},
            {{"path":"Patient.identifier","sliceName":"a","min":1,"max":"1"}},{{"path":"Patient.identifier.system","fixedUri":"http://a"}},
            {{"path":"Patient.identifier.value","min":1}},
            {{"path":"Patient.identifier","sliceName":"b","max":"1"}},{{"path":"Patient.identifier.system","fixedUri":"http://b"}}"#
        )
    };
    let patient = |systems: &[&str]| {
        let identifiers =
            systems.iter().map(|s| format!(r#"{{"system":"http://{s}","value":"x"}}"#)).collect::<Vec<_>>();
        format!(r#"{{"resourceType":"Patient","identifier":[{}]}}"#, identifiers.join(","))
    };
    let cases = [
        (["a", "b"].as_slice(), ["", "", ""]),
        (&["b", "a"], ["", "structure Patient.identifier[1]", "structure Patient.identifier[1]"]),
        (&["c", "a"], ["", "structure Patient.identifier[0]", "structure Patient.identifier[1]"]),
        (&["a", "c"], ["", "structure Patient.identifier[1]", ""]),
        (&["b"], ["required Patient.identifier"; 3]),
        (&["a", "a"], ["structure Patient.identifier"; 3]),
    ];
    for (n, (rules, ordered)) in [("open", false), ("closed", true), ("openAtEnd", true)].into_iter().enumerate() {
        let registry = registry("Patient", &slicing(rules, ordered), &[]);
        for (systems, expected) in &cases {
            assert_eq!(errors(&registry, &patient(systems)).join(", "), expected[n], "{systems:?} {rules}");
        }
        let no_value = r#"{"resourceType":"Patient","identifier":[{"system":"http://a"}]}"#;
        assert_eq!(errors(&registry, no_value), ["required Patient.identifier[0].value"]);
    }
    let registry = registry("Patient", &slicing("open", false), &[]);
    check(&registry, &[(r#"{"resourceType":"Patient"}"#, "required Patient.identifier, required Patient.identifier")]);
}

#[test]
fn slices_by_pattern_exists_and_type() {
    let registry = registry(
        "Observation",
        r#"{"path":"Observation.category","slicing":{"discriminator":[{"type":"pattern","path":"$this"}],"rules":"open"}},
        {"path":"Observation.category","sliceName":"lab","min":1,"patternCodeableConcept":{"coding":[{"system":"http://c","code":"lab"}]}},
        {"path":"Observation.component","slicing":{"discriminator":[{"type":"exists","path":"interpretation"}],"rules":"closed"}},
        {"path":"Observation.component","sliceName":"with"},{"path":"Observation.component.interpretation","min":1},
        {"path":"Observation.component.dataAbsentReason","max":"0"},
        {"path":"Observation.component","sliceName":"without","max":"1"},{"path":"Observation.component.interpretation","max":"0"},
        {"path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}},
        {"path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
        {"path":"Observation.value[x].code","min":1}"#,
        &[],
    );
    let observation = |inner: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"category":[{{"coding":[{{"system":"http://c","code":"lab"}}]}}],{inner}}}"#
        )
    };
    for (inner, expected) in [
        (r#""valueQuantity":{"value":1,"code":"g","system":"http://unitsofmeasure.org"}"#, ""),
        (r#""valueQuantity":{"value":1}"#, "required Observation.value.code"),
        (r#""valueString":"x""#, "structure Observation.value"),
        (
            r#""component":[{"code":{"text":"x"},"interpretation":[{"text":"x"}],"valueString":"x"},{"code":{"text":"x"},"valueString":"y"}]"#,
            "",
        ),
        (
            r#""component":[{"code":{"text":"x"},"valueString":"x"},{"code":{"text":"x"},"valueString":"y"}]"#,
            "structure Observation.component",
        ),
        (
            r#""component":[{"code":{"text":"x"},"interpretation":[{"text":"x"}],"dataAbsentReason":{"text":"x"}}]"#,
            "structure Observation.component[0].dataAbsentReason",
        ),
    ] {
        check(&registry, &[(&observation(inner), expected)]);
    }
    let none = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"text":"lab"}]}"#;
    check(&registry, &[(none, "required Observation.category")]);
}

#[test]
fn slices_by_value_set_name_the_codes_that_are_not_in_it() {
    let set = r#"{"resourceType":"ValueSet","url":"http://v","compose":{"include":[{"system":"http://s","concept":[{"code":"a"}]}]}}"#;
    let registry = registry(
        "Patient",
        r#"{"path":"Patient.communication","slicing":{"discriminator":[{"type":"value","path":"language"}],"rules":"open"}},
        {"path":"Patient.communication","sliceName":"one","min":1},
        {"path":"Patient.communication.language","binding":{"strength":"required","valueSet":"http://v"}}"#,
        &[set],
    );
    let of = |codings: &str| {
        let text = format!(r#"{{"resourceType":"Patient","communication":[{{"language":{{"coding":[{codings}]}}}}]}}"#);
        let issues = validate(&registry, &json(&text), &[URL], Options::default());
        issues.iter().map(|issue| issue.also.join(" ")).collect::<Vec<_>>().join("|")
    };
    assert_eq!(of(r#"{"system":"http://s","code":"a"}"#), "");
    let place = "Patient.communication[0]";
    let coding = format!("{place}.language.coding[0]");
    assert_eq!(of(r#"{"system":"http://x","code":"a"}"#), format!("{place} {coding} {coding}.system {coding}.code"));
    let seven = [r#"{"system":"http://x","code":"a"}"#; 7].join(",");
    let codings: Vec<_> = (0..7).map(|n| format!("{place}.language.coding[{n}]")).collect();
    assert_eq!(of(&seven), format!("{place} {}", codings.join(" ")));
}

#[test]
fn slices_of_slices_and_the_default_one() {
    let registry = registry(
        "Patient",
        r#"{"path":"Patient.telecom","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
        {"path":"Patient.telecom","sliceName":"phone","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"},"max":"2"},
        {"path":"Patient.telecom.system","fixedCode":"phone"},
        {"path":"Patient.telecom","sliceName":"phone/home","max":"1"},{"path":"Patient.telecom.use","fixedCode":"home"},
        {"path":"Patient.telecom.rank","min":1},
        {"path":"Patient.telecom","sliceName":"@default"},{"path":"Patient.telecom.value","min":1}"#,
        &[],
    );
    let patient = |telecom: &str| format!(r#"{{"resourceType":"Patient","telecom":[{telecom}]}}"#);
    for (telecom, expected) in [
        (r#"{"system":"phone","use":"home","rank":1},{"system":"phone","use":"work"}"#, ""),
        (r#"{"system":"phone","use":"home"}"#, "required Patient.telecom[0].rank"),
        (
            r#"{"system":"phone","use":"home","rank":1},{"system":"phone","use":"home","rank":2}"#,
            "structure Patient.telecom",
        ),
        (r#"{"system":"phone"},{"system":"phone"},{"system":"phone"}"#, "structure Patient.telecom"),
        (r#"{"system":"email","use":"home"}"#, "required Patient.telecom[0].value"),
    ] {
        check(&registry, &[(&patient(telecom), expected)]);
    }
}

const EXTENSION: &str = r#"{"resourceType":"StructureDefinition","url":"http://example.org/ext","type":"Extension","kind":"complex-type","abstract":false,
    "derivation":"constraint","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","differential":{"element":[
    {"path":"Extension.extension","sliceName":"part","min":1,"max":"1"},{"path":"Extension.extension.url","fixedUri":"part"},
    {"path":"Extension.extension.value[x]","min":1,"type":[{"code":"code"}]},
    {"path":"Extension.url","fixedUri":"http://example.org/ext"},{"path":"Extension.value[x]","max":"0"}]}}"#;

#[test]
fn extensions_by_their_definitions() {
    let registry = registry(
        "Patient",
        r#"{"path":"Patient.extension","sliceName":"ext","min":1,"type":[{"code":"Extension","profile":["http://example.org/ext"]}]}"#,
        &[EXTENSION],
    );
    let patient = |extension: &str| format!(r#"{{"resourceType":"Patient","extension":[{extension}]}}"#);
    let good = r#"{"url":"http://example.org/ext","extension":[{"url":"part","valueCode":"x"}]}"#;
    for (extension, expected) in [
        (good.to_owned(), ""),
        (format!(r#"{good},{{"url":"http://elsewhere.org/x","valueCode":"x"}}"#), ""),
        (r#"{"url":"http://elsewhere.org/x","valueCode":"x"}"#.to_owned(), "required Patient.extension"),
        (
            r#"{"url":"http://example.org/ext","extension":[{"url":"part","valueString":"x"}]}"#.to_owned(),
            "structure Patient.extension[0].extension[0].value",
        ),
        (
            r#"{"url":"http://example.org/ext","valueCode":"x"}"#.to_owned(),
            "structure Patient.extension[0].value, required Patient.extension[0].extension",
        ),
        (
            format!("{},{{\"url\":\"other\",\"valueCode\":\"x\"}}]}}", good.trim_end_matches("]}")),
            "extension Patient.extension[0].extension[1]",
        ),
        (format!(r#"{good},{{"url":"nothing","valueCode":"x"}}"#), "extension Patient.extension[1]"),
        (
            format!(r#"{good},{{"url":"http://hl7.org/fhir/StructureDefinition/none","valueCode":"x"}}"#),
            "extension Patient.extension[1]",
        ),
    ] {
        check(&registry, &[(&patient(&extension), expected)]);
    }
}

#[test]
fn profiles_of_types_references_and_content() {
    let other = "http://example.org/StructureDefinition/named";
    let named = profile(
        other,
        "Organization",
        "http://hl7.org/fhir/StructureDefinition/Organization",
        r#"{"path":"Organization.name","min":1}"#,
    );
    let registry_of = |differential: &str, kind: &str| registry(kind, differential, &[&named]);
    let registry = registry_of(
        &format!(
            r#"{{"path":"Patient.managingOrganization","type":[{{"code":"Reference","targetProfile":["{other}"]}}]}},
            {{"path":"Patient.generalPractitioner","type":[{{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Practitioner"]}}]}}"#
        ),
        "Patient",
    );
    let patient = |inner: &str| {
        format!(
            r##"{{"resourceType":"Patient","managingOrganization":{{"reference":"#o"}},"contained":[{{"resourceType":"Organization","id":"o",{inner}}}]}}"##
        )
    };
    check(
        &registry,
        &[
            (&patient(r#""name":"x""#), ""),
            (&patient(r#""identifier":[{"value":"x"}]"#), "structure Patient.managingOrganization"),
            (
                r#"{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"urn:uuid:1"},{"display":"x"}]}"#,
                "",
            ),
            (
                r#"{"resourceType":"Patient","generalPractitioner":[{"reference":"http://x/Organization/1"}]}"#,
                "structure Patient.generalPractitioner[0]",
            ),
            (
                r#"{"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}"#,
                "structure Patient.managingOrganization",
            ),
        ],
    );
    let registry = registry_of(r#"{"path":"Questionnaire.item.text","min":1}"#, "Questionnaire");
    let questionnaire = |inner: &str| {
        format!(
            r#"{{"resourceType":"Questionnaire","status":"draft","item":[{{"linkId":"1","type":"group","text":"x","item":[{{"linkId":"2","type":"string"{inner}}}]}}]}}"#
        )
    };
    check(
        &registry,
        &[(&questionnaire(r#","text":"y""#), ""), (&questionnaire(""), "required Questionnaire.item[0].item[0].text")],
    );
}

#[test]
fn bindings_and_invariants() {
    let system = r#"{"resourceType":"CodeSystem","url":"http://s","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]},{"code":"c"}]}"#;
    let set = r#"{"resourceType":"ValueSet","url":"http://v","compose":{"include":[{"system":"http://s","filter":[{"property":"concept","op":"is-a","value":"a"}]}]}}"#;
    let registry = registry(
        "Patient",
        r#"{"path":"Patient","constraint":[{"key":"x-1","severity":"error","human":"a name","expression":"name.exists()"}]},
        {"path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://v"}}"#,
        &[system, set],
    );
    let patient =
        |coding: &str| format!(r#"{{"resourceType":"Patient","name":[{{"text":"x"}}],"maritalStatus":{{{coding}}}}}"#);
    for (coding, expected) in [
        (r#""coding":[{"system":"http://s","code":"b"}]"#, ""),
        (r#""coding":[{"system":"http://t","code":"b"},{"system":"http://s","code":"a"}]"#, ""),
        (r#""coding":[{"system":"http://s","code":"c"}]"#, "code-invalid Patient.maritalStatus.coding[0]"),
        (
            r#""coding":[{"system":"http://s","code":"d"}]"#,
            "code-invalid Patient.maritalStatus.coding[0].code, code-invalid Patient.maritalStatus.coding[0]",
        ),
        (r#""text":"b""#, "code-invalid Patient.maritalStatus"),
    ] {
        check(&registry, &[(&patient(coding), expected)]);
    }
    check(&registry, &[(r#"{"resourceType":"Patient"}"#, "invariant Patient")]);
}

#[test]
fn responses_to_questionnaires() {
    let questionnaire = r#"{"resourceType":"Questionnaire","url":"http://q","status":"active","item":[
        {"linkId":"a","type":"string","required":true,"maxLength":3},
        {"linkId":"b","type":"choice","repeats":true,"answerOption":[{"valueCoding":{"system":"s","code":"1"}},{"valueCoding":{"system":"s","code":"2"}}]},
        {"linkId":"c","type":"group","enableWhen":[{"question":"b","operator":"=","answerCoding":{"system":"s","code":"1"}}],
            "item":[{"linkId":"d","type":"integer","required":true,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/minValue","valueInteger":5}]}]}]}"#;
    let registry = registry("QuestionnaireResponse", r#"{"path":"QuestionnaireResponse"}"#, &[questionnaire]);
    let response = |items: &str| {
        format!(
            r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://q","status":"completed","item":[{items}]}}"#
        )
    };
    let a = r#"{"linkId":"a","answer":[{"valueString":"x"}]}"#;
    for (items, expected) in [
        (a.to_owned(), ""),
        (
            r#"{"linkId":"b","answer":[{"valueCoding":{"system":"s","code":"2"}}]}"#.to_owned(),
            "required QuestionnaireResponse",
        ),
        (
            r#"{"linkId":"a","answer":[{"valueString":"long"}]}"#.to_owned(),
            "value QuestionnaireResponse.item[0].answer[0]",
        ),
        (
            r#"{"linkId":"a","answer":[{"valueInteger":1}]}"#.to_owned(),
            "structure QuestionnaireResponse.item[0].answer[0]",
        ),
        (format!(r#"{a},{{"linkId":"x"}}"#), "structure QuestionnaireResponse.item[1]"),
        (
            format!(r#"{a},{{"linkId":"b","answer":[{{"valueCoding":{{"system":"s","code":"3"}}}}]}}"#),
            "code-invalid QuestionnaireResponse.item[1].answer[0]",
        ),
        (
            format!(
                r#"{a},{{"linkId":"b","answer":[{{"valueCoding":{{"system":"s","code":"1"}}}}]}},{{"linkId":"c","item":[{{"linkId":"d","answer":[{{"valueInteger":4}}]}}]}}"#
            ),
            "value QuestionnaireResponse.item[2].item[0].answer[0]",
        ),
        (
            r#"{"linkId":"a","answer":[{"valueString":"x"},{"valueString":"y"}]}"#.to_owned(),
            "structure QuestionnaireResponse.item[0]",
        ),
    ] {
        check(&registry, &[(&response(&items), expected)]);
    }
}

#[test]
fn the_cost_is_bounded_and_value_sets_are_asked() {
    let set = r#"{"resourceType":"ValueSet","url":"http://v","compose":{"include":[{"system":"http://s","concept":[{"code":"a"}]}]}}"#;
    let registry = registry(
        "Patient",
        r#"{"path":"Patient.maritalStatus","constraint":[{"key":"x-1","severity":"error","human":"in it","expression":"memberOf('http://v')"}]},
        {"path":"Patient.name","constraint":[{"key":"x-2","severity":"error","human":"slow","expression":"%resource.descendants().where($this = 'x').empty()"}]}"#,
        &[set],
    );
    let patient = |code: &str| {
        format!(
            r#"{{"resourceType":"Patient","maritalStatus":{{"coding":[{{"system":"http://s","code":"{code}"}}]}}}}"#
        )
    };
    check(&registry, &[(&patient("a"), ""), (&patient("b"), "invariant Patient.maritalStatus")]);
    let names = vec![r#"{"text":"a","given":["b","c"]}"#; 4000].join(",");
    let found = errors(&registry, &format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("too-costly Patient.name["), "{found:?}");
}

#[test]
fn contexts_of_extensions() {
    let extension = EXTENSION.replace(
        r#""type":"Extension""#,
        r#""context":[{"type":"element","expression":"Patient.name"},{"type":"element","expression":"Address"},{"type":"extension","expression":"http://outer"}],"type":"Extension""#,
    );
    let registry = registry("Patient", r#"{"path":"Patient"}"#, &[&extension]);
    let one = r#""extension":[{"url":"http://example.org/ext","extension":[{"url":"part","valueCode":"x"}]}]"#;
    check(
        &registry,
        &[
            (&format!(r#"{{"resourceType":"Patient","name":[{{{one}}}]}}"#), ""),
            (&format!(r#"{{"resourceType":"Patient","address":[{{{one}}}]}}"#), ""),
            (&format!(r#"{{"resourceType":"Patient",{one}}}"#), "extension Patient.extension[0]"),
            (
                &format!(r#"{{"resourceType":"Patient","telecom":[{{{one}}}]}}"#),
                "extension Patient.telecom[0].extension[0]",
            ),
            (
                &format!(r#"{{"resourceType":"Patient","_birthDate":{{{one}}}}}"#),
                "extension Patient.birthDate.extension[0]",
            ),
            (&format!(r#"{{"resourceType":"Patient","extension":[{{"url":"http://outer",{one}}}]}}"#), ""),
        ],
    );
}

#[test]
fn the_base_definitions_in_full() {
    let core = Registry::core();
    let told = |text: &str| {
        let issues = validate(core, &json(text), &[], Options::default());
        let one = |i: &Issue| {
            format!(
                "{} {} {}",
                i.code,
                i.expression.as_deref().unwrap_or(""),
                i.diagnostics.split(':').next().unwrap_or("")
            )
        };
        issues.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    for (text, expected) in [
        (r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#, "invariant Patient.contact[0] pat-1"),
        (
            r#"{"resourceType":"Patient","gender":"man"}"#,
            "code-invalid Patient.gender the code \"man\" is not in the value set http",
        ),
        (r#"{"resourceType":"Patient","name":[{"id":"x"}]}"#, "invariant Patient.name[0] ele-1"),
        (r#"{"resourceType":"Patient","_birthDate":{"id":"x"}}"#, "invariant Patient.birthDate ele-1"),
        (
            r##"{"resourceType":"Patient","managingOrganization":{"reference":"#x"}}"##,
            "invariant Patient.managingOrganization ref-1",
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"}}]}"#,
            "invariant Patient.contained[0] dom-3",
        ),
        (
            r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}"#,
            "invariant Patient.text.div txt-1",
        ),
        (
            r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"}}"#,
            "invariant Patient.text.div txt-2",
        ),
        (
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x/Patient/1","resource":{"resourceType":"Patient","id":"2"}}]}"#,
            "value Bundle.entry[0].fullUrl the fullUrl http",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","total":1,"entry":[{"request":{"method":"GET","url":"x"}}]}"#,
            "invariant Bundle bdl-1",
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn a_type_is_not_one_that_is_made_of_it() {
    let of = |differential: &str, value: &str| {
        let registry = registry("Observation", differential, &[]);
        let text = format!(
            r#"{{"resourceType":"Observation","id":"a","status":"final","code":{{"text":"x"}},"extension":[{{"url":"http://example.org/x",{value}}}]}}"#
        );
        errors(&registry, &text).len()
    };
    let only = |code: &str| {
        format!(
            r#"{{"path":"Observation"}},{{"path":"Observation.id","type":[{{"code":"string"}}]}},
            {{"path":"Observation.extension.value[x]","type":[{{"code":"{code}"}}]}}"#
        )
    };
    assert_eq!(of(&only("string"), r#""valueString":"a""#), 0);
    for other in ["valueId", "valueCode", "valueMarkdown"] {
        assert_eq!(of(&only("string"), &format!(r#""{other}":"a""#)), 1, "{other}");
    }
    assert_eq!(of(&only("Quantity"), r#""valueQuantity":{"value":1}"#), 0);
    assert_eq!(
        of(&only("Quantity"), r#""valueDistance":{"value":1,"code":"m","system":"http://unitsofmeasure.org"}"#),
        1
    );
}

#[test]
fn value_sets_that_are_not_known_are_told() {
    let set = r#"{"resourceType":"ValueSet","url":"http://v","compose":{"include":[{"valueSet":["http://nowhere"]},
        {"system":"http://s","concept":[{"code":"a"}]}]}}"#;
    let told = |bound: &str, code: &str, unknown_is_error: bool| {
        let binding =
            format!(r#"{{"path":"Patient.maritalStatus","binding":{{"strength":"required","valueSet":"{bound}"}}}}"#);
        let registry = registry("Patient", &format!(r#"{{"path":"Patient"}},{binding}"#), &[set]);
        let patient = format!(
            r#"{{"resourceType":"Patient","text":{{"status":"empty","div":"<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}},
            "maritalStatus":{{"coding":[{{"system":"http://s","code":"{code}"}}]}}}}"#
        );
        let options = Options { with_warnings: true, unknown_is_error, ..Options::default() };
        let issues = validate(&registry, &json(&patient), &[URL], options);
        let of_binding = issues.iter().filter(|issue| issue.code == "not-found");
        of_binding.map(|issue| issue.severity.to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (bound, code) in [("http://v", "b"), ("http://nowhere", "a")] {
        assert_eq!(told(bound, code, false), "warning", "{bound}");
        assert_eq!(told(bound, code, true), "error", "{bound}");
    }
    assert_eq!(told("http://v", "a", true), "", "what is known to be in it is");
}
