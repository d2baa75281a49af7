//! Reads that arrive together are answered together.
//!
//! A statement costs some ten times what the row in it costs: a hand-over to the database's thread or process and
//! back. A few tasks take all reads that have gathered and fetch them with one statement; a read that is
//! alone goes at once.

use std::sync::Arc;

use hashbrown::HashMap;
use tokio::sync::{mpsc, oneshot};

use super::recent::Recent;
use crate::base::fault::{Fault, Result};
use crate::base::id::Tenant;
use crate::fhir::types::ResourceKey;
use crate::store::{Store, VersionRow};

/// Tasks, so statements at a time.
const TASKS: usize = 2;
/// Most reads in one statement.
const GATHER: usize = 64;
/// Most reads that wait; more wait outside.
const QUEUE: usize = 4096;

type Answer = oneshot::Sender<Result<Option<VersionRow>>>;

/// Reads current versions. Its tasks end when it is dropped.
#[derive(Debug)]
pub(super) struct Loader {
    queues: Vec<mpsc::Sender<(ResourceKey, Answer)>>,
}

impl Loader {
    /// Starts the tasks.
    pub(super) fn start(tenant: Tenant, store: &Store, recent: &Arc<Recent>) -> Self {
        let queues = (0..TASKS).map(|_| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            tokio::spawn(run(tenant, store.clone(), recent.clone(), waiting));
            queue
        });
        Self { queues: queues.collect() }
    }

    /// The current version of a resource from the database, deletions included; `None` when it never existed.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub(super) async fn read(&self, key: &ResourceKey) -> Result<Option<VersionRow>> {
        let stopped = || Fault::unavailable("the server is stopping");
        // The emptier queue: under load both fill, a single reader always uses the first.
        let queue = self.queues.iter().max_by_key(|queue| queue.capacity()).ok_or_else(stopped)?;
        let (answer, row) = oneshot::channel();
        queue.send((key.clone(), answer)).await.map_err(|_| stopped())?;
        row.await.map_err(|_| stopped())?
    }
}

async fn run(tenant: Tenant, store: Store, recent: Arc<Recent>, mut waiting: mpsc::Receiver<(ResourceKey, Answer)>) {
    let mut taken = Vec::with_capacity(GATHER);
    while waiting.recv_many(&mut taken, GATHER).await > 0 {
        let mut keys: Vec<ResourceKey> = taken.iter().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let ticket = recent.ticket();
        let found = store.read_many(tenant, &keys).await;
        if let (Some(ticket), Ok(rows)) = (ticket, &found) {
            recent.keep(ticket, rows.values());
        }
        for (key, answer) in taken.drain(..) {
            let row = found.as_ref().map(|rows: &HashMap<_, VersionRow>| rows.get(&key).cloned());
            // Whoever asked may have gone away.
            let _ = answer.send(row.map_err(Clone::clone));
        }
    }
}
