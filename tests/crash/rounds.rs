//! How often something is killed, and when.

use crate::support::variable;

/// Rounds of each kind on each database.
pub fn rounds() -> usize {
    variable("CRESSET_CRASH_ROUNDS").map_or(3, |n| n.parse().unwrap())
}

/// A new store from time to time, so that many rounds do not spend their time on checking an old one.
pub fn is_time_for_a_new_store(round: usize) -> bool {
    round % 20 == 19
}

/// A number that differs from round to round, and from run to run: the moment of a kill is not to be always the same.
pub fn random(round: usize) -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), round)
}
