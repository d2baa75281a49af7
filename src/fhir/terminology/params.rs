//! The parameters of a terminology operation, from a Parameters resource or the query of a URL.

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

use super::memory::{list, text, value};

/// Most parameters of one request.
const PARAMETERS: usize = 10_000;

/// Parameters in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(Box<str>, Json)>);

impl Params {
    /// From a Parameters resource; resources that are given by value stay resources.
    ///
    /// # Errors
    /// 400 for what is no Parameters resource, or has a parameter without a name.
    pub fn from_resource(json: &Json) -> Result<Self> {
        if text(json, "resourceType") != Some("Parameters") {
            return Err(Fault::coded(Category::Invalid, "structure", "the body is a Parameters resource"));
        }
        let given = list(json, "parameter");
        if given.len() > PARAMETERS {
            return Err(Fault::coded(
                Category::Invalid,
                "too-costly",
                format!("there are more than {PARAMETERS} parameters"),
            ));
        }
        let read = |(at, parameter): (usize, &Json)| {
            let place = || format!("Parameters.parameter[{at}]");
            let name = text(parameter, "name").ok_or_else(|| Fault::invalid("a parameter has no name").at(place()))?;
            let given = match (parameter.get("resource"), value(parameter), parameter.get("part")) {
                (Some(resource), ..) => resource,
                (_, Some((_, value)), _) => value,
                (_, _, Some(part)) => part,
                _ => return Err(Fault::invalid(format!("the parameter {name} has no value")).at(place())),
            };
            Ok((name.into(), given.clone()))
        };
        Ok(Self(given.iter().enumerate().map(read).collect::<Result<_>>()?))
    }

    /// One parameter more, as a URL gives it.
    pub fn push_text(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), Json::string(value)));
    }

    /// One parameter more.
    pub fn push(&mut self, name: &str, value: Json) {
        self.0.push((name.into(), value));
    }

    /// Those of another request, after these.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(given, _)| **given == *name).map(|(_, value)| value)
    }

    /// All values of a parameter.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Json> {
        self.0.iter().filter(move |(given, _)| **given == *name).map(|(_, value)| value)
    }

    /// Whether a parameter is given.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text, uri, code or canonical that is not empty.
    ///
    /// # Errors
    /// 400 for a value that is no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value {
            Json::String(text) => Ok(Some(&**text).filter(|text| !text.is_empty())),
            _ => Err(Fault::invalid(format!("the parameter {name} is a text")).at(name)),
        }
    }

    /// All texts of a parameter.
    pub fn texts<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.all(name).filter_map(Json::as_str)
    }

    /// A boolean.
    ///
    /// # Errors
    /// 400 for a value that is none.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(Json::String(text)) if **text == *"true" => Ok(Some(true)),
            Some(Json::String(text)) if **text == *"false" => Ok(Some(false)),
            Some(_) => Err(Fault::invalid(format!("the parameter {name} is true or false")).at(name)),
        }
    }

    /// A whole number of at least 0.
    ///
    /// # Errors
    /// 400 for a value that is none.
    pub fn number(&self, name: &str) -> Result<Option<usize>> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Json::Number(number)) => number.as_str(),
            Some(Json::String(text)) => text,
            Some(_) => "",
        };
        let number = text.parse::<u32>().ok().and_then(|number| usize::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| Fault::invalid(format!("the parameter {name} is a whole number of at least 0")).at(name))
    }

    /// A resource or a value with properties; from a URL a Coding may be `system|code`.
    ///
    /// # Errors
    /// 400 for a value without properties.
    pub fn object(&self, name: &str) -> Result<Option<&Json>> {
        match self.get(name) {
            Some(json @ Json::Object(_)) => Ok(Some(json)),
            None => Ok(None),
            Some(_) => Err(Fault::invalid(format!("the parameter {name} is given in the body")).at(name)),
        }
    }
}
