//! A snapshot of the index, and what can be asked of it.

use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;

use tantivy::Term;

use super::codec::{Documents, Form, ParamHash, Scope};
use super::combine::{all_documents, all_of, any};
use super::coverage::Coverage;
use super::includes;
use super::keyset::{InKeys, Place};
use super::labels;
use super::prove;
use super::schema::terms_field;
use crate::base::fault::Result;
use crate::base::id::Seq;
use crate::base::limits::Limits;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::compile::compile;
use crate::search::everything::{self, Subjects};
use crate::search::nested;
use crate::search::page::{count, each, page};
use crate::search::place::place;
use crate::search::query::{ContainedSearch, Query, SortBy, SortKey, Total};
use crate::search::rank::{Note, Rank};

/// A match: a version, by its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The Seq of the version.
    pub seq: Seq,
    /// [`crate::fhir::types::ResourceKey::hash64`] of its resource.
    pub key: u64,
}

/// A page of matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// The number of all matches; `None` under `_total=none`.
    pub total: Option<u64>,
    /// The page, in order.
    pub hits: Vec<Hit>,
    /// What is said of each hit; empty when nothing is.
    pub notes: Vec<Note>,
}

/// What the index is asked.
#[derive(Debug)]
pub struct Compiled(Box<dyn tantivy::query::Query>);

impl Compiled {
    /// As it shows itself.
    pub fn shown(&self) -> impl std::fmt::Display {
        std::fmt::from_fn(|f| write!(f, "{:?}", self.0))
    }
}

/// What `_include` and `_revinclude` add to a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Includes {
    /// Without duplicates, without the matches themselves.
    pub hits: Vec<Hit>,
    /// There was more than `Limits::includes`.
    pub cut: bool,
}

/// A page of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// What the record is of, and the members of its compartment.
    pub matches: Vec<Hit>,
    /// What these refer to.
    pub supports: Vec<Hit>,
    /// How many resources of the first sort there are.
    pub matched: u64,
    /// How many there are in all.
    pub all: u64,
}

/// A snapshot: the log up to [`Searcher::reached`]. Cheap to clone; keeps its files as long as it lives.
#[derive(Clone)]
pub struct Searcher {
    inner: tantivy::Searcher,
    reached: Seq,
    coverage: Arc<Coverage>,
    root: Arc<Path>,
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Searcher").field("reached", &self.reached).finish_non_exhaustive()
    }
}

impl Searcher {
    pub(super) fn new(inner: tantivy::Searcher, reached: Seq, coverage: Arc<Coverage>, root: &Path) -> Self {
        Self { inner, reached, coverage, root: root.into() }
    }

    /// The last Seq that it shows.
    pub fn reached(&self) -> Seq {
        self.reached
    }

    /// Which added parameters it knows.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    pub(super) fn shared_coverage(&self) -> Arc<Coverage> {
        self.coverage.clone()
    }

    /// The matches `offset..offset + limit` of a search, and their number. Without `_sort` they stand in the order
    /// of the log (Seq, ascending); equal ones under `_sort` stand by the hash of their resource.
    ///
    /// # Errors
    /// 400 when a part of the search cannot be done or is too costly; 500 when the index cannot be read.
    pub fn search(&self, query: &Query, offset: usize, limit: usize, limits: &Limits) -> Result<Hits> {
        self.run(query, &self.compile(query, limits)?, offset, limit)
    }

    /// The first step of [`Searcher::search`]: what the index is asked. Chains and `_has` are searched on the way.
    ///
    /// # Errors
    /// As there.
    pub fn compile(&self, query: &Query, limits: &Limits) -> Result<Compiled> {
        compile(&self.inner, query, limits).map(Compiled)
    }

    /// The second step of [`Searcher::search`]; `compiled` is of this snapshot and query.
    ///
    /// # Errors
    /// As there.
    pub fn run(&self, query: &Query, compiled: &Compiled, offset: usize, limit: usize) -> Result<Hits> {
        let Compiled(compiled) = compiled;
        if limit == 0 || query.count_only {
            let total = count(&self.inner, compiled.as_ref())?;
            return Ok(Hits { total: Some(total), ..Hits::default() });
        }
        let rank = Rank::of(query, &self.inner)?;
        let page = page(&self.inner, compiled.as_ref(), &documents(query), (&query.sort, &rank), (offset, limit))?;
        let total = (query.total != Total::None).then_some(page.total);
        Ok(Hits { total, hits: hits(page.rows), notes: page.notes })
    }

    /// How many matches of a search stand before a resource, whether it is there or not; with `inclusive` also the
    /// resource itself. `None` unless the order is that of `_id` alone: by any other, resources move.
    ///
    /// # Errors
    /// As [`Searcher::search`].
    pub fn place(&self, query: &Query, anchor: &ResourceKey, inclusive: bool, limits: &Limits) -> Result<Option<u64>> {
        let [SortKey { by: SortBy::Id, descending }] = query.sort[..] else { return Ok(None) };
        let compiled = compile(&self.inner, query, limits)?;
        place(&self.inner, compiled.as_ref(), descending, anchor, inclusive).map(Some)
    }

    /// What the includes of a search add to a page of its matches.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn includes(&self, query: &Query, matches: &[Hit], limits: &Limits) -> Result<Includes> {
        if query.includes.is_empty() || matches.is_empty() {
            return Ok(Includes::default());
        }
        let start: Vec<u64> = matches.iter().map(|hit| hit.key).collect();
        let (rows, cut) = includes::walk(&self.inner, &query.includes, &start, limits)?;
        Ok(Includes { hits: hits(rows), cut })
    }

    /// The resources `offset..offset + limit` of the record that `$everything` asks for.
    ///
    /// # Errors
    /// 400 `too-costly` for a record of too many resources; 500 when the index cannot be read.
    pub fn everything(
        &self,
        query: &Query,
        subjects: &Subjects,
        (offset, limit): (usize, usize),
        limits: &Limits,
    ) -> Result<Record> {
        let Some(asked) = &query.everything else { return Ok(Record::default()) };
        let part = everything::part(&self.inner, query, asked, subjects, (offset, limit), limits)?;
        let (matched, all) = (part.matched, part.all);
        Ok(Record { matches: hits(part.matches), supports: hits(part.supports), matched, all })
    }

    /// The current versions of resources, by their hashes; those that do not exist are left out. In the
    /// order of the log.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn lookup(&self, keys: &[u64]) -> Result<Vec<Hit>> {
        let query = InKeys { place: Place::Own, keys: Arc::new(keys.iter().copied().collect()) };
        let mut rows = Vec::new();
        each(&self.inner, &query, &mut |row| rows.push(row))?;
        rows.sort_unstable();
        Ok(hits(rows))
    }

    /// The positions of all matches of a search, in the order of the log; 8 bytes each.
    ///
    /// # Errors
    /// As [`Searcher::search`].
    pub fn positions(&self, query: &Query, limits: &Limits) -> Result<Vec<Seq>> {
        let Compiled(compiled) = self.compile(query, limits)?;
        let mut found = Vec::new();
        each(&self.inner, compiled.as_ref(), &mut |(seq, _)| found.push(Seq(seq)))?;
        found.sort_unstable();
        Ok(found)
    }

    /// Every live document of a type, in the order of the log; 16 bytes each.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn all(&self, kind: ResourceType) -> Result<Vec<Hit>> {
        let mut rows = Vec::new();
        each(&self.inner, all_of(kind).as_ref(), &mut |row| rows.push(row))?;
        rows.sort_unstable();
        Ok(hits(rows))
    }

    /// The first `limit` live documents of a type that stand after one position of the log and not after another, in
    /// its order.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn slice(&self, kind: ResourceType, after: Seq, until: Seq, limit: usize) -> Result<Vec<Hit>> {
        let mut first = BinaryHeap::with_capacity(limit + 1);
        each(&self.inner, all_of(kind).as_ref(), &mut |row| {
            let is_before = || first.peek().is_none_or(|last| row < *last);
            if row.0 > after.0 && row.0 <= until.0 && (first.len() < limit || is_before()) {
                first.push(row);
                if first.len() > limit {
                    first.pop();
                }
            }
        })?;
        Ok(hits(first.into_sorted_vec()))
    }

    /// Resources that together have every profile, tag and security label of some types; `None` where there are more than
    /// `most` of these.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn exemplars(&self, kinds: &[ResourceType], most: usize) -> Result<Option<Vec<Hit>>> {
        Ok(labels::exemplars(&self.inner, kinds, most)?.map(hits))
    }

    /// The number of documents of a type, about: those that were replaced lately may count as well.
    pub fn count_of(&self, kind: ResourceType) -> u64 {
        let head = Scope::plain(ParamHash::kind(kind)).head(Form::Kind);
        self.inner.doc_freq(&Term::from_field_bytes(terms_field(), &head)).unwrap_or_default()
    }

    /// The number of live documents, with those of contained resources and of elements.
    pub fn count(&self) -> u64 {
        self.inner.num_docs()
    }

    /// The number of documents that are parts of resources: contained ones, and elements.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn parts(&self) -> Result<u64> {
        let mut all = Vec::new();
        for kind in ResourceType::all() {
            all.push(all_documents(Documents::contained(kind)));
            all.extend(nested::of(kind).map(|of| all_documents(Documents::elements(kind, of.name))));
        }
        count(&self.inner, any(all).as_ref())
    }

    /// The number of segments.
    pub fn segments(&self) -> usize {
        self.inner.segment_readers().len()
    }

    /// Bytes of the folder.
    pub fn disk_bytes(&self) -> u64 {
        prove::disk_bytes(&self.root)
    }
}

/// What a search answers with, as far as the order goes.
fn documents(query: &Query) -> Vec<Documents> {
    let plain = query.types.iter().map(|kind| Documents::of(*kind));
    let contained = query.types.iter().filter(|_| query.contained.is_alone).map(|kind| Documents::contained(*kind));
    match query.contained.search {
        ContainedSearch::None => plain.collect(),
        ContainedSearch::Only => contained.collect(),
        ContainedSearch::Both => plain.chain(contained).collect(),
    }
}

fn hits(rows: Vec<(i64, u64)>) -> Vec<Hit> {
    rows.into_iter().map(|(seq, key)| Hit { seq: Seq(seq), key }).collect()
}
