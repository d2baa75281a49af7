//! FHIRPath (N1, with the additions of FHIR R4 `fhirpath.html`): the language of search parameters,
//! invariants and paths.
//!
//! A text goes through `lexer` and `parser` to a syntax tree (`ast`), and through `compile` to code
//! (`code`): functions are pointers, property names are numbers, types are ids of the definitions,
//! literal regular expressions are built. What is unknown or not offered fails there, with line and
//! column; `eval` looks nothing up by text. It walks the JSON tree through nodes (`node`), which
//! borrow from it, know their FHIR type, and show a primitive with its `_name` sibling as one element.
//!
//! Invariants:
//! - Evaluating a plain path allocates nothing while it yields at most two items.
//! - Everything is bounded: length and nesting of the text, steps, items and texts made while
//!   evaluating, regular expressions.
//! - An answer that is not known is empty, never a guess: partial dates, units that do not compare.
//!
//! Decisions where texts leave room:
//! - `as` of several items is an error, but for [`Options::SEARCH`], where it filters like `ofType`: parameters of R4
//!   need that. Both take primitives only by their exact type (`code` is no `string`), while `is` knows descendants.
//! - With `Options::SEARCH` a choice also has the names of its forms (`valueDateTime`), which US Core 6.1.0 needs.
//! - An Integer has 64 bits, so that `Long` is no type of its own.
//! - A path that begins with another type than the root's yields nothing, instead of an error: the
//!   expressions of R4's search parameters are unions over many types.
//! - `children()` yields elements; the System value of a primitive is reached by `value` or `getValue()`.
//!
//! What needs terminology or profiles (`memberOf`, `subsumes`, `conformsTo`, `slice` ...) asks the [`Services`] of the
//! context, and `trace` tells its [`Tracer`]; without one nothing is logged, for the values may be a patient's.
//! [`compile_with`] can check an expression against the definitions before it runs (`check`, `signature`).
//!
//! Deliberately absent: the creation of instances and `pathname()` (FHIRPath 3.0).

mod ast;
mod check;
mod code;
mod compile;
mod context;
mod convert;
mod equality;
mod eval;
mod expression;
mod functions;
mod keys;
mod lexer;
mod model;
mod node;
mod number;
mod operators;
mod parser;
mod pool;
mod reads;
mod signature;
mod temporal;
mod trouble;
mod units;
mod value;

#[cfg(test)]
mod strict_tests;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;

pub use check::Known;
pub use context::{Bounds, Context, Resolver, Services, Terminology, Tracer};
pub use convert::{boolean, to_text};
pub use expression::{Expression, Options, compile, compile_typed, compile_with};
pub use functions::{from_base64, to_base64};
pub use model::{SystemType, TypeSpec};
pub use reads::places;
pub use temporal::{Precision, Temporal, TemporalKind};
pub use value::{CalendarUnit, Collection, Item, Node, Quantity, Text, TypeInfo, Unit};
