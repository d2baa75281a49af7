//! Answers and faults as HTTP responses.

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::call::Answer;
use super::date::http_date;
use super::negotiate::FHIR_JSON;
use crate::base::fault::Fault;
use crate::fhir::json::pretty;
use crate::serve::error::wire;

/// The response to an interaction that was done.
pub fn respond(answer: Answer, base: &str, is_pretty: bool) -> Response<Body> {
    let mut response = with_body(answer.status, answer.body, is_pretty);
    let headers = response.headers_mut();
    let mut set = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    if let Some(version) = answer.version {
        set(ETAG, format!("W/\"{version}\""));
    }
    if let Some(modified) = answer.modified {
        set(LAST_MODIFIED, http_date(modified));
    }
    if let Some(location) = answer.location {
        set(LOCATION, format!("{base}/{location}"));
    }
    response
}

/// The response to an interaction that failed. `allow` goes with 405.
pub fn refuse(fault: &Fault, allow: Option<&str>, is_pretty: bool) -> Response<Body> {
    let (status, body) = wire(fault);
    let mut response = with_body(status, Some(body), is_pretty);
    if fault.is_transient() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn with_body(status: u16, body: Option<Bytes>, is_pretty: bool) -> Response<Body> {
    let body = body.map(|body| if is_pretty { Bytes::from(pretty(&body)) } else { body });
    let has_body = body.is_some();
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if has_body {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    }
    response
}
