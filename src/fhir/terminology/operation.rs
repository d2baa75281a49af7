//! The operations of the service.

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `ValueSet/$expand`
    Expand,
    /// `ValueSet/$validate-code`
    ValidateInValueSet,
    /// `CodeSystem/$validate-code`
    ValidateInCodeSystem,
    /// `CodeSystem/$lookup`
    Lookup,
    /// `CodeSystem/$subsumes`
    Subsumes,
    /// `CodeSystem/$find-matches`
    FindMatches,
    /// `ConceptMap/$translate`
    Translate,
    /// `ValueSet/$batch-validate-code`
    BatchValidate,
    /// `ValueSet/$compare`
    Compare,
}
