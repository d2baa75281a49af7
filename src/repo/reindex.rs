//! What the index does not know yet of the resources that were there before a search parameter.
//!
//! It goes through the documents of the types that the parameter applies to, a few at a time, between the entries of the
//! log, reads each again with all parameters, and puts it in the place of what was there. How far it is travels with the
//! commits of the index (`search::index::Coverage`), so nothing of it is done twice after a crash but what was not
//! committed.
//!
//! Invariant: a document is put back only while no later version of its resource has been applied. The list of
//! documents comes from a commit that holds everything applied, and whatever is applied after it leaves the list.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use super::params::Params;
use super::shelf::Shelf;
use super::worker::blocking;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::definitions::params::{ParamId, SearchParam};
use crate::fhir::json;
use crate::fhir::types::ResourceType;
use crate::search::index::{Coverage, Document, Hit, Pass, Prepared, Searcher, prepare};
use crate::search::params::ParamSet;
use crate::store::{Store, VersionRow, body};

/// Documents that are read again at a time.
const PIECE: usize = 256;
/// Documents that are listed at a time.
const LIST: usize = 16_384;
/// So many documents are read again before the new parameter is shown: in a small store it is complete at once.
const AT_ONCE: u64 = 2000;

/// See the module.
#[derive(Debug)]
pub(super) struct Reindex {
    tenant: Tenant,
    store: Store,
    index: Arc<Shelf>,
    params: Arc<Params>,
    base: Arc<str>,
    coverage: Coverage,
    list: VecDeque<Hit>,
    /// Resources of which a version was applied since the list was made.
    touched: HashSet<u64>,
}

impl Reindex {
    /// Nothing is known until [`Reindex::resume`].
    pub(super) fn new(
        tenant: Tenant,
        store: &Store,
        index: &Arc<Shelf>,
        params: &Arc<Params>,
        base: &Arc<str>,
    ) -> Self {
        let (store, index, params, base) = (store.clone(), index.clone(), params.clone(), base.clone());
        let (coverage, list, touched) = (Coverage::default(), VecDeque::new(), HashSet::new());
        Self { tenant, store, index, params, base, coverage, list, touched }
    }

    /// Goes on from what the index says of itself, which was just opened.
    ///
    /// # Errors
    /// 503 while there is no index.
    pub(super) fn resume(&mut self) -> Result<()> {
        let searcher = self.index.searcher()?;
        self.coverage = searcher.coverage().clone();
        self.forget();
        self.adapt(searcher.reached(), &searcher);
        Ok(())
    }

    /// What the next commit of the index is to carry.
    pub(super) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Whether there is nothing to be done.
    pub(super) fn is_done(&self) -> bool {
        self.coverage.pass.is_none()
    }

    /// Whether the next step needs a commit that holds everything applied.
    pub(super) fn needs_commit(&self) -> bool {
        !self.is_done() && self.list.is_empty()
    }

    /// Some resources have later versions in the index now.
    pub(super) fn touch(&mut self, keys: impl Iterator<Item = u64>) {
        if !self.list.is_empty() {
            self.touched.extend(keys);
        }
    }

    /// The parameters have changed; the index has applied everything up to `applied`, and committed it unless that ends
    /// within a transaction.
    ///
    /// # Errors
    /// 503 or 500 from the database or the index.
    pub(super) async fn change(&mut self, applied: Seq, is_committed: bool) -> Result<()> {
        let searcher = self.index.searcher()?;
        self.adapt(applied, &searcher);
        while is_committed && self.coverage.pass.as_ref().is_some_and(|pass| pass.total <= AT_ONCE) {
            self.step(applied).await?;
        }
        Ok(())
    }

    /// Leaves out what is no parameter any more, and begins with what is new.
    fn adapt(&mut self, applied: Seq, searcher: &Searcher) {
        let set = self.params.set();
        let known: BTreeSet<_> = set.all_added().map(|param| param.id).collect();
        self.coverage.complete.retain(|id| known.contains(id));
        if let Some(pass) = &mut self.coverage.pass {
            pass.params.retain(|id| known.contains(id));
        }
        if self.coverage.pass.as_ref().is_some_and(|pass| pass.params.is_empty()) {
            self.coverage.pass = None;
            self.forget();
        }
        self.begin(&set, applied, searcher);
    }

    /// Begins a pass for all that is not complete, unless one is under way: those wait for its end.
    fn begin(&mut self, set: &ParamSet, until: Seq, searcher: &Searcher) {
        if self.coverage.pass.is_some() {
            return;
        }
        let missing = set.all_added().map(|param| param.id).filter(|id| !self.coverage.complete.contains(id));
        let params: BTreeSet<_> = missing.collect();
        let Some(kind) = kinds(set, &params).next() else { return };
        let total = kinds(set, &params).map(|kind| searcher.count_of(kind)).sum();
        if total == 0 && searcher.reached() == until {
            self.coverage.complete.extend(params);
            return;
        }
        tracing::info!(
            tenant = self.tenant.0,
            params = params.len(),
            documents = total,
            "search parameters are indexed"
        );
        self.coverage.pass = Some(Pass { params, until, kind, after: Seq(0), done: 0, total });
    }

    /// Reads a few documents again. When [`Reindex::needs_commit`], everything applied is committed.
    ///
    /// # Errors
    /// 503 or 500 from the database or the index.
    pub(super) async fn step(&mut self, applied: Seq) -> Result<()> {
        let Some(pass) = self.coverage.pass.clone() else { return Ok(()) };
        if self.list.is_empty() {
            return self.list(pass, applied).await;
        }
        let piece: Vec<Hit> = self.list.drain(..self.list.len().min(PIECE)).collect();
        let Some(last) = piece.last().map(|hit| hit.seq) else { return Ok(()) };
        let seqs: Vec<Seq> = piece.iter().filter(|hit| !self.touched.contains(&hit.key)).map(|hit| hit.seq).collect();
        let rows = self.store.by_seqs(self.tenant, &seqs).await?;
        let (index, base, set) = (self.index.clone(), self.base.clone(), self.params.set());
        blocking(move || {
            let documents: Vec<Prepared> =
                rows.iter().filter_map(|row| again(row, &set, &base).transpose()).collect::<Result<_>>()?;
            index.get()?.apply_prepared(&documents)
        })
        .await?;
        if let Some(pass) = &mut self.coverage.pass {
            (pass.after, pass.done) = (last, pass.done + piece.len() as u64);
        }
        Ok(())
    }

    /// The next documents of the pass; of the next type when there are no more; its end.
    async fn list(&mut self, pass: Pass, applied: Seq) -> Result<()> {
        let searcher = self.index.searcher()?;
        let (kind, after, until) = (pass.kind, pass.after, pass.until);
        let found = searcher.clone();
        self.list = blocking(move || found.slice(kind, after, until, LIST)).await?.into();
        self.touched.clear();
        if !self.list.is_empty() {
            return Ok(());
        }
        let set = self.params.set();
        let next = kinds(&set, &pass.params).find(|next| *next > kind);
        match next {
            Some(next) => self.coverage.pass = Some(Pass { kind: next, after: Seq(0), ..pass }),
            None => {
                tracing::info!(tenant = self.tenant.0, params = pass.params.len(), "search parameters are complete");
                self.coverage.complete.extend(pass.params);
                self.coverage.pass = None;
                self.begin(&set, applied, &searcher);
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.list.clear();
        self.touched.clear();
    }
}

/// The types that some parameters apply to, in order.
fn kinds(set: &ParamSet, of: &BTreeSet<ParamId>) -> impl Iterator<Item = ResourceType> + use<> {
    let params = set.all_added().filter(|param| of.contains(&param.id));
    let kinds: BTreeSet<ResourceType> =
        params.flat_map(|param: &Arc<SearchParam>| param.base.iter().copied()).collect();
    kinds.into_iter()
}

/// The document of a version, read with all parameters; none of one whose content was expunged.
fn again(row: &VersionRow, set: &ParamSet, base: &str) -> Result<Option<Prepared>> {
    let Some(stored) = &row.body else { return Ok(None) };
    let at = |fault: Fault| fault.context(format!("log {}", row.seq));
    let text = body::decode(stored, row.version, row.updated).map_err(at)?;
    let resource = json::parse_stored(&text).map_err(at)?;
    let values = Some(set.extract(row.key.kind, &resource, base));
    let document = Document { key: row.key.clone(), seq: row.seq, updated: row.updated, values, is_new: false };
    Ok(Some(prepare(&document)))
}
