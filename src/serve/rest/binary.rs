//! Binaries as what they hold (FHIR R4 `binary.html`, 2.35.3.3): content goes in and out as it is, unless the resource
//! itself is sent or asked for. In Bundles, and for every other type, there are only resources.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};

use super::call::Answer;
use super::change::Sent;
use super::extract;
use super::negotiate::{Form, Format, body_format, is_content_wanted, is_fhir_named};
use super::respond::{decorate, respond};
use super::routes::{Interaction, Target};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::fhirpath::{from_base64, to_base64};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::ResourceType;

/// `Binary.securityContext.reference`.
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");

/// Whether a request reads a Binary and may want what it holds. `_format` always asks for the resource.
pub fn may_be_content(interaction: Interaction, target: &Target, uri: &Uri) -> bool {
    matches!(interaction, Interaction::Read | Interaction::Vread)
        && is_binary(target.kind)
        && !uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("_format=")))
}

/// Whether a request writes a Binary, as a resource or as its content.
pub fn may_be_written(interaction: Interaction, target: &Target) -> bool {
    matches!(interaction, Interaction::Create | Interaction::Update) && is_binary(target.kind)
}

fn is_binary(kind: Option<ResourceType>) -> bool {
    kind.is_some_and(|kind| kind.name() == "Binary")
}

/// The response to a read of a Binary: its content when the caller wants that, else the resource.
///
/// # Errors
/// 500 for a stored resource that cannot be read.
pub async fn respond_content(answer: Answer, headers: &HeaderMap, base: &str, form: Form) -> Result<Response<Body>> {
    let Some(body) = answer.body.clone().filter(|_| answer.status == 200) else {
        return respond(answer, base, form).await;
    };
    let held = elsewhere(body.len(), move || held(&body)).await??;
    if !is_content_wanted(headers, &held.content_type) {
        return respond(answer, base, form).await;
    }
    let mut response = Response::new(Body::from(held.data));
    let set = response.headers_mut();
    let named = HeaderValue::try_from(held.content_type.as_ref());
    set.insert(CONTENT_TYPE, named.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    // Whoever may write a Binary must not run scripts in the name of this server.
    set.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    set.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(context) = held.context.and_then(|context| HeaderValue::try_from(context.as_ref()).ok()) {
        set.insert(SECURITY_CONTEXT, context);
    }
    decorate(&mut response, &answer, base);
    Ok(response)
}

/// What a stored Binary holds.
struct Held {
    content_type: Box<str>,
    context: Option<Box<str>>,
    data: Bytes,
}

fn held(body: &[u8]) -> Result<Held> {
    let binary = parse_stored(body)?;
    let text = |name: &str| binary.get(name).and_then(Json::as_str);
    let data = match text("data") {
        Some(data) => from_base64(&data.split_ascii_whitespace().collect::<String>())
            .ok_or_else(|| Fault::internal("a stored Binary whose data is not base64"))?,
        None => Vec::new(),
    };
    let context = binary.get("securityContext").and_then(|context| context.get("reference")?.as_str());
    Ok(Held {
        content_type: text("contentType").unwrap_or("application/octet-stream").into(),
        context: context.map(Box::from),
        data: data.into(),
    })
}

/// What a write of a Binary sends: the resource, or content, of which the resource is made.
///
/// # Errors
/// 400 for no content, and for what says that it is FHIR and cannot be read; 413; 415 for a content coding.
pub async fn sent(target: &Target, headers: &HeaderMap, body: Body, limit: usize, nesting: usize) -> Result<Sent> {
    let content_type = extract::content_type(headers)?;
    let format = body_format(content_type).ok();
    let body = extract::body(headers, body, limit).await?;
    if let (Some(format), false) = (format, body.is_empty()) {
        let given = content_type.unwrap_or_default();
        if let Some(resource) = resource(body.clone(), format, given, nesting).await? {
            return Ok(Sent::Resource(resource));
        }
    }
    let content_type = content_type.filter(|_| !body.is_empty());
    let content_type = content_type.ok_or_else(|| Fault::coded(Category::Invalid, "required", "there is no body"))?;
    let context = extract::text(headers, &SECURITY_CONTEXT)?.map(str::to_owned);
    // A code has single spaces.
    let content_type = content_type.split_whitespace().collect::<Vec<_>>().join(" ");
    let data = elsewhere(body.len(), move || to_base64(&body)).await?;
    let mut made = Json::object([("resourceType", Json::string("Binary"))]);
    if let Some(made) = made.as_object_mut() {
        if let Some(id) = &target.id {
            made.set("id", Json::string(id.to_string()));
        }
        made.set("contentType", Json::string(content_type));
        if let Some(context) = context {
            made.set("securityContext", Json::object([("reference", Json::string(context))]));
        }
        made.set("data", Json::string(data));
    }
    Ok(Sent::Resource(made))
}

/// The Binary that a body in a format of FHIR is; `None` for any other content. Without a type it is taken for one.
async fn resource(body: Bytes, format: Format, content_type: &str, nesting: usize) -> Result<Option<Json>> {
    match extract::resource(body, format, nesting, false).await {
        Ok(tree) => {
            let is_resource = tree.get("resourceType").and_then(Json::as_str) == Some("Binary");
            Ok(Some(tree).filter(|_| is_resource || content_type.is_empty()))
        }
        Err(fault) if content_type.is_empty() || is_fhir_named(content_type) => Err(fault),
        Err(_) => Ok(None),
    }
}

/// Large bodies are worked on outside the threads that serve connections.
async fn elsewhere<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if bytes <= extract::INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::internal("the work on a Binary stopped"))
}
