//! `GET [base]/Composition/[id]/$document` (FHIR R4 `composition-operation-document.html`; `documents.html`): a Composition
//! and what it refers to, as one Bundle of type document.
//!
//! What 3.3.1 names must be there, or there is no document. What that refers to follows, as far as it is there and is of no
//! other patient; with `graph` instead what the GraphDefinition names.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::document_assembly::Document;
use super::document_graph;
use crate::base::fault::{Fault, Result};
use crate::fhir::document::{bundle, required};
use crate::fhir::json::{Json, write};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::repo::{Change, WriteEntry};
use crate::search::kind::reference::version;

/// The document of a Composition; stored too where `persist` is true.
///
/// # Errors
/// 404 and 410 for the Composition as for reads; 422 for what it refers to that is not there; 400 for wrong parameters.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "document", &["id", "persist", "graph"])?;
    let key = composition(call, &arguments)?;
    let persist = arguments.boolean("persist")?.unwrap_or(false);
    let mut document = Document::new(call);
    document.take(&key, None).await?;
    let start = document.entries.first().map(|(_, json)| json.clone()).unwrap_or(Json::Null);
    for mention in required(&start) {
        document.needed(&mention).await?;
    }
    match arguments.text("graph")? {
        Some(url) => document_graph::follow(&mut document, call, &start, url).await?,
        None => document.follow(&start).await?,
    }
    let base = &call.site.base;
    let entries = document.entries.into_iter().map(|(key, json)| (format!("{base}/{key}"), json)).collect();
    let made = bundle(&call.site.ids.uuid(), call.site.clock.now(), entries);
    if persist {
        return stored(call, made).await;
    }
    let mut out = Vec::new();
    write(&made, &mut out);
    Ok(Answer::whole(out.into()))
}

/// Which Composition: that of the path, or of `id`.
fn composition(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<ResourceKey> {
    let named = arguments.text("id")?;
    match (call.target.id.is_some(), named) {
        (true, None) => call.key(),
        (true, Some(_)) => Err(Fault::invalid("the parameter id is not for a Composition that the URL names")),
        (false, None) => Err(arguments.missing("the id of a Composition")),
        (false, Some(id)) => {
            let kind = call.kind()?;
            if let Some((key, None)) = version(id, &call.site.base).filter(|(key, _)| key.kind == kind) {
                return Ok(key);
            }
            if id.contains("://") {
                return Err(Fault::unsupported("the Composition is not one of this server"));
            }
            Ok(ResourceKey::new(kind, ResourceId::parse(id)?))
        }
    }
}

async fn stored(call: &Call<'_>, made: Json) -> Result<Answer> {
    let kind = ResourceType::parse("Bundle")?;
    let change = Change::Create { kind, resource: made, if_none_exist: None };
    let entry = WriteEntry { index: None, full_url: None, change };
    let written = call.session.transaction(vec![entry]).await?.pop().and_then(|written| written.stored);
    let stored = written.ok_or_else(|| Fault::internal("a document was stored and is not there"))?;
    let location = Some(format!("{}/_history/{}", stored.key, stored.version));
    let (version, modified) = (Some(stored.version), Some(stored.updated));
    Ok(Answer { status: 200, version, modified, location, body: stored.body, ..Answer::default() })
}
