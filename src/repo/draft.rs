//! Drafts: the entries of a transaction, each checked on its own, before anything is looked up.

use std::collections::HashMap;
use std::sync::Arc;

use super::conditional::Condition;
use super::face::{Change, IfMatch, Which, WriteEntry};
use super::params;
use super::plan::{Precondition, adopt, in_entry, of_kind};
use super::references::conditions;
use super::tenancy::Tenancy;
use super::validity::{checked, is_light};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::json::Json;
use crate::fhir::patch::Patch;
use crate::fhir::resource;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// A checked entry: structure valid, references not yet rewritten.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) index: Option<usize>,
    pub(super) full_url: Option<String>,
    pub(super) action: Action,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Create under a new id, unless the condition finds something.
    Create { key: ResourceKey, resource: Json, unless: Option<Condition> },
    /// Update what is meant.
    Update { target: Target, resource: Json, precondition: Precondition },
    /// Patch what is meant.
    Patch { target: Target, patch: Arc<Patch>, if_match: Option<IfMatch> },
    /// Delete what is meant.
    Delete { target: Target, if_match: Option<IfMatch> },
}

/// Which resource is meant.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// This one.
    Key(ResourceKey),
    /// The one that the condition finds. `own`: the id in the body. `new`: the id if it has none and nothing is found.
    Found { condition: Condition, own: Option<ResourceId>, new: ResourceKey },
}

/// A transaction that has been checked, and the conditions in it with the most matches that matter.
#[derive(Debug)]
pub(super) struct Drafts {
    pub(super) entries: Vec<Draft>,
    pub(super) conditions: Conditions,
    /// Whether SearchParameters are written.
    pub(super) defines: bool,
    /// Whether resources refer to versions.
    pub(super) names_versions: bool,
}

/// A condition, and what is wanted of it.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) condition: Condition,
    /// How many matches it takes to tell.
    pub(super) most: usize,
    /// Whether it also means resources of the transaction itself; an `If-None-Exist` does not.
    pub(super) is_local: bool,
}

/// Conditions, each once.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    list: Vec<Needed>,
    places: HashMap<Condition, usize>,
}

impl Conditions {
    /// Adds one.
    fn add(&mut self, condition: &Condition, most: usize, is_local: bool) {
        if let Some(place) = self.places.get(condition) {
            let known = &mut self.list[*place];
            known.most = most.max(known.most);
            known.is_local |= is_local;
            return;
        }
        self.places.insert(condition.clone(), self.list.len());
        self.list.push(Needed { condition: condition.clone(), most, is_local });
    }

    /// All of them, in the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Needed> {
        self.list.iter()
    }
}

impl Drafts {
    /// Whether anything must be looked up.
    pub(super) fn is_plain(&self) -> bool {
        let is_patch = |draft: &Draft| matches!(draft.action, Action::Patch { .. });
        let is_known = self.conditions.list.is_empty() && !self.defines && !self.names_versions;
        is_known && !self.entries.iter().any(is_patch)
    }

    /// Where resources refer to versions: what is updated or patched by id.
    pub(super) fn versioned(&self) -> Vec<ResourceKey> {
        let key = |draft: &Draft| match &draft.action {
            Action::Patch { target: Target::Key(key), .. } | Action::Update { target: Target::Key(key), .. } => {
                Some(key.clone())
            }
            _ => None,
        };
        self.entries.iter().filter(|_| self.names_versions).filter_map(key).collect()
    }

    /// The resources that are patched by id.
    pub(super) fn patched(&self) -> Vec<ResourceKey> {
        let key = |draft: &Draft| match &draft.action {
            Action::Patch { target: Target::Key(key), .. } => Some(key.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(key).collect()
    }
}

/// Most issues of a refused transaction.
const ISSUES: usize = 200;

/// Whether entries are checked in no time.
pub(super) fn are_light(entries: &[WriteEntry]) -> bool {
    entries.iter().all(|entry| match &entry.change {
        Change::Create { resource, .. } | Change::Update { resource, .. } => is_light(resource),
        Change::Patch { .. } | Change::Delete { .. } => true,
    })
}

/// Checks every entry on its own, assigns ids, and collects the conditions.
pub(super) fn check(at: &Tenancy, entries: Vec<WriteEntry>) -> Result<Drafts> {
    let many = is_many(entries.iter().map(|entry| entry.index));
    let mut drafts = Drafts {
        defines: entries.iter().any(|entry| defines(&entry.change)),
        entries: Vec::with_capacity(entries.len()),
        conditions: Conditions::default(),
        names_versions: false,
    };
    let mut issues: Vec<Issue> = Vec::new();
    let mut category = Category::Invalid;
    for entry in entries {
        let index = entry.index;
        match draft(at, entry).and_then(|draft| collect(at, draft, many, &mut drafts)) {
            Ok(draft) => drafts.entries.push(draft),
            Err(fault) => {
                let fault = in_entry(fault, index);
                category = fault.category();
                issues.extend_from_slice(fault.issues());
                if issues.len() >= ISSUES {
                    let text = format!(
                        "only the first {ISSUES} issues are shown; what comes after this entry was not checked"
                    );
                    issues.truncate(ISSUES);
                    issues.push(Issue::information(text));
                    break;
                }
            }
        }
    }
    if issues.is_empty() { Ok(drafts) } else { Err(Fault::of(category, issues)) }
}

/// Whether it writes or deletes a SearchParameter.
fn defines(change: &Change) -> bool {
    let kind = match change {
        Change::Create { kind, .. } => kind,
        Change::Update { which, .. } | Change::Patch { which, .. } | Change::Delete { which, .. } => match which {
            Which::Key(key) => &key.kind,
            Which::Found { kind, .. } => kind,
        },
    };
    *kind == *params::KIND
}

/// Whether entries are those of a transaction; a single write has no place.
pub(super) fn is_many(mut indices: impl ExactSizeIterator<Item = Option<usize>>) -> bool {
    indices.len() > 1 || indices.any(|index| index.is_some())
}

fn draft(at: &Tenancy, entry: WriteEntry) -> Result<Draft> {
    let WriteEntry { index, full_url, change } = entry;
    let action = match change {
        Change::Create { kind, mut resource, if_none_exist } => {
            let key = fresh(at, kind)?;
            of_kind(&resource, kind)?;
            checked(at, &resource)?;
            adopt(&mut resource, &key, false)?;
            let unless = if_none_exist.map(|text| Condition::new(kind, &text));
            Action::Create { key, resource, unless }
        }
        Change::Update { which, mut resource, if_match, if_none_match } => {
            let target = target(at, which, Some(&resource))?;
            match &target {
                Target::Key(key) => of_kind(&resource, key.kind)?,
                Target::Found { condition, .. } => of_kind(&resource, condition.kind)?,
            }
            checked(at, &resource)?;
            match &target {
                Target::Key(key) => adopt(&mut resource, key, true)?,
                Target::Found { .. } => resource::strip_version(&mut resource),
            }
            let precondition = match (if_match, if_none_match) {
                (Some(wanted), _) => Precondition::Match(wanted),
                (None, Some(unwanted)) => Precondition::NoneMatch(unwanted),
                (None, None) => Precondition::Any,
            };
            Action::Update { target, resource, precondition }
        }
        Change::Patch { which, patch, if_match } => Action::Patch { target: target(at, which, None)?, patch, if_match },
        Change::Delete { which, if_match } => Action::Delete { target: target(at, which, None)?, if_match },
    };
    Ok(Draft { index, full_url, action })
}

fn fresh(at: &Tenancy, kind: ResourceType) -> Result<ResourceKey> {
    Ok(ResourceKey::new(kind, ResourceId::parse(&at.ids.uuid())?))
}

fn target(at: &Tenancy, which: Which, body: Option<&Json>) -> Result<Target> {
    let (kind, query) = match which {
        Which::Key(key) => return Ok(Target::Key(key)),
        Which::Found { kind, query } => (kind, query),
    };
    let own = match body.and_then(|body| body.get("id")) {
        Some(Json::String(id)) => Some(ResourceId::parse(id).map_err(|fault| fault.at(format!("{kind}.id")))?),
        // Anything else is a fault of its structure.
        _ => None,
    };
    Ok(Target::Found { condition: Condition::new(kind, &query), own, new: fresh(at, kind)? })
}

/// Adds the conditions of a draft. Conditional references exist in transactions only.
fn collect(at: &Tenancy, mut draft: Draft, many: bool, drafts: &mut Drafts) -> Result<Draft> {
    let found = &mut drafts.conditions;
    let several = if at.rest.delete_multiple { at.limits.bundle_entries + 1 } else { 2 };
    match &draft.action {
        Action::Create { unless: Some(condition), .. } => found.add(condition, 2, false),
        Action::Delete { target: Target::Found { condition, .. }, .. } => found.add(condition, several, false),
        Action::Update { target: Target::Found { condition, .. }, .. }
        | Action::Patch { target: Target::Found { condition, .. }, .. } => found.add(condition, 2, true),
        _ => {}
    }
    if let Action::Create { resource, .. } | Action::Update { resource, .. } = &mut draft.action
        && many
    {
        let mut inner = Vec::new();
        drafts.names_versions |= conditions(resource, &mut inner)?;
        inner.iter().for_each(|condition| found.add(condition, 2, true));
    }
    Ok(draft)
}
