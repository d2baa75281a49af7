//! Arguments of functions.

use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert;
use crate::fhir::fhirpath::eval::eval;
use crate::fhir::fhirpath::value::{Collection, Item, Text};

/// An argument as a collection; empty when it was not given.
pub fn collection<'a>(m: &mut Machine<'a, '_>, arguments: &[Code], at: usize) -> Result<Collection<'a>> {
    match arguments.get(at) {
        Some(code) => eval(m, code),
        None => Ok(Collection::new()),
    }
}

/// An argument that is a single text.
pub fn text<'a>(m: &mut Machine<'a, '_>, arguments: &[Code], at: usize) -> Result<Option<Text<'a>>> {
    convert::string(&collection(m, arguments, at)?, "an argument")
}

/// An argument that is a single Boolean.
pub fn boolean(m: &mut Machine<'_, '_>, arguments: &[Code], at: usize) -> Result<Option<bool>> {
    convert::boolean(&collection(m, arguments, at)?, "an argument")
}

/// An argument that is a single integer.
pub fn integer(m: &mut Machine<'_, '_>, arguments: &[Code], at: usize) -> Result<Option<i64>> {
    convert::integer(&collection(m, arguments, at)?, "an argument")
}

/// An argument that is a single value.
pub fn value<'a>(m: &mut Machine<'a, '_>, arguments: &[Code], at: usize) -> Result<Option<Item<'a>>> {
    convert::single_value(&collection(m, arguments, at)?, "an argument")
}
