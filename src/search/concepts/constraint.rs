//! What an expression constraint of SNOMED CT selects, as a query over the index of concepts.
//!
//! Hierarchies and members are postings; what stands for many concepts at a time (`< (A OR B)`) is first found by place. The
//! values of an attribute are the terms of its property, so a refinement reads each value once, whatever number of concepts has it.
//! Only groups, cardinalities beyond "some" and "none", reversed and dotted attributes read concepts, and of these a bounded number.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};
use tantivy::schema::Field;
use tantivy::{DocAddress, Searcher, Term};

use super::descriptions;
use super::groups::{self, Wanted};
use super::lookup::Lookup;
use super::schema::{self, ANCESTORS, FLAGS, PARENTS, PROPERTIES};
use super::select::{codes, either, has_prefix, nothing, number, others};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::codes::{Concept, ROLE_GROUP};
use crate::fhir::terminology::ecl::{Attribute, ConceptTest, Constraint, Filter, Refinement, Relation, Test};
use crate::search::index::error::failed;
use crate::search::index::terms::{Passes, Select, Terms};

/// Most concepts that are read for one part of a constraint.
const READ: usize = 100_000;

/// The property that says of which reference sets a concept is a member.
const MEMBER: &str = "memberOf";

/// The concepts of a constraint.
///
/// # Errors
/// 422 `too-costly` when too many concepts must be read; 500 when the index cannot be read.
pub fn compile(index: &Lookup<'_>, constraint: &Constraint) -> Result<Box<dyn Query>> {
    let each = |list: &[Constraint]| list.iter().map(|one| compile(index, one)).collect::<Result<Vec<_>>>();
    Ok(match constraint {
        Constraint::Any => Box::new(AllQuery),
        Constraint::Concept(id) => codes(std::iter::once(&**id)),
        Constraint::Related(relation, of) => related(index, *relation, of)?,
        Constraint::Members(sets) => of_property(index, MEMBER, sets)?,
        Constraint::Top(of) => {
            let from = compile(index, of)?;
            let below = places(index, &*from, ANCESTORS)?;
            Box::new(BooleanQuery::new(vec![(Occur::Must, from), (Occur::MustNot, below)]))
        }
        Constraint::Bottom(of) => {
            let from = compile(index, of)?;
            let above = above(index, &*from, false)?;
            Box::new(BooleanQuery::new(vec![(Occur::Must, from), (Occur::MustNot, above)]))
        }
        Constraint::Filtered(of, filters) => filtered(index, compile(index, of)?, filters)?,
        Constraint::All(list) => Box::new(BooleanQuery::intersection(each(list)?)),
        Constraint::Either(list) => either(each(list)?),
        Constraint::Without(from, what) => Box::new(BooleanQuery::new(vec![
            (Occur::Must, compile(index, from)?),
            (Occur::MustNot, compile(index, what)?),
        ])),
        Constraint::Refined(focus, refinement) => {
            Box::new(BooleanQuery::intersection(vec![compile(index, focus)?, refined(index, refinement)?]))
        }
        Constraint::Values(of, name) => {
            let names = Names::new(index, name)?;
            let values = read(index, &*compile(index, of)?)?;
            let values: HashSet<&str> = values.iter().flat_map(|concept| names.values(concept)).collect();
            codes(values.into_iter())
        }
    })
}

fn related(index: &Lookup<'_>, relation: Relation, of: &Constraint) -> Result<Box<dyn Query>> {
    let from = compile(index, of)?;
    let with_self = |query: Box<dyn Query>, from: Box<dyn Query>| either(vec![from, query]);
    Ok(match relation {
        Relation::Below => places(index, &*from, ANCESTORS)?,
        Relation::SelfOrBelow => with_self(places(index, &*from, ANCESTORS)?, from),
        Relation::Child => places(index, &*from, PARENTS)?,
        Relation::SelfOrChild => with_self(places(index, &*from, PARENTS)?, from),
        Relation::Above => above(index, &*from, false)?,
        Relation::SelfOrAbove => with_self(above(index, &*from, false)?, from),
        Relation::Parent => above(index, &*from, true)?,
        Relation::SelfOrParent => with_self(above(index, &*from, true)?, from),
    })
}

/// The concepts that have one of a query's concepts in a field of places.
fn places(index: &Lookup<'_>, of: &dyn Query, field: Field) -> Result<Box<dyn Query>> {
    let found = index.found(of, false)?;
    Ok(match &*found {
        [] => nothing(),
        [(_, place, _)] => number(field, *place),
        found => {
            let term = |place: u64| Term::from_field_u64(field, place).serialized_value_bytes().to_vec();
            Box::new(Terms::list(field, found.iter().map(|(_, place, _)| term(*place)).collect()))
        }
    })
}

/// What stands above a query's concepts, or only right above.
fn above(index: &Lookup<'_>, of: &dyn Query, is_next: bool) -> Result<Box<dyn Query>> {
    let mut found: HashSet<Box<str>> = HashSet::new();
    let mut open: Vec<Box<str>> = read(index, of)?.into_iter().flat_map(|concept| concept.parents).collect();
    while let Some(code) = open.pop() {
        if found.len() >= READ {
            return Err(costly());
        }
        if found.contains(&code) {
            continue;
        }
        if !is_next {
            open.extend(index.stored(&code)?.map(|concept| concept.parents).unwrap_or_default());
        }
        found.insert(code);
    }
    Ok(codes(found.iter().map(|code| &**code)))
}

/// The concepts with a property whose value is one of a constraint's concepts.
fn of_property(index: &Lookup<'_>, property: &str, values: &Constraint) -> Result<Box<dyn Query>> {
    let terms = match values {
        Constraint::Any => Terms::prefixes(PROPERTIES, vec![schema::property_head(property)]),
        Constraint::Concept(id) => Terms::list(PROPERTIES, vec![schema::property(property, id)]),
        values => {
            let passes = concepts(index, &*compile(index, values)?)?;
            Terms { field: PROPERTIES, select: Select::Passing(schema::property_head(property).into(), passes) }
        }
    };
    Ok(Box::new(terms))
}

/// Those of a query that pass filters. Descriptions are read of the concepts that are left when all else has been asked.
fn filtered(index: &Lookup<'_>, of: Box<dyn Query>, filters: &[Filter]) -> Result<Box<dyn Query>> {
    let mut parts = vec![of];
    let of_concept = |filter: &'_ Filter| match filter {
        Filter::Concept(tests) => tests.clone(),
        Filter::Description(_) => Vec::new(),
    };
    for test in &filters.iter().flat_map(of_concept).collect::<Vec<ConceptTest>>() {
        let (query, is_other) = match test {
            ConceptTest::Active(is_active) => (number(FLAGS, schema::INACTIVE), *is_active),
            ConceptTest::Defined(is_defined) => {
                let defined = schema::property("sufficientlyDefined", "true");
                (Box::new(Terms::list(PROPERTIES, vec![defined])) as Box<dyn Query>, !is_defined)
            }
            ConceptTest::Module(is_other, modules) => (of_property(index, "moduleId", modules)?, *is_other),
        };
        parts.push(if is_other { others(query) } else { query });
    }
    let mut found: Box<dyn Query> = Box::new(BooleanQuery::intersection(parts));
    for filter in filters {
        let Filter::Description(tests) = filter else { continue };
        let mut parts = vec![found];
        parts.extend(descriptions::likely(tests));
        let concepts = read(index, &BooleanQuery::intersection(parts))?;
        let passing = concepts.iter().filter(|concept| descriptions::passes(concept, tests));
        found = codes(passing.map(|concept| &*concept.code));
    }
    Ok(found)
}

fn refined(index: &Lookup<'_>, refinement: &Refinement) -> Result<Box<dyn Query>> {
    let each = |list: &[Refinement]| list.iter().map(|one| refined(index, one)).collect::<Result<Vec<_>>>();
    match refinement {
        Refinement::All(list) => Ok(Box::new(BooleanQuery::intersection(each(list)?))),
        Refinement::Either(list) => Ok(either(each(list)?)),
        Refinement::Attribute(attribute) if attribute.is_reversed => reversed(index, attribute),
        Refinement::Attribute(attribute) => has(index, attribute),
        Refinement::Group(least, most, inner) => grouped(index, (*least, *most), inner),
    }
}

/// The concepts with so many groups in which something holds. They are read, of all that have what is asked somewhere.
fn grouped(index: &Lookup<'_>, (least, most): (usize, Option<usize>), inner: &Refinement) -> Result<Box<dyn Query>> {
    if !has_prefix(index.searcher, PROPERTIES, &schema::property_head(ROLE_GROUP))? {
        let text = "expression constraint: SNOMED CT was loaded without the groups of attributes; load it again";
        return Err(Fault::coded(Category::Unprocessable, "not-supported", text));
    }
    let wanted = of_group(index, inner)?;
    let concepts = read(index, &*likely(index, inner)?)?;
    let fits = |count: usize| count >= least && most.is_none_or(|most| count <= most);
    let (right, wrong): (Vec<&Concept>, Vec<&Concept>) =
        concepts.iter().partition(|concept| fits(groups::count(concept, &wanted)));
    let list = |list: &[&Concept]| codes(list.iter().map(|concept| &*concept.code));
    // who is not read has no such group
    Ok(if least == 0 { others(list(&wrong)) } else { list(&right) })
}

/// What is asked of one group.
fn of_group(index: &Lookup<'_>, inner: &Refinement) -> Result<Wanted> {
    let each = |list: &[Refinement]| list.iter().map(|one| of_group(index, one)).collect::<Result<Vec<_>>>();
    Ok(match inner {
        Refinement::All(list) => Wanted::All(each(list)?),
        Refinement::Either(list) => Wanted::Either(each(list)?),
        Refinement::Group(_, _, inner) => of_group(index, inner)?,
        Refinement::Attribute(attribute) => {
            let names = Names::new(index, &attribute.name)?;
            let values = Values::new(index, &attribute.test)?;
            let is_named = Box::new(move |code: &str| names.0.iter().any(|name| name == code));
            let passes = Box::new(move |text: &str| values.passes(text));
            Wanted::Attribute(attribute.least, attribute.most, is_named, passes)
        }
    })
}

/// Concepts among which are all that have such a group.
fn likely(index: &Lookup<'_>, inner: &Refinement) -> Result<Box<dyn Query>> {
    let each = |list: &[Refinement]| list.iter().map(|one| likely(index, one)).collect::<Result<Vec<_>>>();
    match inner {
        Refinement::All(list) => Ok(Box::new(BooleanQuery::intersection(each(list)?))),
        Refinement::Either(list) => Ok(either(each(list)?)),
        Refinement::Group(_, _, inner) => likely(index, inner),
        Refinement::Attribute(attribute) if attribute.least == 0 => Ok(Box::new(AllQuery)),
        Refinement::Attribute(attribute) => has(index, &Attribute { least: 1, most: None, ..attribute.clone() }),
    }
}

/// The concepts with values of an attribute, as many as are asked for.
fn has(index: &Lookup<'_>, attribute: &Attribute) -> Result<Box<dyn Query>> {
    let names = Names::new(index, &attribute.name)?;
    let test = Values::new(index, &attribute.test)?;
    let some = || either(names.0.iter().map(|name| test.query(name)).collect());
    Ok(match (attribute.least, attribute.most) {
        (0, None) => Box::new(AllQuery),
        (0, Some(0)) => others(some()),
        (1, None) => some(),
        (least, most) => {
            let count = |concept: &Concept| names.values(concept).filter(|value| test.passes(value)).count();
            let fits = |count: usize| count >= least && most.is_none_or(|most| count <= most);
            let concepts = read(index, &*some())?;
            let (right, wrong): (Vec<&Concept>, Vec<&Concept>) =
                concepts.iter().partition(|concept| fits(count(concept)));
            let list = |list: &[&Concept]| codes(list.iter().map(|concept| &*concept.code));
            // those that have none at all are not among them
            if least == 0 { others(list(&wrong)) } else { list(&right) }
        }
    })
}

/// The concepts that are values of an attribute of others.
fn reversed(index: &Lookup<'_>, attribute: &Attribute) -> Result<Box<dyn Query>> {
    let names = Names::new(index, &attribute.name)?;
    let from = match &attribute.test {
        Test::In(of) => compile(index, of)?,
        Test::NotIn(of) => others(compile(index, of)?),
        _ => {
            let text = "expression constraint: a reversed attribute is compared with concepts";
            return Err(Fault::coded(Category::Unprocessable, "invalid", text));
        }
    };
    let sources = read(index, &*from)?;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for value in sources.iter().flat_map(|concept| names.values(concept)) {
        *counts.entry(value).or_default() += 1;
    }
    let fits = |count: usize| count >= attribute.least && attribute.most.is_none_or(|most| count <= most);
    if attribute.least > 0 {
        return Ok(codes(counts.iter().filter(|(_, count)| fits(**count)).map(|(code, _)| *code)));
    }
    Ok(others(codes(counts.iter().filter(|(_, count)| !fits(**count)).map(|(code, _)| *code))))
}

fn costly() -> Fault {
    let text =
        format!("expression constraint: a part of it selects more than {READ} concepts that would have to be read");
    Fault::coded(Category::Unprocessable, "too-costly", text)
}

/// The concepts of a query.
fn read(index: &Lookup<'_>, query: &dyn Query) -> Result<Vec<Concept>> {
    let found = index.found(query, false)?;
    if found.len() > READ {
        return Err(costly());
    }
    found.into_iter().map(|(_, _, at)| index.read(at)).collect()
}

/// Whether a code is that of a concept of a query.
fn concepts(index: &Lookup<'_>, query: &dyn Query) -> Result<Passes> {
    let found: HashSet<DocAddress> = index.found(query, false)?.into_iter().map(|(_, _, at)| at).collect();
    let (searcher, case_sensitive): (Searcher, bool) = (index.searcher.clone(), index.case_sensitive);
    Ok(Passes(Arc::new(move |code| {
        let index = Lookup { searcher: &searcher, case_sensitive };
        // a code that cannot be read is told when it is read as a concept
        matches!(index.address(code), Ok(Some(at)) if found.contains(&at))
    })))
}

/// The attributes that are meant.
struct Names(Vec<String>);

impl Names {
    fn new(index: &Lookup<'_>, name: &Constraint) -> Result<Self> {
        if let Constraint::Concept(id) = name {
            return Ok(Self(vec![id.to_string()]));
        }
        let mut all = attributes(index)?;
        if *name != Constraint::Any {
            let is_meant = concepts(index, &*compile(index, name)?)?;
            all.retain(|id| (is_meant.0)(id));
        }
        Ok(Self(all))
    }

    /// The values of these attributes.
    fn values<'c>(&self, concept: &'c Concept) -> impl Iterator<Item = &'c str> {
        let is_one = |code: &str| self.0.iter().any(|name| name == code);
        let meant: Vec<_> = concept.properties.iter().filter(|property| is_one(&property.code)).collect();
        meant.into_iter().filter_map(|property| match property.value.text() {
            std::borrow::Cow::Borrowed(text) => Some(text),
            std::borrow::Cow::Owned(_) => None,
        })
    }
}

/// The ids of all attributes that concepts have: properties that are named by an id.
fn attributes(index: &Lookup<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for segment in index.searcher.segment_readers() {
        let inverted = segment.inverted_index(PROPERTIES).map_err(failed("open the properties of concepts"))?;
        let mut from: Vec<u8> = Vec::new();
        loop {
            let stream = inverted.terms().range().ge(&from).into_stream();
            let mut stream = stream.map_err(|error| failed("read the properties of concepts")(error.into()))?;
            if !stream.advance() {
                break;
            }
            let name: Vec<u8> = stream.key().iter().copied().take_while(|byte| *byte != 0).collect();
            if name.iter().all(u8::is_ascii_digit) && *name != *ROLE_GROUP.as_bytes() {
                found.extend(String::from_utf8(name.clone()));
            }
            from = name;
            from.push(1);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What is asked of values, ready to be asked.
enum Values {
    Any,
    One(Box<str>),
    Passing(Passes),
}

impl Values {
    fn new(index: &Lookup<'_>, test: &Test) -> Result<Self> {
        let is_id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(match test {
            Test::In(Constraint::Any) => Self::Any,
            Test::In(Constraint::Concept(id)) => Self::One(id.clone()),
            Test::In(of) => Self::Passing(concepts(index, &*compile(index, of)?)?),
            Test::NotIn(of) => {
                let is_in = concepts(index, &*compile(index, of)?)?;
                Self::Passing(Passes(Arc::new(move |code| is_id(code) && !(is_in.0)(code))))
            }
            Test::Number(order, other) => {
                let (order, other) = (*order, *other);
                let holds = move |text: &str| text.parse().is_ok_and(|value| order.holds(value, other));
                Self::Passing(Passes(Arc::new(holds)))
            }
            Test::Text(is_other, texts) => {
                let (is_other, texts) = (*is_other, texts.clone());
                Self::Passing(Passes(Arc::new(move |text| texts.iter().any(|one| **one == *text) != is_other)))
            }
        })
    }

    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(id) => **id == *value,
            Self::Passing(passes) => (passes.0)(value),
        }
    }

    /// The concepts with such a value of an attribute.
    fn query(&self, name: &str) -> Box<dyn Query> {
        let head = schema::property_head(name);
        Box::new(match self {
            Self::Any => Terms::prefixes(PROPERTIES, vec![head]),
            Self::One(id) => Terms::list(PROPERTIES, vec![schema::property(name, id)]),
            Self::Passing(passes) => Terms { field: PROPERTIES, select: Select::Passing(head.into(), passes.clone()) },
        })
    }
}
