//! Reading the parts of a ViewDefinition, with the place of whatever is wrong.

use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::Json;

/// A part of the definition, and where it stands.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The part.
    pub json: &'a Json,
    /// Its place, such as `ViewDefinition.select[0]`.
    pub place: String,
}

impl<'a> Part<'a> {
    /// The whole definition, at a place.
    pub fn root(json: &'a Json, place: &str) -> Self {
        Self { json, place: place.to_owned() }
    }

    /// A fault at a property of the part; at the part itself when the name is empty.
    pub fn wrong(&self, name: &str, message: impl Into<String>) -> Fault {
        let place = if name.is_empty() { self.place.clone() } else { format!("{}.{name}", self.place) };
        invalid("invalid", message).at(place)
    }

    /// A property that must be there.
    fn missing(&self, name: &str) -> Fault {
        invalid("required", format!("`{name}` is missing")).at(format!("{}.{name}", self.place))
    }

    /// A property that is a text, if it is there.
    ///
    /// # Errors
    /// 422 when it is no text, or an empty one.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.json.get(name) {
            None => Ok(None),
            Some(Json::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
            Some(Json::String(_)) => Err(self.wrong(name, format!("`{name}` is empty"))),
            Some(other) => Err(self.wrong(name, format!("`{name}` is a string, not {}", other.kind()))),
        }
    }

    /// A property that is a text.
    ///
    /// # Errors
    /// 422 when it is missing, no text, or an empty one.
    pub fn needed(&self, name: &str) -> Result<&'a str> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A property that is a Boolean; false when it is not there.
    ///
    /// # Errors
    /// 422 when it is none.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.json.get(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(other) => Err(self.wrong(name, format!("`{name}` is a boolean, not {}", other.kind()))),
        }
    }

    /// The parts of a property that is a list of objects; none when it is not there.
    ///
    /// # Errors
    /// 422 when it is no list, or has something else in it.
    pub fn list(&self, name: &str) -> Result<Vec<Part<'a>>> {
        let items = match self.json.get(name) {
            None => return Ok(Vec::new()),
            Some(Json::Array(items)) => items,
            Some(other) => return Err(self.wrong(name, format!("`{name}` is a list, not {}", other.kind()))),
        };
        let part = |(at, json): (usize, &'a Json)| {
            let part = Part { json, place: format!("{}.{name}[{at}]", self.place) };
            match json {
                Json::Object(_) => Ok(part),
                other => Err(part.wrong("", format!("`{name}` has objects, not {}", other.kind()))),
            }
        };
        items.iter().enumerate().map(part).collect()
    }

    /// The parts of a list that must be there and have something in it.
    ///
    /// # Errors
    /// 422 when it is missing or empty, and as [`Part::list`].
    pub fn needed_list(&self, name: &str) -> Result<Vec<Part<'a>>> {
        let items = self.list(name)?;
        if items.is_empty() { Err(self.missing(name)) } else { Ok(items) }
    }
}

/// A fault of a definition.
fn invalid(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, code, format!("the ViewDefinition is invalid: {}", message.into()))
}

/// A fault of an expression as one of the definition that has it at `place`; `whose` names it.
pub fn of_expression(fault: &Fault, whose: &str, place: String) -> Fault {
    let code = fault.issues().first().map_or("invalid", |issue| issue.code);
    let message =
        format!("the ViewDefinition is invalid: {whose} has an invalid FHIRPath expression: {}", fault.message());
    Fault::of(Category::Unprocessable, vec![Issue::error(code, message).at(place)])
}
