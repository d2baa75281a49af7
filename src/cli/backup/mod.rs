//! `cresset backup`, `restore` and `export`: the log copied while the server runs, played again, and the current resources
//! as NDJSON.
//!
//! A backup is a folder with a folder for each tenant, and in it a file for each part of its log; every run adds what is new. A file appears under its name only
//! when it is whole and synced. Beside them stands what the tenant has of its own that is not in its log, and in a folder of its
//! own what belongs to the installation: packages and large code systems.

mod command;
mod export;
mod installation;
mod parts;
mod restore;
mod settings;
mod whose;

pub use command::BackupArgs;
pub use export::ExportArgs;
pub use restore::RestoreArgs;
