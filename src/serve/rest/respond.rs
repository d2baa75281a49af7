//! Answers and faults as HTTP responses.

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER, VARY};
use http::{HeaderValue, Response, StatusCode};

use super::call::Answer;
use super::date::http_date;
use super::extract::INLINE_BYTES;
use super::negotiate::{Form, Format};
use crate::base::fault::{Fault, Issue, Result};
use crate::fhir::json::{parse_stored, pretty};
use crate::fhir::outcome::outcome_text;
use crate::fhir::xml::{Layout, write};
use crate::serve::error::wire;

/// The response to an interaction that was done.
///
/// # Errors
/// 500 for an answer that cannot be written in its form.
pub async fn respond(mut answer: Answer, base: &str, form: Form) -> Result<Response<Body>> {
    if form.is_pretty || form.media.format == Format::Xml {
        answer.body = match answer.body.take() {
            Some(body) => Some(rendered(body, form).await?),
            None => None,
        };
    }
    let mut response = with_body(answer.status, answer.body.take(), form);
    decorate(&mut response, &answer, base);
    Ok(response)
}

/// Sets what an answer says about the version that it is of.
pub fn decorate(response: &mut Response<Body>, answer: &Answer, base: &str) {
    let headers = response.headers_mut();
    let mut set = |name, text: &[u8]| {
        if let Ok(value) = HeaderValue::from_bytes(text) {
            headers.insert(name, value);
        }
    };
    if let Some(version) = answer.version {
        set(ETAG, format!("W/\"{version}\"").as_bytes());
    }
    if let Some(modified) = answer.modified {
        set(LAST_MODIFIED, &http_date(modified));
    }
    if let Some(location) = &answer.location {
        set(LOCATION, format!("{base}/{location}").as_bytes());
    }
    if let Some(location) = answer.content_location.as_ref().filter(|_| !answer.is_part) {
        set(CONTENT_LOCATION, format!("{base}/{location}").as_bytes());
    }
}

/// The response to an interaction that failed. `allow` goes with 405.
pub fn refuse(fault: &Fault, allow: Option<&str>, form: Form) -> Response<Body> {
    let (status, body) = wire(fault);
    let (body, form) = match render(&body, form) {
        Ok(text) => (text, form),
        Err(_) => (body, Form::default()),
    };
    let mut response = with_body(status, Some(body), form);
    let version = fault.version();
    let about = Answer {
        version: version.map(|(version, _)| version),
        modified: version.map(|(_, updated)| updated),
        ..Answer::default()
    };
    decorate(&mut response, &about, "");
    if fault.is_transient() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// `Content-Type` and text of an OperationOutcome with one issue.
pub fn told(issue: &Issue, form: Form) -> (&'static str, Bytes) {
    let json = Bytes::from(outcome_text(std::slice::from_ref(issue)));
    match render(&json, form) {
        Ok(text) => (form.media.content_type, text),
        Err(_) => (Form::default().media.content_type, json),
    }
}

/// JSON in the form that is wanted; large texts elsewhere, so that a connection's thread is not held.
async fn rendered(body: Bytes, form: Form) -> Result<Bytes> {
    if body.len() <= INLINE_BYTES {
        return render(&body, form);
    }
    let rendered = tokio::task::spawn_blocking(move || render(&body, form)).await;
    rendered.map_err(|_| Fault::internal("the writer stopped"))?
}

fn render(body: &Bytes, form: Form) -> Result<Bytes> {
    match (form.media.format, form.is_pretty) {
        (Format::Json, false) => Ok(body.clone()),
        (Format::Json, true) => Ok(pretty(body).into()),
        (Format::Xml, is_pretty) => {
            let mut out = Vec::with_capacity(body.len() * 5 / 4 + 128);
            write(&parse_stored(body)?, if is_pretty { Layout::Pretty } else { Layout::Compact }, &mut out)?;
            Ok(out.into())
        }
    }
}

fn with_body(status: u16, body: Option<Bytes>, form: Form) -> Response<Body> {
    let has_body = body.is_some();
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Also of what has no body: a cache keeps 304 beside the answer that it confirms.
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    if has_body {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.media.content_type));
    }
    response
}
