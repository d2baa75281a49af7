//! From filters and typed words to queries over the index of concepts.

use hashbrown::HashSet;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, EmptyQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::schema::{self, CODE, DISPLAY, FOLDED, OTHERS, PROPERTIES};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::terminology::{Filter, Op};
use crate::search::index::error::failed;
use crate::search::index::terms::{Passes, Select, Terms};
use crate::search::kind::words::words;

/// Most words that are typed.
const WORDS_MAX: usize = 32;

/// Most codes of a filter with a list.
const LIST_MAX: usize = 100_000;

/// Most memory of a compiled regular expression, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// A word of at least so many letters may have a typing error, one of the second number two.
const SLIPS: [usize; 2] = [4, 8];

/// Documents with a number.
pub fn number(field: Field, value: u64) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_u64(field, value), IndexRecordOption::Basic))
}

/// Documents with a text.
pub fn text(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

/// None.
pub fn nothing() -> Box<dyn Query> {
    Box::new(EmptyQuery)
}

/// All but these.
pub fn others(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(vec![(Occur::Must, Box::new(AllQuery)), (Occur::MustNot, query)]))
}

/// Those of one of the queries.
pub fn either(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::union(queries))
}

/// Concepts whose code is one of these.
pub fn codes<'c>(codes: impl Iterator<Item = &'c str>) -> Box<dyn Query> {
    Box::new(Terms::list(CODE, codes.map(|code| code.as_bytes().to_vec()).collect()))
}

/// Concepts whose code is one of these, in any case.
pub fn folded_codes<'c>(codes: impl Iterator<Item = &'c str>) -> Box<dyn Query> {
    Box::new(Terms::list(FOLDED, codes.map(|code| code.to_lowercase().into_bytes()).collect()))
}

/// What a filter asks of a property that is none of the hierarchy; `folds`: its values are compared in any case.
///
/// # Errors
/// 422 when the operator does not apply, or the value is not of its form.
pub fn property(filter: &Filter, folds: bool) -> Result<Box<dyn Query>> {
    let Filter { property, op, value } = filter;
    let all = || Terms::prefixes(PROPERTIES, vec![schema::property_head(property)]);
    Ok(match op {
        Op::Equals => values(property, vec![value], folds),
        Op::In => values(property, listed(filter)?, folds),
        Op::NotIn => others(values(property, listed(filter)?, folds)),
        Op::Regex => matching(PROPERTIES, schema::property_head(property), filter)?,
        Op::Exists => match &**value {
            "true" => Box::new(all()),
            "false" => others(Box::new(all())),
            _ => return Err(wrong(filter, "the value is true or false")),
        },
        Op::IsA | Op::DescendentOf | Op::IsNotA | Op::Generalizes | Op::ChildOf | Op::DescendentLeaf => {
            return Err(wrong(filter, "the operator is one of the hierarchy, which \"concept\" stands for"));
        }
    })
}

/// Concepts with one of these values of a property. In any case: each value of the property is looked at, but for long ones, of which the
/// index has a hash.
fn values(property: &str, values: Vec<&str>, folds: bool) -> Box<dyn Query> {
    let as_written = Terms::list(PROPERTIES, values.iter().map(|value| schema::property(property, value)).collect());
    let wanted: HashSet<String> = values.iter().map(|value| value.to_lowercase()).collect();
    // what has no letters is written in one way
    if !folds || wanted.iter().all(|value| value.to_uppercase() == *value) {
        return Box::new(as_written);
    }
    let passes = Passes(std::sync::Arc::new(move |text| wanted.contains(&text.to_lowercase())));
    let in_any_case =
        Terms { field: PROPERTIES, select: Select::Passing(schema::property_head(property).into(), passes) };
    either(vec![Box::new(as_written), Box::new(in_any_case)])
}

/// The values of a list.
///
/// # Errors
/// 422 for too many.
pub fn listed(filter: &Filter) -> Result<Vec<&str>> {
    let values: Vec<&str> = filter.list().take(LIST_MAX + 1).collect();
    if values.len() > LIST_MAX {
        return Err(wrong(filter, "the list is too long"));
    }
    Ok(values)
}

/// Documents with a term whose rest matches the filter's expression as a whole.
///
/// # Errors
/// 422 for an expression that is none, or too large.
pub fn matching(field: Field, head: Vec<u8>, filter: &Filter) -> Result<Box<dyn Query>> {
    let whole = format!("^(?:{})$", filter.value);
    let regex = regex::RegexBuilder::new(&whole).size_limit(REGEX_BYTES).build();
    let regex = regex.map_err(|_| wrong(filter, "the value is no regular expression that can be used"))?;
    let passes = Passes(std::sync::Arc::new(move |text| regex.is_match(text)));
    Ok(Box::new(Terms { field, select: Select::Passing(head.into(), passes) }))
}

/// A filter that cannot be answered.
pub fn wrong(filter: &Filter, what: &str) -> Fault {
    let Filter { property, op, value } = filter;
    let shown: String = value.chars().take(64).collect();
    let message = format!("filter \"{property} {} {shown}\": {what}", op.code());
    Fault::coded(Category::Unprocessable, "not-supported", message)
}

/// Whether there is a term that begins so.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn has_prefix(searcher: &Searcher, field: Field, prefix: &[u8]) -> Result<bool> {
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field).map_err(failed("open the terms of concepts"))?;
        let stream = inverted.terms().range().ge(prefix).into_stream();
        let mut stream = stream.map_err(|error| failed("read the terms of concepts")(error.into()))?;
        if stream.advance() && stream.key().starts_with(prefix) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Concepts for what a person has typed: each part between blanks begins the code, or its words begin words of the texts.
///
/// # Errors
/// 422 for too many words; 500 when the index cannot be read.
pub fn typed(searcher: &Searcher, typed: &str) -> Result<Box<dyn Query>> {
    let parts: Vec<&str> = typed.split_whitespace().take(WORDS_MAX + 1).collect();
    if parts.len() > WORDS_MAX {
        let message = format!("the text has more than {WORDS_MAX} words");
        return Err(Fault::coded(Category::Unprocessable, "too-costly", message));
    }
    let mut musts = Vec::with_capacity(parts.len());
    for part in parts {
        let code = part.to_lowercase();
        let begins = Terms::prefixes(FOLDED, vec![code.as_bytes().to_vec()]);
        let mut ways = vec![boosted(text(FOLDED, &code), 20.0), boosted(Box::new(begins), 5.0)];
        let found = words(part);
        if !found.is_empty() {
            let each = found.iter().map(|found| word(searcher, found)).collect::<Result<Vec<_>>>()?;
            ways.push(Box::new(BooleanQuery::intersection(each)));
        }
        musts.push(either(ways));
    }
    Ok(if musts.is_empty() { Box::new(AllQuery) } else { Box::new(BooleanQuery::intersection(musts)) })
}

fn boosted(query: Box<dyn Query>, boost: f32) -> Box<dyn Query> {
    Box::new(BoostQuery::new(query, boost))
}

/// Concepts with a word that begins so; only if there is none at all, with one that is like it.
fn word(searcher: &Searcher, word: &str) -> Result<Box<dyn Query>> {
    let scored = |field| TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs);
    let begins = |field| Terms::prefixes(field, vec![word.as_bytes().to_vec()]);
    let mut ways = vec![
        boosted(Box::new(scored(DISPLAY)), 3.0),
        boosted(Box::new(scored(OTHERS)), 1.5),
        boosted(Box::new(begins(DISPLAY)), 1.0),
        boosted(Box::new(begins(OTHERS)), 0.5),
    ];
    let length = word.chars().count();
    let slips = SLIPS.iter().filter(|least| length >= **least).count() as u8;
    let is_known = has_prefix(searcher, DISPLAY, word.as_bytes())? || has_prefix(searcher, OTHERS, word.as_bytes())?;
    if slips > 0 && !is_known {
        for (field, boost) in [(DISPLAY, 0.5), (OTHERS, 0.25)] {
            let fuzzy = FuzzyTermQuery::new_prefix(Term::from_field_text(field, word), slips, true);
            ways.push(boosted(Box::new(fuzzy), boost));
        }
    }
    Ok(either(ways))
}
