//! History of a resource, a type and everything (FHIR R4 `http.html`, 3.1.0.12).

use super::face::{HistoryAnswer, HistoryRequest, HistoryScope};
use super::read::stored;
use super::tenancy::Tenancy;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::fhir::types::ResourceKey;
use crate::store::{VersionKind, VersionRow, Versions, Window};

/// How many entries of the log one page looks at to find those that were current at a time: beyond it a page ends early.
const LOOKED_AT: i64 = 50_000;

/// A page, newest first.
pub(super) async fn history(at: &Tenancy, request: HistoryRequest) -> Result<HistoryAnswer> {
    let count = request.count.unwrap_or(at.limits.page_default).min(at.limits.page_max);
    let below = request.page.as_deref().map(decode).transpose()?;
    match (&request.scope, request.at) {
        (scope, Some(time)) => current_at(at, scope, time, request.since, below, count).await,
        (HistoryScope::Instance(key), None) => of_resource(at, key, request.since, below, count).await,
        (HistoryScope::Type(kind), None) => {
            // The count first: what is committed meanwhile is not on the page.
            let (total, last) = at.store.type_count(at.tenant, *kind, request.since).await?;
            let below = Some(Seq(below.unwrap_or(last.0 + 1)));
            let rows = at.store.type_history(at.tenant, *kind, below, request.since, count + 1).await?;
            page(rows, count, Some(total), |last| last.seq.0)
        }
        (HistoryScope::System, None) => of_all(at, request.since, below, count).await,
    }
}

async fn of_resource(
    at: &Tenancy,
    key: &ResourceKey,
    since: Option<Timestamp>,
    below: Option<i64>,
    count: usize,
) -> Result<HistoryAnswer> {
    let rows = at.store.instance_history(at.tenant, key, below, since, count + 1).await?;
    // The rows first: what is committed meanwhile does not count.
    let newest = rows.first().map_or(0, |row| row.version);
    let up_to = if below.is_none() { newest } else { i64::MAX };
    let total = at.store.instance_count(at.tenant, key, since, up_to).await?;
    if total == 0 {
        known(at, key).await?;
    }
    page(rows, count, Some(total), |last| last.version)
}

async fn of_all(at: &Tenancy, since: Option<Timestamp>, below: Option<i64>, count: usize) -> Result<HistoryAnswer> {
    // The head first: what is committed meanwhile is on no page of this history.
    let head = at.store.head(at.tenant).await?.seq.0;
    let from = first(at, since).await?;
    // The log has no gaps.
    let expunged = at.store.expunged_since(at.tenant, from).await?;
    let total = (head + 1 - from.0).max(0).unsigned_abs().saturating_sub(expunged);
    let below = below.map_or(Seq(head + 1), Seq);
    let window = Window { from, below, current_at: Seq(0) };
    let rows = at.store.history(at.tenant, Versions::All, window, count + 1).await?;
    page(rows, count, Some(total), |last| last.seq.0)
}

/// What was current at some time. A page may be short, and the next one not empty, where most versions were not.
async fn current_at(
    at: &Tenancy,
    scope: &HistoryScope,
    (start, end): (Timestamp, Timestamp),
    since: Option<Timestamp>,
    below: Option<i64>,
    count: usize,
) -> Result<HistoryAnswer> {
    let whose = match scope {
        HistoryScope::Instance(key) => {
            known(at, key).await?;
            Versions::Of(key)
        }
        HistoryScope::Type(kind) => Versions::Type(*kind),
        HistoryScope::System => Versions::All,
    };
    // A version was current at the start unless it was replaced by then.
    let current_at = at.store.position(at.tenant, Timestamp(start.0.saturating_add(1))).await?;
    let end = at.store.position(at.tenant, end).await?;
    let from = first(at, since).await?;
    let below = below.map_or(end, |below| end.min(Seq(below)));
    let floor = match whose {
        Versions::Of(_) => from,
        _ => from.max(Seq(below.0.min(current_at.0) - LOOKED_AT)),
    };
    let rows = at.store.history(at.tenant, whose, Window { from: floor, below, current_at }, count + 1).await?;
    let is_first = below == end;
    let mut answer = page(rows, count, None, |last| last.seq.0)?;
    if answer.next.is_none() && floor > from {
        answer.next = Some(encode(floor.0));
    }
    answer.total = (is_first && answer.next.is_none()).then_some(answer.entries.len() as u64);
    Ok(answer)
}

async fn first(at: &Tenancy, since: Option<Timestamp>) -> Result<Seq> {
    match since {
        Some(since) => at.store.position(at.tenant, since).await,
        None => Ok(Seq(1)),
    }
}

/// 404 for a resource that never existed.
async fn known(at: &Tenancy, key: &ResourceKey) -> Result<()> {
    match at.store.read(at.tenant, key).await? {
        Some(row) if row.kind != VersionKind::Expunged => Ok(()),
        _ => Err(Fault::not_found(format!("{key} is not known"))),
    }
}

/// Of one row more than fit.
fn page(
    mut rows: Vec<VersionRow>,
    count: usize,
    total: Option<u64>,
    place: impl Fn(&VersionRow) -> i64,
) -> Result<HistoryAnswer> {
    let more = rows.len() > count;
    rows.truncate(count);
    let next = rows.last().filter(|_| more).map(|last| encode(place(last)));
    let entries = rows.into_iter().map(stored).collect::<Result<_>>()?;
    Ok(HistoryAnswer { entries, total, next })
}

/// The token of a page: the position below which it goes on.
fn encode(below: i64) -> String {
    format!("h1.{below:x}")
}

fn decode(token: &str) -> Result<i64> {
    let below = token.strip_prefix("h1.").and_then(|text| i64::from_str_radix(text, 16).ok());
    below.filter(|n| *n > 0).ok_or_else(|| Fault::invalid("the page token is not one that this server made"))
}
