//! A scenario is played: its requests are sent, their answers are looked at.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::answer::check;
use super::fill::{Values, fill};
use super::scenario::{Scenario, Step};
use crate::base::clock::SharedClock;
use crate::base::fault::{Fault, Result};
use crate::base::id::IdSource;
use crate::base::net::{Answer, Secure};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Longest part of a body that is shown.
const SHOWN: usize = 600;

/// Where scenarios are played.
#[derive(Debug)]
pub struct Stage {
    base: String,
    headers: HeaderMap,
    client: Secure,
    clock: SharedClock,
    ids: IdSource,
}

/// Why a scenario failed: the step, and what was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the step shows.
    pub step: String,
    /// Method and URL.
    pub request: String,
    /// What does not hold.
    pub wrong: Vec<String>,
    /// The beginning of the answer's body.
    pub body: String,
}

impl Stage {
    /// A server at `base`; `token` goes with every request as `Authorization: Bearer`.
    ///
    /// # Errors
    /// 400 for a token that cannot stand in a header.
    pub fn new(base: &str, token: Option<&str>, clock: SharedClock, ids: IdSource) -> Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            headers.insert(header::AUTHORIZATION, value.map_err(|_| Fault::invalid("--token is not a token"))?);
        }
        let client = Secure::new(TIMEOUT)?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), headers, client, clock, ids })
    }

    /// Plays a scenario up to its first step that fails.
    pub async fn play(&self, scenario: &Scenario) -> Option<Failure> {
        let mut values = Values::from([
            ("base".to_owned(), self.base.clone()),
            ("other_scheme".to_owned(), other_scheme(&self.base)),
            ("unique".to_owned(), self.ids.uuid()),
            ("uuid".to_owned(), self.ids.uuid()),
        ]);
        for (name, text) in &scenario.values {
            let value = fill(text, &values).unwrap_or_else(|_| text.clone());
            values.insert(name.clone(), value);
        }
        for step in &scenario.steps {
            let failure = self.step(step, &mut values).await;
            if failure.is_some() {
                return failure;
            }
        }
        None
    }

    async fn step(&self, step: &Step, values: &mut Values) -> Option<Failure> {
        let failure = |wrong, body| {
            let request = fill(&step.request, values).unwrap_or_else(|_| step.request.clone());
            Some(Failure { step: step.say.clone(), request: cut(&request), wrong, body })
        };
        let request = match self.request(step, values) {
            Ok(request) => request,
            Err(fault) => return failure(vec![fault.message().to_owned()], String::new()),
        };
        let together = (0..step.parallel).map(|_| self.send(&request));
        let mut saved = values.clone();
        for answer in join_all(together).await {
            let (wrong, body) = match &answer {
                Ok(answer) => (check(step, answer, &mut saved, self.clock.now()), &answer.body[..]),
                Err(fault) => (vec![fault.message().to_owned()], &b""[..]),
            };
            if !wrong.is_empty() {
                return failure(wrong, cut(&String::from_utf8_lossy(body)));
            }
        }
        *values = saved;
        None
    }

    async fn send(&self, request: &Request) -> Result<Answer> {
        let Request { method, url, headers, body } = request;
        self.client.send(method.clone(), url, headers.clone(), body.clone()).await
    }

    fn request(&self, step: &Step, values: &Values) -> Result<Request> {
        let line = fill(&step.request, values)?;
        let (method, place) = line.split_once(' ').unwrap_or((&line, ""));
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Fault::invalid("the method is none"))?;
        let url = match place.trim() {
            url if url.starts_with("http://") || url.starts_with("https://") => url.to_owned(),
            path if path.is_empty() || path.starts_with('?') => format!("{}{path}", self.base),
            path => format!("{}/{path}", self.base),
        };
        let mut headers = self.headers.clone();
        if step.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        }
        for (name, value) in &step.headers {
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(fill(value, values)?).ok());
            let (name, value) = parsed.ok_or_else(|| Fault::invalid(format!("header {name} is none")))?;
            headers.insert(name, value);
        }
        let body = step.body.as_deref().map(|body| fill(body, values)).transpose()?.unwrap_or_default();
        Ok(Request { method, url, headers, body: Bytes::from(body) })
    }
}

/// The base URL with the other scheme of HTTP, which names the same resources (FHIR R4 `references.html`).
fn other_scheme(base: &str) -> String {
    match base.strip_prefix("https://") {
        Some(rest) => format!("http://{rest}"),
        None => base.replacen("http://", "https://", 1),
    }
}

struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push_str(" ...");
    }
    cut
}
