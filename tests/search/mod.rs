//! Search, held against an evaluator of its own.
//!
//! The evaluator reads the raw JSON of what was loaded and imports nothing of the product (a law of tidy): it has its
//! own element paths (written from the FHIR text), date ranges, decimals, units and folding. A plan is made from the
//! data with a seed: for every type of parameter with every modifier, prefix and form of value, and for every form of
//! chain, `_has`, include, sort and paging, queries with values that occur. Then whole sets over all pages, and totals,
//! must be equal to the evaluator's, on both databases. Where FHIR leaves an answer open (the edge of `ap`), the plan
//! leaves the query out.
//!
//! The official examples are searched by every parameter of the definitions (`official`): there the evaluator reads the
//! definitions themselves and evaluates their expressions with a FHIRPath of its own (`definitions`, `fhirpath`, `values`,
//! `holds`). The same reads the resources of `arbitrary`, which are made of the definitions.

pub mod arbitrary;
pub mod asks;
mod contexts;
mod dataset;
mod decimal;
pub mod definitions;
mod evaluate;
mod examples;
mod extra;
mod fhirpath;
mod filters;
pub mod holds;
mod includes;
mod joined;
mod modifiers;
mod near;
mod official;
mod parameters;
mod paths;
mod plan;
mod results;
mod run;
mod spelling;
pub mod time;
mod units;
pub mod values;
mod words;
