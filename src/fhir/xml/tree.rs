//! A document as a tree of elements and text: what an XML Patch works on (RFC 5261).
//!
//! A narrative that nobody changes is written as the text that it was. Comments and processing instructions are no part of
//! the tree.

use super::scan::{FHIR, Namespace, Scanner, Tag, Token, XHTML};
use super::shape::Shape;
use super::text::{push_text, push_value, reference};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeId, property, resource_type_id};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// Most tags and texts of a document: each takes some 200 bytes.
pub const NODES: usize = 1 << 19;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, references resolved; never beside another one.
    Text(String),
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its namespace.
    pub namespace: Option<Namespace>,
    /// Its name without prefix.
    pub name: String,
    /// Names, as written, and values of its attributes.
    pub attributes: Vec<(String, String)>,
    /// Prefixes that it declares beyond what it needs itself, and their namespaces.
    pub declared: Vec<(String, String)>,
    /// What it holds.
    pub children: Vec<Node>,
    /// Of a narrative: its text, which stands for all of it as long as nothing in it is changed.
    source: Option<String>,
}

/// Reads a document.
///
/// # Errors
/// 400 with line and column for what is not XML, has a DTD or a namespace that FHIR does not have, or is nested deeper than
/// `nesting` elements.
pub fn parse(text: &str, nesting: usize) -> Result<Element> {
    let mut scan = Scanner::new(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let tag = root(&mut scan)?;
    let found = element(&mut scan, &tag, nesting, &mut { NODES })?;
    ended(&mut scan)?;
    Ok(found)
}

/// The start tag of the root element.
///
/// # Errors
/// 400 for a text without one.
pub fn root<'a>(scan: &mut Scanner<'a>) -> Result<Tag<'a>> {
    loop {
        match scan.token()? {
            Token::Start(tag) => return Ok(tag),
            Token::Eof => return Err(scan.fault(scan.end(), "there is no element")),
            _ => {}
        }
    }
}

/// Reads to the end of the text after its root element.
///
/// # Errors
/// 400 for anything but white space and comments.
pub fn ended(scan: &mut Scanner<'_>) -> Result<()> {
    loop {
        match scan.token()? {
            Token::Eof => return Ok(()),
            Token::Nothing => {}
            _ => return Err(scan.fault(scan.start(), "more than one root element")),
        }
    }
}

fn element<'a>(scan: &mut Scanner<'a>, tag: &Tag<'a>, left: usize, room: &mut usize) -> Result<Element> {
    let children = children(scan, tag, left, room)?;
    // Only what declares its own namespace says the same wherever it is put.
    let is_narrative = tag.name == "div" && tag.namespace == Some(Namespace::Xhtml) && tag.has_default;
    let source = (is_narrative && tag.prefix.is_empty()).then(|| scan.text().get(tag.at..scan.end())).flatten();
    Ok(Element {
        namespace: tag.namespace,
        name: tag.name.to_owned(),
        attributes: tag.attributes.iter().map(|a| (a.name.to_owned(), a.value.as_ref().to_owned())).collect(),
        declared: Vec::new(),
        children,
        source: source.map(str::to_owned),
    })
}

/// What stands in the element that `tag` opened, up to its end tag; `left` is how deep it may be, `room` how many nodes
/// there may still be: [`NODES`] to begin with.
///
/// # Errors
/// As [`parse`].
pub fn children<'a>(scan: &mut Scanner<'a>, tag: &Tag<'a>, left: usize, room: &mut usize) -> Result<Vec<Node>> {
    let mut found: Vec<Node> = Vec::new();
    if tag.is_empty {
        return Ok(found);
    }
    let Some(left) = left.checked_sub(1) else { return Err(scan.fault(tag.at, "nested too deeply")) };
    loop {
        let token = scan.token()?;
        *room = room.checked_sub(1).ok_or_else(too_many)?;
        match token {
            Token::Start(child) => found.push(Node::Element(element(scan, &child, left, room)?)),
            Token::End | Token::Eof => return Ok(found),
            Token::Text | Token::Nothing => {
                let Some(text) = text(scan.text().get(scan.start()..scan.end()).unwrap_or_default()) else { continue };
                match found.last_mut() {
                    Some(Node::Text(before)) => before.push_str(&text),
                    _ => found.push(Node::Text(text)),
                }
            }
        }
    }
}

fn too_many() -> Fault {
    let message = format!("the XML has more than {NODES} tags and texts, which is too much for an XML Patch");
    Fault::coded(Category::Invalid, "too-costly", message)
}

/// The characters that a token of text stands for; `None` for comments and processing instructions.
fn text(raw: &str) -> Option<String> {
    if let Some(inner) = raw.strip_prefix("<![CDATA[") {
        return Some(inner.strip_suffix("]]>").unwrap_or(inner).to_owned());
    }
    if let Some(name) = raw.strip_prefix('&') {
        return reference(name.trim_end_matches(';')).map(String::from);
    }
    // Line ends are one character (XML 1.0, 2.11).
    (!raw.starts_with('<')).then(|| raw.replace("\r\n", "\n").replace('\r', "\n"))
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The children that are elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All text within, as one.
    pub fn string_value(&self) -> String {
        let text = |node: &Node| match node {
            Node::Element(element) => element.string_value(),
            Node::Text(text) => text.clone(),
        };
        self.children.iter().map(text).collect()
    }

    /// The element at these positions among children, to be changed.
    pub fn at_mut(&mut self, path: &[usize]) -> Option<&mut Self> {
        self.source = None;
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self.children.get_mut(*first) {
            Some(Node::Element(child)) => child.at_mut(rest),
            _ => None,
        }
    }

    /// Joins texts that have come to stand side by side, and drops empty ones.
    pub fn join(&mut self) {
        let mut joined: Vec<Node> = Vec::with_capacity(self.children.len());
        for node in self.children.drain(..) {
            match (joined.last_mut(), node) {
                (_, Node::Text(text)) if text.is_empty() => {}
                (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&text),
                (_, node) => joined.push(node),
            }
        }
        self.children = joined;
    }

    /// How many bytes it is, about.
    pub fn size(&self) -> usize {
        let pairs = |pairs: &[(String, String)]| pairs.iter().map(|(a, b)| 16 + a.len() + b.len()).sum::<usize>();
        let children = self.children.iter().map(Node::size).sum::<usize>();
        32 + self.name.len() + pairs(&self.attributes) + pairs(&self.declared) + children
    }

    /// Appends it as a document, or within an element of the namespace `outer`.
    pub fn write(&self, outer: Option<Namespace>, out: &mut Vec<u8>) {
        if let Some(source) = &self.source {
            out.extend_from_slice(source.as_bytes());
            return;
        }
        let attribute = |name: &str, value: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(format!(" {name}=\"").as_bytes());
            push_value(value, out);
            out.push(b'"');
        };
        out.extend_from_slice(format!("<{}", self.name).as_bytes());
        if self.namespace != outer {
            let name = match self.namespace {
                Some(Namespace::Fhir) => FHIR,
                Some(Namespace::Xhtml) => XHTML,
                None => "",
            };
            attribute("xmlns", name, out);
        }
        for (prefix, name) in &self.declared {
            attribute(&format!("xmlns:{prefix}"), name, out);
        }
        for (name, value) in &self.attributes {
            attribute(name, value, out);
        }
        if self.children.is_empty() {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for child in &self.children {
            match child {
                Node::Element(child) => child.write(self.namespace, out),
                Node::Text(text) => push_text(text, out),
            }
        }
        out.extend_from_slice(format!("</{}>", self.name).as_bytes());
    }

    /// Puts the elements of a resource into the order of the definitions; what those do not know stays behind what it stood
    /// behind.
    pub fn arrange(&mut self) {
        if let Some(kind) = ResourceType::find(&self.name) {
            self.arrange_as(resource_type_id(kind));
        }
    }

    fn arrange_as(&mut self, owner: TypeId) {
        let mut last = 0;
        let mut placed: Vec<(u32, Node)> = Vec::with_capacity(self.children.len());
        for mut node in self.children.drain(..) {
            if let Node::Element(child) = &mut node
                && let Some(found) = property(owner, &Name::new(&child.name))
            {
                last = u32::from(found.position);
                match Shape::of(found.type_id) {
                    Shape::Narrative => {}
                    Shape::Resource => child.children.iter_mut().for_each(Node::arrange),
                    _ => child.arrange_as(found.type_id),
                }
            }
            placed.push((last, node));
        }
        placed.sort_by_key(|(position, _)| *position);
        self.children = placed.into_iter().map(|(_, node)| node).collect();
    }
}

impl Node {
    /// How many bytes it is, about.
    pub fn size(&self) -> usize {
        match self {
            Self::Element(element) => element.size(),
            Self::Text(text) => 16 + text.len(),
        }
    }

    /// Whether it is text of nothing but white space.
    pub fn is_space(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim_ascii().is_empty())
    }

    fn arrange(&mut self) {
        if let Self::Element(element) = self {
            element.arrange();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        parse(text, 64).expect(text).write(None, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_is_read_is_written() {
        for text in [
            r#"<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>"#,
            r#"<doc>a &lt; b &amp; c<b/> d</doc>"#,
            // A narrative as it was, with what the tree would not keep.
            r#"<text xmlns="http://hl7.org/fhir"><div xmlns="http://www.w3.org/1999/xhtml"><p class='a'>x&#160;<!-- y --></p></div></text>"#,
        ] {
            assert_eq!(written(text), text);
        }
        assert_eq!(
            written("<f:a xmlns:f='http://hl7.org/fhir'><f:b/></f:a>"),
            r#"<a xmlns="http://hl7.org/fhir"><b/></a>"#
        );
        assert_eq!(written("<a><![CDATA[<]]>&#65;<!-- x -->B</a>"), "<a>&lt;AB</a>");
        for bad in ["", "<a>", "<a/><b/>", "<a xmlns='urn:x'/>", "<!DOCTYPE a><a/>", "text"] {
            assert_eq!(parse(bad, 64).expect_err(bad).category().status(), 400, "{bad}");
        }
        assert!(parse(&"<a>".repeat(65), 64).is_err());
        let many = format!("<a>{}</a>", "<b/>".repeat(NODES));
        assert_eq!(parse(&many, 64).expect_err("many").issues()[0].code, "too-costly");
    }

    #[test]
    fn elements_are_put_in_order() {
        let mut patient = parse(
            r#"<Patient xmlns="http://hl7.org/fhir"><birthDate value="1970"/><name><given value="a"/><family value="b"/></name><id value="x"/><contained><Patient><name/><id/></Patient></contained><name/></Patient>"#,
            64,
        )
        .expect("XML");
        patient.arrange();
        let names = |element: &Element| element.elements().map(|child| child.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&patient), ["id", "contained", "name", "name", "birthDate"]);
        let all: Vec<_> = patient.elements().collect();
        assert_eq!(names(all[2]), ["family", "given"]);
        assert_eq!(names(all[1].elements().next().expect("a resource")), ["id", "name"]);
    }
}
