//! The shapes of the store: rows of its tables.

use bytes::Bytes;

use super::db::Row;
use super::error::corrupt;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// How far a tenant's log reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last entry; 0 when there is none.
    pub seq: Seq,
    /// Its time; no later entry has an earlier one.
    pub updated: Timestamp,
}

/// The interaction that made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionKind {
    /// Under a new id given by the server.
    Create,
    /// Under an id given by the client.
    Update,
    /// A deletion; it has no body.
    Delete,
    /// It had a body or was a deletion, and was expunged: only its place in the log is left.
    Expunged,
}

impl VersionKind {
    /// Whether such a version has a body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }

    /// The number in the column `kind`; never reused.
    pub fn code(self) -> i64 {
        match self {
            Self::Create => 1,
            Self::Update => 2,
            Self::Delete => 3,
            Self::Expunged => 4,
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self> {
        match code {
            1 => Ok(Self::Create),
            2 => Ok(Self::Update),
            3 => Ok(Self::Delete),
            4 => Ok(Self::Expunged),
            _ => Err(Fault::internal(format!("kind: unknown code {code}"))),
        }
    }
}

/// A version of a resource: one entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Place in the tenant's log.
    pub seq: Seq,
    /// Which resource.
    pub key: ResourceKey,
    /// `meta.versionId`: 1, 2, 3 ... per resource, deletions included.
    pub version: i64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
    /// How it came to be.
    pub kind: VersionKind,
    /// Seq of the first version of the same transaction.
    pub tx: Seq,
    /// The stored form of the body (see `body`); `None` exactly for a deletion and
    /// for what was expunged.
    pub body: Option<Bytes>,
}

/// The columns of a [`VersionRow`], in the order of [`VersionRow::decode`].
macro_rules! version_columns {
    () => {
        "v.seq, v.type, v.id, v.version, v.updated, v.kind, v.tx, v.body"
    };
}
pub(super) use version_columns;

impl VersionRow {
    /// From an answer with the columns of `version_columns`.
    pub(super) fn decode(row: &Row) -> Result<Self> {
        let seq = row.i64(0).map_err(|fault| corrupt("versions", "seq", fault))?;
        Self::decode_rest(Seq(seq), row).map_err(|fault| corrupt("versions", format_args!("seq {seq}"), fault))
    }

    fn decode_rest(seq: Seq, row: &Row) -> Result<Self> {
        let key = key(row.text(1)?, row.text(2)?)?;
        let kind = VersionKind::from_code(row.i64(5)?)?;
        let body = row.bytes(7)?;
        if body.is_some() != kind.has_body() {
            return Err(Fault::internal(
                "body: a deletion and what was expunged have none, every other version has one",
            ));
        }
        let (version, updated, tx) = (row.i64(3)?, Timestamp(row.i64(4)?), Seq(row.i64(6)?));
        Ok(Self { seq, key, version, updated, kind, tx, body })
    }
}

/// A resource key out of its columns `type` and `id`.
pub(super) fn key(kind: &str, id: &str) -> Result<ResourceKey> {
    let kind = ResourceType::find(kind).ok_or_else(|| Fault::internal("type: not a resource type"))?;
    let id = ResourceId::parse(id).map_err(|_| Fault::internal("id: not an id"))?;
    Ok(ResourceKey::new(kind, id))
}

/// The current version of a resource, without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// Its place in the log.
    pub seq: Seq,
    /// `meta.versionId`; as versions count from 1, also the number of versions.
    pub version: i64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// Digest of the resource's content, to recognise an update that changes nothing; the caller's choice.
    pub digest: [u8; 16],
}

impl Current {
    /// From five columns beginning at `at`: seq, version, updated, deleted, digest.
    pub(super) fn decode(row: &Row, at: usize) -> Result<Self> {
        let digest = row.slice(at + 4)?.try_into();
        Ok(Self {
            seq: Seq(row.i64(at)?),
            version: row.i64(at + 1)?,
            updated: Timestamp(row.i64(at + 2)?),
            deleted: row.bool(at + 3)?,
            digest: digest.map_err(|_| Fault::internal("digest: not 16 bytes"))?,
        })
    }
}

/// What the log holds of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeHead {
    /// The last entry of the type; 0 when there is none.
    pub seq: Seq,
    /// How many versions there are, deletions included.
    pub versions: i64,
}

/// An exclusive span of a subject's time: `starts <= t < ends`. Spans of one subject never overlap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Whose time, such as `Practitioner/1`.
    pub subject: String,
    /// First instant.
    pub starts: Timestamp,
    /// First instant after it.
    pub ends: Timestamp,
    /// The resource that holds the claim, such as an Appointment.
    pub holder: ResourceKey,
}
