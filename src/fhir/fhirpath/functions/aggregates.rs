//! Aggregates: `aggregate` (N1, 7.1), and `sum`, `min`, `max`, `avg` (FHIRPath 3.0, "Aggregates").

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::ast::Operator;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{describe, system};
use crate::fhir::fhirpath::eval::eval_on;
use crate::fhir::fhirpath::operators;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe};

/// `aggregate(aggregator [, init])`: the value of `$total` after every item (N1, 7.1).
pub fn aggregate<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let start = args::collection(m, arguments, 1)?;
    let outer = std::mem::replace(&mut m.total, start);
    let mut result = Ok(());
    for (index, item) in input.into_iter().enumerate() {
        match eval_on(m, &arguments[0], item, index) {
            Ok(total) => m.total = total,
            Err(fault) => {
                result = Err(fault);
                break;
            }
        }
    }
    let total = std::mem::replace(&mut m.total, outer);
    result.map(|()| total)
}

/// The values of the items, which must be of one type.
fn values<'a>(input: &Collection<'a>, what: &str) -> Result<Vec<Item<'a>>> {
    let mut values: Vec<Item<'a>> = Vec::with_capacity(input.len());
    for item in input {
        let value = system(item).unwrap_or_else(|| item.clone());
        let fits = values.first().is_none_or(|first| first.system_type() == value.system_type());
        if !fits || value.system_type().is_none() {
            let message = format!("{what} needs values of one type and got {}", describe(&value));
            return Err(trouble::evaluation(message));
        }
        values.push(value);
    }
    Ok(values)
}

fn total<'a>(input: &Collection<'a>, what: &str) -> Result<Option<Item<'a>>> {
    let mut values = values(input, what)?.into_iter();
    let Some(mut total) = values.next() else { return Ok(None) };
    if !matches!(total, Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_)) {
        return Err(trouble::evaluation(format!("{what} needs numbers and got {}", describe(&total))));
    }
    for value in values {
        match operators::arithmetic(Operator::Add, &total, &value)? {
            Some(sum) => total = sum,
            None => return Ok(None),
        }
    }
    Ok(Some(total))
}

/// `sum()`; empty on overflow, and when units measure different things.
pub fn sum<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    m.charge(input.len())?;
    Ok(maybe(total(&input, "sum()")?))
}

/// `avg()`: the sum by the number of items.
pub fn avg<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    m.charge(input.len())?;
    let Some(total) = total(&input, "avg()")? else { return Ok(Collection::new()) };
    let count = Item::Decimal(Decimal::from(input.len()));
    Ok(maybe(operators::arithmetic(Operator::Divide, &total, &count)?))
}

/// The first item that is before every other; empty when the order of two is unknown.
fn extreme<'a>(input: &Collection<'a>, wanted: Ordering, what: &str) -> Result<Collection<'a>> {
    let mut best: Option<Item<'a>> = None;
    for value in values(input, what)? {
        let Some(current) = &best else {
            best = Some(value);
            continue;
        };
        let Some(order) = operators::order(&value, current) else {
            return Err(trouble::evaluation(format!("{what} needs values that have an order")));
        };
        match order {
            None => return Ok(Collection::new()),
            Some(order) if order == wanted => best = Some(value),
            Some(_) => {}
        }
    }
    Ok(maybe(best))
}

/// `min()`
pub fn min<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    m.charge(input.len())?;
    extreme(&input, Ordering::Less, "min()")
}

/// `max()`
pub fn max<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    m.charge(input.len())?;
    extreme(&input, Ordering::Greater, "max()")
}
