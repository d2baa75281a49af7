//! `cresset terminology`: code systems for all tenants of a database, from the files in which they are published.
//!
//! A loader (`snomed`, `loinc`, `rxnorm`, `icd10cm`, `cvx`, `ucum`, `resource`) reads files front to back and hands out parts of
//! concepts in whatever order they stand there; `gather` sorts them by code, on disk if need be, and puts each concept
//! together. So memory does not grow with the code system. A fault names file and line, and nothing of the code system is
//! there then.

mod about;
mod command;
mod cvx;
mod entry;
mod gather;
mod icd10cm;
mod loinc;
mod resource;
mod rxnorm;
mod shipped;
mod snomed;
mod sorter;
mod source;
mod table;
mod tabular;
mod ucum;

pub use command::TerminologyArgs;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
