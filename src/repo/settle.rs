//! Settling: which resource each entry means, once the conditions are looked up, and what is to be done with it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::conditional::{Condition, Resolution};
use super::draft::{Action, Draft, Target};
use super::face::{IfMatch, Stored};
use super::plan::{Assumption, Precondition, in_entry};
use super::read::gone;
use super::tenancy::Tenancy;
use super::validity::checked;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::json::{self, Json};
use crate::fhir::patch::{Patch, PatchBounds};
use crate::fhir::resource;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::matches::{DocMeta, matches};
use crate::search::value::Extracted;

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the conditions select.
    pub(super) conditions: HashMap<Condition, Resolution>,
    /// The resources that are patched by id.
    pub(super) patched: HashMap<ResourceKey, Stored>,
    /// Where resources refer to versions: what is updated or patched by id, as it is.
    pub(super) current: HashMap<ResourceKey, Known>,
    /// Where in the log the search parameters stood, when any are written.
    pub(super) defined: Seq,
}

/// The current version of a resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// 0: there never was one.
    pub(super) version: i64,
    /// The digest of its content; none when it is deleted, or never was.
    pub(super) digest: Option<u128>,
}

impl Found {
    fn of(&self, condition: &Condition) -> &[Stored] {
        self.conditions.get(condition).map_or(&[], |resolution| &resolution.matches)
    }
}

/// An entry whose resource is known.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) index: Option<usize>,
    pub(super) full_url: Option<String>,
    pub(super) work: Work,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    /// A new version.
    Write(Version),
    /// Nothing: `If-None-Exist` found this one.
    Present(Box<Stored>),
    /// Deletions.
    Delete(Vec<ResourceKey>, Option<IfMatch>),
}

/// A new version.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) key: ResourceKey,
    pub(super) resource: Json,
    pub(super) precondition: Precondition,
    pub(super) may_create: bool,
    /// The condition that found the resource, or nothing.
    by: Option<Condition>,
    /// Whether that was an `If-None-Exist`.
    is_create: bool,
    /// For a patch: the version that was patched.
    pub(super) base: Option<i64>,
}

impl Version {
    fn is_new(&self) -> bool {
        matches!(self.precondition, Precondition::New | Precondition::Unused)
    }

    /// What must still be true at the commit.
    pub(super) fn assumption(&self) -> Option<Assumption> {
        self.base.map(|version| Assumption::Current { key: self.key.clone(), version })
    }
}

impl Settled {
    /// The resources that it touches or stands for.
    pub(super) fn keys(&self) -> &[ResourceKey] {
        match &self.work {
            Work::Write(version) => std::slice::from_ref(&version.key),
            Work::Present(stored) => std::slice::from_ref(&stored.key),
            Work::Delete(keys, _) => keys,
        }
    }

    /// Takes the resource out, which leaves nothing in its place.
    pub(super) fn take_resource(&mut self) -> Option<Json> {
        match &mut self.work {
            Work::Write(version) => Some(std::mem::replace(&mut version.resource, Json::Null)),
            _ => None,
        }
    }

    /// Puts it back.
    pub(super) fn put_resource(&mut self, resource: Option<Json>) {
        if let (Work::Write(version), Some(resource)) = (&mut self.work, resource) {
            version.resource = resource;
        }
    }

    fn version(&self) -> Option<&Version> {
        match &self.work {
            Work::Write(version) => Some(version),
            _ => None,
        }
    }
}

/// Settles every entry.
///
/// # Errors
/// What FHIR says about no match and several; 400 when a resource is meant twice.
pub(super) fn settle(at: &Tenancy, drafts: Vec<Draft>, found: &Found) -> Result<Vec<Settled>> {
    let mut settled = Vec::with_capacity(drafts.len());
    let mut created: HashSet<Condition> = HashSet::new();
    for draft in drafts {
        let Draft { index, full_url, action } = draft;
        let work = work(at, action, found).map_err(|fault| in_entry(fault, index))?;
        if let Work::Write(Version { by: Some(condition), precondition: Precondition::New, .. }) = &work
            && !created.insert(condition.clone())
        {
            let message = format!("two entries create on the same condition \"{condition}\"");
            return Err(in_entry(Fault::coded(Category::Invalid, "duplicate", message), index));
        }
        settled.push(Settled { index, full_url, work });
    }
    each_once(&settled)?;
    Ok(settled)
}

fn work(at: &Tenancy, action: Action, found: &Found) -> Result<Work> {
    let may_create = at.rest.update_create;
    match action {
        Action::Create { key, resource, unless } => match unless.as_ref().map_or(&[][..], |c| found.of(c)) {
            [] => {
                let precondition = Precondition::New;
                let version =
                    Version { key, resource, precondition, may_create: true, by: unless, is_create: true, base: None };
                Ok(Work::Write(version))
            }
            [one] => Ok(Work::Present(Box::new(one.clone()))),
            _ => Err(several(unless.as_ref())),
        },
        Action::Update { target: Target::Key(key), resource, precondition } => {
            Ok(Work::Write(Version { key, resource, precondition, may_create, by: None, is_create: false, base: None }))
        }
        Action::Update { target: Target::Found { condition, own, new }, resource, precondition } => {
            let (key, precondition, may_create) = match (found.of(&condition), own) {
                ([], _) if matches!(precondition, Precondition::Match(_)) => return Err(nothing(&condition)),
                ([], None) => (new, Precondition::New, true),
                ([], Some(id)) => (ResourceKey::new(new.kind, id), Precondition::Unused, may_create),
                ([one], Some(id)) if one.key.id != id => return Err(other_id(&condition, &one.key)),
                ([one], _) => (one.key.clone(), precondition, true),
                _ => return Err(several(Some(&condition))),
            };
            let mut resource = resource;
            // With or without an id in the body, the same content is the same.
            resource.as_object_mut().map(|object| object.remove("id"));
            resource::set_id(&mut resource, key.id.as_str());
            let by = Some(condition);
            Ok(Work::Write(Version { key, resource, precondition, may_create, by, is_create: false, base: None }))
        }
        Action::Patch { target, patch, if_match } => patched(at, &target, &patch, if_match, found).map(Work::Write),
        Action::Delete { target: Target::Key(key), if_match } => Ok(Work::Delete(vec![key], if_match)),
        Action::Delete { target: Target::Found { condition, .. }, if_match } => {
            delete(at, found.of(&condition), &condition, if_match)
        }
    }
}

fn delete(at: &Tenancy, found: &[Stored], condition: &Condition, if_match: Option<IfMatch>) -> Result<Work> {
    let most = at.limits.bundle_entries;
    match found {
        [] if if_match.is_some() => return Err(nothing(condition)),
        [] | [_] => {}
        _ if !at.rest.delete_multiple || if_match.is_some() => return Err(several(Some(condition))),
        many if many.len() > most => {
            let message = format!("the condition \"{condition}\" matches more than {most} resources");
            return Err(Fault::coded(Category::TooLarge, "too-costly", message));
        }
        _ => {}
    }
    Ok(Work::Delete(found.iter().map(|stored| stored.key.clone()).collect(), if_match))
}

/// Applies a patch to the version that was looked up.
fn patched(at: &Tenancy, target: &Target, patch: &Patch, if_match: Option<IfMatch>, found: &Found) -> Result<Version> {
    let (stored, by) = match target {
        Target::Key(key) => {
            let unknown = || Fault::not_found(format!("{key} is not known"));
            (found.patched.get(key).ok_or_else(unknown)?, None)
        }
        Target::Found { condition, .. } => match found.of(condition) {
            [] => return Err(Fault::not_found(format!("the condition \"{condition}\" matches no resource"))),
            [one] => (one, Some(condition.clone())),
            _ => return Err(several(Some(condition))),
        },
    };
    let key = stored.key.clone();
    let body = stored.body.as_ref().ok_or_else(|| gone(&key, stored.version, stored.updated))?;
    if if_match.is_some_and(|wanted| !wanted.has(stored.version)) {
        let message = format!("{key} has version {}, none that If-Match names", stored.version);
        return Err(Fault::new(Category::PreconditionFailed, message));
    }
    let mut resource = patch.apply(json::parse_stored(body)?, PatchBounds::from(&*at.limits), at.clock.now())?;
    checked(at, &resource)?;
    resource::strip_version(&mut resource);
    let base = Some(stored.version);
    let precondition = Precondition::Any;
    Ok(Version { key, resource, precondition, may_create: true, by, is_create: false, base })
}

/// A resource may occur in a transaction once only, by its identity (`http.html`, 3.1.0.11.2).
fn each_once(settled: &[Settled]) -> Result<()> {
    let mut seen = HashSet::with_capacity(settled.len());
    for entry in settled {
        if let Some(again) = entry.keys().iter().find(|key| !seen.insert(*key)) {
            return Err(twice(again, entry.index));
        }
    }
    Ok(())
}

fn twice(key: &ResourceKey, index: Option<usize>) -> Fault {
    let message = format!("{key} occurs more than once in the transaction");
    in_entry(Fault::coded(Category::Invalid, "duplicate", message), index)
}

fn several(condition: Option<&Condition>) -> Fault {
    let shown = condition.map(ToString::to_string).unwrap_or_default();
    let message = format!("the condition \"{shown}\" matches more than one resource");
    Fault::coded(Category::PreconditionFailed, "multiple-matches", message)
}

fn nothing(condition: &Condition) -> Fault {
    let message = format!("the condition \"{condition}\" matches no resource, so none has the version of If-Match");
    Fault::new(Category::PreconditionFailed, message)
}

fn other_id(condition: &Condition, key: &ResourceKey) -> Fault {
    let message = format!("the condition \"{condition}\" matches {key}, the body has another id");
    Fault::coded(Category::Invalid, "invariant", message).at(format!("{}.id", key.kind))
}

/// How many pairs of a condition and a resource one transaction may try: a second's work or two.
const PAIRS: usize = 4_000_000;

/// Each condition that is no identifier is tried on each resource of its type.
fn bounded(written: &[&Version], found: &Found) -> Result<()> {
    let mut kinds: HashMap<ResourceType, (usize, usize)> = HashMap::new();
    for (condition, _) in found.conditions.iter().filter(|(_, resolution)| resolution.query.is_some()) {
        kinds.entry(condition.kind).or_default().0 += 1;
    }
    written.iter().for_each(|version| kinds.entry(version.key.kind).or_default().1 += 1);
    let over = kinds.iter().find(|(_, (conditions, resources))| conditions.saturating_mul(*resources) > PAIRS);
    let Some((kind, (conditions, resources))) = over else { return Ok(()) };
    let message = format!(
        "{conditions} conditions that are not one identifier with its system cannot be tried on {resources} resources of type \
         {kind} in one transaction; make it smaller, or use identifiers"
    );
    Err(Fault::coded(Category::TooLarge, "too-costly", message))
}

/// The resources of this very transaction that the conditions select.
#[derive(Debug)]
pub(super) struct Local(HashMap<Condition, Vec<ResourceKey>>);

impl Local {
    /// Looks for them among the writes. Values of references inside them are not yet resolved, so a condition sees all
    /// but those.
    ///
    /// # Errors
    /// 413 for more searches of more resources than can be tried in a moment.
    pub(super) fn find(at: &Tenancy, settled: &[Settled], found: &Found) -> Result<Self> {
        let written: Vec<&Version> = settled.iter().filter_map(Settled::version).collect();
        bounded(&written, found)?;
        // A Bundle may hold thousands of conditions and thousands of resources: each resource is looked at once.
        let mut holders: HashMap<(ResourceType, &str, &str), Vec<&ResourceKey>> = HashMap::new();
        for Version { key, resource, .. } in &written {
            for (system, value) in resource::identifiers(resource) {
                holders.entry((key.kind, system.unwrap_or_default(), value)).or_default().push(key);
            }
        }
        let values: Vec<OnceCell<Extracted>> = written.iter().map(|_| OnceCell::new()).collect();
        let (updated, set) = (at.clock.now(), at.params.set());
        let mut local = HashMap::new();
        for (condition, resolution) in &found.conditions {
            let keys: Vec<ResourceKey> = match (&resolution.query, condition.identifier()) {
                (Some(query), _) => {
                    let all = written.iter().zip(&values).filter(|(version, _)| version.key.kind == condition.kind);
                    let selected = all.filter(|(Version { key, resource, .. }, values)| {
                        let values = values.get_or_init(|| set.extract(key.kind, resource, &at.base));
                        let meta = DocMeta { key: key.clone(), updated };
                        query.clauses.iter().all(|clause| matches(clause, values, &meta) == Some(true))
                    });
                    selected.map(|(version, _)| version.key.clone()).collect()
                }
                (None, Some((system, value))) => {
                    let held = holders.get(&(condition.kind, system.as_str(), value.as_str()));
                    held.into_iter().flatten().map(|key| (*key).clone()).collect()
                }
                (None, None) => Vec::new(),
            };
            local.insert(condition.clone(), keys);
        }
        Ok(Self(local))
    }

    fn of(&self, condition: &Condition) -> &[ResourceKey] {
        self.0.get(condition).map_or(&[], Vec::as_slice)
    }

    /// A conditional update or patch comes after the creates, and so would find what they make: the identities overlap
    /// (`http.html`, 3.1.0.11.2).
    ///
    /// # Errors
    /// 400 then.
    pub(super) fn overlap(&self, settled: &[Settled]) -> Result<()> {
        let new: HashSet<&ResourceKey> =
            settled.iter().filter_map(Settled::version).filter(|v| v.is_new()).map(|v| &v.key).collect();
        for entry in settled {
            let Some(version) = entry.version() else { continue };
            let Some(condition) = version.by.as_ref().filter(|_| !version.is_create) else { continue };
            let other = self.of(condition).iter().find(|key| **key != version.key && new.contains(key));
            if let Some(other) = other {
                return Err(twice(other, entry.index));
            }
        }
        Ok(())
    }

    /// The one resource that a conditional reference means, in the store or in the transaction.
    ///
    /// # Errors
    /// 412 for none and for several.
    pub(super) fn select(&self, condition: &Condition, found: &Found) -> Result<ResourceKey> {
        let stored = found.of(condition).iter().map(|stored| &stored.key);
        let mut keys: Vec<&ResourceKey> = stored.chain(self.of(condition)).collect();
        keys.sort_unstable();
        keys.dedup();
        match keys.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let message = format!("the conditional reference \"{condition}\" matches no resource");
                Err(Fault::coded(Category::PreconditionFailed, "not-found", message))
            }
            _ => Err(several(Some(condition))),
        }
    }
}
