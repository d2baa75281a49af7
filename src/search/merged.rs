//! Text columns of several types as one column: a document has a value in one of them only, but the order goes
//! through all.

use std::collections::BinaryHeap;

use tantivy::columnar::StrColumn;
use tantivy::{DocId, SegmentReader};

use super::index::codec::ColumnName;
use super::index::columns::texts;
use super::index::error::failed;
use crate::base::fault::{Category, Fault, Result};

/// Most different texts (of one segment) that an order over several types goes through; 8 bytes of memory each.
const TEXTS_MAX: usize = 4_000_000;

/// Columns of text on one segment with one order.
pub struct Texts {
    columns: Vec<StrColumn>,
    merged: Option<Merged>,
}

/// The terms of several columns in one order. Equal terms of two columns have one rank.
struct Merged {
    /// By column and ordinal: the rank.
    ranks: Vec<Vec<u32>>,
    /// By rank: the column and the ordinal.
    places: Vec<(u16, u32)>,
}

impl Texts {
    /// The columns with these names that the segment has.
    ///
    /// # Errors
    /// 400 `too-costly` for too many texts in several columns; 500 when the index cannot be read.
    pub fn open(reader: &SegmentReader, names: impl Iterator<Item = ColumnName>) -> Result<Self> {
        let opened: tantivy::Result<Vec<Option<StrColumn>>> = names.map(|name| texts(reader, name)).collect();
        let columns: Vec<StrColumn> = opened.map_err(failed("open a sort column"))?.into_iter().flatten().collect();
        let merged = if columns.len() > 1 { Some(Merged::of(&columns)?) } else { None };
        Ok(Self { columns, merged })
    }

    /// The ranks of a document's texts.
    pub fn ranks(&self, doc: DocId) -> impl Iterator<Item = u64> {
        self.columns.iter().enumerate().flat_map(move |(at, column)| {
            column.term_ords(doc).map(move |ordinal| match &self.merged {
                Some(merged) => merged.ranks[at][ordinal as usize].into(),
                None => ordinal,
            })
        })
    }

    /// The text of a rank.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn text(&self, rank: u64) -> Result<Box<str>> {
        let place = match &self.merged {
            Some(merged) => {
                merged.places.get(rank as usize).map(|(at, ordinal)| (usize::from(*at), u64::from(*ordinal)))
            }
            None => Some((0, rank)),
        };
        let missing = || Fault::internal("search index: a sort text has no place");
        let (at, ordinal) = place.ok_or_else(missing)?;
        let column = self.columns.get(at).ok_or_else(missing)?;
        let mut text = String::new();
        let found = column.ord_to_str(ordinal, &mut text);
        found.map_err(|error| Fault::internal(format!("search index: read a sort text: {error}")))?;
        Ok(text.into_boxed_str())
    }
}

impl Merged {
    fn of(columns: &[StrColumn]) -> Result<Self> {
        let all: usize = columns.iter().map(|column| column.num_terms()).sum();
        if all > TEXTS_MAX {
            let message = format!("_sort goes through more than {TEXTS_MAX} texts of several types: name fewer types");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        let broken = |error: std::io::Error| Fault::internal(format!("search index: read the sort texts: {error}"));
        let mut merged = Self { ranks: vec![Vec::new(); columns.len()], places: Vec::new() };
        let mut streams = Vec::with_capacity(columns.len());
        for column in columns {
            streams.push(column.dictionary().stream().map_err(broken)?);
        }
        let mut heads = BinaryHeap::new();
        for (at, stream) in streams.iter_mut().enumerate() {
            if stream.advance() {
                heads.push(std::cmp::Reverse((stream.key().to_vec(), at)));
            }
        }
        let mut last: Option<Vec<u8>> = None;
        while let Some(std::cmp::Reverse((term, at))) = heads.pop() {
            if last.as_ref() != Some(&term) {
                merged.places.push((at as u16, merged.ranks[at].len() as u32));
            }
            merged.ranks[at].push(merged.places.len() as u32 - 1);
            last = Some(term);
            if streams[at].advance() {
                heads.push(std::cmp::Reverse((streams[at].key().to_vec(), at)));
            }
        }
        Ok(merged)
    }
}
