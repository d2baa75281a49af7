//! `_summary` and `_elements` of a request (FHIR R4 `search.html`, 3.1.1.5.8 and 3.1.1.5.9; `http.html`, 3.1.0.1.11).

use bytes::Bytes;

use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::subset::{Elements, Subset, has_element, subset};
use crate::fhir::types::ResourceType;
use crate::repo::Handling;

/// The parameters of this file.
pub const PARAMS: [&str; 2] = ["_summary", "_elements"];

/// How much of the resources an answer shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The part; `None` for whole resources.
    pub part: Option<Subset>,
    /// `_summary=count`: none of them.
    pub count_only: bool,
}

impl Shown {
    /// Reads the parameters. `kind` is the type of the resources, if they have one.
    ///
    /// # Errors
    /// 400 for another value, a parameter that stands twice, both together, and, under strict handling, an element
    /// that the type does not have.
    pub fn read(pairs: &[(String, String)], kind: Option<ResourceType>, how: Handling) -> Result<Self> {
        let summary = once(pairs, "_summary")?;
        let elements = once(pairs, "_elements")?.map(|list| listed(list, kind, how)).transpose()?;
        let (part, count_only) = match summary {
            None | Some("false") => (elements.map(Subset::Elements), false),
            Some("count") => (None, true),
            Some(_) if elements.is_some() => {
                return Err(value("_summary and _elements each name a part of the resources; only one can be used"));
            }
            Some("true") => (Some(Subset::Summary), false),
            Some("text") => (Some(Subset::Text), false),
            Some("data") => (Some(Subset::Data), false),
            Some(_) => return Err(value("_summary is true, text, data, count or false")),
        };
        Ok(Self { part, count_only })
    }

    /// The same for a request that answers one resource, which cannot be counted.
    ///
    /// # Errors
    /// As [`Shown::read`], and 400 for `_summary=count`.
    pub fn of_one(call: &Call<'_>, kind: ResourceType) -> Result<Self> {
        let shown = Self::read(&call.params.pairs, Some(kind), call.prefer.handling)?;
        if shown.count_only {
            return Err(value("_summary=count is for searches and histories"));
        }
        Ok(shown)
    }

    /// What is shown of a resource.
    ///
    /// # Errors
    /// 500 for text that is not JSON.
    pub fn apply(&self, kind: ResourceType, body: Bytes) -> Result<Bytes> {
        match &self.part {
            None => Ok(body),
            Some(part) => subset(part, kind, &body).map(Bytes::from),
        }
    }

    /// What is shown of the resource in an answer. Its version stays: the tag is that of the resource.
    ///
    /// # Errors
    /// 500 for text that is not JSON.
    pub fn answer(&self, kind: ResourceType, mut answer: Answer) -> Result<Answer> {
        if let Some(body) = answer.body.take_if(|_| self.part.is_some() && !answer.is_outcome) {
            answer.body = Some(self.apply(kind, body)?);
        }
        Ok(answer)
    }
}

fn value(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "value", message)
}

/// A parameter that may stand there once. Without a value it is as good as absent.
fn once<'a>(pairs: &'a [(String, String)], name: &str) -> Result<Option<&'a str>> {
    let mut values = pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let first = values.next();
    if values.next().is_some() {
        return Err(value(format!("{name} stands there twice")));
    }
    Ok(first.filter(|text| !text.is_empty()))
}

fn listed(list: &str, kind: Option<ResourceType>, how: Handling) -> Result<Elements> {
    let names = || list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let shown = |name: &str| name.chars().take(60).collect::<String>().escape_debug().to_string();
    for name in names() {
        let plain = name.strip_suffix("[x]").unwrap_or(name);
        if !plain.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message =
                format!("_elements lists names of elements at the root of a resource, not \"{}\"", shown(name));
            return Err(value(message));
        }
        let is_unknown = kind.filter(|kind| !has_element(*kind, name));
        if let Some(kind) = is_unknown.filter(|_| how == Handling::Strict) {
            return Err(value(format!("_elements: {kind} has no element \"{}\"", shown(name))));
        }
    }
    Ok(Elements::new(names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)], how: Handling) -> Result<Shown> {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Shown::read(&pairs, ResourceType::find("Patient"), how)
    }

    #[test]
    fn reads_what_is_to_be_shown() {
        let lenient = |query: &[(&str, &str)]| read(query, Handling::Lenient);
        assert_eq!(lenient(&[("_summary", "false")]), Ok(Shown::default()));
        assert_eq!(lenient(&[("_summary", "true")]).map(|shown| shown.part), Ok(Some(Subset::Summary)));
        assert!(lenient(&[("_summary", "count")]).expect("counts").count_only);
        assert!(lenient(&[("_elements", "name, birthDate")]).expect("elements").part.is_some());
        assert_eq!(lenient(&[("_elements", "")]), Ok(Shown::default()));
        for bad in [
            &[("_summary", "yes")][..],
            &[("_summary", "true"), ("_summary", "true")],
            &[("_summary", "data"), ("_elements", "name")],
            &[("_elements", "name"), ("_elements", "id")],
            &[("_elements", "name.family")],
        ] {
            assert_eq!(lenient(bad).expect_err("refused").category(), Category::Invalid, "{bad:?}");
        }
        assert!(lenient(&[("_elements", "nonsense")]).is_ok());
        assert!(read(&[("_elements", "nonsense")], Handling::Strict).is_err());
        assert!(read(&[("_elements", "name,deceased,id")], Handling::Strict).is_ok());
    }
}
