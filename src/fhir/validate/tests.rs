//! Structure checks: planted faults, laws, and the public examples where they are at hand.

use std::io::Read;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{shape, structure};
use crate::base::fault::{Fault, Issue};
use crate::fhir::json::{Json, parse};
use crate::fhir::xml::{Layout, write};

/// The findings on a resource, as `code expression`.
fn findings(text: &str) -> Vec<String> {
    let json = parse(text.as_bytes()).expect(text);
    told(structure(&json))
}

/// The same of its shape only.
fn misshapen(text: &str) -> Vec<String> {
    told(shape(&parse(text.as_bytes()).expect(text)))
}

fn told(checked: crate::base::fault::Result<()>) -> Vec<String> {
    let Err(fault) = checked else { return Vec::new() };
    let shown = |issue: &Issue| format!("{} {}", issue.code, issue.expression.as_deref().unwrap_or(""));
    fault.issues().iter().map(shown).collect()
}

const PATIENT: &str = r##"{"resourceType":"Patient","id":"a","meta":{"profile":["http://x|1","urn:oid:1.2|3"],
    "source":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520#a","lastUpdated":"2020-01-01T00:00:00Z"},
    "text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"},
    "contained":[{"resourceType":"Organization","id":"o","name":"O"}],
    "extension":[{"url":"http://x","valueString":"a"},{"url":"http://y","extension":[{"url":"z","valueBoolean":true}]}],
    "modifierExtension":[{"url":"http://x","valueCode":"a"}],
    "name":[{"family":"F","given":["A",null,"B"],"_given":[null,{"extension":[{"url":"http://x","valueCode":"masked"}]},{"id":"g"}]}],
    "birthDate":"2000-02-29","_birthDate":{"extension":[{"url":"http://t","valueDateTime":"2000-02-29T10:00:00+02:00"}]},
    "_gender":{"extension":[{"url":"http://x","valueCode":"unknown"}]},
    "multipleBirthInteger":2,"managingOrganization":{"reference":"#o"},
    "contact":[{"relationship":[{"text":"mother"}],"modifierExtension":[{"url":"http://x","valueInteger":1}]}],
    "link":[{"other":{"reference":"Patient/b"},"type":"seealso"}]}"##;

#[test]
fn a_sound_resource_has_no_findings() {
    assert_eq!(findings(PATIENT), [""; 0]);
    let observation = r#"{"resourceType":"Observation","_status":{"extension":[{"url":"x","valueCode":"a"}]},"code":{"text":"x"},
        "valueString":"a","_valueString":{"id":"x"},"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.50}}]}"#;
    assert_eq!(findings(observation), [""; 0]);
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"resource":{PATIENT},"request":{{"method":"PUT","url":"x"}}}}]}}"#
    );
    assert_eq!(findings(&bundle), [""; 0]);
    let parameters = format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"a","resource":{PATIENT}}},{{"name":"b","valueId":"x"}},{{"name":"c","part":[{{"name":"d","valueDate":"2020"}}]}}]}}"#
    );
    assert_eq!(findings(&parameters), [""; 0]);
}

#[test]
fn every_fault_has_its_place() {
    for (inner, expected) in [
        (r#""nonsense":1"#, "structure Patient"),
        (r#""_contact":{"id":"a"}"#, "structure Patient"),
        (r#""resource_type":"x""#, "structure Patient"),
        (r#""name":{"family":"x"}"#, "structure Patient.name"),
        (r#""gender":["male"]"#, "structure Patient.gender"),
        (r#""gender":{"value":"male"}"#, "structure Patient.gender"),
        (r#""gender":"""#, "value Patient.gender"),
        (r#""gender":null"#, "structure Patient.gender"),
        (r#""active":"true""#, "structure Patient.active"),
        (r#""name":[]"#, "structure Patient.name"),
        (r#""name":[{}]"#, "structure Patient.name[0]"),
        (r#""name":["x"]"#, "structure Patient.name[0]"),
        (r#""name":[{"given":["a",""]}]"#, "value Patient.name[0].given[1]"),
        (r#""name":[{"given":["a",null]}]"#, "structure Patient.name[0].given[1]"),
        (r#""name":[{"given":["a"],"_given":[null]}]"#, "structure Patient.name[0].given"),
        (r#""name":[{"given":["a"],"_given":[{"id":"x"},{"id":"y"}]}]"#, "structure Patient.name[0].given"),
        (r#""name":[{"given":["a"],"_given":{"id":"x"}}]"#, "structure Patient.name[0].given"),
        (r#""_birthDate":[{"id":"x"}]"#, "structure Patient.birthDate"),
        (r#""_birthDate":"x""#, "structure Patient.birthDate"),
        (r#""_birthDate":{}"#, "structure Patient.birthDate"),
        (r#""_birthDate":{"value":"x"}"#, "structure Patient.birthDate"),
        (r#""birthDate":"2023-02-30""#, "value Patient.birthDate"),
        (r#""deceasedBoolean":true,"deceasedDateTime":"2020""#, "structure Patient.deceased"),
        (r#""deceasedBoolean":true,"_deceasedDateTime":{"id":"x"}"#, "structure Patient.deceased"),
        (r#""deceasedString":"x""#, "structure Patient"),
        (r#""deceased":true"#, "structure Patient"),
        (r#""link":[{"type":"seealso"}]"#, "required Patient.link[0].other"),
        (r#""extension":[{"valueString":"x"}]"#, "required Patient.extension[0].url"),
        (
            r#""extension":[{"url":"x","valueString":"x","extension":[{"url":"y","valueCode":"z"}]}]"#,
            "invariant Patient.extension[0]",
        ),
        (r#""extension":[{"url":"x","valueString":"x","valueCode":"x"}]"#, "structure Patient.extension[0].value"),
        (r#""contained":[{"id":"x"}]"#, "required Patient.contained[0]"),
        (r#""contained":[{"resourceType":"Nothing"}]"#, "value Patient.contained[0]"),
        (r#""contained":[{"resourceType":"Organization","name":1}]"#, "structure Patient.contained[0].name"),
        (
            r#""contained":[{"resourceType":"Organization","contained":[{"resourceType":"Patient"}]}]"#,
            "structure Patient.contained[0].contained",
        ),
        (r#""id":"a b""#, "value Patient.id"),
        (r#""meta":{"lastUpdated":"2020-01-01"}"#, "value Patient.meta.lastUpdated"),
        (r#""multipleBirthInteger":1.0"#, "value Patient.multipleBirth"),
        (r#""photo":[{"data":"!!!"}]"#, "value Patient.photo[0].data"),
        (r#""managingOrganization":{"reference":5}"#, "structure Patient.managingOrganization.reference"),
        (r#""text":{"status":"empty","div":"<div/>"}"#, "invariant Patient.text.div"),
        (
            r#""text":{"status":"empty","div":"<div xmlns='http://www.w3.org/1999/xhtml'><script>x</script></div>"}"#,
            "invariant Patient.text.div",
        ),
        (r#""name":[{"family":""}]"#, "value Patient.name[0].family"),
        (r#""name":[{"id":"a b"}]"#, "value Patient.name[0].id"),
        (r#""name":[{"id":"a","_id":{"id":"b"}}]"#, "structure Patient.name[0]"),
        (r#""extension":[{"url":"x","_url":{"id":"b"},"valueCode":"a"}]"#, "structure Patient.extension[0]"),
        (
            r#""text":{"status":"empty","div":"<div xmlns='http://www.w3.org/1999/xhtml'>x</div>","_div":{"id":"a"}}"#,
            "structure Patient.text",
        ),
        (r#""meta":{}"#, "structure Patient.meta"),
        (r#""meta":{"source":"urn:uuid:C757873D-ec9a-4326-a141-556f43239520"}"#, "value Patient.meta.source"),
        (r#""meta":{"profile":["urn:oid:1.02|3"]}"#, "value Patient.meta.profile[0]"),
    ] {
        let text = format!(r#"{{"resourceType":"Patient",{inner}}}"#);
        assert_eq!(findings(&text), [expected], "{inner}");
    }
    assert_eq!(
        findings(r#"{"resourceType":"Observation"}"#),
        ["required Observation.status", "required Observation.code"]
    );
    assert_eq!(
        findings(
            r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"x"}}"#
        ),
        ["required MedicationRequest.medication"]
    );
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[{},{"resource":{"resourceType":"Patient","name":1}}]}"#;
    assert_eq!(findings(bundle), ["structure Bundle.entry[0]", "structure Bundle.entry[1].resource.name"]);
    for (text, expected) in [
        ("[]", "structure Resource"),
        ("{}", "required Resource"),
        (r#"{"resourceType":1}"#, "structure Resource"),
        (r#"{"resourceType":"DomainResource"}"#, "value DomainResource"),
    ] {
        assert_eq!(findings(text), [expected]);
    }
}

#[test]
fn the_shape_is_what_both_formats_need() {
    for inner in [
        r#""birthDate":"2023-02-30""#,
        r#""gender":"a  b""#,
        r#""multipleBirthInteger":1.5"#,
        r#""link":[{"type":"seealso"}]"#,
        r#""extension":[{"valueString":"x"}]"#,
        r#""extension":[{"url":"x","extension":[{"url":"y"}],"valueString":"x"}]"#,
        r#""photo":[{"data":"!!!","url":"a b"}]"#,
        r#""text":{"div":"<div><script>x</script></div>"}"#,
    ] {
        let text = format!(r#"{{"resourceType":"Patient",{inner}}}"#);
        assert_eq!(misshapen(&text), [""; 0], "{inner}");
        assert_ne!(findings(&text), [""; 0], "{inner}");
        let tree = parse(text.as_bytes()).expect(inner);
        let mut xml = Vec::new();
        write(&tree, Layout::Compact, &mut xml).expect(inner);
        // a narrative that left its namespace unsaid has one then
        let read = crate::fhir::xml::parse(&xml, 64).expect(inner);
        assert!(read == tree || inner.contains("div"), "{inner}");
    }
    for (inner, expected) in [
        (r#""nonsense":1"#, "structure Patient"),
        (r#""name":{"family":"x"}"#, "structure Patient.name"),
        (r#""name":[]"#, "structure Patient.name"),
        (r#""name":[{}]"#, "structure Patient.name[0]"),
        (r#""name":[{"given":["a",null]}]"#, "structure Patient.name[0].given[1]"),
        (r#""name":[{"given":["a"],"_given":[null]}]"#, "structure Patient.name[0].given"),
        (r#""name":[{"id":"a","_id":{"id":"b"}}]"#, "structure Patient.name[0]"),
        (r#""active":"true""#, "structure Patient.active"),
        (r#""gender":"""#, "value Patient.gender"),
        (r#""gender":"\u0001""#, "value Patient.gender"),
        (r#""gender":" a""#, "value Patient.gender"),
        (r#""multipleBirthInteger":"1""#, "structure Patient.multipleBirth"),
        (r#""deceasedBoolean":true,"deceasedDateTime":"2020""#, "structure Patient.deceased"),
        (r#""text":{"div":"<div>"}"#, "value Patient.text.div"),
        (r#""contained":[{"resourceType":"Nothing"}]"#, "value Patient.contained[0]"),
    ] {
        assert_eq!(misshapen(&format!(r#"{{"resourceType":"Patient",{inner}}}"#)), [expected], "{inner}");
    }
}

/// Whatever passes the shape can be written as XML, and what is read of that is the same.
fn survives_xml(tree: &Json) {
    let mut xml = Vec::new();
    write(tree, Layout::Compact, &mut xml).expect("XML");
    let text = String::from_utf8_lossy(&xml).into_owned();
    let read = crate::fhir::xml::parse(&xml, 600).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let mut again = Vec::new();
    write(&read, Layout::Compact, &mut again).expect("XML");
    assert_eq!(String::from_utf8_lossy(&again), text);
}

#[test]
fn findings_are_bounded() {
    let names = vec!["1"; 1000].join(",");
    let found = findings(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "informational ");
    let found = findings(&format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, vec!["1"; 100].join(",")));
    assert_eq!(found.len(), 100);
}

/// Any JSON at all, of names that matter.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1.5".to_owned()),
        "[a-z ]{0,3}".prop_map(|text| format!("\"{text}\""))
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let name = prop_oneof![
            Just("resourceType"),
            Just("contained"),
            Just("name"),
            Just("_given"),
            Just("given"),
            Just("extension"),
            Just("url"),
            Just("valueString"),
            Just("_valueString"),
            Just("id"),
            Just("x"),
            Just("contact")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(name, inner, 0..4).prop_map(|map| {
                let pairs: Vec<String> = map.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            })
        ]
    })
}

proptest! {
    /// Whatever is put in, the check ends, and tells places within the resource only.
    #[test]
    fn never_fails_to_answer(name in any_json(), contained in any_json(), extension in any_json()) {
        let text = format!(r#"{{"resourceType":"Patient","name":{name},"contained":{contained},"extension":{extension}}}"#);
        for finding in findings(&text) {
            prop_assert!(finding.contains(" Patient"), "{}", finding);
        }
        let json = parse(text.as_bytes()).expect("JSON");
        if shape(&json).is_ok() {
            survives_xml(&json);
        }
    }
}

/// A folder of the public data that lies beside the repository on some machines.
pub fn data(folder: &str) -> Option<PathBuf> {
    let start = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    start.ancestors().map(|dir| dir.join("shared/data").join(folder)).find(|dir| dir.is_dir())
}

/// The official examples that break the structure themselves, as the official validator says too: the end of the file
/// name, the code and the end of the expression of each of their issues, and how many files there are. The shape of all is right.
const BROKEN: &[(&str, &str, &str, usize)] = &[
    // generated questionnaires whose items have no linkId
    ("-questionnaire.json", "required", ".linkId", 187),
    // SearchParameters of extensions without a base
    ("-author.json", "required", "SearchParameter.base", 2),
    ("-effective.json", "required", "SearchParameter.base", 2),
    ("-end.json", "required", "SearchParameter.base", 2),
    ("-keyword.json", "required", "SearchParameter.base", 2),
    ("-workflow.json", "required", "SearchParameter.base", 2),
    // an id of 67 characters
    ("questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json", "value", "SearchParameter.id", 1),
    // narratives without content
    ("activitydefinition-servicerequest-example.json", "invariant", ".text.div", 1),
    ("activitydefinition-supplyrequest-example.json", "invariant", ".text.div", 1),
    ("eventdefinition-example.json", "invariant", ".text.div", 1),
    ("questionnaire-zika-virus-exposure-assessment.json", "invariant", ".text.div", 1),
    // UUIDs in upper case, and an OID of X.Y.Z
    ("capabilitystatement-example.json", "value", ".url", 1),
    ("terminologycapabilities-example.json", "value", ".url", 1),
    ("library-zika-virus-intervention-logic.json", "value", ".valueSet", 1),
];

/// The place in [`BROKEN`] that explains every issue of a file.
fn explanation(name: &str, fault: &Fault) -> Option<usize> {
    let explains = |(file, code, end, _): &(&str, &str, &str, usize)| {
        let is_known = |i: &Issue| i.code == *code && i.expression.as_deref().is_some_and(|e| e.ends_with(end));
        name.ends_with(file) && fault.issues().iter().all(|i| is_known(i) || i.code == "informational")
    };
    BROKEN.iter().position(explains)
}

#[test]
fn official_examples_pass() {
    let Some(folder) = data("fhir-r4") else { return };
    let mut seen = 0;
    let mut refused = Vec::new();
    for archive in ["examples-json-4.0.1-instances.tgz", "examples-json-4.0.1-definitional.tgz"] {
        let file = std::fs::File::open(folder.join(archive)).expect(archive);
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
        for entry in tar.entries().expect(archive) {
            let mut entry = entry.expect(archive);
            let name =
                entry.path().expect(archive).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if !name.ends_with(".json") {
                continue;
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text).expect(archive);
            seen += 1;
            let json = parse(&text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(shape(&json), Ok(()), "{name}");
            if let Err(fault) = structure(&json) {
                refused.push((name, fault));
            }
        }
    }
    assert_eq!(seen, 2902);
    let mut explained = vec![0; BROKEN.len()];
    refused.retain(|(name, fault)| {
        explanation(name, fault).is_none_or(|n| {
            explained[n] += 1;
            false
        })
    });
    assert_eq!(explained, BROKEN.iter().map(|broken| broken.3).collect::<Vec<_>>());
    let shown: Vec<String> = refused.iter().map(|(name, fault)| format!("{name}: {fault}")).collect();
    assert!(shown.is_empty(), "{} of {seen}:\n{}", shown.len(), shown.join("\n"));
}

#[test]
fn synthea_passes() {
    let Some(folder) = data("synthea") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "bz2") {
            continue;
        }
        let mut text = Vec::new();
        bzip2::read::BzDecoder::new(std::fs::File::open(&path).expect("a file")).read_to_end(&mut text).expect("bzip2");
        let json: Json = parse(&text).expect("JSON");
        assert_eq!(structure(&json), Ok(()), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 42, "{seen} files");
}

/// `cargo test --release --lib fhir::validate -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement, for release builds"]
fn speed() {
    let json = parse(PATIENT.as_bytes()).expect("JSON");
    let per_run = |name: &str, work: &dyn Fn()| {
        work();
        let start = std::time::Instant::now();
        (0..100_000).for_each(|_| work());
        eprintln!("{name}: {:?}", start.elapsed() / 100_000);
    };
    eprintln!("{} bytes", PATIENT.len());
    per_run("parse", &|| drop(std::hint::black_box(parse(PATIENT.as_bytes()))));
    per_run("structure", &|| drop(std::hint::black_box(structure(&json))));
    let names = ["resourceType", "id", "valueCodeableConcept", "_birthDate", "system", "nonsense"];
    per_run("six names", &|| {
        for name in names {
            std::hint::black_box(crate::fhir::definitions::names::find(name));
        }
    });
}
