//! The versions that the references of a page name: an include brings that version, a chain was followed to the current
//! one and says so (FHIR R4 `search.html`, 3.1.1.4.13).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::face::{MatchMode, SearchAnswer, SearchEntry};
use super::read::vread;
use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Issue, Result};
use crate::fhir::json;
use crate::fhir::types::ResourceKey;
use crate::search::query::{Clause, Query};
use crate::search::rank::Note;
use crate::search::versioned::{chained, followed, may_name_versions};

/// What is named: the current version (`None`), or these.
type Named = BTreeMap<ResourceKey, BTreeSet<Option<i64>>>;

/// Whether references on a page may name versions that [`add`] has to look at.
pub(super) fn are_named(query: &Query, answer: &SearchAnswer) -> bool {
    let has_includes = query.includes.iter().any(|include| !include.reverse);
    let has_conditions = query.clauses.iter().any(|clause| {
        matches!(
            clause,
            Clause::Chain { .. } | Clause::Element { .. } | Clause::All(_) | Clause::Any(_) | Clause::Complement(_)
        )
    });
    let may = |entry: &SearchEntry| entry.stored.body.as_deref().is_some_and(may_name_versions);
    (has_includes || has_conditions) && answer.entries.iter().any(may)
}

/// Puts the versions that references name in place of the current ones among the includes of a page, and warns of chains.
///
/// # Errors
/// 500 when the store cannot be read.
pub(super) async fn add(at: &Tenancy, query: &Arc<Query>, answer: &mut SearchAnswer) -> Result<()> {
    let whole = |entry: &SearchEntry| Some((entry.stored.key.clone(), entry.mode, entry.stored.body.clone()?));
    let page: Vec<_> = answer.entries.iter().filter_map(whole).collect();
    let (asked, base) = (query.clone(), at.base.clone());
    let (named, warnings) = blocking(move || read(&asked, &page, &base)).await?;
    answer.warnings.extend(warnings);
    // what an include from the other side brings is the current version
    let is_plain = query.includes.iter().all(|include| !include.reverse);
    let mut room = at.limits.includes.saturating_sub(answer.entries.len());
    for (key, versions) in named.into_iter().filter(|(_, versions)| versions.iter().any(Option::is_some)) {
        let is_current = |entry: &SearchEntry| entry.stored.key == key && entry.mode == MatchMode::Include;
        let mut found = Vec::new();
        for version in versions.iter().copied().flatten().take(room) {
            // as for every other include, what is not there is left out
            found.extend(vread(at, &key, version).await.ok());
        }
        room -= found.len();
        if !found.is_empty() && is_plain && !versions.contains(&None) {
            answer.entries.retain(|entry| !is_current(entry));
        }
        for stored in found {
            let is_there = |entry: &SearchEntry| entry.stored.key == key && entry.stored.version == stored.version;
            if !answer.entries.iter().any(is_there) {
                answer.entries.push(SearchEntry {
                    mode: MatchMode::Include,
                    stored,
                    note: Note::default(),
                    contained: None,
                });
            }
        }
    }
    Ok(())
}

/// What the resources of a page name, and what there is to say about its chains.
fn read(query: &Query, page: &[(ResourceKey, MatchMode, Bytes)], base: &str) -> Result<(Named, Vec<Issue>)> {
    let (mut named, mut warnings) = (Named::new(), Vec::new());
    for (own, mode, body) in page {
        let resource = json::parse_stored(body)?;
        let is_match = *mode == MatchMode::Match;
        if is_match && let Some(param) = chained(query, &resource, own.kind, base) {
            let code = &param.code;
            let message = format!("\"{code}\" of {own} names a version; the chain was followed to the current one");
            warnings.push(Issue::warning("incomplete", message));
        }
        for (key, version) in followed(query, (&resource, own.kind), is_match, base) {
            named.entry(key).or_default().insert(version);
        }
    }
    Ok((named, warnings))
}
