//! From a [`Query`] to a tantivy query: terms where a posting list can answer, columns where a range must be
//! compared, key sets where another search comes first.

use std::sync::Arc;

use rust_decimal::Decimal;
use tantivy::query::{BooleanQuery, EmptyQuery, Occur, Query as Compiled, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use super::index::codec::{Form, ParamHash, Scope, TEXT_MAX, hash64, number};
use super::index::columns::{Bounds, Cell, RowTest, Rows, TextTest, Unit};
use super::index::keyset::{InKeys, KeySet, Place};
use super::index::schema::{key_field, terms_field};
use super::index::terms::{Select, Terms};
use super::index::updated::Updated;
use super::joins;
use super::query::{
    Clause, NumberTest, QuantityTest, Query, ReferenceTest, StringTest, SystemTest, Test, TokenTest, UnitTest,
};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::Limits;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::{ResourceKey, ResourceType};

/// Compiles a search; chains and `_has` are searched on the way.
///
/// # Errors
/// 400 when a part of it cannot be done or is too costly; 500 when the index cannot be read.
pub fn compile(searcher: &Searcher, query: &Query, limits: &Limits) -> Result<Box<dyn Compiled>> {
    let compiler = Compiler { searcher, limits };
    let kinds: Result<Vec<_>> = query.types.iter().map(|kind| compiler.kind(*kind, &query.clauses)).collect();
    Ok(any(kinds?))
}

/// All documents of a type.
pub fn all_of(kind: ResourceType) -> Box<dyn Compiled> {
    term(Scope::plain(ParamHash::kind(kind)).head(Form::Kind))
}

/// Documents that match all.
pub fn all(mut parts: Vec<Box<dyn Compiled>>) -> Box<dyn Compiled> {
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.swap_remove(0),
        _ => Box::new(BooleanQuery::intersection(parts)),
    }
}

/// Documents that match one at least.
pub fn any(mut parts: Vec<Box<dyn Compiled>>) -> Box<dyn Compiled> {
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.swap_remove(0),
        _ => Box::new(BooleanQuery::union(parts)),
    }
}

fn term(bytes: Vec<u8>) -> Box<dyn Compiled> {
    Box::new(TermQuery::new(Term::from_field_bytes(terms_field(), &bytes), IndexRecordOption::Basic))
}

/// What a clause asks, and whether it already says the type.
enum Part {
    Typed(Box<dyn Compiled>),
    Untyped(Box<dyn Compiled>),
    Without(Box<dyn Compiled>),
}

struct Compiler<'a> {
    searcher: &'a Searcher,
    limits: &'a Limits,
}

impl Compiler<'_> {
    fn kind(&self, kind: ResourceType, clauses: &[Clause]) -> Result<Box<dyn Compiled>> {
        let mut musts: Vec<Box<dyn Compiled>> = Vec::new();
        let mut nots: Vec<Box<dyn Compiled>> = Vec::new();
        let mut typed = false;
        for clause in clauses {
            match self.clause(kind, clause)? {
                Part::Typed(query) => {
                    typed = true;
                    musts.push(query);
                }
                Part::Untyped(query) => musts.push(query),
                Part::Without(query) => nots.push(query),
            }
        }
        if !typed {
            musts.insert(0, all_of(kind));
        }
        if nots.is_empty() {
            return Ok(all(musts));
        }
        let musts = musts.into_iter().map(|query| (Occur::Must, query));
        let nots = nots.into_iter().map(|query| (Occur::MustNot, query));
        Ok(Box::new(BooleanQuery::new(musts.chain(nots).collect())))
    }

    fn clause(&self, kind: ResourceType, clause: &Clause) -> Result<Part> {
        Ok(match clause {
            Clause::Param { param, tests } => Part::Typed(tests_of(kind, param, tests)?),
            Clause::Not { param, tests } => Part::Without(tests_of(kind, param, tests)?),
            Clause::Missing { param, missing: true } => Part::Without(present(kind, param)),
            Clause::Missing { param, missing: false } => Part::Typed(present(kind, param)),
            Clause::Id(ids) => {
                let keys = ids.iter().map(|id| ResourceKey::new(kind, id.clone()).hash64().to_be_bytes().to_vec());
                Part::Untyped(Box::new(Terms::list(key_field(), keys.collect())))
            }
            Clause::LastUpdated(tests) => Part::Untyped(Updated::query(tests)),
            Clause::Chain { param, targets } => {
                let mut keys = KeySet::default();
                for (target, clause) in targets {
                    let inner = self.kind(*target, std::slice::from_ref(clause))?;
                    let found = joins::collect(self.searcher, inner.as_ref(), Place::Own, self.limits.join_keys)?;
                    keys.extend(found);
                }
                joins::check(&keys, self.limits.join_keys)?;
                let place = Place::Target(ParamHash::of(kind, param.code));
                Part::Typed(Box::new(InKeys { place, keys: Arc::new(keys) }))
            }
            Clause::Has { source, param, clause } => {
                let inner = self.kind(*source, std::slice::from_ref(clause))?;
                let place = Place::Target(ParamHash::of(*source, param.code));
                let keys = joins::collect(self.searcher, inner.as_ref(), place, self.limits.join_keys)?;
                Part::Untyped(Box::new(InKeys { place: Place::Own, keys: Arc::new(keys) }))
            }
        })
    }
}

fn present(kind: ResourceType, param: &SearchParam) -> Box<dyn Compiled> {
    term(Scope::plain(ParamHash::of(kind, param.code)).head(Form::Present))
}

/// The documents of a type with a value that passes one of the tests.
fn tests_of(kind: ResourceType, param: &SearchParam, tests: &[Test]) -> Result<Box<dyn Compiled>> {
    let scope = Scope::plain(ParamHash::of(kind, param.code));
    let mut terms = Vec::new();
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for test in tests {
        match test {
            Test::String(test) => strings(&scope, test, &mut terms, &mut others)?,
            Test::Token(test) => tokens(&scope, test, &mut terms, &mut others),
            Test::Reference(test) => references(&scope, test, &mut terms, &mut others),
            Test::Uri(uri) => terms.push(scope.exact(Form::Url, uri)),
            Test::Date(_) | Test::Number(_) | Test::Quantity(_) => rows.push(vec![(None, cell(test)?)]),
            Test::Composite(parts) => others.push(composite(&scope, parts)?),
        }
    }
    if terms.len() == 1 {
        others.extend(terms.pop().map(term));
    } else if !terms.is_empty() {
        others.push(Box::new(Terms::list(terms_field(), terms)));
    }
    if !rows.is_empty() {
        others.push(rows_of(&scope, rows));
    }
    Ok(any(others))
}

fn rows_of(scope: &Scope, alternatives: Vec<RowTest>) -> Box<dyn Compiled> {
    let present = scope.head(Form::Present);
    Rows { param: scope.param, present, alternatives: alternatives.into() }.query()
}

fn select(select: Select) -> Box<dyn Compiled> {
    Box::new(Terms { field: terms_field(), select })
}

fn strings(
    scope: &Scope,
    test: &StringTest,
    terms: &mut Vec<Vec<u8>>,
    others: &mut Vec<Box<dyn Compiled>>,
) -> Result<()> {
    match test {
        StringTest::StartsWith(text) => {
            let mut prefix = scope.head(Form::Folded);
            prefix.extend_from_slice(bounded(text)?.as_bytes());
            others.push(select(Select::Prefix(prefix.into())));
        }
        StringTest::Contains(text) => {
            let part: Arc<[u8]> = bounded(text)?.as_bytes().into();
            others.push(select(Select::Contains(scope.head(Form::Folded).into(), part)));
        }
        StringTest::Exact(text) => {
            let mut bytes = scope.head(Form::Exact);
            bytes.extend_from_slice(&hash64(text).to_be_bytes());
            terms.push(bytes);
        }
    }
    Ok(())
}

/// The index knows only this much of a text.
fn bounded(text: &str) -> Result<&str> {
    if text.len() <= TEXT_MAX {
        return Ok(text);
    }
    let message = format!("a string value has {} bytes, at most {TEXT_MAX} can be searched", text.len());
    Err(Fault::coded(Category::Invalid, "too-long", message))
}

fn tokens(scope: &Scope, test: &TokenTest, terms: &mut Vec<Vec<u8>>, others: &mut Vec<Box<dyn Compiled>>) {
    match (&test.system, &test.code) {
        (SystemTest::Any, Some(code)) => terms.push(scope.exact(Form::Code, code)),
        (SystemTest::Absent, Some(code)) => terms.push(scope.exact(Form::Bare, code)),
        (SystemTest::Is(system), Some(code)) => terms.push(scope.both(system, code)),
        (SystemTest::Is(system), None) => terms.push(scope.system(system)),
        (SystemTest::Any, None) => others.push(select(Select::Prefix(scope.head(Form::Code).into()))),
        (SystemTest::Absent, None) => others.push(select(Select::Prefix(scope.head(Form::Bare).into()))),
    }
}

fn references(scope: &Scope, test: &ReferenceTest, terms: &mut Vec<Vec<u8>>, others: &mut Vec<Box<dyn Compiled>>) {
    match test {
        ReferenceTest::Local { types, id } => {
            let keys = types.iter().map(|kind| ResourceKey::new(*kind, id.clone()).hash64());
            terms.extend(keys.map(|key| scope.target(key)));
        }
        ReferenceTest::Url(url) => terms.push(scope.exact(Form::Url, url)),
        ReferenceTest::Identifier(test) => tokens(&Scope::identifier(scope.param), test, terms, others),
    }
}

/// Rows whose components all pass; the codes among them have posting lists of their own, which come first.
fn composite(scope: &Scope, parts: &[Test]) -> Result<Box<dyn Compiled>> {
    let mut cells = Vec::with_capacity(parts.len());
    let mut queries = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        cells.push((Some(at), cell(part)?));
        if let Test::Token(test) = part {
            let mut terms = Vec::new();
            tokens(&Scope::component(scope.param, at), test, &mut terms, &mut queries);
            queries.extend(terms.into_iter().map(term));
        }
    }
    queries.push(rows_of(scope, vec![cells]));
    Ok(all(queries))
}

/// A test on one row.
fn cell(test: &Test) -> Result<Cell> {
    let hash = |text: &str| hash64(text) as i64;
    Ok(match test {
        Test::Date(test) => Cell::Date(*test),
        Test::Number(test) => Cell::Number(bounds(test)),
        Test::Quantity(test) => quantity(test),
        Test::Token(test) => {
            let system = match &test.system {
                SystemTest::Any => None,
                SystemTest::Absent => Some(0),
                SystemTest::Is(system) => Some(hash(system)),
            };
            Cell::Token { code: test.code.as_deref().map(hash), system }
        }
        Test::Uri(uri) => Cell::Target([hash(uri)].into()),
        Test::Reference(ReferenceTest::Url(url)) => Cell::Target([hash(url)].into()),
        Test::Reference(ReferenceTest::Local { types, id }) => {
            let keys = types.iter().map(|kind| ResourceKey::new(*kind, id.clone()).hash64() as i64);
            let mut keys: Vec<i64> = keys.collect();
            keys.sort_unstable();
            Cell::Target(keys.into())
        }
        Test::String(StringTest::Exact(text)) => Cell::Exact(hash(text)),
        Test::String(StringTest::StartsWith(text)) => Cell::Text(TextTest::Prefix(bounded(text)?.into())),
        Test::String(StringTest::Contains(text)) => Cell::Text(TextTest::Contains(bounded(text)?.into())),
        Test::Reference(ReferenceTest::Identifier(_)) | Test::Composite(_) => {
            return Err(Fault::unsupported("this kind of component of a composite parameter is not supported"));
        }
    })
}

fn quantity(test: &QuantityTest) -> Cell {
    let hash = |text: &str| hash64(text) as i64;
    match &test.unit {
        UnitTest::Any => Cell::Quantity(bounds(&test.number), Unit::Any),
        UnitTest::Code(code) => Cell::Quantity(bounds(&test.number), Unit::Code(hash(code))),
        UnitTest::System { system, code } => {
            Cell::Quantity(bounds(&test.number), Unit::System(hash(system), hash(code)))
        }
        UnitTest::Canonical { number, unit } => Cell::Quantity(bounds(number), Unit::Canonical(hash(unit))),
    }
}

fn bounds(test: &NumberTest) -> Bounds {
    let key = |value: Decimal| number(value);
    Bounds { prefix: test.prefix, value: key(test.value), low: key(test.low), high: key(test.high) }
}
