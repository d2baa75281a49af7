//! FHIR REST (FHIR R4 `http.html`).
//!
//! One table, [`routes::ROUTES`], says which method does what on which path; `dispatch` finds the row, reads
//! headers and body, and calls the interaction, one small file each. An entry of a Bundle goes the same way
//! without HTTP: both are a [`call::Call`] and end as a [`call::Answer`]. Stored resources are sent as they
//! are; Bundles are framed around them (`framing`). What FHIR knows and this server does not offer stands in
//! the table too, so that it is refused by name.

mod arguments;
mod batch;
mod binary;
pub mod call;
mod canonicals;
pub mod capability;
mod change;
mod closure;
pub mod cluster;
mod conditions;
mod convert;
mod create;
mod date;
mod definitions;
mod delete;
mod diff;
pub mod dispatch;
mod document;
mod document_assembly;
mod document_graph;
mod everything;
mod explain;
mod expunge;
mod extract;
mod fhirpath;
mod framing;
mod graph;
mod graphql;
mod history;
mod inquire;
mod lastn;
mod list_find;
mod listed;
mod meta;
mod metadata;
pub mod negotiate;
mod offered;
mod operation;
mod packages;
mod params;
mod patch;
mod patient_match;
mod preferred_id;
mod provenance;
mod read;
mod reindex_status;
pub mod relay;
pub mod respond;
pub mod routes;
mod search;
mod snapshot;
mod statement_subset;
pub mod statements;
mod stats;
mod subset;
mod table;
mod terminology;
mod update;
mod validate;
mod versions;
mod view_request;
mod view_run;
mod which;
