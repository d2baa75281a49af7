//! `$fhirpath`: evaluates an expression, for developers (`docs/FHIRPATH.md`, "The operation"). FHIR R4 has no such operation.

use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::evaluation::Evaluation;
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::terminology::Library;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::validate::{Definitions, Made, Terminologies};

/// Where the terminology service finds definitions, and a UUID for what it makes.
struct Service<'s> {
    library: &'s dyn Library,
    id: &'s str,
}

/// The parameters of a URL.
const PARAMS: [&str; 4] = ["expression", "context", "resource", "validate"];

/// Parameters with what was asked, and a `result` for every context.
///
/// # Errors
/// 400 for an expression that is not understood or cannot be evaluated, for unknown parameters, and for more than one
/// resource; 404 and 410 for a resource that is not there.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let nesting = call.site.limits.nesting;
    let mut evaluation = Evaluation::default();
    for (name, value) in call.params.pairs.iter().filter(|(name, _)| !name.starts_with('_')) {
        evaluation.add_pair(name, value, nesting)?;
    }
    if let Some(body) = body {
        evaluation.add_body(body.clone(), nesting)?;
    }
    let stored = match key(call, &evaluation)? {
        Some(key) => {
            let stored = call.session.read(&key).await?;
            Some(stored.body.ok_or_else(|| Fault::internal(format!("{key} has no body")))?)
        }
        None => None,
    };
    let (kind, now) = (call.target.kind, call.site.clock.now());
    let (registry, answers) = call.session.knowledge();
    let asks = evaluation.asks_terminology();
    let work = move |service: Option<Service<'_>>| -> Result<Vec<u8>> {
        if let Some(body) = stored {
            let json = parse_stored(&body).map_err(|fault| Fault::internal(format!("a stored resource: {fault}")))?;
            evaluation.resource = Some(json);
        }
        check_type(&evaluation, kind)?;
        let definitions = Definitions(&registry, answers.as_deref());
        let answer = match service {
            None => evaluation.run(now, &definitions)?,
            Some(Service { library, id }) => {
                let (now_text, made) = (now.to_string(), Made::default());
                evaluation.run(now, &Terminologies { definitions, library, id, now: &now_text, made })?
            }
        };
        let mut out = Vec::new();
        write(&answer, &mut out);
        Ok(out)
    };
    let text = if asks {
        let id = call.site.ids.uuid();
        call.session.with_definitions(move |library| work(Some(Service { library, id: &id }))).await?
    } else {
        let done = tokio::task::spawn_blocking(move || work(None)).await;
        done.map_err(|_| Fault::internal("the evaluation of an expression stopped"))??
    };
    Ok(Answer::whole(text.into()))
}

/// The stored resource that is meant: that of the path, or of a reference.
fn key(call: &Call<'_>, evaluation: &Evaluation) -> Result<Option<ResourceKey>> {
    let of_path = if call.target.id.is_some() { Some(call.key()?) } else { None };
    let of_reference = evaluation.reference.as_deref().map(|text| referred(text, &call.site.base)).transpose()?;
    let given = [of_path.is_some(), of_reference.is_some(), evaluation.resource.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Fault::coded(Category::Invalid, "invalid", "there is more than one resource to evaluate on"));
    }
    Ok(of_path.or(of_reference))
}

/// `Patient/1`, or the same below the base.
fn referred(text: &str, base: &str) -> Result<ResourceKey> {
    let relative = text.strip_prefix(base).map_or(text, |rest| rest.trim_start_matches('/'));
    let Some((kind, id)) = relative.split_once('/') else {
        return Err(Fault::invalid("the resource is JSON, or a reference such as Patient/1").at("resource"));
    };
    Ok(ResourceKey::new(ResourceType::parse(kind)?, ResourceId::parse(id)?))
}

/// At a type, the resource must be of it.
fn check_type(evaluation: &Evaluation, kind: Option<ResourceType>) -> Result<()> {
    let given = evaluation.resource.as_ref().and_then(|json| json.get("resourceType")?.as_str());
    match (kind, given) {
        (Some(kind), Some(given)) if kind.name() != given => {
            Err(Fault::invalid(format!("the resource is not a {kind}")).at("resource"))
        }
        _ => Ok(()),
    }
}
