//! The operations of `%terminologies` (FHIR R4 `fhirpath.html`, 2.9.3), which ask the terminology service of the context.

use super::args;
use super::table::{Argument, Entry};
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::context::{Terminology, absent};
use crate::fhir::fhirpath::convert::single;
use crate::fhir::fhirpath::value::{Collection, maybe};

/// What one call costs, in steps.
const COST: usize = 10_000;

/// The operation with a name; the last argument, `params`, may be left out.
pub fn find_terminology(name: &str) -> Option<Entry> {
    let (arguments, run): (usize, crate::fhir::fhirpath::code::Run) = match name {
        "expand" => (1, expand),
        "lookup" => (1, lookup),
        "validateVS" => (2, in_value_set),
        "validateCS" => (2, in_code_system),
        "subsumes" => (3, subsumes),
        "translate" => (2, translate),
        _ => return None,
    };
    Some(Entry::Function(arguments, arguments + 1, Argument::Plain, run))
}

/// Empty where one of the first arguments is.
fn ask<'a>(
    m: &mut Machine<'a, '_>,
    operation: Terminology,
    arguments: &[Code],
    needed: usize,
) -> Result<Collection<'a>> {
    let mut given = Vec::with_capacity(needed);
    for at in 0..needed {
        let items = args::collection(m, arguments, at)?;
        let Some(item) = single(&items, "an argument")? else { return Ok(Collection::new()) };
        given.push(item.clone());
    }
    let params = args::text(m, arguments, needed)?;
    m.charge(COST)?;
    let services = m.context.services.ok_or_else(|| absent("%terminologies", "a terminology service"))?;
    services.terminology(operation, &given, params.as_deref().unwrap_or("")).map(maybe)
}

fn expand<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::Expand, arguments, 1)
}

fn lookup<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::Lookup, arguments, 1)
}

fn in_value_set<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::ValidateInValueSet, arguments, 2)
}

fn in_code_system<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::ValidateInCodeSystem, arguments, 2)
}

fn subsumes<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::Subsumes, arguments, 3)
}

fn translate<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    ask(m, Terminology::Translate, arguments, 2)
}
