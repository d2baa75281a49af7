//! XML: what is read survives XML and JSON, never grows, and what is refused has a place; what JSON holds survives XML.

use cresset::base::fault::Category;
use cresset::fhir::json::{self, Json};
use cresset::fhir::validate::{shape, structure};
use cresset::fhir::xml::{Layout, is_narrative, parse, write};

use super::json::has_a_place;

const NESTING: usize = 64;

/// Laws of reading and writing XML. A text that begins with `{` is a resource in JSON, which is brought to XML and back.
pub fn xml(data: &[u8]) -> bool {
    if data.first() == Some(&b'{') {
        return of_json(data);
    }
    match parse(data, NESTING) {
        Ok(tree) => {
            accepted(&tree, data.len());
            return true;
        }
        Err(fault) if fault.category() == Category::UnsupportedMedia => {}
        Err(fault) => has_a_place(&fault, data),
    }
    false
}

fn accepted(tree: &Json, length: usize) {
    let mut text = Vec::new();
    json::write(tree, &mut text);
    assert!(text.len() <= 8 * length + 64, "{length} bytes became {}", text.len());
    assert_eq!(json::parse(&text).as_ref(), Ok(tree), "what is JSON is read");
    let _known = structure(tree);
    for layout in [Layout::Compact, Layout::Pretty] {
        assert_eq!(parse(&written(tree, layout), NESTING).as_ref(), Ok(tree), "what was written is read");
    }
}

fn written(tree: &Json, layout: Layout) -> Vec<u8> {
    let mut out = Vec::new();
    write(tree, layout, &mut out).expect("XML");
    out
}

/// What has the shape that every tenant asks for has an XML form, and that says the same.
fn of_json(data: &[u8]) -> bool {
    let Ok(tree) = json::parse(data) else { return false };
    if shape(&tree).is_err() {
        assert!(structure(&tree).is_err(), "the structure asks for the shape too");
        return false;
    }
    let compact = written(&tree, Layout::Compact);
    let again = parse(&compact, NESTING).expect("what was written is read");
    assert_eq!(written(&again, Layout::Compact), compact, "the second writing is the first");
    assert_eq!(parse(&written(&tree, Layout::Pretty), NESTING).as_ref(), Ok(&again), "the layout says nothing");
    if is_plain(&tree) {
        assert_eq!(sorted(&again), sorted(&tree), "XML says what JSON says");
    }
    true
}

/// Whether XML can hold all of its narratives as they are; other texts have to fit.
fn is_plain(tree: &Json) -> bool {
    match tree {
        Json::Array(items) => items.iter().all(is_plain),
        Json::Object(object) => object.iter().all(|(name, value)| match value {
            Json::String(text) if name.as_str() == "div" => is_narrative(text) && is_as_xml_has_it(text),
            other => is_plain(other),
        }),
        _ => true,
    }
}

/// A narrative that needs neither a namespace nor trimming.
fn is_as_xml_has_it(text: &str) -> bool {
    text.starts_with("<div xmlns=\"http://www.w3.org/1999/xhtml\">") && text.ends_with("</div>") && !text.contains(':')
}

/// The same tree with the properties of every object in one order.
fn sorted(tree: &Json) -> Json {
    match tree {
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        Json::Object(object) => {
            let mut pairs: Vec<_> = object.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            pairs.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            Json::Object(pairs.into_iter().collect())
        }
        other => other.clone(),
    }
}
