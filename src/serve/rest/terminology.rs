//! The operations of the terminology service (FHIR R4 `terminology-service.html`): `$expand`, `$validate-code`, `$lookup`, `$subsumes`,
//! `$translate`, and what terminology clients ask beside them. The parameters come from the URL, a Parameters resource, or both.

use std::sync::Arc;

use super::call::{Answer, Call};
use super::subset::{PARAMS, Shown};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::terminology::{self, Operation, Params};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::validate::shape;

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
///
/// # Errors
/// 400 for a body with elements that do not exist or have another shape: an exclude that is not read would let codes through.
fn from_body(body: &Json) -> Result<Params> {
    shape(body)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    fn refusal(body: &str) -> String {
        let fault = from_body(&parse(body.as_bytes()).expect("JSON")).map(drop).expect_err(body);
        assert_eq!(fault.category(), Category::Invalid, "{body}");
        let issue = &fault.issues()[0];
        assert_eq!(issue.code, "structure", "{body}");
        issue.expression.clone().unwrap_or_default().to_string()
    }

    #[test]
    fn what_cannot_be_read_in_a_body_is_refused() {
        for (set, place) in [
            (r#""compose":{"include":[{"system":"urn:x"}],"exclude":{"system":"urn:x"}}"#, "compose.exclude"),
            (r#""compose":{"include":[{"system":"urn:x","filters":[]}]}"#, "compose.include[0]"),
            (
                r#""compose":{"include":[{"system":"urn:x","filter":{"property":"a","op":"=","value":"b"}}]}"#,
                "compose.include[0].filter",
            ),
            (r#""compose":{"include":[{"system":"urn:x","concept":{"code":"a"}}]}"#, "compose.include[0].concept"),
            (r#""compose":{"include":[{"valueSet":"urn:v"}]}"#, "compose.include[0].valueSet"),
            (r#""compose":{"include":[{"system":"urn:x","version":1}]}"#, "compose.include[0].version"),
            (r#""compose":{"inactive":"false","include":[{"system":"urn:x"}]}"#, "compose.inactive"),
            (r#""compose":"x""#, "compose"),
        ] {
            let set = format!(r#"{{"resourceType":"ValueSet","url":"urn:v","status":"active",{set}}}"#);
            assert_eq!(refusal(&set), format!("ValueSet.{place}"), "{set}");
            let body =
                format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"valueSet","resource":{set}}}]}}"#);
            assert_eq!(refusal(&body), format!("Parameters.parameter[0].resource.{place}"), "{body}");
        }
        for (parameter, place) in [
            (r#""valueCodeableConcept":{"coding":{"system":"urn:x","code":"a"}}"#, "value.coding"),
            (r#""valueCoding":{"system":5}"#, "value.system"),
            (r#""resource":{"resourceType":"ConceptMap","group":{"source":"urn:a"}}"#, "resource.group"),
        ] {
            let body = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"x",{parameter}}}]}}"#);
            assert_eq!(refusal(&body), format!("Parameters.parameter[0].{place}"), "{body}");
        }
        let plain = r#"{"resourceType":"ValueSet","compose":{"include":[{"system":"urn:x"}]}}"#;
        assert!(from_body(&parse(plain.as_bytes()).expect("JSON")).expect("parameters").has("valueSet"));
    }
}
