//! Writes resources as JSON text, without a tree between: the generator must outrun what it feeds.

use std::io::Write;

use crate::cli::generate::code::{Code, Unit};
use crate::cli::generate::random::Uuid;
use crate::cli::generate::when::Moment;
use crate::fhir::json::write_string;

/// JSON text that is being written. Commas set themselves.
#[derive(Debug, Default)]
pub struct Out(Vec<u8>);

/// A number with a fixed count of decimal places: `Fixed(72.46, 1)` is written `72.5`.
#[derive(Debug, Clone, Copy)]
pub struct Fixed(pub f64, pub usize);

/// What a reference points to.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An entry of the same Bundle.
    Entry(Uuid),
    /// A shared resource, by its identifier: a conditional reference (FHIR R4 `http.html`, 3.1.0.11.2).
    Shared {
        /// The resource type.
        kind: &'static str,
        /// The system of the identifier.
        system: &'static str,
        /// The value of the identifier.
        value: &'a str,
    },
}

impl Out {
    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }

    /// Begins a property: `"name":`.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.comma();
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self
    }

    /// An object as a property.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.name(name).item(fill)
    }

    /// An array as a property.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.name(name).0.push(b'[');
        fill(self);
        self.0.push(b']');
        self
    }

    /// An array with one object as a property.
    pub fn one(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.array(name, |out| {
            out.item(fill);
        })
    }

    /// An object as an item of an array.
    pub fn item(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.comma();
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
        self
    }

    /// A string as a property.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        write_string(value, &mut self.0);
        self
    }

    /// A string as an item of an array.
    pub fn text_item(&mut self, value: &str) -> &mut Self {
        self.comma();
        write_string(value, &mut self.0);
        self
    }

    /// An array of strings as a property.
    pub fn texts(&mut self, name: &str, values: &[&str]) -> &mut Self {
        self.array(name, |out| {
            for value in values {
                out.text_item(value);
            }
        })
    }

    /// Something that shows itself in characters that JSON does not escape, as a string property.
    pub fn plain(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.name(name).0.push(b'"');
        self.raw(value);
        self.0.push(b'"');
        self
    }

    /// A number or boolean as a property, as it shows itself.
    pub fn bare(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.name(name).raw(value)
    }

    fn raw(&mut self, value: impl std::fmt::Display) -> &mut Self {
        write!(self.0, "{value}").expect("writing to memory does not fail");
        self
    }

    /// A date with time and zone as a property.
    pub fn moment(&mut self, name: &str, moment: Moment) -> &mut Self {
        self.name(name).0.push(b'"');
        moment.write(&mut self.0);
        self.0.push(b'"');
        self
    }

    /// A Period; each side may be open.
    pub fn period(&mut self, name: &str, start: Option<Moment>, end: Option<Moment>) -> &mut Self {
        self.object(name, |out| {
            if let Some(start) = start {
                out.moment("start", start);
            }
            if let Some(end) = end {
                out.moment("end", end);
            }
        })
    }

    /// The members of a Coding.
    pub fn coding(&mut self, code: Code) -> &mut Self {
        self.text("system", code.system).text("code", code.code);
        if !code.display.is_empty() {
            self.text("display", code.display);
        }
        self
    }

    /// A CodeableConcept with these codings and the display of the first as its text.
    pub fn concept(&mut self, name: &str, codes: &[Code]) -> &mut Self {
        self.object(name, |out| {
            out.concept_members(codes);
        })
    }

    /// A list of one CodeableConcept.
    pub fn concepts(&mut self, name: &str, codes: &[Code]) -> &mut Self {
        self.one(name, |out| {
            out.concept_members(codes);
        })
    }

    fn concept_members(&mut self, codes: &[Code]) -> &mut Self {
        self.array("coding", |out| {
            for code in codes {
                out.item(|out| {
                    out.coding(*code);
                });
            }
        });
        match codes.first() {
            Some(first) if !first.display.is_empty() => self.text("text", first.display),
            _ => self,
        }
    }

    /// A Reference.
    pub fn reference(&mut self, name: &str, target: Target, display: &str) -> &mut Self {
        self.object(name, |out| {
            out.reference_members(target, display);
        })
    }

    /// A list of one Reference.
    pub fn references(&mut self, name: &str, target: Target, display: &str) -> &mut Self {
        self.one(name, |out| {
            out.reference_members(target, display);
        })
    }

    /// The members of a Reference.
    pub fn reference_members(&mut self, target: Target, display: &str) -> &mut Self {
        self.name("reference").0.push(b'"');
        match target {
            Target::Entry(uuid) => {
                self.0.extend_from_slice(b"urn:uuid:");
                self.0.extend_from_slice(&uuid.text());
            }
            Target::Shared { kind, system, value } => {
                self.raw(format_args!("{kind}?identifier={system}|{value}"));
            }
        }
        self.0.push(b'"');
        if display.is_empty() { self } else { self.text("display", display) }
    }

    /// A list of one Identifier.
    pub fn identifier(&mut self, system: &str, value: &str) -> &mut Self {
        self.one("identifier", |out| {
            out.text("system", system).text("value", value);
        })
    }

    /// The members of a Quantity with a UCUM unit: its code and how people write it.
    pub fn quantity_members(&mut self, value: Fixed, unit: Unit) -> &mut Self {
        self.bare("value", value).text("unit", unit.shown);
        self.text("system", "http://unitsofmeasure.org").text("code", unit.code)
    }

    /// A Quantity.
    pub fn quantity(&mut self, name: &str, value: Fixed, unit: Unit) -> &mut Self {
        self.object(name, |out| {
            out.quantity_members(value, unit);
        })
    }

    /// A Narrative of one paragraph; `text` must not need escaping in XHTML.
    pub fn narrative(&mut self, text: &str) -> &mut Self {
        self.object("text", |out| {
            out.text("status", "generated");
            let paragraph = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{text}</p></div>");
            out.text("div", &paragraph);
        })
    }
}

impl std::fmt::Display for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without this a small negative number would be written `-0.0`.
        let value = if self.0 == 0.0 { 0.0 } else { self.0 };
        write!(f, "{value:.*}", self.1)
    }
}

/// A transaction Bundle that is being written.
#[derive(Debug)]
pub struct Bundle {
    out: Out,
    resources: usize,
    ndjson_bytes: usize,
}

impl Bundle {
    /// An empty one.
    pub fn new() -> Self {
        let head = b"{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[";
        let mut text = Vec::with_capacity(256 << 10);
        text.extend_from_slice(head);
        Self { out: Out(text), resources: 0, ndjson_bytes: 0 }
    }

    /// Adds a creation under the full URL `urn:uuid:...`.
    pub fn create(&mut self, kind: &str, uuid: Uuid, fill: impl FnOnce(&mut Out)) {
        self.entry(kind, uuid, None, fill);
    }

    /// Adds a creation that is done only if no resource of this type has the identifier.
    pub fn create_once(&mut self, kind: &str, uuid: Uuid, identifier: (&str, &str), fill: impl FnOnce(&mut Out)) {
        self.entry(kind, uuid, Some(identifier), fill);
    }

    fn entry(&mut self, kind: &str, uuid: Uuid, once: Option<(&str, &str)>, fill: impl FnOnce(&mut Out)) {
        self.resources += 1;
        let bytes = &mut self.ndjson_bytes;
        self.out.item(|out| {
            out.name("fullUrl").0.extend_from_slice(b"\"urn:uuid:");
            out.0.extend_from_slice(&uuid.text());
            out.0.push(b'"');
            let start = out.name("resource").0.len();
            out.item(|out| {
                out.text("resourceType", kind);
                fill(out);
            });
            *bytes += out.0.len() - start + 1;
            out.object("request", |out| {
                out.text("method", "POST").text("url", kind);
                if let Some((system, value)) = once {
                    out.plain("ifNoneExist", format_args!("identifier={system}|{value}"));
                }
            });
        });
    }

    /// The number of entries.
    pub fn resources(&self) -> usize {
        self.resources
    }

    /// The size of the resources as NDJSON: each with its line feed.
    pub fn ndjson_bytes(&self) -> usize {
        self.ndjson_bytes
    }

    /// The JSON text.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.0.extend_from_slice(b"]}");
        self.out.0
    }
}
