//! The place of a resource in the order by `_id`, whether it is there or not: what a page goes on from when its snapshot
//! is gone. An id never changes, so what stood before or behind it still does.

use std::ops::Bound;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, Searcher, SegmentReader};

use super::index::codec::ColumnName;
use super::index::columns::texts;
use super::index::error::{failed, failed_io};
use super::index::schema::KEY;
use super::page::each_live;
use crate::base::fault::Result;
use crate::fhir::types::ResourceKey;

/// How many matches stand before `anchor` in the order by `_id`, or `-_id` when `descending`; with `inclusive` also the
/// anchor itself. Equal ids, of several types, stand by their hash in both directions.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn place(
    searcher: &Searcher,
    query: &dyn Query,
    descending: bool,
    anchor: &ResourceKey,
    inclusive: bool,
) -> Result<u64> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).map_err(failed("compile"))?;
    let mut before = 0_u64;
    for reader in searcher.segment_readers() {
        let Some(is_before) = Before::open(reader, descending, anchor, inclusive)? else { continue };
        each_live(weight.as_ref(), reader, |doc| before += u64::from(is_before.holds(doc)))?;
    }
    Ok(before)
}

/// Whether documents of a segment stand before the anchor.
struct Before {
    ids: StrColumn,
    hashes: Column<u64>,
    descending: bool,
    /// The ordinal of the anchor's id.
    exact: Option<u64>,
    /// The first ordinal of an id that is not below the anchor's; `None` when all are.
    next: Option<u64>,
    hash: u64,
    inclusive: bool,
}

impl Before {
    /// `None`: the segment has no ids, hence no documents.
    fn open(reader: &SegmentReader, descending: bool, anchor: &ResourceKey, inclusive: bool) -> Result<Option<Self>> {
        let Some(ids) = texts(reader, ColumnName::ID).map_err(failed("open the column of ids"))? else {
            return Ok(None);
        };
        let hashes = reader.fast_fields().u64(KEY).map_err(failed("open the column of keys"))?;
        let (dictionary, id) = (ids.dictionary(), anchor.id.as_str());
        let exact = dictionary.term_ord(id).map_err(failed_io("look up an id"))?;
        let bounds = dictionary.term_bounds_to_ord(Bound::Included(id), Bound::Unbounded);
        let next = match bounds.map_err(failed_io("look up an id"))?.0 {
            Bound::Included(ordinal) => Some(ordinal),
            Bound::Excluded(_) | Bound::Unbounded => None,
        };
        Ok(Some(Self { ids, hashes, descending, exact, next, hash: anchor.hash64(), inclusive }))
    }

    fn holds(&self, doc: DocId) -> bool {
        let Some(ordinal) = self.ids.term_ords(doc).next() else { return false };
        if self.exact == Some(ordinal) {
            let hash = self.hashes.first(doc).unwrap_or(u64::MAX);
            return hash < self.hash || (self.inclusive && hash == self.hash);
        }
        self.next.is_none_or(|next| ordinal < next) != self.descending
    }
}
