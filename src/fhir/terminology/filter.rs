//! The filters of `ValueSet.compose.include` (FHIR R4 `valueset-filter-operator`, with those of R5 that cost nothing).

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// How a property is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Equals,
    /// `is-a`: the concept itself, or below it.
    IsA,
    /// `descendent-of`: below it.
    DescendentOf,
    /// `is-not-a`: neither itself nor below it.
    IsNotA,
    /// `regex`: the whole value matches.
    Regex,
    /// `in`: one of a list with commas.
    In,
    /// `not-in`: none of a list with commas.
    NotIn,
    /// `generalizes`: the concept itself, or above it.
    Generalizes,
    /// `child-of` (R5): right below it.
    ChildOf,
    /// `descendent-leaf` (R5): below it, with nothing below.
    DescendentLeaf,
    /// `exists`: `true` has a value, `false` has none.
    Exists,
}

impl Op {
    /// From its code.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "=" => Self::Equals,
            "is-a" => Self::IsA,
            "descendent-of" => Self::DescendentOf,
            "is-not-a" => Self::IsNotA,
            "regex" => Self::Regex,
            "in" => Self::In,
            "not-in" => Self::NotIn,
            "generalizes" => Self::Generalizes,
            "child-of" => Self::ChildOf,
            "descendent-leaf" => Self::DescendentLeaf,
            "exists" => Self::Exists,
            _ => return None,
        })
    }

    /// Whether it asks what is above or below a concept.
    pub fn is_of_hierarchy(self) -> bool {
        use Op::{ChildOf, DescendentLeaf, DescendentOf, Generalizes, IsA, IsNotA};
        matches!(self, IsA | DescendentOf | IsNotA | Generalizes | ChildOf | DescendentLeaf)
    }

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Equals => "=",
            Self::IsA => "is-a",
            Self::DescendentOf => "descendent-of",
            Self::IsNotA => "is-not-a",
            Self::Regex => "regex",
            Self::In => "in",
            Self::NotIn => "not-in",
            Self::Generalizes => "generalizes",
            Self::ChildOf => "child-of",
            Self::DescendentLeaf => "descendent-leaf",
            Self::Exists => "exists",
        }
    }
}

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// `concept`, `code`, `display` or a property of the code system.
    pub property: Box<str>,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub value: Box<str>,
}

impl Filter {
    /// From `ValueSet.compose.include.filter`.
    ///
    /// # Errors
    /// 422 when something is missing, or the operator is none.
    pub fn parse(json: &Json) -> Result<Self> {
        let text = |name: &str| json.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let missing = |what: &str| {
            let shown = text("property").unwrap_or("");
            Fault::coded(Category::Unprocessable, "invalid", format!("the filter \"{shown}\" has no {what}"))
        };
        let property = text("property").ok_or_else(|| missing("property"))?;
        let op = text("op").ok_or_else(|| missing("op"))?;
        let value = text("value").ok_or_else(|| missing("value"))?;
        let op = Op::parse(op).ok_or_else(|| {
            let text = format!("the filter operator \"{op}\" of the property \"{property}\" is not known");
            Fault::coded(Category::Unprocessable, "not-supported", text)
        })?;
        Ok(Self { property: property.into(), op, value: value.into() })
    }

    /// The values of a list with commas.
    pub fn list(&self) -> impl Iterator<Item = &str> {
        self.value.split(',').map(str::trim)
    }
}
