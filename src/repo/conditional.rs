//! Conditions: searches that say which resource is meant (`If-None-Exist`, conditional update, patch, delete and
//! references; FHIR R4 `http.html`, 3.1.0.4.3, 3.1.0.6, 3.1.0.7.1, 3.1.0.8.1 and 3.1.0.11.2).
//!
//! A condition on one identifier with its system is answered from the identifiers' own table, which changes in
//! the same commit as the resource. Any other condition is searched in the index at a position of the
//! log. Either way the answer comes with the assumption that the Writer has to check.

use std::collections::HashMap;
use std::sync::Arc;

use super::face::{Handling, Stored};
use super::meaning::Meaning;
use super::params;
use super::plan::{Assumption, identifier_hash};
use super::read;
use super::resolver::Resolver;
use super::search;
use super::tenancy::Tenancy;
use super::worker::blocking;
use crate::base::fault::{Fault, Result};
use crate::fhir::json;
use crate::fhir::resource;
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::query::{Clause, ContainedMode, Query};

/// Matches read at a time.
const PIECE: usize = 200;

/// A condition, as written: `Patient` and `identifier=urn:x|1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    pub(super) kind: ResourceType,
    /// The search parameters, percent-encoded, without `?`.
    pub(super) text: String,
}

impl Condition {
    /// The condition of some search parameters, with or without `?`.
    pub(super) fn new(kind: ResourceType, text: &str) -> Self {
        Self { kind, text: text.trim_start_matches('?').to_owned() }
    }

    /// The condition of a reference such as `Patient?identifier=urn:x|1`; `None` for any other text.
    pub(super) fn of_reference(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('?')?;
        Some(Self { kind: ResourceType::find(kind)?, text: rest.to_owned() })
    }

    /// The parameters, decoded, without those that say how to answer: some clients send them along.
    pub(super) fn params(&self) -> Vec<(String, String)> {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = self.text.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(n, v)| (decode(n), decode(v)))
            .filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"))
            .collect()
    }

    /// System and value, if the condition is one identifier with a system and nothing else.
    pub(super) fn identifier(&self) -> Option<(String, String)> {
        let params = self.params();
        let [(name, value)] = params.as_slice() else { return None };
        let (system, code) = value.split_once('|')?;
        let plain = !value.contains([',', '\\']) && !system.is_empty() && !code.is_empty() && !code.contains('|');
        (name == "identifier" && plain).then(|| (system.to_owned(), code.to_owned()))
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}?{}", self.kind, self.text)
    }
}

/// What a condition found: at most as many matches as were asked for.
#[derive(Debug, Clone)]
pub(super) struct Resolution {
    pub(super) matches: Vec<Stored>,
    pub(super) assumptions: Vec<Assumption>,
    /// The parsed query, to try it on resources of the same transaction; `None` for an identifier.
    pub(super) query: Option<Arc<Query>>,
}

/// Looks conditions up, each with the most matches that matter: at least two, which are as good as many where one is
/// meant. Identifiers take one statement together: a transaction of ten resources has five of them or more.
///
/// # Errors
/// 400 for a condition that is not a search, or an empty one.
pub(super) async fn resolve<'a>(
    at: &Arc<Tenancy>,
    conditions: impl Iterator<Item = (&'a Condition, usize)>,
) -> Result<HashMap<Condition, Resolution>> {
    let (mut found, mut named) = (HashMap::new(), Vec::new());
    for (condition, most) in conditions {
        match condition.identifier() {
            Some((system, value)) => named.push(Named { condition, system, value, most }),
            None => {
                found.insert(condition.clone(), by_search(at, condition, most).await?);
            }
        }
    }
    if named.is_empty() {
        return Ok(found);
    }
    let mut hashes: Vec<_> = named.iter().map(Named::hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let mut holders: HashMap<_, Vec<ResourceId>> = HashMap::new();
    for (kind, hash, id) in at.store.identified(at.tenant, &hashes).await? {
        holders.entry((kind, hash)).or_default().push(id);
    }
    for named in named {
        let holders = holders.get(&named.hash()).cloned().unwrap_or_default();
        found.insert(named.condition.clone(), named.among(at, holders).await?);
    }
    Ok(found)
}

/// A condition that names one identifier.
struct Named<'a> {
    condition: &'a Condition,
    system: String,
    value: String,
    most: usize,
}

impl Named<'_> {
    fn hash(&self) -> (ResourceType, i64) {
        (self.condition.kind, identifier_hash(Some(&self.system), &self.value))
    }

    /// The matches among the resources that have an identifier of this hash, sorted by id.
    async fn among(&self, at: &Tenancy, holders: Vec<ResourceId>) -> Result<Resolution> {
        let (kind, hash) = self.hash();
        let mut matches = Vec::new();
        for id in &holders {
            let Ok(stored) = read::read(at, &ResourceKey::new(kind, id.clone())).await else { continue };
            // The table knows a hash only: look at the identifier itself.
            if has_identifier(&stored, &self.system, &self.value)? {
                matches.push(slim(stored, self.most));
            }
            if matches.len() == self.most {
                break;
            }
        }
        Ok(Resolution { matches, assumptions: vec![Assumption::Identified { kind, hash, holders }], query: None })
    }
}

/// Without its body where many may be found: they are only deleted.
fn slim(stored: Stored, most: usize) -> Stored {
    if most > 2 { Stored { body: None, ..stored } } else { stored }
}

fn has_identifier(stored: &Stored, system: &str, value: &str) -> Result<bool> {
    let Some(body) = &stored.body else { return Ok(false) };
    let resource = json::parse_stored(body)?;
    Ok(resource::identifiers(&resource).into_iter().any(|(s, v)| s == Some(system) && v == value))
}

async fn by_search(at: &Arc<Tenancy>, condition: &Condition, most: usize) -> Result<Resolution> {
    let params = condition.params();
    let searcher = search::fresh(at).await?;
    let query = search::parsed(at, &at.params.set(), condition.kind, &params, Handling::Strict, at.clock.now())?;
    let query = Meaning.resolve(at, query).await?;
    if query.contained != ContainedMode::default() {
        return Err(Fault::unsupported(format!("the condition \"{condition}\": _contained is not supported here")));
    }
    if query.clauses.is_empty() {
        return Err(Fault::invalid(format!("the condition \"{condition}\" selects nothing in particular")));
    }
    // What is not found might be there all the same.
    if let Some(issue) = query.added.iter().find_map(|param| search::unfinished(param, searcher.coverage())) {
        return Err(Fault::unavailable(format!(
            "the condition \"{condition}\" cannot be decided: {}",
            issue.diagnostics
        )));
    }
    let since = searcher.reached();
    let query = Arc::new(query);
    let (hits, running, bounds) = (searcher, query.clone(), at.clone());
    let hits = blocking(move || hits.search(&running, 0, most, &bounds.limits)).await?;
    let seqs: Vec<_> = hits.hits.iter().map(|hit| hit.seq).collect();
    let mut matches = Vec::with_capacity(seqs.len());
    for piece in seqs.chunks(PIECE) {
        for row in at.store.by_seqs(at.tenant, piece).await? {
            matches.push(slim(read::stored(row)?, most));
        }
    }
    let mut kinds = vec![condition.kind];
    if !query.added.is_empty() {
        kinds.push(*params::KIND);
    }
    query.clauses.iter().for_each(|clause| kinds_of(clause, &mut kinds));
    kinds.sort_unstable();
    kinds.dedup();
    let assumptions = kinds.into_iter().map(|kind| Assumption::Unchanged { kind, since }).collect();
    Ok(Resolution { matches, assumptions, query: Some(query) })
}

/// The types whose resources decide about a clause, beside the type searched.
fn kinds_of(clause: &Clause, kinds: &mut Vec<ResourceType>) {
    match clause {
        Clause::Chain { targets, .. } => {
            for (kind, inner) in targets {
                kinds.push(*kind);
                kinds_of(inner, kinds);
            }
        }
        Clause::Hierarchy { roots, .. } => kinds.extend(roots.iter().map(|root| root.kind)),
        Clause::Has { source, clause, .. } => {
            kinds.push(*source);
            kinds_of(clause, kinds);
        }
        Clause::All(clauses) | Clause::Any(clauses) => clauses.iter().for_each(|clause| kinds_of(clause, kinds)),
        Clause::Complement(clause) | Clause::Element { clause, .. } => kinds_of(clause, kinds),
        Clause::Param { .. }
        | Clause::Not { .. }
        | Clause::Missing { .. }
        | Clause::Id(_)
        | Clause::LastUpdated(_)
        | Clause::Words { .. }
        | Clause::Working
        | Clause::Compartment(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Condition {
        Condition::of_reference(text).expect(text)
    }

    #[test]
    fn tells_an_identifier_from_other_conditions() {
        assert_eq!(of("Patient?identifier=urn:x|1").identifier(), Some(("urn:x".into(), "1".into())));
        assert_eq!(of("Patient?identifier=urn%3Ax%7C1%202").identifier(), Some(("urn:x".into(), "1 2".into())));
        assert_eq!(of("Patient?_format=json&identifier=urn:x|1").identifier(), Some(("urn:x".into(), "1".into())));
        for other in [
            "identifier=1",
            "identifier=|1",
            "identifier=urn:x|",
            "identifier=a|1,b|2",
            "name=x",
            "",
            "identifier=a|1&name=x",
        ] {
            assert_eq!(of(&format!("Patient?{other}")).identifier(), None, "{other}");
        }
        assert_eq!(Condition::of_reference("Nothing?a=b"), None);
        assert_eq!(Condition::of_reference("Patient/1"), None);
    }
}
