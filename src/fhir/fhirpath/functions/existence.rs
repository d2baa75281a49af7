//! Existence (N1, 5.1).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{boolean, describe, system};
use crate::fhir::fhirpath::eval::eval_on;
use crate::fhir::fhirpath::pool::{self, Pool};
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe, one, truth};

/// `empty()`: whether there is no item.
pub fn empty<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(input.is_empty()))
}

/// `exists([criteria])`: whether there is an item, or one that meets the criteria.
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

/// `all(criteria)`: whether every item meets the criteria.
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

/// `allTrue()`: whether no Boolean is false.
pub fn all_true<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(!any_is(&input, false, "allTrue()")?))
}

/// `anyTrue()`: whether a Boolean is true.
pub fn any_true<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(any_is(&input, true, "anyTrue()")?))
}

/// `allFalse()`: whether no Boolean is true.
pub fn all_false<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(!any_is(&input, true, "allFalse()")?))
}

/// `anyFalse()`: whether a Boolean is false.
pub fn any_false<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(truth(any_is(&input, false, "anyFalse()")?))
}

fn is_subset<'a>(m: &mut Machine<'a, '_>, part: &Collection<'a>, whole: Collection<'a>) -> Result<bool> {
    let whole = Pool::of(m, whole)?;
    for item in part {
        if !whole.contains(m, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `subsetOf(other)`: whether every item is in the other collection.
pub fn subset_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    Ok(truth(is_subset(m, &input, other)?))
}

/// `supersetOf(other)`: whether every item of the other collection is here.
pub fn superset_of<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    Ok(truth(is_subset(m, &other, input)?))
}

/// `count()`: the number of items.
pub fn count<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(i64::try_from(input.len()).ok().map(Item::Integer)))
}

/// `distinct()`: the items without repetition.
pub fn distinct<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    pool::distinct(m, input)
}

/// `isDistinct()`: whether no item repeats.
pub fn is_distinct<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let before = input.len();
    Ok(truth(pool::distinct(m, input)?.len() == before))
}

/// `not()`: true for false, false for true, empty for unknown (N1, 6.5.3).
pub fn not<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(boolean(&input, "not()")?.map_or_else(Collection::new, |value| one(Item::Bool(!value))))
}
