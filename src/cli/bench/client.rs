//! Drives the server with many requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use super::measure::Latencies;
use crate::base::fault::{Fault, Result};
use crate::base::net::{Answer, Connection};

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The body of a POST.
    pub body: Bytes,
}

impl Call {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new() }
    }

    /// A POST of a resource.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, path: path.into(), body: body.into() }
    }
}

/// What a drive measured.
#[derive(Debug, Default)]
pub struct Drive {
    /// Latency of each request.
    pub latencies: Latencies,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Drive {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.latencies.count() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// When a drive ends, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    /// So many requests.
    pub requests: usize,
    /// So much time.
    pub time: Duration,
}

/// Sends `make(0)`, `make(1)` ... over `connections` connections, each with one request at a time.
///
/// # Errors
/// 500 at the first answer that is not 2xx, with its beginning; 503 when a connection breaks.
pub async fn drive(
    authority: &str,
    connections: usize,
    until: Until,
    make: impl Fn(usize) -> Call + Send + Sync + 'static,
) -> Result<Drive> {
    let (next, make) = (Arc::new(AtomicUsize::new(0)), Arc::new(make));
    let started = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (next, make) = (next.clone(), make.clone());
        let mut connection = Connection::new(authority)?;
        workers.spawn(async move {
            let mut latencies = Latencies::default();
            while started.elapsed() < until.time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= until.requests {
                    break;
                }
                let call = make(number);
                let begun = Instant::now();
                ask(&mut connection, call).await?;
                latencies.add(begun.elapsed());
            }
            Ok::<_, Fault>(latencies)
        });
    }
    let mut drive = Drive::default();
    while let Some(ended) = workers.join_next().await {
        let latencies = ended.map_err(|error| Fault::internal(format!("a worker stopped: {error}")))??;
        drive.latencies.merge(&latencies);
    }
    drive.elapsed = started.elapsed();
    Ok(drive)
}

/// Sends one request.
///
/// # Errors
/// As [`drive`].
pub async fn ask(connection: &mut Connection, call: Call) -> Result<Answer> {
    let mut headers = HeaderMap::new();
    if call.method == Method::POST {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        headers.insert("prefer", HeaderValue::from_static("return=minimal"));
    }
    let answer = connection.send(call.method, &call.path, headers, call.body).await?;
    if !answer.status.is_success() {
        let text = String::from_utf8_lossy(&answer.body).chars().take(400).collect::<String>();
        return Err(Fault::internal(format!("{}: {}: {text}", call.path, answer.status)));
    }
    Ok(answer)
}

/// The number of matches of a search; the server answers only when its index has everything.
///
/// # Errors
/// As [`drive`]; 500 for an answer without a total.
pub async fn total(connection: &mut Connection, search: &str) -> Result<u64> {
    let joint = if search.contains('?') { '&' } else { '?' };
    let answer = ask(connection, Call::get(format!("/fhir/{search}{joint}_summary=count"))).await?;
    let bundle: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Fault::internal(format!("{search}: the answer is not JSON: {error}")))?;
    bundle["total"].as_u64().ok_or_else(|| Fault::internal(format!("{search}: the answer has no total")))
}

/// The ids of the first `count` matches of a search.
///
/// # Errors
/// As [`drive`].
pub async fn ids(connection: &mut Connection, search: &str, count: usize) -> Result<Vec<String>> {
    Ok(page(connection, format!("/fhir/{search}&_count={count}")).await?.ids)
}

/// A page of a search.
#[derive(Debug)]
pub struct Page {
    /// The ids of its entries.
    pub ids: Vec<String>,
    /// Path and query of the next one.
    pub next: Option<String>,
}

/// One page.
///
/// # Errors
/// As [`drive`].
pub async fn page(connection: &mut Connection, path: String) -> Result<Page> {
    let answer = ask(connection, Call::get(&path)).await?;
    let bundle: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Fault::internal(format!("{path}: the answer is not JSON: {error}")))?;
    let list = |name: &str| bundle[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let id = |entry: &serde_json::Value| entry["resource"]["id"].as_str().map(str::to_owned);
    let next = list("link").iter().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
    let next = next.and_then(|url| url.find("/fhir").map(|at| url[at..].to_owned()));
    Ok(Page { ids: list("entry").iter().filter_map(id).collect(), next })
}
