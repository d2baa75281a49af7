//! The public test suite of FHIRPath for R4, run if the test data lies beside the repository.

use std::fs;
use std::path::PathBuf;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::context::Context;
use super::convert::{boolean, to_text};
use super::expression::{Options, compile_with};
use super::number;
use super::value::{Collection, Item, Node};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{self, Json, Object};
use crate::fhir::validate::{Definitions, Registry};
use crate::fhir::xml;

/// Cases that are right as they run, and that the strict check refuses: a date is compared with a time of day, which "Type
/// safety and strict evaluation" calls unsafe.
const REFUSED: [&str; 2] = ["testLiterals/testDateNotEqualTimeSecond", "testLiterals/testDateNotEqualTimeMinute"];

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
fn element(text: &str) -> Element {
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
    let suite = element(text);
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
        is_strict: is_strict(expression, test),
        is_predicate: test.attribute("predicate") == Some("true"),
        is_ordered: test.attribute("ordered") != Some("false"),
        outputs: outputs.map(|o| (o.attribute("type").unwrap_or_default().to_owned(), o.text.clone())).collect(),
        input: test.attribute("inputfile").map(str::to_owned),
    }
}

/// Whether a case asks for the check against the definitions: by its mode, or for the error that only the check makes.
fn is_strict(expression: &Element, test: &Element) -> bool {
    let by_mode = [expression, test].iter().any(|element| element.attribute("mode") == Some("strict"));
    by_mode || expression.attribute("invalid") == Some("semantic")
}

fn input(name: &str) -> Json {
    let path = shared("data/tests/fhirpath").expect("the suite").join(name);
    let mut text = fs::read_to_string(path).expect(name);
    if name == "observation-example.xml" {
        // the suite's only input whose elements are not in their order
        let status = r#"<status value="final"/>"#;
        text = text.replacen(status, "", 1).replacen("</extension>", &format!("</extension>{status}"), 1);
    }
    for foreign in [" xmlns:xsi=\"", " xsi:schemaLocation=\""] {
        // a resource has no place for it
        while let Some(start) = text.find(foreign) {
            let length = foreign.len() + text[start + foreign.len()..].find('"').expect("a value") + 1;
            text.replace_range(start..start + length, "");
        }
    }
    let json = if name.ends_with(".json") { json::parse(text.as_bytes()) } else { xml::parse(text.as_bytes(), 100) };
    json.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// An item as the suite writes it: type and value.
fn written(item: &Item<'_>) -> (String, String) {
    let kind = match item {
        Item::Node(node) => node.type_info().map_or("", |info| info.name()).to_owned(),
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
    let services = Definitions(Registry::core(), None);
    let context = Context { now, services: Some(&services), ..Context::new(node) };
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

/// The cases of this suite that stand in the baseline: each is a fault of the suite, argued there from the text.
fn baseline() -> Vec<String> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/baseline.toml"));
    let suites = text.split("[[case]]").filter(|case| case.contains("suite = \"fhirpath-r4\""));
    let name = |case: &str| {
        let line = case.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        assert!(case.lines().any(|line| line.starts_with("reason = \"") && line.len() > 60), "a reason: {case}");
        line.expect("a name").to_owned()
    };
    suites.map(name).collect()
}

#[test]
fn the_public_suite_passes_but_for_its_faults() {
    let Some(path) = shared("data/tests/fhirpath/tests-fhir-r4.xml") else {
        println!("the suite is not there");
        return;
    };
    let cases = cases(&fs::read_to_string(path).expect("the suite"));
    assert_eq!(cases.len(), 935);
    let mut failed = Vec::new();
    for case in &cases {
        if let Some(why) = failure(case) {
            println!("{}/{}: {}\n    {why}", case.group, case.name, case.expression.trim());
            failed.push(format!("{}/{}", case.group, case.name));
        }
    }
    assert_eq!(failed, baseline(), "the cases that fail and those of the baseline");
}

#[test]
fn what_the_suite_holds_for_right_passes_the_strict_check() {
    let Some(path) = shared("data/tests/fhirpath/tests-fhir-r4.xml") else {
        println!("the suite is not there");
        return;
    };
    let cases = cases(&fs::read_to_string(path).expect("the suite"));
    let mut refused = Vec::new();
    for case in cases.iter().filter(|case| case.invalid.is_none()) {
        let json = case.input.as_deref().map_or(Json::Object(Object::new()), input);
        let context = Node::resource(&json).type_id;
        let options = Options { is_strict: true, context, variables: Some(&[]), ..Options::default() };
        if let Err(fault) = compile_with(&case.expression, &options) {
            println!("{}/{}: {}\n    {fault}", case.group, case.name, case.expression.trim());
            refused.push(format!("{}/{}", case.group, case.name));
        }
    }
    assert_eq!(refused, REFUSED, "cases that are right, and that the strict check refuses");
}
