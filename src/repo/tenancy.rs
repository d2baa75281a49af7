//! A tenant on this node: its part of the store, its index, its Writer and its feed.

use std::sync::Arc;

use super::cluster::Cluster;
use super::feed::Feed;
use super::indexer::Visibility;
use super::loader::Loader;
use super::pins::Pins;
use super::shelf::Shelf;
use super::writer::WriterHandle;
use crate::base::clock::SharedClock;
use crate::base::config::Rest;
use crate::base::id::{IdSource, Tenant};
use crate::base::limits::Limits;
use crate::store::Store;

/// Everything that belongs to a tenant on this node.
#[derive(Debug)]
pub(super) struct Tenancy {
    pub(super) tenant: Tenant,
    pub(super) store: Store,
    pub(super) loader: Loader,
    pub(super) index: Arc<Shelf>,
    pub(super) feed: Arc<Feed>,
    pub(super) visibility: Arc<Visibility>,
    pub(super) writer: WriterHandle,
    pub(super) pins: Pins,
    pub(super) clock: SharedClock,
    pub(super) ids: IdSource,
    pub(super) limits: Arc<Limits>,
    pub(super) rest: Rest,
    pub(super) base: Arc<str>,
    /// Marks this run of this node in page tokens.
    pub(super) node: u64,
    /// The other nodes; `None` when there can be none, or this one does not listen.
    pub(super) cluster: Option<Arc<Cluster>>,
}
