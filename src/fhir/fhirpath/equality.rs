//! `=` and `~`: of items, of collections, and of whole elements (N1, "Equality"; FHIR R4
//! `fhirpath.html`, 2.9.1.6).

use std::cmp::Ordering;

use super::code::Machine;
use super::convert::{decimal_of, system};
use super::node::KNOWN;
use super::number;
use super::units::{self, Relation};
use super::value::{Collection, Item, Node, Quantity, Unit};
use crate::base::fault::Result;
use crate::fhir::json::{Json, Object};

/// `left = right`; empty when either is, or when the precision of dates leaves it open.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn equal_all<'a>(m: &mut Machine<'a, '_>, left: &Collection<'a>, right: &Collection<'a>) -> Result<Option<bool>> {
    if left.is_empty() || right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    let mut known = true;
    for (a, b) in left.iter().zip(right) {
        match equal(m, a, b)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => known = false,
        }
    }
    Ok(known.then_some(true))
}

/// `left = right` for two items.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn equal<'a>(m: &mut Machine<'a, '_>, left: &Item<'a>, right: &Item<'a>) -> Result<Option<bool>> {
    m.charge(1)?;
    if let (Item::Node(a), Item::Node(b)) = (left, right) {
        if a.is_same_place(*b) {
            return Ok(Some(true));
        }
        if !a.is_primitive() && !b.is_primitive() {
            return Ok(Some(equal_json(m, a.json, b.json)?));
        }
    }
    Ok(match (system(left), system(right)) {
        (Some(a), Some(b)) => equal_values(&a, &b),
        // beside a value of System a primitive that has only extensions is converted to nothing (2.9.1.2)
        (None, Some(_)) if is_primitive(left) && !is_primitive(right) => None,
        (Some(_), None) if is_primitive(right) && !is_primitive(left) => None,
        // two elements of which one has no value, or an element beside a value
        _ => Some(false),
    })
}

fn is_primitive(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.is_primitive())
}

fn equal_values(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    match (left, right) {
        (Item::Bool(a), Item::Bool(b)) => Some(a == b),
        (Item::Integer(a), Item::Integer(b)) => Some(a == b),
        (Item::String(a), Item::String(b)) => Some(**a == **b),
        (Item::Temporal(a), Item::Temporal(b)) if a.is_comparable(*b) => {
            a.order(*b).map(|order| order == Ordering::Equal)
        }
        (Item::TypeInfo(a), Item::TypeInfo(b)) => Some(a == b),
        (Item::Quantity(a), Item::Quantity(b)) => match units::relate(a, b) {
            Relation::Ordered(order) => Some(order == Ordering::Equal),
            // what is not commensurable is neither equal nor unequal
            Relation::Different | Relation::Unknown => None,
        },
        (Item::Quantity(quantity), number) | (number, Item::Quantity(quantity)) => match decimal_of(number) {
            // a number is a quantity of the unit `1`
            Some(value) => {
                let number = Item::Quantity(Quantity { value, unit: Unit::one() });
                equal_values(&Item::Quantity(quantity.clone()), &number)
            }
            None => Some(false),
        },
        _ => Some(decimal_of(left).is_some_and(|a| decimal_of(right) == Some(a))),
    }
}

/// Deep equality: properties in any order, numbers by value.
fn equal_json(m: &mut Machine<'_, '_>, left: &Json, right: &Json) -> Result<bool> {
    m.charge(1)?;
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => equal_objects(m, a, b),
        (Json::Array(a), Json::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (x, y) in a.iter().zip(b) {
                if !equal_json(m, x, y)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Number(a), Json::Number(b)) => {
            Ok(a == b || number::parse(a.as_str()).is_some_and(|value| number::parse(b.as_str()) == Some(value)))
        }
        _ => Ok(left == right),
    }
}

fn equal_objects(m: &mut Machine<'_, '_>, left: &Object, right: &Object) -> Result<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (name, value) in left.iter() {
        let same = match right.get_name(name) {
            Some(other) => equal_json(m, value, other)?,
            None => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `left ~ right`; never empty, and not dependent on order.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn equivalent_all<'a>(m: &mut Machine<'a, '_>, left: &Collection<'a>, right: &Collection<'a>) -> Result<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut taken = vec![false; right.len()];
    for a in left {
        let mut found = false;
        for (b, taken) in right.iter().zip(&mut taken) {
            if !*taken && equivalent(m, a, b)? {
                *taken = true;
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `left ~ right` for two items.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn equivalent<'a>(m: &mut Machine<'a, '_>, left: &Item<'a>, right: &Item<'a>) -> Result<bool> {
    m.charge(1)?;
    if let (Item::Node(a), Item::Node(b)) = (left, right)
        && !a.is_primitive()
        && !b.is_primitive()
    {
        return equivalent_nodes(m, *a, *b);
    }
    Ok(match (system(left), system(right)) {
        (Some(a), Some(b)) => equivalent_values(&a, &b),
        _ => false,
    })
}

fn equivalent_values(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::String(a), Item::String(b)) => fold(a) == fold(b),
        (Item::Temporal(a), Item::Temporal(b)) => a.is_comparable(*b) && a.order(*b) == Some(Ordering::Equal),
        (Item::Quantity(a), Item::Quantity(b)) => units::equivalent(a, b),
        _ => match decimal_of(left).zip(decimal_of(right)) {
            Some((a, b)) => number::equivalent(a, b),
            None => equal_values(left, right) == Some(true),
        },
    }
}

/// A text in lower case with every white space as one blank.
fn fold(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).flat_map(char::to_lowercase).collect()
}

fn equivalent_nodes<'a>(m: &mut Machine<'a, '_>, left: Node<'a>, right: Node<'a>) -> Result<bool> {
    let name = |node: Node<'_>| node.type_id.map(|kind| kind.name());
    match (name(left), name(right)) {
        (Some("Coding"), Some("Coding")) => return Ok(same_coding(left.json, right.json)),
        (Some("CodeableConcept"), Some("CodeableConcept")) => {
            let codings = |node: Node<'a>| node.object()?.get_name(&KNOWN.coding)?.as_array();
            if let (Some(a), Some(b)) = (codings(left), codings(right)) {
                m.charge(a.len() * b.len())?;
                return Ok(a.iter().any(|x| b.iter().any(|y| same_coding(x, y))));
            }
        }
        _ => {}
    }
    if let (Some(Item::Quantity(a)), Some(Item::Quantity(b))) = (system(&Item::Node(left)), system(&Item::Node(right)))
    {
        return Ok(units::equivalent(&a, &b));
    }
    equivalent_json(m, left.json, right.json)
}

/// Codings are equivalent by system and code alone.
fn same_coding(left: &Json, right: &Json) -> bool {
    let part = |json: &'_ Json, name| json.as_object().and_then(|object| object.get_name(name)).cloned();
    part(left, &KNOWN.code) == part(right, &KNOWN.code) && part(left, &KNOWN.system) == part(right, &KNOWN.system)
}

/// Deep equivalence: ids do not count, texts are folded, lists are compared in any order.
fn equivalent_json(m: &mut Machine<'_, '_>, left: &Json, right: &Json) -> Result<bool> {
    m.charge(1)?;
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => {
            let counted = |object: &Object| object.iter().filter(|(name, _)| **name != KNOWN.id).count();
            if counted(a) != counted(b) {
                return Ok(false);
            }
            for (name, value) in a.iter().filter(|(name, _)| **name != KNOWN.id) {
                let same = match b.get_name(name) {
                    Some(other) => equivalent_json(m, value, other)?,
                    None => false,
                };
                if !same {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(a), Json::Array(b)) => equivalent_lists(m, a, b),
        (Json::String(a), Json::String(b)) => Ok(a == b || fold(a) == fold(b)),
        (Json::Number(a), Json::Number(b)) => Ok(match number::parse(a.as_str()).zip(number::parse(b.as_str())) {
            Some((a, b)) => number::equivalent(a, b),
            None => a == b,
        }),
        _ => Ok(left == right),
    }
}

fn equivalent_lists(m: &mut Machine<'_, '_>, left: &[Json], right: &[Json]) -> Result<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut taken = vec![false; right.len()];
    for a in left {
        let mut found = false;
        for (b, taken) in right.iter().zip(&mut taken) {
            if !*taken && equivalent_json(m, a, b)? {
                *taken = true;
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}
