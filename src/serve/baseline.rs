//! The bare axum handler that the speed of reads is measured against.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use crate::base::fault::{Fault, Result};

/// A router that answers every `GET /fhir/{type}/{id}` with the same bytes and does nothing else.
pub fn router(body: Bytes) -> Router {
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=utf-8"))], body) }
    };
    Router::new().route("/fhir/{type}/{id}", get(answer))
}

/// Answers with the bare handler on `address` until the process ends.
///
/// # Errors
/// 503 when the address cannot be had; 500 when the listener breaks.
pub async fn listen(address: SocketAddr, body: Bytes) -> Result<()> {
    let failed = |error| Fault::unavailable(format!("listen on {address}: {error}"));
    // As the server does: a benchmark compares like with like.
    let listener = TcpListener::bind(address).await.map_err(failed)?.tap_io(|stream| {
        let _undelayed = stream.set_nodelay(true).is_ok();
    });
    axum::serve(listener, router(body)).await.map_err(|error| Fault::internal(format!("listener: {error}")))
}
