//! Existence (N1, 5.1).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{boolean, describe, system};
use crate::fhir::fhirpath::equality;
use crate::fhir::fhirpath::eval::eval_on;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe, one, truth};

pub fn empty<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(input.is_empty()))
}

pub fn exists<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(criteria) = arguments.first() else { return Ok(truth(!input.is_empty())) };
    for (index, item) in input.into_iter().enumerate() {
        let result = eval_on(m, criteria, item, index)?;
        if boolean(&result, "exists()")? == Some(true) {
            return Ok(truth(true));
        }
    }
    Ok(truth(false))
}

pub fn all<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    for (index, item) in input.into_iter().enumerate() {
        let result = eval_on(m, &arguments[0], item, index)?;
        if boolean(&result, "all()")? != Some(true) {
            return Ok(truth(false));
        }
    }
    Ok(truth(true))
}

/// Whether any item is the Boolean `wanted`.
fn any_is(input: &Collection<'_>, wanted: bool, what: &str) -> Result<bool> {
    let mut found = false;
    for item in input {
        match system(item) {
            Some(Item::Bool(value)) => found |= value == wanted,
            _ => return Err(trouble::evaluation(format!("{what} needs Booleans and got {}", describe(item)))),
        }
    }
    Ok(found)
}

pub fn all_true<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(!any_is(&input, false, "allTrue()")?))
}

pub fn any_true<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(any_is(&input, true, "anyTrue()")?))
}

pub fn all_false<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(!any_is(&input, true, "allFalse()")?))
}

pub fn any_false<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(any_is(&input, false, "anyFalse()")?))
}

fn is_subset<'a>(m: &mut Machine<'a, '_>, part: &Collection<'a>, whole: &Collection<'a>) -> Result<bool> {
    for item in part {
        if !equality::contains(m, whole, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub fn subset_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    Ok(truth(is_subset(m, &input, &other)?))
}

pub fn superset_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    Ok(truth(is_subset(m, &other, &input)?))
}

pub fn count<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(i64::try_from(input.len()).ok().map(Item::Integer)))
}

pub fn distinct<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    equality::distinct(m, input)
}

pub fn is_distinct<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let before = input.len();
    Ok(truth(equality::distinct(m, input)?.len() == before))
}

pub fn not<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(boolean(&input, "not()")?.map_or_else(Collection::new, |value| one(Item::Bool(!value))))
}
