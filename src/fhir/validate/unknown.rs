//! Elements that a type does not have (FHIR R4 `validation.html`: "nothing extra is present").

use super::state::{Check, STRUCTURE, shown};
use crate::fhir::definitions::element::{Property, TypeId, properties, type_by_name};
use crate::fhir::name::Name;
use crate::fhir::path::Path;

/// Tells that a type has no element of this name, and which one may be meant: a choice that is not of this type, or the one whose
/// name differs in case alone.
pub fn tell(check: &mut Check<'_, '_>, owner: TypeId, name: &Name, path: &Path<'_>) {
    let plain = name.as_str().trim_start_matches('_');
    let choice = || properties(owner).iter().find(|property| property.is_choice && is_other_form(property, plain));
    let text = || {
        let unknown = shown(name.as_str());
        let is_alike = |property: &&Property| property.name.as_str().eq_ignore_ascii_case(plain);
        match (choice(), properties(owner).iter().find(is_alike)) {
            (Some(choice), _) => {
                let element = choice.element;
                format!("unknown element \"{unknown}\"; {element}[x] is of {}", types(owner, element))
            }
            (None, Some(alike)) => format!("unknown element \"{unknown}\"; is it \"{}\"?", alike.name.as_str()),
            (None, None) => format!("unknown element \"{unknown}\""),
        }
    };
    let places = || {
        let named = is_name(plain).then(|| path.child(plain).to_string());
        named.into_iter().chain(choice().map(|choice| path.child(choice.element).to_string())).collect()
    };
    check.fail_of_several(STRUCTURE, text, path, places);
}

/// Whether a name is that of a choice with a type that it may not be of.
fn is_other_form(choice: &Property, name: &str) -> bool {
    let lower = |kind: &str| {
        kind.chars().next().map(|first| first.to_lowercase().chain(kind.chars().skip(1)).collect::<String>())
    };
    name.strip_prefix(choice.element)
        .is_some_and(|kind| type_by_name(kind).is_some() || lower(kind).and_then(|kind| type_by_name(&kind)).is_some())
}

/// The types of a choice, in words.
fn types(owner: TypeId, element: &str) -> String {
    let forms = properties(owner).iter().filter(|property| property.is_choice && property.element == element);
    let names: Vec<_> = forms.map(|property| property.type_id.name()).collect();
    if names.len() > 12 { "other types".to_owned() } else { format!("type {}", names.join(" or ")) }
}

/// Whether a name could be that of an element.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, Registry, validate};

    #[test]
    fn an_unknown_element_is_named_with_what_may_be_meant() {
        for (resource, text, also) in [
            (r#"{"resourceType":"Patient","foo":1}"#, "unknown element \"foo\"", &["Patient.foo"][..]),
            (
                r#"{"resourceType":"Patient","birthdate":"2020"}"#,
                "unknown element \"birthdate\"; is it \"birthDate\"?",
                &["Patient.birthdate"],
            ),
            (
                r#"{"resourceType":"Patient","multipleBirthString":"x"}"#,
                "unknown element \"multipleBirthString\"; multipleBirth[x] is of type boolean or integer",
                &["Patient.multipleBirthString", "Patient.multipleBirth"],
            ),
            (
                r#"{"resourceType":"Patient","_multipleBirthAddress":{}}"#,
                "unknown element \"_multipleBirthAddress\"; multipleBirth[x] is of type boolean or integer",
                &["Patient.multipleBirthAddress", "Patient.multipleBirth"],
            ),
            (
                r#"{"resourceType":"Patient","multipleBirthFoo":"x"}"#,
                "unknown element \"multipleBirthFoo\"",
                &["Patient.multipleBirthFoo"],
            ),
            (
                r#"{"resourceType":"Patient","extension":[{"url":"http://x","valueNarrative":{}}]}"#,
                "unknown element \"valueNarrative\"; value[x] is of other types",
                &["Patient.extension[0].valueNarrative", "Patient.extension[0].value"],
            ),
            (r#"{"resourceType":"Patient","b-d":"x"}"#, "unknown element \"b-d\"", &[]),
        ] {
            let json = parse(resource.as_bytes()).expect("JSON");
            let issues = validate(Registry::core(), &json, &[], Options::default());
            let place = if resource.contains("extension") { "Patient.extension[0]" } else { "Patient" };
            assert_eq!((&*issues[0].diagnostics, issues[0].expression.as_deref()), (text, Some(place)));
            assert_eq!(issues[0].also, also, "{resource}");
        }
    }
}
