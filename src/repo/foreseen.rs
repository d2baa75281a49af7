//! The versions that the updates of a transaction lead to, where its resources refer to versions: "version-specific references
//! should remain as version-specific references after the references have been updated" (FHIR R4 `http.html`, 3.1.0.11.2).
//!
//! An update with the same content makes no new version, and whether the content is the same may depend on the very references
//! that name versions. So all count as the same at first; what differs then is new, until nothing more changes. That the
//! versions are still those at the commit is an assumption of the plan.

use super::digest::digest;
use super::plan::{Assumption, Precondition};
use super::references::Targets;
use super::settle::{Found, Settled, Work};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Most rounds until nothing more changes.
const ROUNDS: usize = 8;

/// Tells the targets the versions of what is updated; what must still be true at the commit. `rewrite` makes the references
/// of an entry's resource what they become.
///
/// # Errors
/// What `rewrite` says; 400 `too-costly` for versions that depend on each other over many steps.
pub(super) fn foresee(
    settled: &[Settled],
    found: &Found,
    targets: &mut Targets,
    rewrite: &dyn Fn(&Settled, &Targets, &mut Json) -> Result<()>,
) -> Result<Vec<Assumption>> {
    let (mut assumptions, mut same) = (Vec::new(), Vec::new());
    for entry in settled {
        let Work::Write(version) = &entry.work else { continue };
        let Some(current) = found.current.get(&version.key).filter(|_| version.precondition != Precondition::New)
        else {
            continue;
        };
        match current.digest {
            Some(known) => {
                targets.lead(entry.full_url.as_deref(), current.version);
                same.push((entry, version, current.version, known));
            }
            None => targets.lead(entry.full_url.as_deref(), current.version + 1),
        }
        assumptions.push(Assumption::Current { key: version.key.clone(), version: current.version });
    }
    for _ in 0..ROUNDS {
        let before = same.len();
        let mut left = Vec::with_capacity(before);
        for (entry, version, number, known) in same {
            let mut resource = version.resource.clone();
            rewrite(entry, targets, &mut resource)?;
            if digest(&resource) == known {
                left.push((entry, version, number, known));
            } else {
                targets.lead(entry.full_url.as_deref(), number + 1);
            }
        }
        if left.len() == before {
            return Ok(assumptions);
        }
        same = left;
    }
    let message = "references to versions depend on each other over too many steps";
    Err(Fault::coded(Category::Invalid, "too-costly", message))
}
