//! Which fields are asked of something, out of all selections (GraphQL, 6.3.2).

use super::ast::{Directive, Field, Place, Selection, Value};
use super::check::types;
use super::execute::{Asked, On, Run, scope};
use super::fields::{Condition, condition};
use super::trouble::{costly, shown, wrong};
use crate::base::fault::Result;
use crate::base::limits;

impl<'d> Run<'d> {
    /// Whether `@skip` and `@include` let something through.
    fn is_wanted(&self, directives: &[Directive]) -> Result<bool> {
        for directive in directives {
            let is_skip = directive.name == "skip";
            if !is_skip && directive.name != "include" {
                continue;
            }
            let value = directive.arguments.first().map(|argument| self.value(&argument.value));
            let Some(Value::Boolean(value)) = value else {
                return Err(wrong(directive.place, format!("@{} needs a Boolean", directive.name)));
            };
            if value == is_skip {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The fields of some selections by the name of their answers, in their order (GraphQL, 6.3.2).
    pub fn collect(&self, on: On<'_>, selections: &[&'d [Selection]], out: &mut Vec<Asked<'d>>) -> Result<()> {
        for selection in selections.iter().flat_map(|selections| selections.iter()) {
            match selection {
                Selection::Field(field) => {
                    self.visit(field.place, out.len())?;
                    if self.is_wanted(&field.directives)? {
                        self.add(field, out)?;
                    }
                }
                Selection::Inline(inline) => {
                    self.visit(inline.place, 0)?;
                    let applies = inline.on.as_deref().is_none_or(|name| applies(on, name));
                    if applies && self.is_wanted(&inline.directives)? {
                        self.collect(on, &[&inline.selections], out)?;
                    }
                }
                Selection::Spread(spread) => {
                    self.visit(spread.place, 0)?;
                    let Some(fragment) = self.fragments.get(spread.name.as_str()).copied() else { continue };
                    if applies(on, &fragment.on)
                        && self.is_wanted(&spread.directives)?
                        && self.is_wanted(&fragment.directives)?
                    {
                        self.collect(on, &[&fragment.selections], out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts a selection that is looked at, and the ones that it is compared with.
    fn visit(&self, place: Place, compared: usize) -> Result<()> {
        let cost = 1 + compared as u64 / 8;
        let left = self.visits.get().checked_sub(cost);
        let message = || format!("the answer looks at more than {} selections", limits::GRAPHQL_VISITS);
        self.visits.set(left.ok_or_else(|| costly(place, message()))?);
        Ok(())
    }

    fn add(&self, field: &'d Field, out: &mut Vec<Asked<'d>>) -> Result<()> {
        let mut same = None;
        for (at, asked) in out.iter().enumerate().filter(|(_, asked)| asked.field.key() == field.key()) {
            if is_same(asked.field, field) {
                same = Some(at);
            } else if !self.exclude(asked.field, field) {
                let message = format!("{} stands for different things: one of them needs an alias", shown(field.key()));
                return Err(wrong(field.place, message));
            }
        }
        match same {
            Some(at) => out[at].selections.push(&field.selections),
            None => out.push(Asked { field, selections: vec![&field.selections] }),
        }
        Ok(())
    }

    /// Whether two fields are targets of one reference that are wanted of different types: only one of them has a value
    /// (FHIR R4 `graphql.html`, 3.1.2.4.2.1).
    fn exclude(&self, one: &Field, other: &Field) -> bool {
        let kinds = |field: &Field| {
            let (argument, value) = self.argument(field, "type").filter(|_| field.name == "resource")?;
            types(&value, argument.place).ok().filter(|kinds| !kinds.is_empty())
        };
        kinds(one).zip(kinds(other)).is_some_and(|(one, other)| !one.iter().any(|kind| other.contains(kind)))
    }
}

/// Whether a type condition holds.
fn applies(on: On<'_>, name: &str) -> bool {
    match (condition(name), on) {
        (Some(Condition::Type(wanted)), On::Node { node, .. }) => node.type_id.is_some_and(|kind| kind.is_a(wanted)),
        (Some(Condition::Other(wanted)), on) => wanted == scope(on),
        _ => false,
    }
}

/// Whether two fields ask for the same, of which different parts may be selected (GraphQL, 5.3.2).
fn is_same(one: &Field, other: &Field) -> bool {
    let arguments = |field: &'_ Field| {
        let mut all: Vec<_> = field.arguments.iter().map(|a| (a.name.clone(), a.value.clone())).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    let directives = |field: &Field| {
        let own = field.directives.iter().filter(|directive| !matches!(directive.name.as_str(), "skip" | "include"));
        own.map(|directive| directive.name.clone()).collect::<Vec<_>>()
    };
    one.name == other.name
        && one.selections.is_empty() == other.selections.is_empty()
        && arguments(one) == arguments(other)
        && directives(one) == directives(other)
}
