//! The tests of a search, wherever they stand.

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
    let mut outcome = Ok(());
    each_tests_mut(clauses, &mut |tests| {
        for test in tests {
            if let (Test::Concepts(test), true) = (test, outcome.is_ok()) {
                outcome = visit(test);
            }
        }
    });
    outcome
}

/// Calls `visit` with the alternatives of each condition on a parameter.
pub fn each_tests_mut(clauses: &mut [Clause], visit: &mut dyn FnMut(&mut Vec<Test>)) {
    for clause in clauses {
        match clause {
            Clause::Param { tests, .. } | Clause::Not { tests, .. } => visit(tests),
            Clause::Chain { targets, .. } => {
                for (_, target) in targets {
                    each_tests_mut(std::slice::from_mut(target), visit);
                }
            }
            Clause::Has { clause, .. } | Clause::Element { clause, .. } | Clause::Complement(clause) => {
                each_tests_mut(std::slice::from_mut(&mut **clause), visit);
            }
            Clause::All(all) | Clause::Any(all) => each_tests_mut(all, visit),
            Clause::Missing { .. }
            | Clause::Words { .. }
            | Clause::Id(_)
            | Clause::LastUpdated(_)
            | Clause::Hierarchy { .. }
            | Clause::Working
            | Clause::Compartment(_) => {}
        }
    }
}
