//! Filtering, projection and subsetting (N1, 5.2, 5.3), aggregation (N1, 7) and trees (N1, 5.8).

use std::cmp::Ordering;

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{boolean, describe, single, single_value, system};
use crate::fhir::fhirpath::eval::{eval, eval_on};
use crate::fhir::fhirpath::operators;
use crate::fhir::fhirpath::pool::Pool;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe};

/// `where(criteria)`: the items that meet the criteria.
pub fn filter<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut kept = Collection::new();
    for (index, item) in input.into_iter().enumerate() {
        let result = eval_on(m, &arguments[0], item.clone(), index)?;
        if boolean(&result, "where()")? == Some(true) {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// `select(projection)`: what the projection yields for each item, flat.
pub fn select<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for (index, item) in input.into_iter().enumerate() {
        out.extend(eval_on(m, &arguments[0], item, index)?);
        out = m.made(out)?;
    }
    Ok(out)
}

/// `repeat(projection)`: what the projection yields, applied again to what is new until nothing is.
pub fn repeat<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    // new means unequal to all before (N1): equal subtrees at two places count once
    let mut out = Pool::default();
    let mut count = 0;
    let mut pending: Vec<Item<'a>> = input.into_vec();
    while !pending.is_empty() {
        let mut next = Vec::new();
        for (index, item) in pending.into_iter().enumerate() {
            for found in eval_on(m, &arguments[0], item, index)? {
                if out.add(m, found.clone())? {
                    next.push(found);
                }
            }
        }
        count += next.len();
        m.check_size(count)?;
        pending = next;
    }
    Ok(out.into_items())
}

/// `repeatAll(projection)`: as `repeat`, with repetitions (FHIRPath 3.0).
pub fn repeat_all<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    let mut pending: Vec<Item<'a>> = input.into_vec();
    while !pending.is_empty() {
        let mut next = Vec::new();
        for (index, item) in pending.into_iter().enumerate() {
            next.extend(eval_on(m, &arguments[0], item, index)?);
        }
        out.extend(next.iter().cloned());
        out = m.made(out)?;
        pending = next;
    }
    Ok(out)
}

/// `single()`: the only item; a fault when there are several.
pub fn single_item<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    single(&input, "single()")?;
    Ok(input)
}

/// `first()`: the first item.
pub fn first<'a>(_: &mut Machine<'a, '_>, mut input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    input.truncate(1);
    Ok(input)
}

/// `last()`: the last item.
pub fn last<'a>(_: &mut Machine<'a, '_>, mut input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(input.pop()))
}

/// `tail()`: all but the first item.
pub fn tail<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(input.into_iter().skip(1).collect())
}

/// `skip(num)`: all but the first items.
pub fn skip<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(count) = args::integer(m, arguments, 0)? else { return Ok(Collection::new()) };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    Ok(input.into_iter().skip(count).collect())
}

/// `take(num)`: the first items.
pub fn take<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(count) = args::integer(m, arguments, 0)? else { return Ok(Collection::new()) };
    input.truncate(usize::try_from(count.max(0)).unwrap_or(usize::MAX));
    Ok(input)
}

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

/// `iif`: only the branch that is chosen is evaluated (N1, 5.5.1).
pub fn iif<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let this = match single(&input, "iif()")?.cloned() {
        Some(item) => m.this.replace(item),
        None => m.this.take(),
    };
    let result = choose(m, arguments);
    m.this = this;
    result
}

fn choose<'a>(m: &mut Machine<'a, '_>, arguments: &[Code]) -> Result<Collection<'a>> {
    let criterion = eval(m, &arguments[0])?;
    let chosen = match single_value(&criterion, "the criterion of iif()")? {
        None | Some(Item::Bool(false)) => arguments.get(2),
        Some(Item::Bool(true)) => arguments.get(1),
        Some(other) => {
            let message = format!("the criterion of iif() needs a Boolean and got {}", describe(&other));
            return Err(trouble::evaluation(message));
        }
    };
    chosen.map_or_else(|| Ok(Collection::new()), |code| eval(m, code))
}

/// `children()`: the elements directly below.
pub fn children<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        node.children(&mut out);
    }
    Ok(out)
}

/// `descendants()`: the elements below, at every depth.
pub fn descendants<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        node.children(&mut out);
    }
    let mut at = 0;
    while at < out.len() {
        let node = out[at].as_node();
        m.charge(1)?;
        if let Some(node) = node {
            node.children(&mut out);
        }
        m.check_size(out.len())?;
        at += 1;
    }
    Ok(out)
}

/// `sort`: by the items themselves or by keys; a key with `-` before it descends, and an empty key
/// comes first either way (FHIRPath 3.0, 5.3.10, in the form of the public tests).
pub fn sort<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut rows: Vec<(Vec<Option<Item<'a>>>, Item<'a>)> = Vec::with_capacity(input.len());
    for (index, item) in input.into_iter().enumerate() {
        let mut keys = Vec::with_capacity(arguments.len().max(1));
        for argument in arguments {
            let key = eval_on(m, argument, item.clone(), index)?;
            keys.push(single_value(&key, "a key of sort()")?);
        }
        if arguments.is_empty() {
            keys.push(system(&item));
        }
        rows.push((keys, item));
    }
    m.charge(rows.len() * (rows.len().max(1).ilog2() as usize + 1))?;
    let descends: Vec<bool> = arguments.iter().map(|code| matches!(code, Code::SortKey(_, true))).collect();
    let mut fault = None;
    rows.sort_by(|(a, _), (b, _)| {
        let mut keys = a.iter().zip(b).enumerate();
        let decided = keys.find_map(|(at, (x, y))| {
            let order = order_keys(x.as_ref(), y.as_ref(), descends.get(at) == Some(&true)).unwrap_or_else(|| {
                fault = Some(trouble::evaluation("sort() needs keys of one type that has an order"));
                Ordering::Equal
            });
            (order != Ordering::Equal).then_some(order)
        });
        decided.unwrap_or(Ordering::Equal)
    });
    match fault {
        Some(fault) => Err(fault),
        None => Ok(rows.into_iter().map(|(_, item)| item).collect()),
    }
}

/// The order of two keys; none when their types have none.
fn order_keys(left: Option<&Item<'_>>, right: Option<&Item<'_>>, descends: bool) -> Option<Ordering> {
    match (left, right) {
        (None, None) => Some(Ordering::Equal),
        (None, Some(_)) => Some(Ordering::Less),
        (Some(_), None) => Some(Ordering::Greater),
        (Some(a), Some(b)) => {
            let order = operators::order(a, b)?.unwrap_or(Ordering::Equal);
            Some(if descends { order.reverse() } else { order })
        }
    }
}
