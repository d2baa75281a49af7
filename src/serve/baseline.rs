//! The bare axum handler that the speed of reads is measured against.

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

/// A router that answers every `GET /fhir/{type}/{id}` with the same bytes and does nothing else.
pub fn router(body: Bytes) -> Router {
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=utf-8"))], body) }
    };
    Router::new().route("/fhir/{type}/{id}", get(answer))
}
