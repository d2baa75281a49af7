//! JSON: what is read is written and read again as the same tree; what is refused has a place.

use cresset::base::fault::{Category, Fault};
use cresset::fhir::json::{Json, Scanner, parse, parse_with, pretty, write};

/// The nesting that [`parse`] allows.
const NESTING: usize = 64;

/// Laws of reading and writing JSON.
pub fn json(data: &[u8]) -> bool {
    walk(data);
    let other = serde_json::from_slice::<serde_json::Value>(data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data));
    match parse(data) {
        Ok(tree) => {
            accepted(&tree);
            let other = other.expect("another reader takes it");
            // The other library keeps its numbers in objects with this name.
            let is_its_own = data.windows(11).any(|part| part == b"$serde_json");
            assert!(is_its_own || is_same(&tree, &other), "another reader sees something else");
            true
        }
        Err(fault) => {
            has_a_place(&fault, data);
            let is_our_rule = fault.message().contains("duplicate property") || fault.message().contains("too deeply");
            assert!(other.is_err() || is_our_rule, "another reader takes it: {fault}");
            false
        }
    }
}

/// The scanner of stored text panics on nothing and always comes to an end.
fn walk(data: &[u8]) {
    let mut scanner = Scanner::new(data);
    while scanner.open(b'{').is_some() || scanner.open(b'[').is_some() {}
    let mut last = scanner.at();
    while let Some(Some(_)) = scanner.member() {
        if scanner.value().is_none() {
            break;
        }
        assert!(scanner.at() > last, "the scanner stands still");
        last = scanner.at();
    }
}

fn accepted(tree: &Json) {
    let mut text = Vec::new();
    write(tree, &mut text);
    assert_eq!(parse(&text).as_ref(), Ok(tree), "what was written is read");
    assert_eq!(parse(&pretty(&text)).as_ref(), Ok(tree), "what was indented is read");
    let depth = depth(tree);
    assert!(depth <= NESTING, "{depth} levels");
    assert!(parse_with(&text, depth).is_ok(), "the nesting is counted exactly");
    assert!(depth == 0 || parse_with(&text, depth - 1).is_err(), "the nesting is counted exactly");
}

/// How many arrays and objects stand in one another.
pub fn depth(tree: &Json) -> usize {
    match tree {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(object) => 1 + object.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_same(tree: &Json, other: &serde_json::Value) -> bool {
    match (tree, other) {
        (Json::Null, serde_json::Value::Null) | (Json::Number(_), serde_json::Value::Number(_)) => true,
        (Json::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Json::String(a), serde_json::Value::String(b)) => **a == **b,
        (Json::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(a), serde_json::Value::Object(b)) => {
            let is_pair = |((name, a), (other, b)): ((&_, &_), (&String, &_))| -> bool {
                let name: &cresset::fhir::name::Name = name;
                name.as_str() == other && is_same(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(is_pair)
        }
        _ => false,
    }
}

/// A 400 with a line and a column that lie in the text.
pub fn has_a_place(fault: &Fault, data: &[u8]) {
    assert_eq!(fault.category(), Category::Invalid, "{fault}");
    let (line, column) = fault.issues()[0].position.expect("a place");
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let text = lines.get(line as usize - 1).unwrap_or_else(|| panic!("line {line} of {}", lines.len()));
    assert!((1..=text.len() + 1).contains(&(column as usize)), "column {column} of {}", text.len());
}
