//! Reading XML into the tree (FHIR R4 `xml.html`, `json.html` 2.6.2.1 to 2.6.2.5).

use super::narrative;
use super::scan::{Attribute, FHIR, Namespace, Scanner, Tag, Token};
use super::shape::Shape;
use super::text::shown;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{Property, TypeId, property, resource_type_id};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Number, Object};
use crate::fhir::name::Name;
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

/// Reads one resource from UTF-8 text; objects and arrays of the tree are nested up to `nesting`.
///
/// # Errors
/// 400 with line and column, within a resource also with a FHIRPath expression: what is not XML, a DTD, elements or
/// attributes that are unknown, out of order or in a foreign namespace, values that are none of their type. 415 for
/// another encoding.
pub fn parse(text: &[u8], nesting: usize) -> Result<Json> {
    read(text, nesting, false)
}

/// Reads one resource to judge it: white space around values stays, and what [`parse`] passes over is refused, which is
/// processing instructions and where a schema lies.
///
/// # Errors
/// As [`parse`].
pub fn parse_exact(text: &[u8], nesting: usize) -> Result<Json> {
    read(text, nesting, true)
}

fn read(text: &[u8], nesting: usize, is_exact: bool) -> Result<Json> {
    let valid = std::str::from_utf8(text).map_err(|e| {
        if text.starts_with(&[0xfe, 0xff]) || text.starts_with(&[0xff, 0xfe]) {
            return Fault::new(Category::UnsupportedMedia, "invalid XML: the encoding must be UTF-8, not UTF-16");
        }
        let valid = std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default();
        super::text::fault(valid, valid.len(), "invalid UTF-8")
    })?;
    let scan = Scanner::new(valid.strip_prefix('\u{feff}').unwrap_or(valid))?;
    let mut reading = Reading { scan, levels: nesting, is_exact };
    let tag = loop {
        match reading.scan.token()? {
            Token::Start(tag) => break tag,
            Token::Eof => return Err(reading.scan.fault(valid.len(), "there is no element")),
            _ if reading.is_instruction() => return Err(reading.scan.fault(reading.scan.start(), INSTRUCTION)),
            _ => {}
        }
    };
    let resource = reading.resource(&tag, None)?;
    loop {
        match reading.scan.token()? {
            Token::Eof => return Ok(resource),
            _ if reading.is_instruction() => return Err(reading.scan.fault(reading.scan.start(), INSTRUCTION)),
            Token::Nothing => {}
            _ => return Err(reading.scan.fault(reading.scan.start(), "more than one root element")),
        }
    }
}

struct Reading<'a> {
    scan: Scanner<'a>,
    /// How many levels of JSON may still be opened.
    levels: usize,
    /// Whether the text is to be judged as it stands.
    is_exact: bool,
}

/// What is wrong with a processing instruction where the text is judged.
const INSTRUCTION: &str = "a processing instruction has no place in a resource";

impl<'a> Reading<'a> {
    /// Whether the last token is a processing instruction that is to be refused. The declaration of XML is none.
    fn is_instruction(&self) -> bool {
        let raw = self.scan.text().get(self.scan.start()..self.scan.end()).unwrap_or_default();
        self.is_exact && raw.strip_prefix("<?").is_some_and(|rest| !rest.starts_with("xml "))
    }

    /// Whether the last token is white space that is written as a reference or a section of CDATA.
    fn is_blank(&self) -> bool {
        let raw = self.scan.text().get(self.scan.start()..self.scan.end()).unwrap_or_default();
        let inner = raw.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
        inner.is_some_and(|inner| inner.trim_ascii().is_empty()) || matches!(raw, "&#9;" | "&#10;" | "&#13;" | "&#32;")
    }

    #[cold]
    fn fault(&self, at: usize, message: impl AsRef<str>, path: &Path<'_>) -> Fault {
        self.scan.fault(at, message).at(path.to_string())
    }

    /// A resource; `path` is its place within another.
    fn resource(&mut self, tag: &Tag<'a>, path: Option<&Path<'_>>) -> Result<Json> {
        if tag.namespace != Some(Namespace::Fhir) {
            let message = format!("the element \"{}\" must be in the namespace {FHIR}", shown(tag.name));
            return Err(self.scan.fault(tag.at, message));
        }
        let Some(kind) = ResourceType::find(tag.name) else {
            return Err(self.scan.fault(tag.at, format!("unknown resource type \"{}\"", shown(tag.name))));
        };
        let root = Path::root(kind.name());
        let path = path.unwrap_or(&root);
        // Where a schema lies says nothing about the resource.
        let is_content = |attribute: &&Attribute<'_>| self.is_exact || attribute.name != "xsi:schemaLocation";
        if let Some(attribute) = tag.attributes.iter().find(is_content) {
            return Err(self.unknown(attribute, path));
        }
        let mut object = Object::new();
        object.push(Name::known(names::RESOURCE_TYPE), Json::string(kind.name()));
        self.nested(1, tag, path, |reading| reading.children(tag, resource_type_id(kind), &mut object, path))?;
        Ok(Json::Object(object))
    }

    /// Does something `levels` deeper.
    fn nested<T>(
        &mut self,
        levels: usize,
        tag: &Tag<'a>,
        path: &Path<'_>,
        inner: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.levels;
        let Some(left) = before.checked_sub(levels) else {
            return Err(self.fault(tag.at, "nested too deeply", path));
        };
        self.levels = left;
        let done = inner(self)?;
        self.levels = before;
        Ok(done)
    }

    #[cold]
    fn unknown(&self, attribute: &Attribute<'_>, path: &Path<'_>) -> Fault {
        self.fault(attribute.at, format!("unknown attribute \"{}\"", shown(attribute.name)), path)
    }

    /// The next child of the element that `tag` opened; `None` after its end tag.
    fn next(&mut self, tag: &Tag<'a>, path: &Path<'_>) -> Result<Option<Tag<'a>>> {
        if tag.is_empty {
            return Ok(None);
        }
        loop {
            match self.scan.token().map_err(|fault| fault.at(path.to_string()))? {
                Token::Start(child) => return Ok(Some(child)),
                Token::Nothing if self.is_instruction() => {
                    return Err(self.fault(self.scan.start(), INSTRUCTION, path));
                }
                Token::Nothing => {}
                Token::Text if self.is_exact && self.is_blank() => {}
                Token::Text => return Err(self.fault(self.scan.start(), "text has no place here", path)),
                Token::End | Token::Eof => return Ok(None),
            }
        }
    }

    /// The children of an element of type `owner`, up to its end tag.
    fn children(&mut self, tag: &Tag<'a>, owner: TypeId, object: &mut Object, path: &Path<'_>) -> Result<()> {
        let mut open = Open::default();
        while let Some(child) = self.next(tag, path)? {
            self.child(&child, owner, &mut open, object, path)?;
        }
        open.close(object);
        Ok(())
    }

    fn child(
        &mut self,
        tag: &Tag<'a>,
        owner: TypeId,
        open: &mut Open,
        object: &mut Object,
        path: &Path<'_>,
    ) -> Result<()> {
        let shape = Shape::of(owner);
        let found = property(owner, &Name::new(tag.name)).filter(|found| !shape.is_attribute(found));
        let Some(found) = found else {
            return Err(self.fault(tag.at, format!("unknown element \"{}\"", shown(tag.name)), path));
        };
        if let Some(problem) = open.problem(found) {
            return Err(self.fault(tag.at, problem, &path.child(found.element)));
        }
        if !open.property.is_some_and(|last| std::ptr::eq(last, found)) {
            open.close(object);
            open.property = Some(found);
        }
        let place = path.child(found.element);
        let place = if found.is_list() { place.item(open.values.len()) } else { place };
        let shape = Shape::of(found.type_id);
        let expected = if shape == Shape::Narrative { Namespace::Xhtml } else { Namespace::Fhir };
        if tag.namespace != Some(expected) {
            let message = format!("the element \"{}\" is in a wrong namespace", shown(tag.name));
            return Err(self.fault(tag.at, message, &place));
        }
        let levels = usize::from(found.is_list());
        let (value, sibling) = self.nested(levels, tag, &place, |reading| reading.value(tag, found, shape, &place))?;
        open.values.push(value);
        open.siblings.push(sibling);
        Ok(())
    }

    /// The value of an element and, for a primitive, what JSON has in `_name`.
    fn value(&mut self, tag: &Tag<'a>, found: &Property, shape: Shape, path: &Path<'_>) -> Result<(Json, Json)> {
        match shape {
            Shape::Narrative => {
                let text = narrative::read(&mut self.scan, tag).map_err(|fault| fault.at(path.to_string()))?;
                if self.is_exact && text.contains("<?") {
                    return Err(self.fault(tag.at, INSTRUCTION, path));
                }
                Ok((Json::String(text), Json::Null))
            }
            Shape::Resource => Ok((self.any_resource(tag, path)?, Json::Null)),
            _ if shape.is_primitive() => self.primitive(tag, found, shape, path),
            _ => Ok((self.object(tag, found.type_id, shape, path)?, Json::Null)),
        }
    }

    /// The one resource in `contained`, `Bundle.entry.resource` and `Parameters.parameter.resource`.
    fn any_resource(&mut self, tag: &Tag<'a>, path: &Path<'_>) -> Result<Json> {
        if let Some(attribute) = tag.attributes.first() {
            return Err(self.unknown(attribute, path));
        }
        let mut resource = None;
        while let Some(inner) = self.next(tag, path)? {
            if resource.is_some() {
                return Err(self.fault(inner.at, "more than one resource", path));
            }
            resource = Some(self.resource(&inner, Some(path)).map_err(|fault| fault.or_at(|| path.to_string()))?);
        }
        resource.ok_or_else(|| self.fault(tag.at, "there is no resource", path))
    }

    fn object(&mut self, tag: &Tag<'a>, owner: TypeId, shape: Shape, path: &Path<'_>) -> Result<Json> {
        let mut object = Object::new();
        for attribute in &tag.attributes {
            let name = match attribute.name {
                "id" => names::ID,
                "url" if shape == Shape::Extension => names::URL,
                _ => return Err(self.unknown(attribute, path)),
            };
            object.push(Name::known(name), Json::String(self.text(attribute, Shape::Token, path)?));
        }
        self.nested(1, tag, path, |reading| reading.children(tag, owner, &mut object, path))?;
        if object.is_empty() {
            return Err(self.fault(tag.at, "an element must not be empty", path));
        }
        Ok(Json::Object(object))
    }

    fn primitive(&mut self, tag: &Tag<'a>, found: &Property, shape: Shape, path: &Path<'_>) -> Result<(Json, Json)> {
        let (mut value, mut object) = (Json::Null, Object::new());
        for attribute in &tag.attributes {
            match attribute.name {
                "value" => value = self.literal(attribute, found, shape, path)?,
                "id" => {
                    object.push(Name::known(names::ID), Json::String(self.text(attribute, Shape::Token, path)?));
                }
                _ => return Err(self.unknown(attribute, path)),
            }
        }
        let levels = usize::from(!tag.is_empty || !object.is_empty());
        self.nested(levels, tag, path, |reading| reading.children(tag, found.type_id, &mut object, path))?;
        if object.is_empty() && value == Json::Null {
            return Err(self.fault(tag.at, "an element must not be empty", path));
        }
        let sibling = if object.is_empty() { Json::Null } else { Json::Object(object) };
        Ok((value, sibling))
    }

    /// The text of an attribute. The white space around it counts for `string` and `markdown` only, or where it is judged.
    fn text(&self, attribute: &Attribute<'_>, shape: Shape, path: &Path<'_>) -> Result<Box<str>> {
        let whole: &str = &attribute.value;
        let trimmed = if self.is_exact { whole } else { whole.trim_matches([' ', '\t', '\n', '\r']) };
        if trimmed.is_empty() {
            return Err(self.fault(attribute.at, format!("the attribute {} must not be empty", attribute.name), path));
        }
        Ok(if shape == Shape::Text { whole.into() } else { trimmed.into() })
    }

    fn literal(&self, attribute: &Attribute<'_>, found: &Property, shape: Shape, path: &Path<'_>) -> Result<Json> {
        let text = self.text(attribute, shape, path)?;
        let json = match (shape, &*text) {
            (Shape::Boolean, "true") => Some(Json::Bool(true)),
            (Shape::Boolean, "false") => Some(Json::Bool(false)),
            (Shape::Boolean, _) => None,
            (Shape::Number, _) => Number::from_text(unsigned(&text, found)).map(Json::Number),
            _ => Some(Json::String(text)),
        };
        json.ok_or_else(|| {
            let message = format!("the value is no {}", found.type_id.name());
            self.fault(attribute.at, message, path)
        })
    }
}

/// A number as JSON has it: integers may have a `+` in XML (`datatypes.html`), decimals not.
fn unsigned<'t>(text: &'t str, property: &Property) -> &'t str {
    let digits = text.strip_prefix('+').filter(|digits| digits.starts_with(|c: char| ('1'..='9').contains(&c)));
    digits.filter(|_| property.type_id.name() != "decimal").unwrap_or(text)
}

/// The element that is being collected: one, or all repetitions of one.
#[derive(Default)]
struct Open {
    property: Option<&'static Property>,
    values: Vec<Json>,
    siblings: Vec<Json>,
}

impl Open {
    /// What is wrong with `next` after what is open.
    fn problem(&self, next: &Property) -> Option<String> {
        let last = self.property?;
        if next.position < last.position {
            return Some(format!("the element {} must stand before {}", next.name, last.name));
        }
        if next.position > last.position {
            return None;
        }
        if next.name != last.name {
            return Some(format!("only one of {}[x] is allowed: {} and {}", next.element, last.name, next.name));
        }
        (!next.is_list()).then(|| format!("the element {} must not repeat", next.name))
    }

    /// Moves what is open into the object.
    fn close(&mut self, object: &mut Object) {
        let Some(property) = self.property.take() else { return };
        let is_filled = |items: &[Json]| items.iter().any(|item| *item != Json::Null);
        let (values, siblings) = (std::mem::take(&mut self.values), std::mem::take(&mut self.siblings));
        let shown = |mut items: Vec<Json>| {
            if property.is_list() { Json::Array(items) } else { items.pop().unwrap_or(Json::Null) }
        };
        let has_siblings = is_filled(&siblings);
        if is_filled(&values) {
            object.push(property.name.clone(), shown(values));
        }
        let sibling = property.name.id().and_then(names::sibling).filter(|_| has_siblings);
        if let Some(sibling) = sibling {
            object.push(Name::known(sibling), shown(siblings));
        }
    }
}
