//! What a version of SNOMED CT says of expressions: whether all their concepts are there, and what follows from those that they are a
//! kind of. Nothing else does, since expressions are not classified.

use super::concept::Concept;
use super::expression::{Expression, SNOMED, is_below, is_expression, parse, unsaid};
use super::filter::{Filter, Op};
use crate::base::fault::Result;

/// Whether a code of a code system is meant as an expression.
pub fn is_composed(url: &str, code: &str) -> bool {
    url == SNOMED && is_expression(code)
}

/// The concept that an expression stands for, if it is one of concepts that are there; `find` is asked of concepts.
///
/// # Errors
/// Those of `find`.
pub fn find(code: &str, find: &dyn Fn(&str) -> Result<Option<Concept>>) -> Result<Option<Concept>> {
    let Ok(expression) = parse(code) else { return Ok(None) };
    let mut made = Concept { code: code.into(), ..Concept::default() };
    for id in expression.concepts() {
        let Some(concept) = find(id)? else { return Ok(None) };
        made.is_inactive |= concept.is_inactive;
        if expression.concept() == Some(id) {
            made = Concept { code: code.into(), ..concept };
        }
    }
    Ok(Some(made))
}

/// Why a code is no expression of concepts that are there.
pub fn complaint(code: &str, has: &dyn Fn(&str) -> bool) -> String {
    let expression = match parse(code) {
        Ok(expression) => expression,
        Err(reason) => return format!("the code is no expression of SNOMED CT: {reason}"),
    };
    let missing: Vec<&str> = expression.concepts().into_iter().filter(|id| !has(id)).collect();
    format!("the expression has concepts that are not there: {}", missing.join(", "))
}

/// Whether an expression of concepts that are there passes filters; `passes` and `subsumes` are asked of concepts.
///
/// # Errors
/// 422 `not-supported` for what only its classification would tell.
pub fn passes(
    code: &str,
    filters: &[Filter],
    passes: &dyn Fn(&str, &[Filter]) -> Result<bool>,
    subsumes: &dyn Fn(&str, &str) -> Result<bool>,
) -> Result<bool> {
    let Ok(expression) = parse(code) else { return Ok(false) };
    if let Some(concept) = expression.concept() {
        return passes(concept, filters);
    }
    for filter in filters {
        let is_concept = matches!(&*filter.property, "concept" | "code");
        let holds = match (&*filter.property, filter.op) {
            ("expressions", Op::Equals) => &*filter.value == "true",
            (_, Op::IsA | Op::DescendentOf) if is_concept => {
                if !is_below(&expression, &filter.value, subsumes)? {
                    return Err(unsaid(&format!("whether {} is above", filter.value)));
                }
                true
            }
            // a list is of what it names; reference sets have no expressions
            (_, Op::Equals | Op::In) if is_concept => false,
            (_, Op::NotIn) if is_concept => true,
            (name, _) => return Err(unsaid(&format!("the property {name}"))),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two codes of which one is an expression relate, as `$subsumes` has it.
///
/// # Errors
/// 422 `not-supported` for what only their classification would tell.
pub fn relation(a: &str, b: &str, subsumes: &dyn Fn(&str, &str) -> Result<bool>) -> Result<&'static str> {
    let read = |code: &str| parse(code).map_err(|_| unsaid("what stands above or below"));
    let (a, b) = (read(a)?, read(b)?);
    if a == b {
        return Ok("equivalent");
    }
    let is_above = |above: &Expression, below: &Expression| match above.concept() {
        Some(concept) => is_below(below, concept, subsumes),
        None => Ok(false),
    };
    if is_above(&a, &b)? {
        return Ok("subsumes");
    }
    if is_above(&b, &a)? {
        return Ok("subsumed-by");
    }
    Err(unsaid("what stands above or below"))
}
