//! The log for people, and where traces begin.
//!
//! Nothing in it may carry patient data: names of interactions, status codes, durations and ids only.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use super::config::{Log, Telemetry};
use super::fault::{Fault, Result};
use super::traces::{self, Traces};

/// Starts the log on standard error, and the traces where they have an endpoint; once per process.
///
/// # Errors
/// 400 for a filter that cannot be read, or an endpoint that is none; 500 when a log was started before.
pub fn start(log: &Log, telemetry: &Telemetry) -> Result<Traces> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| Fault::invalid(format!("log filter: {error}")))?;
    let (started, traces) = match &telemetry.otlp_endpoint {
        // One filter for all: what nobody wants to hear costs a comparison.
        None => (registry().with(filter).with(lines(log.json)).try_init(), Traces::default()),
        Some(endpoint) => {
            let (layer, traces) = traces::layer(telemetry, endpoint)?;
            (registry().with(lines(log.json).with_filter(filter)).with(layer).try_init(), traces)
        }
    };
    started.map(|()| traces).map_err(|error| Fault::internal(format!("log: {error}")))
}

/// The lines of the log: text, or one JSON object each.
fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(json: bool) -> Box<dyn Layer<S> + Send + Sync> {
    let plain = fmt::layer().with_writer(std::io::stderr);
    if json {
        plain.json().flatten_event(true).boxed()
    } else {
        plain.with_ansi(std::io::stderr().is_terminal()).boxed()
    }
}
