//! Floor 6: the one door to clinical data.
//!
//! A [`Session`] belongs to an actor and offers what FHIR offers: read, history, search, and transactions
//! (a single create is a transaction of one). Writes are planned here in parallel and committed by the
//! Writer, one batch after another.

mod face;

pub use face::{
    Change, Existing, Handling, HistoryAnswer, HistoryRequest, HistoryScope, MatchMode, SearchAnswer, SearchEntry,
    Session, Stored, WriteEntry, WriteKind, Written,
};
