//! Every property name of the R4 definitions, numbered.

/// The names; a name's number is its index.
pub static ALL: &[&str] = &["resourceType", "id", "meta"];

/// The number of a name.
pub fn find(name: &str) -> Option<u16> {
    ALL.iter().position(|n| *n == name).and_then(|n| u16::try_from(n).ok())
}
