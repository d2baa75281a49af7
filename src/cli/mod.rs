//! Floor 9: the commands, and the composition root that the server is put together in.
//!
//! Each command is a file (or a folder) with its arguments and what it does. Exit codes: 0 = done, 1 = it
//! failed, 2 = it was refused (bad arguments, a locked data folder, a server without a rule of who may enter).

mod admin;
pub mod app;
pub mod backup;
mod bare;
pub mod bench;
mod command;
pub mod conform;
mod demo;
mod doctor;
pub mod generate;
pub mod load;
pub mod package;
mod place;
mod reindex;
pub mod running;
mod serve;
mod tenant;
pub mod terminology;
mod validate;
mod view;

pub use command::run;
