//! What surrounds every request: its id, its time limit, panics, counters and the log line.
//!
//! One function in place of a stack of middleware: a read by id spends its time on the read. The log names
//! method, path template, status, microseconds and the request id; never a URL, which may hold patient data.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::encoding::untold;
use super::metrics::Metrics;
use super::rest::dispatch::Done;
use super::rest::negotiate::Form;
use super::rest::respond::refuse;
use crate::base::fault::Fault;
use crate::base::telemetry::{Counter, Stopwatch};
use crate::base::traces::{rename, span, take_over};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header that brings back the caller's own id (FHIR R4 `http.html`, 3.1.0.16).
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What is shared by the requests of a server.
#[derive(Debug)]
pub struct Layers {
    /// The counters.
    pub metrics: Metrics,
    /// How long a request may take.
    pub timeout: Duration,
    /// Marks this run in request ids.
    pub run: u64,
    /// Numbers the requests.
    pub requests: Counter,
}

impl Layers {
    /// Does the work of the request `id` as a part of the trace that its headers name, or of a new one; what fails here is
    /// told in `form`.
    pub async fn around<F>(
        &self,
        id: HeaderValue,
        method: &Method,
        headers: &HeaderMap,
        form: Form,
        work: F,
    ) -> Response<Body>
    where
        F: Future<Output = (Done, Response<Body>)>,
    {
        let watch = Stopwatch::start();
        let span = begin(method, headers);
        let mut guarded = pin!(AssertUnwindSafe(work).catch_unwind().instrument(span.clone()));
        // What is in memory is answered at once and needs no timer.
        let outcome = match poll_fn(|context| Poll::Ready(guarded.as_mut().poll(context))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => tokio::time::timeout(self.timeout, guarded).await,
        };
        let unknown = Done::UNKNOWN;
        let (done, mut response) = match outcome {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => (unknown, refuse(&Fault::internal("a handler panicked"), None, form)),
            Err(_) => (unknown, refuse(&Fault::unavailable("the request took too long"), None, form)),
        };
        if *method == Method::HEAD {
            response = headless(response);
        }
        let (status, elapsed) = (response.status().as_u16(), watch.elapsed());
        self.metrics.observe(done.interaction, status, elapsed);
        let (micros, template) = (elapsed.as_micros() as u64, done.template);
        let id_text = id.to_str().unwrap_or_default();
        if status >= 500 {
            tracing::warn!(target: "cresset::request", %method, template, status, micros, id = id_text, "request");
        } else {
            tracing::debug!(target: "cresset::request", %method, template, status, micros, id = id_text, "request");
        }
        end(&span, method, &done, status, id_text);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// Counts and logs what was refused before anything was known of it but its status.
    pub fn refused(&self, status: u16, id: &HeaderValue) {
        self.metrics.observe(Done::UNKNOWN.interaction, status, Duration::ZERO);
        tracing::debug!(target: "cresset::request", status, id = id.to_str().unwrap_or_default(), "no request");
    }

    /// The caller's `X-Request-Id`, if it is harmless, or a new one.
    pub fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        let given =
            headers.get(REQUEST_ID).filter(|id| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(harmless));
        if let Some(id) = given {
            return id.clone();
        }
        let number = self.requests.increment();
        let digits = number.checked_ilog2().unwrap_or(0) as usize / 4 + 1;
        let mut text = [b'-'; 25];
        hex(u64::from(self.run as u32), &mut text[..8]);
        hex(number, &mut text[9..9 + digits]);
        HeaderValue::from_bytes(&text[..9 + digits]).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The span of a request; what it is shows when it is over.
fn begin(method: &Method, headers: &HeaderMap) -> Span {
    let span = span!(
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = known(method),
        http.route = Empty,
        http.response.status_code = Empty,
        fhir.interaction = Empty,
        fhir.resource_type = Empty,
        cresset.tenant = Empty,
        cresset.request_id = Empty,
    );
    take_over(&span, headers);
    span
}

fn end(span: &Span, method: &Method, done: &Done, status: u16, id: &str) {
    if span.is_disabled() {
        return;
    }
    rename(span, format!("{} {}", known(method), done.template).trim_end().to_owned());
    span.record("http.route", done.template);
    span.record("http.response.status_code", status);
    span.record("fhir.interaction", done.interaction.label());
    span.record("cresset.request_id", id);
    if let Some(kind) = done.kind {
        span.record("fhir.resource_type", kind.name());
    }
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// The method, unless a client has made it up.
fn known(method: &Method) -> &str {
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    names.into_iter().find(|name| *name == method.as_str()).unwrap_or("_OTHER")
}

/// The lowest digits of a number, as many as there is room for.
fn hex(number: u64, digits: &mut [u8]) {
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
    }
}

/// What `X-Correlation-Id` answers: what it was asked with, or the caller's request id where the server uses another.
pub fn correlation_id(headers: &HeaderMap, id: &HeaderValue) -> Option<HeaderValue> {
    let replaced = || headers.get(REQUEST_ID).filter(|given| *given != id);
    headers.get(CORRELATION_ID).or_else(replaced).cloned()
}

/// The answer to HEAD: the headers of GET with the length its body would have; another one must not be said (RFC 9110, 8.6).
fn headless(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let has_body = !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match body.size_hint().exact().filter(|_| has_body) {
        Some(length) => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Response::from_parts(parts, Body::empty())
        }
        None => Response::from_parts(parts, untold()),
    }
}

#[cfg(test)]
impl Layers {
    /// Those of a server that gives up soon.
    pub fn for_tests() -> Self {
        let timeout = Duration::from_millis(20);
        Self { metrics: Metrics::default(), timeout, run: 0x1_0000_beef, requests: Counter::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(work: impl Future<Output = (Done, Response<Body>)>) -> u16 {
        let (layers, headers) = (Layers::for_tests(), HeaderMap::new());
        let id = layers.request_id(&headers);
        layers.around(id, &Method::GET, &headers, Form::default(), work).await.status().as_u16()
    }

    #[test]
    fn request_ids_are_numbered() {
        let layers = Layers::for_tests();
        for number in 0..258 {
            let id = layers.request_id(&HeaderMap::new());
            assert_eq!(id.to_str().expect("text"), format!("0000beef-{number:x}"));
        }
        for number in [0, 15, 16, u64::MAX] {
            let mut text = [0; 16];
            hex(number, &mut text);
            assert_eq!(std::str::from_utf8(&text).expect("text"), format!("{number:016x}"));
        }
    }

    #[tokio::test]
    async fn a_panic_and_a_late_answer_are_faults_of_the_server() {
        let answered = || (Done::UNKNOWN, Response::new(Body::empty()));
        assert_eq!(status(async { answered() }).await, 200);
        let later = async {
            tokio::task::yield_now().await;
            answered()
        };
        assert_eq!(status(later).await, 200);
        let never = async {
            std::future::pending::<()>().await;
            answered()
        };
        assert_eq!(status(never).await, 503);
        assert_eq!(status(async { panic!("at once") }).await, 500);
        let late = async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        assert_eq!(status(late).await, 500);
    }
}
