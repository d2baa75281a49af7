//! Combining collections (N1, 5.3.8, 5.3.9, 5.4).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::pool::{self, Pool};
use crate::fhir::fhirpath::value::Collection;

/// `union(other)`: both collections without repetition, as `|`.
pub fn union<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    input.extend(args::collection(m, arguments, 0)?);
    let all = m.made(input)?;
    pool::distinct(m, all)
}

/// `combine(other [, preserveOrder])`: both collections with repetitions, in their order whether it is asked for or not.
pub fn combine<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    args::boolean(m, arguments, 1)?;
    input.extend(args::collection(m, arguments, 0)?);
    Ok(input)
}

/// `intersect(other)`: the items in both collections, without repetition.
pub fn intersect<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    let other = Pool::of(m, other)?;
    let mut kept = Pool::default();
    for item in input {
        if other.contains(m, &item)? {
            kept.add(m, item)?;
        }
    }
    Ok(kept.into_items())
}

/// `exclude(other)`: the items that are not in the other collection.
pub fn exclude<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    let other = Pool::of(m, other)?;
    let mut kept = Collection::new();
    for item in input {
        if !other.contains(m, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}
