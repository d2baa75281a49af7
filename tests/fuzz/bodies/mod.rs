//! The bodies of the fuzz targets: each takes any bytes and panics when a law does not hold. It tells whether the bytes
//! were taken for what the target is about, so that a test can see whether it tests anything.
//!
//! They stand here once, for libFuzzer (`fuzz/src/lib.rs` includes this file) and for the tests (the corpus is replayed, and
//! property tests feed them). They use the product's public face and the tests' client, so that both can compile them.

pub mod bundle;
pub mod fhirpath;
pub mod graphql;
pub mod http;
pub mod json;
pub mod page;
pub mod patch;
mod rfc;
pub mod search;
mod server;
pub mod validate;
pub mod view;
pub mod xml;
