//! Arbitrary resources: made with a seed, at the elements that the official search parameters point at, of every data
//! type in every form that the specification allows, and searched in every way that it offers.
//!
//! `random` is the source of chance; `texts`, `numbers`, `dates` and `types` make values; `resources` places them by the
//! definitions; `asks` makes searches out of the values (as they are, near their bounds, and others); `matrix` says which
//! kinds of search must not be missing; `served` asks a server. Values come from small pools, so that they meet. The same
//! resources and searches are held against `extract`, `matches` and the index in `tests/agreement`, which also makes a
//! disagreement small. Like the rest of the evaluator it imports nothing of the product.

pub mod asks;
pub mod dates;
pub mod matrix;
pub mod numbers;
pub mod random;
pub mod resources;
mod served;
pub mod texts;
pub mod types;
