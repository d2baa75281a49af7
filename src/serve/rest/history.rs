//! `GET [base]/[type]/_history` and `GET [base]/[type]/[id]/_history` (FHIR R4 `http.html`, 3.1.0.12).

use bytes::Bytes;

use super::call::{Answer, Call};
use super::date::parse_instant;
use super::framing::{Entry, Framing, Head, Response};
use super::params::{encode, query};
use crate::base::fault::{Category, Fault, Result};
use crate::repo::{HistoryAnswer, HistoryRequest, HistoryScope, Stored, WriteKind};

/// A page of versions, newest first; deletions are listed without a resource.
///
/// # Errors
/// 404 for a resource that never existed, 400 for parameters that cannot be read.
pub async fn history(call: &Call<'_>) -> Result<Answer> {
    call.only(&["_count", "_since", "_page"])?;
    let invalid = |message: &str| Fault::coded(Category::Invalid, "value", message);
    let count = call.params.get("_count").map(|text| text.parse::<usize>());
    let count = count.transpose().map_err(|_| invalid("_count is a number, 0 or more"))?;
    let since = call.params.get("_since").map(parse_instant);
    let since = since.map(|since| since.ok_or_else(|| invalid("_since is an instant"))).transpose()?;
    let (scope, place) = match call.target.id {
        Some(_) => (HistoryScope::Instance(call.key()?), format!("{}/_history", call.key()?)),
        None => (HistoryScope::Type(call.kind()?), format!("{}/_history", call.kind()?)),
    };
    let page = call.params.get("_page").map(str::to_owned);
    let count = count.map(|count| count.min(call.site.limits.page_max));
    let answer = call.session.history(HistoryRequest { scope, count, since, page }).await?;
    Ok(Answer::whole(bundle(call, &answer, &place)))
}

fn bundle(call: &Call<'_>, answer: &HistoryAnswer, place: &str) -> Bytes {
    let base = &call.site.base;
    let is_known = |name: &str| matches!(name, "_count" | "_since");
    let used: Vec<_> = call.params.pairs.iter().filter(|(name, _)| is_known(name)).cloned().collect();
    let (used, form) = (query(&used), call.params.form());
    let url = |token: Option<&str>| {
        let page = token.map_or_else(String::new, |token| format!("&_page={}", encode(token)));
        let all = format!("{used}{page}{form}");
        let all = all.trim_start_matches('&');
        format!("{base}/{place}{}{all}", if all.is_empty() { "" } else { "?" })
    };
    let mut links = vec![("self", url(call.params.get("_page")))];
    links.extend(answer.next.as_deref().map(|token| ("next", url(Some(token)))));
    let size = answer.entries.iter().map(|stored| 300 + stored.body.as_ref().map_or(0, |body| body.len())).sum();
    let id = call.site.ids.uuid();
    let updated = call.site.clock.now();
    let head = Head { kind: "history", id: &id, updated, total: Some(answer.total), links: &links };
    let mut bundle = Framing::start(head, size);
    for stored in &answer.entries {
        entry(&mut bundle, base, stored);
    }
    bundle.finish()
}

fn entry(bundle: &mut Framing, base: &str, stored: &Stored) {
    let key = stored.key.to_string();
    let (method, url, status) = match stored.kind {
        WriteKind::Create => ("POST", stored.key.kind.name(), 201),
        WriteKind::Update if stored.version == 1 => ("PUT", key.as_str(), 201),
        WriteKind::Update => ("PUT", key.as_str(), 200),
        WriteKind::Delete => ("DELETE", key.as_str(), 204),
    };
    let (version, modified) = (Some(stored.version), Some(stored.updated));
    bundle.entry(Entry {
        full_url: Some(&format!("{base}/{key}")),
        resource: stored.body.as_deref(),
        mode: None,
        request: Some((method, url)),
        response: Some(Response { status, version, modified, ..Response::default() }),
    });
}
