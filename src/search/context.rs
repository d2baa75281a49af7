//! What a search looks through (FHIR R4 `search.html`, 3.1.1.2): a type, all types, or a compartment.

use std::fmt;

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::compartment::{members, membership};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// What a search looks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchContext {
    /// `[base]/[type]?…`
    Type(ResourceType),
    /// `[base]?…`
    System,
    /// `[base]/[compartment]/[id]/[type]?…`
    Compartment {
        /// The resource that the compartment is of.
        of: ResourceKey,
        /// The type of its members; `None` for `*`.
        member: Option<ResourceType>,
    },
    /// `[base]/[type]/[id]/$everything`, `[base]/[type]/$everything`
    Everything {
        /// The type.
        kind: ResourceType,
        /// The id; `None`: all of the type.
        id: Option<ResourceId>,
    },
}

impl From<ResourceType> for SearchContext {
    fn from(kind: ResourceType) -> Self {
        Self::Type(kind)
    }
}

/// The path below the base: `Patient`, nothing, `Patient/1/Observation`, `Patient/1/*`.
impl fmt::Display for SearchContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "{kind}"),
            Self::System => Ok(()),
            Self::Compartment { of, member: Some(member) } => write!(f, "{of}/{member}"),
            Self::Compartment { of, member: None } => write!(f, "{of}/*"),
            Self::Everything { kind, id: Some(id) } => write!(f, "{kind}/{id}/$everything"),
            Self::Everything { kind, id: None } => write!(f, "{kind}/$everything"),
        }
    }
}

impl SearchContext {
    /// The context with a path, as it is displayed; none for any other text.
    pub fn of_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
        match parts.as_slice() {
            [] => Some(Self::System),
            [kind] => Some(Self::Type(ResourceType::find(kind)?)),
            [kind, "$everything"] => Some(Self::Everything { kind: ResourceType::find(kind)?, id: None }),
            [kind, id, "$everything"] => {
                Some(Self::Everything { kind: ResourceType::find(kind)?, id: Some(ResourceId::parse(id).ok()?) })
            }
            [kind, id, member] => {
                let of = ResourceKey::new(ResourceType::find(kind)?, ResourceId::parse(id).ok()?);
                let member = (*member != "*").then(|| ResourceType::find(member).ok_or(()));
                Some(Self::Compartment { of, member: member.transpose().ok()? })
            }
            _ => None,
        }
    }

    /// The one type that is searched, where the context names one.
    pub fn kind(&self) -> Option<ResourceType> {
        match self {
            Self::Type(kind) => Some(*kind),
            Self::System | Self::Everything { .. } => None,
            Self::Compartment { member, .. } => *member,
        }
    }

    /// The types that are searched; all that can be stored (Parameters cannot) for the system.
    ///
    /// # Errors
    /// 404 for a type without compartments, and for one that is never in the compartment.
    pub fn types(&self) -> Result<Vec<ResourceType>> {
        match self {
            Self::Type(kind) => Ok(vec![*kind]),
            Self::System | Self::Everything { .. } => {
                Ok(ResourceType::all().filter(|kind| kind.name() != "Parameters").collect())
            }
            Self::Compartment { of, member } => {
                let all = members(of.kind);
                let absent = |message| Fault::coded(Category::NotFound, "not-supported", message);
                if all.is_empty() {
                    return Err(absent(format!("there are no compartments of type {}", of.kind)));
                }
                match member {
                    None => Ok(all.iter().map(|membership| membership.member).collect()),
                    Some(kind) if membership(of.kind, *kind).is_some() => Ok(vec![*kind]),
                    Some(kind) => Err(absent(format!("{kind} is never in the compartment of a {}", of.kind))),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_paths() {
        for path in
            ["", "Patient", "Patient/1.a-b/Observation", "Device/x/*", "Patient/1/$everything", "Group/$everything"]
        {
            assert_eq!(SearchContext::of_path(path).expect(path).to_string(), path);
        }
        for path in ["Pat", "Patient/1", "Patient/1/Obs", "Patient/a_b/*", "Patient/1/*/2", "/"] {
            assert_eq!(SearchContext::of_path(path), None, "{path}");
        }
    }

    #[test]
    fn contexts_have_types() {
        let types = |path: &str| SearchContext::of_path(path).expect(path).types();
        assert_eq!(types("").expect("all").len(), 145);
        assert_eq!(types("Patient").expect("one").len(), 1);
        assert_eq!(types("Patient/1/*").expect("members").len(), 66);
        assert_eq!(types("Patient/1/Observation").expect("a member").len(), 1);
        for path in ["Organization/1/*", "Patient/1/Medication"] {
            assert_eq!(types(path).expect_err(path).category(), Category::NotFound);
        }
    }
}
