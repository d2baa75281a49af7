//! All parameters of a request.

use std::borrow::Cow;

use super::chain::{Place, clause};
use super::context::{ParseContext, Trouble, Work, bad, shown};
use super::control::{Taken, take};
use super::everything;
use super::filter_clause;
use super::list;
use super::types::{check_common, types};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::definitions::params::{ParamKind, search_param};
use crate::fhir::types::ResourceType;
use crate::search::context::SearchContext;
use crate::search::kind::escape::split;
use crate::search::params::check_repeats;
use crate::search::query::{Clause, ContainedMode, ContainedSearch, Everything, Query, SortBy, SortKey, Total};
use crate::search::rank::has_score;

/// Parses a search of a type, of all types, or of a compartment. `params`: names and values, decoded, in order.
///
/// # Errors
/// 400 with the parameter, the value and the reason; `not-supported` for what is not offered; `too-costly` beyond
/// a bound. 404 for a compartment that is none.
pub fn parse(of: impl Into<SearchContext>, params: &[(String, String)], context: &ParseContext<'_>) -> Result<Query> {
    let of = of.into();
    if params.len() > context.limits.search_values {
        let message = format!("the search has more than {} parameters", context.limits.search_values);
        return Err(Fault::coded(Category::Invalid, "too-costly", message));
    }
    let work = Work::new(context);
    let (types, warnings) = types(&of, params)?;
    let mut query = Query {
        types,
        clauses: Vec::new(),
        sort: Vec::new(),
        count: None,
        total: Total::default(),
        count_only: false,
        explain: false,
        contained: ContainedMode::default(),
        everything: None,
        includes: Vec::new(),
        added: Vec::new(),
        used: Vec::new(),
        warnings,
    };
    let mut record = match of {
        SearchContext::Compartment { of, .. } => {
            query.clauses.push(Clause::Compartment(of));
            None
        }
        SearchContext::Everything { kind, id } => Some(everything::begin(kind, id.as_ref(), params)),
        SearchContext::Type(_) | SearchContext::System => None,
    };
    for (name, value) in params {
        match parameter(&work, &mut query, &mut record, name, value) {
            Ok(Taken::Ignored | Taken::No) => {}
            Ok(Taken::Used) => note_used(&mut query, name, value),
            Err(Trouble::Bad(fault)) => return Err(fault),
            Err(Trouble::Unknown(fault)) if context.strict => return Err(fault),
            Err(Trouble::Unknown(fault)) => {
                let message = format!("{}: the parameter \"{}\" was ignored", fault.message(), shown(name));
                query.warnings.push(Issue::warning("not-supported", message));
            }
            Err(Trouble::Empty) => {
                let message = format!("search parameter \"{}\" has no value and was ignored", shown(name));
                query.warnings.push(Issue::warning("value", message));
            }
        }
    }
    query.everything = record;
    list::of_subject(&mut query.clauses);
    query.added = work.into_added();
    check_near(&query)?;
    check_containers(&query)?;
    let is_plain = query.contained.search == ContainedSearch::None;
    if is_plain && query.sort.is_empty() && query.clauses.iter().any(has_score) {
        query.sort.push(SortKey { by: SortBy::Score, descending: false });
    }
    Ok(query)
}

/// Containers are of any type: they have no values of the parameters of the searched one. What is contained has values for
/// the official parameters only.
fn check_containers(query: &Query) -> Result<()> {
    let is_contained = query.contained.search != ContainedSearch::None;
    if let Some(param) = query.added.first().filter(|_| is_contained) {
        let message =
            format!("search parameter \"_contained\": not together with \"{}\", which is not official", param.code);
        return Err(Fault::unsupported(message));
    }
    let is_common = |key: &SortKey| matches!(key.by, SortBy::Id | SortBy::LastUpdated);
    let has_containers = is_contained && !query.contained.is_alone;
    if has_containers && !query.sort.iter().all(is_common) {
        let message =
            "search parameter \"_sort\": containers of contained resources are sorted by _id and _lastUpdated only";
        return Err(Fault::unsupported(message));
    }
    Ok(())
}

/// A search is sorted by distances only when it says from where.
fn check_near(query: &Query) -> Result<()> {
    let is_sorted = query.sort.iter().any(|key| key.by == SortBy::Near);
    let is_near = |clause: &Clause| matches!(clause, Clause::Param { param, .. } if param.kind == ParamKind::Special);
    if is_sorted && !query.clauses.iter().any(is_near) {
        return Err(bad("_sort", "near", "the search has no `near` to be sorted by"));
    }
    Ok(())
}

fn parameter(
    work: &Work<'_>,
    query: &mut Query,
    record: &mut Option<Everything>,
    name: &str,
    value: &str,
) -> Result<Taken, Trouble> {
    if name == "_type" {
        // it is in the types already
        return Ok(if value.split(',').all(str::is_empty) { Taken::Ignored } else { Taken::Used });
    }
    if value.is_empty() {
        return Err(Trouble::Empty);
    }
    if let Some(record) = record {
        return everything::parameter(work, query, record, name, value);
    }
    // these are one value each: of two, one would be ignored
    let is_repeated = matches!(
        name,
        "_count" | "_sort" | "_total" | "_summary" | "_elements" | "_explain" | "_contained" | "_containedType"
    ) && query.used.iter().any(|(used, _)| used == name);
    if is_repeated {
        return Err(bad(name, value, "the parameter stands there twice").into());
    }
    let taken = take(work, query, name, value)?;
    if taken != Taken::No {
        return Ok(taken);
    }
    if name == "_filter" {
        query.clauses.push(filter_clause::clause(work, &query.types, value)?);
        return Ok(Taken::Used);
    }
    check_common(work, &query.types, name)?;
    check_repeated(work, query, name, value)?;
    let kind = query.types.first().copied().ok_or_else(|| Fault::internal("a search of no type"))?;
    for (name, value) in versioned_url(kind, name, value)? {
        let clause = clause(work, Place { kind, rest: &name, name: &name, depth: 0 }, &value)?;
        query.clauses.push(clause);
    }
    Ok(Taken::Used)
}

/// Refuses a second condition where the definition of the parameter allows one.
fn check_repeated(work: &Work<'_>, query: &Query, name: &str, value: &str) -> Result<(), Trouble> {
    let code = |name: &str| name[..name.find(['.', ':']).unwrap_or(name.len())].to_owned();
    let own = code(name);
    let param = query.types.first().and_then(|kind| work.context.params.find(*kind, &own));
    let is_again = || query.used.iter().any(|(used, _)| code(used) == own);
    match param.map(|param| check_repeats(param)) {
        Some(Err(reason)) if is_again() => Err(bad(name, value, reason).into()),
        _ => Ok(()),
    }
}

/// `url=U|V` of a resource with a version asks for two things (FHIR R4 `search.html`, 3.1.1.4.9).
#[expect(clippy::type_complexity, reason = "names and values")]
fn versioned_url<'a>(
    kind: ResourceType,
    name: &'a str,
    value: &'a str,
) -> Result<Vec<(Cow<'a, str>, Cow<'a, str>)>, Fault> {
    let as_it_is = || Ok(vec![(Cow::Borrowed(name), Cow::Borrowed(value))]);
    let is_uri = search_param(kind, name).is_some_and(|param| param.kind == ParamKind::Uri);
    if name != "url" || !is_uri || search_param(kind, "version").is_none() {
        return as_it_is();
    }
    let parts: Vec<&str> = split(value, b'|').collect();
    match parts.as_slice() {
        [_] => as_it_is(),
        [url, version] if split(value, b',').count() == 1 && !url.is_empty() && !version.is_empty() => {
            Ok(vec![("url".into(), (*url).into()), ("version".into(), (*version).into())])
        }
        [_, _] => Err(bad(name, value, "`url|version` cannot be one of several values")),
        _ => Err(bad(name, value, "it has more than one `|`")),
    }
}

/// The self link shows what was used: a `_count` above the largest page as the largest page.
fn note_used(query: &mut Query, name: &str, value: &str) {
    let value = match query.count {
        Some(count) if name == "_count" => count.to_string(),
        _ => value.to_owned(),
    };
    query.used.push((name.to_owned(), value));
}
