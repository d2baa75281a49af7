//! What an operation is given: the parameters of the URL and those of a Parameters resource, read alike (FHIR R4
//! `operations.html`, 3.2.0.6.1).

use super::call::Call;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object};
use crate::fhir::validate::structure;

/// What an operation is given, in order: first that of the URL.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    list: Vec<Argument<'a>>,
    operation: &'static str,
}

/// One parameter.
#[derive(Debug)]
pub struct Argument<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it stands in the body; `None`: in the URL.
    place: Option<String>,
    given: Given<'a>,
}

#[derive(Debug)]
enum Given<'a> {
    Text(&'a str),
    /// `Parameters.parameter`
    Parameter(&'a Object),
}

impl<'a> Argument<'a> {
    /// The value as it would stand in a URL; `None` where it is no primitive.
    pub fn text(&self) -> Option<&'a str> {
        match &self.given {
            Given::Text(text) => Some(text),
            Given::Parameter(parameter) => match value(parameter)? {
                Json::String(text) => Some(text),
                Json::Number(number) => Some(number.as_str()),
                Json::Bool(true) => Some("true"),
                Json::Bool(false) => Some("false"),
                Json::Null | Json::Array(_) | Json::Object(_) => None,
            },
        }
    }

    /// The value of a parameter in the body under this name (`valueCoding`, `resource`).
    pub fn part(&self, name: &str) -> Option<&'a Json> {
        match &self.given {
            Given::Text(_) => None,
            Given::Parameter(parameter) => parameter.get(name),
        }
    }

    /// A fault about it.
    pub fn wrong(&self, message: impl Into<String>) -> Fault {
        let fault =
            Fault::coded(Category::Invalid, "value", format!("parameter \"{}\": {}", self.name, message.into()));
        match &self.place {
            Some(place) => fault.at(place.clone()),
            None => fault,
        }
    }
}

fn value(parameter: &Object) -> Option<&Json> {
    parameter.iter().find(|(name, _)| name.as_str().starts_with("value")).map(|(_, value)| value)
}

impl<'a> Arguments<'a> {
    /// Reads what `operation` is given; `known` are the names of its parameters.
    ///
    /// # Errors
    /// 400 for a body that is no Parameters, and for a parameter that is not known: an answer that ignores it would be wrong.
    pub fn read(call: &'a Call<'_>, body: Option<&'a Json>, operation: &'static str, known: &[&str]) -> Result<Self> {
        let arguments = Self::all(call, body, operation)?;
        for argument in &arguments.list {
            if !known.contains(&argument.name) {
                let shown: String = argument.name.chars().take(60).flat_map(char::escape_debug).collect();
                let fault = Fault::unsupported(format!("${operation} has no parameter \"{shown}\""));
                return Err(match &argument.place {
                    Some(place) => fault.at(place.clone()),
                    None => fault,
                });
            }
        }
        Ok(arguments)
    }

    /// Reads what `operation` is given, whatever the names.
    ///
    /// # Errors
    /// 400 for a body that is no Parameters.
    pub fn all(call: &'a Call<'_>, body: Option<&'a Json>, operation: &'static str) -> Result<Self> {
        let of_url =
            call.params.pairs.iter().map(|(name, value)| Argument { name, place: None, given: Given::Text(value) });
        let mut list: Vec<Argument<'a>> = of_url.collect();
        if let Some(body) = body {
            if body.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
                return Err(Fault::invalid("the body of an operation is a Parameters resource"));
            }
            structure(body)?;
            for (at, parameter) in body.get("parameter").and_then(Json::as_array).unwrap_or_default().iter().enumerate()
            {
                let Some(parameter) = parameter.as_object() else { continue };
                let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default();
                let place = Some(format!("Parameters.parameter[{at}]"));
                list.push(Argument { name, place, given: Given::Parameter(parameter) });
            }
        }
        Ok(Self { list, operation })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Argument<'a>> {
        self.list.iter()
    }

    /// Those of a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Argument<'a>> {
        self.list.iter().filter(move |argument| argument.name == name)
    }

    /// The one of a name, if it is there.
    ///
    /// # Errors
    /// 400 where it stands twice.
    pub fn one(&self, name: &str) -> Result<Option<&Argument<'a>>> {
        let mut all = self.named(name);
        let first = all.next();
        match all.next() {
            Some(second) => Err(second.wrong("it may stand once only")),
            None => Ok(first),
        }
    }

    /// The text of the one of a name.
    ///
    /// # Errors
    /// 400 where it stands twice, or has no text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>> {
        let Some(argument) = self.one(name)? else { return Ok(None) };
        match argument.text().filter(|text| !text.is_empty()) {
            Some(text) => Ok(Some(text)),
            None => Err(argument.wrong("it needs a value of a primitive type")),
        }
    }

    /// The boolean of a name; `None` where it is absent.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match (self.one(name)?, self.text(name)?) {
            (Some(argument), Some(text)) => text.parse().map(Some).map_err(|_| argument.wrong("it is true or false")),
            _ => Ok(None),
        }
    }

    /// The number above 0 of a name.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn positive(&self, name: &str) -> Result<Option<usize>> {
        match (self.one(name)?, self.text(name)?) {
            (Some(argument), Some(text)) => {
                let number = text.parse().ok().filter(|number| *number > 0);
                number.map(Some).ok_or_else(|| argument.wrong("it is a whole number of 1 or more"))
            }
            _ => Ok(None),
        }
    }

    /// The fault of a parameter that must be there.
    pub fn missing(&self, what: &str) -> Fault {
        Fault::coded(Category::Invalid, "required", format!("${} needs {what}", self.operation))
    }
}
