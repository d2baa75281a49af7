//! A value set that codes are held against: the set of its codes, and whoever knows what that leaves open.

use std::sync::LazyLock;

use super::answers::Answers;
use super::codes::{Membership, ValueSet};
use super::registry::Registry;

/// Of which nobody knows what is in it.
static OPEN: LazyLock<ValueSet> = LazyLock::new(ValueSet::unknown);

/// See the module.
#[derive(Clone, Copy)]
pub struct Bound<'r> {
    /// Its codes as far as a registry knows them.
    pub set: &'r ValueSet,
    url: &'r str,
    answers: Option<&'r Answers>,
}

impl<'r> Bound<'r> {
    /// The value set with a canonical URL: of the registry, or one that a large code system implies.
    pub fn find(registry: &'r Registry, answers: Option<&'r Answers>, url: &'r str) -> Option<Self> {
        let of_registry = registry.value_set(url);
        let set = of_registry.or_else(|| answers.filter(|answers| answers.implies(url)).map(|_| &*OPEN))?;
        Some(Self { set, url, answers })
    }

    /// Whether a code is in it; without a system, whether it is in it under any.
    pub fn contains(&self, system: Option<&str>, code: &str) -> Membership {
        let found = self.set.contains(system, code);
        match self.answers {
            Some(answers) if found == Membership::Unknown && self.can_tell(answers, system) => {
                answers.member(self.url, system, code)
            }
            _ => found,
        }
    }

    /// Whether what is open here is known there, so that asking is worth its time.
    fn can_tell(&self, answers: &Answers, system: Option<&str>) -> bool {
        match system {
            Some(system) => answers.has_system(system) || self.set.is_unknown(),
            None => self.set.open_systems().all(|system| answers.has_system(system)),
        }
    }
}
