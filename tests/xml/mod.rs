//! XML against the official examples and schemas of FHIR R4, where they lie beside the repository.

mod compare;
mod examples;
mod stored;
