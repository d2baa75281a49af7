//! Semi-joins: what a chain or `_has` carries from one search to the next (FHIR R4 `search.html`, 3.1.1.4.13).
//!
//! tantivy has no joins. The inner search yields a set of resource hashes, the outer one takes the documents
//! that own or refer to one of them (`index/keyset`).

use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, Searcher, SegmentReader};

use super::index::codec::{ColumnName, Part};
use super::index::columns::numbers;
use super::index::error::failed;
use super::index::keyset::{KeySet, Place};
use super::index::schema::KEY;
use super::page::each_live;
use crate::base::fault::{Category, Fault, Result};

/// The hashes in a place of all documents that match.
///
/// # Errors
/// 400 `too-costly` when there are more than `bound`.
pub fn collect(searcher: &Searcher, query: &dyn Query, place: Place, bound: usize) -> Result<KeySet> {
    collect_all(searcher, query, &[place], bound)
}

/// The hashes in several places of all documents that match, in one pass.
///
/// # Errors
/// 400 `too-costly` when there are more than `bound`.
pub fn collect_all(searcher: &Searcher, query: &dyn Query, places: &[Place], bound: usize) -> Result<KeySet> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let weight = query.weight(scoring).map_err(failed("join"))?;
    let mut keys = KeySet::default();
    for reader in searcher.segment_readers() {
        let mut opened = None;
        each_live(weight.as_ref(), reader, |doc| {
            let columns = opened.get_or_insert_with(|| Hashes::open_all(reader, places));
            // One too many is enough to know; what comes after it is not kept.
            if keys.len() <= bound {
                columns.iter().flatten().for_each(|column| column.add(doc, &mut keys));
            }
        })?;
        opened.transpose()?;
    }
    check(&keys, bound)?;
    Ok(keys)
}

/// Refuses a set that is too large.
///
/// # Errors
/// 400 `too-costly`.
pub fn check(keys: &KeySet, bound: usize) -> Result<()> {
    if keys.len() > bound {
        let message = format!("a chain or _has passes more than {bound} resources on: narrow it");
        return Err(Fault::coded(Category::Invalid, "too-costly", message));
    }
    Ok(())
}

enum Hashes {
    Own(Column<u64>),
    Targets(Column<i64>),
}

impl Hashes {
    /// Those of the places that the segment has.
    fn open_all(reader: &SegmentReader, places: &[Place]) -> Result<Vec<Self>> {
        let columns = places.iter().filter_map(|place| Self::open(reader, *place).transpose());
        columns.collect::<tantivy::Result<_>>().map_err(failed("open a join column"))
    }

    fn open(reader: &SegmentReader, place: Place) -> tantivy::Result<Option<Self>> {
        Ok(match place {
            Place::Own => Some(Self::Own(reader.fast_fields().u64(KEY)?)),
            Place::Target(param) => numbers(reader, ColumnName::new(param, None, Part::Target))?.map(Self::Targets),
            Place::Inner(param) => numbers(reader, ColumnName::new(param, None, Part::Inner))?.map(Self::Targets),
            Place::Container => numbers(reader, ColumnName::CONTAINER)?.map(Self::Targets),
        })
    }

    fn add(&self, doc: DocId, keys: &mut KeySet) {
        match self {
            Self::Own(column) => keys.extend(column.values_for_doc(doc)),
            Self::Targets(column) => keys.extend(column.values_for_doc(doc).map(|key| key as u64)),
        }
    }
}
