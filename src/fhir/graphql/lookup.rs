//! What leads from one resource to others: references, ids, searches.

use std::sync::Arc;

use super::ast::{Place, Value};
use super::check::types;
use super::execute::{Asked, On, Run, Setting};
use super::filter::{Evaluator, number_of, text_of};
use super::search::{escaped, param};
use super::source::{Found, Search};
use super::target::Target;
use super::trouble::{costly, shown, wrong};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits;
use crate::fhir::definitions::element::resource_type_id;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::types::{ResourceId, ResourceType};

impl<'d> Run<'d> {
    /// `resource` of a Reference; nothing when it leads to another type than is wanted, or nowhere and need not.
    pub fn reference(
        &mut self,
        asked: &Asked<'d>,
        (node, resource): (Node<'_>, Node<'_>),
        out: &mut Target,
        setting: &Setting,
    ) -> Result<()> {
        let field = asked.field;
        let wanted = match self.argument(field, "type") {
            Some((argument, value)) => types(&value, argument.place)?,
            None => Vec::new(),
        };
        let is_optional = match self.argument(field, "optional") {
            None => false,
            Some((_, Value::Boolean(value))) => value,
            Some((argument, _)) => return Err(wrong(argument.place, "optional is a Boolean")),
        };
        let Some(text) = node.json.get("reference").and_then(Json::as_str) else {
            return self.nowhere(is_optional, field.place, "the reference has no literal value");
        };
        if let Some(id) = text.strip_prefix('#') {
            let inner = resource.json.get("contained").and_then(Json::as_array).unwrap_or_default();
            let target = inner.iter().find(|json| json.get("id").and_then(Json::as_str) == Some(id));
            let target = if id.is_empty() { Some(resource.json) } else { target };
            return match target {
                Some(json) => self.entered(asked, (json, resource), &wanted, out, setting),
                None => self.nowhere(is_optional, field.place, "the contained resource is not there"),
            };
        }
        // what is of another type need not be looked up
        let named = text.rsplit('/').nth(1).and_then(ResourceType::find);
        if named.is_some_and(|kind| !wanted.is_empty() && !wanted.contains(&kind)) {
            return Ok(());
        }
        match self.resolved(text, field.place)? {
            Some(json) => self.entered(asked, (&json, Node::resource(&json)), &wanted, out, setting),
            None => self.nowhere(is_optional, field.place, "the reference leads to no resource that is here"),
        }
    }

    fn nowhere(&self, is_optional: bool, place: Place, message: &str) -> Result<()> {
        if is_optional {
            return Ok(());
        }
        Err(Fault::coded(Category::Invalid, "not-found", message).on(place.line, place.column))
    }

    /// The fields of a reference's target, if it is of a wanted type.
    fn entered(
        &mut self,
        asked: &Asked<'d>,
        (json, container): (&Json, Node<'_>),
        wanted: &[ResourceType],
        out: &mut Target,
        setting: &Setting,
    ) -> Result<()> {
        let node = Node::resource(json);
        let is_wanted = |kind: &ResourceType| node.type_id == Some(resource_type_id(*kind));
        if !wanted.is_empty() && !wanted.iter().any(is_wanted) {
            return Ok(());
        }
        let on = On::Node { node, resource: container };
        if asked.field.directives.iter().any(|directive| directive.name == "flatten") {
            return self.object(on, &asked.selections, out, setting);
        }
        let value = self.inner(on, asked)?;
        self.plain(asked, out, setting, "Resource", value)
    }

    /// What a reference names; every one is looked up once.
    fn resolved(&mut self, text: &str, place: Place) -> Result<Option<Arc<Json>>> {
        if let Some(known) = self.found.get(text) {
            return Ok(known.clone());
        }
        self.references += 1;
        if self.references > limits::GRAPHQL_REFERENCES {
            let message = format!("more than {} references would be followed", limits::GRAPHQL_REFERENCES);
            return Err(costly(place, message));
        }
        let found = self.source.resolve(text)?;
        self.found.insert(text.to_owned(), found.clone());
        Ok(found)
    }

    /// `Patient(id: ...)`
    pub fn one(&mut self, asked: &Asked<'d>, kind: ResourceType) -> Result<Json> {
        let place = asked.field.place;
        let value = asked.field.arguments.first().map(|argument| self.value(&argument.value));
        let text = value.as_ref().and_then(text_of).ok_or_else(|| wrong(place, format!("{kind} needs its id")))?;
        let id = ResourceId::parse(text).map_err(|fault| fault.on(place.line, place.column))?;
        self.count_search(place)?;
        let json = self.source.read(kind, &id)?;
        let json =
            json.ok_or_else(|| Fault::not_found(format!("{kind}/{id} is not there")).on(place.line, place.column))?;
        let node = Node::resource(&json);
        self.inner(On::Node { node, resource: node }, asked)
    }

    fn count_search(&mut self, place: Place) -> Result<()> {
        self.searches += 1;
        if self.searches > limits::GRAPHQL_SEARCHES {
            let message = format!("more than {} reads and searches would be done", limits::GRAPHQL_SEARCHES);
            return Err(costly(place, message));
        }
        Ok(())
    }

    /// `PatientList(...)`: all matches, or an error.
    pub fn list(&mut self, asked: &Asked<'d>, kind: ResourceType, on: On<'_>) -> Result<Json> {
        let place = asked.field.place;
        let mut search = self.search(asked, kind, on)?;
        let offset = self.number(asked, "_offset")?.unwrap_or(0);
        let (most, is_cut) = (self.source.most(), search.count.is_some());
        let wanted = search.count.unwrap_or(most.saturating_sub(offset));
        if offset.saturating_add(wanted) > most {
            return Err(costly(place, format!("a list has at most {most} resources; {kind}Connection has pages")));
        }
        search.count = Some(offset + wanted);
        let found = self.searched(&search, place)?;
        if found.next.is_some() && !is_cut {
            let message = format!("there are more than {most} matches; {kind}Connection has pages");
            return Err(costly(place, message));
        }
        let found = self.filtered(asked, kind, found)?;
        let mut items = Vec::new();
        for entry in found.entries.iter().skip(offset) {
            let node = Node::resource(&entry.resource);
            items.push(self.inner(On::Node { node, resource: node }, asked)?);
        }
        Ok(Json::Array(items))
    }

    /// `PatientConnection(...)`: a page.
    pub fn connection(&mut self, asked: &Asked<'d>, kind: ResourceType, on: On<'_>) -> Result<Found> {
        let field = asked.field;
        let cursor = self.argument(field, "_cursor").or_else(|| self.argument(field, "cursor"));
        let search = match cursor {
            None => self.search(asked, kind, on)?,
            Some((argument, value)) => {
                let others =
                    field.arguments.iter().filter(|a| !matches!(a.name.as_str(), "_cursor" | "cursor" | "fhirpath"));
                if let Some(other) = others.into_iter().next() {
                    let message = format!("{} cannot be changed with a cursor", shown(&other.name));
                    return Err(wrong(other.place, message));
                }
                let text = text_of(&value).ok_or_else(|| wrong(argument.place, "a cursor is a string"))?;
                Search { kind, params: Vec::new(), count: None, cursor: Some(text.to_owned()) }
            }
        };
        let found = self.searched(&search, field.place)?;
        self.filtered(asked, kind, found)
    }

    fn searched(&mut self, search: &Search, place: Place) -> Result<Found> {
        self.count_search(place)?;
        self.source.search(search).map_err(|fault| {
            if fault.issues()[0].position.is_some() { fault } else { fault.on(place.line, place.column) }
        })
    }

    fn number(&self, asked: &Asked<'_>, name: &str) -> Result<Option<usize>> {
        self.argument(asked.field, name).map(|(argument, value)| number_of(&value, argument)).transpose()
    }

    /// Keeps the matches that meet the argument `fhirpath`.
    fn filtered(&self, asked: &Asked<'_>, kind: ResourceType, mut found: Found) -> Result<Found> {
        let Some((argument, value)) = self.argument(asked.field, "fhirpath") else { return Ok(found) };
        let text = text_of(&value).ok_or_else(|| wrong(argument.place, "fhirpath is a string"))?;
        let path = Evaluator::compile(text, Some(resource_type_id(kind)), argument.place)?;
        let mut kept = Vec::new();
        for (at, entry) in found.entries.into_iter().enumerate() {
            let node = Node::resource(&entry.resource);
            if self.evaluator.is_true(&path, (node, at), node, argument.place)? {
                kept.push(entry);
            }
        }
        found.entries = kept;
        Ok(found)
    }

    /// The search that the arguments of a field describe.
    fn search(&self, asked: &Asked<'_>, kind: ResourceType, on: On<'_>) -> Result<Search> {
        let mut params = Vec::new();
        for argument in &asked.field.arguments {
            let name = argument.name.as_str();
            let value = self.value(&argument.value);
            let is_own = matches!(name, "fhirpath" | "_count" | "_offset" | "_cursor" | "cursor");
            if is_own || value == Value::Null {
                continue;
            }
            let unknown = || wrong(argument.place, format!("{kind} has no search parameter {}", shown(name)));
            if name == "_reference" {
                let own = text_of(&value).and_then(|name| param(self.source, kind, name)).ok_or_else(|| {
                    let name = text_of(&value).unwrap_or("of that form");
                    wrong(argument.place, format!("{kind} has no search parameter {}", shown(name)))
                })?;
                if !self.source.leads(kind, &own) {
                    let message = format!("the search parameter {own} of {kind} is for no references");
                    return Err(wrong(argument.place, message));
                }
                params.push((own, address(on).ok_or_else(|| wrong(argument.place, "the resource has no id"))?));
                continue;
            }
            let code = param(self.source, kind, name).ok_or_else(unknown)?;
            let values: Option<Vec<String>> = match &value {
                // these have a syntax of their own, with commas
                value if matches!(name, "_filter" | "_sort") => text_of(value).map(|text| vec![text.to_owned()]),
                Value::List(items) => items.iter().map(|item| text_of(item).map(escaped)).collect(),
                value => text_of(value).map(|text| vec![escaped(text)]),
            };
            let values = values.ok_or_else(|| wrong(argument.place, format!("{} has values", shown(name))))?;
            params.push((code, values.join(",")));
        }
        Ok(Search { kind, params, count: self.number(asked, "_count")?, cursor: None })
    }
}

/// `Type/id` of the resource that reverse references lead to.
fn address(on: On<'_>) -> Option<String> {
    let On::Node { node, .. } = on else { return None };
    let text = |name: &str| node.json.get(name).and_then(Json::as_str);
    Some(format!("{}/{}", text("resourceType")?, text("id")?))
}
