//! What was made of a tenant's definitions: kept for the next request to the terminology service. A new version is another key, so nothing
//! here is ever out of date.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::base::fault::Result;
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::terminology::memory::{Memory, text};
use crate::fhir::terminology::{CodeSystem, Content};
use crate::fhir::types::ResourceKey;

/// Most definitions that are kept.
const KEPT: usize = 512;
/// Most bytes of their JSON; in memory they take some five times as much.
const BYTES: usize = 16 << 20;

/// What was made of versions of definitions; one per tenant and node.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: HashMap<(ResourceKey, i64), Arc<Made>>,
    bytes: usize,
}

/// A definition, and the code system that was made of it.
#[derive(Debug)]
pub(super) struct Made {
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
        let made = Arc::new(Made { json: Arc::new(json), system: OnceLock::new() });
        kept.bytes += body.len();
        kept.made.insert(key, made.clone());
        Ok(made)
    }
}
