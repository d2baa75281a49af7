//! GraphQL over FHIR (FHIR R4 `graphql.html`; GraphQL, October 2021).
//!
//! A request is read (`request`), its document parsed (`lexer`, `parser`, `ast`) and held against the definitions of FHIR
//! before anything is looked up (`check`): a field, argument, directive or type that does not exist is an error whatever the
//! data are. Then it is answered (`collect` for what is asked, `execute` for the fields of elements, `lookup` for references
//! and searches, `filter` for arguments, `target` for what the answer is put together in, with the directives that flatten
//! it). What an answer is about comes from a [`Source`]: this module knows no store.
//!
//! Invariants:
//! - An answer is whole or an error; never both.
//! - Bounded are: the document's tokens and nesting, the fields that are visited, references, searches, evaluation, and the
//!   size of the answer.
//!
//! Decisions where the page leaves room:
//! - What is not there is left out instead of being `null`, as in FHIR's JSON and in the public tests.
//! - Fields of one name in one selection are merged, as GraphQL says; a public test expects a list (see the baseline).
//! - A resource that a reference leads to may be asked for any field that fits one of the types that may stand there.
//!
//! Absent: mutations and subscriptions.

mod ast;
mod check;
mod collect;
mod execute;
mod fields;
mod filter;
mod introspect;
mod lexer;
mod lookup;
mod parser;
mod request;
mod search;
mod source;
mod target;
mod trouble;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub use execute::{Root, execute};
pub use request::{Request, answer_text, error_text};
pub use source::{Entry, Found, Search, Source};
