//! Arguments of statements: the four column types that both databases have, and NULL.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::fhir::types::ResourceType;

/// An argument. Its type never depends on its value: PostgreSQL prepares a statement once, for the types that it saw first.
#[derive(Debug, Clone)]
pub enum Value {
    /// BIGINT
    I64(i64),
    /// TEXT
    Text(Arc<str>),
    /// BLOB or BYTEA
    Bytes(Bytes),
    /// BLOB or BYTEA without a value
    NoBytes,
    /// BOOLEAN
    Bool(bool),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(value))
    }
}

impl From<Option<Bytes>> for Value {
    fn from(value: Option<Bytes>) -> Self {
        value.map_or(Self::NoBytes, Self::Bytes)
    }
}

impl From<ResourceType> for Value {
    fn from(kind: ResourceType) -> Self {
        static NAMES: LazyLock<Vec<Arc<str>>> =
            LazyLock::new(|| ResourceType::all().map(|t| t.name().into()).collect());
        Self::Text(NAMES[kind.index()].clone())
    }
}
