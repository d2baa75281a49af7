//! Chains (FHIR R4 `search.html`, 3.1.1.4.15) and `_has` (3.1.1.4.16).

use std::sync::Arc;

use super::clause::{check_target, find, not_allowed, plain, split_name};
use super::context::{Trouble, Work, bad, known_type, shown, too_many, unsupported};
use crate::base::fault::{Category, Fault};
use crate::fhir::definitions::params::{ParamKind, SearchParam};
use crate::fhir::types::ResourceType;
use crate::search::kind::reference::targets;
use crate::search::nested;
use crate::search::params::{check_chain, check_modifier};
use crate::search::query::Clause;

/// A name with its chains, as far as it is parsed.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The type whose parameter comes next.
    pub kind: ResourceType,
    /// The rest of the name.
    pub rest: &'a str,
    /// The whole name, for messages.
    pub name: &'a str,
    /// How many steps lie behind.
    pub depth: usize,
}

/// A condition, with all chains and `_has` before it.
pub(super) fn clause(work: &Work<'_>, place: Place<'_>, text: &str) -> Result<Clause, Trouble> {
    let most = work.context.limits.chain_depth;
    if place.depth >= most {
        return Err(too_many(place.name, "steps", most).into());
    }
    if let Some(rest) = place.rest.strip_prefix("_has").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
        return has(work, place, rest.trim_start_matches(':'), text);
    }
    match place.rest.split_once('.') {
        Some((step, rest)) => chain(work, place, step, rest, text),
        None => plain(work, place.kind, place.rest, place.name, text),
    }
}

fn chain(work: &Work<'_>, place: Place<'_>, step: &str, rest: &str, text: &str) -> Result<Clause, Trouble> {
    let (code, modifier) = split_name(step);
    let param = reference(work, place.kind, code, place.name)?;
    let chained = &rest[..rest.find(['.', ':']).unwrap_or(rest.len())];
    check_chain(&param, chained).map_err(|reason| bad(place.name, text, reason))?;
    if let Some(Err(reason)) = modifier.map(|modifier| check_modifier(&param, modifier)) {
        return Err(bad(place.name, text, reason).into());
    }
    let next = |kind| Place { kind, rest, depth: place.depth + 1, ..place };
    let asked = match modifier {
        Some(modifier) => {
            let kind = ResourceType::find(modifier).ok_or_else(|| not_allowed(&param, modifier, place.name))?;
            check_target(&param, kind, place.name)?;
            Some(kind)
        }
        None => None,
    };
    if let Some((name, kind)) = nested::within(place.kind, &param.code) {
        return inner(work, (place.kind, &param, name), next(kind), text);
    }
    if let Some(kind) = asked {
        let clause = clause(work, next(kind), text)?;
        return Ok(Clause::Chain { param, targets: vec![(kind, clause)] });
    }
    to_targets(param, |kind| clause(work, next(kind), text))
}

/// A chain to a resource that stands within the one that is searched, of the type `outer`: its id is a value of the parameter,
/// for the others it has values of its own.
fn inner(
    work: &Work<'_>,
    (outer, param, name): (ResourceType, &SearchParam, &'static str),
    place: Place<'_>,
    text: &str,
) -> Result<Clause, Trouble> {
    let code = &place.rest[..place.rest.find(['.', ':']).unwrap_or(place.rest.len())];
    match code {
        "_id" if place.rest == code => plain(work, outer, &format!("{}:{}", param.code, place.kind), place.name, text),
        "_id" | "_lastUpdated" | "_text" | "_content" | "_list" | "_has" => {
            Err(unsupported(place.name, &format!("\"{}\" of what is within {outer}", place.rest)).into())
        }
        _ => Ok(Clause::Element { kind: outer, name, clause: Box::new(clause(work, place, text)?) }),
    }
}

/// A chain to every type that the reference may lead to. Types without the chained parameter are left out, and so are
/// those for which the value is none: nothing there could match. When no type is left, the most telling reason is given.
pub(super) fn to_targets(
    param: Arc<SearchParam>,
    condition: impl Fn(ResourceType) -> Result<Clause, Trouble>,
) -> Result<Clause, Trouble> {
    let (mut found, mut trouble) = (Vec::new(), None);
    for kind in targets(&param) {
        match condition(kind) {
            Ok(clause) => found.push((kind, clause)),
            Err(Trouble::Bad(fault)) if fault.issues().iter().any(|issue| issue.code == "too-costly") => {
                return Err(fault.into());
            }
            Err(Trouble::Unknown(fault)) => trouble = trouble.or(Some(Trouble::Unknown(fault))),
            Err(other) => trouble = Some(other),
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(Clause::Chain { param, targets: found }),
    }
}

/// `Type:reference:rest` after `_has:`.
fn has(work: &Work<'_>, place: Place<'_>, rest: &str, text: &str) -> Result<Clause, Trouble> {
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        let message =
            format!("search parameter \"{}\": it is written as _has:Type:reference:parameter", shown(place.name));
        return Err(Fault::coded(Category::Invalid, "value", message).into());
    };
    let source = known_type(source, place.name)?;
    let param = reference(work, source, code, place.name)?;
    check_target(&param, place.kind, place.name)?;
    let clause = clause(work, Place { kind: source, rest, depth: place.depth + 1, ..place }, text)?;
    Ok(Clause::Has { source, param, clause: Box::new(clause) })
}

/// The reference parameter of a type.
pub(super) fn reference(
    work: &Work<'_>,
    kind: ResourceType,
    code: &str,
    name: &str,
) -> Result<Arc<SearchParam>, Trouble> {
    let param = find(work, kind, code, name)?;
    if param.kind == ParamKind::Reference {
        return Ok(param);
    }
    let message = format!("search parameter \"{}\": \"{code}\" of {kind} is not a reference", shown(name));
    Err(Fault::coded(Category::Invalid, "value", message).into())
}
