//! Definitions, and the sets that they make.

use super::*;
use crate::base::fault::Category;
use crate::fhir::definitions::params::{Component, branches_for, search_params};
use crate::fhir::json::{Json, parse};
use crate::fhir::types::ResourceType;
use crate::search::extract::tests::{OBSERVATION, PATIENT};
use crate::search::value::Value;

fn kind(name: &str) -> ResourceType {
    ResourceType::find(name).expect(name)
}

/// A definition of `code` for `base`, with further elements.
fn definition(code: &str, base: &str, of: &str, more: &str) -> Json {
    let text = format!(
        r#"{{"resourceType":"SearchParameter","url":"http://x/{code}","name":"n","status":"active","description":"d",
            "code":"{code}","base":["{base}"],"type":"{of}"{more}}}"#
    );
    parse(text.as_bytes()).expect("JSON")
}

fn with(code: &str, base: &str, of: &str, expression: &str) -> Json {
    definition(code, base, of, &format!(r#","expression":"{expression}""#))
}

/// Where it is refused.
fn refused(resource: &Json) -> (Category, String) {
    let fault = effect(&[("SearchParameter/a", resource)], 0).expect_err("it has an effect");
    (fault.category(), fault.issues()[0].expression.clone().unwrap_or_default())
}

fn set(all: &[(&str, &Json)]) -> ParamSet {
    let mut definitions = Definitions::default();
    all.iter().for_each(|(source, resource)| assert!(definitions.set(source, Some(resource))));
    definitions.build()
}

fn effect(all: &[(&str, &Json)], at: usize) -> Result<Effect, crate::base::fault::Fault> {
    match &set(all).defined()[at].effect {
        Effect::None(fault) => Err(fault.clone()),
        effect => Ok(effect.clone()),
    }
}

#[test]
fn what_is_active_is_added() {
    let eyes = with("eyes", "Patient", "token", "Patient.extension.where(url='http://x/eyes').value");
    let found = set(&[("SearchParameter/a", &eyes)]);
    let param = found.find(kind("Patient"), "eyes").expect("it is there");
    assert!(param.id.is_added() && found.find(kind("Observation"), "eyes").is_none());
    assert_eq!(found.find(kind("Patient"), "name").map(|p| p.id.is_added()), Some(false));
    assert_ne!(found.hash(kind("Patient")), 0);
    assert_eq!((found.hash(kind("Observation")), ParamSet::default().hash(kind("Patient"))), (0, 0));
    let mut definitions = Definitions::default();
    for status in ["draft", "retired", "unknown"] {
        let mut other = eyes.clone();
        other.as_object_mut().expect("an object").set("status", Json::string(status));
        definitions.set("SearchParameter/a", Some(&eyes));
        assert!(definitions.set("SearchParameter/a", Some(&other)), "{status}");
        assert!(definitions.is_empty() && !definitions.set("SearchParameter/a", None), "{status}");
    }
}

#[test]
fn resource_stands_for_all_types() {
    let all = set(&[("SearchParameter/a", &with("lang", "Resource", "token", "Resource.language"))]);
    let domain = set(&[("SearchParameter/a", &with("t", "DomainResource", "string", "DomainResource.text.status"))]);
    for name in ["Patient", "Bundle", "Observation"] {
        assert!(all.find(kind(name), "lang").is_some(), "{name}");
        assert_eq!(domain.find(kind(name), "t").is_some(), name != "Bundle", "{name}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    use Category::{Conflict, Unprocessable};
    let of = |code: &str, more: &str| definition(code, "Patient", "token", more);
    let good = r#","expression":"Patient.language""#;
    for (resource, category, place) in [
        (of("a", ""), Unprocessable, "expression"),
        (of("a", r#","xpath":"f:Patient/f:language","xpathUsage":"normal""#), Unprocessable, "expression"),
        (of("a", r#","expression":"Patient.name.where(""#), Unprocessable, "expression"),
        (of("a", r#","expression":"Patient.nam""#), Unprocessable, "expression"),
        (of("a", r#","expression":"Observation.code""#), Unprocessable, "expression"),
        (of("a", r#","expression":"Patient.deceasedBoolean""#), Unprocessable, "expression"),
        (of("a", r#","expression":"Patient.language | Patient.deceasedDateTime.value""#), Unprocessable, "expression"),
        (with("a", "Observation", "date", "Observation.component.valueDateTime"), Unprocessable, "expression"),
        (with("a", "Patients", "token", "Patient.language"), Unprocessable, "base[0]"),
        (with("a", "Patient", "words", "Patient.language"), Unprocessable, "type"),
        (with("a", "Patient", "special", "Patient.language"), Unprocessable, "type"),
        (with("a.b", "Patient", "token", "Patient.language"), Unprocessable, "code"),
        (with("a:b", "Patient", "token", "Patient.language"), Unprocessable, "code"),
        (with("_a", "Patient", "token", "Patient.language"), Unprocessable, "code"),
        (with("name", "Patient", "string", "Patient.language"), Conflict, "code"),
        (with("_id", "Patient", "token", "Patient.language"), Conflict, "code"),
        (of("a", &format!(r#"{good},"chain":["name"]"#)), Unprocessable, "chain"),
        (of("a", &format!(r#"{good},"modifier":["exactly"]"#)), Unprocessable, "modifier[0]"),
        (of("a", &format!(r#"{good},"comparator":["eq","x"]"#)), Unprocessable, "comparator[1]"),
        (of("a", &format!(r#"{good},"target":["Nothing"]"#)), Unprocessable, "target[0]"),
        (
            of("a", &format!(r#"{good},"component":[{{"definition":"x","expression":"y"}}]"#)),
            Unprocessable,
            "component",
        ),
        (definition("a", "Patient", "composite", good), Unprocessable, "component"),
        (
            definition(
                "a",
                "Patient",
                "composite",
                &format!(r#"{good},"component":[{{"definition":"x","expression":"y"}}]"#),
            ),
            Unprocessable,
            "component[0].definition",
        ),
        (
            definition(
                "a",
                "Patient",
                "composite",
                &format!(r#"{good},"component":[{{"definition":"x","expression":"("}}]"#),
            ),
            Unprocessable,
            "component[0].expression",
        ),
    ] {
        assert_eq!(refused(&resource), (category, format!("SearchParameter.{place}")), "{resource:?}");
    }
}

#[test]
fn a_code_belongs_to_one_definition_of_a_type() {
    let (one, two) =
        (with("a", "Patient", "token", "Patient.language"), with("a", "Patient", "token", "Patient.gender"));
    let other = with("a", "Group", "token", "Group.language");
    let upper = with("A", "Patient", "token", "Patient.gender");
    let fault = effect(&[("SearchParameter/1", &one), ("SearchParameter/2", &upper)], 1).expect_err("but for its case");
    assert_eq!(fault.category(), Category::Conflict);
    let gender = with("Gender", "Patient", "token", "Patient.language");
    let fault = effect(&[("SearchParameter/1", &gender)], 0).expect_err("the specification's, but for its case");
    assert_eq!(fault.category(), Category::Conflict);
    let fault = effect(&[("SearchParameter/1", &one), ("SearchParameter/2", &two)], 1).expect_err("it is taken");
    assert_eq!(fault.category(), Category::Conflict);
    assert!(fault.message().contains("SearchParameter/1"), "{}", fault.message());
    assert!(effect(&[("SearchParameter/1", &one), ("SearchParameter/3", &other)], 1).is_ok());
}

/// Implementation guides describe official parameters again.
#[test]
fn what_derives_from_an_official_one_leaves_it_as_it_is() {
    let derived =
        r#","derivedFrom":"http://hl7.org/fhir/SearchParameter/individual-birthdate","expression":"Patient.birthDate""#;
    let date = definition("birthdate", "Patient", "date", derived);
    assert!(matches!(effect(&[("SearchParameter/a", &date)], 0), Ok(Effect::Official(_))));
    assert!(set(&[("SearchParameter/a", &date)]).added(kind("Patient")).is_empty());
    assert_eq!(refused(&definition("birthdate", "Patient", "token", derived)).0, Category::Conflict);
}

#[test]
fn a_composite_is_made_of_known_parameters() {
    let parts = |url: &str| {
        format!(
            r#","expression":"Observation.component","component":[
                {{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"code"}},
                {{"definition":"{url}|1","expression":"interpretation"}}]"#
        )
    };
    let composite = definition("pair", "Observation", "composite", &parts("http://x/sign"));
    let sign = with("sign", "Observation", "token", "Observation.interpretation");
    let found = set(&[("SearchParameter/a", &composite), ("SearchParameter/b", &sign)]);
    let param = found.find(kind("Observation"), "pair").expect("it is there");
    assert_eq!(param.components.iter().map(|c| &*c.param.code).collect::<Vec<_>>(), ["code", "sign"]);
    assert_eq!(refused(&composite).1, "SearchParameter.component[1].definition");
    let nested = definition("other", "Observation", "composite", &parts("http://x/pair"));
    let fault =
        effect(&[("SearchParameter/a", &composite), ("SearchParameter/b", &sign), ("SearchParameter/c", &nested)], 2);
    assert!(fault.is_err());
}

#[test]
fn the_id_is_what_decides_about_the_values() {
    let id = |resource: &Json| set(&[("SearchParameter/a", resource)]).all_added().next().expect("it is added").id;
    let one = with("a", "Patient", "token", "Patient.language");
    let mut described = one.clone();
    described.as_object_mut().expect("an object").set("description", Json::string("other"));
    assert_eq!(id(&one), id(&described));
    assert_eq!(id(&one), id(&with("b", "Patient", "token", "Patient.language")));
    for other in [
        with("a", "Patient", "string", "Patient.language"),
        with("a", "Patient", "token", "Patient.gender"),
        with("a", "DomainResource", "token", "Patient.language"),
    ] {
        assert_ne!(id(&one), id(&other));
    }
}

/// What an expression comes to may be no element.
#[test]
fn what_is_computed_is_a_value() {
    let patient = parse(PATIENT.as_bytes()).expect("JSON");
    for (of, expression, expected) in [
        ("number", "Patient.name.given.count()", "2"),
        ("string", "Patient.name.family.upper()", "muller-ludenscheidt"),
        ("string", "Patient.name.given.first() & ' x'", "eve x"),
        ("token", "Patient.name.given.first() = 'Ève'", "Code true"),
        ("token", "Patient.gender.substring(0, 1)", "Code f"),
        ("date", "Patient.birthDate.toDateTime()", "Date 320630400000000"),
        ("quantity", "7 'mg'", "mg"),
        ("number", "Patient.birthDate", ""),
    ] {
        let set = set(&[("SearchParameter/a", &with("a", "Patient", of, expression))]);
        let id = set.all_added().next().unwrap_or_else(|| panic!("{expression}")).id;
        let values = set.extract(kind("Patient"), &patient, "http://host/fhir").values;
        let found = values.iter().filter(|(other, _)| *other == id).map(|(_, value)| match value {
            Value::Number(number) => number.low.map(|low| low.to_string()).unwrap_or_default(),
            Value::String { folded, .. } => folded.to_string(),
            Value::Token { code, .. } if of == "token" => format!("Code {}", code.as_deref().unwrap_or_default()),
            Value::Date(span) => format!("Date {}", span.start),
            Value::Quantity(quantity) => quantity.code.as_deref().unwrap_or_default().to_owned(),
            _ => String::new(),
        });
        let found: Vec<String> = found.filter(|text| !text.is_empty()).collect();
        assert_eq!(found, if expected.is_empty() { Vec::new() } else { vec![expected] }, "{expression}");
    }
}

/// Every official parameter of a resource, defined again under another code, yields the same values.
#[test]
fn a_copy_of_an_official_parameter_yields_the_same() {
    let mut compared = 0;
    for text in [OBSERVATION, PATIENT] {
        let resource = parse(text.as_bytes()).expect("JSON");
        let kind = kind(resource.get("resourceType").and_then(Json::as_str).expect("a type"));
        let official: Vec<_> = search_params(kind).iter().filter(|param| param.expression.is_some()).collect();
        let mut definitions = Definitions::default();
        for param in official.iter().filter(|param| !matches!(&*param.code, "_id" | "_lastUpdated")) {
            let code = format!("copy-{}", param.code.trim_start_matches('_'));
            let expression = branches_for(kind, param.expression.as_deref().expect("an expression")).expect("a branch");
            let mut copy = definition(&code, kind.name(), param.kind.code(), "");
            let object = copy.as_object_mut().expect("an object");
            object.set("expression", Json::string(expression));
            let part = |part: &Component| {
                let url = ("definition", Json::string(&*part.param.url));
                Json::object([url, ("expression", Json::string(&*part.expression))])
            };
            if !param.components.is_empty() {
                object.set("component", Json::Array(param.components.iter().map(part).collect()));
            }
            assert!(definitions.set(&format!("SearchParameter/{code}"), Some(&copy)));
        }
        let set = definitions.build();
        for defined in set.defined() {
            assert!(defined.added().is_some(), "{}: {:?}", defined.code, defined.effect);
        }
        let values = set.extract(kind, &resource, "http://host/fhir").values;
        for copy in set.added(kind) {
            let code = copy.code.trim_start_matches("copy-");
            let original =
                official.iter().find(|param| param.code.trim_start_matches('_') == code).expect("the original");
            let of = |id| values.iter().filter(|(other, _)| *other == id).map(|(_, value)| value).collect::<Vec<_>>();
            assert_eq!(of(copy.id), of(original.id), "{code}");
            compared += of(copy.id).len();
        }
    }
    assert!(compared > 50, "{compared}");
}
