//! The tests by meaning of a search, wherever they stand.

use super::codeset::ConceptTest;
use super::query::{Clause, Test};

/// Calls `visit` with each test by meaning, wherever it stands.
///
/// # Errors
/// What `visit` answers.
pub fn each_mut<E>(
    clauses: &mut [Clause],
    visit: &mut dyn FnMut(&mut ConceptTest) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    for clause in clauses {
        match clause {
            Clause::Param { tests, .. } | Clause::Not { tests, .. } => {
                for test in tests {
                    if let Test::Concepts(test) = test {
                        visit(test)?;
                    }
                }
            }
            Clause::Chain { targets, .. } => {
                for (_, target) in targets {
                    each_mut(std::slice::from_mut(target), visit)?;
                }
            }
            Clause::Has { clause, .. } | Clause::Element { clause, .. } | Clause::Complement(clause) => {
                each_mut(std::slice::from_mut(&mut **clause), visit)?;
            }
            Clause::All(all) | Clause::Any(all) => each_mut(all, visit)?,
            Clause::Missing { .. }
            | Clause::Words { .. }
            | Clause::Id(_)
            | Clause::LastUpdated(_)
            | Clause::Hierarchy { .. }
            | Clause::Working
            | Clause::Compartment(_) => {}
        }
    }
    Ok(())
}
