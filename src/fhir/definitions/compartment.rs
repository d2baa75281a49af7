//! Compartments (FHIR R4 `compartmentdefinition.html`): Device, Encounter, Patient, Practitioner, RelatedPerson.

use std::sync::{Arc, LazyLock};

use super::format::MembershipRow;
use super::params::{ParamId, SearchParam};
use super::tables;
use crate::fhir::types::ResourceType;

/// How resources of one type belong to the compartments of another.
#[derive(Debug)]
pub struct Membership {
    /// The type that the compartment is of, such as Patient.
    pub compartment: ResourceType,
    /// The type of the member.
    pub member: ResourceType,
    /// Whether the resource that the compartment is of belongs to it itself.
    pub is_self: bool,
    /// A resource belongs when one of these references the compartment's resource.
    pub params: Vec<&'static SearchParam>,
}

static ALL: LazyLock<Vec<Membership>> =
    LazyLock::new(|| tables::rows().memberships.into_iter().filter_map(Membership::new).collect());

impl Membership {
    fn new(row: MembershipRow) -> Option<Self> {
        Some(Self {
            compartment: ResourceType::all().nth(row.compartment.into())?,
            member: ResourceType::all().nth(row.member.into())?,
            is_self: row.is_self == 1,
            params: row.params.into_iter().filter_map(|n| ParamId(n.into()).official()).map(Arc::as_ref).collect(),
        })
    }
}

/// The types that can be members of the compartments of a type, sorted by name; empty when the type has
/// no compartment.
pub fn members(compartment: ResourceType) -> &'static [Membership] {
    let start = ALL.partition_point(|m| m.compartment < compartment);
    let end = ALL.partition_point(|m| m.compartment <= compartment);
    &ALL[start..end]
}

/// How resources of type `member` belong to the compartments of a type; none when they never do.
pub fn membership(compartment: ResourceType, member: ResourceType) -> Option<&'static Membership> {
    let members = members(compartment);
    members.binary_search_by_key(&member, |m| m.member).ok().map(|at| &members[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        ResourceType::find(name).expect(name)
    }

    fn codes(compartment: &str, member: &str) -> Vec<&'static str> {
        membership(kind(compartment), kind(member)).map_or(Vec::new(), |m| m.params.iter().map(|p| &*p.code).collect())
    }

    #[test]
    fn knows_the_five_compartments() {
        let all: Vec<&str> = ResourceType::all().filter(|k| !members(*k).is_empty()).map(|k| k.name()).collect();
        assert_eq!(all, ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]);
        assert_eq!(codes("Patient", "Observation"), ["subject", "performer"]);
        assert_eq!(codes("Patient", "Patient"), ["link"]);
        assert_eq!(codes("Patient", "Binary"), [""; 0]);
        assert_eq!(members(kind("Patient")).iter().map(|m| m.params.len()).sum::<usize>(), 100);
    }

    #[test]
    fn a_compartment_holds_its_own_resource_where_it_says_so() {
        for name in ["Encounter", "Practitioner", "RelatedPerson"] {
            assert!(membership(kind(name), kind(name)).is_some_and(|m| m.is_self), "{name}");
        }
        assert!(membership(kind("Patient"), kind("Observation")).is_some_and(|m| !m.is_self));
    }
}
