//! The types that the walk treats in their own way.

use std::sync::LazyLock;

use super::primitive::Primitive;
use crate::fhir::definitions::element::{self, TypeId, type_by_name};

/// The types that the walk treats in their own way, by their numbers.
pub struct KnownTypes {
    /// For each type the primitive that it is, if it is one.
    pub primitives: Vec<Option<Primitive>>,
    /// For each type the positions of its required elements, as bits.
    pub required: Vec<u128>,
    /// `Resource`: any resource.
    pub any: Option<TypeId>,
    /// `Extension`
    pub extension: Option<TypeId>,
    /// `Reference`
    pub reference: Option<TypeId>,
    /// `Coding`
    pub coding: Option<TypeId>,
    /// `Quantity`
    pub quantity: Option<TypeId>,
    /// `Range`
    pub range: Option<TypeId>,
    /// `Attachment`
    pub attachment: Option<TypeId>,
    /// `Signature`
    pub signature: Option<TypeId>,
    /// `CodeableConcept`
    pub concept: Option<TypeId>,
    /// `Bundle`
    pub bundle: Option<TypeId>,
    /// `Identifier`
    pub identifier: Option<TypeId>,
    /// `Observation`
    pub observation: Option<TypeId>,
    /// `QuestionnaireResponse`
    pub response: Option<TypeId>,
    /// `canonical`
    pub canonical: Option<TypeId>,
}

/// The types that the walk treats in their own way.
pub static TYPES: LazyLock<KnownTypes> = LazyLock::new(|| {
    let required = |owner: TypeId| {
        let required = element::properties(owner).iter().filter(|p| p.min > 0);
        required.fold(0, |bits, p| bits | 1 << p.position)
    };
    KnownTypes {
        primitives: element::all_types().map(|id| Primitive::find(id.name())).collect(),
        required: element::all_types().map(required).collect(),
        any: type_by_name("Resource"),
        extension: type_by_name("Extension"),
        reference: type_by_name("Reference"),
        coding: type_by_name("Coding"),
        quantity: type_by_name("Quantity"),
        range: type_by_name("Range"),
        attachment: type_by_name("Attachment"),
        signature: type_by_name("Signature"),
        concept: type_by_name("CodeableConcept"),
        bundle: type_by_name("Bundle"),
        identifier: type_by_name("Identifier"),
        observation: type_by_name("Observation"),
        response: type_by_name("QuestionnaireResponse"),
        canonical: type_by_name("canonical"),
    }
});
