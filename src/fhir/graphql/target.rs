//! What an answer is put together in: objects whose fields may be collated from several elements (FHIR R4 `graphql.html`,
//! 3.1.2.7).

use std::collections::HashMap;

use super::ast::Place;
use super::trouble;
use crate::base::fault::Result;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;

/// An object that is being made.
#[derive(Debug, Default)]
pub struct Target {
    slots: Vec<Slot>,
    by_key: HashMap<String, usize>,
}

#[derive(Debug)]
struct Slot {
    key: String,
    how: How,
    /// The FHIR type of its values.
    kind: Box<str>,
    place: Place,
    values: Vec<Json>,
}

/// How the values of a field are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As a list.
    List,
    /// By itself, or as a list when there are several.
    Plain,
    /// By itself; several are an error.
    Singleton,
}

impl Target {
    /// Makes sure that there is a field, so that it stands in its place.
    ///
    /// # Errors
    /// 400 when it is there with values of another type.
    pub fn field(&mut self, key: &str, how: How, kind: &str, place: Place) -> Result<usize> {
        if let Some(at) = self.by_key.get(key) {
            let slot = &mut self.slots[*at];
            if *slot.kind != *kind {
                let message = format!(
                    "{} would be put together of values of the types {} and {kind}",
                    trouble::shown(key),
                    slot.kind
                );
                return Err(trouble::wrong(place, message));
            }
            if slot.how == How::Plain {
                slot.how = how;
            }
            return Ok(*at);
        }
        self.by_key.insert(key.to_owned(), self.slots.len());
        self.slots.push(Slot { key: key.to_owned(), how, kind: kind.into(), place, values: Vec::new() });
        Ok(self.slots.len() - 1)
    }

    /// Adds a value to a field.
    pub fn add(&mut self, at: usize, value: Json) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.values.push(value);
        }
    }

    /// The object. Fields without values are left out.
    ///
    /// # Errors
    /// 400 for a singleton with several values.
    pub fn finish(self) -> Result<Json> {
        let mut object = Object::new();
        for mut slot in self.slots {
            let value = match (slot.how, slot.values.len()) {
                (_, 0) => continue,
                (How::Plain | How::Singleton, 1) => slot.values.swap_remove(0),
                (How::Singleton, count) => {
                    let message = format!("{} is a @singleton and has {count} values", trouble::shown(&slot.key));
                    return Err(trouble::wrong(slot.place, message));
                }
                (How::List | How::Plain, _) => Json::Array(slot.values),
            };
            object.push(Name::new(&slot.key), value);
        }
        Ok(Json::Object(object))
    }
}
