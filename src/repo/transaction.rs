//! Transactions: all changes or none (FHIR R4 `http.html`, 3.1.0.11). A single write is a transaction of one.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tracing::Instrument;

use super::conditional::{Condition, resolve};
use super::digest::digest;
use super::draft::{Action, Draft, Drafts, Needed, Target, are_light, check, is_many};
use super::face::{Existing, WriteEntry, Written};
use super::foreseen::foresee;
use super::integrity::targets as targets_of;
use super::own;
use super::params;
use super::plan::{Assumption, Delete, Plan, Precondition, Step, encode_write, in_entry};
use super::read::stored;
use super::references::{Targets, rewrite, root};
use super::search;
use super::settle::{Found, Known, Local, Settled, Version, Work as Done, settle};
use super::tenancy::Tenancy;
use super::worker::blocking;
use super::writer::{Verdict, Work};
use crate::base::fault::{Category, Fault, Result};
use crate::base::traces::span;
use crate::fhir::json::{Json, parse_stored};
use crate::store::{VersionKind, VersionRow, body};

/// Resources to be patched that are read at a time.
const PIECE: usize = 200;
/// Plans beyond this many resources, and those of large ones, are made in a thread for CPU work.
const INLINE: usize = 4;
/// How often a plan is made again before it is made under the Writer's lock.
const ATTEMPTS: usize = 4;

/// Does all the changes, or none.
pub(super) async fn transaction(at: &Arc<Tenancy>, entries: Vec<WriteEntry>) -> Result<Vec<Written>> {
    let checking = at.clone();
    let small = entries.len() <= INLINE && are_light(&entries);
    let drafts = run(small, move || check(&checking, entries)).instrument(span!("check")).await?;
    if drafts.is_plain() {
        let planning = at.clone();
        let planned = run(small, move || build(&planning, drafts.entries, &Found::default()));
        let plan = planned.instrument(span!("plan")).await?;
        return match at.writer.submit(Work::Ready(plan)).await? {
            Verdict::Done(written) => Ok(in_effect(at, false, written).await),
            _ => Err(Fault::internal("a plan without conditions went stale")),
        };
    }
    let drafts = Arc::new(drafts);
    for _ in 0..ATTEMPTS {
        let plan = plan(at, &drafts).instrument(span!("plan")).await?;
        if plan.rows() == 0 {
            return Ok(plan.steps.into_iter().map(present).collect());
        }
        if let Verdict::Done(written) = at.writer.submit(Work::Ready(plan)).await? {
            return Ok(in_effect(at, waits(&drafts), written).await);
        }
    }
    let (here, last) = (at.clone(), drafts.clone());
    let serial = Work::Serial(Box::new(move || Box::pin(async move { plan(&here, &last).await })));
    match at.writer.submit(serial).await? {
        Verdict::Done(written) => Ok(in_effect(at, waits(&drafts), written).await),
        _ => Err(Fault::internal("a plan made under the lock went stale")),
    }
}

/// Whether what was written is only known to have taken effect when the log was followed: search parameters, and what a
/// conditional delete took, which is not told.
fn waits(drafts: &Drafts) -> bool {
    let is_unsaid = |draft: &Draft| match &draft.action {
        Action::Delete { target: Target::Found { condition, .. }, .. } => own::defines(condition.kind),
        _ => false,
    };
    drafts.defines || drafts.entries.iter().any(is_unsaid)
}

/// What was written, once the definitions in it have taken effect on this node. An index that lags behind does not make the
/// write undone.
async fn in_effect(at: &Tenancy, waits: bool, written: Vec<Written>) -> Vec<Written> {
    let stored = written.iter().filter_map(|written| written.stored.as_ref());
    stored.filter(|stored| own::defines(stored.key.kind)).for_each(|stored| at.own.wrote(stored));
    if waits && let Err(fault) = at.visibility.wait(at.feed.head()).await {
        tracing::warn!(%fault, "a search parameter is stored and will take effect later");
    }
    written
}

/// The SearchParameters that are written.
fn definitions(settled: &[Settled]) -> Vec<params::Written<'_>> {
    let written = settled.iter().filter_map(|entry| match &entry.work {
        Done::Write(Version { key, resource, .. }) if key.kind == *params::KIND => {
            Some(params::Written { key, resource, index: entry.index })
        }
        _ => None,
    });
    written.collect()
}

/// What a step comes to that writes nothing.
fn present(step: Step) -> Written {
    match step {
        Step::Present(stored) => Written { existing: Existing::Unchanged, stored: Some(*stored) },
        Step::Write(_) | Step::Delete(_) => Written { existing: Existing::Absent, stored: None },
    }
}

async fn run<T: Send + 'static>(small: bool, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if small { work() } else { blocking(work).await }
}

/// Looks up what the drafts depend on and builds the plan.
pub(super) async fn plan(at: &Arc<Tenancy>, drafts: &Arc<Drafts>) -> Result<Plan> {
    let mut found = Found::default();
    if drafts.defines {
        // Other definitions are known then, up to a position of the log that is read before they are.
        search::fresh(at).await?;
        found.defined = at.params.position();
    }
    let needed = drafts.conditions.iter().map(|needed| (&needed.condition, needed.most));
    found.conditions = resolve(at, needed).await?;
    // What is wanted of the store only is not tried on the transaction itself.
    for Needed { condition, .. } in drafts.conditions.iter().filter(|needed| !needed.is_local) {
        if let Some(resolution) = found.conditions.get_mut(condition) {
            resolution.query = None;
        }
    }
    let mut size = 0;
    for piece in drafts.patched().chunks(PIECE) {
        for (key, row) in at.store.read_many(at.tenant, piece).await? {
            if row.kind != VersionKind::Expunged {
                let stored = stored(row)?;
                size += stored.body.as_ref().map_or(0, Bytes::len);
                small(at, size)?;
                found.patched.insert(key, stored);
            }
        }
    }
    for piece in drafts.versioned().chunks(PIECE) {
        let rows = at.store.read_many(at.tenant, piece).await?;
        for key in piece {
            let known = rows.get(key).map(known).transpose()?;
            found.current.insert(key.clone(), known.unwrap_or(Known { version: 0, digest: None }));
        }
    }
    let (here, drafts) = (at.clone(), drafts.clone());
    // The drafts stay as they are: the plan may have to be made again.
    blocking(move || build(&here, drafts.entries.clone(), &found)).await
}

/// The version of a row, and the digest of its content.
fn known(row: &VersionRow) -> Result<Known> {
    let content = row.body.as_deref().map(|stored| parse_stored(&body::content(stored)?)).transpose()?;
    Ok(Known { version: row.version, digest: content.as_ref().map(digest) })
}

/// Refuses patches of resources that are together larger than a request with all of them could be.
fn small(at: &Tenancy, size: usize) -> Result<()> {
    let most = at.limits.body_bytes;
    if size <= most {
        return Ok(());
    }
    let message = format!("the resources that this transaction patches have together more than {most} bytes");
    Err(Fault::coded(Category::TooLarge, "too-costly", message))
}

/// The version that an entry leads to, where it is known before the commit.
fn version_of(work: &Done) -> Option<i64> {
    match work {
        Done::Present(stored) => Some(stored.version),
        Done::Write(version) if version.precondition == Precondition::New => Some(1),
        Done::Write(_) | Done::Delete(..) => None,
    }
}

/// Rewrites references and encodes: what is left for the Writer is to check and insert.
fn build(at: &Tenancy, drafts: Vec<Draft>, found: &Found) -> Result<Plan> {
    let many = is_many(drafts.iter().map(|draft| draft.index));
    let settled = settle(at, drafts, found)?;
    let mut targets = Targets::default();
    for entry in &settled {
        let (Some(url), [key]) = (&entry.full_url, entry.keys()) else { continue };
        if !targets.insert(url, key, version_of(&entry.work)) {
            let message = format!("the full URL \"{}\" occurs more than once", url.escape_debug());
            return Err(in_entry(Fault::coded(Category::Invalid, "duplicate", message), entry.index));
        }
    }
    let mut assumptions: Vec<Assumption> =
        found.conditions.values().flat_map(|resolution| resolution.assumptions.iter().cloned()).collect();
    if at.params.check(&definitions(&settled), at.limits.search_params)? {
        assumptions.push(Assumption::Unchanged { kind: *params::KIND, since: found.defined });
    }
    // Thousands of searches assume the same.
    let mut seen = HashSet::with_capacity(assumptions.len());
    assumptions.retain(|assumption| seen.insert(assumption.clone()));
    let local = Local::find(at, &settled, found)?;
    local.overlap(&settled)?;
    let references = |entry: &Settled, targets: &Targets, resource: &mut Json| {
        let is_patched = matches!(&entry.work, Done::Write(version) if version.base.is_some());
        let select = |condition: &Condition| match found.conditions.contains_key(condition) {
            // It stood in the resource before, where it is plain text.
            false if is_patched => Ok(None),
            _ => local.select(condition, found).map(Some),
        };
        let root = entry.full_url.as_deref().and_then(root);
        rewrite(resource, targets, root, &select).map_err(|fault| in_entry(fault, entry.index))
    };
    if !found.current.is_empty() {
        assumptions.extend(foresee(&settled, found, &mut targets, &references)?);
    }
    let mut plan = Plan::default();
    let set = at.params.set();
    for mut entry in settled {
        if many {
            // Taken out meanwhile: what is asked of the entry is not its resource.
            let mut resource = entry.take_resource();
            if let Some(resource) = &mut resource {
                references(&entry, &targets, resource)?;
            }
            entry.put_resource(resource);
        }
        let index = entry.index;
        let step = match entry.work {
            Done::Present(stored) => Step::Present(stored),
            Done::Delete(keys, if_match) => {
                let one = |key| Delete { key, if_match: if_match.clone(), index };
                Step::Delete(keys.into_iter().map(one).collect())
            }
            Done::Write(mut version) => {
                assumptions.extend(version.assumption());
                let mut write = encode_write(&version.resource, version.key, version.precondition, &set, &at.base)?;
                (write.index, write.may_create) = (index, version.may_create);
                if at.rest.referential_integrity {
                    write.references = targets_of(&mut version.resource, &at.base)?;
                }
                Step::Write(Box::new(write))
            }
        };
        plan.steps.push(step);
    }
    plan.assumptions = assumptions;
    Ok(plan)
}
