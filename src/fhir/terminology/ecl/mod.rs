//! Expression constraints of SNOMED CT (ECL): their form, and how they are read. What they select, a code system says that knows
//! relationships; this is pure.
//!
//! Read is what value sets are made of: single concepts, hierarchies up and down, members of reference sets, `AND`, `OR`, `MINUS`,
//! parentheses, refinements with cardinality and reversed attributes, concrete values, dotted attributes; in the short form and in
//! the long one. A group with one attribute is that attribute. Absent, and refused: groups of several attributes (groups are not
//! kept), filters in `{{ }}` and supplements of history, alternate identifiers.

mod constraint;
mod read;

pub use constraint::{Attribute, Constraint, Order, Refinement, Relation, Test};
pub use read::parse;
