//! Types of identity: which resource type, which id, which resource.

use std::fmt;
use std::sync::Arc;

use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::types;

/// One of the concrete resource types of R4 (146; FHIR R4 `resourcelist.html`), as an index into the
/// sorted list of their names. The numbers never leave the process: store and wire use the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(u8);

impl ResourceType {
    /// The type with this exact name.
    pub fn find(name: &str) -> Option<Self> {
        let at = types::RESOURCES.binary_search(&name).ok()?;
        u8::try_from(at).ok().map(Self)
    }

    /// The type with this exact name.
    ///
    /// # Errors
    /// 404 `not-supported`, as FHIR asks for an unknown type (`http.html`, 3.1.0.1.2).
    pub fn parse(name: &str) -> Result<Self> {
        Self::find(name).ok_or_else(|| {
            let message = format!("unknown resource type \"{}\"", name.escape_debug());
            Fault::coded(crate::base::fault::Category::NotFound, "not-supported", message)
        })
    }

    /// All types, sorted by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..types::RESOURCES.len()).map(|n| Self(n as u8))
    }

    /// The name, such as `Patient`.
    pub fn name(self) -> &'static str {
        types::RESOURCES[self.0 as usize]
    }

    /// The type with a number.
    pub fn at(index: usize) -> Option<Self> {
        (index < types::RESOURCES.len()).then_some(Self(index as u8))
    }

    /// The number: the index in the sorted list of names.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The logical id of a resource: 1 to 64 of `A-Z a-z 0-9 - .` (FHIR R4 `datatypes.html#id`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// An id from its text.
    ///
    /// # Errors
    /// 400 when the text is not an id.
    pub fn parse(text: &str) -> Result<Self> {
        if Self::is_valid(text) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(80).collect();
        let message = format!("\"{}\" is not an id: 1 to 64 letters, digits, `-` and `.`", shown.escape_debug());
        Err(Fault::coded(crate::base::fault::Category::Invalid, "value", message))
    }

    /// Whether a text is an id.
    pub fn is_valid(text: &str) -> bool {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which resource: its type and id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// The resource type.
    pub kind: ResourceType,
    /// The logical id.
    pub id: ResourceId,
}

impl ResourceKey {
    /// A key from its parts.
    pub fn new(kind: ResourceType, id: ResourceId) -> Self {
        Self { kind, id }
    }

    /// A 64-bit hash of `Type/id` (XXH3), stable for ever: the search index joins on it. Different
    /// resources may share it; whoever uses it checks type and id afterwards.
    pub fn hash64(&self) -> u64 {
        hash_key(self.kind.name(), self.id.as_str())
    }
}

/// [`ResourceKey::hash64`] for a type's name and an id.
pub fn hash_key(kind: &str, id: &str) -> u64 {
    let mut text = smallvec::SmallVec::<[u8; 128]>::new();
    text.extend_from_slice(kind.as_bytes());
    text.push(b'/');
    text.extend_from_slice(id.as_bytes());
    twox_hash::XxHash3_64::oneshot(&text)
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
