//! What two JSON forms of one resource differ in, told in one word per kind of difference.

use std::collections::BTreeSet;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::Value;

/// The kinds of difference between an official example in JSON and another form of it; empty when they say the same.
/// Numbers are compared as written.
pub fn differences(official: &Value, other: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    values(official, other, "", &mut found);
    found
}

fn values(a: &Value, b: &Value, name: &str, found: &mut BTreeSet<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => values(a, b, name, found),
                    (Some(_), None) => {
                        found.insert(format!("only in JSON: {name}"));
                    }
                    _ => {
                        found.insert(format!("only in XML: {name}"));
                    }
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                found.insert(format!("number of {name}"));
            }
            a.iter().zip(b).for_each(|(a, b)| values(a, b, name, found));
        }
        (Value::String(a), Value::String(b)) if a != b && name == "div" => {
            found.extend(narratives(a, b).map(str::to_owned));
        }
        (Value::String(a), Value::String(b)) if a != b && spaced(a) == spaced(b) => {
            found.insert("white space in a string".to_owned());
        }
        (a, b) if a != b => {
            found.insert(format!("value of {name}"));
        }
        _ => {}
    }
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

fn narratives(a: &str, b: &str) -> Option<&'static str> {
    let (a, b) = (xhtml(a), xhtml(b));
    if a == b {
        None
    } else if bare(&a) == bare(&b) {
        Some("white space in a narrative")
    } else {
        Some("text of a narrative")
    }
}

/// XHTML without what does not count: quotes and order of attributes, the way of writing characters and empty elements.
pub fn xhtml(text: &str) -> String {
    let mut reader = Reader::from_str(text);
    let mut out = String::new();
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {text}")) {
            Event::Start(start) => tag(&start, &mut out),
            Event::Empty(start) => {
                tag(&start, &mut out);
                out.push_str(&format!("</{}>", start.name().as_ref()));
            }
            Event::End(end) => out.push_str(&format!("</{}>", end.name().as_ref())),
            Event::Text(text) => out.push_str(&text.xml10_content()),
            Event::GeneralRef(name) => {
                let known = match &*name {
                    "lt" => "\u{e000}",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "",
                };
                out.push_str(known);
                out.extend(name.resolve_char_ref().unwrap());
            }
            Event::CData(text) => out.push_str(&text.xml10_content()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            Event::Eof => return out,
        }
    }
}

fn tag(start: &BytesStart<'_>, out: &mut String) {
    let mut attributes: Vec<String> = start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
            format!(" {}={:?}", attribute.key.as_ref(), spaced(&value))
        })
        .collect();
    attributes.sort();
    out.push_str(&format!("<{}{}>", start.name().as_ref(), attributes.concat()));
}

/// A document, a tag a line, without what does not count in it: the white space and comments between FHIR's elements,
/// and in narratives what [`xhtml`] leaves out.
pub fn document(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut lines = Vec::new();
    loop {
        let from = reader.buffer_position() as usize;
        let mut line = String::new();
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {text}")) {
            Event::Start(start) if start.name().as_ref() == "div" => {
                reader.read_to_end(start.name()).unwrap();
                line = xhtml(&text[from..reader.buffer_position() as usize]);
            }
            Event::Start(start) => whole(&start, &mut line),
            Event::Empty(start) => {
                whole(&start, &mut line);
                lines.push(line);
                line = format!("</{}>", start.name().as_ref());
            }
            Event::End(end) => line = format!("</{}>", end.name().as_ref()),
            Event::Eof => return lines,
            _ => continue,
        }
        lines.push(line);
    }
}

/// A tag of FHIR: the white space in its attributes counts, but for that around a value.
fn whole(start: &BytesStart<'_>, out: &mut String) {
    let mut attributes: Vec<String> = start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
            format!(" {}={value:?}", attribute.key.as_ref())
        })
        .collect();
    attributes.sort();
    out.push_str(&format!("<{}{}>", start.name().as_ref(), attributes.concat()));
}
