//! History of a resource, a type and everything (FHIR R4 `http.html`, 3.1.0.12).

use super::face::{HistoryAnswer, HistoryRequest, HistoryScope, Stored};
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
    let mut place = request.page.as_deref().map(Place::decode).transpose()?.unwrap_or_default();
    let below = place.below;
    let answer = match (&request.scope, request.at) {
        (scope, time) if request.among.is_some() => {
            let among = request.among.as_deref().unwrap_or_default();
            of_list(at, scope, among, (time, request.since), below, count).await
        }
        (scope, Some(time)) => current_at(at, scope, time, request.since, below, count).await,
        (HistoryScope::Instance(key), None) => of_resource(at, key, request.since, below, count).await,
        (HistoryScope::Type(kind), None) => {
            // The count first: what is committed meanwhile is not on the page.
            let (total, last) = at.store.type_count(at.tenant, *kind, request.since).await?;
            let below = below.unwrap_or(last.0 + 1);
            let rows = at.store.type_history(at.tenant, *kind, Some(Seq(below)), request.since, count + 1).await?;
            page(rows, count, Some(total), below, |last| last.seq.0)
        }
        (HistoryScope::System, None) => of_all(at, request.since, below, count).await,
    }?;
    place.below = Some(answer.below);
    let next = answer.next.map(|below| place.before(below).encode());
    Ok(HistoryAnswer {
        entries: answer.entries,
        total: answer.total,
        next,
        previous: place.after().map(|place| place.encode()),
    })
}

/// A page before its links are made.
struct Part {
    entries: Vec<Stored>,
    total: Option<u64>,
    /// The position below which the page is.
    below: i64,
    /// The position below which the next one is.
    next: Option<i64>,
}

async fn of_resource(
    at: &Tenancy,
    key: &ResourceKey,
    since: Option<Timestamp>,
    below: Option<i64>,
    count: usize,
) -> Result<Part> {
    let rows = at.store.instance_history(at.tenant, key, below, since, count + 1).await?;
    // The rows first: what is committed meanwhile does not count.
    let newest = rows.first().map_or(0, |row| row.version);
    let up_to = if below.is_none() { newest } else { i64::MAX };
    let total = at.store.instance_count(at.tenant, key, since, up_to).await?;
    if total == 0 {
        known(at, key).await?;
    }
    page(rows, count, Some(total), below.unwrap_or(newest + 1), |last| last.version)
}

async fn of_all(at: &Tenancy, since: Option<Timestamp>, below: Option<i64>, count: usize) -> Result<Part> {
    // The head first: what is committed meanwhile is on no page of this history.
    let head = at.store.head(at.tenant).await?.seq.0;
    let from = first(at, since).await?;
    // The log has no gaps.
    let expunged = at.store.expunged_since(at.tenant, from).await?;
    let total = (head + 1 - from.0).max(0).unsigned_abs().saturating_sub(expunged);
    let below = below.map_or(Seq(head + 1), Seq);
    let window = Window { from, below, current_at: Seq(0) };
    let rows = at.store.history(at.tenant, Versions::All, window, count + 1).await?;
    page(rows, count, Some(total), below.0, |last| last.seq.0)
}

/// What was current at some time. A page may be short, and the next one not empty, where most versions were not.
async fn current_at(
    at: &Tenancy,
    scope: &HistoryScope,
    (start, end): (Timestamp, Timestamp),
    since: Option<Timestamp>,
    below: Option<i64>,
    count: usize,
) -> Result<Part> {
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
    let mut answer = page(rows, count, None, below.0, |last| last.seq.0)?;
    if answer.next.is_none() && floor > from {
        answer.next = Some(floor.0);
    }
    answer.total = (is_first && answer.next.is_none()).then_some(answer.entries.len() as u64);
    Ok(answer)
}

/// Versions of the resources of a list, each resource's read for itself.
async fn of_list(
    at: &Tenancy,
    scope: &HistoryScope,
    among: &[(ResourceKey, Option<i64>)],
    (time, since): (Option<(Timestamp, Timestamp)>, Option<Timestamp>),
    below: Option<i64>,
    count: usize,
) -> Result<Part> {
    if let HistoryScope::Instance(key) = scope {
        known(at, key).await?;
    }
    // The head first: what is committed meanwhile is on no page of this history.
    let head = at.store.head(at.tenant).await?.seq.0;
    let (current_at, end) = match time {
        Some((start, end)) => {
            let current_at = at.store.position(at.tenant, Timestamp(start.0.saturating_add(1))).await?;
            (current_at, at.store.position(at.tenant, end).await?)
        }
        None => (Seq(0), Seq(head + 1)),
    };
    let from = first(at, since).await?;
    let below = below.map_or(end, |below| end.min(Seq(below)));
    let mut rows: Vec<VersionRow> = Vec::new();
    let mut keys: Vec<&ResourceKey> = among.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| match scope {
        HistoryScope::Instance(of) => *key == of,
        HistoryScope::Type(kind) => key.kind == *kind,
        HistoryScope::System => true,
    });
    for key in keys {
        let named = |row: &VersionRow| {
            among.iter().any(|(of, version)| of == key && version.is_none_or(|version| version == row.version))
        };
        let (mut above, mut found) = (below, 0);
        while found <= count {
            let window = Window { from, below: above, current_at };
            let piece = at.store.history(at.tenant, Versions::Of(key), window, count + 1).await?;
            let is_last = piece.len() <= count;
            above = piece.last().map_or(from, |row| row.seq);
            let before = rows.len();
            rows.extend(piece.into_iter().filter(&named));
            found += rows.len() - before;
            if is_last {
                break;
            }
        }
        // No page needs more of what was read so far.
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.seq));
        rows.truncate(count + 1);
    }
    let is_first = below == end;
    let mut answer = page(rows, count, None, below.0, |last| last.seq.0)?;
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
    below: i64,
    place: impl Fn(&VersionRow) -> i64,
) -> Result<Part> {
    let more = rows.len() > count;
    rows.truncate(count);
    let next = rows.last().filter(|_| more).map(place);
    let entries = rows.into_iter().map(stored).collect::<Result<_>>()?;
    Ok(Part { entries, total, below, next })
}

/// How many pages a token leads back; beyond them there is the first page.
const TRAIL: usize = 32;

/// Where a page stands: the position below which it is, and those of the pages before it, nearest last. The log only grows
/// at its end, so the way back leads to the same pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    below: Option<i64>,
    trail: Vec<i64>,
}

impl Place {
    /// The place of the next page.
    fn before(&self, below: i64) -> Self {
        let mut trail: Vec<i64> = self.trail.iter().copied().chain(self.below).collect();
        trail.drain(..trail.len().saturating_sub(TRAIL));
        Self { below: Some(below), trail }
    }

    /// The place of the page before this one.
    fn after(&self) -> Option<Self> {
        let (below, trail) = self.trail.split_last()?;
        Some(Self { below: Some(*below), trail: trail.to_vec() })
    }

    fn encode(&self) -> String {
        let all = self.below.iter().chain(self.trail.iter().rev());
        all.fold("h2".to_owned(), |text, position| format!("{text}.{position:x}"))
    }

    fn decode(token: &str) -> Result<Self> {
        let read = |text: &str| i64::from_str_radix(text, 16).ok().filter(|n| *n > 0);
        let all: Option<Vec<i64>> =
            token.strip_prefix("h2.").and_then(|text| text.split('.').take(TRAIL + 2).map(read).collect());
        let all = all.filter(|all| all.len() <= TRAIL + 1 && all.is_sorted_by(|a, b| a < b));
        let (below, trail) = all
            .as_deref()
            .and_then(<[i64]>::split_first)
            .ok_or_else(|| Fault::invalid("the page token is not one that this server made"))?;
        Ok(Self { below: Some(*below), trail: trail.iter().rev().copied().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_forth_and_back() {
        let mut places = vec![Place { below: Some(1000), trail: Vec::new() }];
        for below in (1..100).rev() {
            let next = places.last().expect("a place").before(below * 10);
            assert_eq!(Place::decode(&next.encode()), Ok(next.clone()));
            places.push(next);
        }
        let last = places.last().expect("a place");
        let back: Vec<_> = std::iter::successors(Some(last.clone()), Place::after).map(|place| place.below).collect();
        let forth: Vec<_> = places.iter().rev().take(TRAIL + 1).map(|place| place.below).collect();
        assert_eq!(back, forth);
        for bad in ["", "h1.3", "h2.", "h2.0", "h2.-1", "h2.x", "h2.3.2", "h2.3.3"] {
            assert!(Place::decode(bad).is_err(), "{bad}");
        }
        let long = (1..=TRAIL + 2).fold("h2".to_owned(), |text, n| format!("{text}.{n:x}"));
        assert!(Place::decode(&long).is_err());
    }
}
