//! A stand-in for the element tables of the definitions, until they are there: it knows the names of types only.

use crate::fhir::definitions::types;
use crate::fhir::name::Name;

/// A FHIR type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId(pub u16);

/// What kind of type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// A primitive.
    Primitive,
    /// A data type.
    Complex,
    /// An element defined in place.
    Backbone,
    /// A resource.
    Resource,
}

/// A property of a type.
#[derive(Debug)]
pub struct Property {
    /// Its type.
    pub type_id: TypeId,
    /// Whether it is one form of a choice.
    pub is_choice: bool,
}

const OTHERS: [&str; 26] = [
    "boolean",
    "string",
    "code",
    "id",
    "uri",
    "url",
    "canonical",
    "markdown",
    "integer",
    "decimal",
    "date",
    "dateTime",
    "instant",
    "Resource",
    "DomainResource",
    "Element",
    "Extension",
    "Quantity",
    "CodeableConcept",
    "Coding",
    "Range",
    "Reference",
    "Period",
    "Identifier",
    "SampledData",
    "HumanName",
];

/// The type with a name.
pub fn type_by_name(name: &str) -> Option<TypeId> {
    let resource = types::RESOURCES.binary_search(&name).ok();
    let other = || OTHERS.iter().position(|n| *n == name).map(|n| n + types::RESOURCES.len());
    resource.or_else(other).and_then(|n| u16::try_from(n).ok()).map(TypeId)
}

/// The property of a type.
pub fn property(_: TypeId, _: &Name) -> Option<&'static Property> {
    None
}

impl TypeId {
    /// Its name.
    pub fn name(self) -> &'static str {
        let at = usize::from(self.0);
        types::RESOURCES.get(at).copied().unwrap_or_else(|| OTHERS[at - types::RESOURCES.len()])
    }

    /// What it is derived from.
    pub fn base(self) -> Option<TypeId> {
        None
    }

    /// What kind of type it is.
    pub fn kind(self) -> TypeKind {
        match usize::from(self.0).checked_sub(types::RESOURCES.len()) {
            None => TypeKind::Resource,
            Some(0..=12) => TypeKind::Primitive,
            _ => TypeKind::Complex,
        }
    }

    /// Whether it is the other or derived from it.
    pub fn is_a(self, ancestor: TypeId) -> bool {
        self == ancestor
            || (self.kind() == TypeKind::Resource && matches!(ancestor.name(), "Resource" | "DomainResource"))
    }
}
