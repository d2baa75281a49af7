//! The public test cases of JSON Patch, FHIRPath Patch and XML Patch, where they are at hand.

use std::path::{Path, PathBuf};

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::xml_patch::XmlPatch;
use super::{Patch, PatchBounds, PatchFormat};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::element::{TypeId, TypeKind, property, type_by_name};
use crate::fhir::json::{Json, Object, parse, write};
use crate::fhir::name::Name;
use crate::fhir::xml::tree::{self, Element, Node};

const BOUNDS: PatchBounds = PatchBounds { operations: 100, nesting: 64, bytes: 1 << 20 };

/// A file of the test cases; none (loudly) where the folder is not there.
fn file(name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| root.join(place).join("data/tests/patch").join(name));
    let found: Option<PathBuf> = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is missing");
    }
    found.map(|path| std::fs::read_to_string(path).expect("readable"))
}

fn text(json: &Json) -> String {
    let mut out = Vec::new();
    write(json, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn json_patch_cases() {
    let Some(text) = file("json-patch-tests.json") else { return };
    let cases = parse(text.as_bytes()).expect("JSON");
    let cases = cases.as_array().expect("an array");
    let mut failed = Vec::new();
    for case in cases {
        let comment = case.get("comment").and_then(Json::as_str).unwrap_or_default();
        let document = case.get("doc").cloned().expect("a document");
        let patch = super::json_patch::JsonPatch::read(case.get("patch").cloned().expect("a patch"), BOUNDS);
        let result = patch.and_then(|patch| patch.apply(document, &mut super::budget::Budget::new(BOUNDS)));
        // Objects have no order: compared as the RFC compares.
        let same =
            |a: &Json, b: &Json| super::equality::same(a, b, &mut super::budget::Budget::new(BOUNDS)).expect("cheap");
        match (&result, case.get("expected")) {
            (Ok(found), Some(expected)) if same(found, expected) => {}
            (Err(_), None) if case.get("error").is_some() => {}
            _ => failed.push(format!("{comment}: {result:?}")),
        }
    }
    assert_eq!((cases.len(), failed.as_slice()), (12, &[] as &[String]));
}

/// An element of XML, as far as the cases need it.
#[derive(Debug, Default)]
struct Xml {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Xml>,
}

impl Xml {
    fn read(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        let mut stack = vec![Self::default()];
        let start = |tag: &BytesStart<'_>| {
            let attributes = tag.attributes().map(|attribute| {
                let attribute = attribute.expect("an attribute");
                (attribute.key.as_ref().to_owned(), attribute.value.clone().into_owned())
            });
            Self { name: tag.name().as_ref().to_owned(), attributes: attributes.collect(), children: Vec::new() }
        };
        loop {
            match reader.read_event().expect("XML") {
                Event::Start(tag) => stack.push(start(&tag)),
                Event::Empty(tag) => stack.last_mut().expect("open").children.push(start(&tag)),
                Event::End(_) => {
                    let done = stack.pop().expect("open");
                    stack.last_mut().expect("the document").children.push(done);
                }
                Event::Eof => return stack.pop().expect("the document"),
                _ => {}
            }
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The resource that an element holds.
    fn resource(&self) -> Json {
        let root = self.children.first().expect("a resource");
        let mut json = root.json(type_by_name(&root.name).expect("a type"));
        let at = json.as_object_mut().expect("an object");
        at.insert_at(0, Name::new("resourceType"), Json::string(root.name.as_str()));
        json
    }

    fn json(&self, owner: TypeId) -> Json {
        let mut object = Object::new();
        if let Some(id) = self.attribute("id") {
            object.set("id", Json::string(id));
        }
        for child in &self.children {
            let property = property(owner, &Name::new(&child.name)).unwrap_or_else(|| panic!("{}", child.name));
            let value = match (property.type_id.kind(), property.type_id.name()) {
                (TypeKind::Primitive, "boolean" | "integer" | "decimal" | "positiveInt" | "unsignedInt") => {
                    parse(child.attribute("value").expect("a value").as_bytes()).expect("JSON")
                }
                (TypeKind::Primitive, _) => Json::string(child.attribute("value").expect("a value")),
                _ => child.json(property.type_id),
            };
            match object.get_mut(&child.name) {
                Some(Json::Array(items)) => items.push(value),
                Some(_) => panic!("{} twice", child.name),
                None if property.is_list() => object.set(&child.name, Json::Array(vec![value])),
                None => object.set(&child.name, value),
            }
        }
        Json::Object(object)
    }
}

#[test]
fn fhirpath_patch_cases() {
    let Some(source) = file("fhir-patch-tests.xml") else { return };
    let document = Xml::read(&source);
    let cases = &document.child("tests").expect("tests").children;
    let mut failed = Vec::new();
    for case in cases {
        let input = case.child("input").expect("an input").resource();
        let patch = case.child("diff").expect("a diff").resource();
        let apply = |patch: Json| -> Result<Json> {
            Patch::read(PatchFormat::FhirPath, patch, BOUNDS)?.apply(input.clone(), BOUNDS, Timestamp(0))
        };
        let result = apply(patch);
        let expected = case.child("output").map(Xml::resource);
        let good = match (&result, &expected) {
            (Ok(found), Some(expected)) => text(found) == text(expected),
            (Err(_), None) => true,
            _ => false,
        };
        if !good {
            let name = case.attribute("name").unwrap_or_default();
            failed.push(format!("{name}: {:?}, not {:?}", result.map(|r| text(&r)), expected.map(|e| text(&e))));
        }
    }
    assert_eq!((cases.len(), failed.as_slice()), (25, &[] as &[String]));
}

/// The one element that the element `name` of a case holds.
fn held(case: &Element, name: &str) -> Option<Element> {
    case.elements().find(|child| child.name == name)?.elements().next().cloned()
}

/// The same without white space between elements.
fn stripped(mut element: Element) -> Element {
    element.children.retain(|node| !node.is_space());
    for node in &mut element.children {
        match node {
            Node::Element(child) => *child = stripped(child.clone()),
            Node::Text(text) => *text = text.trim().to_owned(),
        }
    }
    element.attributes.sort();
    element
}

fn document(element: &Element) -> String {
    let mut out = Vec::new();
    element.write(None, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn xml_patch_cases() {
    let Some(source) = file("xml-patch-tests.xml") else { return };
    // The one document with a namespace that no resource has is compared by its text.
    let foreign = r#" xmlns:pref="urn:ns:xxx""#;
    let root = tree::parse(&source.replace(foreign, r#" pref="urn:ns:xxx""#), 64).expect("XML");
    let cases: Vec<_> = root.elements().collect();
    let mut failed = Vec::new();
    for case in &cases {
        let name = case.attribute("name").unwrap_or_default();
        let patch = case.elements().find(|child| child.name == "patch").expect("a patch");
        let patch = XmlPatch::read(document(patch).as_bytes(), BOUNDS);
        let target = held(case, "target").ok_or_else(|| Fault::invalid("there is no document"));
        let result = patch.and_then(|patch| {
            let mut target = target?;
            patch.change(&mut target, &mut super::budget::Budget::new(BOUNDS))?;
            Ok(document(&stripped(target)).replace(foreign, r#" pref="urn:ns:xxx""#))
        });
        let expected = held(case, "patched").map(|patched| document(&stripped(patched)));
        match (&result, &expected) {
            (Ok(found), Some(expected)) if found == expected => {}
            (Err(_), None) if case.elements().any(|child| child.name == "error") => {}
            _ => failed.push(format!("{name}: {result:?}, not {expected:?}")),
        }
    }
    assert_eq!((cases.len(), failed.as_slice()), (22, &[] as &[String]));
}
