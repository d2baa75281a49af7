//! Filtering, projection and subsetting (N1, 5.2, 5.3) and trees (N1, 5.8).

use std::cmp::Ordering;

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine, SortOrder};
use crate::fhir::fhirpath::convert::{boolean, single, single_value, system};
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
    let is_met = boolean(&criterion, "the criterion of iif()")? == Some(true);
    let chosen = arguments.get(if is_met { 1 } else { 2 });
    chosen.map_or_else(|| Ok(Collection::new()), |code| eval(m, code))
}

/// `coalesce(value, ...)`: the first of the collections that is not empty; those after it are not evaluated (FHIRPath 3.0).
pub fn coalesce<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let this = if let [only] = input.as_slice() { Some(only.clone()) } else { m.this.clone() };
    let outer = std::mem::replace(&mut m.this, this);
    let mut result = Ok(Collection::new());
    for argument in arguments {
        result = eval(m, argument);
        if !matches!(&result, Ok(items) if items.is_empty()) {
            break;
        }
    }
    m.this = outer;
    result
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

/// `sort`: by the items themselves or by keys. What has no key is the least; after `-key`, the form of the public
/// tests, it comes first all the same (FHIRPath 3.0, 5.3.10).
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
    let orders = arguments.iter().map(|code| match code {
        Code::SortKey(_, order) => *order,
        _ => SortOrder::Ascending,
    });
    let orders: Vec<SortOrder> = orders.collect();
    let mut fault = None;
    rows.sort_by(|(a, _), (b, _)| {
        let mut keys = a.iter().zip(b).enumerate();
        let decided = keys.find_map(|(at, (x, y))| {
            let by = orders.get(at).copied().unwrap_or(SortOrder::Ascending);
            let order = order_keys(x.as_ref(), y.as_ref(), by).unwrap_or_else(|| {
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
fn order_keys(left: Option<&Item<'_>>, right: Option<&Item<'_>>, by: SortOrder) -> Option<Ordering> {
    let order = match (left, right) {
        (Some(a), Some(b)) => {
            let order = operators::order(a, b)?.unwrap_or(Ordering::Equal);
            return Some(if by == SortOrder::Ascending { order } else { order.reverse() });
        }
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
    };
    Some(if by == SortOrder::Descending { order.reverse() } else { order })
}
