//! The search parameters of a tenant on this node: they follow the log, a little ahead of the index.
//!
//! Invariant: everything up to [`Params::position`] in the log is in the set. It may be ahead of what the index has
//! applied, never behind, so a resource is never indexed without a parameter that came before it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::feed::FeedEntry;
use super::plan::in_entry;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::json::{self, Json};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::params::{Definition, Definitions, Effect, ParamSet};
use crate::store::{Store, VersionRow, body};

/// Definitions that are read at a time.
const PIECE: usize = 500;

/// What the sources of the definitions of packages begin with.
const PACKAGE: &str = "package ";

/// `SearchParameter`
pub(super) static KIND: LazyLock<ResourceType> =
    LazyLock::new(|| ResourceType::find("SearchParameter").expect("FHIR R4 has search parameters"));

/// See the module.
#[derive(Debug)]
pub(super) struct Params {
    state: RwLock<State>,
    position: AtomicI64,
    /// Packages have changed the set since the follower looked.
    shifted: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    definitions: Definitions,
    set: Arc<ParamSet>,
}

impl State {
    fn of(definitions: Definitions) -> Self {
        let set = Arc::new(definitions.build());
        Self { definitions, set }
    }
}

/// A SearchParameter that is about to be written, with its entry.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) key: &'a ResourceKey,
    pub(super) resource: &'a Json,
    pub(super) index: Option<usize>,
}

impl Params {
    /// What is defined now.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn load(store: &Store, tenant: Tenant) -> Result<Self> {
        let mut definitions = Definitions::default();
        let mut snapshot = store.snapshot(tenant).await?;
        let (position, mut after) = (snapshot.head().seq, None);
        loop {
            let rows = snapshot.current(*KIND, after.as_ref(), PIECE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.id.clone());
            for row in &rows {
                definitions.set(&row.key.to_string(), resource(row)?.as_ref());
            }
        }
        let (state, position) = (RwLock::new(State::of(definitions)), AtomicI64::new(position.0));
        Ok(Self { state, position, shifted: AtomicBool::new(false) })
    }

    /// The parameters.
    pub(super) fn set(&self) -> Arc<ParamSet> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).set.clone()
    }

    /// Up to where in the log all definitions are in the set.
    pub(super) fn position(&self) -> Seq {
        Seq(self.position.load(Ordering::Acquire))
    }

    /// Puts the definitions of packages in the place of those that were there before; whether the set has changed.
    pub(super) fn take_packages(&self, new: &[(String, Json)]) -> bool {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut definitions = state.definitions.clone();
        let old: Vec<Box<str>> =
            definitions.sources().filter(|name| name.starts_with(PACKAGE)).map(Into::into).collect();
        if old.is_empty() && new.is_empty() {
            return false;
        }
        old.iter().for_each(|source| _ = definitions.set(source, None));
        new.iter().for_each(|(source, json)| _ = definitions.set(source, Some(json)));
        let next = State::of(definitions);
        let changed = next.set.fingerprint() != state.set.fingerprint();
        *state = next;
        if changed {
            self.shifted.store(true, Ordering::Release);
        }
        changed
    }

    /// Whether packages have changed the set since this was asked last.
    pub(super) fn has_shifted(&self) -> bool {
        self.shifted.load(Ordering::Acquire) && self.shifted.swap(false, Ordering::AcqRel)
    }

    /// Takes in what entries of the log define, before the index gets them; whether the set has changed.
    ///
    /// # Errors
    /// 503 or 500 from the database; nothing is taken in then.
    pub(super) async fn follow(&self, store: &Store, tenant: Tenant, entries: &[FeedEntry]) -> Result<bool> {
        let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(false) };
        let known = self.position();
        // Of several versions of one definition the last is what counts.
        let new = entries.iter().filter(|entry| entry.seq > known && entry.key.kind == *KIND);
        let new: HashMap<&ResourceKey, Seq> = new.map(|entry| (&entry.key, entry.seq)).collect();
        let mut changed = false;
        if !new.is_empty() {
            let seqs: Vec<Seq> = new.values().copied().collect();
            let rows = store.by_seqs(tenant, &seqs).await?;
            let read = rows.iter().map(|row| Ok((row.key.to_string(), resource(row)?))).collect::<Result<Vec<_>>>()?;
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for (source, resource) in read {
                changed |= state.definitions.set(&source, resource.as_ref());
            }
            if changed {
                *state = State::of(std::mem::take(&mut state.definitions));
            }
        }
        self.position.fetch_max(last.0, Ordering::AcqRel);
        Ok(changed)
    }

    /// Checks definitions that are about to be written; whether any of them is to take effect.
    ///
    /// # Errors
    /// 422 for one that cannot be used, 409 for one that is in the way of another.
    pub(super) fn check(&self, written: &[Written<'_>], most: usize) -> Result<bool> {
        if !written.iter().any(|written| Definition::is_in_force(written.resource)) {
            return Ok(false);
        }
        let (mut definitions, before) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            (state.definitions.clone(), state.set.clone())
        };
        let mut places = HashMap::new();
        for Written { key, resource, index } in written {
            definitions.set(&key.to_string(), Some(resource));
            places.insert(key.to_string(), *index);
        }
        let first = written.first().and_then(|written| written.index);
        if definitions.len() > most {
            let message = format!("there are {most} search parameters already; another one is one too many");
            return Err(in_entry(Fault::coded(Category::Unprocessable, "too-costly", message), first));
        }
        let had_effect = |source: &str| before.defined().iter().any(|d| *d.source == *source && d.added().is_some());
        for defined in definitions.build().defined() {
            let Effect::None(fault) = &defined.effect else { continue };
            match places.get(&*defined.source) {
                Some(index) => return Err(in_entry(fault.clone(), *index)),
                None if had_effect(&defined.source) => {
                    let message = format!("{} would lose its effect: {}", defined.source, fault.message());
                    let fault = Fault::coded(Category::Conflict, "conflict", message).at("SearchParameter.code");
                    return Err(in_entry(fault, first));
                }
                None => {}
            }
        }
        Ok(true)
    }
}

/// The resource of a version; none of a deletion.
fn resource(row: &VersionRow) -> Result<Option<Json>> {
    let Some(stored) = &row.body else { return Ok(None) };
    let place = |fault: Fault| fault.context(format!("log {}", row.seq));
    let text = body::decode(stored, row.version, row.updated).map_err(place)?;
    json::parse_stored(&text).map(Some).map_err(place)
}
