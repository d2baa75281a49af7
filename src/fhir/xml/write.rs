//! Writing the tree as XML: elements in the order of the definitions (FHIR R4 `xml.html`).

use smallvec::SmallVec;

use super::narrative;
use super::scan::FHIR;
use super::shape::Shape;
use super::text::push_value;
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::element::{Property, TypeId, property, resource_type_id};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::resource::resource_type;

/// How the text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Without any white space that is not content.
    Compact,
    /// Indented by two spaces a level; narratives stay as they are.
    Pretty,
}

/// Appends a resource as an XML document.
///
/// # Errors
/// 400 for a tree that is no resource; 500 naming the type and property that the definitions do not have, which the
/// structure checks never let pass.
pub fn write(resource: &Json, layout: Layout, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let mut writing = Writing { out, layout, depth: 0 };
    writing.line();
    writing.resource(resource, true)
}

struct Writing<'o> {
    out: &'o mut Vec<u8>,
    layout: Layout,
    depth: usize,
}

/// What a property and its `_name` hold.
struct Member<'a> {
    property: &'static Property,
    is_sibling: bool,
    value: &'a Json,
}

impl Writing<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Begins a line, where lines are wanted.
    fn line(&mut self) {
        if self.layout == Layout::Pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.depth, b' ');
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.raw(name);
        self.raw("=\"");
        push_value(value, self.out);
        self.out.push(b'"');
    }

    fn resource(&mut self, resource: &Json, is_root: bool) -> Result<()> {
        let kind = resource_type(resource)?;
        let Some(object) = resource.as_object() else { return Err(misfit(resource_type_id(kind), "")) };
        self.raw("<");
        self.raw(kind.name());
        if is_root {
            self.attribute("xmlns", FHIR);
        }
        self.content(kind.name(), object, resource_type_id(kind))
    }

    /// The attributes, children and end tag of an element whose start tag is open.
    fn content(&mut self, name: &str, object: &Object, owner: TypeId) -> Result<()> {
        let shape = Shape::of(owner);
        let mut members: SmallVec<[Member<'_>; 16]> = SmallVec::new();
        for (name, value) in object.iter() {
            if shape == Shape::Resource && name.id() == Some(names::RESOURCE_TYPE) {
                continue;
            }
            let (property, is_sibling) = find(owner, name).ok_or_else(|| misfit(owner, name.as_str()))?;
            if shape.is_attribute(property) {
                let text = value.as_str().ok_or_else(|| misfit(owner, name.as_str()))?;
                self.attribute(name.as_str(), text);
                continue;
            }
            members.push(Member { property, is_sibling, value });
        }
        if members.is_empty() {
            self.raw("/>");
            return Ok(());
        }
        self.raw(">");
        members.sort_by_key(|member| (member.property.position, member.property.name.id()));
        self.depth += 1;
        for group in members.chunk_by(|a, b| std::ptr::eq(a.property, b.property)) {
            self.repetitions(group)?;
        }
        self.depth -= 1;
        self.line();
        self.end(name);
        Ok(())
    }

    fn end(&mut self, name: &str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    /// All repetitions of an element, values and siblings side by side.
    fn repetitions(&mut self, group: &[Member<'_>]) -> Result<()> {
        let side = |is_sibling: bool| {
            let value = group.iter().find(|member| member.is_sibling == is_sibling).map(|member| member.value);
            value.map_or(&[][..], |value| value.as_array().unwrap_or(std::slice::from_ref(value)))
        };
        let (values, siblings) = (side(false), side(true));
        for index in 0..values.len().max(siblings.len()) {
            let is_there = |json: &&Json| **json != Json::Null;
            let value = values.get(index).filter(is_there);
            let sibling = siblings.get(index).filter(is_there);
            if value.is_some() || sibling.is_some() {
                self.line();
                self.element(group[0].property, value, sibling)?;
            }
        }
        Ok(())
    }

    fn element(&mut self, property: &Property, value: Option<&Json>, sibling: Option<&Json>) -> Result<()> {
        let name = property.name.as_str();
        let wrong = || misfit(property.type_id, name);
        let shape = Shape::of(property.type_id);
        if shape == Shape::Narrative {
            narrative::write(value.and_then(Json::as_str).ok_or_else(wrong)?, self.out);
            return Ok(());
        }
        self.raw("<");
        self.raw(name);
        if shape == Shape::Resource {
            self.raw(">");
            self.depth += 1;
            self.line();
            self.resource(value.ok_or_else(wrong)?, false)?;
            self.depth -= 1;
            self.line();
            self.end(name);
            return Ok(());
        }
        if !shape.is_primitive() {
            return self.content(name, value.and_then(Json::as_object).ok_or_else(wrong)?, property.type_id);
        }
        match value {
            None => {}
            Some(Json::String(text)) => self.attribute("value", text),
            Some(Json::Number(number)) => self.attribute("value", number.as_str()),
            Some(Json::Bool(value)) => self.attribute("value", if *value { "true" } else { "false" }),
            Some(_) => return Err(wrong()),
        }
        let Some(sibling) = sibling else {
            self.raw("/>");
            return Ok(());
        };
        self.content(name, sibling.as_object().ok_or_else(wrong)?, property.type_id)
    }
}

/// The property with a name, and whether the name is its `_name`.
fn find(owner: TypeId, name: &Name) -> Option<(&'static Property, bool)> {
    if let Some(found) = property(owner, name) {
        return Some((found, false));
    }
    let plain = name.id().filter(|_| name.as_str().starts_with('_')).and_then(names::sibling)?;
    property(owner, &Name::known(plain)).map(|found| (found, true))
}

#[cold]
fn misfit(owner: TypeId, name: &str) -> Fault {
    let name: String = name.chars().take(64).collect();
    Fault::internal(format!("no XML for {}, {}", owner.name(), name.escape_debug()))
}
