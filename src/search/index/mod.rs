//! The index of one tenant: a tantivy index that follows the log and can always be rebuilt from it.
//!
//! Nothing is stored in it and nothing in it is the truth. A document has the 64-bit hash of its resource
//! (`key`), the Seq of its version, its `lastUpdated`, one bag of terms and dynamic columns (`schema`). A
//! search yields Seqs; the bodies come from the store.
//!
//! Invariants:
//! - A commit carries the Seq that it reaches; a [`Searcher`] shows exactly that prefix of the log. It also says of
//!   which added parameters it has the values ([`Coverage`]).
//! - No fsync per commit (`directory`): the log is the truth. A folder that was not closed in order is
//!   proven by its checksums when opened, or emptied (`prove`).
//! - Terms and columns belong to a pair of resource type and parameter, so a posting list counts one type
//!   only, and new parameters need no new schema.
//! - Order is total and does not depend on segments: by Seq, or by the sort keys and then the resource's hash.
//!
//! Two fields hold words for full text (`schema`), with frequencies, that of narratives with positions.
//!
//! Deliberately absent: stored fields.

pub(super) mod codec;
pub(super) mod columns;
pub(super) mod combine;
mod coverage;
mod directory;
pub(super) mod error;
mod includes;
pub(super) mod keyset;
mod labels;
mod prepare;
mod prove;
pub(super) mod ranges;
mod reader;
pub(super) mod schema;
mod segment;
pub(super) mod settled;
pub(super) mod terms;
pub(super) mod updated;
mod writer;

#[cfg(test)]
mod agree;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod places;
#[cfg(test)]
mod tests;

pub use codec::contained;
pub use coverage::{Coverage, Pass};
pub use prepare::{Document, Prepared, prepare};
pub use reader::{Hit, Hits, Includes, Record, Searcher};
pub use writer::{Index, IndexOptions};
