//! What a search says of its matches beside that they match: how far away they are.

use tantivy::{DocId, SegmentReader};

use super::index::codec::ParamHash;
use super::index::columns::Places;
use super::index::error::failed;
use super::kind::near;
use super::query::{Circle, Clause, Query, Test};
use crate::base::fault::Result;

/// What is said of one match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Note {
    /// The distance from the nearest place that the search asks for, in metres.
    pub metres: Option<u32>,
}

/// What a search asks for that has a more and a less.
#[derive(Debug, Clone, Default)]
pub struct Rank {
    circles: Vec<(ParamHash, Circle)>,
}

impl Rank {
    /// Of the conditions on the searched type itself; those behind chains rank nothing.
    pub fn of(query: &Query) -> Self {
        let mut rank = Self::default();
        for clause in &query.clauses {
            let Clause::Param { param, tests } = clause else { continue };
            for kind in &query.types {
                let of = ParamHash::of(*kind, param.code);
                let circles = tests.iter().filter_map(|test| match test {
                    Test::Near(circle) => Some((of, *circle)),
                    _ => None,
                });
                rank.circles.extend(circles);
            }
        }
        rank
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.circles.is_empty()
    }

    /// Its columns in a segment.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn open(&self, reader: &SegmentReader) -> Result<SegmentRank> {
        let mut places = Vec::new();
        for (param, circle) in &self.circles {
            let found = Places::open(reader, *param).map_err(failed("open the columns of places"))?;
            places.extend(found.map(|found| (*circle, found)));
        }
        Ok(SegmentRank { places })
    }
}

/// [`Rank`] on one segment.
pub struct SegmentRank {
    places: Vec<(Circle, Places)>,
}

impl SegmentRank {
    /// The distance of a document in metres.
    pub fn metres(&self, doc: DocId) -> Option<f64> {
        let places = self.places.iter().flat_map(|(circle, places)| {
            let distances = places.of(doc).map(|at| near::distance(circle, at));
            distances.min_by(f64::total_cmp)
        });
        places.min_by(f64::total_cmp)
    }

    /// What is said of a document.
    pub fn note(&self, doc: DocId) -> Note {
        Note { metres: self.metres(doc).map(|metres| metres.round() as u32) }
    }
}
