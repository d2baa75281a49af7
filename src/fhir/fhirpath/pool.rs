//! Items without repetition: membership by `=` in a time that does not grow with the square of their number.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use smallvec::SmallVec;

use super::code::Machine;
use super::convert::system;
use super::equality::equal;
use super::value::{Collection, Item};
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// Up to this many items are compared one by one.
const FEW: usize = 8;

/// A set of items under `=`. Two items that are equal have one digest, so only items of one digest are
/// compared.
#[derive(Default)]
pub struct Pool<'a> {
    items: Collection<'a>,
    /// Places in `items` by digest; filled once there are more than a few.
    places: HashMap<u64, SmallVec<[u32; 2]>>,
}

impl<'a> Pool<'a> {
    /// The set of the items of a collection.
    ///
    /// # Errors
    /// 400 when comparing costs too much.
    pub fn of(m: &mut Machine<'a, '_>, items: Collection<'a>) -> Result<Self> {
        if items.len() <= FEW {
            // repetitions do no harm to membership
            return Ok(Self { items, places: HashMap::new() });
        }
        let mut pool = Self::default();
        for item in items {
            pool.add(m, item)?;
        }
        Ok(pool)
    }

    /// Whether an equal item is in the set.
    ///
    /// # Errors
    /// 400 when comparing costs too much.
    pub fn contains(&self, m: &mut Machine<'a, '_>, wanted: &Item<'a>) -> Result<bool> {
        if self.places.is_empty() {
            return contains(m, &self.items, wanted);
        }
        let Some(places) = self.places.get(&digest(m, wanted)?) else { return Ok(false) };
        for place in places {
            if equal(m, &self.items[*place as usize], wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds an item; whether it was new.
    ///
    /// # Errors
    /// 400 when comparing costs too much.
    pub fn add(&mut self, m: &mut Machine<'a, '_>, item: Item<'a>) -> Result<bool> {
        if self.contains(m, &item)? {
            return Ok(false);
        }
        self.items.push(item);
        if self.items.len() <= FEW {
            return Ok(true);
        }
        let missing = if self.places.is_empty() { 0 } else { self.items.len() - 1 };
        for place in missing..self.items.len() {
            let digest = digest(m, &self.items[place])?;
            self.places.entry(digest).or_default().push(u32::try_from(place).unwrap_or(u32::MAX));
        }
        Ok(true)
    }

    /// The items in the order in which they were added.
    pub fn into_items(self) -> Collection<'a> {
        self.items
    }
}

/// Whether a list has an item equal to this one.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn contains<'a>(m: &mut Machine<'a, '_>, items: &[Item<'a>], wanted: &Item<'a>) -> Result<bool> {
    for item in items {
        if equal(m, item, wanted)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The items without repetition, in order.
///
/// # Errors
/// 400 when comparing costs too much.
pub fn distinct<'a>(m: &mut Machine<'a, '_>, items: Collection<'a>) -> Result<Collection<'a>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut pool = Pool::default();
    for item in items {
        pool.add(m, item)?;
    }
    Ok(pool.into_items())
}

/// A number that is the same for equal items. Numbers, dates and quantities, which are equal in many
/// forms, share one.
fn digest(m: &mut Machine<'_, '_>, item: &Item<'_>) -> Result<u64> {
    m.charge(1)?;
    match system(item) {
        Some(Item::String(text)) => Ok(digest_of(&text)),
        Some(_) => Ok(0),
        None => match item {
            Item::Node(node) => digest_json(m, node.json),
            _ => Ok(0),
        },
    }
}

fn digest_of(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn digest_json(m: &mut Machine<'_, '_>, json: &Json) -> Result<u64> {
    m.charge(1)?;
    match json {
        Json::String(text) => Ok(digest_of(text)),
        Json::Array(items) => items.iter().try_fold(1u64, |sum, item| {
            let next = digest_json(m, item)?;
            Ok(sum.wrapping_mul(31).wrapping_add(next))
        }),
        // the order of properties does not matter, so they are summed
        Json::Object(object) => object.iter().try_fold(2u64, |sum, (name, value)| {
            let next = digest_json(m, value)?;
            Ok(sum.wrapping_add(digest_of(name.as_str()).wrapping_mul(next | 1)))
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(3),
    }
}
