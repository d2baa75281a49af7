//! Traces: what a request did and how long each part took, sent to a collector by OTLP (HTTP with protobuf).
//!
//! A span holds names, path templates, status codes, counts and request ids: no URL, no id of a resource and nothing from
//! one. Without an endpoint there are no traces, and a span costs one comparison. With one, spans that have ended wait in a
//! queue with a bound; what has no room, or cannot be delivered, is counted and dropped, so a collector that is away
//! costs neither time nor memory.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SpanExporter as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span as Begun, SpanData, SpanProcessor};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::config::Telemetry;
use super::fault::{Fault, Result};
use super::net::Secure;
use super::telemetry::Counter;

/// The target of all spans of traces; everything else in the log is no part of them.
pub const TARGET: &str = "cresset::trace";

/// A part of a request, below the span that is current: `span!("search")`. Fields as for `tracing::span!`.
macro_rules! span {
    ($name:literal $($fields:tt)*) => {
        tracing::trace_span!(target: $crate::base::traces::TARGET, $name $($fields)*)
    };
}
pub(crate) use span;

/// Most spans that wait to be delivered.
const QUEUE: usize = 8192;
/// Most spans in one message.
const BATCH: usize = 512;
/// How long a span waits for others to fill its message.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The waits before a message is sent again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// How long the end of the process waits for what is left.
const LAST: Duration = Duration::from_secs(5);

static DELIVERED: Counter = Counter::zero();
static DROPPED: Counter = Counter::zero();

/// How many spans were delivered, and how many were dropped, since the process began.
pub fn counts() -> (u64, u64) {
    (DELIVERED.get(), DROPPED.get())
}

/// The delivery of traces, while there are any.
#[derive(Debug, Default)]
pub struct Traces(Option<Delivery>);

#[derive(Debug)]
struct Delivery {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Traces {
    /// Delivers what has ended so far, within five seconds; spans that end later are dropped.
    pub async fn flush(self) {
        let Some(Delivery { stop, task }) = self.0 else { return };
        stop.send_replace(true);
        let abort = task.abort_handle();
        if tokio::time::timeout(LAST, task).await.is_err() {
            abort.abort();
            tracing::warn!("the last traces cannot be delivered in time");
        }
    }
}

/// The layer that makes traces of the spans, and their delivery. Runs on the runtime that is current.
///
/// # Errors
/// 400 for an endpoint that is none; 500 when the system's certificates cannot be used.
pub(super) fn layer<S>(settings: &Telemetry, endpoint: &str) -> Result<(impl Layer<S> + Send + Sync + 'static, Traces)>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(Secure::new(PATIENCE)?))
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        // Its own pauses would hold a thread; `send` makes them.
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| Fault::invalid(format!("telemetry.otlp_endpoint: {error}")))?;
    exporter.set_resource(&resource);
    let (queue, ended) = mpsc::channel(QUEUE);
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(deliver(exporter, ended, stopping));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue(queue))
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
        .with_resource(resource)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("cresset"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_level(false)
        .with_target(false)
        .with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    Ok((layer, Traces(Some(Delivery { stop, task }))))
}

/// Makes the trace of the caller (`traceparent`, W3C Trace Context) the one that `span` belongs to. To be called before
/// it is entered.
pub fn take_over(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    // It fails where the span is not one of a trace, and then there is nothing to be done.
    let _is_none = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers))).is_err();
}

/// Gives a span that is under way the name that turned out to be right.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Tells the server that is asked which trace the current span belongs to.
pub fn hand_on(headers: &mut HeaderMap) {
    let span = Span::current();
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
    }
}

/// The span of a commit that does the work of several requests: it is a part of the first that is traced, and linked
/// with all of them in both directions.
pub fn joint(parts: &[Span]) -> Span {
    let traced: Vec<(&Span, SpanContext)> = parts
        .iter()
        .filter(|part| !part.is_disabled())
        .map(|part| (part, part.context().span().span_context().clone()))
        .filter(|(_, context)| context.is_sampled())
        .collect();
    let Some((first, _)) = traced.first() else { return Span::none() };
    let joint = tracing::trace_span!(target: TARGET, parent: *first, "batch", batch.plans = parts.len());
    let own = joint.context().span().span_context().clone();
    for (part, context) in traced.into_iter().skip(1) {
        joint.add_link(context);
        part.add_link(own.clone());
    }
    joint
}

/// Takes the spans that have ended; never waits.
#[derive(Debug)]
struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Begun, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.try_send(span).is_err() {
            DROPPED.increment();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Delivers spans until told to stop, and then those that are left.
async fn deliver(exporter: SpanExporter, mut ended: mpsc::Receiver<SpanData>, mut stop: watch::Receiver<bool>) {
    let mut is_away = false;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            () = gather(&mut ended, &mut batch) => {}
            _ = stop.wait_for(|stop| *stop) => {
                while batch.len() < BATCH && let Ok(span) = ended.try_recv() {
                    batch.push(span);
                }
                if batch.is_empty() {
                    return;
                }
            }
        }
        let count = batch.len() as u64;
        match send(&exporter, batch, &mut stop).await {
            Ok(()) => {
                DELIVERED.add(count);
                if std::mem::take(&mut is_away) {
                    tracing::info!("traces are delivered again");
                }
            }
            Err(why) => {
                DROPPED.add(count);
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(why, "traces cannot be delivered; they are dropped and counted until they can");
                }
            }
        }
    }
}

/// Fills a message: until it is full, or its first span has waited long enough.
async fn gather(ended: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if ended.recv_many(batch, BATCH).await == 0 {
        return std::future::pending().await;
    }
    let fill = async { while batch.len() < BATCH && ended.recv_many(batch, BATCH - batch.len()).await > 0 {} };
    let _is_late = tokio::time::timeout(GATHER, fill).await.is_err();
}

/// Sends a message, a few times if need be; only once when the process is about to end.
async fn send(
    exporter: &SpanExporter,
    batch: Vec<SpanData>,
    stop: &mut watch::Receiver<bool>,
) -> std::result::Result<(), String> {
    let mut why = String::new();
    for pause in PAUSES.iter().map(Some).chain([None]) {
        match tokio::time::timeout(PATIENCE, exporter.export(batch.clone())).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = format!("no answer within {} s", PATIENCE.as_secs()),
        }
        let Some(pause) = pause else { break };
        if tokio::time::timeout(*pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            break;
        }
    }
    Err(why)
}

/// The way out, with the TLS of everything else.
#[derive(Debug)]
struct Client(Secure);

type Sent<'a> = Pin<Box<dyn Future<Output = std::result::Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sent<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let answer = self.0.send(parts.method, &parts.uri.to_string(), parts.headers, body).await?;
            let mut response = Response::new(answer.body);
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(response)
        })
    }
}
