//! `cresset bench`: measures the server from outside, beside raw baselines, in one run on one machine.
//!
//! The server is a child process of the same binary on a fresh data folder; the client is a bare HTTP/1.1
//! connection per worker, because it shares the machine. Import and create end when a count, which waits for the
//! index, proves that everything is there. Every line has its target from the requirements or its ratio to a
//! baseline. What generates load is bounded in count and in time, and only ever speaks to loopback.

mod args;
mod child;
mod client;
mod cluster;
mod command;
mod data;
mod formats;
mod ground;
mod machine;
mod measure;
mod report;
mod searches;
mod slow_disk;
mod tasks;
mod writes;

pub use args::BenchArgs;
