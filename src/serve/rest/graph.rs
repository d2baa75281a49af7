//! `GET [base]/[type]/[id]/$graph` (FHIR R4 `resource-operation-graph.html`): a resource and what a GraphDefinition leads to
//! from there, as one Bundle.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::document_assembly::Document;
use super::document_graph;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object, write};

/// A collection with the resource first.
///
/// # Errors
/// 400 without `graph`, and for a definition that leads too far or asks for what is not offered; 404 and 410 for the resource as for
/// reads; 422 for a GraphDefinition that is not there, starts elsewhere, or asks for more than there is.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "graph", &["graph"])?;
    let url = arguments.text("graph")?.ok_or_else(|| arguments.missing("a graph"))?;
    let mut found = Document::new(call);
    found.take(&call.key()?, None).await?;
    let start = found.entries.first().map(|(_, json)| json.clone());
    let start = start.ok_or_else(|| Fault::internal("a resource was read and is not there"))?;
    document_graph::follow(&mut found, call, &start, url).await?;
    let base = &call.site.base;
    let entry = |(key, resource)| {
        let url = Json::string(format!("{base}/{key}"));
        Json::object([("fullUrl", url), ("resource", resource)])
    };
    let mut bundle = Object::new();
    bundle.set("resourceType", Json::string("Bundle"));
    bundle.set("type", Json::string("collection"));
    bundle.set("timestamp", Json::string(call.site.clock.now().to_string()));
    bundle.set("entry", Json::Array(found.entries.into_iter().map(entry).collect()));
    let mut out = Vec::new();
    write(&Json::Object(bundle), &mut out);
    Ok(Answer::whole(out.into()))
}
