//! A large code system that answers from its index.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;

use tantivy::collector::Count;
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query as Compiled};
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher};

use super::lookup::Lookup;
use super::schema::{self, ANCESTORS, CODE, FLAGS, PARENTS, PLACE};
use super::select::{self, codes, either, folded_codes, nothing, number, others, wrong};
use super::{about, constraint, convert, implied};
use crate::base::fault::Result;
use crate::fhir::codes::MAP;
use crate::fhir::json::Json;
use crate::fhir::terminology::composed::{self, is_composed};
use crate::fhir::terminology::{About, CodeSystem, Concept, Filter, Op, PropertyKind, Query, ecl};
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

    fn lookup<'s>(&self, searcher: &'s Searcher) -> Lookup<'s> {
        Lookup { searcher, case_sensitive: self.about.case_sensitive }
    }

    /// What a filter on the concepts themselves asks.
    fn hierarchical(&self, searcher: &Searcher, filter: &Filter, value: &str) -> Result<Box<dyn Compiled>> {
        let below = |place: Option<u64>, field| place.map_or_else(nothing, |place| number(field, place));
        let place = || self.lookup(searcher).place_of(value);
        if filter.op.is_of_hierarchy() && !self.about.hierarchy.subsumes() {
            // what is below a concept is none of its kind
            return Ok(match filter.op {
                Op::IsA | Op::Generalizes => below(place()?, PLACE),
                Op::IsNotA => others(below(place()?, PLACE)),
                _ => nothing(),
            });
        }
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
                let above = self.lookup(searcher).above(value)?;
                codes(above.iter().map(|code| &**code))
            }
            Op::In if &*self.about.url == SNOMED => {
                let members = select::listed(filter)?.into_iter().map(|set| schema::property("memberOf", set));
                Box::new(crate::search::index::terms::Terms::list(schema::PROPERTIES, members.collect()))
            }
            Op::Equals => self.named(vec![value]),
            Op::In => self.named(select::listed(filter)?),
            Op::NotIn => others(self.named(select::listed(filter)?)),
            Op::Regex => select::matching(CODE, Vec::new(), filter)?,
            Op::Exists => match value {
                "true" => Box::new(AllQuery),
                "false" => nothing(),
                _ => return Err(wrong(filter, "the value is true or false")),
            },
        })
    }

    /// The concept with a code.
    fn concept(&self, code: &str) -> Result<Option<Concept>> {
        let found = self.lookup(&self.searcher()).stored(code)?;
        Ok(found.map(|concept| convert::concept(concept, self.about.standard_property("status"))))
    }

    /// Concepts with codes that a filter names, compared as the system compares them.
    fn named(&self, named: Vec<&str>) -> Box<dyn Compiled> {
        if self.about.case_sensitive { codes(named.into_iter()) } else { folded_codes(named.into_iter()) }
    }

    /// What a filter asks of a property.
    fn property(&self, filter: &Filter) -> Result<Box<dyn Compiled>> {
        let kind = self.about.property(&filter.property).map_or(PropertyKind::String, |property| property.kind);
        select::property(filter, self.about.folds(kind))
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
            let place = self.lookup(searcher).place_of(value)?;
            ways.push(match (&*filter.property, place) {
                ("parent", Some(place)) => number(PARENTS, place),
                ("ancestor", Some(place)) => number(ANCESTORS, place),
                ("child", Some(_)) => {
                    let parents =
                        self.lookup(searcher).stored(value)?.map(|concept| concept.parents).unwrap_or_default();
                    codes(parents.iter().map(|code| &**code))
                }
                (_, Some(_)) => {
                    let above = self.lookup(searcher).above(value)?;
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
            "constraint" | "expression" if &*self.about.url == SNOMED => match filter.op {
                Op::Equals => constraint::compile(&self.lookup(searcher), &ecl::parse(&filter.value)?),
                _ => Err(wrong(filter, "an expression constraint is asked for with =")),
            },
            // there are no expressions in the index: with them or without, what is selected is the same
            "expressions" if &*self.about.url == SNOMED => match (filter.op, &*filter.value) {
                (Op::Equals, "true" | "false") => Ok(Box::new(AllQuery)),
                _ => Err(wrong(filter, "it is true or false")),
            },
            "concept" | "code" => self.hierarchical(searcher, filter, &filter.value),
            "parent" | "ancestor" | "child" | "descendant" => self.related(searcher, filter),
            "inactive" => flag(schema::INACTIVE),
            "notSelectable" | "abstract" => flag(schema::ABSTRACT),
            _ if &*self.about.url == RXNORM => {
                // `CUI:123` and `TUI:T109` name the column of the value
                let value = filter.value.split_once(':').map_or(&*filter.value, |(_, value)| value);
                self.property(&Filter { value: value.into(), ..filter.clone() })
            }
            _ => self.property(filter),
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
        let found = self.concept(code)?;
        match found {
            None if is_composed(&self.about.url, code) => {
                Ok(composed::find(code, &|code| self.concept(code))?.map(Cow::Owned))
            }
            found => Ok(found.map(Cow::Owned)),
        }
    }

    fn complaint(&self, code: &str) -> Option<String> {
        let has = |code: &str| self.concept(code).is_ok_and(|found| found.is_some());
        is_composed(&self.about.url, code).then(|| composed::complaint(code, &has))
    }

    fn check(&self, filter: &Filter) -> Result<()> {
        let is_constraint = matches!(&*filter.property, "constraint" | "expression");
        if is_constraint && filter.op == Op::Equals && &*self.about.url == SNOMED {
            return ecl::parse(&filter.value).map(drop);
        }
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
            || &*filter.property == "expressions"
            || self.about.property(&filter.property).is_some()
            || select::has_prefix(&searcher, schema::PROPERTIES, &schema::property_head(&filter.property))?;
        if is_known { Ok(()) } else { Err(wrong(filter, "the code system has no such property")) }
    }

    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool> {
        let searcher = self.searcher();
        let Some(place) = self.lookup(&searcher).place_of(code)? else {
            if !is_composed(&self.about.url, code) || self.find(code)?.is_none() {
                return Ok(false);
            }
            let subsumes = |above: &str, below: &str| self.subsumes(above, below);
            return composed::passes(code, filters, &|code, filters| self.passes(code, filters), &subsumes);
        };
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
        for (_, _, at) in self.lookup(&searcher).found(compiled.as_ref(), is_ranked)?.into_iter().skip(query.skip) {
            let status = self.about.standard_property("status");
            let concept = convert::concept(self.lookup(&searcher).read(at)?, status);
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
        if !self.about.hierarchy.subsumes() {
            return Ok(false);
        }
        let searcher = self.searcher();
        let places = (self.lookup(&searcher).place_of(ancestor)?, self.lookup(&searcher).place_of(descendant)?);
        let (Some(above), Some(below)) = places else { return Ok(false) };
        let query = BooleanQuery::intersection(vec![number(PLACE, below), number(ANCESTORS, above)]);
        Ok(searcher.search(&query, &Count).map_err(failed("search concepts"))? > 0)
    }

    fn parents(&self, code: &str) -> Result<Vec<Box<str>>> {
        let searcher = self.searcher();
        let Some(concept) = self.lookup(&searcher).stored(code)? else { return Ok(Vec::new()) };
        self.lookup(&searcher).codes_of(codes(concept.parents.iter().map(|code| &**code)).as_ref())
    }

    fn children(&self, code: &str) -> Result<Vec<Box<str>>> {
        let searcher = self.searcher();
        let Some(place) = self.lookup(&searcher).place_of(code)? else { return Ok(Vec::new()) };
        self.lookup(&searcher).codes_of(number(PARENTS, place).as_ref())
    }

    fn implicit_value_set(&self, url: &str) -> Result<Option<Json>> {
        implied::value_set(&self.about, url)
    }

    fn implicit_concept_map(&self, url: &str, code: &str, is_reverse: bool) -> Result<Option<Json>> {
        let Some(set) = implied::map_of(&self.about, url)? else { return Ok(None) };
        let property = format!("{MAP}{set}");
        let searcher = self.searcher();
        let pairs: Vec<(Box<str>, Box<str>)> = if is_reverse {
            let from = Filter { property: property.into(), op: Op::Equals, value: code.into() };
            let found = self.lookup(&searcher).codes_of(&*self.property(&from)?)?;
            found.into_iter().map(|from| (from, code.into())).collect()
        } else {
            let concept = self.lookup(&searcher).stored(code)?;
            let properties = concept.map(|concept| concept.properties).unwrap_or_default();
            let meant = properties.iter().filter(|one| *one.code == *property);
            meant.map(|one| (code.into(), one.value.text().into())).collect()
        };
        Ok(Some(implied::concept_map(&self.about, url, set, &pairs)))
    }
}
