//! Combining collections (N1, 5.3.8, 5.3.9, 5.4).

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::equality;
use crate::fhir::fhirpath::value::Collection;

pub fn union<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    input.extend(args::collection(m, arguments, 0)?);
    let all = m.made(input)?;
    equality::distinct(m, all)
}

pub fn combine<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    input.extend(args::collection(m, arguments, 0)?);
    Ok(input)
}

pub fn intersect<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    let mut kept = Collection::new();
    for item in input {
        if equality::contains(m, &other, &item)? && !equality::contains(m, &kept, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}

pub fn exclude<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let other = args::collection(m, arguments, 0)?;
    let mut kept = Collection::new();
    for item in input {
        if !equality::contains(m, &other, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}
