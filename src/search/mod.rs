//! Floor 4: search. The query language (FHIR R4 `search.html`) and the index that answers it.
//!
//! `parse` turns parameters into a [`query::Query`]; `extract` turns a resource into
//! [`value::Extracted`] values; `kind/*` says, per parameter type, how a value in a request is read, what
//! an element yields and when the two match; `compile` and `index` do the same over tantivy. The three
//! faces of a parameter type (`extract` + `matches`, and the compiled query) must agree.

pub mod alike;
pub mod baseline;
pub mod caseless;
pub mod codeset;
mod compile;
mod compile_filter;
mod compile_values;
mod compile_words;
pub mod concept_tests;
pub mod concepts;
mod content;
pub mod context;
pub mod everything;
pub mod explain;
pub mod extract;
mod hierarchy;
pub mod index;
mod joins;
pub mod kind;
mod links;
pub mod matches;
mod merged;
pub mod nested;
mod page;
pub mod params;
pub mod parse;
pub mod path;
mod place;
pub mod query;
pub mod rank;
mod show;
pub mod value;
pub mod versioned;
