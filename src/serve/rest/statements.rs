//! What the server says of itself, as text, in the three modes of `metadata` (FHIR R4 `http.html`, 3.1.0.10).

use bytes::Bytes;

use super::capability::{About, statement, terminology};
use crate::fhir::json::{Json, write};

/// The statements as text, made once.
#[derive(Debug)]
pub struct Statements {
    /// `mode=full`
    pub full: Bytes,
    /// `mode=normative`
    pub normative: Bytes,
    /// `mode=terminology`
    pub terminology: Bytes,
    /// The base URL that stands in them.
    pub base: String,
    /// For `ETag`: it changes with every start of the server, and nothing else changes the statements.
    pub version: i64,
}

impl Statements {
    /// Those of a server.
    pub fn new(about: &About<'_>) -> Self {
        let full = statement(about);
        let normative = text(&normative(full.clone()));
        Self {
            full: text(&full),
            normative,
            terminology: text(&terminology(about)),
            base: about.base.to_owned(),
            version: about.started.0,
        }
    }
}

/// A statement with the base URL of another tenant.
pub fn with_base(text: &Bytes, from: &str, to: &str) -> Bytes {
    let wanted = format!("\"{from}");
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut rest = &text[..];
    while let Some(at) = memchr::memmem::find(rest, wanted.as_bytes()) {
        out.extend_from_slice(&rest[..=at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + wanted.len()..];
    }
    out.extend_from_slice(rest);
    out.into()
}

fn text(json: &Json) -> Bytes {
    let mut out = Vec::new();
    write(json, &mut out);
    out.into()
}

/// What stands in the normative part of a statement: without the elements that are for trial use.
fn normative(mut statement: Json) -> Json {
    const TRIAL: [&str; 10] = [
        "versioning",
        "readHistory",
        "updateCreate",
        "conditionalCreate",
        "conditionalRead",
        "conditionalUpdate",
        "conditionalDelete",
        "referencePolicy",
        "searchInclude",
        "searchRevInclude",
    ];
    let rest = statement.as_object_mut().and_then(|statement| statement.get_mut("rest"));
    let Some(Json::Array(rests)) = rest else { return statement };
    for rest in rests.iter_mut().filter_map(Json::as_object_mut) {
        rest.remove("security");
        let Some(Json::Array(resources)) = rest.get_mut("resource") else { continue };
        for resource in resources.iter_mut().filter_map(Json::as_object_mut) {
            TRIAL.iter().for_each(|name| drop(resource.remove(name)));
        }
    }
    statement
}
