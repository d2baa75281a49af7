//! Every match of a search, for operations that look at all of them: positions first, bodies in pieces.

use std::sync::Arc;

use super::face::{Handling, Scan, Stored};
use super::meaning::Meaning;
use super::read::at_positions;
use super::resolver::Resolver;
use super::search::{fresh, parsed, unfinished};
use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;
use crate::search::context::SearchContext;

/// The matches of a search in its order, in one snapshot; refused where there are more than `Limits::scan`.
pub(super) async fn scan(
    at: &Arc<Tenancy>,
    of: SearchContext,
    params: &[(String, String)],
    how: Handling,
) -> Result<Scan> {
    let searcher = fresh(at).await?;
    let query = parsed(at, &at.params.set(), of, params, how, at.clock.now())?;
    let mut query = Meaning.resolve(at, query).await?;
    // How much is shown in the end is for the caller.
    query.count_only = false;
    let query = Arc::new(query);
    let mut warnings = query.warnings.clone();
    warnings.extend(query.added.iter().filter_map(|param| unfinished(param, searcher.coverage())));
    let used = query.used.clone();
    let _turn = at.searching.acquire().await.map_err(|_| Fault::unavailable("the server is stopping"))?;
    let (here, most) = (at.clone(), at.limits.scan);
    let hits = blocking(move || {
        let compiled = searcher.compile(&query, &here.limits)?;
        searcher.run(&query, &compiled, 0, most + 1)
    })
    .await?;
    if hits.hits.len() > most {
        let message = format!("more than {most} resources would have to be looked at: narrow the search");
        return Err(Fault::coded(Category::Invalid, "too-costly", message));
    }
    Ok(Scan { seqs: hits.hits.into_iter().map(|hit| hit.seq).collect(), warnings, used })
}

/// Some of the matches, by their numbers; what was expunged since is left out.
pub(super) async fn fetch(at: &Tenancy, scan: &Scan, numbers: &[usize]) -> Result<Vec<Stored>> {
    let seqs: Vec<Seq> = numbers.iter().filter_map(|number| scan.seqs.get(*number).copied()).collect();
    at_positions(at, &seqs).await
}
