//! `GET [base]/[type]?…`, `GET [base]?…`, `GET [base]/[compartment]/[id]/[type]?…`, and each by
//! `POST …/_search` (FHIR R4 `http.html`, 3.1.0.9; `search.html`).

use bytes::Bytes;

use super::call::{Answer, Call};
use super::explain::explained;
use super::framing::{Entry, Framing, Head};
use super::offered::Operation;
use super::params::{encode, query};
use super::relay;
use super::routes::Target;
use super::subset::Shown;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::outcome::outcome_text;
use crate::fhir::subset::Subset;
use crate::fhir::types::ResourceKey;
use crate::repo::{Handling, MatchMode, Page, SearchAnswer};
use crate::search::context::SearchContext;

/// A search by POST may have more parameters than a URL. Beyond this many bytes the self link is one of a page, which can be
/// followed.
const SELF_BYTES: usize = 32 << 10;

/// A page of a search: the first, or that of a link.
///
/// # Errors
/// 400 for what is wrong or not offered, 404 for a compartment that is none, 410 for a page that is no longer held.
pub async fn search(call: &Call<'_>) -> Result<Answer> {
    match call.params.get("_page") {
        Some(token) => page(call, token).await,
        None => asked(call, &call.params.pairs).await,
    }
}

/// The first page of a search with these parameters.
///
/// # Errors
/// As [`search`].
pub async fn asked(call: &Call<'_>, pairs: &[(String, String)]) -> Result<Answer> {
    let of = context(call.target);
    let shown = Shown::read(pairs, of.kind(), call.prefer.handling)?;
    if shown.part == Some(Subset::Text) {
        only_matches(pairs)?;
    }
    let answer = call.session.search(of, pairs, call.prefer.handling).await?;
    let own = match (query(&answer.used), &answer.own) {
        (own, Some(token)) if own.len() > SELF_BYTES => format!("_page={}", encode(token)),
        (own, _) => own,
    };
    searchset(call, &answer, &shown, &context(call.target).to_string(), &own).map(Answer::whole)
}

/// Refuses what is wrong with a search before it is done.
///
/// # Errors
/// 400 for parameters that are wrong.
pub fn check(call: &Call<'_>) -> Result<()> {
    if call.params.get("_page").is_some() {
        return Ok(());
    }
    let of = context(call.target);
    Shown::read(&call.params.pairs, of.kind(), call.prefer.handling)?;
    call.session.check_search(of, &call.params.pairs)
}

/// The text of a resource cannot be mixed with includes (FHIR R4 `search.html`, 3.1.1.5.8).
fn only_matches(pairs: &[(String, String)]) -> Result<()> {
    let is_include = |name: &str| matches!(name.split(':').next(), Some("_include" | "_revinclude"));
    match pairs.iter().find(|(name, _)| is_include(name)) {
        None => Ok(()),
        Some(_) => {
            let message = "_include and _revinclude cannot be mixed with _summary=text";
            Err(Fault::coded(Category::Invalid, "invariant", message))
        }
    }
}

/// What a path searches.
fn context(target: &Target) -> SearchContext {
    match (target.kind, &target.id) {
        (Some(kind), id) if target.operation == Some(Operation::Everything) => {
            SearchContext::Everything { kind, id: id.clone() }
        }
        (Some(kind), Some(id)) => {
            SearchContext::Compartment { of: ResourceKey::new(kind, id.clone()), member: target.member }
        }
        (Some(kind), None) => SearchContext::Type(kind),
        (None, _) => SearchContext::System,
    }
}

/// A page by its token, wherever it is held.
async fn page(call: &Call<'_>, token: &str) -> Result<Answer> {
    let peer = match call.session.page(token).await? {
        Page::Here(answer) => return linked(call, token, &answer),
        Page::Elsewhere(peer) => peer,
    };
    let place = context(call.target).to_string();
    match relay::ask(call.site, (&place, token), &call.params.form(), &peer).await {
        Ok(Some(body)) => Ok(Answer::whole(body)),
        Ok(None) => held(call).await,
        // It may come back: only what this node can answer by itself is better than to try again.
        Err(away) => held(call).await.map_err(|own| if own.category() == Category::Gone { away } else { own }),
    }
}

/// A page by its token without asking another node.
///
/// # Errors
/// 400 for a bad token, 410 for a page that is no longer held.
pub async fn held(call: &Call<'_>) -> Result<Answer> {
    let token = call.params.get("_page").ok_or_else(|| Fault::invalid("there is no _page"))?;
    let answer = call.session.page_here(token).await?;
    linked(call, token, &answer)
}

fn linked(call: &Call<'_>, token: &str, answer: &SearchAnswer) -> Result<Answer> {
    // The search is in the token, what it shows as well.
    let shown = Shown::read(&answer.used, None, Handling::Lenient)?;
    let place = context(call.target).to_string();
    searchset(call, answer, &shown, &place, &format!("_page={}", encode(token))).map(Answer::whole)
}

/// The Bundle of an answer. `place` is the path below the base, `own` the query of the self link.
///
/// # Errors
/// 500 for a stored resource that cannot be read.
pub fn searchset(call: &Call<'_>, answer: &SearchAnswer, shown: &Shown, place: &str, own: &str) -> Result<Bytes> {
    let base = &call.site.base;
    let place = format!("{base}/{place}");
    let place = place.trim_end_matches('/');
    let form = call.params.form();
    let url = |query: &str| format!("{place}?{query}{form}").trim_end_matches('?').replacen("?&", "?", 1);
    let mut links = vec![("self", url(own))];
    let pages =
        [("first", &answer.first), ("previous", &answer.previous), ("next", &answer.next), ("last", &answer.last)];
    for (relation, token) in pages {
        links.extend(token.as_ref().map(|token| (relation, url(&format!("_page={}", encode(token))))));
    }
    let size = answer.entries.iter().map(|entry| 160 + entry.stored.body.as_ref().map_or(0, |body| body.len())).sum();
    let id = call.site.ids.uuid();
    let updated = call.site.clock.now();
    let head = Head { kind: "searchset", id: &id, updated, total: answer.total, links: &links };
    let mut bundle = Framing::start(head, size);
    let mut full_url = String::new();
    for entry in &answer.entries {
        full_url.clear();
        full_url.extend([base, "/", entry.stored.key.kind.name(), "/", entry.stored.key.id.as_str()]);
        let mut kind = entry.stored.key.kind;
        if let Some((inner, id)) = &entry.contained {
            kind = *inner;
            full_url.extend(["#", id]);
        }
        let mode = match entry.mode {
            MatchMode::Match => "match",
            MatchMode::Include => "include",
        };
        // "The list of elements does not apply to included resources."
        let is_whole = entry.mode == MatchMode::Include && matches!(shown.part, Some(Subset::Elements(_)));
        let body = entry.stored.body.clone();
        let body = if is_whole { body } else { body.map(|body| shown.apply(kind, body)).transpose()? };
        let resource = body.as_deref();
        bundle.entry(Entry {
            full_url: Some(&full_url),
            resource,
            mode: Some(mode),
            note: entry.note,
            ..Entry::default()
        });
    }
    let outcome = match &answer.explanation {
        Some((explanation, phases)) => Some(explained(explanation, phases, &answer.warnings, base)),
        None => (!answer.warnings.is_empty()).then(|| outcome_text(&answer.warnings)),
    };
    if let Some(outcome) = outcome {
        // It has no address, so a UUID stands for one (bundle.html, 2.36.4).
        let url = format!("urn:uuid:{}", call.site.ids.uuid());
        bundle.entry(Entry {
            full_url: Some(&url),
            resource: Some(&outcome),
            mode: Some("outcome"),
            ..Entry::default()
        });
    }
    Ok(bundle.finish())
}
