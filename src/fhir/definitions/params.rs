//! Search parameters (FHIR R4 `searchparameter.html`).

use crate::fhir::types::ResourceType;

/// A search parameter in the table of those loaded; valid within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub u16);

/// The type of a search parameter (value set `search-param-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParamKind {
    /// `number`
    Number,
    /// `date`
    Date,
    /// `string`
    String,
    /// `token`
    Token,
    /// `reference`
    Reference,
    /// `composite`
    Composite,
    /// `quantity`
    Quantity,
    /// `uri`
    Uri,
    /// `special`
    Special,
}

/// One component of a composite parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The parameter that says how the component is searched.
    pub param: ParamId,
    /// FHIRPath, relative to what the composite's own expression yields.
    pub expression: &'static str,
}

/// A search parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParam {
    /// Its number.
    pub id: ParamId,
    /// Its name in a search, such as `birthdate`.
    pub code: &'static str,
    /// Its canonical URL.
    pub url: &'static str,
    /// Its type.
    pub kind: ParamKind,
    /// The resource types it applies to; for parameters on Resource or DomainResource all of them.
    pub base: Vec<ResourceType>,
    /// FHIRPath of the values; absent for `_text`, `_content`, `_query` and their like.
    pub expression: Option<&'static str>,
    /// Allowed targets of a reference; empty when the definition names none (any).
    pub targets: Vec<ResourceType>,
    /// Components of a composite.
    pub components: Vec<Component>,
}
