//! Floor 3: the store. SQL on embedded SQLite or on PostgreSQL.
//!
//! `versions` is the log: one entry per change, numbered by Seq in commit order without gaps. The other tables follow
//! from it (`current`, `superseded`, `type_heads`) or are decided together with it (`identifiers`, `claims`, `jobs`), and are
//! written in the same commit. [`Batch`] is the only way to write them: it holds the tenant's head row from its begin to its
//! commit, so that the changes of a tenant have one serial order over all nodes.
//!
//! Invariants, which `doctor` checks:
//! - Seq runs 1, 2, 3 ... to the head; times never decrease; the versions of one transaction are neighbours.
//! - The versions of a resource run 1, 2, 3 ...; the last is in `current`, every other one in `superseded`.
//! - Bodies are opaque bytes, in the form of [`body`]; a deletion and what was expunged have none,
//!   everything else has one.
//!
//! Every statement is written once; what differs between the databases is a method of `dialect`. A corrupt row is a
//! fault that names table and key; what passes (busy, connection lost) is 503.
//!
//! Deliberately absent: search (the index follows the log), any knowledge of what a body says, and the decision who may
//! do what.

pub mod archive;
pub mod baseline;
mod batch;
mod blobs;
pub mod body;
mod claims;
mod concepts;
mod cursors;
mod db;
mod dialect;
pub mod doctor;
mod error;
mod expunge;
pub mod folder;
mod handle;
mod history;
mod jobs;
mod kept;
mod many;
mod migrate;
mod nodes;
mod packages;
mod reach;
mod referrals;
mod row;
mod snapshot;
mod sql;
mod tenants;
mod value;
mod versions;
mod writeset;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod model;
#[cfg(test)]
mod speed;

pub use batch::Batch;
pub use concepts::InstalledSystem;
pub use expunge::{Expungible, Scope};
pub use handle::{Store, StoreConfig};
pub use history::{Versions, Window};
pub use jobs::{Job, NewJob};
pub use nodes::Node;
pub use packages::PackageChoice;
pub use referrals::Referral;
pub use row::{Claim, Current, Head, TypeHead, VersionKind, VersionRow};
pub use snapshot::Snapshot;
pub use writeset::{CurrentWrite, Identifier, WriteSet};
