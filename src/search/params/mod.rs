//! The search parameters of a tenant: the official ones, and those that its SearchParameter resources add.
//!
//! A [`Definitions`] holds what is defined at the moment, by where it comes from (`SearchParameter/id`; packages will have
//! names of their own). From it a [`ParamSet`] is made: what can be searched, how resources are read for it, and for every
//! definition what became of it. A set never changes; there is a new one when the definitions change.
//!
//! Invariants: a set is the same whatever the order in which the definitions came; an added parameter never takes the
//! place of an official one; the id of an added parameter is a hash of all that decides about its values, so the terms of
//! an earlier definition are never taken for those of a later one (`index::codec`).
//!
//! Deliberately absent: how far the index has got with a parameter (`index::coverage`), and who may define one.

mod check;
mod definition;
mod definitions;
mod rules;
mod set;

#[cfg(test)]
mod tests;

pub use definition::Definition;
pub use definitions::Definitions;
pub use rules::{check_chain, check_modifier, check_prefix, check_repeats, check_values};
pub use set::{Defined, Effect, ParamSet};
