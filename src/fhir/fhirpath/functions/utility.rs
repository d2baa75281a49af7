//! Utility functions: `trace` and the current time (N1, 5.9).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::eval::eval_on;
use crate::fhir::fhirpath::temporal::Temporal;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe, one};

/// `trace` yields its input. Nothing is logged, for the values may be a patient's; its arguments are
/// evaluated so that their faults show.
pub fn trace<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    args::text(m, arguments, 0)?;
    if let Some(projection) = arguments.get(1) {
        for (index, item) in input.iter().enumerate() {
            eval_on(m, projection, item.clone(), index)?;
        }
    }
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
