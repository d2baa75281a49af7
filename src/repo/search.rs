//! Searching: one snapshot of the index, bodies by their positions in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::everything::subjects;
use super::face::{Handling, MatchMode, Page, SearchAnswer, SearchEntry, Stored};
use super::pins::bytes;
use super::read::stored;
use super::resolver::Resolver;
use super::tenancy::Tenancy;
use super::token::{Anchor, Asked, PageToken, SPELLED_BYTES};
use super::versions;
use super::worker::blocking;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::base::id::Seq;
use crate::base::traces::span;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::json::{self, Json};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::context::SearchContext;
use crate::search::explain::explain;
use crate::search::index::{Coverage, Hit, Hits, Includes, Searcher, contained};
use crate::search::params::ParamSet;
use crate::search::parse::{ParseContext, parse};
use crate::search::query::{ContainedSearch, Everything, Query, SortBy, SortKey, Total};
use crate::search::rank::Note;
use crate::store::VersionRow;

/// The first page of a search: it sees every write that was answered before it arrived.
pub(super) async fn first_page(
    at: &Arc<Tenancy>,
    of: SearchContext,
    params: &[(String, String)],
    how: Handling,
    meaning: &dyn Resolver,
) -> Result<SearchAnswer> {
    let (now, mut watch) = (at.clock.now(), Phases::start());
    // The snapshot comes first: every search parameter that was defined before this call is known then.
    let searcher = fresh(at).await?;
    watch.ends("wait");
    let known = at.params.set();
    let query = Arc::new(meaning.resolve(at, parsed(at, &known, of.clone(), params, how, now)?).await?);
    watch.ends("parse");
    let size = usual(at, &query);
    let (asked, snapshot) = (query.clone(), searcher.clone());
    let window = Window { of, params, known, now, query, searcher, offset: 0, size };
    let mut answer = page(at, window, &mut watch).await?;
    if asked.explain {
        let limits = at.clone();
        let explanation = blocking(move || explain(&snapshot, &asked, &limits.limits)).await?;
        answer.explanation = Some((explanation, watch.ended));
    }
    Ok(answer)
}

/// How long each phase of a search took.
struct Phases {
    since: Instant,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn start() -> Self {
        Self { since: Instant::now(), ended: Vec::with_capacity(6) }
    }

    /// The phase that began when the one before it ended is over.
    fn ends(&mut self, phase: &'static str) {
        let now = Instant::now();
        self.ended.push((phase, now - self.since));
        self.since = now;
    }
}

/// The page of a token, or the node that holds its snapshot.
pub(super) async fn page_of(at: &Arc<Tenancy>, token: &str, meaning: &dyn Resolver) -> Result<Page> {
    let node = PageToken::decode(token, at.tenant)?.node;
    if node != at.node
        && let Some(cluster) = &at.cluster
        && let Some(peer) = cluster.peer(node).await?
    {
        return Ok(Page::Elsewhere(peer));
    }
    page_here(at, token, meaning).await.map(|answer| Page::Here(Box::new(answer)))
}

/// The page of a token as this node can answer it: out of the snapshot that it holds, else by keyset where that neither
/// skips nor repeats.
pub(super) async fn page_here(at: &Arc<Tenancy>, token: &str, meaning: &dyn Resolver) -> Result<SearchAnswer> {
    let token = PageToken::decode(token, at.tenant)?;
    let now = token.now;
    let params = match token.asked {
        Asked::Spelled(params) => Arc::new(params),
        Asked::Kept(digest) => at.pins.kept(digest, at.clock.now()).ok_or_else(expired)?,
    };
    let held = if token.node == at.node { at.pins.get(token.seq, at.clock.now()) } else { None };
    let known = held.as_ref().map_or_else(|| at.params.set(), |(_, known)| known.clone());
    let query = parsed(at, &known, token.of.clone(), &params, Handling::Lenient, now)?;
    let query = Arc::new(meaning.resolve(at, query).await?);
    let size = token.size.min(usual(at, &query).max(at.limits.page_max));
    let (searcher, offset, size) = match held {
        Some((searcher, _)) => (searcher, token.offset, size),
        None => again(at, &query, token.anchor, size).await?,
    };
    let (of, params) = (token.of, &params[..]);
    page(at, Window { of, params, known, now, query, searcher, offset, size }, &mut Phases::start()).await
}

/// Where a page begins in a new snapshot, and how many matches it has.
async fn again(
    at: &Arc<Tenancy>,
    query: &Arc<Query>,
    anchor: Option<Anchor>,
    size: usize,
) -> Result<(Searcher, usize, usize)> {
    let anchor = anchor.ok_or_else(expired)?;
    let searcher = fresh(at).await?;
    let (at, query, snapshot) = (at.clone(), query.clone(), searcher.clone());
    let place = move |key: &ResourceKey, inclusive| snapshot.place(&query, key, inclusive, &at.limits);
    let (before, is_after) = blocking(move || match &anchor {
        Anchor::Start => Ok((Some(0), true)),
        Anchor::After(key) => Ok((place(key, true)?, true)),
        Anchor::Before(key) => Ok((place(key, false)?, false)),
    })
    .await?;
    let before = usize::try_from(before.ok_or_else(expired)?).unwrap_or(usize::MAX);
    let size = if is_after { size } else { size.min(before) };
    Ok((searcher, if is_after { before } else { before - size }, size))
}

/// The size of a page where nothing is left of it: what is asked for, or what is usual.
fn usual(at: &Tenancy, query: &Query) -> usize {
    match query.count {
        Some(count) => count.min(at.limits.page_max),
        None if query.everything.is_some() => at.limits.everything,
        None => at.limits.page_default.min(at.limits.page_max),
    }
}

fn expired() -> Fault {
    Fault::coded(Category::Gone, "expired", "this page is no longer held; search again")
}

/// A snapshot that includes everything committed before this call, on any node.
pub(super) async fn fresh(at: &Tenancy) -> Result<Searcher> {
    let head = if at.store.is_shared() {
        let head = at.store.head(at.tenant).await?.seq;
        at.feed.advance(head);
        head
    } else {
        at.feed.head()
    };
    at.visibility.wait(head).instrument(span!("index wait")).await?;
    at.index.searcher()
}

/// The query of some parameters, asked at `now`.
pub(super) fn parsed(
    at: &Tenancy,
    known: &ParamSet,
    of: impl Into<SearchContext>,
    params: &[(String, String)],
    how: Handling,
    now: Timestamp,
) -> Result<Query> {
    let strict = how == Handling::Strict;
    parse(of, params, &ParseContext { base: &at.base, strict, limits: &at.limits, now, params: known })
}

/// Up to so many matches there is a link to the last page: to go to the end of more at once costs too much.
const LAST: usize = 100_000;

/// What a page shows.
struct Window<'a> {
    of: SearchContext,
    params: &'a [(String, String)],
    /// What could be searched then.
    known: Arc<ParamSet>,
    /// When the search arrived.
    now: Timestamp,
    query: Arc<Query>,
    searcher: Searcher,
    /// Matches before the page.
    offset: usize,
    /// Matches on the page at most.
    size: usize,
}

impl Window<'_> {
    fn link(&self, at: &Tenancy, offset: usize, size: usize, anchor: Option<Anchor>) -> String {
        let asked = match self.is_long() {
            true => Asked::Kept(at.pins.keep(self.params, at.clock.now())),
            false => Asked::Spelled(self.params.to_vec()),
        };
        let (tenant, node, seq, now, of) = (at.tenant, at.node, self.searcher.reached(), self.now, self.of.clone());
        PageToken { tenant, node, seq, now, offset, size, anchor, of, asked }.encode()
    }

    /// Whether the parameters are too long for a link.
    fn is_long(&self) -> bool {
        bytes(self.params) > SPELLED_BYTES
    }

    /// Whether pages can go on without the snapshot.
    fn is_by_id(&self) -> bool {
        let is_plain = self.query.contained.search == ContainedSearch::None;
        is_plain && matches!(self.query.sort[..], [SortKey { by: SortBy::Id, .. }])
    }
}

async fn page(at: &Arc<Tenancy>, window: Window<'_>, watch: &mut Phases) -> Result<SearchAnswer> {
    let Window { query, searcher, offset, size, .. } = &window;
    let (offset, wanted) = (*offset, if query.count_only { 0 } else { *size });
    let found = run(at, query, searcher, (offset, wanted), watch).instrument(span!("search")).await?;
    let Found { hits, includes, all, more } = found;
    let mut answer = SearchAnswer {
        total: hits.total,
        used: query.used.clone(),
        warnings: query.warnings.clone(),
        ..SearchAnswer::default()
    };
    answer.warnings.extend(query.added.iter().filter_map(|param| unfinished(param, searcher.coverage())));
    if includes.cut {
        let message = format!("more than {} resources would be included; the rest is left out", at.limits.includes);
        answer.warnings.push(Issue::warning("incomplete", message));
    }
    if more && query.everything.is_some() && query.count.is_none() {
        let message = format!("the record comes in pages of {wanted} resources: follow the link to the next one");
        answer.warnings.push(Issue::warning("incomplete", message));
    }
    answer.entries = entries(at, &hits.hits, &hits.notes, MatchMode::Match).instrument(span!("fetch")).await?;
    watch.ends("fetch");
    let anchored = |entry: Option<&SearchEntry>| entry.filter(|_| window.is_by_id()).map(|e| e.stored.key.clone());
    let (first, last) = (anchored(answer.entries.first()), anchored(answer.entries.last()));
    if !includes.hits.is_empty() {
        let included = Box::pin(entries(at, &includes.hits, &[], MatchMode::Include)).instrument(span!("fetch"));
        answer.entries.extend(included.await?);
    }
    if versions::are_named(query, &answer) {
        Box::pin(versions::add(at, query, &mut answer)).await?;
    }
    watch.ends("fetch-includes");
    let before = wanted.min(offset);
    if more || before > 0 || window.is_long() {
        at.pins.hold(searcher, &window.known, at.clock.now());
    }
    let usual = usual(at, query);
    answer.own = window.is_long().then(|| window.link(at, offset, wanted, None));
    answer.next = more.then(|| window.link(at, offset + wanted, usual, last.map(Anchor::After)));
    let start = window.is_by_id().then_some(Anchor::Start);
    answer.first = (before > 0).then(|| window.link(at, 0, usual, start));
    answer.last = all.filter(|_| more || before > 0).and_then(|total| {
        let place = usize::try_from(total).ok().filter(|total| (1..=LAST).contains(total))?.div_ceil(usual.max(1)) - 1;
        Some(window.link(at, place * usual, usual, None))
    });
    answer.previous = (before > 0).then(|| window.link(at, offset - before, before, first.map(Anchor::Before)));
    Ok(answer)
}

/// What is on a page.
struct Found {
    hits: Hits,
    includes: Includes,
    /// How many resources all pages have, without what only one of them includes.
    all: Option<u64>,
    /// Whether there is a page after it.
    more: bool,
}

/// The matches of a page, and what they include, in a thread for CPU work.
async fn run(
    at: &Arc<Tenancy>,
    query: &Arc<Query>,
    searcher: &Searcher,
    (offset, wanted): (usize, usize),
    watch: &mut Phases,
) -> Result<Found> {
    // It is never closed.
    let _turn = at.searching.acquire().await.map_err(|_| Fault::unavailable("the server is stopping"))?;
    if let Some(asked) = &query.everything {
        return Box::pin(record(at, query, asked, searcher, (offset, wanted))).await;
    }
    let (at, query, searcher) = (at.clone(), query.clone(), searcher.clone());
    let mut phases = Phases { since: watch.since, ended: std::mem::take(&mut watch.ended) };
    let (found, phases) = blocking(move || {
        let limit = if wanted == 0 { 0 } else { wanted + 1 };
        let compiled = searcher.compile(&query, &at.limits)?;
        phases.ends("compile");
        let mut hits = searcher.run(&query, &compiled, offset, limit)?;
        phases.ends("search");
        let more = hits.hits.len() > wanted && wanted > 0;
        hits.hits.truncate(wanted);
        let includes = if query.includes.is_empty() || hits.hits.is_empty() {
            Includes::default()
        } else {
            searcher.includes(&query, &hits.hits, &at.limits)?
        };
        phases.ends("includes");
        Ok((Found { all: hits.total, hits, includes, more }, phases))
    })
    .await?;
    *watch = phases;
    Ok(found)
}

/// A page of a record.
async fn record(
    at: &Arc<Tenancy>,
    query: &Arc<Query>,
    asked: &Everything,
    searcher: &Searcher,
    (offset, wanted): (usize, usize),
) -> Result<Found> {
    let subjects = subjects(at, searcher, asked).await?;
    let (at, query, searcher) = (at.clone(), query.clone(), searcher.clone());
    blocking(move || {
        let found = searcher.everything(&query, &subjects, (offset, wanted), &at.limits)?;
        let shown = found.matches.len() + found.supports.len();
        let more = wanted > 0 && ((offset + shown) as u64) < found.all;
        let total = (query.total != Total::None).then_some(found.matched);
        let hits = Hits { total, hits: found.matches, notes: Vec::new() };
        let includes = Includes { hits: found.supports, cut: false };
        Ok(Found { hits, includes, all: Some(found.all), more })
    })
    .await
}

/// What is to be said of a parameter that the index does not know of every resource yet.
pub(super) fn unfinished(param: &SearchParam, coverage: &Coverage) -> Option<Issue> {
    if coverage.has(param.id) {
        return None;
    }
    let how_far = match coverage.progress(param.id) {
        Some((done, total)) => format!("{done} of {total} resources are done"),
        None => "its turn comes later".to_owned(),
    };
    let message = format!(
        "search parameter \"{}\" is being indexed ({how_far}): resources that were there before it may not be found yet",
        param.code
    );
    Some(Issue::warning("incomplete", message))
}

/// `notes`: of each hit, or empty.
async fn entries(at: &Tenancy, hits: &[Hit], notes: &[Note], mode: MatchMode) -> Result<Vec<SearchEntry>> {
    let seqs: Vec<Seq> = hits.iter().map(|hit| hit.seq).collect();
    let rows = at.store.by_seqs(at.tenant, &seqs).await?;
    // A page of an earlier snapshot may lead to what was expunged since.
    let whole = rows.into_iter().enumerate().filter(|(_, row)| row.body.is_some());
    let entry = |(n, row): (usize, VersionRow)| {
        let note = notes.get(n).copied().unwrap_or_default();
        let mut stored = stored(row)?;
        let hit = hits.get(n).filter(|hit| hit.key != stored.key.hash64());
        let contained = hit.map(|hit| take_out(&mut stored, hit.key)).transpose()?;
        Ok(SearchEntry { mode, stored, note, contained })
    };
    whole.map(entry).collect()
}

/// Leaves of a resource only what it contains under a hash of the index; its type and id.
fn take_out(stored: &mut Stored, key: u64) -> Result<(ResourceType, Box<str>)> {
    let lost = || Fault::internal(format!("{} does not contain what the index says", stored.key));
    let resource = json::parse_stored(stored.body.as_deref().unwrap_or_default())?;
    let inner = resource.get("contained").and_then(Json::as_array).unwrap_or_default();
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(Box::<str>::from);
    let is_it = |json: &&Json| text(json, "id").is_some_and(|id| contained(stored.key.hash64(), &id) == key);
    let found = inner.iter().find(is_it).ok_or_else(lost)?;
    let kind = text(found, "resourceType").and_then(|name| ResourceType::find(&name));
    let (kind, id) = kind.zip(text(found, "id")).ok_or_else(lost)?;
    let mut body = Vec::new();
    json::write(found, &mut body);
    stored.body = Some(body.into());
    Ok((kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_search_is_small_enough_to_be_moved() {
        type Params = &'static [(String, String)];
        let bytes = size(|at: &'static Arc<Tenancy>, of: SearchContext, params: Params, how, meaning| {
            first_page(at, of, params, how, meaning)
        });
        assert!(bytes < 4096, "{bytes} bytes: box what few searches need");
    }
}
