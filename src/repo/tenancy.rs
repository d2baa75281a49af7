//! A tenant on this node: its part of the store, its index, its Writer and its feed.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answers::Remembered;
use super::cluster::Cluster;
use super::concepts::Concepts;
use super::definitions::Kept;
use super::feed::Feed;
use super::indexer::Visibility;
use super::loader::Loader;
use super::mode::Mode;
use super::own::Own;
use super::packages::InUse;
use super::params::Params;
use super::pins::Pins;
use super::recent::Recent;
use super::shelf::Shelf;
use super::turns::Turns;
use super::writer::WriterHandle;
use crate::base::clock::SharedClock;
use crate::base::config::Rest;
use crate::base::id::{IdSource, Seq, Tenant};
use crate::base::limits::Limits;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::validate::{Answers, Registry};
use crate::search::index::Searcher;
use crate::store::Store;

/// How far the parts of a tenant are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The newest position of the log known here.
    pub head: Seq,
    /// The position up to which searches see.
    pub indexed: Seq,
    /// Plans that wait for the Writer.
    pub waiting: usize,
    /// Live documents of the index.
    pub documents: u64,
    /// Bytes of the index's files.
    pub index_bytes: u64,
    /// Added search parameters that the index knows of every resource.
    pub complete_params: usize,
    /// Those that it does not.
    pub incomplete_params: usize,
    /// Resources that are left to be read again for those whose turn it is.
    pub reindex_left: u64,
    /// Requests under way.
    pub requests: usize,
    /// Requests that were refused since there were too many.
    pub refused: u64,
}

/// Everything that belongs to a tenant on this node.
#[derive(Debug)]
pub(super) struct Tenancy {
    pub(super) tenant: Tenant,
    pub(super) name: Arc<str>,
    /// The requests under way.
    pub(super) turns: Arc<Turns>,
    /// Searches at a time; more wait, so that the threads are not all of one tenant.
    pub(super) searching: Semaphore,
    /// Types that are read from end to end at a time; more are refused.
    pub(super) scanning: Arc<Semaphore>,
    pub(super) store: Store,
    /// The large code systems of the installation.
    pub(super) concepts: Arc<Concepts>,
    pub(super) recent: Arc<Recent>,
    pub(super) loader: Loader,
    pub(super) index: Arc<Shelf>,
    pub(super) feed: Arc<Feed>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) params: Arc<Params>,
    pub(super) packages: Arc<InUse>,
    /// Its conformance resources.
    pub(super) own: Arc<Own>,
    pub(super) writer: WriterHandle,
    pub(super) pins: Pins,
    /// Definitions that the terminology service has read.
    pub(super) terms: Kept,
    /// What validation asks of the large code systems.
    pub(super) answers: Remembered,
    pub(super) clock: SharedClock,
    pub(super) ids: IdSource,
    pub(super) limits: Arc<Limits>,
    pub(super) rest: Rest,
    pub(super) validation: Mode,
    pub(super) base: Arc<str>,
    /// Marks this run of this node in page tokens.
    pub(super) node: u64,
    /// The other nodes; `None` when there can be none, or this one does not listen.
    pub(super) cluster: Option<Arc<Cluster>>,
}

impl Tenancy {
    /// All definitions for validation.
    pub(super) fn registry(&self) -> Arc<Registry> {
        self.own.registry(&self.packages.now().registry)
    }

    /// The large code systems beside definitions, if there are any.
    pub(super) fn answers(&self, registry: &Arc<Registry>) -> Option<Arc<Answers>> {
        self.answers.get(registry, &self.concepts)
    }

    /// How far the parts are.
    pub(super) fn status(&self) -> Status {
        let searcher = self.index.searcher().ok();
        let coverage = searcher.as_ref().map(Searcher::coverage);
        let has = |param: &Arc<SearchParam>| coverage.is_some_and(|coverage| coverage.has(param.id));
        let (complete, incomplete): (Vec<_>, Vec<_>) = self.params.set().all_added().cloned().partition(has);
        let pass = coverage.and_then(|coverage| coverage.pass.as_ref());
        Status {
            complete_params: complete.len(),
            incomplete_params: incomplete.len(),
            reindex_left: pass.map_or(0, |pass| pass.total.saturating_sub(pass.done)),
            head: self.feed.head(),
            indexed: self.visibility.reached(),
            waiting: self.writer.waiting(),
            documents: searcher.as_ref().map_or(0, Searcher::count),
            index_bytes: searcher.as_ref().map_or(0, Searcher::disk_bytes),
            requests: self.turns.taken(),
            refused: self.turns.refused(),
        }
    }
}
