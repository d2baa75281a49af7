//! The checker's own tests: histories made by hand. Each way of being wrong is found, and what only looks odd is not.

mod changes;
mod made;
mod states;
