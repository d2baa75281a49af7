//! Searching: one snapshot of the index, bodies by their positions in the log.

use std::sync::Arc;

use super::face::{Handling, MatchMode, SearchAnswer, SearchEntry};
use super::indexer::blocking;
use super::read::stored;
use super::tenancy::Tenancy;
use super::token::PageToken;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::base::id::Seq;
use crate::search::context::SearchContext;
use crate::search::index::{Hits, Includes, Searcher};
use crate::search::parse::{ParseContext, parse};
use crate::search::query::Query;
use crate::search::rank::Note;

/// The first page of a search: it sees every write that was answered before it arrived.
pub(super) async fn first_page(
    at: &Arc<Tenancy>,
    of: SearchContext,
    params: &[(String, String)],
    how: Handling,
) -> Result<SearchAnswer> {
    let query = Arc::new(parsed(at, of.clone(), params, how)?);
    let searcher = fresh(at).await?;
    page(at, of, params, query, searcher, 0).await
}

/// The page of a token.
pub(super) async fn page_of(at: &Arc<Tenancy>, token: &str) -> Result<SearchAnswer> {
    let token = PageToken::decode(token)?;
    let gone = || Fault::coded(Category::Gone, "expired", "this page is no longer held; search again");
    if token.node != at.node {
        return Err(gone());
    }
    let query = Arc::new(parsed(at, token.of.clone(), &token.params, Handling::Lenient)?);
    let searcher = at.pins.get(token.seq, at.clock.now()).ok_or_else(gone)?;
    page(at, token.of, &token.params, query, searcher, token.offset).await
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
    at.visibility.wait(head).await?;
    at.index.searcher()
}

/// The query of some parameters.
pub(super) fn parsed(
    at: &Tenancy,
    of: impl Into<SearchContext>,
    params: &[(String, String)],
    how: Handling,
) -> Result<Query> {
    let strict = how == Handling::Strict;
    parse(of, params, &ParseContext { base: &at.base, strict, limits: &at.limits, now: at.clock.now() })
}

async fn page(
    at: &Arc<Tenancy>,
    of: SearchContext,
    params: &[(String, String)],
    query: Arc<Query>,
    searcher: Searcher,
    offset: usize,
) -> Result<SearchAnswer> {
    let count = query.count.unwrap_or(at.limits.page_default).min(at.limits.page_max);
    let wanted = if query.count_only { 0 } else { count };
    let (hits, includes) = run(at, &query, &searcher, offset, wanted).await?;
    let included: Vec<Seq> = includes.hits.iter().map(|hit| hit.seq).collect();
    let mut answer = SearchAnswer {
        total: hits.total,
        used: query.used.clone(),
        warnings: query.warnings.clone(),
        ..SearchAnswer::default()
    };
    if includes.cut {
        let message = format!("more than {} resources would be included; the rest is left out", at.limits.includes);
        answer.warnings.push(Issue::warning("incomplete", message));
    }
    let matches: Vec<Seq> = hits.hits.iter().take(wanted).map(|hit| hit.seq).collect();
    let more = hits.hits.len() > wanted && wanted > 0;
    answer.entries = entries(at, &matches, &hits.notes, MatchMode::Match).await?;
    answer.entries.extend(entries(at, &included, &[], MatchMode::Include).await?);
    let link = |offset| {
        let (node, seq) = (at.node, searcher.reached());
        PageToken { node, seq, offset, of: of.clone(), params: params.to_vec() }.encode()
    };
    if more {
        at.pins.hold(&searcher, at.clock.now());
        answer.next = Some(link(offset + wanted));
    }
    answer.previous = (offset > 0).then(|| link(offset.saturating_sub(count)));
    Ok(answer)
}

/// The matches of a page and one more, and what they include, in a thread for CPU work.
async fn run(
    at: &Arc<Tenancy>,
    query: &Arc<Query>,
    searcher: &Searcher,
    offset: usize,
    wanted: usize,
) -> Result<(Hits, Includes)> {
    let (at, query, searcher) = (at.clone(), query.clone(), searcher.clone());
    blocking(move || {
        let limit = if wanted == 0 { 0 } else { wanted + 1 };
        let hits = searcher.search(&query, offset, limit, &at.limits)?;
        let shown = &hits.hits[..hits.hits.len().min(wanted)];
        let included = if query.includes.is_empty() || shown.is_empty() {
            Includes::default()
        } else {
            searcher.includes(&query, shown, &at.limits)?
        };
        Ok((hits, included))
    })
    .await
}

/// `notes`: of each version, or empty.
async fn entries(at: &Tenancy, seqs: &[Seq], notes: &[Note], mode: MatchMode) -> Result<Vec<SearchEntry>> {
    let rows = at.store.by_seqs(at.tenant, seqs).await?;
    // A page of an earlier snapshot may lead to what was expunged since.
    let whole = rows.into_iter().enumerate().filter(|(_, row)| row.body.is_some());
    let note = |n: usize| notes.get(n).copied().unwrap_or_default();
    whole.map(|(n, row)| Ok(SearchEntry { mode, stored: stored(row)?, note: note(n) })).collect()
}
