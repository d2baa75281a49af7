//! What was seen: the operations of clients with the moments of their calls and answers, and the log as the server tells
//! it at the end.

use std::fmt;

/// Nanoseconds since the recording began, of one monotonic clock for all clients.
pub type Moment = u64;

/// The types of resources that the clients use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Has no references.
    Patient,
    /// May refer to a Patient as its subject.
    Observation,
}

/// A resource.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its type.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

/// What a version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Who wrote it: no two writes have the same mark.
    pub mark: u64,
    /// What searches select by.
    pub group: u32,
    /// A number that transactions move from one resource to another.
    pub amount: i64,
    /// The reference of an Observation.
    pub subject: Option<Key>,
    /// What conditional interactions select by.
    pub business: Option<u64>,
}

/// A version as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Of which resource.
    pub key: Key,
    /// 1, 2, 3 ...
    pub version: u64,
    /// `None`: a deletion.
    pub content: Option<Content>,
}

/// An entry of the log, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The version.
    pub row: Row,
    /// `meta.lastUpdated`: all are of one length and zone, so they compare as text.
    pub updated: String,
}

/// One change that a client asks for.
#[derive(Debug, Clone)]
pub enum Write {
    /// `POST Type`.
    Create { kind: Kind, content: Content },
    /// `POST Type` with `If-None-Exist` on the business identifier.
    CreateOn { kind: Kind, content: Content },
    /// `PUT Type/id`; `only_new` is `If-None-Match: *`.
    Put { key: Key, content: Content, if_match: Option<u64>, only_new: bool },
    /// `PUT Type?identifier=` of the business identifier.
    PutOn { kind: Kind, content: Content },
    /// `PUT Type/id` of what is there already, with `If-Match`: a transaction that depends on it.
    Keep { key: Key, content: Content, if_match: u64 },
    /// `PATCH Type/id`: another mark, another group, the rest as it was.
    Patch { key: Key, mark: u64, group: u32, if_match: Option<u64> },
    /// `DELETE Type/id`.
    Delete { key: Key, if_match: Option<u64> },
}

impl Write {
    /// The mark of the version that it makes.
    pub fn mark(&self) -> Option<u64> {
        match self {
            Self::Create { content, .. } | Self::CreateOn { content, .. } | Self::Put { content, .. } => {
                Some(content.mark)
            }
            Self::PutOn { content, .. } => Some(content.mark),
            Self::Patch { mark, .. } => Some(*mark),
            Self::Keep { .. } | Self::Delete { .. } => None,
        }
    }
}

/// The answer to one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// 200, 201 or 204.
    pub status: u16,
    /// Resource and version of `Location` and `ETag`.
    pub at: Option<(Key, u64)>,
}

/// How a request for changes ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Done: an answer for each change, and for each read of the transaction.
    Done { written: Vec<Written>, reads: Vec<Seen> },
    /// Not done, now and for ever.
    Refused(u16),
    /// Perhaps done, or still to be done: there was no answer, or one that says so.
    Unknown,
}

/// The answer to a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// 200.
    There(u64, Content),
    /// 410.
    Deleted,
    /// 404.
    Absent,
}

/// What a search selects, of one type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Everything.
    All,
    /// `_tag`.
    Group(u32),
    /// `identifier`, of the mark.
    Mark(u64),
    /// `identifier`, of the business identifier.
    Business(u64),
    /// `subject`.
    Subject(Key),
    /// `subject:Patient._tag`.
    SubjectGroup(u32),
}

/// The order of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Without `_sort`.
    Usual,
    /// `_sort=_id`.
    Id,
    /// `_sort=-_id`.
    IdDown,
    /// `_sort=-_lastUpdated`.
    Newest,
}

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    /// The type.
    pub kind: Kind,
    /// The condition.
    pub filter: Filter,
    /// The order.
    pub order: Order,
    /// `_count`.
    pub count: usize,
    /// `_include=Observation:subject`, or for patients `_revinclude` of the same.
    pub include: bool,
}

/// A page of a search.
#[derive(Debug, Clone)]
pub struct Page {
    /// When it was asked for.
    pub called: Moment,
    /// When it was there.
    pub answered: Moment,
    /// `total`.
    pub total: Option<u64>,
    /// The matches in order.
    pub matches: Vec<Row>,
    /// The included resources.
    pub included: Vec<Row>,
    /// Whether there is a `next` link.
    pub more: bool,
}

/// Whether all pages were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Up to the last one, or as many as the client wanted.
    Followed,
    /// The server no longer holds the page (410).
    Gone,
    /// There was no answer, or a 503.
    Broken,
}

/// Whose versions a history tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of a resource.
    Instance(Key),
    /// Of a type.
    Type(Kind),
    /// Of all.
    System,
}

/// What a client asked, and what it got.
#[derive(Debug, Clone)]
pub enum What {
    /// `GET Type/id`.
    Read { key: Key, seen: Seen },
    /// `GET Type/id/_history/n`.
    Vread { key: Key, version: u64, seen: Seen },
    /// A single change, or a transaction of several and of reads.
    Change { writes: Vec<Write>, reads: Vec<Key>, outcome: Outcome },
    /// A search, and its pages.
    Search { search: Search, pages: Vec<Page>, end: End },
    /// A history, newest first: `None` for a 404. Its pages one after the other, the total of the first one, and
    /// whether it goes on behind the last one.
    History { scope: Scope, rows: Option<Vec<Row>>, total: u64, more: bool },
}

impl What {
    /// What it counts as.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "reads",
            Self::Vread { .. } => "version reads",
            Self::History { .. } => "histories",
            Self::Search { .. } => "searches",
            Self::Change { outcome: Outcome::Unknown, .. } => "changes of unknown outcome",
            Self::Change { outcome: Outcome::Refused(_), .. } => "refused changes",
            Self::Change { writes, .. } if writes.len() == 1 => "changes",
            Self::Change { .. } => "transactions",
        }
    }
}

/// One request of one client; of several pages the first.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Whose it was.
    #[expect(dead_code, reason = "shown in complaints; real time says all that the checker needs")]
    pub client: usize,
    /// Before the first byte was sent.
    pub called: Moment,
    /// After the last byte was read.
    pub answered: Moment,
    /// What it was.
    pub what: What,
}

/// Everything seen.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What the clients saw, in any order.
    pub operations: Vec<Operation>,
    /// The log, oldest first.
    pub log: Vec<Entry>,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Observation => "Observation",
        }
    }

    /// The kind of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Patient, Self::Observation].into_iter().find(|kind| kind.name() == name)
    }
}

impl Key {
    /// A key.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// Of `Type/id`, perhaps with something before it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplit('/');
        let id = parts.next()?;
        Some(Self::new(Kind::of(parts.next()?)?, id))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.id)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
