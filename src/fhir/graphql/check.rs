//! What a document asks for, held against the definitions before anything is looked up.

use std::collections::HashMap;

use super::ast::{Argument, Directive, Document, Field, Fragment, Place, Selection, Value};
use super::fields::{
    Scope, Target, all, condition, is_primitive, is_schema, narrowed, scope_of, scope_of_targets, shown as scope_name,
    united,
};
use super::request::Prepared;
use super::search;
use super::source::Source;
use super::trouble::{costly, shown, unsupported, wrong};
use crate::base::fault::Result;
use crate::base::limits;
use crate::fhir::definitions::element::{Property, TypeId, property, resource_type_id};
use crate::fhir::fhirpath::{Options, compile_with};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// Checks the operation of a document on a scope.
///
/// # Errors
/// 400 with line and column for fields, arguments, directives, types, fragments and variables that are unknown or misused, and
/// for more fields than may be.
pub fn check(prepared: &Prepared, scope: &Scope, source: &dyn Source) -> Result<()> {
    let document = &prepared.document;
    let operation = &document.operations[prepared.at];
    let fragments = fragments(document)?;
    let mut checker = Checker { prepared, fragments, source, open: Vec::new(), fields: 0, depth: 0 };
    checker.directives(&operation.directives, &[])?;
    checker.selections(&operation.selections, scope)
}

/// The fragments by name.
fn fragments(document: &Document) -> Result<HashMap<&str, &Fragment>> {
    let mut found = HashMap::new();
    for fragment in &document.fragments {
        if found.insert(fragment.name.as_str(), fragment).is_some() {
            return Err(wrong(fragment.place, format!("fragment {} is defined twice", shown(&fragment.name))));
        }
    }
    Ok(found)
}

/// The directives of FHIR that elements may have, and those that other fields may have.
const ON_ELEMENTS: [&str; 4] = ["flatten", "first", "singleton", "slice"];
const ON_REFERENCES: [&str; 2] = ["flatten", "singleton"];
const ON_OTHERS: [&str; 1] = ["singleton"];

struct Checker<'d> {
    prepared: &'d Prepared,
    fragments: HashMap<&'d str, &'d Fragment>,
    source: &'d dyn Source,
    /// The fragments that are being looked into.
    open: Vec<&'d str>,
    fields: usize,
    /// How many fields stand around.
    depth: usize,
}

impl<'d> Checker<'d> {
    fn selections(&mut self, selections: &'d [Selection], scope: &Scope) -> Result<()> {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.field(field, scope)?,
                Selection::Inline(inline) => {
                    self.directives(&inline.directives, &[])?;
                    let inner = match &inline.on {
                        Some(on) => self.condition(on, scope, inline.place)?,
                        None => scope.clone(),
                    };
                    self.selections(&inline.selections, &inner)?;
                }
                Selection::Spread(spread) => {
                    self.directives(&spread.directives, &[])?;
                    let named = self.fragments.get(spread.name.as_str()).copied();
                    let fragment = named
                        .ok_or_else(|| wrong(spread.place, format!("there is no fragment {}", shown(&spread.name))))?;
                    if self.open.contains(&fragment.name.as_str()) {
                        return Err(wrong(spread.place, format!("fragment {} contains itself", shown(&spread.name))));
                    }
                    self.count(spread.place)?;
                    self.directives(&fragment.directives, &[])?;
                    let inner = self.condition(&fragment.on, scope, fragment.place)?;
                    self.open.push(&fragment.name);
                    self.selections(&fragment.selections, &inner)?;
                    self.open.pop();
                }
            }
        }
        Ok(())
    }

    /// Counts what is visited: fragments within fragments multiply.
    fn count(&mut self, place: Place) -> Result<()> {
        self.fields += 1;
        if self.fields > limits::GRAPHQL_SELECTIONS {
            let message = format!("the document asks for more than {} fields", limits::GRAPHQL_SELECTIONS);
            return Err(costly(place, message));
        }
        Ok(())
    }

    fn condition(&self, name: &str, scope: &Scope, place: Place) -> Result<Scope> {
        let found = condition(name).ok_or_else(|| wrong(place, format!("there is no type {}", shown(name))))?;
        Ok(narrowed(scope, &found))
    }

    fn field(&mut self, field: &'d Field, scope: &Scope) -> Result<()> {
        self.count(field.place)?;
        let is_told = self.depth == 0 && is_schema(&field.name);
        let targets = if is_told { vec![Target::Schema] } else { all(scope, &field.name) };
        if targets.is_empty() {
            return Err(wrong(field.place, format!("{} has no field {}", scope_name(scope), shown(&field.name))));
        }
        let is_leaf = field.selections.is_empty();
        let mut shaped = targets.iter().filter(|target| target.is_leaf() == is_leaf).peekable();
        if shaped.peek().is_none() {
            let message = if is_leaf {
                format!("{} has parts: it must be said which are wanted", shown(&field.name))
            } else {
                format!("{} is a value: nothing of it can be selected", shown(&field.name))
            };
            return Err(wrong(field.place, message));
        }
        let (mut inner, mut refused, mut is_there) = (Vec::new(), None, false);
        for target in shaped {
            match self.asked(field, target, scope) {
                Ok(found) => {
                    is_there = true;
                    inner.extend(found);
                }
                Err(fault) => refused = refused.or(Some(fault)),
            }
        }
        if let Some(fault) = refused.filter(|_| !is_there) {
            return Err(fault);
        }
        if let Some(inner) = united(inner) {
            self.depth += 1;
            self.selections(&field.selections, &inner)?;
            self.depth -= 1;
        }
        Ok(())
    }

    /// Checks a field as one of the things that it may lead to; what its own fields are asked of, if it has some.
    fn asked(&self, field: &Field, target: &Target, scope: &Scope) -> Result<Option<Scope>> {
        let directives = match target {
            Target::Element(_) | Target::Extensions(_) => &ON_ELEMENTS[..],
            Target::Reference => &ON_REFERENCES,
            _ => &ON_OTHERS,
        };
        self.directives(&field.directives, directives)?;
        self.target(field, target, scope)
    }

    /// Checks the arguments of a field; what its own fields are asked of, if it has some.
    fn target(&self, field: &Field, target: &Target, scope: &Scope) -> Result<Option<Scope>> {
        match target {
            Target::TypeName | Target::ResourceType | Target::Fact(_) => self.none(field).map(|()| None),
            Target::Schema => {
                let is_type = field.name == "__type";
                self.only(field, |name| is_type && name == "name")?;
                if is_type && field.arguments.is_empty() {
                    return Err(wrong(field.place, "__type needs the name of the type"));
                }
                Ok(Some(Scope::Meta(if is_type { "__Type" } else { "__Schema" })))
            }
            Target::Meta(inner) => {
                self.only(field, |name| name == "includeDeprecated")?;
                Ok(inner.map(Scope::Meta))
            }
            Target::Element(found) if is_primitive(found) => self.none(field).map(|()| None),
            Target::Element(found) => {
                self.element_arguments(field, found)?;
                Ok(Some(scope_of(found)))
            }
            Target::Extensions(_) => {
                self.none(field)?;
                Ok(super::fields::element_type().map(Scope::Type))
            }
            Target::Reference => self.reference(field).map(Some),
            Target::One(kind) => {
                self.only(field, |name| matches!(name, "id" | "_id"))?;
                if field.arguments.len() != 1 {
                    return Err(wrong(field.place, format!("{kind} needs its id")));
                }
                Ok(Some(Scope::Type(resource_type_id(*kind))))
            }
            Target::List(kind) => {
                self.search_arguments(field, *kind, scope)?;
                Ok(Some(Scope::Type(resource_type_id(*kind))))
            }
            Target::Connection(kind) => {
                self.search_arguments(field, *kind, scope)?;
                Ok(Some(Scope::Connection(*kind)))
            }
            Target::Edges(kind) => self.none(field).map(|()| Some(Scope::Edge(*kind))),
            Target::Match(kind) => self.none(field).map(|()| Some(Scope::Type(resource_type_id(*kind)))),
        }
    }

    fn none(&self, field: &Field) -> Result<()> {
        self.only(field, |_| false)
    }

    fn only(&self, field: &Field, is_known: impl Fn(&str) -> bool) -> Result<()> {
        for argument in &field.arguments {
            self.variables(&argument.value, argument.place)?;
            if !is_known(&argument.name) {
                let message = format!("{} has no argument {}", shown(&field.name), shown(&argument.name));
                return Err(wrong(argument.place, message));
            }
        }
        Ok(())
    }

    /// `fhirpath`, `_offset`, `_count`, and primitives of the element.
    fn element_arguments(&self, field: &Field, of: &Property) -> Result<()> {
        let is_part = |name: &str| property(of.type_id, &Name::new(name)).is_some_and(is_primitive);
        self.only(field, |name| matches!(name, "fhirpath" | "_offset" | "_count") || is_part(name))?;
        self.fhirpath(field, (!super::fields::is_any_resource(of.type_id)).then_some(of.type_id))
    }

    /// An expression that is written out is read at once.
    fn fhirpath(&self, field: &Field, context: Option<TypeId>) -> Result<()> {
        let argument = field.arguments.iter().find(|argument| argument.name == "fhirpath");
        let Some(Argument { value: Value::Text(text), place, .. }) = argument else { return Ok(()) };
        let options = Options { is_strict: true, is_alone: true, context, ..Options::default() };
        compile_with(text, &options).map(|_| ()).map_err(|fault| fault.on(place.line, place.column))
    }

    fn reference(&self, field: &Field) -> Result<Scope> {
        self.only(field, |name| matches!(name, "optional" | "type"))?;
        let kinds = field.arguments.iter().find(|argument| argument.name == "type");
        let named = kinds.map(|argument| types(&self.value(&argument.value), argument.place)).transpose()?;
        Ok(scope_of_targets(&named.unwrap_or_default()))
    }

    fn search_arguments(&self, field: &Field, kind: ResourceType, scope: &Scope) -> Result<()> {
        let is_reverse = *scope != Scope::Root;
        for argument in &field.arguments {
            self.variables(&argument.value, argument.place)?;
            let name = argument.name.as_str();
            let is_own = match name {
                "fhirpath" | "_count" => true,
                "_offset" => !field.name.ends_with("Connection"),
                "_reference" => is_reverse,
                "_cursor" | "cursor" => !is_reverse && field.name.ends_with("Connection"),
                _ => false,
            };
            if !is_own && search::param(self.source, kind, name).is_none() {
                let message = format!("{} has no argument {}", shown(&field.name), shown(name));
                return Err(unsupported(argument.place, message));
            }
        }
        if is_reverse && !field.arguments.iter().any(|argument| argument.name == "_reference") {
            let message = format!("{} within a resource needs the argument _reference", shown(&field.name));
            return Err(wrong(field.place, message));
        }
        self.fhirpath(field, Some(resource_type_id(kind)))
    }

    fn directives(&self, directives: &[Directive], known: &[&str]) -> Result<()> {
        for (at, directive) in directives.iter().enumerate() {
            let name = directive.name.as_str();
            if directives[..at].iter().any(|other| other.name == name) {
                return Err(wrong(directive.place, format!("directive @{} stands twice", shown(name))));
            }
            let wanted: &[&str] = match name {
                "skip" | "include" => &["if"],
                "slice" if known.contains(&name) => &["path", "fhirpath"],
                _ if known.contains(&name) => &[],
                _ => return Err(unsupported(directive.place, format!("directive @{} is not known here", shown(name)))),
            };
            for argument in &directive.arguments {
                self.variables(&argument.value, argument.place)?;
                if !wanted.contains(&argument.name.as_str()) {
                    let message = format!("directive @{} has no argument {}", shown(name), shown(&argument.name));
                    return Err(wrong(argument.place, message));
                }
            }
            if directive.arguments.len() != usize::from(!wanted.is_empty()) {
                return Err(wrong(
                    directive.place,
                    format!("directive @{} needs its argument {}", shown(name), wanted[0]),
                ));
            }
        }
        Ok(())
    }

    /// Checks that the variables of a value are defined.
    fn variables(&self, value: &Value, place: Place) -> Result<()> {
        match value {
            Value::Variable(name) if !self.prepared.variables.contains_key(name) => {
                Err(wrong(place, format!("variable ${} is not defined", shown(name))))
            }
            Value::List(items) => items.iter().try_for_each(|item| self.variables(item, place)),
            Value::Object(fields) => fields.iter().try_for_each(|(_, value)| self.variables(value, place)),
            _ => Ok(()),
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Variable(name) => self.prepared.variables.get(name).cloned().unwrap_or(Value::Null),
            Value::List(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            value => value.clone(),
        }
    }
}

/// The resource types that an argument names.
///
/// # Errors
/// 400 for a name that is none.
pub fn types(value: &Value, place: Place) -> Result<Vec<ResourceType>> {
    let one = |value: &Value| match value {
        Value::Text(name) | Value::Enum(name) => {
            ResourceType::find(name).ok_or_else(|| wrong(place, format!("there is no type {}", shown(name))))
        }
        _ => Err(wrong(place, "expected the name of a type")),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::List(items) => items.iter().map(one).collect(),
        value => one(value).map(|kind| vec![kind]),
    }
}
