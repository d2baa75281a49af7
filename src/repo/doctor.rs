//! The check-up: do log, tables and index agree?

use std::collections::HashMap;

use super::integrity::of_row as references;
use super::plan::identifier_hash;
use super::search;
use super::tenancy::Tenancy;
use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::fhir::json;
use crate::fhir::resource;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::index::Searcher;
use crate::store::{Identifier, Referral, VersionRow, body};

/// Rows of the log at a time.
const PIECE: usize = 1000;
/// Most findings that are told.
const MOST: usize = 1000;

/// Everything that is not as it must be, one line each, ids and numbers only; `deep` also reads every body and every
/// document of the index.
pub(super) async fn examine(at: &Tenancy, deep: bool) -> Result<Vec<String>> {
    let mut findings: Vec<String> = Vec::new();
    for finding in at.store.check(at.tenant, deep).await? {
        findings.push(format!("{} {}: {}", finding.table, finding.key, finding.text));
    }
    let head = at.store.head(at.tenant).await?.seq;
    let searcher = search::fresh(at).await?;
    if searcher.reached() < head {
        findings.push(format!("index: it has reached {}, the log ends at {head}", searcher.reached()));
    }
    if deep {
        let living = living(at, searcher.reached()).await?;
        index(&searcher, &living, &mut findings)?;
        identifiers(at, &living, searcher.reached(), &mut findings).await?;
        referrals(at, &living, searcher.reached(), &mut findings).await?;
    }
    findings.truncate(MOST);
    Ok(findings)
}

/// The resources that exist at a position of the log, with the position of their current version.
async fn living(at: &Tenancy, end: Seq) -> Result<HashMap<ResourceKey, Seq>> {
    let mut living = HashMap::new();
    each_row(at, end, |rows| {
        for row in rows {
            match row.body {
                Some(_) => _ = living.insert(row.key, row.seq),
                None => _ = living.remove(&row.key),
            }
        }
    })
    .await?;
    Ok(living)
}

async fn each_row(at: &Tenancy, end: Seq, mut visit: impl FnMut(Vec<VersionRow>)) -> Result<()> {
    let mut after = Seq(0);
    while after < end {
        let mut rows = at.store.log(at.tenant, after, PIECE).await?;
        rows.retain(|row| row.seq <= end);
        after = rows.last().map_or(end, |row| row.seq);
        visit(rows);
    }
    Ok(())
}

/// Every living resource has exactly one document, at its current version, and nothing else has one.
fn index(searcher: &Searcher, living: &HashMap<ResourceKey, Seq>, findings: &mut Vec<String>) -> Result<()> {
    let mut missing: HashMap<(ResourceType, Seq), &ResourceKey> =
        living.iter().map(|(key, seq)| ((key.kind, *seq), key)).collect();
    let mut documents = 0;
    for kind in ResourceType::all() {
        for hit in searcher.all(kind)? {
            documents += 1;
            let right = missing.remove(&(kind, hit.seq)).is_some_and(|key| key.hash64() == hit.key);
            if !right {
                findings.push(format!("index: a {kind} at {} is not a current version", hit.seq));
            }
        }
    }
    findings.extend(missing.values().map(|key| format!("index: {key} is missing")));
    let own = searcher.count() - searcher.parts()?;
    if documents != own {
        findings.push(format!("index: {own} documents, {documents} of them of known types"));
    }
    Ok(())
}

/// The identifiers' table holds what the current bodies say.
async fn identifiers(
    at: &Tenancy,
    living: &HashMap<ResourceKey, Seq>,
    end: Seq,
    findings: &mut Vec<String>,
) -> Result<()> {
    let mut after = Seq(0);
    while after < end && findings.len() < MOST {
        let mut rows = at.store.log(at.tenant, after, PIECE).await?;
        after = rows.last().map_or(end, |row| row.seq);
        rows.retain(|row| living.get(&row.key) == Some(&row.seq));
        let keys: Vec<ResourceKey> = rows.iter().map(|row| row.key.clone()).collect();
        let found = at.store.identifiers_of(at.tenant, &keys).await?;
        let mut expected = Vec::new();
        for row in &rows {
            of_row(row, &mut expected)?;
        }
        expected.sort_unstable();
        expected.dedup();
        let told = |identifier: &&Identifier| identifier.key.to_string();
        findings.extend(
            found
                .iter()
                .filter(|i| expected.binary_search(i).is_err())
                .map(|i| format!("identifiers {}: one that the resource does not have", told(&i))),
        );
        findings.extend(
            expected
                .iter()
                .filter(|i| found.binary_search(i).is_err())
                .map(|i| format!("identifiers {}: one of the resource's is missing", told(&i))),
        );
    }
    Ok(())
}

/// The referrals say what the current bodies say, if they are kept.
async fn referrals(
    at: &Tenancy,
    living: &HashMap<ResourceKey, Seq>,
    end: Seq,
    findings: &mut Vec<String>,
) -> Result<()> {
    let is_kept = at.store.referrals_reached(at.tenant).await? >= end;
    let mut after = if is_kept { Seq(0) } else { end };
    while after < end && findings.len() < MOST {
        let mut rows = at.store.log(at.tenant, after, PIECE).await?;
        after = rows.last().map_or(end, |row| row.seq);
        rows.retain(|row| living.get(&row.key) == Some(&row.seq));
        let keys: Vec<ResourceKey> = rows.iter().map(|row| row.key.clone()).collect();
        let found = at.store.referrals_of(at.tenant, &keys).await?;
        let mut expected = Vec::new();
        for row in &rows {
            let source = || row.key.clone();
            expected.extend(references(row, &at.base)?.into_iter().map(|target| Referral { target, source: source() }));
        }
        expected.sort_unstable();
        let wrong = found.iter().filter(|referral| expected.binary_search(referral).is_err());
        findings.extend(wrong.map(|r| format!("referrals {}: one to {} that it does not have", r.source, r.target)));
        let missing = expected.iter().filter(|referral| found.binary_search(referral).is_err());
        findings.extend(missing.map(|r| format!("referrals {}: the one to {} is missing", r.source, r.target)));
    }
    Ok(())
}

fn of_row(row: &VersionRow, expected: &mut Vec<Identifier>) -> Result<()> {
    let at = |fault: Fault| fault.context(format!("versions, position {}", row.seq));
    let Some(bytes) = &row.body else { return Ok(()) };
    let text = body::decode(bytes, row.version, row.updated).map_err(at)?;
    let resource = json::parse_stored(&text).map_err(at)?;
    for (system, value) in resource::identifiers(&resource) {
        expected.push(Identifier { key: row.key.clone(), hash: identifier_hash(system, value) });
    }
    Ok(())
}
