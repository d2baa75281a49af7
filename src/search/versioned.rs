//! The versions that references name (FHIR R4 `search.html`, 3.1.1.4.13). The index knows resources, not their versions:
//! these are read from the resources of a page.

use std::sync::Arc;

use super::kind::reference::version;
use crate::fhir::definitions::names;
use crate::fhir::definitions::params::{ParamKind, SearchParam, expression_for, search_params};
use crate::fhir::fhirpath::{Context, Node, Options, compile_with};
use crate::fhir::json::Json;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::kind::element::{Element, text};
use crate::search::query::{Clause, Include, Query};

/// Whether the text of a resource may have a reference to a version.
pub fn may_name_versions(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"/_history/").is_some()
}

/// The resources that the references of a parameter name, with their versions.
fn named(resource: &Json, kind: ResourceType, param: &SearchParam, base: &str) -> Vec<(ResourceKey, Option<i64>)> {
    let expression = expression_for(kind, param).and_then(|text| compile_with(&text, &Options::SEARCH).ok());
    let Some(expression) = expression else { return Vec::new() };
    let root = Node::resource(resource);
    let Ok(items) = expression.eval(root, &Context::new(root)) else { return Vec::new() };
    let elements = items.iter().filter_map(Element::of).filter_map(|element| element.json.as_object());
    elements.filter_map(|reference| version(text(reference, names::REFERENCE)?, base)).collect()
}

/// What the forward includes of a search follow in a resource of a page. `is_match`: it is no include itself.
pub fn followed(
    query: &Query,
    (resource, kind): (&Json, ResourceType),
    is_match: bool,
    base: &str,
) -> Vec<(ResourceKey, Option<i64>)> {
    let applies = |include: &&Include| {
        !include.reverse && (is_match || include.iterate) && include.source.is_none_or(|source| source == kind)
    };
    let mut found = Vec::new();
    for include in query.includes.iter().filter(applies) {
        let all = search_params(kind).iter().copied().filter(|param| param.kind == ParamKind::Reference);
        let params: Vec<&Arc<SearchParam>> = match &include.param {
            Some(param) => std::iter::once(param).filter(|param| param.base.contains(&kind)).collect(),
            None => all.collect(),
        };
        let of = params.into_iter().flat_map(|param| named(resource, kind, param, base));
        found.extend(of.filter(|(key, _)| include.target.is_none_or(|target| target == key.kind)));
    }
    found
}

/// The chain of a search that leads over a reference to a version in one of its matches, if there is one.
pub fn chained<'a>(query: &'a Query, resource: &Json, kind: ResourceType, base: &str) -> Option<&'a SearchParam> {
    let mut params = Vec::new();
    query.clauses.iter().for_each(|clause| chains(clause, &mut params));
    params.into_iter().find(|param| named(resource, kind, param, base).iter().any(|(_, version)| version.is_some()))
}

/// The references with which the chains of a condition begin.
fn chains<'a>(clause: &'a Clause, found: &mut Vec<&'a SearchParam>) {
    match clause {
        Clause::Chain { param, .. } => found.push(param),
        Clause::All(clauses) | Clause::Any(clauses) => clauses.iter().for_each(|clause| chains(clause, found)),
        Clause::Complement(clause) | Clause::Element { clause, .. } => chains(clause, found),
        _ => {}
    }
}
