//! Floor 6: the one door to clinical data.
//!
//! A [`Session`] belongs to an actor and offers what FHIR offers: read, history, search, and transactions (a single
//! create is a transaction of one). Writes are planned in parallel (`transaction`, `draft`, `settle`, `plan`,
//! `conditional`, `references`), decided in one serial order (`stage`) and committed by the Writer (`writer`), many requests with one fsync. The
//! index follows the log (`feed`, `indexer`), and a search waits for it (`search`), so that it sees every write that was
//! answered before it arrived. The tenant's search parameters follow the log too (`params`); what was there before one is
//! read again for it (`reindex`). The terminology service finds the tenant's definitions by search (`terminology`).
//!
//! Invariants: nothing is answered before it is durable; a refused request leaves nothing behind; a search, its
//! includes and its later pages are one snapshot.
//!
//! Deliberately absent: HTTP, and the decision what a request means.

mod answers;
pub mod backup;
mod cluster;
mod concepts;
mod conditional;
mod context;
mod definitions;
mod digest;
mod doctor;
mod download;
mod draft;
mod everything;
mod expunge;
mod face;
mod feed;
mod foreseen;
mod history;
mod indexer;
mod integrity;
mod labels;
mod large;
mod loader;
mod meaning;
mod mode;
mod open;
mod others;
mod own;
mod packages;
mod params;
mod pins;
mod plan;
mod read;
mod reading;
mod recent;
mod references;
mod rehearse;
mod reindex;
mod resolver;
mod scan;
mod search;
mod session;
mod settle;
mod shelf;
mod stage;
mod tenancy;
mod terminology;
mod token;
mod transaction;
mod turns;
mod validity;
mod versions;
mod worker;
mod writer;

pub use context::{Repo, RepoConfig};
pub use download::Installed;
pub use face::{
    Change, Existing, ExpungeRequest, ExpungeScope, Handling, HistoryAnswer, HistoryRequest, HistoryScope, IfMatch,
    MatchMode, Page, Peer, Scan, SearchAnswer, SearchEntry, Stored, Which, WriteEntry, WriteKind, Written,
};
pub use open::base_of;
pub use packages::{LoadedPackage, PackageId, PackagesInUse, UsedPackage};
pub use reading::Reading;
pub use session::Session;
pub use tenancy::Status;
pub use turns::Turn;

pub use crate::search::rank::Note;
