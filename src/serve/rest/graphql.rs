//! `$graphql`: queries over the system or a resource (FHIR R4 `graphql.html`, 3.1.2.2; `docs/GRAPHQL.md`), and over what
//! other operations answer.
//!
//! A query is answered on a thread for CPU work, which waits for the store: how many there are at a time is bounded, so that
//! enough such threads are left for the searches that they wait for.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::call::Site;
use super::extract;
use super::params::Params;
use super::relay;
use super::routes::Target;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::base::limits::GRAPHQL_AT_ONCE;
use crate::fhir::definitions::params::search_params;
use crate::fhir::graphql::{Entry, Found, Request, Root, Search, Source, answer_text, error_text, execute};
use crate::fhir::json::{Json, parse_stored, parse_with, pretty};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::repo::{Handling, MatchMode, Page, SearchAnswer, Session};
use crate::search::context::SearchContext;
use crate::serve::error::wire;

static AT_ONCE: Semaphore = Semaphore::const_new(GRAPHQL_AT_ONCE);

/// The response: `data`, or `errors` under the status of the first of them.
pub async fn respond(
    site: &Site,
    session: Session,
    target: &Target,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Response<Body> {
    let params = Params::parse(uri.query().unwrap_or_default(), site.limits.query_bytes);
    let is_pretty = params.as_ref().is_ok_and(|params| params.pretty);
    let answer = match params {
        Ok(params) => answer(site, session, target, (&params, headers), body).await,
        Err(fault) => Err(fault),
    };
    wired(answer, is_pretty)
}

/// The parameter of other operations whose query is answered out of what they answer (FHIR R4 `graphql.html`, 3.1.2.6).
pub const OVER: &str = "_graphql";

/// Whether a URL asks for the answer of its operation by a query.
pub fn is_over(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| name == OVER)
}

/// The query of such a URL, read before its operation does anything.
pub struct Over {
    request: Result<Request>,
    is_pretty: bool,
}

impl Over {
    /// What a URL asks.
    pub fn read(site: &Site, uri: &Uri) -> Self {
        let params = Params::parse(uri.query().unwrap_or_default(), site.limits.query_bytes);
        let is_pretty = params.as_ref().is_ok_and(|params| params.pretty);
        let request = params.and_then(|params| {
            let own = params.pairs.iter().filter(|(name, _)| name == OVER);
            let request = Request::of_pairs(own.map(|(_, value)| ("query", value.as_str())), site.limits.nesting)?;
            request.readable().map(|()| request)
        });
        Self { request, is_pretty }
    }

    /// The response that says why the query cannot be run; none if it can be read.
    pub fn refused(&self) -> Option<Response<Body>> {
        let fault = self.request.as_ref().err()?;
        Some(wired(Err(fault.clone()), self.is_pretty))
    }

    /// The response to the query over what the operation has answered.
    pub async fn respond(self, site: &Site, session: Session, resource: &Bytes) -> Response<Body> {
        let asked = self.request.and_then(|request| Ok((request, Root::Resource(Arc::new(parse_stored(resource)?)))));
        let answer = match asked {
            Ok((request, root)) => executed(site, session, request, root).await,
            Err(fault) => Err(fault),
        };
        wired(answer, self.is_pretty)
    }
}

fn wired(answer: Result<Vec<u8>>, is_pretty: bool) -> Response<Body> {
    let (status, text, is_transient) = match answer {
        Ok(text) => (200, text, false),
        Err(fault) => (wire(&fault).0, error_text(&told(&fault)), fault.is_transient()),
    };
    let text = if is_pretty { pretty(&text) } else { text };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if is_transient {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

/// The issues of a fault as strangers may see them: what is a defect is told without its reason.
fn told(fault: &Fault) -> Vec<Issue> {
    match fault.category() {
        Category::Internal => {
            tracing::error!(%fault, "a query failed");
            vec![Issue::error("exception", "internal error")]
        }
        _ => fault.issues().to_vec(),
    }
}

async fn answer(
    site: &Site,
    session: Session,
    target: &Target,
    (params, headers): (&Params, &HeaderMap),
    body: Body,
) -> Result<Vec<u8>> {
    let body = extract::body(headers, body, site.limits.body_bytes).await?;
    let request = request(site, params, headers, &body)?;
    let root = match (target.kind, &target.id) {
        (Some(kind), Some(id)) => Some(ResourceKey::new(kind, id.clone())),
        _ => None,
    };
    let root = match root {
        None => Root::System,
        Some(key) => {
            let stored = session.read(&key).await?;
            Root::Resource(Arc::new(parse_stored(stored.body.as_deref().unwrap_or_default())?))
        }
    };
    executed(site, session, request, root).await
}

async fn executed(site: &Site, session: Session, request: Request, root: Root) -> Result<Vec<u8>> {
    // It is never closed.
    let _turn = AT_ONCE.acquire().await.map_err(|_| Fault::unavailable("the server is stopping"))?;
    let (now, most) = (site.clock.now(), site.limits.page_max);
    let here = Here { session, handle: Handle::current(), site: site.clone(), most };
    let work = move || execute(&request, &root, &here, now).map(answer_text);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Fault::internal("the answering of a query stopped"))?
}

/// The request, by the type of its body; in the URL where there is none.
fn request(site: &Site, params: &Params, headers: &HeaderMap, body: &Bytes) -> Result<Request> {
    let nesting = site.limits.nesting;
    let own = params.pairs.iter().filter(|(name, _)| !name.starts_with('_'));
    let pairs = || own.clone().map(|(name, value)| (name.as_str(), value.as_str()));
    if let Some((name, _)) =
        own.clone().find(|(name, _)| !matches!(name.as_str(), "query" | "variables" | "operationName"))
    {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        return Err(Fault::unsupported(format!("$graphql has no parameter {shown}")));
    }
    if body.is_empty() {
        return Request::of_pairs(pairs(), nesting);
    }
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).map_err(|_| Fault::invalid("the body is not UTF-8"));
    let content_type = extract::content_type(headers)?.unwrap_or("application/json");
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/graphql" => {
            let query = text(body)?;
            Request::of_pairs(pairs().filter(|(name, _)| *name != "query").chain([("query", query.as_str())]), nesting)
        }
        "application/x-www-form-urlencoded" => {
            let form = Params::parse(&text(body)?, site.limits.body_bytes)?;
            Request::of_pairs(form.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())), nesting)
        }
        "application/json" | "application/fhir+json" | "text/json" | "application/graphql+json" => {
            let json = parse_with(body, nesting)?;
            if json.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
                return Request::of_json(body, nesting);
            }
            let list = json.get("parameter").and_then(Json::as_array).unwrap_or_default();
            let pair = |parameter: &'_ Json| -> Option<(String, String)> {
                let name = parameter.get("name")?.as_str()?;
                Some((name.to_owned(), parameter.get("valueString")?.as_str()?.to_owned()))
            };
            let pairs: Vec<(String, String)> = list.iter().filter_map(pair).collect();
            Request::of_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())), nesting)
        }
        _ => {
            let message = "a query is application/json, application/graphql, a form, or Parameters in JSON";
            Err(Fault::new(Category::UnsupportedMedia, message))
        }
    }
}

/// What is stored here, for a thread that may wait.
struct Here {
    session: Session,
    handle: Handle,
    site: Site,
    most: usize,
}

impl Here {
    fn read_key(&self, key: &ResourceKey, version: Option<i64>) -> Result<Option<Arc<Json>>> {
        let found = self.handle.block_on(async {
            match version {
                Some(version) => self.session.vread(key, version).await,
                None => self.session.read(key).await,
            }
        });
        match found {
            Ok(stored) => parse_stored(stored.body.as_deref().unwrap_or_default()).map(|json| Some(Arc::new(json))),
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn page(&self, answer: SearchAnswer, kind: ResourceType, (offset, size): (usize, usize)) -> Result<Found> {
        let mut found = Found { total: answer.total, offset, size, ..Found::default() };
        for entry in answer.entries.iter().filter(|entry| entry.mode == MatchMode::Match) {
            let resource = Arc::new(parse_stored(entry.stored.body.as_deref().unwrap_or_default())?);
            let score = entry.note.score.map(|score| format!("{}", f64::from(score) / 1_000_000.0));
            found.entries.push(Entry { resource, mode: Some("match"), score });
        }
        link(&mut found, kind, [answer.first, answer.previous, answer.next, answer.last]);
        Ok(found)
    }

    /// The page of a token, wherever it is held.
    fn held(&self, kind: ResourceType, token: &str, place: (usize, usize)) -> Result<Found> {
        let peer = match self.handle.block_on(self.session.page(token))? {
            Page::Here(answer) => return self.page(*answer, kind, place),
            Page::Elsewhere(peer) => peer,
        };
        let path = SearchContext::Type(kind).to_string();
        let asked = self.handle.block_on(relay::ask(&self.site, (&path, token), "", &peer));
        let here = || self.page(self.handle.block_on(self.session.page_here(token))?, kind, place);
        match asked {
            Ok(Some(bundle)) => of_bundle(&bundle, kind, place),
            Ok(None) => here(),
            // It may come back: only what this node can answer by itself is better than to try again.
            Err(away) => here().map_err(|own| if own.category() == Category::Gone { away } else { own }),
        }
    }
}

/// Gives a page the cursors of its first, previous, next and last one.
fn link(found: &mut Found, kind: ResourceType, [first, previous, next, last]: [Option<String>; 4]) {
    let (offset, size) = (found.offset, found.size);
    let end = found.total.and_then(|total| usize::try_from(total).ok());
    let last_offset = end.map_or(0, |end| end.saturating_sub(1) / size.max(1) * size);
    found.first = first.map(|token| cursor(kind, 0, size, &token));
    found.previous = previous.map(|token| cursor(kind, offset.saturating_sub(size), size, &token));
    found.next = next.map(|token| cursor(kind, offset + size, size, &token));
    found.last = last.map(|token| cursor(kind, last_offset, size, &token));
}

/// A page as another node answers it.
fn of_bundle(bundle: &[u8], kind: ResourceType, (offset, size): (usize, usize)) -> Result<Found> {
    let bundle = parse_stored(bundle)?;
    let total = bundle.get("total").and_then(Json::as_number).and_then(|total| total.as_str().parse().ok());
    let mut found = Found { total, offset, size, ..Found::default() };
    for entry in bundle.get("entry").and_then(Json::as_array).unwrap_or_default() {
        let search = entry.get("search");
        let mode = search.and_then(|search| search.get("mode")?.as_str());
        let (Some("match"), Some(resource)) = (mode, entry.get("resource")) else { continue };
        let score = search.and_then(|search| Some(search.get("score")?.as_number()?.as_str().to_owned()));
        found.entries.push(Entry { resource: Arc::new(resource.clone()), mode: Some("match"), score });
    }
    let links = bundle.get("link").and_then(Json::as_array).unwrap_or_default();
    let token = |relation: &str| -> Option<String> {
        let is_it = |link: &&Json| link.get("relation").and_then(Json::as_str) == Some(relation);
        let (_, query) = links.iter().find(is_it)?.get("url")?.as_str()?.split_once('?')?;
        Params::parse(query, query.len()).ok()?.get("_page").map(str::to_owned)
    };
    link(&mut found, kind, ["first", "previous", "next", "last"].map(token));
    Ok(found)
}

/// A cursor: of which type, where its page begins, how large it is, and the token of the page.
fn cursor(kind: ResourceType, offset: usize, size: usize, token: &str) -> String {
    format!("{kind}:{offset}:{size}:{token}")
}

/// A cursor of a search for a type; none for one of another.
fn of_cursor(kind: ResourceType, text: &str) -> Option<(usize, usize, &str)> {
    let (offset, rest) = text.strip_prefix(kind.name())?.strip_prefix(':')?.split_once(':')?;
    let (size, token) = rest.split_once(':')?;
    Some((offset.parse().ok()?, size.parse().ok()?, token))
}

impl Source for Here {
    fn read(&self, kind: ResourceType, id: &ResourceId) -> Result<Option<Arc<Json>>> {
        self.read_key(&ResourceKey::new(kind, id.clone()), None)
    }

    fn resolve(&self, reference: &str) -> Result<Option<Arc<Json>>> {
        let relative = reference.strip_prefix(&self.site.base).map_or(reference, |rest| rest.trim_start_matches('/'));
        let (path, version) = match relative.split_once("/_history/") {
            Some((path, version)) => (path, Some(version.parse::<i64>())),
            None => (relative, None),
        };
        let key = path
            .split_once('/')
            .and_then(|(kind, id)| Some(ResourceKey::new(ResourceType::find(kind)?, ResourceId::parse(id).ok()?)));
        match (key, version.transpose()) {
            (Some(key), Ok(version)) => self.read_key(&key, version),
            _ => Ok(None),
        }
    }

    fn params(&self, kind: ResourceType) -> Vec<String> {
        let set = self.session.search_params();
        let all = search_params(kind).iter().copied().chain(set.added(kind));
        all.map(|param| param.code.to_string()).collect()
    }

    fn search(&self, search: &Search) -> Result<Found> {
        if let Some(text) = &search.cursor {
            let unknown = || Fault::invalid(format!("the cursor is none that {}Connection gave here", search.kind));
            let (offset, size, token) = of_cursor(search.kind, text).ok_or_else(unknown)?;
            return self.held(search.kind, token, (offset, size));
        }
        let size = search.count.unwrap_or(self.site.limits.page_default).min(self.most);
        let mut params = search.params.clone();
        params.push(("_count".to_owned(), size.to_string()));
        let of = SearchContext::Type(search.kind);
        let answer = self.handle.block_on(self.session.search(of, &params, Handling::Strict))?;
        self.page(answer, search.kind, (0, size))
    }

    fn most(&self) -> usize {
        self.most
    }
}
