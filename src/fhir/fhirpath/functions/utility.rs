//! Utility functions: `trace`, `defineVariable` and the current time (N1, 5.9).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::eval::eval_on;
use crate::fhir::fhirpath::temporal::Temporal;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe, one};

/// `trace(name [, projection])` yields its input, and tells the context's tracer of it, or of what the projection yields.
pub fn trace<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let name = args::text(m, arguments, 0)?;
    let mut shown = None;
    if let Some(projection) = arguments.get(1) {
        let mut all = Collection::new();
        for (index, item) in input.iter().enumerate() {
            all.extend(eval_on(m, projection, item.clone(), index)?);
            all = m.made(all)?;
        }
        shown = Some(all);
    }
    if let Some(tracer) = m.context.tracer {
        tracer.trace(name.as_deref().unwrap_or(""), shown.as_ref().unwrap_or(&input));
    }
    Ok(input)
}

/// The variables that have a meaning of their own.
const RESERVED: [&str; 7] = ["context", "resource", "rootResource", "ucum", "sct", "loinc", "terminologies"];

/// `defineVariable(name [, projection])` yields its input; what follows in the chain sees `%name` (FHIRPath 3.0).
pub fn define_variable<'a>(
    m: &mut Machine<'a, '_>,
    input: Collection<'a>,
    arguments: &[Code],
) -> Result<Collection<'a>> {
    let Some(name) = args::text(m, arguments, 0)? else {
        return Err(trouble::evaluation("defineVariable() needs a name"));
    };
    let value = if arguments.len() > 1 { args::collection(m, arguments, 1)? } else { input.clone() };
    let is_reserved = RESERVED.contains(&&*name) || name.starts_with("vs-") || name.starts_with("ext-");
    let is_given = m.context.variables.iter().any(|(known, _)| **known == *name);
    if is_reserved || is_given || m.variables.iter().any(|(known, _)| **known == *name) {
        return Err(trouble::evaluation(format!("the variable `%{}` is defined already", name.escape_debug())));
    }
    m.charge(value.len())?;
    m.variables.push((name, value));
    Ok(input)
}

fn current(m: &Machine<'_, '_>) -> Result<Temporal> {
    match m.context.now {
        Some(now) => Ok(Temporal::now(now)),
        None => Err(trouble::evaluation("the current time is not known here")),
    }
}

/// `now()`: the instant of the evaluation, in UTC.
pub fn now<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(one(Item::Temporal(current(m)?)))
}

/// `today()`: its date.
pub fn today<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(current(m)?.date().map(Item::Temporal)))
}

/// `timeOfDay()`: its time.
pub fn time_of_day<'a>(m: &mut Machine<'a, '_>, _: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(one(Item::Temporal(current(m)?.time())))
}
