//! The integration tests, in one binary: `docs/TESTING.md` says how they are organised.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod allocator;
mod backup;
mod cluster;
mod code_systems;
mod concurrency;
mod conform;
mod consistency;
mod crash;
mod drain;
mod fuzz;
mod mutations;
mod own_definitions;
mod packages;
mod published_packages;
mod rest;
mod search;
mod support;
mod tenants;
mod tidy;
mod traces;
mod upgrade;
mod validate;
mod xml;
