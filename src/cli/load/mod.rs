//! `cresset load`: puts files into a server, many at a time, and says which of them did not go in.
//!
//! A path is a file, a folder, or an archive (`gz`, `bz2`, `xz`, `zst`, `tar` and tars in these; told by their
//! first bytes). Its documents become requests: transaction and batch Bundles as they are, other Bundles, NDJSON
//! and single resources as batches of updates. Texts are cut and joined by their structure alone and not
//! otherwise changed, so decimals arrive as written.
//! Files that others refer to (`0-...`, hospitals, practitioners) go first, one by one; the others in parallel.
//! Memory is bounded by the documents under way.

mod answer;
mod command;
mod document;
mod files;
mod outline;
mod pace;
mod pipeline;
mod request;
mod state;
mod target;

pub use command::LoadArgs;
pub use document::{Document, read as documents};
pub use files::{find, listed};
pub use pace::{Pace, Summary};
pub use pipeline::Pipeline;
pub use target::Target;
