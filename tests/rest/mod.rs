//! The REST interface, as FHIR R4 `http.html` has it: every interaction with its status codes, headers and bodies,
//! on both databases. Whole answers are snapshots with the moving parts redacted.

mod bad_input;
mod binary;
mod capability;
mod conditional;
mod connections;
mod contexts;
mod documents;
mod entries;
mod everything;
mod expunge;
mod fhirpath;
mod graphql;
mod headers;
mod history;
mod hostile;
mod hostile_queries;
mod integrity;
mod interactions;
mod meta;
mod observations;
mod patch;
mod patient_match;
mod provenance;
mod repeatable;
mod searches;
mod subset;
mod terminology;
mod transactions;
mod validate;
mod validity;
mod views;
mod xml;

use serde_json::{Value, json};

/// A patient with a family name.
fn patient(family: &str) -> Value {
    json!({"resourceType": "Patient", "name": [{"family": family}]})
}

/// The entries of a Bundle.
fn entries(bundle: &Value) -> Vec<Value> {
    bundle["entry"].as_array().cloned().unwrap_or_default()
}
