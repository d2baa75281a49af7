//! The documents of many terms: a beginning, a part, or a list of thousands of terms.

use std::sync::Arc;

use memchr::memmem::Finder;
use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, InvertedIndexReader, Score, SegmentReader, TERMINATED, TantivyError};

use super::codec::prefix_end;

/// Which terms of a field.
#[derive(Debug, Clone)]
pub enum Select {
    /// Those that begin with one of these; sorted, none is the beginning of another.
    Prefixes(Arc<[Vec<u8>]>),
    /// Those that begin with the bytes and contain one of the others after them.
    Contains(Arc<[u8]>, Arc<[Box<[u8]>]>),
    /// Those that begin with the bytes and whose rest, a text, passes.
    Passing(Arc<[u8]>, Passes),
    /// Those that begin with the bytes and whose rest, whatever it is, passes.
    Rest(Arc<[u8]>, Rest),
    /// These, sorted and without duplicates.
    List(Arc<[Vec<u8>]>),
}

/// A condition on the bytes of a term.
#[derive(Clone)]
pub struct Rest(pub Arc<RestTest>);

/// Whether the bytes after the beginning of a term pass.
pub type RestTest = dyn Fn(&[u8]) -> bool + Send + Sync;

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest")
    }
}

/// A condition on the text of a term.
#[derive(Clone)]
pub struct Passes(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Passes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passes")
    }
}

/// The documents that have one of the selected terms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The field.
    pub field: Field,
    /// The terms.
    pub select: Select,
}

impl Terms {
    /// A list of terms.
    pub fn list(field: Field, mut terms: Vec<Vec<u8>>) -> Self {
        terms.sort_unstable();
        terms.dedup();
        Self { field, select: Select::List(terms.into()) }
    }

    /// What begins with one of these.
    pub fn prefixes(field: Field, mut prefixes: Vec<Vec<u8>>) -> Self {
        prefixes.sort_unstable();
        prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter));
        Self { field, select: Select::Prefixes(prefixes.into()) }
    }
}

impl Query for Terms {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Terms {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let inverted = reader.inverted_index(self.field)?;
        let mut union = Union::new(reader.max_doc());
        self.visit(&inverted, &mut union)?;
        Ok(union.scorer(boost))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explain(self, reader, doc)
    }
}

impl Terms {
    fn visit(&self, inverted: &InvertedIndexReader, union: &mut Union) -> tantivy::Result<()> {
        match &self.select {
            Select::List(terms) => {
                for term in terms.iter() {
                    let info = inverted.terms().get(term)?;
                    info.map_or(Ok(()), |info| union.add(inverted, &info))?;
                }
            }
            Select::Prefixes(prefixes) => {
                for prefix in prefixes.iter() {
                    scan(inverted, prefix, &|_| true, union)?;
                }
            }
            Select::Contains(prefix, parts) => {
                let finders: Vec<Finder<'_>> = parts.iter().map(|part| Finder::new(part.as_ref())).collect();
                let contains = |rest: &[u8]| finders.iter().any(|part| part.find(rest).is_some());
                scan(inverted, prefix, &contains, union)?;
            }
            Select::Rest(prefix, rest) => scan(inverted, prefix, &*rest.0, union)?,
            Select::Passing(prefix, passes) => {
                let text = |rest: &[u8]| std::str::from_utf8(rest).is_ok_and(|text| passes.0(text));
                scan(inverted, prefix, &text, union)?;
            }
        }
        Ok(())
    }
}

/// Adds the documents of the terms that begin with `prefix` and whose rest passes.
fn scan(
    inverted: &InvertedIndexReader,
    prefix: &[u8],
    passes: &dyn Fn(&[u8]) -> bool,
    union: &mut Union,
) -> tantivy::Result<()> {
    let mut range = inverted.terms().range().ge(prefix);
    if let Some(end) = prefix_end(prefix) {
        range = range.lt(end);
    }
    let mut stream = range.into_stream()?;
    while stream.advance() {
        let rest = stream.key().get(prefix.len()..).unwrap_or_default();
        if passes(rest) {
            union.add(inverted, stream.value())?;
        }
    }
    Ok(())
}

/// Calls `visit` with each text of a field that begins with `prefix` (without it) and what finds its documents.
pub fn each_text(
    inverted: &InvertedIndexReader,
    prefix: &[u8],
    visit: &mut dyn FnMut(&str, &tantivy::postings::TermInfo) -> tantivy::Result<()>,
) -> tantivy::Result<()> {
    let mut range = inverted.terms().range().ge(prefix);
    if let Some(end) = prefix_end(prefix) {
        range = range.lt(end);
    }
    let mut stream = range.into_stream()?;
    while stream.advance() {
        let rest = stream.key().get(prefix.len()..).unwrap_or_default();
        if let Ok(text) = std::str::from_utf8(rest) {
            visit(text, stream.value())?;
        }
    }
    Ok(())
}

/// The answer of every own [`Weight`] to `explain`: whether the document is among its matches.
pub fn explain(weight: &dyn Weight, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
    let mut scorer = weight.scorer(reader, 1.0)?;
    if scorer.doc() <= doc && scorer.seek(doc) == doc {
        return Ok(Explanation::new("match", 1.0));
    }
    Err(TantivyError::InvalidArgument(format!("document {doc} does not match")))
}

/// The union of postings: a sorted list while it is small, then a set of bits.
struct Union {
    max_doc: u32,
    few: Vec<DocId>,
    many: Option<BitSet>,
}

impl Union {
    fn new(max_doc: u32) -> Self {
        Self { max_doc, few: Vec::new(), many: None }
    }

    fn add(&mut self, inverted: &InvertedIndexReader, info: &tantivy::postings::TermInfo) -> tantivy::Result<()> {
        let mut postings = inverted.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        if self.many.is_none() && self.few.len() + info.doc_freq as usize > self.max_doc as usize / 32 {
            let mut bits = BitSet::with_max_value(self.max_doc);
            for doc in self.few.drain(..) {
                bits.insert(doc);
            }
            self.many = Some(bits);
        }
        while !postings.docs().is_empty() {
            match &mut self.many {
                Some(bits) => {
                    for doc in postings.docs() {
                        bits.insert(*doc);
                    }
                }
                None => self.few.extend_from_slice(postings.docs()),
            }
            postings.advance();
        }
        Ok(())
    }

    fn scorer(mut self, boost: Score) -> Box<dyn Scorer> {
        if let Some(bits) = self.many {
            return Box::new(ConstScorer::new(BitSetDocSet::from(bits), boost));
        }
        self.few.sort_unstable();
        self.few.dedup();
        if self.few.is_empty() {
            return Box::new(EmptyScorer);
        }
        Box::new(ConstScorer::new(Sorted::new(self.few), boost))
    }
}

/// A sorted list of documents.
pub struct Sorted {
    docs: Vec<DocId>,
    at: usize,
}

impl Sorted {
    /// Of documents in ascending order.
    pub fn new(docs: Vec<DocId>) -> Self {
        Self { docs, at: 0 }
    }
}

impl DocSet for Sorted {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        let rest = self.docs.get(self.at..).unwrap_or_default();
        self.at += rest.partition_point(|doc| *doc < target);
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.docs.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        self.docs.len() as u32
    }
}
