//! What a definition restricts (`SearchParameter.multipleOr`, `multipleAnd`, `comparator`, `modifier`, `chain`).

use crate::fhir::definitions::params::{Details, SearchParam};
use crate::fhir::types::ResourceType;
use crate::search::query::{Prefix, Test};

/// Whether it may have so many values.
///
/// # Errors
/// The reason why not.
pub fn check_values(of: &SearchParam, count: usize) -> Result<(), &'static str> {
    match &of.details {
        Some(details) if count > 1 && !details.multiple_or => {
            Err("the definition of the parameter allows one value, not several with commas")
        }
        _ => Ok(()),
    }
}

/// Whether it may be repeated.
///
/// # Errors
/// The reason why not.
pub fn check_repeats(of: &SearchParam) -> Result<(), &'static str> {
    match &of.details {
        Some(details) if !details.multiple_and => Err("the definition of the parameter does not allow to repeat it"),
        _ => Ok(()),
    }
}

/// Whether it may have a modifier.
///
/// # Errors
/// The reason why not.
pub fn check_modifier(of: &SearchParam, modifier: &str) -> Result<(), &'static str> {
    let code = match modifier {
        "of-type" => "ofType",
        name if ResourceType::find(name).is_some() => "type",
        other => other,
    };
    allowed(of, |details| &details.modifiers, code, "the definition of the parameter does not allow this modifier")
}

/// Whether a parameter may be chained to it.
///
/// # Errors
/// The reason why not.
pub fn check_chain(of: &SearchParam, code: &str) -> Result<(), &'static str> {
    allowed(of, |details| &details.chain, code, "the definition of the parameter does not allow this chain")
}

/// Whether it may be compared in this way. A value without a prefix is always allowed.
///
/// # Errors
/// The reason why not.
pub fn check_prefix(of: &SearchParam, test: &Test) -> Result<(), &'static str> {
    let prefix = match test {
        Test::Date(test) => test.prefix,
        Test::Number(test) => test.prefix,
        Test::Quantity(test) => test.number.prefix,
        _ => return Ok(()),
    };
    let code = match prefix {
        Prefix::Eq | Prefix::Co => return Ok(()),
        Prefix::Ne => "ne",
        Prefix::Gt => "gt",
        Prefix::Lt => "lt",
        Prefix::Ge => "ge",
        Prefix::Le => "le",
        Prefix::Sa => "sa",
        Prefix::Eb => "eb",
        Prefix::Ap => "ap",
    };
    allowed(of, |details| &details.comparators, code, "the definition of the parameter does not allow this prefix")
}

fn allowed(
    of: &SearchParam,
    list: impl Fn(&Details) -> &Vec<Box<str>>,
    code: &str,
    reason: &'static str,
) -> Result<(), &'static str> {
    let Some(list) = of.details.as_ref().map(|details| list(details)) else { return Ok(()) };
    if list.is_empty() || list.iter().any(|known| **known == *code) { Ok(()) } else { Err(reason) }
}
