//! The operations of the terminology service (FHIR R4 `terminology-service.html`): `$expand`, `$validate-code`, `$lookup`, `$subsumes`,
//! `$translate`, and what terminology clients ask beside them. The parameters come from the URL, a Parameters resource, or both.

use std::sync::Arc;

use super::call::{Answer, Call};
use super::subset::{PARAMS, Shown};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::terminology::{self, Operation, Params};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

/// Parameters, or a ValueSet.
///
/// # Errors
/// What the operation says; 404 and 410 for a resource that is not there.
pub async fn operation(call: &Call<'_>, body: Option<&Json>, operation: Operation) -> Result<Answer> {
    // a part can be shown of a resource; what other operations answer is not one that is stored
    let value_set = ResourceType::parse("ValueSet")?;
    let shown = if operation == Operation::Expand { Shown::of_one(call, value_set)? } else { Shown::default() };
    let mut params = Params::default();
    for (name, value) in &call.params.pairs {
        if operation != Operation::Expand || !PARAMS.contains(&name.as_str()) {
            params.push_text(name, value);
        }
    }
    if let Some(body) = body {
        params.extend(&from_body(body)?);
    }
    if operation == Operation::Translate {
        params = located(call, &params).await?;
    }
    let own = match call.target.id {
        Some(_) => Some(own(call).await?),
        None => None,
    };
    let language = call.params.language.clone();
    let (id, now) = (call.site.ids.uuid(), call.site.clock.now().to_string());
    let work = move |library: &dyn terminology::Library| {
        let accept_language = language.as_deref();
        let asked = terminology::Call { operation, params: &params, accept_language, own, id: &id, now: &now };
        let answer = terminology::run(library, &asked)?;
        let mut out = Vec::new();
        write(&answer, &mut out);
        Ok(out)
    };
    let text = call.session.with_definitions(work).await?;
    shown.answer(value_set, Answer::whole(text.into()))
}

/// A Parameters resource, or the one resource that the operation is about.
fn from_body(body: &Json) -> Result<Params> {
    let name = match body.get("resourceType").and_then(Json::as_str) {
        Some("ValueSet") => "valueSet",
        Some("CodeSystem") => "codeSystem",
        Some("ConceptMap") => "conceptMap",
        _ => return Params::from_resource(body),
    };
    let mut params = Params::default();
    params.push(name, body.clone());
    Ok(params)
}

/// `source` and `target` of `$translate` may be ids or locations of value sets here: then their URLs are meant.
async fn located(call: &Call<'_>, params: &Params) -> Result<Params> {
    let mut out = Params::default();
    for (name, value) in params.iter() {
        let given = value.as_str().filter(|_| matches!(name, "source" | "target"));
        let canonical = match given.and_then(|text| id_of(&call.site.base, text)) {
            Some(id) => canonical(call, id).await?,
            None => None,
        };
        out.push(name, canonical.map_or_else(|| value.clone(), Json::string));
    }
    Ok(out)
}

/// The id of a value set here that a text may be.
fn id_of(base: &str, text: &str) -> Option<ResourceId> {
    let plain = text.strip_prefix(base).map_or(text, |rest| rest.trim_start_matches('/'));
    let plain = plain.strip_prefix("ValueSet/").unwrap_or(plain);
    ResourceId::parse(plain).ok()
}

/// The URL of a value set with an id, if there is one.
async fn canonical(call: &Call<'_>, id: ResourceId) -> Result<Option<String>> {
    let key = ResourceKey::new(ResourceType::parse("ValueSet")?, id);
    let body = match call.session.read(&key).await {
        Ok(stored) => stored.body,
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => None,
        Err(fault) => return Err(fault),
    };
    let json = body.map(|body| parse_stored(&body)).transpose();
    let json = json.map_err(|fault| Fault::internal(format!("stored {key}: {fault}")))?;
    Ok(json.and_then(|json| json.get("url")?.as_str().map(str::to_owned)))
}

/// The resource of the path.
async fn own(call: &Call<'_>) -> Result<Arc<Json>> {
    let key = call.key()?;
    let stored = call.session.read(&key).await?;
    let body = stored.body.ok_or_else(|| Fault::internal(format!("{key} has no body")))?;
    let json = parse_stored(&body).map_err(|fault| Fault::internal(format!("a stored resource: {fault}")))?;
    if json.get("url").is_none() && key.kind.name() == "CodeSystem" {
        return Err(Fault::coded(Category::Unprocessable, "invalid", format!("{key} has no url")));
    }
    Ok(Arc::new(json))
}
