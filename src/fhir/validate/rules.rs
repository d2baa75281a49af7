//! The compiled form of a StructureDefinition: a tree of rules that is cheap to walk.
//!
//! A rule says only what its profile adds to the base definition of the type; what adds nothing is not there. So a
//! resource is walked once, with the rules of its type and of all its profiles beside one another.

use std::sync::{Arc, OnceLock};

use super::invariant::Constraint;
use crate::fhir::definitions::element::TypeId;
use crate::fhir::fhirpath::Expression;
use crate::fhir::json::Json;
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// A StructureDefinition, compiled.
#[derive(Debug)]
pub struct Profile {
    /// Its canonical URL, without version.
    pub url: Box<str>,
    /// The type that it is about.
    pub type_id: TypeId,
    /// The rules; the first is that of the type itself.
    pub rules: Vec<Rule>,
    /// Whether it is an extension that changes what its element means.
    pub is_modifier: bool,
    /// For an extension, where it may stand; empty for anywhere.
    pub contexts: Vec<ExtensionContext>,
    /// For an extension, what must hold for the element that has it.
    pub context_invariants: Vec<Constraint>,
}

/// `StructureDefinition.context`: where an extension may stand.
#[derive(Debug)]
pub enum ExtensionContext {
    /// On an element, by its path or type.
    Element(Box<str>),
    /// Within the extension with this URL.
    Extension(Box<str>),
    /// Where an expression says; none where it is not understood.
    Expression(Option<Box<Expression>>),
}

/// What a profile asks of one element, or of one slice of it.
#[derive(Debug, Default)]
pub struct Rule {
    /// The id of the element, such as `Observation.component:systolic.code`.
    pub id: Box<str>,
    /// The least number of values, where that is more than in the base definition, else 0.
    pub min: u32,
    /// The greatest number of values, where that is less than in the base definition.
    pub max: Option<u32>,
    /// The types that are allowed; empty when the base definition says it all.
    pub types: Box<[TypeRule]>,
    /// A fixed value or pattern.
    pub value: Option<Expected>,
    /// The value set that codes come from.
    pub binding: Option<Binding>,
    /// Further value sets that codes must come from too.
    pub more: Box<[Binding]>,
    /// The invariants.
    pub constraints: Box<[Arc<Constraint>]>,
    /// Bounds of the value.
    pub bounds: Option<Box<ValueBounds>>,
    /// What the parts of a narrative must say of themselves.
    pub narrative: Option<Box<NarrativeControl>>,
    /// The rules of the child elements, by the position of the element in its type, sorted.
    pub children: Box<[(u16, u32)]>,
    /// Those of the children that must be there.
    pub needed: Box<[(u16, u32)]>,
    /// The slices.
    pub slicing: Option<Box<Slicing>>,
}

/// One of the types of an element.
#[derive(Debug)]
pub struct TypeRule {
    /// The type.
    pub type_id: TypeId,
    /// Profiles of which a value of the type must conform to one.
    pub profiles: Box<[Box<str>]>,
    /// Profiles of which the target of a reference must conform to one; empty for any.
    pub targets: Box<[Target]>,
}

/// What a reference may lead to.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The canonical URL of the profile.
    pub url: Box<str>,
    /// The resource type, if the URL is that of the base definition of one.
    pub kind: Option<ResourceType>,
}

/// A value that is prescribed.
#[derive(Debug)]
pub enum Expected {
    /// Exactly this.
    Fixed(Json),
    /// At least this.
    Pattern(Json),
}

/// The value set that a coded element is bound to.
#[derive(Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whether codes must come from it (`required`), or should (`extensible`).
    pub is_required: bool,
    /// The canonical URL of the value set.
    pub value_set: Box<str>,
}

/// What a profile asks of the parts of a narrative, by the extensions `narrative-language-control` and `narrative-source-control`.
#[derive(Debug, Default)]
pub struct NarrativeControl {
    /// The languages that must have a section, or `_no` for no sections, `_yes` for some, `_resource` for that of the resource.
    pub languages: Box<[Box<str>]>,
    /// Whether each part names its source in its class.
    pub by_source: bool,
}

/// Bounds of a primitive value or quantity.
#[derive(Debug, Default)]
pub struct ValueBounds {
    /// Most characters.
    pub max_length: Option<u64>,
    /// The least value.
    pub min: Option<Json>,
    /// The greatest value.
    pub max: Option<Json>,
}

/// Whether values that are in no slice are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlicingRules {
    /// They are, anywhere.
    Open,
    /// They are not.
    Closed,
    /// They are, after those in slices.
    OpenAtEnd,
}

/// For each slice its criteria, one for each discriminator; none for a slice that cannot be told from the others.
pub type Criteria = Box<[Option<Box<[Criterion]>>]>;

/// How the values of an element are told apart (FHIR R4 `profiling.html#slicing`).
#[derive(Debug)]
pub struct Slicing {
    /// What distinguishes the slices.
    pub discriminators: Box<[Discriminator]>,
    /// Whether the slices come in their order.
    pub is_ordered: bool,
    /// Whether other values are allowed.
    pub rules: SlicingRules,
    /// Name and rule of each slice.
    pub slices: Box<[(Box<str>, u32)]>,
    /// For each slice what a value must have to be in it; none for a slice that cannot be told. Found at first use, for
    /// it may lie in other profiles.
    pub criteria: OnceLock<Criteria>,
}

/// What kind of difference a discriminator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscriminatorKind {
    /// `value` and `pattern`
    Value,
    /// `exists`
    Exists,
    /// `type`
    Type,
    /// `profile`
    Profile,
}

/// `ElementDefinition.slicing.discriminator`
#[derive(Debug)]
pub struct Discriminator {
    /// What is looked at.
    pub kind: DiscriminatorKind,
    /// The path to the element that is looked at, as written.
    pub path: Box<str>,
    /// How to get there.
    pub probe: Probe,
}

/// A path of a discriminator, prepared.
#[derive(Debug)]
pub enum Probe {
    /// `$this`
    This,
    /// Names of properties, none of them a choice.
    Names(Box<[Name]>),
    /// Anything else.
    Path(Expression),
    /// What cannot be evaluated, and why.
    Broken(Box<str>),
}

/// What a value must have to be in a slice, for one discriminator.
#[derive(Debug)]
pub enum Criterion {
    /// One of these values, each fixed or a pattern.
    Value(Box<[Wanted]>),
    /// A code from a value set.
    Code(Box<str>),
    /// Something there, or nothing.
    Exists(bool),
    /// One of these types.
    Type(Box<[TypeId]>),
    /// Conformance to one of these profiles.
    Profile(Box<[Box<str>]>),
    /// Nothing: the discriminator does not concern this slice.
    Always,
}

/// A value that a slice is known by.
#[derive(Debug)]
pub struct Wanted {
    /// The value.
    pub value: Json,
    /// Whether it is exact.
    pub is_fixed: bool,
}

/// A rule within its profile.
#[derive(Clone, Copy)]
pub struct At<'r> {
    /// The profile.
    pub profile: &'r Profile,
    /// The number of the rule.
    pub index: u32,
}

impl PartialEq for At<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && std::ptr::eq(self.profile, other.profile)
    }
}

impl<'r> At<'r> {
    /// The rule of the type itself.
    pub fn root(profile: &'r Profile) -> Self {
        Self { profile, index: 0 }
    }

    /// Another rule of the same profile.
    pub fn sibling(self, index: u32) -> Self {
        Self { index, ..self }
    }

    /// The rule.
    pub fn rule(self) -> &'r Rule {
        &self.profile.rules[self.index as usize]
    }

    /// Whether it is the rule of a slice.
    pub fn is_slice(self) -> bool {
        self.rule().id.rsplit('.').next().is_some_and(|last| last.contains(':'))
    }

    /// The rule of the child element at a position of the type.
    pub fn child(self, position: u16) -> Option<Self> {
        let children = &self.rule().children;
        let at = children.binary_search_by_key(&position, |child| child.0).ok()?;
        Some(self.sibling(children[at].1))
    }
}

impl Rule {
    /// Whether neither the rule itself nor one below it asks for anything.
    pub fn is_idle(&self) -> bool {
        self.children.is_empty()
            && self.constraints.is_empty()
            && self.types.is_empty()
            && self.value.is_none()
            && self.binding.is_none()
            && self.more.is_empty()
            && self.bounds.is_none()
    }
}

impl Profile {
    /// The last part of the URL, which names the profile in messages.
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }
}
