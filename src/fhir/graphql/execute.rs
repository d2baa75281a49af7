//! Answering a query: fields of elements, with the directives that flatten them (FHIR R4 `graphql.html`, 3.1.2.4 and 3.1.2.7).

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Argument, Directive, Field, Fragment, Place, Selection, Value};
use super::check::check;
use super::fields::{
    Fact, Scope, Target as To, element_type, find, is_any_resource, is_primitive, is_schema, type_name,
};
use super::filter::{Evaluator, keep, text_of};
use super::request::{Prepared, Request};
use super::source::{Entry, Found, Source};
use super::target::{How, Target};
use super::trouble::{costly, wrong};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::limits;
use crate::fhir::definitions::element::{Property, TypeId};
use crate::fhir::fhirpath::{Expression, Node};
use crate::fhir::json::{Json, Number};
use crate::fhir::types::ResourceType;

/// What a query is asked of.
#[derive(Debug, Clone)]
pub enum Root {
    /// The system.
    System,
    /// A resource.
    Resource(Arc<Json>),
}

/// Answers a request: the value of `data`.
///
/// # Errors
/// 400 with line and column for what is wrong with the document or cannot be answered, 404 for a resource that is asked for by
/// its id and is not there, and what the source says.
pub fn execute(request: &Request, root: &Root, source: &dyn Source, now: Timestamp) -> Result<Json> {
    let prepared = Prepared::of(request)?;
    let node = match root {
        Root::System => None,
        Root::Resource(json) => Some(Node::resource(json)),
    };
    let scope = match node {
        None => Scope::Root,
        Some(node) => {
            Scope::Type(node.type_id.ok_or_else(|| wrong(Place::default(), "the resource is of no known type"))?)
        }
    };
    check(&prepared, &scope, source)?;
    let fragments = prepared.document.fragments.iter().map(|fragment| (fragment.name.as_str(), fragment)).collect();
    let mut run = Run {
        prepared: &prepared,
        root: node.and_then(|node| node.type_id),
        fragments,
        source,
        evaluator: Evaluator::new(now),
        values: 0,
        bytes: 0,
        references: 0,
        searches: 0,
        depth: 0,
        visits: Cell::new(limits::GRAPHQL_VISITS),
        found: HashMap::new(),
    };
    let on = match node {
        None => On::Root,
        Some(node) => On::Node { node, resource: node },
    };
    let mut data = Target::default();
    let selections: &[Selection] = &prepared.document.operations[prepared.at].selections;
    run.object(on, &[selections], &mut data, &Setting::default())?;
    data.finish()
}

/// What fields are asked of.
#[derive(Clone, Copy)]
pub(super) enum On<'a> {
    /// The system.
    Root,
    /// An element, and the resource that it is of.
    Node { node: Node<'a>, resource: Node<'a> },
    /// A page of a search.
    Page(&'a Found, ResourceType),
    /// A match.
    Match(&'a Entry, ResourceType),
    /// A part of the schema.
    Meta(&'static str),
}

/// What the elements around say about how fields are answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Setting {
    /// Whether values are collated from several elements.
    is_list: bool,
    /// What is appended to names.
    suffix: String,
}

/// The state of one answer.
pub(super) struct Run<'d> {
    /// The document and its variables.
    pub prepared: &'d Prepared,
    /// The type of the resource that is asked; none for the system.
    pub root: Option<TypeId>,
    /// The fragments by name.
    pub fragments: HashMap<&'d str, &'d Fragment>,
    /// Where resources come from.
    pub source: &'d dyn Source,
    /// Evaluates expressions.
    pub evaluator: Evaluator,
    /// Values and objects so far, and their bytes.
    values: usize,
    bytes: usize,
    /// References so far.
    pub references: usize,
    /// Reads and searches so far.
    pub searches: usize,
    depth: usize,
    /// Selections that may still be looked at.
    pub visits: Cell<u64>,
    /// What references led to.
    pub found: HashMap<String, Option<Arc<Json>>>,
}

/// Fields of one name in one selection.
pub(super) struct Asked<'d> {
    /// The first of them.
    pub field: &'d Field,
    /// What is selected of each.
    pub selections: Vec<&'d [Selection]>,
}

impl<'d> Run<'d> {
    /// The value of an argument, without variables.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Variable(name) => self.prepared.variables.get(name).cloned().unwrap_or(Value::Null),
            Value::List(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            other => other.clone(),
        }
    }

    /// An argument, if it is there and not `null`.
    pub fn argument<'f>(&self, field: &'f Field, name: &str) -> Option<(&'f Argument, Value)> {
        let argument = field.arguments.iter().find(|argument| argument.name == name)?;
        let value = self.value(&argument.value);
        (value != Value::Null).then_some((argument, value))
    }

    /// The fields of something, added to an object.
    pub fn object(
        &mut self,
        on: On<'_>,
        selections: &[&'d [Selection]],
        out: &mut Target,
        setting: &Setting,
    ) -> Result<()> {
        let mut asked = Vec::new();
        self.collect(on, selections, &mut asked)?;
        for asked in &asked {
            self.field(on, asked, out, setting)?;
        }
        Ok(())
    }

    /// An object of its own, below a field.
    pub fn inner(&mut self, on: On<'_>, asked: &Asked<'d>) -> Result<Json> {
        self.depth += 1;
        if self.depth > limits::GRAPHQL_DEPTH {
            let message = format!("the answer would be nested deeper than {}", limits::GRAPHQL_DEPTH);
            return Err(costly(asked.field.place, message));
        }
        self.made(4, asked.field.place)?;
        let mut inner = Target::default();
        self.object(on, &asked.selections, &mut inner, &Setting::default())?;
        self.depth -= 1;
        inner.finish()
    }

    /// Counts a value of some bytes.
    pub fn made(&mut self, bytes: usize, place: Place) -> Result<()> {
        self.values += 1;
        self.bytes += bytes;
        if self.values > limits::GRAPHQL_VALUES || self.bytes > limits::GRAPHQL_BYTES {
            let message = format!(
                "the answer has more than {} values or {} bytes",
                limits::GRAPHQL_VALUES,
                limits::GRAPHQL_BYTES
            );
            return Err(costly(place, message));
        }
        Ok(())
    }

    /// Adds a value that stands by itself.
    pub fn plain(
        &mut self,
        asked: &Asked<'_>,
        out: &mut Target,
        setting: &Setting,
        kind: &str,
        value: Json,
    ) -> Result<()> {
        let key = format!("{}{}", asked.field.key(), setting.suffix);
        self.made(key.len() + 8 + length(&value), asked.field.place)?;
        let at = out.field(&key, how(asked.field, setting.is_list), kind, asked.field.place)?;
        out.add(at, value);
        Ok(())
    }

    fn field(&mut self, on: On<'_>, asked: &Asked<'d>, out: &mut Target, setting: &Setting) -> Result<()> {
        let Some(to) = self.leads_to(on, asked.field) else { return Ok(()) };
        match (to, on) {
            (To::TypeName, _) => self.plain(asked, out, setting, "string", Json::string(typename(on))),
            (To::Schema, _) => {
                let value = self.schema(asked)?;
                self.plain(asked, out, setting, "schema", value)
            }
            (To::ResourceType, On::Node { node, .. }) => {
                let name = node.type_id.map_or("", TypeId::name);
                self.plain(asked, out, setting, "code", Json::string(name))
            }
            (To::Element(property), On::Node { node, resource }) => {
                let nodes = children(node, property);
                let nodes = if is_primitive(property) || asked.field.arguments.is_empty() {
                    nodes
                } else {
                    keep(&self.evaluator, asked.field, nodes, resource, |value| self.value(value))?
                };
                self.elements(asked, property, nodes, resource, out, setting)
            }
            (To::Extensions(property), On::Node { node, resource }) => {
                self.elements(asked, property, extensions(node, property), resource, out, setting)
            }
            (To::Reference, On::Node { node, resource }) => self.reference(asked, (node, resource), out, setting),
            (To::One(kind), _) => {
                let value = self.one(asked, kind)?;
                self.plain(asked, out, setting, kind.name(), value)
            }
            (To::List(kind), _) => {
                let value = self.list(asked, kind, on)?;
                self.plain(asked, out, setting, kind.name(), value)
            }
            (To::Connection(kind), _) => {
                let found = self.connection(asked, kind, on)?;
                let value = self.inner(On::Page(&found, kind), asked)?;
                self.plain(asked, out, setting, "Connection", value)
            }
            (To::Edges(kind), On::Page(found, _)) => {
                let mut edges = Vec::with_capacity(found.entries.len());
                for entry in &found.entries {
                    edges.push(self.inner(On::Match(entry, kind), asked)?);
                }
                self.plain(asked, out, setting, "Edge", Json::Array(edges))
            }
            (To::Match(_), On::Match(entry, _)) => {
                let resource = Node::resource(&entry.resource);
                let value = self.inner(On::Node { node: resource, resource }, asked)?;
                self.plain(asked, out, setting, "Resource", value)
            }
            (To::Fact(fact), on) => match told(fact, on) {
                Some(value) => self.plain(asked, out, setting, "string", value),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What a field leads to here; nothing where it is one of another type that might stand here, or has another shape.
    fn leads_to(&self, on: On<'_>, field: &Field) -> Option<To> {
        if self.depth == 0 && is_schema(&field.name) {
            return Some(To::Schema);
        }
        find(&scope(on), &field.name).filter(|to| to.is_leaf() == field.selections.is_empty())
    }

    /// The elements of a field, as its directives say.
    fn elements(
        &mut self,
        asked: &Asked<'d>,
        property: &'static Property,
        nodes: Vec<Node<'_>>,
        resource: Node<'_>,
        out: &mut Target,
        setting: &Setting,
    ) -> Result<()> {
        let field = asked.field;
        let has = |name: &str| field.directives.iter().find(|directive| directive.name == name);
        let (is_first, is_flat) = (has("first").is_some(), has("flatten").is_some());
        let slice = has("slice").map(|directive| self.slice(directive, property)).transpose()?;
        if is_flat && field.selections.is_empty() {
            return Err(wrong(field.place, "a value cannot be flattened: it has no parts"));
        }
        let nodes = if is_first { &nodes[..nodes.len().min(1)] } else { &nodes[..] };
        let is_list = setting.is_list || (property.is_list() && !is_first);
        for (at, node) in nodes.iter().enumerate() {
            let mut suffix = setting.suffix.clone();
            if let Some((path, place)) = &slice {
                suffix.push('.');
                match path {
                    Some(path) => suffix.push_str(&self.evaluator.text(path, *node, resource, *place)?),
                    None => suffix.push_str(&at.to_string()),
                }
            }
            let inner = Setting { is_list, suffix };
            // what stands in a container is of the resource that it is itself
            let is_own = is_any_resource(property.type_id);
            let on = On::Node { node: *node, resource: if is_own { within(*node, resource) } else { resource } };
            if is_flat {
                self.made(1, field.place)?;
                self.object(on, &asked.selections, out, &inner)?;
                continue;
            }
            let is_absent = field.selections.is_empty() || *node.json == Json::Null;
            let value = if is_absent { node.json.clone() } else { self.inner(on, asked)? };
            self.plain(asked, out, &inner, property.type_id.name(), value)?;
        }
        Ok(())
    }

    /// The expression of `@slice`; none for the number of the element.
    fn slice(&self, directive: &Directive, property: &Property) -> Result<(Option<Expression>, Place)> {
        let place = directive.place;
        let value = directive.arguments.first().map(|argument| self.value(&argument.value));
        let text = value.as_ref().and_then(text_of).ok_or_else(|| wrong(place, "@slice needs an expression"))?;
        if text.trim() == "$index" {
            return Ok((None, place));
        }
        let context = (!is_any_resource(property.type_id)).then_some(property.type_id);
        Evaluator::compile(text, context, place).map(|path| (Some(path), place))
    }
}

/// The container in which references with `#` are looked up.
fn within<'a>(node: Node<'a>, resource: Node<'a>) -> Node<'a> {
    if node.json.get("contained").is_some() || resource.json.get("contained").is_none() { node } else { resource }
}

fn how(field: &Field, is_list: bool) -> How {
    match field.directives.iter().any(|directive| directive.name == "singleton") {
        true => How::Singleton,
        false if is_list => How::List,
        false => How::Plain,
    }
}

/// About how long a value is.
pub fn length(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len() + 2,
        Json::Number(number) => number.as_str().len(),
        _ => 5,
    }
}

/// What the fields of something are looked up in.
pub(super) fn scope(on: On<'_>) -> Scope {
    match on {
        On::Root => Scope::Root,
        On::Node { node, .. } => node.type_id.map_or(Scope::OneOf(Vec::new()), Scope::Type),
        On::Page(_, kind) => Scope::Connection(kind),
        On::Match(_, kind) => Scope::Edge(kind),
        On::Meta(meta) => Scope::Meta(meta),
    }
}

fn typename(on: On<'_>) -> String {
    match on {
        On::Node { node, .. } => node.type_id.map_or_else(String::new, type_name),
        other => super::fields::shown(&scope(other)),
    }
}

/// The elements of a property that have a value.
fn children<'a>(node: Node<'a>, property: &'static Property) -> Vec<Node<'a>> {
    let one = |json: &'a Json| {
        let kind = property.type_id;
        if is_any_resource(kind) { Node::resource(json) } else { Node { json, sibling: None, type_id: Some(kind) } }
    };
    match node.json.as_object().and_then(|object| object.get_name(&property.name)) {
        None => Vec::new(),
        // the places of values without one are kept, or `_name` would tell of others
        Some(Json::Array(items)) => items.iter().map(one).collect(),
        Some(json) => vec![one(json)],
    }
}

/// The ids and extensions of the values of a property.
fn extensions<'a>(node: Node<'a>, property: &'static Property) -> Vec<Node<'a>> {
    let one = |json: &'a Json| Node { json, sibling: None, type_id: element_type() };
    match node.json.get(&format!("_{}", property.name.as_str())) {
        None => Vec::new(),
        Some(Json::Array(items)) => items.iter().map(one).collect(),
        Some(json) => vec![one(json)],
    }
}

/// A fact about a page or a match, if it is known.
fn told(fact: Fact, on: On<'_>) -> Option<Json> {
    let number = |value: usize| i64::try_from(value).ok().map(Json::integer);
    let text = |text: &Option<String>| text.as_deref().map(Json::string);
    match (fact, on) {
        (Fact::Count, On::Page(found, _)) => i64::try_from(found.total?).ok().map(Json::integer),
        (Fact::Offset, On::Page(found, _)) => number(found.offset),
        (Fact::Size, On::Page(found, _)) => number(found.size),
        (Fact::First, On::Page(found, _)) => text(&found.first),
        (Fact::Previous, On::Page(found, _)) => text(&found.previous),
        (Fact::Next, On::Page(found, _)) => text(&found.next),
        (Fact::Last, On::Page(found, _)) => text(&found.last),
        (Fact::Mode, On::Match(entry, _)) => entry.mode.map(Json::string),
        (Fact::Score, On::Match(entry, _)) => entry.score.as_deref().and_then(Number::from_text).map(Json::Number),
        _ => None,
    }
}
