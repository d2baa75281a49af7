//! Sets of resource hashes, and the documents that own or refer to one of them: the two sides of a join.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::query::doc_predicate_query::{
    ConstOrVariableSegmentPredicate, DocPredicate, DocPredicateQuery, SegmentDocPredicate,
};
use tantivy::query::{AllScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader};

use super::codec::{ColumnName, ParamHash, Part, Scope};
use super::columns::numbers;
use super::schema::{KEY, key_field, terms_field};
use super::terms::{Terms, explain};

/// The keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Resource hashes ([`crate::fhir::types::ResourceKey::hash64`]).
pub type KeySet = hashbrown::HashSet<u64, BuildHasherDefault<Identity>>;

/// Where the hash stands that must be in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The document's own key, or one of its canonical.
    Own,
    /// A target of this reference parameter.
    Target(ParamHash),
    /// A target of this reference parameter in the same resource.
    Inner(ParamHash),
    /// What a contained resource or an element stands in.
    Container,
}

/// The documents with a hash of the set in a place. Per segment: by postings when the set is small, else by column.
#[derive(Debug, Clone)]
pub struct InKeys {
    /// Where.
    pub place: Place,
    /// The set.
    pub keys: Arc<KeySet>,
}

/// A term lookup costs about as much as this many looks into a column.
const LOOKUP: usize = 16;

impl InKeys {
    fn as_terms(&self) -> Terms {
        match self.place {
            Place::Own => Terms::list(key_field(), self.keys.iter().map(|key| key.to_be_bytes().to_vec()).collect()),
            Place::Target(param) => {
                let scope = Scope::plain(param);
                Terms::list(terms_field(), self.keys.iter().map(|key| scope.target(*key)).collect())
            }
            Place::Inner(param) => {
                let scope = Scope::plain(param);
                Terms::list(terms_field(), self.keys.iter().map(|key| scope.inner(*key)).collect())
            }
            Place::Container => {
                Terms::list(terms_field(), self.keys.iter().map(|key| Scope::container(*key)).collect())
            }
        }
    }

    /// The postings when that is cheaper in a segment of this size.
    fn narrow(&self, reader: &SegmentReader) -> Option<Terms> {
        (self.keys.len() * LOOKUP < reader.max_doc() as usize).then(|| self.as_terms())
    }

    fn wide(&self) -> DocPredicateQuery {
        DocPredicateQuery::from(ByColumn(self.clone()))
    }
}

impl Query for InKeys {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for InKeys {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        match self.narrow(reader) {
            Some(terms) => terms.scorer(reader, boost),
            None => self.wide().scorer(reader, boost),
        }
    }

    fn scorer_danger(
        &self,
        reader: &SegmentReader,
        target: DocId,
        boost: Score,
    ) -> tantivy::Result<(SeekDangerResult, Box<dyn Scorer>)> {
        match self.narrow(reader) {
            Some(terms) => terms.scorer_danger(reader, target, boost),
            None => self.wide().scorer_danger(reader, target, boost),
        }
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explain(self, reader, doc)
    }
}

#[derive(Debug, Clone)]
struct ByColumn(InKeys);

impl DocPredicate for ByColumn {
    type SegmentDocPredicate = SegmentKeys;

    fn doc_predicate(&self, reader: &SegmentReader) -> tantivy::Result<ConstOrVariableSegmentPredicate<SegmentKeys>> {
        let opened: Option<(Targets, Box<dyn DocSet>)> = match self.0.place {
            Place::Own => {
                let column = reader.fast_fields().u64(KEY)?;
                Some((Targets::Own(column), Box::new(AllScorer::new(reader.max_doc()))))
            }
            Place::Container => {
                let column = numbers(reader, ColumnName::CONTAINER)?;
                let all = || -> Box<dyn DocSet> { Box::new(AllScorer::new(reader.max_doc())) };
                column.map(|column| (Targets::Column(column), all()))
            }
            Place::Target(param) | Place::Inner(param) => {
                let inverted = reader.inverted_index(terms_field())?;
                let present = Scope::plain(param).head(super::codec::Form::Present);
                let part = if matches!(self.0.place, Place::Inner(_)) { Part::Inner } else { Part::Target };
                let column = numbers(reader, ColumnName::new(param, None, part))?;
                match (column, inverted.terms().get(&present)?) {
                    (Some(column), Some(info)) => {
                        let postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
                        Some((Targets::Column(column), Box::new(postings)))
                    }
                    _ => None,
                }
            }
        };
        Ok(match opened {
            None => ConstOrVariableSegmentPredicate::Const(false),
            Some((targets, necessary_condition)) => ConstOrVariableSegmentPredicate::Variable {
                predicate: SegmentKeys { targets, keys: self.0.keys.clone() },
                necessary_condition,
            },
        })
    }
}

enum Targets {
    Own(Column<u64>),
    Column(Column<i64>),
}

/// [`InKeys`] on one segment.
struct SegmentKeys {
    targets: Targets,
    keys: Arc<KeySet>,
}

impl SegmentDocPredicate for SegmentKeys {
    fn eval(&mut self, doc: DocId) -> bool {
        match &self.targets {
            Targets::Own(column) => column.values_for_doc(doc).any(|key| self.keys.contains(&key)),
            Targets::Column(column) => column.values_for_doc(doc).any(|key| self.keys.contains(&(key as u64))),
        }
    }

    fn cost(&self) -> u64 {
        10
    }
}
