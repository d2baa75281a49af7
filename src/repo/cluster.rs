//! The other nodes over the same database: each says from time to time that it is there and where, and all share a secret
//! by which they know one another.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::face::Peer;
use crate::base::config::Secret;
use crate::base::fault::{Fault, Result};
use crate::base::id::fresh_secret;
use crate::store::Store;

/// How often a node says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// After this long a silent node is taken for gone.
const GONE: Duration = Duration::from_secs(20);
/// The name of the shared secret.
const SECRET: &str = "cluster";

/// This node among the others.
#[derive(Debug)]
pub(super) struct Cluster {
    store: Store,
    node: u64,
    address: String,
    secret: Secret,
}

impl Cluster {
    /// Makes this node known at `address`.
    ///
    /// # Errors
    /// From the database.
    pub(super) async fn join(store: Store, node: u64, address: String) -> Result<Arc<Self>> {
        let secret = store.secret(SECRET, fresh_secret().as_bytes()).await?;
        let secret = String::from_utf8(secret.into());
        let secret = secret.map_err(|_| Fault::internal(format!("secrets ({SECRET}): not text")))?;
        store.node_seen(node, &address).await?;
        Ok(Arc::new(Self { store, node, address, secret: Secret::new(secret) }))
    }

    /// Says that this node is there until told to stop, then that it is not any more.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(BEAT) => {}
            }
            if let Err(fault) = self.store.node_seen(self.node, &self.address).await {
                tracing::warn!(%fault, "the other nodes cannot be told that this one is there");
            }
        }
        if let Err(fault) = self.store.node_left(self.node).await {
            tracing::debug!(%fault, "the other nodes will notice by themselves that this one is gone");
        }
    }

    /// Whether whoever shows this knows the secret. Takes the same time however much of it is right.
    pub(super) fn admits(&self, shown: &[u8]) -> bool {
        self.secret.reveal().as_bytes().ct_eq(shown).into()
    }

    /// The node of this number, unless it is gone.
    ///
    /// # Errors
    /// From the database.
    pub(super) async fn peer(&self, node: u64) -> Result<Option<Peer>> {
        let found = self.store.node(node).await?.filter(|node| node.silent < GONE);
        Ok(found.map(|node| Peer { address: node.address, secret: self.secret.clone() }))
    }
}
