//! How many requests of a tenant are under way: one that floods the server is refused, and the others are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::fault::{Fault, Result};
use crate::base::telemetry::Counter;

/// The requests of a tenant that are under way.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    taken: AtomicUsize,
    refused: Counter,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0), refused: Counter::default() }
    }

    /// How many are under way.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }
}

/// The right to be answered, until it is dropped.
#[derive(Debug)]
pub struct Turn(Arc<Turns>);

impl Turn {
    /// Takes a turn.
    ///
    /// # Errors
    /// 429 when too many requests of the tenant are under way.
    pub(super) fn take(turns: &Arc<Turns>) -> Result<Self> {
        if turns.taken.fetch_add(1, Ordering::Relaxed) < turns.most {
            return Ok(Self(turns.clone()));
        }
        turns.taken.fetch_sub(1, Ordering::Relaxed);
        turns.refused.increment();
        let text = format!("{} requests of this tenant are under way; try again in a moment", turns.most);
        Err(Fault::too_many(text))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
