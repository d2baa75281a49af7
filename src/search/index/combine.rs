//! Queries made of queries: one term, all of several, one of several.

use tantivy::Term;
use tantivy::query::{BooleanQuery, EmptyQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;

use super::codec::{Documents, Form, Scope};
use super::schema::terms_field;
use crate::fhir::types::ResourceType;

/// Documents with a term.
pub fn term(bytes: &[u8]) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_bytes(terms_field(), bytes), IndexRecordOption::Basic))
}

/// All documents of a type.
pub fn all_of(kind: ResourceType) -> Box<dyn Query> {
    all_documents(Documents::of(kind))
}

/// All of these documents.
pub fn all_documents(of: Documents) -> Box<dyn Query> {
    term(&Scope::plain(of.all()).head(Form::Kind))
}

/// Documents that match all.
pub fn all(mut parts: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.swap_remove(0),
        _ => Box::new(BooleanQuery::intersection(parts)),
    }
}

/// Documents that match one at least.
pub fn any(mut parts: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.swap_remove(0),
        _ => Box::new(BooleanQuery::union(parts)),
    }
}
