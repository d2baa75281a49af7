//! The nodes of the installation, and secrets that they share. Neither belongs to a tenant: a node serves all of them.
//!
//! Whether a node is still there is told by the database's clock alone, since the clocks of the nodes may differ.

use std::time::Duration;

use bytes::Bytes;

use super::error::corrupt;
use super::handle::Store;
use super::sql::{Statement, Text, fixed};
use crate::base::fault::{Fault, Result};

const SEEN: Statement = fixed(
    "nodes: seen",
    "INSERT INTO nodes (node, address, seen) VALUES ($1, $2, $3)
        ON CONFLICT (node) DO UPDATE SET address = excluded.address, seen = excluded.seen",
);
const FORGET: Statement = fixed("nodes: forget", "DELETE FROM nodes WHERE seen < $1");
const LEFT: Statement = fixed("nodes: left", "DELETE FROM nodes WHERE node = $1");
const READ: Statement = fixed("nodes: read", "SELECT address, seen FROM nodes WHERE node = $1");
const KEEP: Statement =
    fixed("secrets: insert", "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
const REVEAL: Statement = fixed("secrets: read", "SELECT secret FROM secrets WHERE name = $1");

/// How long a node that does not say goodbye is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// A node, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `host:port` where the other nodes reach it.
    pub address: String,
    /// How long ago it was last heard of.
    pub silent: Duration,
}

impl Store {
    /// Notes that a node is there, and forgets those that have been silent for an hour.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn node_seen(&self, node: u64, address: &str) -> Result<()> {
        let now = self.database_micros().await?;
        self.execute(&SEEN, vec![node.cast_signed().into(), address.into(), now.into()]).await?;
        self.execute(&FORGET, vec![now.saturating_sub(micros(MEMORY)).into()]).await.map(drop)
    }

    /// Forgets a node that stops.
    ///
    /// # Errors
    /// From the database.
    pub async fn node_left(&self, node: u64) -> Result<()> {
        self.execute(&LEFT, vec![node.cast_signed().into()]).await.map(drop)
    }

    /// A node that said that it is there.
    ///
    /// # Errors
    /// From the database.
    pub async fn node(&self, node: u64) -> Result<Option<Node>> {
        let row = self.fetch_optional(&READ, vec![node.cast_signed().into()]).await?;
        let Some(row) = row else { return Ok(None) };
        let bad = |fault| corrupt("nodes", format_args!("node {node}"), fault);
        let (address, seen) = (row.text(0).map_err(bad)?.to_owned(), row.i64(1).map_err(bad)?);
        let silent = self.database_micros().await?.saturating_sub(seen).max(0);
        Ok(Some(Node { address, silent: Duration::from_micros(silent.unsigned_abs()) }))
    }

    /// The secret of this name: `fresh` if there was none yet. All nodes get the same one.
    ///
    /// # Errors
    /// From the database.
    pub async fn secret(&self, name: &str, fresh: &[u8]) -> Result<Bytes> {
        self.execute(&KEEP, vec![name.into(), fresh.into()]).await?;
        let row = self.fetch_optional(&REVEAL, vec![name.into()]).await?;
        let secret = row.map(|row| row.bytes(0)).transpose().map_err(|fault| corrupt("secrets", name, fault))?;
        secret.flatten().ok_or_else(|| Fault::internal(format!("secrets ({name}): no such row")))
    }

    async fn database_micros(&self) -> Result<i64> {
        let clock = Statement { what: "nodes: clock", text: Text::Fixed(self.pools.dialect().clock()) };
        let row = self.fetch_optional(&clock, vec![]).await?;
        row.ok_or_else(|| Fault::internal("nodes: the database does not tell the time"))?.i64(0)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
