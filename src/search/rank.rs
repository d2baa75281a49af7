//! What a search says of its matches beside that they match: how far away they are, how well they fit.
//!
//! The score of words is BM25 over the whole index, brought to 0..1 as `s / (1 + s)`; that of `:fuzzy` is the likeness
//! of the words. Of several conditions it is the mean.

use std::cell::RefCell;

use hashbrown::HashMap;
use tantivy::query::{BooleanQuery, EnableScoring, Query as _, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, Searcher, SegmentReader};

use super::compile_words::{field, word};
use super::index::codec::{Form, ParamHash, Scope};
use super::index::columns::Places;
use super::index::error::failed;
use super::index::schema::terms_field;
use super::index::terms::each_text;
use super::kind::fuzzy::Fuzzy;
use super::kind::near;
use super::query::{Circle, Clause, Query, StringTest, Test};
use crate::base::fault::Result;

/// What is said of one match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Note {
    /// The distance from the nearest place that the search asks for, in metres.
    pub metres: Option<u32>,
    /// How well it fits, in millionths: a million is best.
    pub score: Option<u32>,
    /// The code of `match-grade`, of `Patient/$match`.
    pub grade: Option<&'static str>,
}

/// What a search asks for that has a more and a less.
#[derive(Default)]
pub struct Rank {
    circles: Vec<(ParamHash, Circle)>,
    words: Vec<Box<dyn Weight>>,
    fuzzy: Vec<(Scope, Vec<Fuzzy>)>,
}

/// Whether a condition has a score.
pub fn has_score(clause: &Clause) -> bool {
    match clause {
        Clause::Words { .. } => true,
        Clause::Param { tests, .. } => tests.iter().any(|test| matches!(test, Test::String(StringTest::Fuzzy(_)))),
        _ => false,
    }
}

impl Rank {
    /// Of the conditions on the searched types themselves; those behind chains rank nothing.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn of(query: &Query, searcher: &Searcher) -> Result<Self> {
        let mut rank = Self::default();
        for clause in &query.clauses {
            match clause {
                Clause::Words { place, tests } => {
                    let mut wanted = Vec::new();
                    tests.iter().for_each(|test| test.wanted(&mut wanted));
                    let of = |text: &&str| word(field(*place), text, IndexRecordOption::WithFreqs);
                    let scored = BooleanQuery::union(wanted.iter().map(of).collect());
                    let scoring = EnableScoring::enabled_from_searcher(searcher);
                    rank.words.push(scored.weight(scoring).map_err(failed("rank"))?);
                }
                Clause::Param { param, tests } => {
                    query.types.iter().for_each(|kind| rank.param(ParamHash::of(*kind, param.id), tests));
                }
                _ => {}
            }
        }
        Ok(rank)
    }

    fn param(&mut self, of: ParamHash, tests: &[Test]) {
        let mut fuzzy = Vec::new();
        for test in tests {
            match test {
                Test::Near(circle) => self.circles.push((of, *circle)),
                Test::String(StringTest::Fuzzy(test)) => fuzzy.push(test.clone()),
                _ => {}
            }
        }
        if !fuzzy.is_empty() {
            self.fuzzy.push((Scope::plain(of), fuzzy));
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.circles.is_empty() && self.words.is_empty() && self.fuzzy.is_empty()
    }

    /// It in a segment.
    ///
    /// # Errors
    /// 500 when the index cannot be read.
    pub fn open(&self, reader: &SegmentReader) -> Result<SegmentRank> {
        let mut places = Vec::new();
        for (param, circle) in &self.circles {
            let found = Places::open(reader, *param).map_err(failed("open the columns of places"))?;
            places.extend(found.map(|found| (*circle, found)));
        }
        let words = self.words.iter().map(|weight| weight.scorer(reader, 1.0));
        let words = words.collect::<tantivy::Result<_>>().map_err(failed("rank words"))?;
        let mut likeness: HashMap<DocId, (f32, u32)> = HashMap::new();
        for (scope, tests) in &self.fuzzy {
            add_likeness(reader, scope, tests, &mut likeness).map_err(failed("rank names"))?;
        }
        Ok(SegmentRank { places, words: RefCell::new(words), likeness })
    }
}

/// Adds the greatest likeness of each document's values, and one to its count.
fn add_likeness(
    reader: &SegmentReader,
    scope: &Scope,
    tests: &[Fuzzy],
    sums: &mut HashMap<DocId, (f32, u32)>,
) -> tantivy::Result<()> {
    let inverted = reader.inverted_index(terms_field())?;
    let mut best: HashMap<DocId, f32> = HashMap::new();
    each_text(&inverted, &scope.head(Form::Folded), &mut |text, info| {
        let found = tests.iter().filter_map(|test| test.likeness(text)).max_by(f32::total_cmp);
        let Some(likeness) = found else { return Ok(()) };
        let mut postings = inverted.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        while !postings.docs().is_empty() {
            for doc in postings.docs() {
                let most = best.entry(*doc).or_default();
                *most = most.max(likeness);
            }
            postings.advance();
        }
        Ok(())
    })?;
    for (doc, likeness) in best {
        let sum = sums.entry(doc).or_default();
        *sum = (sum.0 + likeness, sum.1 + 1);
    }
    Ok(())
}

/// [`Rank`] on one segment.
pub struct SegmentRank {
    places: Vec<(Circle, Places)>,
    words: RefCell<Vec<Box<dyn Scorer>>>,
    likeness: HashMap<DocId, (f32, u32)>,
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

    /// How well a document fits, in millionths. Documents are asked for in ascending order.
    pub fn score(&self, doc: DocId) -> Option<u32> {
        let (mut sum, mut count) = self.likeness.get(&doc).copied().unwrap_or_default();
        for scorer in self.words.borrow_mut().iter_mut() {
            let is_here = scorer.doc() == doc || (scorer.doc() < doc && scorer.seek(doc) == doc);
            let score = if is_here { scorer.score() } else { 0.0 };
            sum += score / (1.0 + score);
            count += 1;
        }
        (count > 0).then(|| (f64::from(sum) / f64::from(count) * 1e6).round() as u32)
    }

    /// What is said of a document. Documents are asked for in ascending order.
    pub fn note(&self, doc: DocId) -> Note {
        Note { metres: self.metres(doc).map(|metres| metres.round() as u32), score: self.score(doc), grade: None }
    }
}
