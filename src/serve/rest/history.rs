//! `GET [base]/_history`, `GET [base]/[type]/_history` and `GET [base]/[type]/[id]/_history` (FHIR R4 `http.html`, 3.1.0.12).

use bytes::Bytes;

use super::call::{Answer, Call};
use super::date::parse_instant;
use super::framing::{Entry, Framing, Head, Response};
use super::listed::listed;
use super::params::{encode, query};
use super::subset::Shown;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::repo::{HistoryAnswer, HistoryRequest, HistoryScope, Stored, WriteKind};
use crate::search::kind::date;
use crate::search::query::{DateTest, Prefix};

/// The parameters of a history; each may stand there once.
const PARAMS: [&str; 7] = ["_count", "_since", "_at", "_list", "_page", "_summary", "_elements"];

/// A page of versions, newest first; deletions are listed without a resource.
///
/// # Errors
/// 404 for a resource that never existed, 400 for parameters that cannot be read or are not offered.
pub async fn history(call: &Call<'_>) -> Result<Answer> {
    call.only(&PARAMS)?;
    let invalid = |message: &str| Fault::coded(Category::Invalid, "value", message);
    if let Some(name) = PARAMS.iter().find(|name| call.params.pairs.iter().filter(|(n, _)| n == *name).count() > 1) {
        return Err(invalid(&format!("{name} stands there twice")));
    }
    let shown = Shown::read(&call.params.pairs, call.target.kind, call.prefer.handling)?;
    let count = call.params.get("_count").map(|text| text.parse::<usize>());
    let count = count.transpose().map_err(|_| invalid("_count is a number, 0 or more"))?;
    let since = call.params.get("_since").map(parse_instant);
    let since = since.map(|since| since.ok_or_else(|| invalid("_since is an instant"))).transpose()?;
    let at = call.params.get("_at").map(|text| period(call, text));
    let at = at.transpose().map_err(|reason| invalid(&format!("_at: {reason}")))?;
    let among = match call.params.get("_list") {
        Some(text) => Some(listed(call, text).await?),
        None => None,
    };
    let (scope, place) = match (&call.target.id, call.target.kind) {
        (Some(_), _) => (HistoryScope::Instance(call.key()?), format!("{}/_history", call.key()?)),
        (None, Some(kind)) => (HistoryScope::Type(kind), format!("{kind}/_history")),
        (None, None) => (HistoryScope::System, "_history".to_owned()),
    };
    let page = call.params.get("_page").map(str::to_owned);
    let count = if shown.count_only { Some(0) } else { count.map(|count| count.min(call.site.limits.page_max)) };
    let answer = call.session.history(HistoryRequest { scope, count, since, at, among, page }).await?;
    bundle(call, &answer, &shown, &place).map(Answer::whole)
}

/// The time of `_at`: a date with its precision; with a prefix, what is on one side of it.
fn period(call: &Call<'_>, text: &str) -> Result<(Timestamp, Timestamp), &'static str> {
    let DateTest { prefix, span } = date::parse(text, call.site.clock.now())?;
    let (first, last) = (i64::MIN, i64::MAX);
    let (start, end) = match prefix {
        Prefix::Eq => (span.start, span.end),
        Prefix::Ge => (span.start, last),
        Prefix::Gt | Prefix::Sa => (span.end, last),
        Prefix::Le => (first, span.end),
        Prefix::Lt | Prefix::Eb => (first, span.start),
        Prefix::Ne | Prefix::Ap | Prefix::Co => return Err("the prefixes are eq, ge, gt, sa, le, lt and eb"),
    };
    Ok((Timestamp(start), Timestamp(end)))
}

fn bundle(call: &Call<'_>, answer: &HistoryAnswer, shown: &Shown, place: &str) -> Result<Bytes> {
    let base = &call.site.base;
    let used = call.params.pairs.iter().filter(|(name, _)| name != "_page" && PARAMS.contains(&&**name)).cloned();
    let (used, form) = (query(&used.collect::<Vec<_>>()), call.params.form());
    let url = |token: Option<&str>| {
        let page = token.map_or_else(String::new, |token| format!("&_page={}", encode(token)));
        let all = format!("{used}{page}{form}");
        let all = all.trim_start_matches('&');
        format!("{base}/{place}{}{all}", if all.is_empty() { "" } else { "?" })
    };
    let own = call.params.get("_page");
    let mut links = vec![("self", url(own))];
    links.extend(own.map(|_| ("first", url(None))));
    for (relation, token) in [("previous", &answer.previous), ("next", &answer.next)] {
        links.extend(token.as_deref().map(|token| (relation, url(Some(token)))));
    }
    let size = answer.entries.iter().map(|stored| 300 + stored.body.as_ref().map_or(0, |body| body.len())).sum();
    let id = call.site.ids.uuid();
    let updated = call.site.clock.now();
    let head = Head { kind: "history", id: &id, updated, total: answer.total, links: &links };
    let mut bundle = Framing::start(head, size);
    for stored in &answer.entries {
        entry(&mut bundle, base, shown, stored)?;
    }
    Ok(bundle.finish())
}

fn entry(bundle: &mut Framing, base: &str, shown: &Shown, stored: &Stored) -> Result<()> {
    let key = stored.key.to_string();
    let (method, url, status) = match stored.kind {
        WriteKind::Create => ("POST", stored.key.kind.name(), 201),
        WriteKind::Update if stored.version == 1 => ("PUT", key.as_str(), 201),
        WriteKind::Update => ("PUT", key.as_str(), 200),
        WriteKind::Delete => ("DELETE", key.as_str(), 204),
    };
    let (version, modified) = (Some(stored.version), Some(stored.updated));
    // A deletion made nothing that could be there (bundle.html, 2.36.3.4.4).
    let location = stored.body.as_ref().map(|_| format!("{key}/_history/{}", stored.version));
    let body = stored.body.clone().map(|body| shown.apply(stored.key.kind, body)).transpose()?;
    bundle.entry(Entry {
        full_url: Some(&format!("{base}/{key}")),
        resource: body.as_deref(),
        request: Some((method, url)),
        response: Some(Response { status, location: location.as_deref(), version, modified, ..Response::default() }),
        ..Entry::default()
    });
    Ok(())
}
