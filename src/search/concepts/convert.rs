//! From the form in which concepts travel to that of the terminology service.

use crate::fhir::codes;
use crate::fhir::terminology::{Coding, Concept, Designation, Property, PropertyValue};

fn filled(text: Box<str>) -> Option<Box<str>> {
    (!text.is_empty()).then_some(text)
}

fn coding(system: Box<str>, code: Box<str>, display: Box<str>) -> Coding {
    Coding { system: filled(system), version: None, code: filled(code), display: filled(display) }
}

fn value(value: codes::PropertyValue) -> PropertyValue {
    match value {
        codes::PropertyValue::Code(text) => PropertyValue::Code(text),
        codes::PropertyValue::String(text) => PropertyValue::String(text),
        codes::PropertyValue::Integer(number) => PropertyValue::Integer(number),
        codes::PropertyValue::Boolean(truth) => PropertyValue::Boolean(truth),
        codes::PropertyValue::DateTime(text) => PropertyValue::DateTime(text),
        codes::PropertyValue::Decimal(text) => PropertyValue::Decimal(text),
        codes::PropertyValue::Coding { system, code, display } => PropertyValue::Coding(coding(system, code, display)),
    }
}

/// The concept as the service knows it; `status` is the code of the property with its status.
pub fn concept(from: codes::Concept, status: &str) -> Concept {
    let designation = |from: codes::Designation| Designation {
        language: from.language,
        usage: from.usage.map(|usage| coding(usage.system, usage.code, usage.display)),
        value: from.value,
        ..Designation::default()
    };
    let property = |from: codes::Property| Property { code: from.code, value: value(from.value) };
    let status = from.properties.iter().find(|property| *property.code == *status);
    let status = status.map(|property| property.value.text().into_owned().into());
    Concept {
        code: from.code,
        display: from.display,
        definition: from.definition,
        designations: from.designations.into_iter().map(designation).collect(),
        properties: from.properties.into_iter().map(property).collect(),
        is_abstract: from.is_abstract,
        is_inactive: from.inactive,
        status,
        ..Concept::default()
    }
}
