//! The public test suite of FHIRPath for R4, run if the test data lies beside the repository.

use std::fs;
use std::path::PathBuf;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::context::{Context, Services};
use super::convert::{boolean, to_text};
use super::expression::{Options, compile_with};
use super::model::{TypeId, TypeKind, property, type_by_name};
use super::number;
use super::value::{Collection, Item, Node};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{self, Json, Number, Object};
use crate::fhir::name::Name;
use crate::fhir::validate::structure;

/// The number of tests that pass. It may only rise.
const FLOOR: usize = 920;

/// Where the test data lies, if it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| root.join(place).join(path));
    places.into_iter().find(|place| place.exists())
}

/// An XML element.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let name = attribute.key.as_ref().to_owned();
            (name, quick_xml::escape::unescape(&attribute.value).expect("entities").into_owned())
        });
        let name = start.name().as_ref().to_owned();
        Self { name, attributes: attributes.collect(), ..Self::default() }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// The root element of an XML text.
fn xml(text: &str) -> Element {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => {
                let element = Element::of(&start);
                open.last_mut().expect("a parent").children.push(element);
            }
            Event::End(_) => {
                let done = open.pop().expect("an element");
                open.last_mut().expect("a parent").children.push(done);
            }
            Event::Text(text) => {
                open.last_mut().expect("a parent").text.push_str(&text);
            }
            Event::CData(text) => {
                open.last_mut().expect("a parent").text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let entity = format!("&{};", &*reference);
                let plain = quick_xml::escape::unescape(&entity).expect("an entity").into_owned();
                open.last_mut().expect("a parent").text.push_str(&plain);
            }
            Event::Eof => return open.remove(0).children.remove(0),
            _ => {}
        }
    }
}

/// A resource in XML as JSON, by the definitions.
fn resource(element: &Element) -> Json {
    let kind = type_by_name(&element.name).expect("a resource type");
    let mut object = Object::new();
    object.set("resourceType", Json::string(element.name.as_str()));
    fill(&mut object, element, kind);
    Json::Object(object)
}

fn fill(object: &mut Object, element: &Element, owner: TypeId) {
    for name in ["id", "url"] {
        if let Some(value) = element.attribute(name) {
            object.set(name, Json::string(value));
        }
    }
    for child in element.children.iter().filter(|child| child.name != "div") {
        let found =
            property(owner, &Name::new(&child.name)).unwrap_or_else(|| panic!("{}.{}", owner.name(), child.name));
        let is_list = found.max != Some(1);
        if found.type_id.kind() == TypeKind::Primitive {
            let (value, sibling) = primitive(child, found.type_id);
            put(object, &child.name, value, is_list);
            if sibling != Json::Null || is_list {
                put(object, &format!("_{}", child.name), sibling, is_list);
            }
        } else {
            let value = if found.type_id.name() == "Resource" {
                resource(&child.children[0])
            } else {
                let mut inner = Object::new();
                fill(&mut inner, child, found.type_id);
                Json::Object(inner)
            };
            put(object, &child.name, value, is_list);
        }
    }
}

fn put(object: &mut Object, name: &str, value: Json, is_list: bool) {
    match (is_list, object.get_mut(name)) {
        (true, Some(Json::Array(list))) => list.push(value),
        (true, _) => object.set(name, Json::Array(vec![value])),
        (false, _) if value != Json::Null => object.set(name, value),
        _ => {}
    }
}

/// The value of a primitive, and its sibling.
fn primitive(element: &Element, kind: TypeId) -> (Json, Json) {
    let value = element.attribute("value").map_or(Json::Null, |text| match kind.name() {
        "boolean" => Json::Bool(text == "true"),
        "integer" | "decimal" | "positiveInt" | "unsignedInt" => {
            Json::Number(Number::from_text(text).expect("a number"))
        }
        _ => Json::string(text),
    });
    let mut sibling = Object::new();
    fill(&mut sibling, element, type_by_name("Element").expect("Element"));
    (value, if sibling.is_empty() { Json::Null } else { Json::Object(sibling) })
}

/// What a test expects.
struct Case {
    group: String,
    name: String,
    expression: String,
    invalid: Option<String>,
    is_strict: bool,
    is_predicate: bool,
    is_ordered: bool,
    outputs: Vec<(String, String)>,
    input: Option<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let suite = xml(text);
    let groups = suite.children.iter().filter(|group| group.name == "group");
    groups
        .flat_map(|group| group.children.iter().filter(|test| test.name == "test").map(|test| case(group, test)))
        .collect()
}

fn case(group: &Element, test: &Element) -> Case {
    let expression = test.child("expression").expect("an expression");
    let outputs = test.children.iter().filter(|child| child.name == "output");
    Case {
        group: group.attribute("name").unwrap_or_default().to_owned(),
        name: test.attribute("name").unwrap_or_default().to_owned(),
        expression: expression.text.clone(),
        invalid: expression.attribute("invalid").map(str::to_owned),
        is_strict: [expression, test].iter().any(|element| element.attribute("mode") == Some("strict")),
        is_predicate: test.attribute("predicate") == Some("true"),
        is_ordered: test.attribute("ordered") != Some("false"),
        outputs: outputs.map(|o| (o.attribute("type").unwrap_or_default().to_owned(), o.text.clone())).collect(),
        input: test.attribute("inputfile").map(str::to_owned),
    }
}

fn input(name: &str) -> Json {
    let path = shared("data/tests/fhirpath").expect("the suite").join(name);
    let text = fs::read_to_string(path).expect(name);
    if name.ends_with(".json") { json::parse(text.as_bytes()).expect(name) } else { resource(&xml(&text)) }
}

/// An item as the suite writes it: type and value.
fn written(item: &Item<'_>) -> (String, String) {
    let kind = match item {
        Item::Node(node) => node.type_info().map_or("", |info| info.name).to_owned(),
        other => other.system_type().map_or("", |kind| kind.name()).to_owned(),
    };
    (kind, to_text(item).map_or(String::new(), |text| text.to_string()))
}

fn is_same(expected: &(String, String), got: &(String, String)) -> bool {
    let value = expected.1.trim_start_matches('@').trim_start_matches('T');
    let types = expected.0.is_empty() || expected.0.eq_ignore_ascii_case(&got.0);
    let numbers = number::parse(value).zip(number::parse(&got.1)).is_some_and(|(a, b)| a == b);
    types && (value == got.1 || numbers)
}

/// Why a test fails, or nothing.
fn failure(case: &Case) -> Option<String> {
    let json = case.input.as_deref().map_or(Json::Object(Object::new()), input);
    let node = Node::resource(&json);
    let now = Some(Timestamp(1_700_000_000_000_000));
    let context = Context { now, services: Some(&Definitions), ..Context::new(node) };
    let options = Options { is_strict: case.is_strict, context: node.type_id, ..Options::default() };
    let result: Result<Collection<'_>> =
        compile_with(&case.expression, &options).and_then(|expression| expression.eval(node, &context));
    let items = match (result, &case.invalid) {
        (Err(_), Some(_)) => return None,
        (Err(fault), None) => return Some(fault.to_string()),
        (Ok(_), Some(kind)) => return Some(format!("expected an error ({kind})")),
        (Ok(items), None) => items,
    };
    let mut got: Vec<(String, String)> = if case.is_predicate {
        let truth = if items.len() == 1 { boolean(&items, "").ok().flatten() } else { Some(!items.is_empty()) };
        vec![("boolean".into(), truth.unwrap_or(false).to_string())]
    } else {
        items.iter().map(written).collect()
    };
    let mut expected = case.outputs.clone();
    if !case.is_ordered {
        got.sort();
        expected.sort();
    }
    let same = got.len() == expected.len() && expected.iter().zip(&got).all(|(a, b)| is_same(a, b));
    (!same).then(|| format!("expected {expected:?}, got {got:?}"))
}

/// The profiles that the suite asks for: the definitions themselves.
struct Definitions;

impl<'a> Services<'a> for Definitions {
    fn conforms_to(&self, node: Node<'a>, profile: &str) -> Result<Option<bool>> {
        let kind = profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/").and_then(type_by_name);
        match kind {
            Some(_) => Ok(Some(structure(node.json).is_ok())),
            None => Err(Fault::invalid(format!("unknown profile {profile}"))),
        }
    }
}

#[test]
fn the_public_suite_passes_as_far_as_it_did() {
    let Some(path) = shared("data/tests/fhirpath/tests-fhir-r4.xml") else {
        println!("the suite is not there");
        return;
    };
    let cases = cases(&fs::read_to_string(path).expect("the suite"));
    let mut passed = 0;
    for case in &cases {
        match failure(case) {
            None => passed += 1,
            Some(why) => println!("{}/{}: {}\n    {why}", case.group, case.name, case.expression.trim()),
        }
    }
    println!("public suite: {passed} passed, {} failed", cases.len() - passed);
    assert!(passed >= FLOOR, "{passed} passed, and it were {FLOOR}");
}
