//! A SearchParameter resource as it is read (FHIR R4 `searchparameter.html`).

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{resource_type_id, type_by_name};
use crate::fhir::definitions::params::{Details, ParamKind};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;

/// 422: an element of a SearchParameter that cannot be used.
pub(super) fn unusable(element: &str, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "business-rule", message).at(format!("SearchParameter.{element}"))
}

/// A definition in force.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its canonical URL, without a version.
    pub(super) url: Box<str>,
    /// Its name in a search.
    pub(super) code: Box<str>,
    /// The canonical URL of the definition that it is derived from, without a version.
    pub(super) derived_from: Option<Box<str>>,
    pub(super) kind: ParamKind,
    /// Sorted.
    pub(super) base: Vec<ResourceType>,
    pub(super) expression: Box<str>,
    pub(super) targets: Vec<ResourceType>,
    /// Canonical URLs without versions, and expressions.
    pub(super) components: Vec<(Box<str>, Box<str>)>,
    pub(super) details: Details,
}

impl Definition {
    /// Whether a SearchParameter resource is in force: those that are `active`.
    pub fn is_in_force(resource: &Json) -> bool {
        text(resource, "status") == "active"
    }

    /// Reads a resource that is structurally valid; `check` says whether it can be used.
    ///
    /// # Errors
    /// 422 with an element that names something unknown.
    pub fn read(resource: &Json) -> Result<Self> {
        let kind = ParamKind::find(text(resource, "type"))
            .ok_or_else(|| unusable("type", "this type of search parameter is not known"))?;
        let optional = |name: &str| Some(text(resource, name)).filter(|text| !text.is_empty());
        let flag = |name: &str| resource.get(name).and_then(Json::as_bool).unwrap_or(true);
        Ok(Self {
            url: bare(text(resource, "url")),
            code: text(resource, "code").into(),
            derived_from: optional("derivedFrom").map(bare),
            kind,
            base: bases(resource)?,
            expression: text(resource, "expression").into(),
            targets: targets(resource)?,
            components: components(resource),
            details: Details {
                description: text(resource, "description").into(),
                multiple_or: flag("multipleOr"),
                multiple_and: flag("multipleAnd"),
                comparators: texts(resource, "comparator"),
                modifiers: texts(resource, "modifier"),
                chain: texts(resource, "chain"),
            },
        })
    }

    /// The canonical URL and the code of a resource, whatever else is wrong with it.
    pub fn names(resource: &Json) -> (Box<str>, Box<str>) {
        (bare(text(resource, "url")), text(resource, "code").into())
    }
}

fn text<'a>(resource: &'a Json, name: &str) -> &'a str {
    resource.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn texts(resource: &Json, name: &str) -> Vec<Box<str>> {
    let list = resource.get(name).and_then(Json::as_array).unwrap_or_default();
    list.iter().filter_map(Json::as_str).map(Into::into).collect()
}

/// A canonical without its version.
fn bare(canonical: &str) -> Box<str> {
    canonical.split('|').next().unwrap_or_default().into()
}

/// The types that a definition applies to; Resource and DomainResource stand for all and for most.
fn bases(resource: &Json) -> Result<Vec<ResourceType>> {
    let domain = type_by_name("DomainResource");
    let mut found = Vec::new();
    for (at, name) in texts(resource, "base").iter().enumerate() {
        match &**name {
            "Resource" => found.extend(ResourceType::all()),
            "DomainResource" => {
                let is_domain = |kind: &ResourceType| domain.is_some_and(|domain| resource_type_id(*kind).is_a(domain));
                found.extend(ResourceType::all().filter(is_domain));
            }
            name => found.push(known(name, "base", at)?),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn targets(resource: &Json) -> Result<Vec<ResourceType>> {
    let named = texts(resource, "target");
    if named.iter().any(|name| matches!(&**name, "Resource" | "Any")) {
        return Ok(Vec::new()); // any
    }
    named.iter().enumerate().map(|(at, name)| known(name, "target", at)).collect()
}

fn known(name: &str, element: &str, at: usize) -> Result<ResourceType, Fault> {
    ResourceType::find(name).ok_or_else(|| {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        unusable(&format!("{element}[{at}]"), format!("\"{shown}\" is no resource type"))
    })
}

fn components(resource: &Json) -> Vec<(Box<str>, Box<str>)> {
    let list = resource.get("component").and_then(Json::as_array).unwrap_or_default();
    list.iter().map(|part| (bare(text(part, "definition")), text(part, "expression").into())).collect()
}
