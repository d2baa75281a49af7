//! The profiles, value sets and code systems of R4 in their prepared form: compact JSON without what only people read
//! (`build/conformance.rs`). Finding one costs a binary search; whoever needs it parses and keeps it.

include!(concat!(env!("OUT_DIR"), "/conformance.rs"));

static TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/conformance.json"));

/// What the canonical URL of every definition of a type or core profile begins with.
pub const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// What a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A StructureDefinition: of a type, a profile or an extension.
    Profile,
    /// A ValueSet.
    ValueSet,
    /// A CodeSystem.
    CodeSystem,
}

impl Kind {
    /// The kind of a resource type.
    pub fn of(resource_type: &str) -> Option<Self> {
        match resource_type {
            "StructureDefinition" => Some(Self::Profile),
            "ValueSet" => Some(Self::ValueSet),
            "CodeSystem" => Some(Self::CodeSystem),
            _ => None,
        }
    }
}

/// The JSON text of the definition with a URL.
pub fn find(kind: Kind, url: &str) -> Option<&'static str> {
    let at = INDEX.binary_search_by(|row| (row.0, row.1).cmp(&(url, kind as u8))).ok()?;
    let (_, _, start, end) = INDEX[at];
    TEXT.get(start as usize..end as usize)
}

/// The URLs of all definitions of a kind.
pub fn urls(kind: Kind) -> impl Iterator<Item = &'static str> {
    INDEX.iter().filter(move |row| row.1 == kind as u8).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_found() {
        let count = |kind| urls(kind).inspect(|url| assert!(find(kind, url).is_some(), "{url}")).count();
        assert_eq!(count(Kind::Profile), 649);
        assert!(count(Kind::ValueSet) > 1200 && count(Kind::CodeSystem) > 1000);
        let patient = find(Kind::Profile, "http://hl7.org/fhir/StructureDefinition/Patient").expect("Patient");
        assert!(patient.starts_with(r#"{"resourceType":"StructureDefinition""#) && patient.contains("pat-1"));
        assert_eq!(find(Kind::Profile, "http://hl7.org/fhir/StructureDefinition/patient"), None);
    }
}
