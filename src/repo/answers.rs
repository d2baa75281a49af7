//! The large code systems beside a tenant's definitions, for validation and FHIRPath (`fhir::validate::Answers`).
//!
//! A write must not wait for an index that is being made: what is not ready is not asked.

use std::sync::{Arc, Mutex, PoisonError};

use super::concepts::{Concepts, Installed};
use crate::base::fault::{Category, Fault};
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
        let answers = Answers::new(registry.clone(), Arc::new(large), urls).reporting(Box::new(report));
        let answers = Arc::new(answers);
        *made = Some(Made { registry: registry.clone(), installed, ready, answers: answers.clone() });
        Some(answers)
    }
}

/// A look that failed, without the code that was looked for: it is of a patient.
fn report(url: &str, fault: &Fault) {
    let why = fault.issues().first().map_or("", |issue| issue.code);
    // the text of such a fault is of disks and databases, others may have what was asked in theirs
    let is_ours = matches!(fault.category(), Category::Internal | Category::Unavailable);
    let text = if is_ours { fault.to_string() } else { String::new() };
    tracing::warn!(definition = url, why, fault = text, "codes cannot be checked against it: they are let pass");
}
