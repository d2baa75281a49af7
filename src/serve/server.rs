//! The server: bind, serve, drain.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{any, get};
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tracing::Span;

use super::backend::Backend;
use super::cors::{Cors, is_preflight, preflight};
use super::encoding;
use super::layers::{CORRELATION_ID, Layers, correlation_id};
use super::listen::Listening;
use super::metrics::Metrics;
use super::rest::call::Site;
use super::rest::capability::About;
use super::rest::cluster::held;
use super::rest::dispatch::{Done, dispatch};
use super::rest::negotiate::{ACCEPT_PATCH, Form};
use super::rest::relay::{PATH, named, shown, stranger};
use super::rest::respond::refuse;
use super::rest::routes::{allow, target};
use super::rest::statements::Statements;
use crate::access::actor::Actor;
use crate::base::clock::SharedClock;
use crate::base::config::Rest;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, TenantName};
use crate::base::limits::Limits;
use crate::base::telemetry::Counter;
use crate::repo::{Session, Turn, base_of};

/// What a server is told.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The base URL that clients see, when it is not `http://ADDRESS/fhir`.
    pub base: Option<String>,
    /// How long requests that are under way may take after the signal to stop.
    pub drain: Duration,
    /// How long a request may take.
    pub timeout: Duration,
    /// On whose behalf every request is done, until there is an authorization server.
    pub actor: Actor,
    /// What clients may do.
    pub rest: Rest,
    /// The origins whose pages may read the answers; see [`Cors::new`].
    pub cors: String,
    /// The bounds.
    pub limits: Limits,
}

impl ServeOptions {
    /// Usual times and bounds.
    pub fn new(listen: SocketAddr, actor: Actor) -> Self {
        let (drain, timeout) = (Duration::from_secs(20), Duration::from_secs(300));
        let (rest, cors, limits) = (Rest::default(), "*".to_owned(), Limits::default());
        Self { listen, base: None, drain, timeout, actor, rest, cors, limits }
    }
}

/// A server that has its address but does not answer yet: the repository wants to know the base URL first.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    options: ServeOptions,
    address: SocketAddr,
}

/// Takes the address.
///
/// # Errors
/// 503 when it cannot be had.
pub async fn bind(options: ServeOptions) -> Result<Bound> {
    let failed = |error| Fault::unavailable(format!("listen on {}: {error}", options.listen));
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, options, address })
}

impl Bound {
    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a slash at its end.
    pub fn base(&self) -> String {
        let own = || format!("http://{}/fhir", self.address);
        self.options.base.as_ref().map_or_else(own, |base| base.trim_end_matches('/').to_owned())
    }

    /// Answers requests until `shutdown`, then lets those under way finish within the drain time.
    pub async fn serve(
        self,
        backend: Arc<dyn Backend>,
        clock: SharedClock,
        ids: IdSource,
        shutdown: impl Future<Output = ()>,
    ) {
        let service = service(&self.options, self.base(), backend, clock, ids);
        let (layers, drain) = (service.layers.clone(), self.options.drain);
        let listening = Listening::new(routed(service), layers, drain, &self.options.limits);
        listening.serve(self.listener, shutdown).await;
    }
}

struct Service {
    site: Site,
    layers: Arc<Layers>,
    backend: Arc<dyn Backend>,
    actor: Actor,
    cors: Cors,
}

/// The router by itself, for tests without a socket; `base` is the base URL in links.
pub fn router(
    options: &ServeOptions,
    base: String,
    backend: Arc<dyn Backend>,
    clock: SharedClock,
    ids: IdSource,
) -> Router {
    routed(service(options, base, backend, clock, ids))
}

fn service(
    options: &ServeOptions,
    base: String,
    backend: Arc<dyn Backend>,
    clock: SharedClock,
    ids: IdSource,
) -> Arc<Service> {
    let cors = Cors::new(&options.cors);
    let about = About { base: &base, started: clock.now(), rules: options.rest, has_cors: cors.is_on() };
    let statements = Statements::new(&about);
    let run = ids.number();
    let (limits, statements) = (options.limits.clone(), Arc::new(statements));
    let site = Site { base, tenant: None, limits, clock, ids, statements };
    let layers = Layers { metrics: Metrics::default(), timeout: options.timeout, run, requests: Counter::default() };
    Arc::new(Service { site, layers: Arc::new(layers), backend, actor: options.actor.clone(), cors })
}

fn routed(service: Arc<Service>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(PATH, any(cluster))
        .fallback(negotiated)
        .with_state(service)
}

/// What a browser and a compressing client are told beside the answer. A request of neither costs two look-ups.
async fn negotiated(State(service): State<Arc<Service>>, request: Request<Body>) -> Response<Body> {
    let headers = request.headers();
    let (grant, coding) = (service.cors.grant(headers), encoding::accepted(headers));
    let is_coded = headers.contains_key(CONTENT_ENCODING) && encoding::of_body(headers).is_err();
    let mut response = match request.method() {
        &Method::OPTIONS => options(&service, &request),
        _ => fhir(&service, request).await,
    };
    // With the refusal of a media type it would mislead (RFC 9110, 12.5.3).
    if is_coded && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding::UNDERSTOOD));
    }
    if let Some(coding) = coding {
        response = Box::pin(encoding::encode(response, coding)).await;
    }
    if let Some(grant) = grant {
        grant.mark(&mut response);
    }
    if service.backend.is_leaving() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// OPTIONS: the methods of a path (RFC 9110, 9.3.7), and what a preflight asks for.
fn options(service: &Service, request: &Request<Body>) -> Response<Body> {
    let form = Form::of(request.uri().query(), request.headers()).unwrap_or_default();
    let nowhere = || Fault::not_found("the FHIR endpoint is at /fhir");
    // `*` is the server itself: what it does anywhere (RFC 9110, 9.3.7).
    let found = match request.uri().path() {
        "*" => Ok(None),
        path => place(path).ok_or_else(nowhere).and_then(|(_, path)| target(path)).map(Some),
    };
    let asks = service.cors.grant(request.headers()).is_some() && is_preflight(request.headers());
    let mut response = match &found {
        Ok(Some(target)) => offered(&allow(target.shape)),
        Ok(None) => offered("GET, HEAD, POST, PUT, PATCH, DELETE"),
        // A preflight that fails hides from the page what the answer to its request would tell.
        Err(_) if asks => offered(""),
        Err(fault) => refuse(fault, None, form),
    };
    response.headers_mut().insert("x-request-id", service.layers.request_id(request.headers()));
    if asks {
        preflight(request.headers(), &mut response);
    }
    response
}

/// The methods of a path, without a body.
fn offered(methods: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = format!("{methods}, OPTIONS");
    if let Ok(value) = HeaderValue::try_from(allowed.trim_start_matches(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    if methods.contains("PATCH") {
        // RFC 5789, 3.1
        response.headers_mut().insert("accept-patch", HeaderValue::from_static(ACCEPT_PATCH));
    }
    response
}

/// Everything else: below `/fhir` it is FHIR, elsewhere there is nothing.
async fn fhir(service: &Service, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let id = service.layers.request_id(&parts.headers);
    let correlation = correlation_id(&parts.headers, &id);
    let wanted = Form::of(parts.uri.query(), &parts.headers);
    let form = *wanted.as_ref().unwrap_or(&Form::default());
    let work = async {
        match place(parts.uri.path()) {
            Some((None, path)) => {
                let (session, _turn) = taken(service.backend.session(service.actor.clone()));
                dispatch(&service.site, session, path, &parts, body, wanted).await
            }
            Some((Some(name), path)) => Box::pin(of_tenant(service, name, path, &parts, body, wanted)).await,
            None => (Done::UNKNOWN, refuse(&Fault::not_found("the FHIR endpoint is at /fhir"), None, form)),
        }
    };
    let mut response = service.layers.around(id, &parts.method, &parts.headers, form, work).await;
    if let Some(correlation) = correlation {
        response.headers_mut().insert(CORRELATION_ID, correlation);
    }
    response
}

/// What another node asks. Nobody else gets further than to the secret.
async fn cluster(State(service): State<Arc<Service>>, request: Request<Body>) -> Response<Body> {
    let (id, method) = (service.layers.request_id(request.headers()), request.method().clone());
    let headers = request.headers().clone();
    let work = async {
        let is_node = method == Method::POST && service.backend.admits(shown(request.headers()));
        match named(request.headers()) {
            _ if !is_node => held(&service.site, Err(stranger()), request).await,
            Some(name) => {
                let session = service.backend.tenant(&name, service.actor.clone()).await;
                held(&site_of(&service, name), session, request).await
            }
            None => held(&service.site, service.backend.session(service.actor.clone()), request).await,
        }
    };
    service.layers.around(id, &method, &headers, Form::default(), work).await
}

/// The tenant that a path names, unless it is the default one, and the path below its base.
fn place(path: &str) -> Option<(Option<&str>, &str)> {
    let (tenant, path) = match path.strip_prefix("/t/").and_then(|rest| rest.split_once('/')) {
        Some((name, rest)) => (Some(name), rest.strip_prefix("fhir")?),
        None => (None, path.strip_prefix("/fhir")?),
    };
    match path.strip_prefix('/') {
        Some(below) => Some((tenant, below)),
        None => path.is_empty().then_some((tenant, path)),
    }
}

/// A request to another tenant than the default one.
async fn of_tenant(
    service: &Service,
    name: &str,
    path: &str,
    parts: &Parts,
    body: Body,
    wanted: Result<Form>,
) -> (Done, Response<Body>) {
    let unknown = || Fault::not_found("there is no such tenant");
    let Ok(name) = TenantName::parse(name) else {
        return (Done::UNKNOWN, refuse(&unknown(), None, wanted.unwrap_or_default()));
    };
    let (session, _turn) = taken(service.backend.tenant(&name, service.actor.clone()).await);
    if session.is_ok() {
        Span::current().record("cresset.tenant", name.as_str());
    }
    dispatch(&site_of(service, name), session, path, parts, body, wanted).await
}

fn site_of(service: &Service, name: TenantName) -> Site {
    Site { base: base_of(&service.site.base, &name), tenant: Some(name), ..service.site.clone() }
}

/// A session with its turn among the requests of its tenant, to be held until they are answered.
fn taken(session: Result<Session>) -> (Result<Session>, Option<Turn>) {
    match session.and_then(|session| Ok((session.turn()?, session))) {
        Ok((turn, session)) => (Ok(session), Some(turn)),
        Err(fault) => (Err(fault), None),
    }
}

async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, &'static str) {
    match service.backend.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(fault) => {
            tracing::warn!(%fault, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

async fn metrics(State(service): State<Arc<Service>>) -> ([(http::HeaderName, &'static str); 1], String) {
    let text = service.layers.metrics.text(&service.backend.gauges());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::base::clock::{FixedClock, Timestamp};
    use crate::repo::Status;
    use crate::serve::backend::Later;

    /// A repository that cannot be reached.
    struct Away;

    impl Backend for Away {
        fn session(&self, _: Actor) -> Result<Session> {
            Err(Fault::unavailable("the database is away"))
        }

        fn admits(&self, secret: &[u8]) -> bool {
            secret == b"known"
        }

        fn tenant<'a>(&'a self, _: &'a TenantName, _: Actor) -> Later<'a, Result<Session>> {
            Box::pin(async { Err(Fault::unavailable("the database is away")) })
        }

        fn gauges(&self) -> Vec<(Arc<str>, Status)> {
            Vec::new()
        }

        fn is_leaving(&self) -> bool {
            false
        }

        fn ready(&self) -> Later<'_, Result<()>> {
            Box::pin(async { Err(Fault::unavailable("the database is away")) })
        }
    }

    fn app() -> Router {
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(0)));
        let options = ServeOptions::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Actor::Development);
        router(&options, "http://h/fhir".into(), Arc::new(Away), clock.clone(), IdSource::seeded(clock, 1))
    }

    async fn ask(app: &Router, method: &str, path: &str) -> (Response<()>, String) {
        let request = Request::builder().method(method).uri(path).header("x-request-id", "abc-1");
        let request = request.body(Body::empty()).expect("a request");
        let (parts, body) = app.clone().oneshot(request).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (Response::from_parts(parts, ()), String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn every_refusal_is_an_operation_outcome_with_the_request_id() {
        let app = app();
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "/fhirs", 404),
            ("GET", "/fhir/Nonsense/1", 404),
            ("GET", "/fhir/Patient/a_b", 400),
            ("PATCH", "/fhir/metadata", 405),
            ("BREW", "/fhir/Patient/1", 405),
            ("GET", "/fhir/$nonsense", 400),
            ("GET", "/fhir/Patient/1", 503),
            ("GET", "/t/ward/fhir/Patient/1", 503),
            ("GET", "/t/ward/Patient/1", 404),
            ("GET", "/t/Ward/fhir/Patient/1", 404),
            ("GET", "/t//fhir/Patient/1", 404),
            ("GET", "/t/ward/fhirs", 404),
        ] {
            let (response, body) = ask(&app, method, path).await;
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            assert_eq!(response.headers()["x-request-id"], "abc-1");
            assert_eq!(response.headers()["content-type"], "application/fhir+json; charset=utf-8");
            assert!(body.starts_with(r#"{"resourceType":"OperationOutcome","issue":[{"#), "{body}");
        }
        let (response, _) = ask(&app, "POST", "/fhir/Patient/1").await;
        assert_eq!(response.headers()["allow"], "GET, HEAD, PUT, PATCH, DELETE");
        let (response, body) = ask(&app, "HEAD", "/fhir/Patient/1").await;
        assert_eq!((response.status().as_u16(), body.as_str()), (503, ""));
        assert_eq!(response.headers()["retry-after"], "1");
    }

    #[tokio::test]
    async fn only_nodes_that_know_the_secret_may_ask_for_pages() {
        let ask = async |method: &str, secret: Option<&str>| {
            let mut request = Request::builder().method(method).uri(PATH);
            if let Some(secret) = secret {
                request = request.header("x-cresset-cluster", secret);
            }
            let request = request.body(Body::from("Patient?_page=x")).expect("a request");
            let (parts, body) = app().oneshot(request).await.expect("infallible").into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            assert!(body.starts_with(br#"{"resourceType":"OperationOutcome""#));
            parts.status.as_u16()
        };
        for secret in [None, Some(""), Some("know"), Some("knownn"), Some("Known")] {
            assert_eq!(ask("POST", secret).await, 403, "{secret:?}");
        }
        assert_eq!(ask("GET", Some("known")).await, 403);
        // Who is known gets as far as to the database.
        assert_eq!(ask("POST", Some("known")).await, 503);
    }

    #[tokio::test]
    async fn operators_see_life_readiness_and_counters() {
        let app = app();
        assert_eq!(ask(&app, "GET", "/livez").await.0.status(), 200);
        assert_eq!(ask(&app, "GET", "/readyz").await.0.status(), 503);
        ask(&app, "GET", "/fhir/Patient/1").await;
        let (_, text) = ask(&app, "GET", "/metrics").await;
        assert!(text.contains("cresset_requests_total{interaction=\"read\",status=\"503\"} 1"), "{text}");
    }

    #[tokio::test]
    async fn serves_on_a_free_port_until_told_to_stop() {
        let options = ServeOptions::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Actor::Development);
        let bound = bind(options).await.expect("a port");
        assert_eq!(bound.base(), format!("http://{}/fhir", bound.address()));
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(0)));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let signal = async move { stopped.await.unwrap_or_default() };
        let served = tokio::spawn(bound.serve(Arc::new(Away), clock.clone(), IdSource::seeded(clock, 1), signal));
        stop.send(()).expect("the server waits");
        served.await.expect("no panic");
    }
}
