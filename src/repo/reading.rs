//! Reading everything of a type, or all that some searches find, in one snapshot and bounded memory.
//!
//! The index yields positions in the log, eight bytes for each resource; bodies are read by position, piece by piece, as slowly as
//! the caller likes: entries of the log do not change, and nothing in the database is held meanwhile.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::face::{Handling, Stored};
use super::meaning::Meaning;
use super::read::at_positions;
use super::resolver::Resolver;
use super::search::{fresh, parsed};
use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::base::limits::TENANT_SCANS;
use crate::fhir::types::ResourceType;
use crate::search::context::SearchContext;

/// The resources that searches have found, in the order of the log.
#[derive(Debug)]
pub struct Reading {
    at: Arc<Tenancy>,
    /// Those that are left, the last one first.
    left: Vec<Seq>,
    _permit: OwnedSemaphorePermit,
}

/// What one of some searches for a type finds: each is a list of parameters, an empty one finds all.
pub(super) async fn reading(
    at: &Arc<Tenancy>,
    kind: ResourceType,
    searches: &[Vec<(String, String)>],
) -> Result<Reading> {
    let permit = at.scanning.clone().try_acquire_owned().map_err(|_| {
        Fault::too_many(format!("{TENANT_SCANS} tables of this tenant are being made; try again in a moment"))
    })?;
    let now = at.clock.now();
    let searcher = fresh(at).await?;
    let known = at.params.set();
    let mut queries = Vec::with_capacity(searches.len());
    for params in searches {
        let query = parsed(at, &known, SearchContext::Type(kind), params, Handling::Strict, now)?;
        queries.push(Meaning.resolve(at, query).await?);
    }
    // It is never closed.
    let _turn = at.searching.acquire().await.map_err(|_| Fault::unavailable("the server is stopping"))?;
    let limits = at.limits.clone();
    let left = blocking(move || {
        let mut found = Vec::new();
        for query in &queries {
            found.extend(searcher.positions(query, &limits)?);
        }
        found.sort_unstable();
        found.dedup();
        found.reverse();
        Ok(found)
    })
    .await?;
    Ok(Reading { at: at.clone(), left, _permit: permit })
}

impl Reading {
    /// The next resources, at most so many; fewer when some were expunged since. Nothing at the end.
    ///
    /// # Errors
    /// 503 or 500 from the database.
    pub async fn next(&mut self, count: usize) -> Result<Vec<Stored>> {
        loop {
            let start = self.left.len().saturating_sub(count.max(1));
            let mut seqs = self.left.split_off(start);
            if seqs.is_empty() {
                return Ok(Vec::new());
            }
            seqs.reverse();
            let whole = at_positions(&self.at, &seqs).await?;
            if !whole.is_empty() {
                return Ok(whole);
            }
        }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left.len()
    }
}
