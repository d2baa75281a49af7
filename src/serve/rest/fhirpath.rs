//! `$fhirpath`: evaluates an expression, for developers (`docs/FHIRPATH.md`, "The operation"). FHIR R4 has no such operation.

use std::sync::Arc;

use bytes::Bytes;

use super::call::{Answer, Call};
use super::canonicals;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::conformance::CORE;
use crate::fhir::definitions::element::TypeId;
use crate::fhir::definitions::terminology::{self, Kind};
use crate::fhir::evaluation::Evaluation;
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::surroundings::{Mention, Stock};
use crate::fhir::terminology::Library;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::validate::{Answers, Definitions, Made, Registry, Terminologies, canonical};
use crate::search::kind::reference::version;

/// Where the terminology service finds definitions, and a UUID for what it makes.
struct Service<'s> {
    library: &'s dyn Library,
    id: &'s str,
}

/// Most resources that `resolve()` may lead to, and most bytes of them before the last.
const FETCHED: usize = 64;
const FETCHED_BYTES: usize = 16 << 20;
/// Most references that lead from one fetched resource to another.
const ROUNDS: usize = 8;

/// The parameters of a URL.
const PARAMS: [&str; 4] = ["expression", "context", "resource", "validate"];

/// Parameters with what was asked, and a `result` for every context.
///
/// # Errors
/// 400 for an expression that is not understood or cannot be evaluated, for unknown parameters, and for more than one
/// resource; 404 and 410 for a resource that is not there; `too-costly` when references lead to too many stored resources.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let nesting = call.site.limits.nesting;
    let mut evaluation = Evaluation::default();
    for (name, value) in call.params.pairs.iter().filter(|(name, _)| !name.starts_with('_')) {
        evaluation.add_pair(name, value, nesting)?;
    }
    if let Some(body) = body {
        evaluation.add_body(body.clone(), nesting)?;
    }
    let stored = match key(call, &evaluation)? {
        Some(key) => {
            let stored = call.session.read(&key).await?;
            Some(stored.body.ok_or_else(|| Fault::internal(format!("{key} has no body")))?)
        }
        None => None,
    };
    let (registry, answers) = call.session.knowledge();
    let (base, known) = (call.site.base.clone(), registry.clone());
    let locate = move |text: &str| match version(text, &base) {
        Some((key, version)) => Some(Mention::Stored(key, version)),
        None => {
            let is_one = canonical::is_known(&known, text) || canonicals::may_be(text);
            is_one.then(|| Mention::Canonical(text.to_owned()))
        }
    };
    let stock = Stock::new(locate);
    let mut round = Round { evaluation, stored, stock, registry: registry.clone(), answers };
    let mut rounds = 0;
    let (mut count, mut bytes) = (0, 0);
    loop {
        let (done, answer, wanted) = round.run(call).await?;
        if wanted.is_empty() {
            return Ok(Answer::whole(answer?.into()));
        }
        round = done;
        rounds += 1;
        count += wanted.iter().filter(|mention| !matches!(mention, Mention::Type(_))).count();
        if rounds > ROUNDS || count > FETCHED {
            return Err(too_many());
        }
        round.stock.fetched.extend(fetched(call, &registry, wanted, &mut bytes).await?);
    }
}

fn too_many() -> Fault {
    let most = FETCHED_BYTES >> 20;
    let message = format!(
        "the expression resolves more than {FETCHED} references, more than {ROUNDS} in a row, or more than {most} MiB"
    );
    Fault::coded(Category::Invalid, "too-costly", message)
}

/// What was mentioned; none of what is not there, or may not be read. JSON is read on a thread for CPU work.
async fn fetched(
    call: &Call<'_>,
    registry: &Arc<Registry>,
    wanted: Vec<Mention>,
    bytes: &mut usize,
) -> Result<Vec<(Mention, Option<Json>)>> {
    let registry = registry.clone();
    let mut total = *bytes;
    let look_up = move || {
        let one = |mention| {
            let found = known(&registry, mention)?;
            if let Known::Here(_, size) = &found.1 {
                total += size;
            }
            if total > FETCHED_BYTES { Err(too_many()) } else { Ok(found) }
        };
        wanted.into_iter().map(one).collect::<Result<Vec<_>>>()
    };
    let mut bodies = Vec::new();
    for (mention, known) in aside(look_up).await? {
        let body = match known {
            Known::Here(json, size) => {
                *bytes += size;
                Body::Read(json)
            }
            Known::Stored(key, version) => {
                let body = body(call, &key, version).await?;
                *bytes += body.as_ref().map_or(0, Bytes::len);
                Body::Stored(body)
            }
            Known::Perhaps(canonical) => {
                let body = canonicals::stored(call, &canonical).await?;
                *bytes += body.as_ref().map_or(0, Bytes::len);
                Body::Stored(body)
            }
        };
        if *bytes > FETCHED_BYTES {
            return Err(too_many());
        }
        bodies.push((mention, body));
    }
    let read = |(mention, body)| {
        let json = match body {
            Body::Read(json) => json,
            Body::Stored(body) => body.map(|body: Bytes| of_store(&body)).transpose()?,
        };
        Ok((mention, json))
    };
    aside(move || bodies.into_iter().map(read).collect()).await
}

/// Where something that was mentioned is: a definition that everybody may read, with about its size; a stored resource; or what
/// may be stored under a canonical URL.
enum Known {
    Here(Option<Json>, usize),
    Stored(ResourceKey, Option<i64>),
    Perhaps(String),
}

enum Body {
    Read(Option<Json>),
    Stored(Option<Bytes>),
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Fault::internal("the reading of definitions stopped"))?
}

fn known(registry: &Registry, mention: Mention) -> Result<(Mention, Known)> {
    let known = match &mention {
        Mention::Stored(key, version) => Known::Stored(key.clone(), *version),
        Mention::Canonical(url) => match canonical::resolve(registry, url)? {
            None => Known::Perhaps(url.clone()),
            // what the tenant has stored is read as any other resource
            Some(found) if found.is_own => {
                let text = |name: &str| found.json.get(name).and_then(Json::as_str).unwrap_or_default();
                let (kind, id) = (ResourceType::parse(text("resourceType"))?, ResourceId::parse(text("id"))?);
                Known::Stored(ResourceKey::new(kind, id), None)
            }
            Some(found) => {
                let mut text = Vec::new();
                write(&found.json, &mut text);
                Known::Here(Some(found.json.into_owned()), text.len())
            }
        },
        Mention::Type(kind) => Known::Here(definition_of_type(*kind)?, 0),
    };
    Ok((mention, known))
}

/// R4's definition of a type, with its snapshot alone. All of them together are some 9 MB.
fn definition_of_type(kind: TypeId) -> Result<Option<Json>> {
    let found = terminology::find(Kind::StructureDefinition, &format!("{CORE}{}", kind.name()))?;
    Ok(found.map(|mut json| {
        if let Some(object) = json.as_object_mut() {
            object.remove("differential");
        }
        json
    }))
}

/// A stored resource.
async fn body(call: &Call<'_>, key: &ResourceKey, version: Option<i64>) -> Result<Option<Bytes>> {
    let found = match version {
        Some(version) => call.session.vread(key, version).await,
        None => call.session.read(key).await,
    };
    match found {
        Ok(stored) => Ok(Some(stored.body.unwrap_or_default())),
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone | Category::Forbidden) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn of_store(body: &[u8]) -> Result<Json> {
    parse_stored(body).map_err(|fault| Fault::internal(format!("a stored resource: {fault}")))
}

/// One evaluation, with what was fetched before it.
struct Round {
    evaluation: Evaluation,
    /// The stored resource to evaluate on, until it is read.
    stored: Option<Bytes>,
    stock: Stock,
    registry: Arc<Registry>,
    answers: Option<Arc<Answers>>,
}

/// A round that was run, its answer, and what has to be fetched before that counts.
type Done = (Round, Result<Vec<u8>>, Vec<Mention>);

impl Round {
    async fn run(mut self, call: &Call<'_>) -> Result<Done> {
        let (kind, now) = (call.target.kind, call.site.clock.now());
        let asks = self.evaluation.asks_terminology();
        let work = move |service: Option<Service<'_>>| -> Result<Done> {
            if let Some(body) = self.stored.take() {
                self.evaluation.resource = Some(of_store(&body)?);
            }
            check_type(&self.evaluation, kind)?;
            let (answer, wanted) = self.evaluate(now, service);
            let written = answer.map(|answer| {
                let mut out = Vec::new();
                write(&answer, &mut out);
                out
            });
            Ok((self, written, wanted))
        };
        if asks {
            let id = call.site.ids.uuid();
            return call.session.with_definitions(move |library| work(Some(Service { library, id: &id }))).await;
        }
        let done = tokio::task::spawn_blocking(move || work(None)).await;
        done.map_err(|_| Fault::internal("the evaluation of an expression stopped"))?
    }

    fn evaluate(&self, now: Timestamp, service: Option<Service<'_>>) -> (Result<Json>, Vec<Mention>) {
        let definitions = Definitions(&self.registry, self.answers.as_deref());
        let Some(Service { library, id }) = service else { return self.evaluation.run(now, &definitions, &self.stock) };
        let (now_text, made) = (now.to_string(), Made::default());
        let resources = self.evaluation.resource.iter().chain(self.stock.resources()).collect();
        let services = Terminologies { definitions, library, id, now: &now_text, made, resources };
        self.evaluation.run(now, &services, &self.stock)
    }
}

/// The stored resource that is meant: that of the path, or of a reference.
fn key(call: &Call<'_>, evaluation: &Evaluation) -> Result<Option<ResourceKey>> {
    let of_path = if call.target.id.is_some() { Some(call.key()?) } else { None };
    let of_reference = evaluation.reference.as_deref().map(|text| referred(text, &call.site.base)).transpose()?;
    let given = [of_path.is_some(), of_reference.is_some(), evaluation.resource.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Fault::coded(Category::Invalid, "invalid", "there is more than one resource to evaluate on"));
    }
    Ok(of_path.or(of_reference))
}

/// `Patient/1`, or the same below the base.
fn referred(text: &str, base: &str) -> Result<ResourceKey> {
    let relative = text.strip_prefix(base).map_or(text, |rest| rest.trim_start_matches('/'));
    let Some((kind, id)) = relative.split_once('/') else {
        return Err(Fault::invalid("the resource is JSON, or a reference such as Patient/1").at("resource"));
    };
    Ok(ResourceKey::new(ResourceType::parse(kind)?, ResourceId::parse(id)?))
}

/// At a type, the resource must be of it.
fn check_type(evaluation: &Evaluation, kind: Option<ResourceType>) -> Result<()> {
    let given = evaluation.resource.as_ref().and_then(|json| json.get("resourceType")?.as_str());
    match (kind, given) {
        (Some(kind), Some(given)) if kind.name() != given => {
            Err(Fault::invalid(format!("the resource is not a {kind}")).at("resource"))
        }
        _ => Ok(()),
    }
}
