//! A large code system that answers from its index.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;

use tantivy::collector::Count;
use tantivy::query::{AllQuery, BooleanQuery, EnableScoring, Occur, Query as Compiled};
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocAddress, DocSet, Index, IndexReader, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, Term};

use super::schema::{self, ANCESTORS, CODE, FLAGS, FOLDED, PARENTS, PLACE, PLACE_COLUMN};
use super::select::{self, codes, either, nothing, number, others, wrong};
use super::{about, convert, implied};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes;
use crate::fhir::json::Json;
use crate::fhir::terminology::{About, CodeSystem, Concept, Filter, Op, Query};
use crate::search::index::error::failed;

const SNOMED: &str = "http://snomed.info/sct";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

/// Blocks of stored concepts that are kept after they were read.
const CACHE_BLOCKS: usize = 32;

/// A code system in a folder that [`super::build`] has made.
pub struct ConceptIndex {
    about: About,
    reader: IndexReader,
}

impl std::fmt::Debug for ConceptIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConceptIndex").field("system", &self.about.canonical()).finish_non_exhaustive()
    }
}

/// A concept that was found: how well it fits, its place, and where it is stored.
type Found = (f32, u64, DocAddress);

impl ConceptIndex {
    /// Opens the index; `about` is the CodeSystem resource without concepts.
    ///
    /// # Errors
    /// 500 when one of them cannot be read.
    pub fn open(folder: &Path, about: &str) -> Result<Self> {
        let about = about::about(about)?;
        let index = Index::open_in_dir(folder).map_err(failed("open concepts"))?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(CACHE_BLOCKS)
            .try_into()
            .map_err(failed("open the reader of concepts"))?;
        Ok(Self { about, reader })
    }

    fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Where the concept with a code is.
    fn address(&self, searcher: &Searcher, code: &str) -> Result<Option<DocAddress>> {
        let term = match self.about.case_sensitive {
            true => Term::from_field_text(CODE, code),
            false => Term::from_field_text(FOLDED, &code.to_lowercase()),
        };
        for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
            let inverted = segment.inverted_index(term.field()).map_err(failed("open codes"))?;
            let postings = inverted.read_postings(&term, IndexRecordOption::Basic);
            let postings = postings.map_err(|error| failed("read codes")(error.into()))?;
            if let Some(doc) = postings.map(|postings| postings.doc()).filter(|doc| *doc != TERMINATED) {
                return Ok(Some(DocAddress::new(ordinal as u32, doc)));
            }
        }
        Ok(None)
    }

    fn place(searcher: &Searcher, at: DocAddress) -> Result<u64> {
        let segment = searcher.segment_reader(at.segment_ord);
        let column = segment.fast_fields().u64(PLACE_COLUMN).map_err(failed("open places"))?;
        column.first(at.doc_id).ok_or_else(|| Fault::internal("search index: a concept has no place"))
    }

    fn read(searcher: &Searcher, at: DocAddress) -> Result<codes::Concept> {
        let document: TantivyDocument = searcher.doc(at).map_err(failed("read a concept"))?;
        let stored = document.get_first(schema::STORED_FORM).and_then(|value| value.as_bytes());
        codes::Concept::decode(&mut stored.unwrap_or_default())
    }

    fn stored(&self, searcher: &Searcher, code: &str) -> Result<Option<codes::Concept>> {
        self.address(searcher, code)?.map(|at| Self::read(searcher, at)).transpose()
    }

    /// The concepts of a query, those that fit best first, and of these by place.
    fn found(&self, searcher: &Searcher, query: &dyn Compiled, is_ranked: bool) -> Result<Vec<Found>> {
        let scoring = match is_ranked {
            true => EnableScoring::enabled_from_searcher(searcher),
            false => EnableScoring::disabled_from_searcher(searcher),
        };
        let weight = query.weight(scoring).map_err(failed("search concepts"))?;
        let mut found = Vec::new();
        for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
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

    fn codes_of(&self, searcher: &Searcher, query: &dyn Compiled) -> Result<Vec<Box<str>>> {
        let found = self.found(searcher, query, false)?;
        found.into_iter().map(|(_, _, at)| Ok(Self::read(searcher, at)?.code)).collect()
    }

    /// The place of the concept with a code, if there is one.
    fn place_of(&self, searcher: &Searcher, code: &str) -> Result<Option<u64>> {
        self.address(searcher, code)?.map(|at| Self::place(searcher, at)).transpose()
    }

    /// All codes above a code, and itself.
    fn above(&self, searcher: &Searcher, code: &str) -> Result<Vec<Box<str>>> {
        let mut found: Vec<Box<str>> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        let mut left: Vec<Box<str>> = vec![code.into()];
        while let Some(code) = left.pop() {
            let Some(concept) = self.stored(searcher, &code)? else { continue };
            if seen.insert(concept.code.clone()) {
                left.extend(concept.parents);
                found.push(concept.code);
            }
        }
        Ok(found)
    }

    /// What a filter on the concepts themselves asks.
    fn hierarchical(&self, searcher: &Searcher, filter: &Filter, value: &str) -> Result<Box<dyn Compiled>> {
        let below = |place: Option<u64>, field| place.map_or_else(nothing, |place| number(field, place));
        let place = || self.place_of(searcher, value);
        Ok(match filter.op {
            Op::IsA | Op::IsNotA => {
                let Some(place) = place()? else {
                    return Ok(if filter.op == Op::IsA { nothing() } else { Box::new(AllQuery) });
                };
                let all = either(vec![number(PLACE, place), number(ANCESTORS, place)]);
                if filter.op == Op::IsA { all } else { others(all) }
            }
            Op::DescendentOf => below(place()?, ANCESTORS),
            Op::ChildOf => below(place()?, PARENTS),
            Op::DescendentLeaf => {
                let leaf = number(FLAGS, schema::LEAF);
                Box::new(BooleanQuery::intersection(vec![below(place()?, ANCESTORS), leaf]))
            }
            Op::Generalizes => {
                let above = self.above(searcher, value)?;
                codes(above.iter().map(|code| &**code))
            }
            Op::In if &*self.about.url == SNOMED => {
                let members = select::listed(filter)?.into_iter().map(|set| schema::property("memberOf", set));
                Box::new(crate::search::index::terms::Terms::list(schema::PROPERTIES, members.collect()))
            }
            Op::Equals => codes(std::iter::once(value)),
            Op::In => codes(select::listed(filter)?.into_iter()),
            Op::NotIn => others(codes(select::listed(filter)?.into_iter())),
            Op::Regex => select::matching(CODE, Vec::new(), filter)?,
            Op::Exists => match value {
                "true" => Box::new(AllQuery),
                "false" => nothing(),
                _ => return Err(wrong(filter, "the value is true or false")),
            },
        })
    }

    /// `parent`, `child`, `ancestor` and `descendant` as properties: the codes on the other side.
    fn related(&self, searcher: &Searcher, filter: &Filter) -> Result<Box<dyn Compiled>> {
        let values = match filter.op {
            Op::Equals => vec![&*filter.value],
            Op::In => select::listed(filter)?,
            Op::Exists => return self.exists(filter),
            _ => return Err(wrong(filter, "the operator does not apply to the property")),
        };
        let mut ways = Vec::with_capacity(values.len());
        for value in values {
            let place = self.place_of(searcher, value)?;
            ways.push(match (&*filter.property, place) {
                ("parent", Some(place)) => number(PARENTS, place),
                ("ancestor", Some(place)) => number(ANCESTORS, place),
                ("child", Some(_)) => {
                    let parents = self.stored(searcher, value)?.map(|concept| concept.parents).unwrap_or_default();
                    codes(parents.iter().map(|code| &**code))
                }
                (_, Some(_)) => {
                    let above = self.above(searcher, value)?;
                    codes(above.iter().map(|code| &**code).filter(|code| *code != value))
                }
                (_, None) => nothing(),
            });
        }
        Ok(either(ways))
    }

    /// Whether there is something above or below.
    fn exists(&self, filter: &Filter) -> Result<Box<dyn Compiled>> {
        let wanted = match &*filter.value {
            "true" => true,
            "false" => false,
            _ => return Err(wrong(filter, "the value is true or false")),
        };
        let (has, query) = match &*filter.property {
            "child" | "descendant" => (false, number(FLAGS, schema::LEAF)),
            _ => {
                let any = crate::search::index::terms::Terms::prefixes(PARENTS, vec![Vec::new()]);
                (true, Box::new(any) as Box<dyn Compiled>)
            }
        };
        Ok(if has == wanted { query } else { others(query) })
    }

    fn filter(&self, searcher: &Searcher, filter: &Filter) -> Result<Box<dyn Compiled>> {
        let flag = |flag: u64| {
            let is = number(FLAGS, flag);
            match (filter.op, &*filter.value) {
                (Op::Equals, "true") => Ok(is),
                (Op::Equals, "false") => Ok(others(is)),
                _ => Err(wrong(filter, "it is true or false")),
            }
        };
        match &*filter.property {
            "concept" | "code" => self.hierarchical(searcher, filter, &filter.value),
            "parent" | "ancestor" | "child" | "descendant" => self.related(searcher, filter),
            "inactive" => flag(schema::INACTIVE),
            "notSelectable" | "abstract" => flag(schema::ABSTRACT),
            _ if &*self.about.url == RXNORM => {
                // `CUI:123` and `TUI:T109` name the column of the value
                let value = filter.value.split_once(':').map_or(&*filter.value, |(_, value)| value);
                select::property(&Filter { value: value.into(), ..filter.clone() })
            }
            _ => select::property(filter),
        }
    }

    fn compile(&self, searcher: &Searcher, query: &Query<'_>) -> Result<Box<dyn Compiled>> {
        let mut parts: Vec<(Occur, Box<dyn Compiled>)> = Vec::new();
        for filter in query.filters {
            parts.push((Occur::Must, self.filter(searcher, filter)?));
        }
        if let Some(text) = query.text {
            parts.push((Occur::Must, select::typed(searcher, text)?));
        }
        if parts.is_empty() {
            parts.push((Occur::Must, Box::new(AllQuery)));
        }
        if query.active_only {
            parts.push((Occur::MustNot, number(FLAGS, schema::INACTIVE)));
        }
        if query.selectable_only {
            parts.push((Occur::MustNot, number(FLAGS, schema::ABSTRACT)));
        }
        Ok(Box::new(BooleanQuery::new(parts)))
    }
}

impl CodeSystem for ConceptIndex {
    fn about(&self) -> &About {
        &self.about
    }

    fn find(&self, code: &str) -> Result<Option<Cow<'_, Concept>>> {
        let found = self.stored(&self.searcher(), code)?;
        Ok(found.map(|concept| Cow::Owned(convert::concept(concept))))
    }

    fn check(&self, filter: &Filter) -> Result<()> {
        let searcher = self.searcher();
        // What can be compiled has the right form; whether there is such a property is another matter.
        self.filter(&searcher, filter)?;
        let own = [
            "concept",
            "code",
            "display",
            "parent",
            "child",
            "ancestor",
            "descendant",
            "inactive",
            "notSelectable",
            "abstract",
        ];
        let is_known = own.contains(&&*filter.property)
            || self.about.property(&filter.property).is_some()
            || select::has_prefix(&searcher, schema::PROPERTIES, &schema::property_head(&filter.property))?;
        if is_known { Ok(()) } else { Err(wrong(filter, "the code system has no such property")) }
    }

    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool> {
        let searcher = self.searcher();
        let Some(place) = self.place_of(&searcher, code)? else { return Ok(false) };
        let mut parts = vec![number(PLACE, place)];
        for filter in filters {
            parts.push(self.filter(&searcher, filter)?);
        }
        let query = BooleanQuery::intersection(parts);
        Ok(searcher.search(&query, &Count).map_err(failed("search concepts"))? > 0)
    }

    fn select(&self, query: &Query<'_>, visit: &mut dyn FnMut(Cow<'_, Concept>) -> ControlFlow<()>) -> Result<()> {
        let searcher = self.searcher();
        let compiled = self.compile(&searcher, query)?;
        let is_ranked = query.text.is_some();
        for (_, _, at) in self.found(&searcher, compiled.as_ref(), is_ranked)?.into_iter().skip(query.skip) {
            let concept = convert::concept(Self::read(&searcher, at)?);
            if visit(Cow::Owned(concept)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, query: &Query<'_>) -> Result<Option<u64>> {
        let searcher = self.searcher();
        let compiled = self.compile(&searcher, query)?;
        let count = searcher.search(compiled.as_ref(), &Count).map_err(failed("count concepts"))?;
        Ok(Some(count as u64))
    }

    fn subsumes(&self, ancestor: &str, descendant: &str) -> Result<bool> {
        let searcher = self.searcher();
        let places = (self.place_of(&searcher, ancestor)?, self.place_of(&searcher, descendant)?);
        let (Some(above), Some(below)) = places else { return Ok(false) };
        let query = BooleanQuery::intersection(vec![number(PLACE, below), number(ANCESTORS, above)]);
        Ok(searcher.search(&query, &Count).map_err(failed("search concepts"))? > 0)
    }

    fn parents(&self, code: &str) -> Result<Vec<Box<str>>> {
        let searcher = self.searcher();
        let Some(concept) = self.stored(&searcher, code)? else { return Ok(Vec::new()) };
        self.codes_of(&searcher, codes(concept.parents.iter().map(|code| &**code)).as_ref())
    }

    fn children(&self, code: &str) -> Result<Vec<Box<str>>> {
        let searcher = self.searcher();
        let Some(place) = self.place_of(&searcher, code)? else { return Ok(Vec::new()) };
        self.codes_of(&searcher, number(PARENTS, place).as_ref())
    }

    fn implicit_value_set(&self, url: &str) -> Result<Option<Json>> {
        implied::value_set(&self.about, url)
    }
}
