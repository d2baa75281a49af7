//! The concepts of a large code system, as an index of its own: one folder per code system and load, made of the pieces that
//! the database has, never changed, and removed as a whole. What is in it is not the truth: it can always be made anew.
//!
//! A document is a concept with its code (as written and in lowercase), the words of its display and of its other texts, its
//! properties as terms, and the places of its parents and of all its ancestors; so `is-a` and its like are one list of postings, whatever
//! the size of the hierarchy. The concept itself is stored beside it. A place is the number of a concept in an order in which parents
//! stand before their children (`order`); all answers come in it, or by rank.
//!
//! Building reads the pieces twice: codes and parents first, which are held in memory (some 60 bytes a concept), then all the
//! rest, piece by piece. A search maps files into memory and holds none of them.

mod about;
mod build;
mod constraint;
mod convert;
mod descriptions;
mod groups;
mod implied;
mod lookup;
mod order;
mod schema;
mod select;
mod system;

pub use about::about;
pub use build::build;
pub use schema::FORMAT;
pub use system::ConceptIndex;

#[cfg(test)]
mod tests;
