//! What the floors above see: the session and the shapes of its answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use crate::base::clock::Timestamp;
use crate::base::config::Secret;
use crate::base::fault::Issue;
use crate::base::id::Seq;
use crate::fhir::json::Json;
use crate::fhir::patch::Patch;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::explain::Explanation;
use crate::search::rank::Note;

/// A version of a resource as it is sent: complete JSON with `id`, `meta.versionId`, `meta.lastUpdated`.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Which resource.
    pub key: ResourceKey,
    /// `meta.versionId`: 1, 2, 3 ...
    pub version: i64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
    /// The JSON; `None` when this version is a deletion.
    pub body: Option<Bytes>,
    /// How this version came to be.
    pub kind: WriteKind,
}

/// The interaction that made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// `POST`
    Create,
    /// `PUT`
    Update,
    /// `DELETE`
    Delete,
}

/// One change of a transaction.
#[derive(Debug)]
pub struct WriteEntry {
    /// For faults: `Some(i)` puts `Bundle.entry[i].resource` (or `.request`) before the issue's place.
    pub index: Option<usize>,
    /// The entry's `fullUrl`; references to it are rewritten to the resource's `Type/id`.
    pub full_url: Option<String>,
    /// What is to be done.
    pub change: Change,
}

/// What is to be done.
#[derive(Debug)]
pub enum Change {
    /// Create under a new id.
    Create {
        /// The type of the URL; the body must have it too.
        kind: ResourceType,
        /// The body.
        resource: Json,
        /// The search parameters of `If-None-Exist`, without `?`.
        if_none_exist: Option<String>,
    },
    /// Update, or create under this id (or, where a condition finds nothing and the body has none, under a new one).
    Update {
        /// Which resource.
        which: Which,
        /// The body. Its id is that of the key; under a condition it may lack one.
        resource: Json,
        /// `If-Match`.
        if_match: Option<IfMatch>,
        /// `If-None-Match`: not if one of these is the current version; `*`: only if the resource does not exist.
        if_none_match: Option<IfMatch>,
    },
    /// Patch the current version.
    Patch {
        /// Which resource.
        which: Which,
        /// What is to be changed.
        patch: Arc<Patch>,
        /// `If-Match`.
        if_match: Option<IfMatch>,
    },
    /// Delete; not an error when there is nothing.
    Delete {
        /// Which resource.
        which: Which,
        /// `If-Match`.
        if_match: Option<IfMatch>,
    },
}

/// The versions that a condition of a write names (RFC 9110, 13.1.1 and 13.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whichever there is.
    Any,
    /// One of these. Tags that no version of this server has are left out.
    Versions(SmallVec<[i64; 1]>),
}

impl From<i64> for IfMatch {
    fn from(version: i64) -> Self {
        Self::Versions(smallvec![version])
    }
}

impl IfMatch {
    /// Whether a resource that exists passes.
    pub fn has(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// Which resource is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with this id.
    Key(ResourceKey),
    /// The one that a search finds (FHIR R4 `http.html`, 3.1.0.4.3, 3.1.0.6, 3.1.0.7.1).
    Found {
        /// The type.
        kind: ResourceType,
        /// The search parameters, percent-encoded, without `?`.
        query: String,
    },
}

/// Whether a write found the resource there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// A new resource (or one that had been deleted): 201.
    Created,
    /// A new version: 200.
    Updated,
    /// The body was the same, or `If-None-Exist` matched: no new version, 200.
    Unchanged,
    /// Now deleted: 204.
    Deleted,
    /// A condition found several, which are now deleted: 204.
    DeletedMany(usize),
    /// There was nothing to delete: 204.
    Absent,
}

/// The outcome of one entry, in the order of the request's entries.
#[derive(Debug, Clone)]
pub struct Written {
    /// What happened.
    pub existing: Existing,
    /// The current version afterwards; `None` for [`Existing::Absent`] and [`Existing::DeletedMany`].
    pub stored: Option<Stored>,
}

/// Whose history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryScope {
    /// One resource.
    Instance(ResourceKey),
    /// A type.
    Type(ResourceType),
    /// Everything.
    System,
}

/// A page of history.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// Whose.
    pub scope: HistoryScope,
    /// `_count`.
    pub count: Option<usize>,
    /// `_since`: only versions at or after this time.
    pub since: Option<Timestamp>,
    /// `_at`: only versions that were current at some time from the first to before the second.
    pub at: Option<(Timestamp, Timestamp)>,
    /// `_list`: only versions of these, or with a number this version of it; at most a thousand.
    pub among: Option<Vec<(ResourceKey, Option<i64>)>>,
    /// The token of a next link.
    pub page: Option<String>,
}

/// Versions, newest first.
#[derive(Debug, Clone)]
pub struct HistoryAnswer {
    /// The versions of this page.
    pub entries: Vec<Stored>,
    /// How many versions there are in all, unless that would have to be counted one by one.
    pub total: Option<u64>,
    /// The token of the next page.
    pub next: Option<String>,
    /// The token of the page before this one.
    pub previous: Option<String>,
}

/// What is expunged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpungeScope {
    /// Everything.
    System,
    /// A type.
    Type(ResourceType),
    /// One resource.
    Instance(ResourceKey),
    /// One version that is not current, whatever the flags say.
    Version(ResourceKey, i64),
}

/// A request to take content away for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpungeRequest {
    /// Where.
    pub scope: ExpungeScope,
    /// Resources that are deleted, with all their versions.
    pub deleted: bool,
    /// Versions that are not current.
    pub previous: bool,
    /// All resources, which are deleted first; the limit does not count.
    pub everything: bool,
    /// About how many resources or versions at most.
    pub limit: usize,
}

/// `Prefer: handling=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handling {
    /// Unknown parameters are ignored with a warning.
    #[default]
    Lenient,
    /// Unknown parameters are errors.
    Strict,
}

/// Why an entry is in a searchset (`Bundle.entry.search.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchMode {
    /// It matched.
    Match,
    /// It was included.
    Include,
}

/// An entry of a searchset.
#[derive(Debug, Clone)]
pub struct SearchEntry {
    /// Why it is there.
    pub mode: MatchMode,
    /// The resource.
    pub stored: Stored,
    /// What the search says of it beside that.
    pub note: Note,
    /// It is contained in the resource of `stored`, whose body is only this one: its type and id.
    pub contained: Option<(ResourceType, Box<str>)>,
}

/// A page of a search.
#[derive(Debug, Clone, Default)]
pub struct SearchAnswer {
    /// Matches, then includes.
    pub entries: Vec<SearchEntry>,
    /// The exact number of matches over all pages, unless `_total=none`.
    pub total: Option<u64>,
    /// The parameters that were used (decoded), for the self link.
    pub used: Vec<(String, String)>,
    /// Warnings for the outcome entry (`search.mode` = `outcome`).
    pub warnings: Vec<Issue>,
    /// How it was understood, and how long each phase took; where `_explain` asks for it.
    pub explanation: Option<(Explanation, Vec<(&'static str, Duration)>)>,
    /// Token of this page, where its parameters are too long for a URL.
    pub own: Option<String>,
    /// Tokens for the links to other pages: the first, where this is another one,
    pub first: Option<String>,
    /// the one before this,
    pub previous: Option<String>,
    /// the one after it,
    pub next: Option<String>,
    /// and the last, where the total tells which it is.
    pub last: Option<String>,
}

/// All matches of a search, in its order, in one snapshot: positions, whose bodies are fetched in pieces.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    pub(super) seqs: Vec<Seq>,
    /// Warnings for the outcome entry.
    pub warnings: Vec<Issue>,
    /// The parameters that were used (decoded), for the self link.
    pub used: Vec<(String, String)>,
}

impl Scan {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.seqs.len()
    }
}

/// A page of a search, or who has it.
#[derive(Debug, Clone)]
pub enum Page {
    /// Its matches.
    Here(Box<SearchAnswer>),
    /// Another node holds its snapshot.
    Elsewhere(Peer),
}

/// Another node over the same database.
#[derive(Debug, Clone)]
pub struct Peer {
    /// `host:port` where it listens for other nodes.
    pub address: String,
    /// What the nodes know one another by.
    pub secret: Secret,
}
