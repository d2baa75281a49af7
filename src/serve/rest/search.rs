//! `GET [base]/[type]?…` and `POST [base]/[type]/_search` (FHIR R4 `http.html`, 3.1.0.9; `search.html`).

use super::call::{Answer, Call};
use super::framing::{Entry, Framing, Head};
use super::params::{encode, query};
use crate::base::fault::{Fault, Result};
use crate::fhir::outcome::outcome_text;
use crate::repo::{MatchMode, SearchAnswer};

/// A page of a search: the first, or that of a link.
///
/// # Errors
/// 400 for what is wrong or not offered, 410 for a page that is no longer held.
pub async fn search(call: &Call<'_>) -> Result<Answer> {
    if call.params.get("_page").is_some() {
        return page(call).await;
    }
    let kind = call.kind()?;
    let mut pairs = Vec::with_capacity(call.params.pairs.len());
    for (name, value) in &call.params.pairs {
        match (name.as_str(), value.as_str()) {
            ("_summary", "false") => {}
            ("_summary", value) if value != "count" => {
                return Err(Fault::unsupported("_summary other than count and false is not supported"));
            }
            ("_elements", _) => return Err(Fault::unsupported("_elements is not supported")),
            _ => pairs.push((name.clone(), value.clone())),
        }
    }
    let answer = call.session.search(kind, &pairs, call.prefer.handling).await?;
    let own = query(&answer.used);
    Ok(Answer::whole(searchset(call, &answer, &own)))
}

/// A page by its token, `GET [base]?_page=…`; without a token this is a search over all types.
///
/// # Errors
/// 400 for a bad token or a search over all types, 410 for a page that is no longer held.
pub async fn page(call: &Call<'_>) -> Result<Answer> {
    let Some(token) = call.params.get("_page") else {
        return Err(Fault::unsupported("search over all types is not supported"));
    };
    let answer = call.session.page(token).await?;
    Ok(Answer::whole(searchset(call, &answer, &format!("_page={}", encode(token)))))
}

fn searchset(call: &Call<'_>, answer: &SearchAnswer, own: &str) -> bytes::Bytes {
    let base = &call.site.base;
    let place = call.target.kind.map_or_else(|| base.clone(), |kind| format!("{base}/{kind}"));
    let form = call.params.form();
    let url = |query: &str| format!("{place}?{query}{form}").trim_end_matches('?').replacen("?&", "?", 1);
    let mut links = vec![("self", url(own))];
    for (relation, token) in [("previous", &answer.previous), ("next", &answer.next)] {
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
        let mode = match entry.mode {
            MatchMode::Match => "match",
            MatchMode::Include => "include",
        };
        let resource = entry.stored.body.as_deref();
        bundle.entry(Entry { full_url: Some(&full_url), resource, mode: Some(mode), ..Entry::default() });
    }
    if !answer.warnings.is_empty() {
        let outcome = outcome_text(&answer.warnings);
        bundle.entry(Entry { resource: Some(&outcome), mode: Some("outcome"), ..Entry::default() });
    }
    bundle.finish()
}
