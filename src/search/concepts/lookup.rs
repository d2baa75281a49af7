//! Finding concepts in the index of a code system: by code, by query, and up the hierarchy.

use tantivy::query::{EnableScoring, Query};
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, TantivyDocument, Term};

use super::schema::{self, CODE, FOLDED, PLACE_COLUMN};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes;
use crate::search::index::error::failed;

/// A concept that was found: how well it fits, its place, and where it is stored.
pub type Found = (f32, u64, DocAddress);

/// An index at one moment.
#[derive(Clone, Copy)]
pub struct Lookup<'s> {
    /// The index.
    pub searcher: &'s Searcher,
    /// Whether the case of codes matters.
    pub case_sensitive: bool,
}

impl Lookup<'_> {
    /// Where the concept with a code is.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn address(&self, code: &str) -> Result<Option<DocAddress>> {
        let term = match self.case_sensitive {
            true => Term::from_field_text(CODE, code),
            false => Term::from_field_text(FOLDED, &code.to_lowercase()),
        };
        for (ordinal, segment) in self.searcher.segment_readers().iter().enumerate() {
            let inverted = segment.inverted_index(term.field()).map_err(failed("open codes"))?;
            let postings = inverted.read_postings(&term, IndexRecordOption::Basic);
            let postings = postings.map_err(|error| failed("read codes")(error.into()))?;
            if let Some(doc) = postings.map(|postings| postings.doc()).filter(|doc| *doc != TERMINATED) {
                return Ok(Some(DocAddress::new(ordinal as u32, doc)));
            }
        }
        Ok(None)
    }

    /// The place of a concept.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn place(&self, at: DocAddress) -> Result<u64> {
        let segment = self.searcher.segment_reader(at.segment_ord);
        let column = segment.fast_fields().u64(PLACE_COLUMN).map_err(failed("open places"))?;
        column.first(at.doc_id).ok_or_else(|| Fault::internal("search index: a concept has no place"))
    }

    /// The concept at an address.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn read(&self, at: DocAddress) -> Result<codes::Concept> {
        let document: TantivyDocument = self.searcher.doc(at).map_err(failed("read a concept"))?;
        let stored = document.get_first(schema::STORED_FORM).and_then(|value| value.as_bytes());
        codes::Concept::decode(&mut stored.unwrap_or_default())
    }

    /// The concept with a code.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn stored(&self, code: &str) -> Result<Option<codes::Concept>> {
        self.address(code)?.map(|at| self.read(at)).transpose()
    }

    /// The concepts of a query, those that fit best first, and of these by place.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn found(&self, query: &dyn Query, is_ranked: bool) -> Result<Vec<Found>> {
        let scoring = match is_ranked {
            true => EnableScoring::enabled_from_searcher(self.searcher),
            false => EnableScoring::disabled_from_searcher(self.searcher),
        };
        let weight = query.weight(scoring).map_err(failed("search concepts"))?;
        let mut found = Vec::new();
        for (ordinal, segment) in self.searcher.segment_readers().iter().enumerate() {
            let places = segment.fast_fields().u64(PLACE_COLUMN).map_err(failed("open places"))?;
            let mut scorer = weight.scorer(segment, 1.0).map_err(failed("search concepts"))?;
            let mut doc = scorer.doc();
            while doc != TERMINATED {
                let score = if is_ranked { scorer.score() } else { 0.0 };
                let place = places.first(doc).unwrap_or(u64::MAX);
                found.push((score, place, DocAddress::new(ordinal as u32, doc)));
                doc = scorer.advance();
            }
        }
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(found)
    }

    /// The codes of a query's concepts, by place.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn codes_of(&self, query: &dyn Query) -> Result<Vec<Box<str>>> {
        let found = self.found(query, false)?;
        found.into_iter().map(|(_, _, at)| Ok(self.read(at)?.code)).collect()
    }

    /// The place of the concept with a code, if there is one.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn place_of(&self, code: &str) -> Result<Option<u64>> {
        self.address(code)?.map(|at| self.place(at)).transpose()
    }

    /// All codes above a code, and itself.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn above(&self, code: &str) -> Result<Vec<Box<str>>> {
        let mut found: Vec<Box<str>> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        let mut left: Vec<Box<str>> = vec![code.into()];
        while let Some(code) = left.pop() {
            let Some(concept) = self.stored(&code)? else { continue };
            if seen.insert(concept.code.clone()) {
                left.extend(concept.parents);
                found.push(concept.code);
            }
        }
        Ok(found)
    }
}
