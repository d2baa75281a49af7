//! The laws that the fuzz targets check. They are those of the tests, and stand in `tests/fuzz/bodies`.

#[path = "../../tests/fuzz/bodies/mod.rs"]
pub mod bodies;
#[path = "../../tests/support/client.rs"]
pub mod client;

/// What the bodies stand on, under the name that it has in the tests.
mod support {
    pub use crate::client::Client;
}
