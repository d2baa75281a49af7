//! Validation: any JSON gives issues, always the same, few and each with its place; who asks more finds no less. What is a
//! definition itself is used as one.

use cresset::base::fault::Issue;
use cresset::fhir::json::{Json, parse};
use cresset::fhir::validate::{Options, Registry, shape, structure, validate};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","family":"F","given":["A","B"]},
  {"id":"x","text":"y"}],"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://example.org/e","valueCode":"c"}]},
  "contact":[{"relationship":[{"coding":[{"system":"http://s","code":"c"},{"code":"d"}]}],"name":{"text":"n"}}],
  "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],"managingOrganization":{"reference":"#o"}}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
  "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
  "subject":{"reference":"Patient/p"},"effectiveDateTime":"2020-01-01","component":[{"code":{"text":"a"},"valueQuantity":{"value":1.50,
  "unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}},{"code":{"text":"b"},"valueString":"c"}]}"#;

/// Most issues, with the one that says that there are more.
const ISSUES: usize = 201;

/// Most characters of the text of an issue.
const TEXT: usize = 4096;

/// Laws of validation.
pub fn validated(data: &[u8]) -> bool {
    let Ok(json) = parse(data) else { return false };
    let options = Options { by_meta: true, with_warnings: true, ..Options::default() };
    let found = checked(Registry::core(), &json, &[], options);
    let thorough = checked(Registry::core(), &json, &[], Options { is_thorough: true, ..options });
    assert!(!has_error(&found) || has_error(&thorough), "who is thorough finds no less");
    let quiet = validate(Registry::core(), &json, &[], Options { with_warnings: false, ..options });
    assert_eq!(has_error(&quiet), has_error(&found), "warnings change no verdict");
    let (structured, shaped) = (structure(&json), shape(&json));
    assert!(shaped.is_ok() || structured.is_err(), "the structure asks all that the shape asks");
    assert!(structured.is_ok() || has_error(&found), "the rules ask all that the structure asks");
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    if let (Some("StructureDefinition" | "ValueSet" | "CodeSystem" | "Questionnaire"), Some(url)) =
        (text("resourceType"), text("url"))
    {
        let registry = Registry::with([json.clone()]);
        for resource in [PATIENT, OBSERVATION] {
            let resource = parse(resource.as_bytes()).expect("JSON");
            checked(&registry, &resource, &[url], options);
        }
    }
    text("resourceType").is_some()
}

fn has_error(issues: &[Issue]) -> bool {
    issues.iter().any(|issue| matches!(issue.severity, "error" | "fatal"))
}

/// The issues, which are held to what all issues are.
fn checked(registry: &Registry, json: &Json, profiles: &[&str], options: Options) -> Vec<Issue> {
    let found = validate(registry, json, profiles, options);
    assert_eq!(validate(registry, json, profiles, options), found, "twice the same");
    assert!(found.len() <= ISSUES, "{} issues", found.len());
    for issue in &found {
        assert!(issue.diagnostics.chars().count() < TEXT, "{}", issue.diagnostics);
        let place = issue.expression.as_deref().unwrap_or("");
        let is_place = place.starts_with(|c: char| c.is_ascii_alphabetic());
        assert!(is_place || issue.severity == "information", "{place}: {}", issue.diagnostics);
    }
    found
}
