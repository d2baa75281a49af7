//! One page of the matches of a compiled query, in a total order, and their number, in one pass.
//!
//! Without `_sort` the order is that of the log: by Seq, ascending. With `_sort`, equal resources stand in the
//! order of their hash, which does not depend on when they were written. Per segment the best are kept by
//! numbers (texts by their ordinal in the segment's dictionary); the texts of those are compared in the end.

use smallvec::SmallVec;
use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocId, Searcher, SegmentReader};

use super::index::codec::{ColumnName, Documents, ParamHash, Part};
use super::index::columns::numbers;
use super::index::error::failed;
use super::index::schema::{KEY, SEQ, UPDATED};
use super::merged::Texts;
use super::query::{SortBy, SortKey};
use super::rank::{Note, Rank, SegmentRank};
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::params::ParamKind;

/// The number of matches and one page of them: pairs of Seq and resource hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The number of all matches.
    pub total: u64,
    /// The page.
    pub rows: Vec<(i64, u64)>,
    /// What is said of each row; empty when nothing is.
    pub notes: Vec<Note>,
}

/// The number of matches, from the lengths of posting lists where that is all there is to know.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn count(searcher: &Searcher, query: &dyn Query) -> Result<u64> {
    query.count(searcher).map(|count| count as u64).map_err(failed("count"))
}

/// Calls `visit` with the Seq and the hash of every match, in no order.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn each(searcher: &Searcher, query: &dyn Query, visit: &mut dyn FnMut((i64, u64))) -> Result<()> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).map_err(failed("compile"))?;
    for reader in searcher.segment_readers() {
        let mut opened = None;
        each_live(weight.as_ref(), reader, |doc| {
            let identities = opened.get_or_insert_with(|| Identities::open(reader));
            identities.as_ref().ok().and_then(|identities| identities.of(doc)).into_iter().for_each(&mut *visit);
        })?;
        opened.transpose()?;
    }
    Ok(())
}

/// The matches `offset..offset + limit`.
///
/// # Errors
/// 400 for a sort that cannot be done; 500 when the index cannot be read.
pub fn page(
    searcher: &Searcher,
    query: &dyn Query,
    of: &[Documents],
    (sort, rank): (&[SortKey], &Rank),
    (offset, limit): (usize, usize),
) -> Result<Page> {
    let keep = offset.saturating_add(limit);
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).map_err(failed("compile"))?;
    let mut total = 0;
    let mut found = Vec::new();
    for (segment, reader) in searcher.segment_readers().iter().enumerate() {
        let mut best = Best { keep, entries: Vec::new(), worst: None };
        let mut opened = None;
        each_live(weight.as_ref(), reader, |doc| {
            total += 1;
            if let Ok(sorter) = opened.get_or_insert_with(|| Sorter::open(reader, of, sort, rank)) {
                best.offer(doc, sorter);
            }
        })?;
        let Some(sorter) = opened.transpose()? else { continue };
        best.prune();
        for entry in best.entries {
            found.push((sorter.finish(&entry)?, entry.tie, segment, entry.doc));
        }
    }
    found.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let page: Vec<(usize, DocId)> = found.into_iter().skip(offset).take(limit).map(|row| (row.2, row.3)).collect();
    let rows = identities(searcher, &page)?;
    let notes = if rank.is_empty() { Vec::new() } else { notes(searcher, rank, &page)? };
    Ok(Page { total, rows, notes })
}

/// What is said of some documents (pairs of segment and number), in their order.
fn notes(searcher: &Searcher, rank: &Rank, page: &[(usize, DocId)]) -> Result<Vec<Note>> {
    let mut order: Vec<usize> = (0..page.len()).collect();
    order.sort_unstable_by_key(|at| page[*at]);
    let mut notes = vec![Note::default(); page.len()];
    for of_segment in order.chunk_by(|a, b| page[*a].0 == page[*b].0) {
        let Some(first) = of_segment.first() else { continue };
        let opened = rank.open(searcher.segment_reader(page[*first].0 as u32))?;
        for at in of_segment {
            notes[*at] = opened.note(page[*at].1);
        }
    }
    Ok(notes)
}

/// The Seqs and the resource hashes of some documents (pairs of segment and number), in their order.
fn identities(searcher: &Searcher, page: &[(usize, DocId)]) -> Result<Vec<(i64, u64)>> {
    let mut opened: Vec<Option<Identities>> = Vec::new();
    opened.resize_with(searcher.segment_readers().len(), || None);
    let lost = || Fault::internal("search index: a document has no Seq or key");
    let mut rows = Vec::with_capacity(page.len());
    for (segment, doc) in page {
        let place = opened.get_mut(*segment).ok_or_else(lost)?;
        let of_segment = match place {
            Some(of_segment) => of_segment,
            None => place.insert(Identities::open(searcher.segment_reader(*segment as u32))?),
        };
        rows.push(of_segment.of(*doc).ok_or_else(lost)?);
    }
    Ok(rows)
}

/// The Seqs and the resource hashes of a segment's documents.
struct Identities {
    seqs: Column<i64>,
    keys: Column<u64>,
}

impl Identities {
    fn open(reader: &SegmentReader) -> Result<Self> {
        let seqs = reader.fast_fields().i64(SEQ).map_err(failed("open the column of Seqs"))?;
        let keys = reader.fast_fields().u64(KEY).map_err(failed("open the column of keys"))?;
        Ok(Self { seqs, keys })
    }

    fn of(&self, doc: DocId) -> Option<(i64, u64)> {
        self.seqs.first(doc).zip(self.keys.first(doc))
    }
}

/// Calls `visit` with every match in a segment, in order. Columns are best opened at the first one: a segment without
/// matches, as most are for one patient, then costs the look-up of its terms alone.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn each_live(weight: &dyn Weight, reader: &SegmentReader, mut visit: impl FnMut(DocId)) -> Result<()> {
    let alive = reader.alive_bitset();
    let mut take = |docs: &[DocId]| {
        let docs = docs.iter().filter(|doc| alive.is_none_or(|alive| alive.is_alive(**doc)));
        docs.for_each(|doc| visit(*doc));
    };
    weight.for_each_no_score(reader, &mut take).map_err(failed("search"))
}

/// A match with its place in the order within its segment.
struct Entry {
    ranks: SmallVec<[u64; 2]>,
    tie: u64,
    doc: DocId,
}

impl Entry {
    fn order(&self) -> (&[u64], u64) {
        (&self.ranks, self.tie)
    }
}

/// The best `keep` matches of a segment.
struct Best {
    keep: usize,
    entries: Vec<Entry>,
    worst: Option<(SmallVec<[u64; 2]>, u64)>,
}

impl Best {
    fn offer(&mut self, doc: DocId, sorter: &Sorter) {
        let first = sorter.keys.first().map(|key| key.rank(doc));
        if let (Some((worst, _)), Some(first)) = (&self.worst, first)
            && worst.first().is_some_and(|worst| first > *worst)
        {
            return;
        }
        let rest = sorter.keys.iter().skip(1).map(|key| key.rank(doc));
        let entry = Entry { ranks: first.into_iter().chain(rest).collect(), tie: sorter.tie(doc), doc };
        let better = self.worst.as_ref().is_none_or(|(ranks, tie)| entry.order() < (ranks.as_slice(), *tie));
        if better && self.keep > 0 {
            self.entries.push(entry);
            if self.entries.len() >= self.keep.saturating_mul(2).max(256) {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        if self.keep == 0 || self.entries.len() <= self.keep {
            return;
        }
        self.entries.select_nth_unstable_by(self.keep - 1, |a, b| a.order().cmp(&b.order()));
        self.entries.truncate(self.keep);
        self.worst = self.entries.last().map(|entry| (entry.ranks.clone(), entry.tie));
    }
}

/// The sort keys on one segment.
struct Sorter {
    keys: Vec<Key>,
    tie: Tie,
}

enum Tie {
    Seq(Column<i64>),
    Hash(Column<u64>),
}

struct Key {
    descending: bool,
    by: By,
}

enum By {
    Numbers(Vec<Numbers>),
    Text(Texts),
    Distance(SegmentRank),
    Score(SegmentRank),
}

/// Where a document's number to sort by stands.
enum Numbers {
    Plain(Column<i64>),
    Span(Column<i64>, Column<i64>),
    Quantity { canonical: Column<i64>, unit: Column<i64>, written: Column<i64> },
}

/// A key across segments; missing values are last in both directions.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Final {
    Rank(u64),
    Up(Box<str>),
    Down(std::cmp::Reverse<Box<str>>),
    Missing,
}

const MISSING: u64 = u64::MAX;

impl Sorter {
    fn open(reader: &SegmentReader, of: &[Documents], sort: &[SortKey], rank: &Rank) -> Result<Self> {
        let keys = sort.iter().map(|key| Key::open(reader, of, key, rank)).collect::<Result<_>>()?;
        let fields = reader.fast_fields();
        let tie = if sort.is_empty() {
            Tie::Seq(fields.i64(SEQ).map_err(failed("open the column of Seqs"))?)
        } else {
            Tie::Hash(fields.u64(KEY).map_err(failed("open the column of keys"))?)
        };
        Ok(Self { keys, tie })
    }

    fn tie(&self, doc: DocId) -> u64 {
        match &self.tie {
            Tie::Seq(column) => column.first(doc).map_or(MISSING, |seq| seq as u64),
            Tie::Hash(column) => column.first(doc).unwrap_or(MISSING),
        }
    }

    fn finish(&self, entry: &Entry) -> Result<SmallVec<[Final; 2]>> {
        self.keys.iter().zip(&entry.ranks).map(|(key, rank)| key.finish(*rank)).collect()
    }
}

impl Key {
    fn open(reader: &SegmentReader, of: &[Documents], key: &SortKey, rank: &Rank) -> Result<Self> {
        let descending = key.descending;
        let failed = failed("open a sort column");
        let by = match &key.by {
            SortBy::Id => By::Text(Texts::open(reader, std::iter::once(ColumnName::ID))?),
            SortBy::LastUpdated => {
                let column = reader.fast_fields().i64(UPDATED).map_err(failed)?;
                By::Numbers(vec![Numbers::Plain(column)])
            }
            SortBy::Near => By::Distance(rank.open(reader)?),
            SortBy::Score => By::Score(rank.open(reader)?),
            SortBy::Param(param) => match param.kind {
                ParamKind::Date | ParamKind::Number | ParamKind::Quantity => {
                    let open = |of: &Documents| Numbers::open(reader, of.param(param.id), param.kind);
                    let all: tantivy::Result<Vec<Option<Numbers>>> = of.iter().map(open).collect();
                    By::Numbers(all.map_err(failed)?.into_iter().flatten().collect())
                }
                ParamKind::String | ParamKind::Token | ParamKind::Reference | ParamKind::Uri => {
                    let name = |of: &Documents| ColumnName::new(of.param(param.id), None, Part::Sort);
                    By::Text(Texts::open(reader, of.iter().map(name))?)
                }
                ParamKind::Composite | ParamKind::Special => return Err(unsortable(&param.code, "of this type")),
            },
        };
        Ok(Self { descending, by })
    }

    /// Smaller is earlier; [`MISSING`] is last.
    fn rank(&self, doc: DocId) -> u64 {
        match &self.by {
            By::Numbers(columns) => {
                let ranks = columns.iter().filter_map(|numbers| numbers.value(doc, self.descending));
                let best = if self.descending { ranks.max() } else { ranks.min() };
                best.map_or(MISSING, |value| self.direct((value as u64) ^ (1 << 63)))
            }
            By::Score(rank) => rank.score(doc).map_or(MISSING, |score| self.direct(1_000_000 - u64::from(score))),
            By::Distance(rank) => rank.metres(doc).map_or(MISSING, |metres| self.direct((metres * 1000.0) as u64)),
            By::Text(texts) => {
                let ordinals = texts.ranks(doc);
                let best = if self.descending { ordinals.max() } else { ordinals.min() };
                best.map_or(MISSING, |ordinal| self.direct(ordinal))
            }
        }
    }

    /// Turns the order when descending, and back; never [`MISSING`].
    fn direct(&self, rank: u64) -> u64 {
        let rank = rank.min(MISSING - 1);
        if self.descending { MISSING - 1 - rank } else { rank }
    }

    fn finish(&self, rank: u64) -> Result<Final> {
        if rank == MISSING {
            return Ok(Final::Missing);
        }
        let By::Text(texts) = &self.by else { return Ok(Final::Rank(rank)) };
        let text = texts.text(self.direct(rank))?;
        Ok(if self.descending { Final::Down(std::cmp::Reverse(text)) } else { Final::Up(text) })
    }
}

impl Numbers {
    fn open(reader: &SegmentReader, param: ParamHash, kind: ParamKind) -> tantivy::Result<Option<Self>> {
        let column = |part| numbers(reader, ColumnName::new(param, None, part));
        Ok(match kind {
            ParamKind::Date => column(Part::Start)?.zip(column(Part::Length)?).map(|(a, b)| Self::Span(a, b)),
            ParamKind::Number => column(Part::Number)?.zip(column(Part::Width)?).map(|(a, b)| Self::Span(a, b)),
            _ => {
                let pair = column(Part::CanonicalLow)?.zip(column(Part::CanonicalUnit)?);
                let all = pair.zip(column(Part::Low)?);
                all.map(|((canonical, unit), written)| Self::Quantity { canonical, unit, written })
            }
        })
    }

    /// The smallest value, or the largest (of spans: the latest end).
    fn value(&self, doc: DocId, largest: bool) -> Option<i64> {
        let (Self::Plain(index) | Self::Span(index, _) | Self::Quantity { written: index, .. }) = self;
        let values = index.index.value_row_ids(doc).map(|row| match self {
            Self::Plain(column) => column.values.get_val(row),
            Self::Span(start, length) if largest => start.values.get_val(row).wrapping_add(length.values.get_val(row)),
            Self::Span(start, _) => start.values.get_val(row),
            Self::Quantity { canonical, unit, written } => {
                let known = unit.values.get_val(row) != 0;
                if known { canonical.values.get_val(row) } else { written.values.get_val(row) }
            }
        });
        if largest { values.max() } else { values.min() }
    }
}

fn unsortable(code: &str, why: &str) -> Fault {
    Fault::unsupported(format!("_sort by \"{code}\" {why} is not supported"))
}
