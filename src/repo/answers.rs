//! The large code systems beside a tenant's definitions, for validation and FHIRPath (`fhir::validate::Answers`).
//!
//! A write must not wait for an index that is being made: what is not ready is not asked.

use std::sync::{Arc, Mutex, PoisonError};

use super::concepts::{Concepts, Installed};
use crate::fhir::validate::{Answers, Registry};

/// Those that were made last.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    /// What they were made of: as long as these are the same, they are.
    registry: Arc<Registry>,
    installed: Arc<Installed>,
    ready: usize,
    answers: Arc<Answers>,
}

impl Remembered {
    /// For a registry and the code systems that are ready now; none where there are none.
    pub(super) fn get(&self, registry: &Arc<Registry>, concepts: &Concepts) -> Option<Arc<Answers>> {
        let installed = concepts.seen();
        let ready = installed.all().iter().filter(|slot| slot.is_ready()).count();
        if ready == 0 {
            return None;
        }
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |made: &&Made| {
            Arc::ptr_eq(&made.registry, registry) && Arc::ptr_eq(&made.installed, &installed) && made.ready == ready
        };
        if let Some(made) = made.as_ref().filter(is_same) {
            return Some(made.answers.clone());
        }
        let large = installed.ready();
        let urls: Vec<Box<str>> = large.all().iter().map(|slot| slot.url().into()).collect();
        let answers = Arc::new(Answers::new(registry.clone(), Arc::new(large), urls));
        *made = Some(Made { registry: registry.clone(), installed, ready, answers: answers.clone() });
        Some(answers)
    }
}
