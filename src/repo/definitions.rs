//! What was made of a tenant's definitions: kept for the next request to the terminology service. A new version is another key, so nothing
//! here is ever out of date.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::base::fault::Result;
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::terminology::memory::{Memory, is_fragment, text};
use crate::fhir::terminology::{CodeSystem, Content};
use crate::fhir::types::ResourceKey;

/// Most definitions that are kept.
const KEPT: usize = 512;
/// Most bytes of their JSON; in memory they take some five times as much.
const BYTES: usize = 16 << 20;

/// Most code systems of several fragments that are kept.
const MERGED: usize = 16;

/// What was made of versions of definitions; one per tenant and node.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: HashMap<(ResourceKey, i64), Arc<Made>>,
    bytes: usize,
    /// What was made of several fragments of a code system.
    merged: HashMap<Vec<(ResourceKey, i64)>, Arc<Memory>>,
}

/// A definition, and the code system that was made of it.
#[derive(Debug)]
pub(super) struct Made {
    key: (ResourceKey, i64),
    pub(super) json: Arc<Json>,
    system: OnceLock<Arc<Memory>>,
}

impl Made {
    pub(super) fn system(&self) -> Arc<dyn CodeSystem> {
        self.system.get_or_init(|| Arc::new(Memory::new(&self.json))).clone()
    }

    pub(super) fn version(&self) -> &str {
        text(&self.json, "version").unwrap_or("")
    }

    pub(super) fn is_fragment(&self) -> bool {
        is_fragment(&self.json)
    }

    pub(super) fn is_supplement(&self) -> bool {
        text(&self.json, "content").and_then(Content::parse) == Some(Content::Supplement)
    }
}

impl Kept {
    pub(super) fn made(&self, key: (ResourceKey, i64), body: &[u8]) -> Result<Arc<Made>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept.made.get(&key) {
            return Ok(made.clone());
        }
        let json = parse_stored(body).map_err(|fault| fault.context(format!("stored {}", key.0)))?;
        if kept.made.len() >= KEPT || kept.bytes + body.len() > BYTES {
            *kept = State::default();
        }
        let made = Arc::new(Made { key: key.clone(), json: Arc::new(json), system: OnceLock::new() });
        kept.bytes += body.len();
        kept.made.insert(key, made.clone());
        Ok(made)
    }

    /// The code system of which these are the fragments; of a concept that several have the first one counts.
    pub(super) fn merged(&self, parts: &[Arc<Made>]) -> Option<Arc<dyn CodeSystem>> {
        let (first, others) = parts.split_first()?;
        if others.is_empty() {
            return Some(first.system());
        }
        let key: Vec<(ResourceKey, i64)> = parts.iter().map(|made| made.key.clone()).collect();
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().merged.get(&key) {
            return Some(known.clone());
        }
        let jsons: Vec<&Json> = others.iter().map(|made| &*made.json).collect();
        let merged = Arc::new(Memory::merged(&first.json, &jsons));
        let mut kept = lock();
        if kept.merged.len() >= MERGED {
            kept.merged.clear();
        }
        Some(kept.merged.entry(key).or_insert(merged).clone())
    }
}
