//! Filtering, projection and subsetting (N1, 5.2, 5.3), aggregation (N1, 7) and trees (N1, 5.8).

use std::cmp::Ordering;
use std::collections::HashSet;

use super::args;
use crate::base::fault::Result;
use crate::fhir::fhirpath::code::{Code, Machine};
use crate::fhir::fhirpath::convert::{boolean, describe, single, single_value};
use crate::fhir::fhirpath::equality;
use crate::fhir::fhirpath::eval::{eval, eval_on};
use crate::fhir::fhirpath::operators;
use crate::fhir::fhirpath::trouble;
use crate::fhir::fhirpath::value::{Collection, Item, maybe};

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

pub fn select<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for (index, item) in input.into_iter().enumerate() {
        out.extend(eval_on(m, &arguments[0], item, index)?);
        out = m.made(out)?;
    }
    Ok(out)
}

/// Items already seen: nodes by their place in the tree, which is quick, others by equality.
#[derive(Default)]
struct Seen<'a> {
    places: HashSet<usize>,
    values: Collection<'a>,
}

impl<'a> Seen<'a> {
    /// Whether the item is new; it is remembered.
    fn is_new(&mut self, m: &mut Machine<'a, '_>, item: &Item<'a>) -> Result<bool> {
        m.charge(1)?;
        if let Item::Node(node) = item
            && !node.is_stub()
        {
            return Ok(self.places.insert(std::ptr::from_ref(node.json).addr()));
        }
        let known = equality::contains(m, &self.values, item)?;
        if !known {
            self.values.push(item.clone());
        }
        Ok(!known)
    }
}

pub fn repeat<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut seen = Seen::default();
    let mut out = Collection::new();
    let mut pending: Vec<Item<'a>> = input.into_vec();
    while !pending.is_empty() {
        let mut next = Vec::new();
        for (index, item) in pending.into_iter().enumerate() {
            for found in eval_on(m, &arguments[0], item, index)? {
                // new means unequal to all before (N1): equal subtrees at two places count once
                if seen.is_new(m, &found)? && !equality::contains(m, &out, &found)? {
                    out.push(found.clone());
                    next.push(found);
                }
            }
        }
        out = m.made(out)?;
        pending = next;
    }
    Ok(out)
}

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

pub fn single_item<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    single(&input, "single()")?;
    Ok(input)
}

pub fn first<'a>(_: &mut Machine<'a, '_>, mut input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    input.truncate(1);
    Ok(input)
}

pub fn last<'a>(_: &mut Machine<'a, '_>, mut input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(maybe(input.pop()))
}

pub fn tail<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    Ok(input.into_iter().skip(1).collect())
}

pub fn skip<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(count) = args::integer(m, arguments, 0)? else { return Ok(Collection::new()) };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    Ok(input.into_iter().skip(count).collect())
}

pub fn take<'a>(m: &mut Machine<'a, '_>, mut input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let Some(count) = args::integer(m, arguments, 0)? else { return Ok(Collection::new()) };
    input.truncate(usize::try_from(count.max(0)).unwrap_or(usize::MAX));
    Ok(input)
}

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

pub fn children<'a>(_: &mut Machine<'a, '_>, input: Collection<'a>, _: &[Code]) -> Result<Collection<'a>> {
    let mut out = Collection::new();
    for node in input.iter().filter_map(Item::as_node) {
        node.children(&mut out);
    }
    Ok(out)
}

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
        if out.len() > m.context.bounds.items {
            return m.made(out);
        }
        at += 1;
    }
    Ok(out)
}

/// `sort`: by the items themselves or by keys; a key with `-` before it descends, and an empty key
/// comes first (FHIRPath 3.0, 5.3.10).
pub fn sort<'a>(m: &mut Machine<'a, '_>, input: Collection<'a>, arguments: &[Code]) -> Result<Collection<'a>> {
    let mut rows: Vec<(Vec<Option<Item<'a>>>, Item<'a>)> = Vec::with_capacity(input.len());
    for (index, item) in input.into_iter().enumerate() {
        let mut keys = Vec::with_capacity(arguments.len().max(1));
        for argument in arguments {
            let key = eval_on(m, argument, item.clone(), index)?;
            keys.push(single_value(&key, "a key of sort()")?);
        }
        if arguments.is_empty() {
            keys.push(crate::fhir::fhirpath::convert::system(&item));
        }
        rows.push((keys, item));
    }
    m.charge(rows.len() * (rows.len().max(1).ilog2() as usize + 1))?;
    let descends: Vec<bool> = arguments.iter().map(|code| matches!(code, Code::SortKey(_, true))).collect();
    let mut fault = None;
    rows.sort_by(|(a, _), (b, _)| {
        let mut keys = a.iter().zip(b).enumerate();
        let decided = keys.find_map(|(at, (x, y))| {
            let order = order_keys(x.as_ref(), y.as_ref()).unwrap_or_else(|| {
                fault = Some(trouble::evaluation("sort() needs keys of one type that has an order"));
                Ordering::Equal
            });
            let order = if descends.get(at) == Some(&true) { order.reverse() } else { order };
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
fn order_keys(left: Option<&Item<'_>>, right: Option<&Item<'_>>) -> Option<Ordering> {
    match (left, right) {
        (None, None) => Some(Ordering::Equal),
        (None, Some(_)) => Some(Ordering::Less),
        (Some(_), None) => Some(Ordering::Greater),
        (Some(a), Some(b)) => operators::order(a, b).map(|order| order.unwrap_or(Ordering::Equal)),
    }
}
