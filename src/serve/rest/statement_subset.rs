//! `CapabilityStatement/$subset` (FHIR R4 `capabilitystatement-operation-subset.html`): what a statement says of some types. The
//! statement is that of this server, or one that is stored.

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::canonicals;
use super::metadata;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object, parse_stored, write};
use crate::fhir::subset::{TAG_CODE, TAG_SYSTEM};
use crate::fhir::types::ResourceType;

/// The statement with the types that are asked for, tagged as a part.
///
/// # Errors
/// 400 without `resource`, for a type that is none, and for a `server` beside an id; 404 for a statement that is not there.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let arguments = Arguments::read(call, body, "subset", &["server", "resource"])?;
    let mut wanted = Vec::new();
    for argument in arguments.named("resource") {
        let text = argument.text().ok_or_else(|| argument.wrong("it is the name of a type"))?;
        for name in text.split(',') {
            wanted.push(ResourceType::find(name).ok_or_else(|| argument.wrong("it is no type of resource"))?.name());
        }
    }
    if wanted.is_empty() {
        return Err(arguments.missing("a resource"));
    }
    let server = arguments.text("server")?;
    let text = match (&call.target.id, server) {
        (None, None) => metadata::full(call),
        (None, Some(url)) => match url.strip_prefix(&call.site.base) {
            Some("" | "/" | "/metadata") => metadata::full(call),
            _ => stored(call, url).await?,
        },
        (Some(_), None) => call.session.read(&call.key()?).await?.body.unwrap_or_default(),
        (Some(_), Some(_)) => {
            return Err(Fault::coded(
                Category::Invalid,
                "value",
                "the statement is named by its id: there is no server",
            ));
        }
    };
    let mut statement = parse_stored(&text)?;
    narrow(&mut statement, &wanted);
    let mut out = Vec::new();
    write(&statement, &mut out);
    Ok(Answer::whole(out.into()))
}

/// The stored statement with a canonical URL.
async fn stored(call: &Call<'_>, url: &str) -> Result<bytes::Bytes> {
    let body = canonicals::of_kind(call, call.kind()?, url).await?;
    body.ok_or_else(|| Fault::not_found("no CapabilityStatement with this url is known"))
}

fn narrow(statement: &mut Json, wanted: &[&str]) {
    let Some(statement) = statement.as_object_mut() else { return };
    if let Some(Json::Array(rests)) = statement.get_mut("rest") {
        for rest in rests.iter_mut().filter_map(Json::as_object_mut) {
            let Some(Json::Array(resources)) = rest.get_mut("resource") else { continue };
            let is_wanted = |resource: &Json| {
                resource.get("type").and_then(Json::as_str).is_some_and(|kind| wanted.contains(&kind))
            };
            resources.retain(is_wanted);
            if resources.is_empty() {
                rest.remove("resource");
            }
        }
    }
    let tag = Json::object([("system", Json::string(TAG_SYSTEM)), ("code", Json::string(TAG_CODE))]);
    let mut meta = match statement.remove("meta") {
        Some(Json::Object(meta)) => meta,
        _ => Object::new(),
    };
    match meta.get_mut("tag") {
        Some(Json::Array(tags)) => tags.push(tag),
        _ => meta.set("tag", Json::Array(vec![tag])),
    }
    statement.set("meta", Json::Object(meta));
}
