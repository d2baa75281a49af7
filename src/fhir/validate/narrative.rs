//! Narratives beyond `txt-1` and `txt-2`: which elements of XHTML may stand in which, and whether links within the resource lead
//! anywhere (FHIR R4 `narrative.html`, `references.html#contained`).

use hashbrown::HashSet;

use super::state::{Check, Scope, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;
use crate::fhir::xml::{Scanner, Tag, Token};

/// Where certain elements may stand.
const PARENTS: [(&str, &[&str]); 14] = [
    ("tr", &["table", "thead", "tfoot", "tbody"]),
    ("tbody", &["table"]),
    ("thead", &["table"]),
    ("tfoot", &["table"]),
    ("caption", &["table"]),
    ("colgroup", &["table"]),
    ("col", &["colgroup", "table"]),
    ("th", &["tr", "thead", "tfoot"]),
    ("td", &["tr", "thead", "tfoot"]),
    ("li", &["ul", "ol"]),
    ("dd", &["dl"]),
    ("dt", &["dl"]),
    ("area", &["map"]),
    ("tr", &["table", "thead", "tfoot", "tbody"]),
];

/// What certain elements may hold: nothing else, and no text.
const CHILDREN: [(&str, &[&str]); 12] = [
    ("table", &["tbody", "tr", "caption", "thead", "tfoot", "col", "colgroup"]),
    ("tr", &["td", "th"]),
    ("tbody", &["tr"]),
    ("thead", &["tr"]),
    ("tfoot", &["tr"]),
    ("ul", &["li"]),
    ("ol", &["li"]),
    ("dl", &["dd", "dt"]),
    ("map", &["area"]),
    ("br", &[]),
    ("img", &[]),
    ("hr", &[]),
];

/// Elements that hold text, and no blocks.
const TEXT: [&str; 31] = [
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "address", "a", "b", "em", "i", "strong", "small", "big", "sub",
    "sup", "code", "tt", "dfn", "q", "var", "abbr", "acronym", "cite", "bdo", "kbd", "samp", "span", "caption",
];

/// Blocks.
const BLOCKS: [&str; 6] = ["div", "pre", "table", "ul", "ol", "blockquote"];

/// Those that stand in none of their kind.
const SINGLE: [&str; 20] = [
    "a", "b", "em", "i", "strong", "small", "big", "sub", "sup", "code", "tt", "dfn", "q", "var", "abbr", "acronym",
    "cite", "bdo", "kbd", "samp",
];

fn row<'r>(rows: &[(&str, &'r [&'r str])], name: &str) -> Option<&'r [&'r str]> {
    rows.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// Checks the text of a narrative that is well-formed.
pub fn check(check: &mut Check<'_, '_>, text: &str, scope: &Scope<'_>, path: &Path) {
    let mut links = Vec::new();
    if let Some(problem) = placed(text.trim(), &mut links) {
        check.fail("structure", || problem, path);
    }
    if links.is_empty() {
        return;
    }
    let mut ids = HashSet::new();
    names(scope.resource.json, &mut ids);
    if let Some(whole) = check.bundle.map(|bundle| bundle.json) {
        names(whole, &mut ids);
    }
    for link in links.iter().filter(|link| !ids.contains(&***link)) {
        let text = || format!("there is nothing with the id of the link \"#{}\"", shown(link));
        check.fail("not-found", text, path);
    }
}

/// What stands where it must not; collects the links within the resource.
fn placed(text: &str, links: &mut Vec<String>) -> Option<String> {
    let mut scan = Scanner::new(text).ok()?;
    let mut open: Vec<&str> = Vec::new();
    loop {
        let token = scan.token().ok()?;
        match token {
            Token::Start(tag) => {
                let problem = element(&tag, &open).or_else(|| link(&tag, links));
                if problem.is_some() {
                    return problem;
                }
                if !tag.is_empty {
                    open.push(tag.name);
                }
            }
            Token::End => drop(open.pop()),
            Token::Text
                if !is_blank(scan.text().get(scan.start()..scan.end()).unwrap_or(""))
                    && open.last().is_some_and(|last| row(&CHILDREN, last).is_some()) =>
            {
                return Some(format!("the element {} must not have text", open.last().unwrap_or(&"")));
            }
            Token::Eof => return None,
            _ => {}
        }
    }
}

fn element(tag: &Tag<'_>, open: &[&str]) -> Option<String> {
    let parent = open.last()?;
    let name = tag.name;
    if row(&PARENTS, name).is_some_and(|parents| !parents.contains(parent)) {
        return Some(format!("the element {name} must not stand in {}", shown(parent)));
    }
    if row(&CHILDREN, parent).is_some_and(|children| !children.contains(&name)) {
        return Some(format!("the element {parent} must not have the child {}", shown(name)));
    }
    // a blockquote is a block to a paragraph only
    let is_block = BLOCKS.contains(&name) && (name != "blockquote" || open.contains(&"p"));
    if let Some(outer) = open.iter().find(|outer| is_block && TEXT.contains(outer)) {
        return Some(format!("the block {name} must not stand in {outer}"));
    }
    let is_again = SINGLE.contains(&name) && open.contains(&name) || name == "p" && open.contains(&"p");
    is_again.then(|| format!("the element {name} must not stand in another {name}"))
}

/// Notes a link within the resource; what is wrong with another.
fn link(tag: &Tag<'_>, links: &mut Vec<String>) -> Option<String> {
    let name = match tag.name {
        "a" => "href",
        "img" => "src",
        _ => return None,
    };
    let value = &tag.attributes.iter().find(|attribute| attribute.name == name)?.value;
    if value.is_empty() && name == "href" {
        return Some("a link must not be empty".to_owned());
    }
    if let Some(id) = value.strip_prefix('#').filter(|id| !id.is_empty()) {
        links.push(id.to_owned());
    }
    let scheme = value.split(':').next().unwrap_or("");
    (name == "href" && matches!(scheme, "urn" | "cid") && value.contains(':'))
        .then(|| format!("a link must not lead to {scheme}:"))
}

/// All ids of elements, and the ids and names in narratives.
fn names(json: &Json, found: &mut HashSet<Box<str>>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| names(item, found)),
        Json::Object(object) => object.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("id", Json::String(id)) => drop(found.insert(id.clone())),
            ("div", Json::String(text)) => anchors(text, found),
            (_, value) => names(value, found),
        }),
        _ => {}
    }
}

fn anchors(text: &str, found: &mut HashSet<Box<str>>) {
    let Ok(mut scan) = Scanner::new(text.trim()) else { return };
    while let Ok(token) = scan.token() {
        let Token::Start(tag) = token else {
            if matches!(token, Token::Eof) {
                return;
            }
            continue;
        };
        let is_anchor = |name: &str| name == "id" || (name == "name" && tag.name == "a");
        found.extend(tag.attributes.iter().filter(|a| is_anchor(a.name)).map(|a| Box::from(&*a.value)));
    }
}

/// Whether a text in XML is white space, some of it perhaps written as references.
fn is_blank(raw: &str) -> bool {
    let plain = ["&#9;", "&#10;", "&#13;", "&#32;", "&#x9;", "&#xa;", "&#xA;", "&#xd;", "&#xD;", "&#x20;"];
    plain
        .iter()
        .fold(raw.to_owned(), |text, one| text.replace(one, ""))
        .trim_matches([' ', '\t', '\r', '\n'])
        .is_empty()
}
