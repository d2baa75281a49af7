//! From the parameters of a request to a [`super::query::Query`] (FHIR R4 `search.html`).
//!
//! What is known but not offered (`:in`, `_filter`, `_summary=data` ...) is refused by name: an answer that
//! ignores a condition would be wrong. An unknown parameter is an error when the client asks for strictness
//! and a warning otherwise; that includes a chain that ends in one. A known parameter with a bad value is an
//! error always. A parameter without a value is ignored with a warning.
//!
//! Repeated parameters are AND, commas OR. Everything is bounded: values, depth of chains, and the number of
//! conditions that a chain without types fans out to.

mod chain;
mod clause;
mod context;
mod control;
mod everything;
mod filter;
mod filter_clause;
mod list;
mod modifier;
mod request;
mod types;

#[cfg(test)]
mod tests;

pub use context::ParseContext;
pub use list::codes_of_list;
pub use request::parse;
