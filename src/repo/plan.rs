//! Planning a write: everything that needs no database.
//!
//! A transaction is checked, its resources get their ids, its references are rewritten, and each resource
//! is turned into what the Writer inserts: the encoded body, the hashes of its identifiers and its
//! search values. What was looked up while planning is written down as an [`Assumption`]; the Writer
//! checks it again inside the commit.

use bytes::Bytes;

use super::digest::digest;

use super::face::{IfMatch, Stored};
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::fhir::json::{Json, Object, write, write_string};
use crate::fhir::resource;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::params::ParamSet;
use crate::search::value::Extracted;
use crate::store::body::{Place, Splice, encode};

/// A transaction, ready for the Writer.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One step per entry, in the entries' order.
    pub(super) steps: Vec<Step>,
    /// What must still be true at the commit.
    pub(super) assumptions: Vec<Assumption>,
}

impl Plan {
    /// How many versions it may insert.
    pub(super) fn rows(&self) -> usize {
        let rows = |step: &Step| match step {
            Step::Write(_) => 1,
            Step::Delete(deletes) => deletes.len(),
            Step::Present(_) => 0,
        };
        self.steps.iter().map(rows).sum()
    }
}

/// What is to be done for one entry.
#[derive(Debug)]
pub(super) enum Step {
    /// A new version.
    Write(Box<Write>),
    /// Deletions: of the one resource that is meant, or of all that a condition has found.
    Delete(Vec<Delete>),
    /// Nothing: `If-None-Exist` found this one.
    Present(Box<Stored>),
}

/// A new version of a resource.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) key: ResourceKey,
    pub(super) precondition: Precondition,
    /// Whether the resource may be one that never was: an id that the client has chosen.
    pub(super) may_create: bool,
    /// The JSON without versionId and lastUpdated, and where these belong.
    pub(super) json: Bytes,
    pub(super) splice: Splice,
    /// The JSON as the store keeps it.
    pub(super) body: Bytes,
    /// Hash of `json`: an update with the same makes no new version.
    pub(super) digest: u128,
    /// Hashes of its identifiers, sorted, without duplicates.
    pub(super) identifiers: Box<[i64]>,
    pub(super) values: Extracted,
    /// The resources that it refers to, where that is enforced; sorted.
    pub(super) references: Box<[ResourceKey]>,
    /// The entry's place in the Bundle, for faults.
    pub(super) index: Option<usize>,
}

/// A deletion.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) key: ResourceKey,
    pub(super) if_match: Option<IfMatch>,
    pub(super) index: Option<usize>,
}

/// What must hold for the resource at the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Precondition {
    /// A create: the id is new.
    New,
    /// An update without condition.
    Any,
    /// `If-Match`.
    Match(IfMatch),
    /// `If-None-Match`.
    NoneMatch(IfMatch),
    /// A conditional update that found nothing and has an id: the id is free.
    Unused,
}

/// Something that was true while planning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Assumption {
    /// Exactly these resources have an identifier with this hash.
    Identified {
        /// Their type.
        kind: ResourceType,
        /// [`identifier_hash`].
        hash: i64,
        /// Their ids, sorted.
        holders: Vec<ResourceId>,
    },
    /// No resource of the type was written after `since`.
    Unchanged {
        /// The type.
        kind: ResourceType,
        /// The position at which was searched.
        since: Seq,
    },
    /// This is the current version of the resource.
    Current {
        /// Which resource.
        key: ResourceKey,
        /// Its version; 0: there never was one.
        version: i64,
    },
}

/// The hash under which an identifier is found: XXH3 of `system|value`.
pub(super) fn identifier_hash(system: Option<&str>, value: &str) -> i64 {
    let text = format!("{}|{value}", system.unwrap_or_default());
    twox_hash::XxHash3_64::oneshot(text.as_bytes()).cast_signed()
}

/// The place of an entry, in front of a place inside its resource.
pub(super) fn in_entry(fault: Fault, index: Option<usize>) -> Fault {
    let Some(index) = index else { return fault };
    let place = |inner: Option<&str>| {
        let rest = inner.and_then(|place| place.split_once('.')).map_or("", |(_, rest)| rest);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("Bundle.entry[{index}].resource{dot}{rest}")
    };
    Fault::of(fault.category(), fault.issues().iter().cloned().map(|issue| issue.moved(place)).collect())
}

/// Gives a resource its id and takes away what the server assigns; checks its type.
///
/// # Errors
/// 400 when the body is not a resource of `kind`, or has another id than the URL.
pub(super) fn adopt(resource: &mut Json, key: &ResourceKey, update: bool) -> Result<()> {
    of_kind(resource, key.kind)?;
    let id = resource.get("id").and_then(Json::as_str);
    match id {
        Some(id) if update && id != key.id.as_str() => {
            let message = format!("the body's id \"{}\" is not the id of the URL, \"{}\"", id.escape_debug(), key.id);
            return Err(Fault::new(Category::Invalid, message).at(format!("{}.id", key.kind)));
        }
        None if update => {
            let message = format!("the body has no id; the URL says \"{}\"", key.id);
            return Err(Fault::new(Category::Invalid, message).at(format!("{}.id", key.kind)));
        }
        _ => {}
    }
    resource::set_id(resource, key.id.as_str());
    resource::strip_version(resource);
    Ok(())
}

/// Checks the type of a resource.
///
/// # Errors
/// 400 when the body is not a resource of `kind`.
pub(super) fn of_kind(resource: &Json, kind: ResourceType) -> Result<()> {
    let found = resource::resource_type(resource)?;
    if found == kind {
        return Ok(());
    }
    let message = format!("the body is a {found}, the URL says {kind}");
    Err(Fault::new(Category::Invalid, message).at("resourceType"))
}

/// Turns a checked resource with all references resolved into what the Writer inserts.
pub(super) fn encode_write(
    resource: &Json,
    key: ResourceKey,
    precondition: Precondition,
    params: &ParamSet,
    base: &str,
) -> Result<Write> {
    let (json, splice) = serialise(resource);
    let body = Bytes::from(encode(&json, splice)?);
    let digest = digest(resource);
    let mut identifiers: Vec<i64> =
        resource::identifiers(resource).into_iter().map(|(system, value)| identifier_hash(system, value)).collect();
    identifiers.sort_unstable();
    identifiers.dedup();
    let values = params.extract(key.kind, resource, base);
    Ok(Write {
        key,
        precondition,
        may_create: true,
        json: Bytes::from(json),
        splice,
        body,
        digest,
        identifiers: identifiers.into(),
        values,
        references: Box::default(),
        index: None,
    })
}

/// The compact JSON of a resource, and where `meta.versionId` and `meta.lastUpdated` belong in it: in its meta, or in
/// one after `resourceType` and `id`.
fn serialise(resource: &Json) -> (Vec<u8>, Splice) {
    let mut out = Vec::with_capacity(2048);
    let mut inside = None;
    let mut after = None;
    out.push(b'{');
    for (i, (name, value)) in resource.as_object().into_iter().flat_map(Object::iter).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if after.is_none() && *name != *"resourceType" && *name != *"id" {
            after = Some(out.len());
        }
        write_string(name.as_str(), &mut out);
        out.push(b':');
        if *name == *"meta" {
            inside = Some(out.len() + 1);
        }
        write(value, &mut out);
    }
    out.push(b'}');
    let splice = match (inside, after) {
        (Some(offset), _) => Splice { offset, place: Place::Filled },
        (None, Some(offset)) => Splice { offset, place: Place::Absent },
        (None, None) => Splice { offset: out.len() - 1, place: Place::AbsentLast },
    };
    (out, splice)
}
