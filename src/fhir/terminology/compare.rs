//! `$compare` of two value sets: whether they have the same codes, or one has those of the other. Not an operation of FHIR R4; terminology
//! clients ask for it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::compose::{Part, ValueSet};
use super::context::Context;
use super::expand::{CODES, expand};
use super::filter::Op;
use super::issues;
use super::params::Params;
use super::validate_code::{parameter, parameters};
use super::wanted::Wanted;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Most codes that diagnostics name.
const SHOWN: usize = 1000;

/// How two sets relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Empty,
    Superset,
    Subset,
    Overlapping,
    Disjoint,
}

impl Relation {
    fn of(common: bool, missing: bool, extra: bool) -> Self {
        match (common, missing, extra) {
            (false, false, false) => Self::Empty,
            (_, false, false) => Self::Same,
            (true, true, true) => Self::Overlapping,
            (false, true, true) => Self::Disjoint,
            (_, true, false) => Self::Superset,
            (_, false, true) => Self::Subset,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Empty => "empty",
            Self::Superset => "superset",
            Self::Subset => "subset",
            Self::Overlapping => "overlapping",
            Self::Disjoint => "disjoint",
        }
    }

    fn text(self, this: &str, other: &str) -> String {
        match self {
            Self::Same => format!("The value sets {this} and {other} contain the same codes"),
            Self::Empty => format!("Both the value sets {this} and {other} are empty"),
            Self::Superset => format!("The valueSet {this} is a super-set of the valueSet {other}"),
            Self::Subset => format!("The valueSet {this} is a sub-set of the valueSet {other}"),
            Self::Overlapping => {
                format!(
                    "Both value sets {this} and {other} contain the codes the other doesn't, but there is some overlap"
                )
            }
            Self::Disjoint => format!("No shared codes between the value sets {this} and {other}"),
        }
    }
}

/// What was found out.
struct Outcome {
    relation: Relation,
    expanded: bool,
    /// Common, missing and extra codes, where they are known.
    codes: Option<[Vec<Box<str>>; 3]>,
}

/// Compares `this...` with `other...`, each a URL or a ValueSet; `own` is the value set of the path.
///
/// # Errors
/// 400 when one is not named; 404 when one is not known.
pub fn compare(context: &Context<'_>, params: &Params, own: Option<Arc<Json>>) -> Result<Json> {
    let this = match own {
        Some(own) => context.understood(ValueSet::new(own)?).map(Rc::new)?,
        None => side(context, params, "this")?,
    };
    let other = side(context, params, "other")?;
    let by_structure = match by_structure(context, &this, &other)? {
        Some(outcome) => Ok(outcome),
        None => by_codes(context, &this, &other),
    };
    let (a, b) = (&*this.canonical, &*other.canonical);
    let with_diagnostics = params.flag("diagnostics")?.unwrap_or(false);
    let mut out = Vec::new();
    match by_structure {
        Ok(outcome) => {
            out.push(parameter("result", "valueCode", Json::string(outcome.relation.code())));
            out.push(parameter("message", "valueString", Json::string(outcome.relation.text(a, b))));
            if with_diagnostics {
                out.push(parameter("performed-expansion", "valueBoolean", Json::Bool(outcome.expanded)));
                let lists = ["common-codes", "missing-codes", "extra-codes"]
                    .into_iter()
                    .zip(outcome.codes.into_iter().flatten());
                let lists = lists.filter(|(_, codes)| !codes.is_empty());
                out.extend(lists.map(|(name, codes)| {
                    let shown: Vec<&str> = codes.iter().take(SHOWN).map(|code| &**code).collect();
                    parameter(name, "valueString", Json::string(shown.join(",")))
                }));
            }
        }
        Err(fault) => {
            let text = format!("Unable to compare {a} and {b}: This expansion failed: {}", fault.message());
            out.push(parameter("result", "valueCode", Json::string("indeterminate")));
            out.push(parameter("message", "valueString", Json::string(text)));
            if with_diagnostics {
                out.push(parameter("performed-expansion", "valueBoolean", Json::Bool(true)));
            }
        }
    }
    Ok(parameters(out))
}

fn side(context: &Context<'_>, params: &Params, name: &str) -> Result<Rc<ValueSet>> {
    if let Some(json) = params.object(&format!("{name}ValueSet"))? {
        return context.understood(ValueSet::new(Arc::new(json.clone()))?).map(Rc::new);
    }
    let Some(url) = params.text(&format!("{name}Url"))? else {
        return Err(Fault::coded(Category::Invalid, "required", format!("{name}Url or {name}ValueSet is given")));
    };
    let canonical = super::compose::canonical(url, params.text(&format!("{name}Version"))?);
    context.value_set(&canonical)?.ok_or_else(|| issues::value_set_unknown(&canonical))
}

/// What the definitions alone tell.
fn by_structure(context: &Context<'_>, this: &ValueSet, other: &ValueSet) -> Result<Option<Outcome>> {
    let is_plain = |set: &ValueSet| {
        set.excludes.is_empty()
            && set.made.is_none()
            && set.includes.iter().all(|part| part.value_sets.is_empty() && part.system.is_some())
    };
    if !is_plain(this) || !is_plain(other) || this.inactive != other.inactive {
        return Ok(None);
    }
    let is_listed = |set: &ValueSet| set.includes.iter().all(|part| part.concepts.is_some() && part.filters.is_empty());
    if is_listed(this) && is_listed(other) {
        return Ok(Some(sorted(listed(this, other))));
    }
    let plain = |relation| Ok(Some(Outcome { relation, expanded: false, codes: None }));
    let keys = |set: &ValueSet| set.includes.iter().map(key).collect::<BTreeSet<String>>();
    let (a, b) = (keys(this), keys(other));
    if a == b {
        return plain(Relation::Same);
    }
    if let Some(outcome) = apart(this, other) {
        return Ok(Some(outcome));
    }
    let is_whole = |set: &ValueSet| set.includes.iter().all(|part| part.concepts.is_none() && part.filters.is_empty());
    if is_whole(this) && is_whole(other) {
        let relation = Relation::of(!a.is_disjoint(&b), !a.is_subset(&b), !b.is_subset(&a));
        let mixed = this.includes.iter().chain(&other.includes).any(|part| part.version.is_some());
        return if mixed { Ok(None) } else { plain(relation) };
    }
    branches(context, this, other)
        .map(|relation| relation.map(|relation| Outcome { relation, expanded: false, codes: None }))
}

/// Nothing in common: no code system, or only such as both list codes of that are all different.
fn apart(this: &ValueSet, other: &ValueSet) -> Option<Outcome> {
    let systems = |set: &ValueSet| set.includes.iter().filter_map(|part| part.system.clone()).collect::<BTreeSet<_>>();
    let shared: BTreeSet<Box<str>> = systems(this).intersection(&systems(other)).cloned().collect();
    if shared.is_empty() {
        return Some(Outcome { relation: Relation::Disjoint, expanded: false, codes: None });
    }
    let is_shared = |part: &&Part| part.system.as_ref().is_some_and(|system| shared.contains(system));
    let both = || this.includes.iter().chain(&other.includes).filter(is_shared);
    if both().any(|part| part.concepts.is_none() || !part.filters.is_empty()) {
        return None;
    }
    let codes = |set: &ValueSet| {
        let of = |part: &Part| {
            let system = part.system.clone().unwrap_or_default();
            part.concepts.iter().flatten().map(|listed| (system.clone(), listed.code.clone())).collect::<Vec<Code>>()
        };
        set.includes.iter().filter(is_shared).flat_map(of).collect::<Vec<Code>>()
    };
    let outcome = relate(&codes(this), &codes(other));
    let is_apart = outcome.codes.as_ref().is_some_and(|[common, ..]| common.is_empty());
    is_apart.then(|| sorted(Outcome { relation: Relation::Disjoint, ..outcome }))
}

/// One part, so that the same parts are the same text.
fn key(part: &Part) -> String {
    let mut filters: Vec<String> = part
        .filters
        .iter()
        .map(|filter| format!("{} {} {}", filter.property, filter.op.code(), filter.value))
        .collect();
    filters.sort();
    let mut codes: Vec<&str> = part.concepts.iter().flatten().map(|listed| &*listed.code).collect();
    codes.sort_unstable();
    format!("{:?}|{:?} {filters:?} {:?}", part.system, part.version, part.concepts.as_ref().map(|_| codes))
}

/// Two branches of one hierarchy: one may be above the other.
fn branches(context: &Context<'_>, this: &ValueSet, other: &ValueSet) -> Result<Option<Relation>> {
    let branch = |set: &ValueSet| match &*set.includes {
        [part] => match (&*part.filters, &part.concepts) {
            ([filter], None) if filter.op == Op::IsA => {
                Some((part.system.clone(), part.version.clone(), filter.value.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    let (Some(a), Some(b)) = (branch(this), branch(other)) else { return Ok(None) };
    if (&a.0, &a.1) != (&b.0, &b.1) {
        return Ok(None);
    }
    let resolved = context.resolve(a.0.as_deref().unwrap_or(""), a.1.as_deref(), None)?;
    let Some(system) = resolved.system else { return Ok(None) };
    if system.subsumes(&a.2, &b.2)? {
        return Ok(Some(Relation::Superset));
    }
    Ok(system.subsumes(&b.2, &a.2)?.then_some(Relation::Subset))
}

type Code = (Box<str>, Box<str>);

fn relate(this: &[Code], other: &[Code]) -> Outcome {
    let (a, b): (BTreeSet<&Code>, BTreeSet<&Code>) = (this.iter().collect(), other.iter().collect());
    let codes = |list: &[Code], keep: &dyn Fn(&Code) -> bool| -> Vec<Box<str>> {
        list.iter().filter(|code| keep(code)).map(|(_, code)| code.clone()).collect()
    };
    let common = codes(this, &|code| b.contains(code));
    let missing = codes(this, &|code| !b.contains(code));
    let extra = codes(other, &|code| !a.contains(code));
    let relation = Relation::of(!common.is_empty(), !missing.is_empty(), !extra.is_empty());
    Outcome { relation, expanded: false, codes: Some([common, missing, extra]) }
}

fn listed(this: &ValueSet, other: &ValueSet) -> Outcome {
    let all = |set: &ValueSet| -> Vec<Code> {
        let of = |part: &Part| -> Vec<Code> {
            let system = part.system.clone().unwrap_or_default();
            part.concepts.iter().flatten().map(|listed| (system.clone(), listed.code.clone())).collect()
        };
        let found: BTreeSet<Code> = set.includes.iter().flat_map(of).collect();
        found.into_iter().collect()
    };
    relate(&all(this), &all(other))
}

fn sorted(mut outcome: Outcome) -> Outcome {
    outcome.codes.iter_mut().flatten().for_each(|codes| codes.sort());
    outcome
}

/// What the codes of both tell.
fn by_codes(context: &Context<'_>, this: &ValueSet, other: &ValueSet) -> Result<Outcome> {
    let codes = |set: &ValueSet| -> Result<Vec<Code>> {
        let found = expand(context, &Wanted::default(), set)?;
        if found.unclosed.is_some() {
            return Err(issues::too_costly(&set.canonical, CODES));
        }
        Ok(found
            .items
            .iter()
            .map(|item| (item.shown.found.url.clone(), item.shown.found.concept.code.clone()))
            .collect())
    };
    let mut outcome = relate(&codes(this)?, &codes(other)?);
    outcome.expanded = true;
    if outcome.relation == Relation::Same {
        outcome.codes = None;
    }
    Ok(outcome)
}
