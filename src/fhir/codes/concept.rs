//! A concept, and its compact form: texts with their length before them, numbers of variable length.

use crate::base::fault::{Fault, Result};

/// A concept of a code system (FHIR R4 `codesystem.html`, `CodeSystem.concept`), with its parents by their codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concept {
    /// The code.
    pub code: Box<str>,
    /// The text that is shown for it.
    pub display: Option<Box<str>>,
    /// What it means.
    pub definition: Option<Box<str>>,
    /// It is not used any more.
    pub inactive: bool,
    /// It groups others and is not chosen itself.
    pub is_abstract: bool,
    /// The codes of the concepts right above it.
    pub parents: Vec<Box<str>>,
    /// Other texts for it.
    pub designations: Vec<Designation>,
    /// Whatever else is known of it.
    pub properties: Vec<Property>,
}

/// Another text for a concept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Designation {
    /// Its language (BCP 47).
    pub language: Option<Box<str>>,
    /// What kind of text it is.
    pub usage: Option<Usage>,
    /// The text.
    pub value: Box<str>,
}

/// A Coding that says what kind of text a designation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its system; empty for none.
    pub system: Box<str>,
    /// Its code.
    pub code: Box<str>,
    /// Its text; empty for none.
    pub display: Box<str>,
}

/// A property of a concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub code: Box<str>,
    /// Its value.
    pub value: PropertyValue,
}

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A code of the same code system.
    Code(Box<str>),
    /// A text.
    String(Box<str>),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A date with or without time, as written.
    DateTime(Box<str>),
    /// A decimal, as written.
    Decimal(Box<str>),
    /// A code of any code system.
    Coding {
        /// Its system; empty for none.
        system: Box<str>,
        /// Its code.
        code: Box<str>,
        /// Its text; empty for none.
        display: Box<str>,
    },
}

impl PropertyValue {
    /// The value as it is compared with that of a filter.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Code(text) | Self::String(text) | Self::DateTime(text) | Self::Decimal(text) => (&**text).into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Boolean(truth) => if *truth { "true" } else { "false" }.into(),
            Self::Coding { code, .. } => (&**code).into(),
        }
    }
}

/// The property with the groups of the relationships of a concept of SNOMED CT, called as SNOMED CT calls a role group: a text
/// `GROUP TYPE VALUE` for each relationship that stands in one. The relationship has a property of its own beside it.
pub const ROLE_GROUP: &str = "609096000";

/// What the properties with the maps of SNOMED CT begin with; then comes the id of the reference set.
pub const MAP: &str = "map:";

const INACTIVE: u8 = 1;
const ABSTRACT: u8 = 2;
const DISPLAY: u8 = 4;
const DEFINITION: u8 = 8;

const LANGUAGE: u8 = 1;
const USAGE: u8 = 2;

impl Concept {
    /// Appends its compact form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(&self.code, out);
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        out.push(
            flag(self.inactive, INACTIVE)
                | flag(self.is_abstract, ABSTRACT)
                | flag(self.display.is_some(), DISPLAY)
                | flag(self.definition.is_some(), DEFINITION),
        );
        for text in [&self.display, &self.definition].into_iter().flatten() {
            put(text, out);
        }
        number(self.parents.len(), out);
        self.parents.iter().for_each(|parent| put(parent, out));
        number(self.designations.len(), out);
        for Designation { language, usage, value } in &self.designations {
            out.push(flag(language.is_some(), LANGUAGE) | flag(usage.is_some(), USAGE));
            language.iter().for_each(|text| put(text, out));
            if let Some(Usage { system, code, display }) = usage {
                [system, code, display].into_iter().for_each(|text| put(text, out));
            }
            put(value, out);
        }
        number(self.properties.len(), out);
        for Property { code, value } in &self.properties {
            put(code, out);
            encode_value(value, out);
        }
    }

    /// Reads the concept at the start of `bytes`, which then begin after it.
    ///
    /// # Errors
    /// 500 for bytes that are none.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let mut concept = Self { code: text(bytes)?, ..Self::default() };
        let flags = byte(bytes)?;
        (concept.inactive, concept.is_abstract) = (flags & INACTIVE != 0, flags & ABSTRACT != 0);
        concept.display = (flags & DISPLAY != 0).then(|| text(bytes)).transpose()?;
        concept.definition = (flags & DEFINITION != 0).then(|| text(bytes)).transpose()?;
        for _ in 0..count(bytes)? {
            concept.parents.push(text(bytes)?);
        }
        for _ in 0..count(bytes)? {
            let flags = byte(bytes)?;
            let language = (flags & LANGUAGE != 0).then(|| text(bytes)).transpose()?;
            let usage = match flags & USAGE {
                0 => None,
                _ => Some(Usage { system: text(bytes)?, code: text(bytes)?, display: text(bytes)? }),
            };
            concept.designations.push(Designation { language, usage, value: text(bytes)? });
        }
        for _ in 0..count(bytes)? {
            concept.properties.push(Property { code: text(bytes)?, value: decode_value(bytes)? });
        }
        Ok(concept)
    }
}

fn encode_value(value: &PropertyValue, out: &mut Vec<u8>) {
    match value {
        PropertyValue::Code(text) => tagged(0, text, out),
        PropertyValue::String(text) => tagged(1, text, out),
        PropertyValue::Integer(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        PropertyValue::Boolean(truth) => out.push(if *truth { 4 } else { 3 }),
        PropertyValue::DateTime(text) => tagged(5, text, out),
        PropertyValue::Decimal(text) => tagged(6, text, out),
        PropertyValue::Coding { system, code, display } => {
            tagged(7, system, out);
            put(code, out);
            put(display, out);
        }
    }
}

fn decode_value(bytes: &mut &[u8]) -> Result<PropertyValue> {
    Ok(match byte(bytes)? {
        0 => PropertyValue::Code(text(bytes)?),
        1 => PropertyValue::String(text(bytes)?),
        2 => {
            let (number, rest) = bytes.split_first_chunk().ok_or_else(broken)?;
            *bytes = rest;
            PropertyValue::Integer(i64::from_le_bytes(*number))
        }
        3 => PropertyValue::Boolean(false),
        4 => PropertyValue::Boolean(true),
        5 => PropertyValue::DateTime(text(bytes)?),
        6 => PropertyValue::Decimal(text(bytes)?),
        7 => PropertyValue::Coding { system: text(bytes)?, code: text(bytes)?, display: text(bytes)? },
        _ => return Err(broken()),
    })
}

fn tagged(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    put(text, out);
}

fn put(text: &str, out: &mut Vec<u8>) {
    number(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn byte(bytes: &mut &[u8]) -> Result<u8> {
    let (first, rest) = bytes.split_first().ok_or_else(broken)?;
    *bytes = rest;
    Ok(*first)
}

fn count(bytes: &mut &[u8]) -> Result<usize> {
    let mut number = 0_usize;
    for shift in (0..56).step_by(7) {
        let byte = byte(bytes)?;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(broken())
}

fn text(bytes: &mut &[u8]) -> Result<Box<str>> {
    let length = count(bytes)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or_else(broken)?;
    *bytes = rest;
    std::str::from_utf8(text).map(Box::from).map_err(|_| broken())
}

fn broken() -> Fault {
    Fault::internal("a stored concept cannot be read")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// With everything that a concept can have.
    pub(in crate::fhir::codes) fn rich() -> Concept {
        let value = |code: &str, value| Property { code: code.into(), value };
        Concept {
            code: "ä-1".into(),
            display: Some("Display".into()),
            definition: Some("x".repeat(300).into()),
            inactive: true,
            is_abstract: true,
            parents: vec!["p".into(), "q".into()],
            designations: vec![
                Designation { value: "plain".into(), ..Designation::default() },
                Designation {
                    language: Some("de".into()),
                    usage: Some(Usage { system: "s".into(), code: "c".into(), display: String::new().into() }),
                    value: "Anzeige".into(),
                },
            ],
            properties: vec![
                value("a", PropertyValue::Code("b".into())),
                value("a", PropertyValue::String("c".into())),
                value("n", PropertyValue::Integer(-5)),
                value("t", PropertyValue::Boolean(true)),
                value("f", PropertyValue::Boolean(false)),
                value("d", PropertyValue::DateTime("2020-01".into())),
                value("e", PropertyValue::Decimal("1.50".into())),
                value("g", PropertyValue::Coding { system: "s".into(), code: "k".into(), display: "K".into() }),
            ],
        }
    }

    #[test]
    fn is_the_same_after_a_journey() {
        let concepts = [rich(), Concept { code: "x".into(), ..Concept::default() }];
        let mut bytes = Vec::new();
        concepts.iter().for_each(|concept| concept.encode(&mut bytes));
        let mut rest = bytes.as_slice();
        for concept in &concepts {
            assert_eq!(Concept::decode(&mut rest).as_ref(), Ok(concept));
        }
        assert!(rest.is_empty());
        for cut in 0..bytes.len() {
            let mut rest = &bytes[..cut];
            while Concept::decode(&mut rest).is_ok() {}
        }
    }

    /// What was written once is read for ever.
    #[test]
    fn the_form_stays() {
        let concept = Concept {
            code: "A".into(),
            display: Some("B".into()),
            parents: vec!["C".into()],
            properties: vec![Property { code: "p".into(), value: PropertyValue::Boolean(true) }],
            ..Concept::default()
        };
        let mut bytes = Vec::new();
        concept.encode(&mut bytes);
        assert_eq!(bytes, b"\x01A\x04\x01B\x01\x01C\x00\x01\x01p\x04");
    }
}
