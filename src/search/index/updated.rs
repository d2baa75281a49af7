//! Conditions on `_lastUpdated`: one instant of millisecond precision per document.

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::query::doc_predicate_query::{
    ConstOrVariableSegmentPredicate, DocPredicate, DocPredicateQuery, SegmentDocPredicate,
};
use tantivy::query::{AllScorer, Query};
use tantivy::{DocId, SegmentReader};

use super::ranges::DateRule;
use super::schema::UPDATED;
use crate::search::query::DateTest;
use crate::search::value::Span;

/// Documents whose `lastUpdated` passes one of the tests.
#[derive(Debug, Clone)]
pub struct Updated(Arc<[DateRule]>);

impl Updated {
    /// As a query.
    pub fn query(tests: &[DateTest]) -> Box<dyn Query> {
        Box::new(DocPredicateQuery::from(Self(DateRule::collapse(tests).into())))
    }
}

impl DocPredicate for Updated {
    type SegmentDocPredicate = SegmentUpdated;

    fn doc_predicate(
        &self,
        reader: &SegmentReader,
    ) -> tantivy::Result<ConstOrVariableSegmentPredicate<SegmentUpdated>> {
        let column = reader.fast_fields().i64(UPDATED)?;
        Ok(ConstOrVariableSegmentPredicate::Variable {
            predicate: SegmentUpdated { column, tests: self.0.clone() },
            necessary_condition: Box::new(AllScorer::new(reader.max_doc())),
        })
    }
}

/// [`Updated`] on one segment.
pub struct SegmentUpdated {
    column: Column<i64>,
    tests: Arc<[DateRule]>,
}

impl SegmentDocPredicate for SegmentUpdated {
    fn eval(&mut self, doc: DocId) -> bool {
        let Some(at) = self.column.first(doc) else { return false };
        let Span { start, end } = Span::millisecond(at);
        self.tests.iter().any(|test| test.passes(start, end))
    }

    fn cost(&self) -> u64 {
        10
    }
}
