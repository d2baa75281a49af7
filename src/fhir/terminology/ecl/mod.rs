//! Expression constraints of SNOMED CT (ECL): their form, and how they are read. What they select, a code system says that knows
//! relationships; this is pure.
//!
//! Read is what value sets are made of: single concepts, hierarchies up and down, members of reference sets, `AND`, `OR`, `MINUS`,
//! parentheses, refinements with cardinality and reversed attributes, concrete values, dotted attributes, the top and bottom of a set,
//! filters of concepts and descriptions; in the short form and in the long one. A group with one attribute is that attribute. Absent,
//! and refused: groups of several attributes (groups are not kept), filters of members and by what the loader does not keep (effective
//! times, dialects), supplements of history, alternate identifiers.

mod constraint;
mod read;
mod reader;

pub use constraint::{
    Attribute, ConceptTest, Constraint, DescriptionTest, Filter, Order, Refinement, Relation, Term, Test,
};
pub use read::{DEFINITION, SYNONYM, parse};
