//! `_type`, and which parameters several types have in common (FHIR R4 `search.html`, 3.1.1.2 and 3.1.1.4.24).

use std::sync::Arc;

use super::chain::reference;
use super::clause::{check_target, find, split_name};
use super::context::{Trouble, Work, bad, known_type, shown, unsupported};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::ResourceType;
use crate::search::context::SearchContext;

/// The types of a context, narrowed by each `_type`; and what there is to say about those left out.
///
/// # Errors
/// 404 as [`SearchContext::types`]; 400 for an unknown type, or when no type is left.
pub(super) fn types(of: &SearchContext, params: &[(String, String)]) -> Result<(Vec<ResourceType>, Vec<Issue>)> {
    let (mut types, mut warnings) = (of.types()?, Vec::new());
    for (name, value) in params {
        let (base, modifier) = split_name(name);
        if base != "_type" {
            continue;
        }
        if modifier.is_some() {
            return Err(unsupported(name, "a modifier"));
        }
        let named = value.split(',').filter(|text| !text.is_empty());
        let named = named.map(|text| known_type(text, name)).collect::<Result<Vec<_>>>()?;
        if named.is_empty() {
            let message = "search parameter \"_type\" has no value and was ignored";
            warnings.push(Issue::warning("value", message.to_owned()));
            continue;
        }
        for absent in named.iter().filter(|kind| !types.contains(kind)) {
            let message = format!("search parameter \"_type\": {absent} is not among the types that are searched");
            warnings.push(Issue::warning("value", message));
        }
        types.retain(|kind| named.contains(kind));
        if types.is_empty() {
            return Err(bad(name, value, "none of these types is searched here"));
        }
    }
    Ok((types, warnings))
}

/// Refuses a parameter that some of the types do not have, or that means something else on them.
pub(super) fn check_common(work: &Work<'_>, types: &[ResourceType], name: &str) -> Result<(), Trouble> {
    if types.len() < 2 {
        return Ok(());
    }
    if let Some(rest) = name.strip_prefix("_has:") {
        return check_has(work, types, rest, name);
    }
    let code = &name[..name.find(['.', ':']).unwrap_or(name.len())];
    if of_all(code) {
        return Ok(());
    }
    let known = work.context.params;
    let found: Vec<Option<&Arc<SearchParam>>> = types.iter().map(|kind| known.find(*kind, code)).collect();
    let Some(first) = found.iter().flatten().next() else {
        let message = format!("unknown search parameter \"{}\" of the types that are searched", shown(name));
        return Err(Trouble::Unknown(Fault::unsupported(message)));
    };
    let others = types.iter().zip(&found).filter(|(_, other)| other.is_none_or(|other| other.id != first.id));
    let mut others = others.map(|(kind, _)| kind.name());
    let Some(other) = others.next() else { return Ok(()) };
    let more = match others.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let message = format!(
        "search parameter \"{}\": it is not common to all types that are searched: it is not defined (or not by the \
         same definition) for {other}{more}; name types with _type",
        shown(name)
    );
    Err(Fault::coded(Category::Invalid, "not-supported", message).into())
}

/// Parameters that are not in the definitions of the types, or not of all, but apply to all resources.
fn of_all(code: &str) -> bool {
    matches!(code, "_id" | "_lastUpdated" | "_list" | "_filter" | "_text" | "_content" | "_query")
}

/// Whether the reference of a `_has` may lead to all of the types.
fn check_has(work: &Work<'_>, types: &[ResourceType], rest: &str, name: &str) -> Result<(), Trouble> {
    let mut parts = rest.splitn(3, ':');
    // what is malformed is refused where it is parsed
    let (Some(source), Some(code), Some(_)) = (parts.next(), parts.next(), parts.next()) else { return Ok(()) };
    let param = reference(work, known_type(source, name)?, code, name)?;
    types.iter().try_for_each(|kind| check_target(&param, *kind, name)).map_err(Trouble::from)
}

/// The parameter of all of the types.
pub(super) fn common(
    work: &Work<'_>,
    types: &[ResourceType],
    code: &str,
    name: &str,
) -> Result<Arc<SearchParam>, Trouble> {
    check_common(work, types, code)?;
    let kind = types.first().copied().ok_or_else(|| Fault::internal("a search of no type"))?;
    find(work, kind, code, name)
}
