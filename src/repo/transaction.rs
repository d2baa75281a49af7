//! Transactions: all changes or none (FHIR R4 `http.html`, 3.1.0.11). A single write is a transaction of one.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::conditional::{Condition, Resolution, resolve};
use super::face::{Change, Existing, WriteEntry, Written};
use super::indexer::blocking;
use super::plan::{Assumption, Delete, Plan, Precondition, Step, adopt, encode_write, in_entry};
use super::references::{Targets, conditions, rewrite};
use super::tenancy::Tenancy;
use super::writer::{Verdict, Work};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::Json;
use crate::fhir::subset::is_subset;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::validate::structure;
use crate::search::extract::extract;
use crate::search::matches::{DocMeta, matches};
use crate::search::value::Extracted;

/// Plans beyond this many resources are made in a thread for CPU work.
const INLINE: usize = 4;
/// How often a plan is made again before it is made under the Writer's lock.
const ATTEMPTS: usize = 4;

/// A checked entry: ids assigned, structure valid, references not yet rewritten.
#[derive(Debug, Clone)]
struct Draft {
    key: ResourceKey,
    index: Option<usize>,
    full_url: Option<String>,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Write { resource: Json, precondition: Precondition, unless: Option<Condition> },
    Delete { if_match: Option<i64> },
}

/// A transaction that has been checked, and the conditions in it.
#[derive(Debug)]
struct Drafts {
    entries: Vec<Draft>,
    conditions: Vec<Condition>,
}

type Resolutions = HashMap<Condition, Resolution>;

/// Does all the changes, or none.
pub(super) async fn transaction(at: &Arc<Tenancy>, entries: Vec<WriteEntry>) -> Result<Vec<Written>> {
    let checking = at.clone();
    let small = entries.len() <= INLINE;
    let drafts = run(small, move || check(&checking, entries)).await?;
    if drafts.conditions.is_empty() {
        let planning = at.clone();
        let plan = run(small, move || build(&planning, drafts.entries, &Resolutions::new())).await?;
        return match at.writer.submit(Work::Ready(plan)).await? {
            Verdict::Done(written) => Ok(written),
            Verdict::Stale => Err(Fault::internal("a plan without conditions went stale")),
        };
    }
    let drafts = Arc::new(drafts);
    for _ in 0..ATTEMPTS {
        let plan = plan(at, &drafts).await?;
        if plan.rows() == 0 {
            return Ok(plan.steps.into_iter().filter_map(present).collect());
        }
        if let Verdict::Done(written) = at.writer.submit(Work::Ready(plan)).await? {
            return Ok(written);
        }
    }
    let (here, last) = (at.clone(), drafts);
    let serial = Work::Serial(Box::new(move || Box::pin(async move { plan(&here, &last).await })));
    match at.writer.submit(serial).await? {
        Verdict::Done(written) => Ok(written),
        Verdict::Stale => Err(Fault::internal("a plan made under the lock went stale")),
    }
}

fn present(step: Step) -> Option<Written> {
    match step {
        Step::Present(stored) => Some(Written { existing: Existing::Unchanged, stored: Some(*stored) }),
        Step::Write(_) | Step::Delete(_) => None,
    }
}

async fn run<T: Send + 'static>(small: bool, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if small { work() } else { blocking(work).await }
}

/// Looks the conditions up and builds the plan.
async fn plan(at: &Arc<Tenancy>, drafts: &Arc<Drafts>) -> Result<Plan> {
    let mut found = Resolutions::new();
    for condition in &drafts.conditions {
        found.insert(condition.clone(), resolve(at, condition).await?);
    }
    let (here, drafts) = (at.clone(), drafts.clone());
    // The drafts stay as they are: the plan may have to be made again.
    blocking(move || build(&here, drafts.entries.clone(), &found)).await
}

/// Checks every entry on its own, assigns ids, and collects the conditions.
fn check(at: &Tenancy, entries: Vec<WriteEntry>) -> Result<Drafts> {
    let many = entries.len() > 1 || entries.iter().any(|entry| entry.index.is_some());
    let mut drafts = Vec::with_capacity(entries.len());
    let mut found = Vec::new();
    let mut issues: Vec<Issue> = Vec::new();
    let mut category = Category::Invalid;
    for entry in entries {
        let index = entry.index;
        match draft(at, entry).and_then(|draft| collect(draft, many, &mut found)) {
            Ok(draft) => drafts.push(draft),
            Err(fault) => {
                let fault = in_entry(fault, index);
                category = fault.category();
                issues.extend_from_slice(fault.issues());
            }
        }
    }
    if !issues.is_empty() {
        return Err(Fault::of(category, issues));
    }
    each_once(&drafts)?;
    Ok(Drafts { entries: drafts, conditions: found })
}

/// A resource may occur in a transaction once only, by its identity (`http.html`, 3.1.0.11.2).
fn each_once(drafts: &[Draft]) -> Result<()> {
    let mut seen = HashSet::with_capacity(drafts.len());
    match drafts.iter().find(|draft| !seen.insert(&draft.key)) {
        None => Ok(()),
        Some(again) => {
            let message = format!("{} occurs more than once in the transaction", again.key);
            Err(in_entry(Fault::coded(Category::Invalid, "duplicate", message), again.index))
        }
    }
}

fn draft(at: &Tenancy, entry: WriteEntry) -> Result<Draft> {
    let WriteEntry { index, full_url, change } = entry;
    let (key, action) = match change {
        Change::Create { kind, mut resource, if_none_exist } => {
            let key = ResourceKey::new(kind, ResourceId::parse(&at.ids.uuid())?);
            adopt(&mut resource, &key, false)?;
            let unless = if_none_exist.map(|text| Condition { kind, text: text.trim_start_matches('?').to_owned() });
            (key, Action::Write { resource, precondition: Precondition::New, unless })
        }
        Change::Update { key, mut resource, if_match, only_create } => {
            adopt(&mut resource, &key, true)?;
            let precondition = match if_match {
                Some(version) => Precondition::Version(version),
                None if only_create => Precondition::Absent,
                None => Precondition::Any,
            };
            (key, Action::Write { resource, precondition, unless: None })
        }
        Change::Delete { key, if_match } => (key, Action::Delete { if_match }),
    };
    if let Action::Write { resource, .. } = &action {
        structure(resource)?;
        whole(resource)?;
    }
    Ok(Draft { key, index, full_url, action })
}

/// A part of a resource must not take the place of the whole (FHIR R4 `search.html`, 3.1.1.5.8).
fn whole(resource: &Json) -> Result<()> {
    if !is_subset(resource) {
        return Ok(());
    }
    let message = "the resource is tagged SUBSETTED: it is a part of one, which is not stored";
    let place = format!("{}.meta.tag", resource.get("resourceType").and_then(Json::as_str).unwrap_or("Resource"));
    Err(Fault::coded(Category::Unprocessable, "business-rule", message).at(place))
}

/// Adds the conditions of a draft. Conditional references exist in transactions only.
fn collect(mut draft: Draft, many: bool, found: &mut Vec<Condition>) -> Result<Draft> {
    if let Action::Write { resource, unless, .. } = &mut draft.action {
        found.extend(unless.clone().filter(|condition| !found.contains(condition)));
        if many {
            conditions(resource, found)?;
        }
    }
    Ok(draft)
}

/// Rewrites references and encodes: what is left for the Writer is to check and insert.
fn build(at: &Tenancy, mut drafts: Vec<Draft>, found: &Resolutions) -> Result<Plan> {
    let many = drafts.len() > 1 || drafts.iter().any(|draft| draft.index.is_some());
    let present = presents(&mut drafts, found)?;
    // Once more: a condition may have found a resource that another entry writes.
    each_once(&drafts)?;
    let mut targets = Targets::default();
    for draft in &drafts {
        let Some(url) = &draft.full_url else { continue };
        if !targets.insert(url, &draft.key) {
            let message = format!("the full URL \"{}\" occurs more than once", url.escape_debug());
            return Err(in_entry(Fault::coded(Category::Invalid, "duplicate", message), draft.index));
        }
    }
    let local = local_matches(at, &drafts, &present, found);
    let mut plan = Plan::default();
    for (draft, present) in drafts.into_iter().zip(present) {
        let index = draft.index;
        let step = match (present, draft.action) {
            (Some(condition), _) => Step::Present(Box::new(first(found, &condition)?)),
            (None, Action::Delete { if_match }) => Step::Delete(Delete { key: draft.key, if_match, index }),
            (None, Action::Write { mut resource, precondition, .. }) => {
                if many {
                    let select = |condition: &Condition| select(condition, found, &local);
                    rewrite(&mut resource, &targets, &select).map_err(|fault| in_entry(fault, index))?;
                }
                let mut write = encode_write(&resource, draft.key, precondition, &at.base)?;
                write.index = index;
                Step::Write(Box::new(write))
            }
        };
        plan.steps.push(step);
    }
    let mut assumptions: Vec<Assumption> = found.values().flat_map(|r| r.assumptions.iter().cloned()).collect();
    assumptions.dedup();
    plan.assumptions = assumptions;
    Ok(plan)
}

/// Which entries are not needed, because their `If-None-Exist` found a resource (or an earlier entry has the
/// same condition); these drafts then stand for what was found.
fn presents(drafts: &mut [Draft], found: &Resolutions) -> Result<Vec<Option<Condition>>> {
    let mut presents = Vec::with_capacity(drafts.len());
    let mut created: HashMap<Condition, ResourceKey> = HashMap::new();
    for draft in drafts.iter_mut() {
        let Action::Write { unless: Some(condition), .. } = &draft.action else {
            presents.push(None);
            continue;
        };
        let matches = found.get(condition).map_or(&[][..], |resolution| &resolution.matches);
        match matches {
            [] => {
                if created.insert(condition.clone(), draft.key.clone()).is_some() {
                    let message = format!("two entries create on the same condition \"{condition}\"");
                    return Err(in_entry(Fault::coded(Category::Invalid, "duplicate", message), draft.index));
                }
                presents.push(None);
            }
            [one] => {
                draft.key = one.key.clone();
                presents.push(Some(condition.clone()));
            }
            _ => return Err(in_entry(several(condition), draft.index)),
        }
    }
    Ok(presents)
}

fn several(condition: &Condition) -> Fault {
    let message = format!("the condition \"{condition}\" matches more than one resource");
    Fault::coded(Category::PreconditionFailed, "multiple-matches", message)
}

fn first(found: &Resolutions, condition: &Condition) -> Result<super::face::Stored> {
    let first = found.get(condition).and_then(|resolution| resolution.matches.first());
    first.cloned().ok_or_else(|| Fault::internal("a condition that matched is gone"))
}

/// The resources of this very transaction that conditional references select: they are looked for after
/// its writes. Values of references inside them are not yet resolved, so a condition sees all but those.
fn local_matches(
    at: &Tenancy,
    drafts: &[Draft],
    present: &[Option<Condition>],
    found: &Resolutions,
) -> HashMap<Condition, Vec<ResourceKey>> {
    let written: Vec<(&ResourceKey, &Json)> = drafts.iter().zip(present).filter_map(written).collect();
    // A Bundle may hold thousands of conditions and thousands of resources: each resource is looked at once.
    let mut holders: HashMap<(ResourceType, &str, &str), Vec<&ResourceKey>> = HashMap::new();
    for (key, resource) in &written {
        for (system, value) in crate::fhir::resource::identifiers(resource) {
            holders.entry((key.kind, system.unwrap_or_default(), value)).or_default().push(key);
        }
    }
    let values: Vec<OnceCell<Extracted>> = written.iter().map(|_| OnceCell::new()).collect();
    let updated = at.clock.now();
    let mut local = HashMap::new();
    for (condition, resolution) in found {
        let keys: Vec<ResourceKey> = match (&resolution.query, condition.identifier()) {
            (Some(query), _) => {
                let all = written.iter().zip(&values).filter(|((key, _), _)| key.kind == condition.kind);
                let selected = all.filter(|((key, resource), values)| {
                    let values = values.get_or_init(|| extract(key.kind, resource, &at.base));
                    let meta = DocMeta { key: (*key).clone(), updated };
                    query.clauses.iter().all(|clause| matches(clause, values, &meta) == Some(true))
                });
                selected.map(|((key, _), _)| (*key).clone()).collect()
            }
            (None, Some((system, value))) => {
                let held = holders.get(&(condition.kind, system.as_str(), value.as_str()));
                held.into_iter().flatten().map(|key| (*key).clone()).collect()
            }
            (None, None) => Vec::new(),
        };
        local.insert(condition.clone(), keys);
    }
    local
}

/// Key and body of a draft that will be written.
fn written<'a>((draft, present): (&'a Draft, &Option<Condition>)) -> Option<(&'a ResourceKey, &'a Json)> {
    match &draft.action {
        Action::Write { resource, .. } if present.is_none() => Some((&draft.key, resource)),
        _ => None,
    }
}

/// The one resource that a conditional reference means.
fn select(
    condition: &Condition,
    found: &Resolutions,
    local: &HashMap<Condition, Vec<ResourceKey>>,
) -> Result<ResourceKey> {
    let stored = found.get(condition).map_or(&[][..], |resolution| &resolution.matches);
    let here = local.get(condition).map_or(&[][..], Vec::as_slice);
    let mut keys: Vec<&ResourceKey> = stored.iter().map(|stored| &stored.key).chain(here).collect();
    keys.sort_unstable();
    keys.dedup();
    match keys.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let message = format!("the conditional reference \"{condition}\" matches no resource");
            Err(Fault::coded(Category::PreconditionFailed, "not-found", message))
        }
        _ => Err(several(condition)),
    }
}
