//! How a failure of tantivy becomes a [`Fault`].

use tantivy::TantivyError;

use crate::base::fault::Fault;

/// A 500 that says what was tried. The text holds file names and counts, never terms of a resource.
pub fn failed(what: &'static str) -> impl Fn(TantivyError) -> Fault {
    move |error| Fault::internal(format!("search index: {what}: {error}"))
}

/// The same for input and output.
pub fn failed_io(what: &'static str) -> impl Fn(std::io::Error) -> Fault {
    move |error| Fault::internal(format!("search index: {what}: {error}"))
}
