//! `$viewdefinition-run`, also `ViewDefinition/$run` and `ViewDefinition/[id]/$run`: a table of a ViewDefinition
//! (SQL on FHIR 2.1; `docs/VIEWS.md`, "The operation").

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Response, Uri};

use super::call::Site;
use super::extract;
use super::negotiate::{Form, Format, body_format};
use super::params::Params;
use super::respond::refuse;
use super::routes::Target;
use super::table::{Rows, Table};
use super::view_request::{TableFormat, ViewRequest};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::VIEW_PATIENTS;
use crate::fhir::definitions::compartment::membership;
use crate::fhir::fhirpath::from_base64;
use crate::fhir::json::{Json, parse_stored, parse_with};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::views::{TableWriter, TextFormat, View};
use crate::repo::Session;

/// Values of one parameter in one search.
const AT_ONCE: usize = 500;

/// The response: a table, or an OperationOutcome.
pub async fn respond(
    site: &Site,
    session: &Session,
    target: &Target,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Response<Body> {
    let answer = run(site, session, target, (uri, headers), body).await;
    answer.unwrap_or_else(|fault| refuse(&fault, None, Form::default()))
}

async fn run(
    site: &Site,
    session: &Session,
    target: &Target,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Response<Body>> {
    let limits = &site.limits;
    let params = Params::parse(uri.query().unwrap_or_default(), limits.query_bytes)?;
    let body = extract::body(headers, body, limits.body_bytes).await?;
    let body = match (body.is_empty(), body_format(extract::content_type(headers)?)) {
        (true, _) => None,
        (false, Ok(Format::Json)) => Some(extract::resource(body, Format::Json, limits.nesting, false).await?),
        (false, Ok(Format::Xml)) => {
            return Err(Fault::new(Category::UnsupportedMedia, "a ViewDefinition is no type of R4: its form is JSON"));
        }
        (false, Err(fault)) => return Err(fault),
    };
    let mut request = ViewRequest::read(&params, body)?;
    let (format, content_type) = request.form(headers)?;
    let (definition, place) = definition(site, session, target, &mut request).await?;
    let compiled = tokio::task::spawn_blocking(move || View::compile(&definition, place)).await;
    let view = compiled.map_err(|_| Fault::internal("the compiler of a view stopped"))??;
    let rows = rows(site, session, &mut request, &view).await?;
    let format = match format {
        TableFormat::Json => Some(TextFormat::Json),
        TableFormat::NdJson => Some(TextFormat::NdJson),
        TableFormat::Csv => Some(TextFormat::Csv { has_header: request.header.unwrap_or(true) }),
        TableFormat::Parquet => None,
    };
    let mut out = Vec::new();
    let writer = TableWriter::new(format, view.columns(), &mut out)?;
    let left = request.limit.unwrap_or(usize::MAX);
    let table = Table { view: Arc::new(view), rows, writer, out, left, now: site.clock.now() };
    table.respond(content_type).await
}

/// The ViewDefinition that is meant, and the place that its faults name.
async fn definition(
    site: &Site,
    session: &Session,
    target: &Target,
    request: &mut ViewRequest,
) -> Result<(Json, &'static str)> {
    match (&target.id, request.view.take(), request.reference.take()) {
        (Some(id), None, None) => {
            let found = stored(site, session, id.clone()).await;
            found.map(|json| (json, "ViewDefinition")).map_err(|fault| absent(fault, id.as_str()))
        }
        (Some(_), ..) => {
            Err(Fault::invalid("neither viewReference nor viewResource is allowed here: the path names the view"))
        }
        (None, Some(view), None) => Ok((view, "viewResource")),
        (None, None, Some(text)) => {
            let id = named(&text, &site.base, &["ViewDefinition", "Binary"]).ok_or_else(|| {
                let message = "a viewReference is Binary/id or ViewDefinition/id of this server";
                Fault::unsupported(message).at("viewReference")
            })?;
            let found = stored(site, session, id.clone()).await;
            found.map(|json| (json, "viewReference")).map_err(|fault| absent(fault, id.as_str()).at("viewReference"))
        }
        (None, None, None) => {
            let message = "either viewReference or viewResource is required";
            Err(Fault::coded(Category::Invalid, "required", message))
        }
        (None, Some(_), Some(_)) => Err(Fault::invalid("only one of viewReference and viewResource may be there")),
    }
}

fn absent(fault: Fault, id: &str) -> Fault {
    match fault.category() {
        Category::NotFound | Category::Gone => Fault::not_found(format!("ViewDefinition with id '{id}' not found")),
        _ => fault,
    }
}

/// The id in a reference to this server, if it is to one of some types.
fn named(text: &str, base: &str, kinds: &[&str]) -> Option<ResourceId> {
    let relative = text.strip_prefix(base).map_or(text, |rest| rest.trim_start_matches('/'));
    let (kind, id) = relative.split_once('/')?;
    if kinds.contains(&kind) { ResourceId::parse(id).ok() } else { None }
}

/// The ViewDefinition that a Binary holds.
async fn stored(site: &Site, session: &Session, id: ResourceId) -> Result<Json> {
    let key = ResourceKey::new(ResourceType::parse("Binary")?, id);
    let body = session.read(&key).await?.body.unwrap_or_default();
    let binary = parse_stored(&body)?;
    let data = binary.get("data").and_then(Json::as_str).unwrap_or_default();
    let text = from_base64(&data.split_ascii_whitespace().collect::<String>()).unwrap_or_default();
    let content = parse_with(&text, site.limits.nesting);
    let is_view = |json: &Json| json.get("resourceType").and_then(Json::as_str) == Some("ViewDefinition");
    content.ok().filter(is_view).ok_or_else(|| {
        Fault::coded(Category::Unprocessable, "invalid", format!("{key} does not hold a ViewDefinition in JSON"))
    })
}

/// The resources that the view is run on.
async fn rows(site: &Site, session: &Session, request: &mut ViewRequest, view: &View) -> Result<Rows> {
    if !request.resources.is_empty() {
        let is_filtered = !request.patients.is_empty() || !request.groups.is_empty() || request.since.is_some();
        if is_filtered {
            let message = "patient, group and _since choose among stored resources, and not among those that are sent";
            return Err(Fault::unsupported(message).at("resource"));
        }
        let mut resources = std::mem::take(&mut request.resources);
        resources.reverse();
        return Ok(Rows::Given(resources));
    }
    let patients = patients(site, session, request).await?;
    let mut searches = match patients {
        None => vec![Vec::new()],
        Some(patients) => of_patients(view.kind, &patients)?,
    };
    if let Some(since) = &request.since {
        searches.iter_mut().for_each(|params| params.push(("_lastUpdated".to_owned(), format!("gt{since}"))));
    }
    session.reading(view.kind, &searches).await.map(Rows::Stored)
}

/// The patients that `patient` and `group` leave, if they leave some out.
async fn patients(site: &Site, session: &Session, request: &ViewRequest) -> Result<Option<BTreeSet<String>>> {
    let mut named_ones = None;
    for text in &request.patients {
        let (id, _) = existing(site, session, "Patient", "patient", text).await?;
        named_ones.get_or_insert_with(BTreeSet::new).insert(id.as_str().to_owned());
    }
    let mut members = None;
    for text in &request.groups {
        let (_, group) = existing(site, session, "Group", "group", text).await?;
        let list = group.get("member").and_then(Json::as_array).unwrap_or_default();
        let active = list.iter().filter(|member| member.get("inactive").and_then(Json::as_bool) != Some(true));
        let references = active.filter_map(|member| member.get("entity")?.get("reference")?.as_str());
        let ids = references.filter_map(|text| named(text, &site.base, &["Patient"]));
        members.get_or_insert_with(BTreeSet::new).extend(ids.map(|id| id.as_str().to_owned()));
    }
    let both = match (named_ones, members) {
        (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect::<BTreeSet<_>>()),
        (a, b) => a.or(b),
    };
    if both.as_ref().is_some_and(|patients| patients.len() > VIEW_PATIENTS) {
        let message = format!("a table is limited to at most {VIEW_PATIENTS} patients");
        return Err(Fault::coded(Category::Invalid, "too-costly", message).at("group"));
    }
    Ok(both)
}

/// The resource that a parameter names: `Patient/1`, or the id alone.
async fn existing(
    site: &Site,
    session: &Session,
    kind: &str,
    place: &'static str,
    text: &str,
) -> Result<(ResourceId, Json)> {
    let id = named(text, &site.base, &[kind]).or_else(|| ResourceId::parse(text).ok());
    let id = id.ok_or_else(|| Fault::invalid(format!("{place} is a reference such as {kind}/1")).at(place))?;
    let key = ResourceKey::new(ResourceType::parse(kind)?, id.clone());
    let found = session.read(&key).await.map_err(|fault| match fault.category() {
        Category::NotFound | Category::Gone => {
            let message = format!("{kind} with id '{}' not found", id.as_str());
            Fault::coded(Category::Invalid, "not-found", message).at(place)
        }
        _ => fault,
    })?;
    Ok((id, parse_stored(found.body.as_deref().unwrap_or_default())?))
}

/// The searches that find what is in the compartments of some patients.
fn of_patients(kind: ResourceType, patients: &BTreeSet<String>) -> Result<Vec<Vec<(String, String)>>> {
    let patients: Vec<&str> = patients.iter().map(String::as_str).collect();
    let chunks = patients.chunks(AT_ONCE);
    if kind.name() == "Patient" {
        return Ok(chunks.map(|ids| vec![("_id".to_owned(), ids.join(","))]).collect());
    }
    let found = membership(ResourceType::parse("Patient")?, kind)
        .ok_or_else(|| Fault::unsupported(format!("{kind} is never in the compartment of a patient")).at("patient"))?;
    let values: Vec<String> =
        chunks.map(|ids| ids.iter().map(|id| format!("Patient/{id}")).collect::<Vec<_>>().join(",")).collect();
    let searches =
        found.params.iter().flat_map(|param| values.iter().map(|value| vec![(param.code.to_string(), value.clone())]));
    Ok(searches.collect())
}
