//! Parameters that say how to answer (FHIR R4 `search.html`, 3.1.1.5): order, size, totals, includes.

use std::sync::Arc;

use super::chain::reference;
use super::clause::check_target;
use super::context::{Trouble, Work, bad, known_type, shown, too_many, unsupported};
use super::types::common;
use crate::base::fault::Fault;
use crate::fhir::definitions::params::{ParamId, ParamKind, SearchParam};
use crate::fhir::types::ResourceType;
use crate::search::query::{ContainedSearch, Include, Query, SortBy, SortKey, Total};

/// Most keys of `_sort`, and most includes.
const KEYS_MAX: usize = 32;

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in the query, and stands in the self link.
    Used,
    /// It is not for the search (`_format`).
    Ignored,
    /// It is no control parameter.
    No,
}

/// Takes a control parameter into the query. `value` is not empty.
pub(super) fn take(work: &Work<'_>, query: &mut Query, name: &str, value: &str) -> Result<Taken, Fault> {
    let (base, modifier) = name.split_once(':').map_or((name, None), |(base, modifier)| (base, Some(modifier)));
    if matches!(base, "_include" | "_revinclude") {
        let include = include(work, base == "_revinclude", modifier, name, value)?;
        if query.includes.len() == KEYS_MAX {
            return Err(too_many(name, "includes", KEYS_MAX));
        }
        query.includes.push(include);
        return Ok(Taken::Used);
    }
    if modifier.is_some() {
        return match base {
            "_sort" | "_count" | "_summary" | "_elements" | "_total" | "_contained" | "_containedType" | "_explain"
            | "_format" | "_pretty" => Err(unsupported(name, "a modifier")),
            _ => Ok(Taken::No),
        };
    }
    match base {
        "_sort" => query.sort = sort(work, &query.types, value)?,
        "_count" => query.count = Some(count(value)?.min(work.context.limits.page_max)),
        "_total" => query.total = total(value)?,
        "_summary" => query.count_only = summary(value)?,
        "_explain" => query.explain = explain(value)?,
        // which part of a resource is shown is not for the index
        "_elements" => {}
        "_contained" => query.contained.search = contained(value)?,
        "_containedType" => query.contained.is_alone = is_alone(value)?,
        "_format" | "_pretty" => return Ok(Taken::Ignored),
        _ => return Ok(Taken::No),
    }
    Ok(Taken::Used)
}

fn count(value: &str) -> Result<usize, Fault> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let bad = || bad("_count", value, "it is a whole number, 0 or more");
    // more digits than a number of this machine has: certainly above the largest page
    if is_number { Ok(value.parse().unwrap_or(usize::MAX)) } else { Err(bad()) }
}

fn total(value: &str) -> Result<Total, Fault> {
    match value {
        "none" => Ok(Total::None),
        "estimate" => Ok(Total::Estimate),
        "accurate" => Ok(Total::Accurate),
        _ => Err(bad("_total", value, "it is none, estimate or accurate")),
    }
}

fn contained(value: &str) -> Result<ContainedSearch, Fault> {
    match value {
        "false" => Ok(ContainedSearch::None),
        "true" => Ok(ContainedSearch::Only),
        "both" => Ok(ContainedSearch::Both),
        _ => Err(bad("_contained", value, "it is true, false or both")),
    }
}

fn is_alone(value: &str) -> Result<bool, Fault> {
    match value {
        "container" => Ok(false),
        "contained" => Ok(true),
        _ => Err(bad("_containedType", value, "it is container or contained")),
    }
}

fn explain(value: &str) -> Result<bool, Fault> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad("_explain", value, "it is true or false")),
    }
}

fn summary(value: &str) -> Result<bool, Fault> {
    match value {
        "count" => Ok(true),
        "true" | "text" | "data" | "false" => Ok(false),
        _ => Err(bad("_summary", value, "it is true, text, data, count or false")),
    }
}

fn sort(work: &Work<'_>, types: &[ResourceType], value: &str) -> Result<Vec<SortKey>, Fault> {
    let mut keys = Vec::new();
    for key in value.split(',').filter(|key| !key.is_empty()) {
        let (descending, code) = key.strip_prefix('-').map_or((false, key), |code| (true, code));
        let by = match code {
            "_id" => SortBy::Id,
            "_lastUpdated" => SortBy::LastUpdated,
            "_score" => SortBy::Score,
            _ => match common(work, types, code, "_sort") {
                Ok(param) if param.kind == ParamKind::Composite => {
                    return Err(bad("_sort", key, "nothing is sorted by a composite parameter"));
                }
                Ok(param) if param.kind == ParamKind::Special => SortBy::Near,
                Ok(param) => SortBy::Param(param),
                Err(Trouble::Bad(fault)) => return Err(fault),
                Err(_) => {
                    let of = types.first().filter(|_| types.len() == 1).map_or("what is searched", |kind| kind.name());
                    return Err(bad("_sort", key, &format!("{of} has no such search parameter")));
                }
            },
        };
        if keys.len() == KEYS_MAX {
            return Err(too_many("_sort", "keys", KEYS_MAX));
        }
        keys.push(SortKey { by, descending });
    }
    Ok(keys)
}

/// `*`, `Type:*`, `Type:parameter`, `Type:parameter:Target`.
fn include(work: &Work<'_>, reverse: bool, modifier: Option<&str>, name: &str, value: &str) -> Result<Include, Fault> {
    let iterate = match modifier {
        None => false,
        Some("iterate") => true,
        Some(other) => return Err(unsupported(name, &format!("modifier \":{}\"", shown(other)))),
    };
    let mut parts = value.split(':');
    let (first, code, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if first == "*" && code.is_none() {
        return Ok(Include { reverse, source: None, param: None, added: added(work, None), target: None, iterate });
    }
    let Some(code) = code.filter(|code| !code.is_empty() && parts.next().is_none()) else {
        return Err(bad(name, value, "it is written as Type:parameter, Type:parameter:Target or Type:*"));
    };
    let source = known_type(first, name)?;
    let target = target.filter(|target| !target.is_empty()).map(|target| known_type(target, name)).transpose()?;
    if code == "*" {
        return Ok(Include {
            reverse,
            source: Some(source),
            param: None,
            added: added(work, Some(source)),
            target,
            iterate,
        });
    }
    let param = reference(work, source, code, name).map_err(|trouble| match trouble {
        Trouble::Bad(fault) => fault,
        _ => bad(name, value, &format!("{source} has no search parameter \"{}\"", shown(code))),
    })?;
    if let Some(target) = target {
        check_target(&param, target, name)?;
    }
    Ok(Include { reverse, source: Some(source), param: Some(param), added: Vec::new(), target, iterate })
}

/// The references of a type (or of all) that are not official.
fn added(work: &Work<'_>, source: Option<ResourceType>) -> Vec<(ResourceType, ParamId)> {
    let links = work.context.params.all_added().filter(|param| param.kind == ParamKind::Reference);
    let of = |param: &Arc<SearchParam>| {
        let kinds: Vec<_> = param.base.iter().filter(|kind| source.is_none_or(|of| of == **kind)).copied().collect();
        if !kinds.is_empty() {
            work.note(param);
        }
        let id = param.id;
        kinds.into_iter().map(move |kind| (kind, id))
    };
    links.flat_map(of).collect()
}
