//! What is known of a code system as a whole (FHIR R4 `codesystem.html`).

use super::concept::PropertyKind;
use super::version;

/// What the URIs of the standard properties begin with.
pub const STANDARD: &str = "http://hl7.org/fhir/concept-properties#";

/// The URL of LOINC.
pub const LOINC: &str = "http://loinc.org";

/// How much of a code system is here (`CodeSystem.content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// All concepts.
    #[default]
    Complete,
    /// Some of them, on purpose.
    Fragment,
    /// A few of them, to show what it is like.
    Example,
    /// None of them.
    NotPresent,
    /// Additions to another code system.
    Supplement,
}

impl Content {
    /// From `CodeSystem.content`.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "complete" => Self::Complete,
            "fragment" => Self::Fragment,
            "example" => Self::Example,
            "not-present" => Self::NotPresent,
            "supplement" => Self::Supplement,
            _ => return None,
        })
    }

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Fragment => "fragment",
            Self::Example => "example",
            Self::NotPresent => "not-present",
            Self::Supplement => "supplement",
        }
    }
}

/// What the place of a concept below another one means (`CodeSystem.hierarchyMeaning`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hierarchy {
    /// Nothing is said; taken for `is-a`.
    #[default]
    Unknown,
    /// Each is one of its parent.
    IsA,
    /// They stand together for people.
    GroupedBy,
    /// Each is a part of its parent.
    PartOf,
    /// A classification: each is in its parent's class.
    ClassifiedWith,
}

impl Hierarchy {
    /// From `CodeSystem.hierarchyMeaning`.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "is-a" => Self::IsA,
            "grouped-by" => Self::GroupedBy,
            "part-of" => Self::PartOf,
            "classified-with" => Self::ClassifiedWith,
            _ => return None,
        })
    }

    /// Whether what is above subsumes what is below.
    pub fn subsumes(self) -> bool {
        matches!(self, Self::Unknown | Self::IsA | Self::ClassifiedWith)
    }
}

/// A property that concepts may have (`CodeSystem.property`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyDefinition {
    /// Its code within the system.
    pub code: Box<str>,
    /// What it means, across systems.
    pub uri: Option<Box<str>>,
    /// For people.
    pub description: Option<Box<str>>,
    /// The type of its values.
    pub kind: PropertyKind,
}

/// A code system as a whole.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The canonical URL: `Coding.system`.
    pub url: Box<str>,
    /// The version.
    pub version: Option<Box<str>>,
    /// The name for computers.
    pub name: Option<Box<str>>,
    /// The name for people.
    pub title: Option<Box<str>>,
    /// `draft`, `active`, `retired` or `unknown`.
    pub status: Box<str>,
    /// Whether it is for tests only.
    pub experimental: bool,
    /// The code of the extension `structuredefinition-standards-status` (`deprecated`, `withdrawn`, ...).
    pub standards_status: Option<Box<str>>,
    /// How much of it is here.
    pub content: Content,
    /// Whether the case of codes matters.
    pub case_sensitive: bool,
    /// What the hierarchy means.
    pub hierarchy: Hierarchy,
    /// Whether codes may be composed by a grammar.
    pub compositional: bool,
    /// Whether a code may mean another thing in another version.
    pub version_needed: bool,
    /// The language of displays that name none (BCP-47).
    pub language: Option<Box<str>>,
    /// The properties that concepts may have.
    pub properties: Vec<PropertyDefinition>,
    /// The canonical URL of the value set of all codes.
    pub value_set: Option<Box<str>>,
    /// The canonical URL of the code system that a supplement adds to; may have a version.
    pub supplements: Option<Box<str>>,
    /// Whether all concepts can be listed; not so for a grammar.
    pub enumerable: bool,
    /// How many concepts there are, where that is known.
    pub count: Option<u64>,
    /// When it was published or, if it does not say so, last changed here.
    pub date: Option<Box<str>>,
    /// Whether it says when it was published.
    pub is_published: bool,
}

impl About {
    /// The canonical URL with the version.
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.to_string(),
        }
    }

    /// Whether it adds to a version of a code system: `supplements` names it, or names no version. `None`: the version is not known.
    pub fn is_supplement_of(&self, url: &str, given: Option<&str>) -> bool {
        let Some((named, wanted)) = self.supplements.as_deref().map(version::split) else { return false };
        named == url && wanted.is_none_or(|wanted| given.is_some_and(|given| version::matches(wanted, given)))
    }

    /// Whether two codes are the same here.
    pub fn is_same(&self, a: &str, b: &str) -> bool {
        a == b || (!self.case_sensitive && a.to_lowercase() == b.to_lowercase())
    }

    /// Whether case is disregarded in the values of properties of a type: "LOINC codes, displays, and property values are not case sensitive" (`loinc.html`);
    /// codes of this system are compared as codes.
    pub fn folds(&self, kind: PropertyKind) -> bool {
        *self.url == *LOINC || (kind == PropertyKind::Code && !self.case_sensitive)
    }

    /// The definition of a property.
    pub fn property(&self, code: &str) -> Option<&PropertyDefinition> {
        self.properties.iter().find(|property| *property.code == *code)
    }

    /// The code that this system gives to the property with a URI, such as `http://hl7.org/fhir/concept-properties#status`.
    pub fn property_by_uri(&self, uri: &str) -> Option<&str> {
        self.properties.iter().find(|property| property.uri.as_deref() == Some(uri)).map(|property| &*property.code)
    }

    /// The code that this system gives to a standard property: by its URI, else that of the standard.
    pub fn standard_property<'s>(&'s self, name: &'s str) -> &'s str {
        self.property_by_uri(&format!("{STANDARD}{name}")).unwrap_or(name)
    }
}
