//! From a [`Query`] to a tantivy query: terms where a posting list can answer, columns where a range must be
//! compared, key sets where another search comes first.

use std::cell::Cell;
use std::sync::Arc;

use tantivy::Searcher;
use tantivy::query::{BooleanQuery, Occur, Query as Compiled};

use super::compile_values::compile_tests;
use super::hierarchy;
use super::index::codec::{Form, ParamHash, Scope};
use super::index::combine::{all, all_of, any, term};
use super::index::keyset::{InKeys, KeySet, Place};
use super::index::schema::key_field;
use super::index::terms::Terms;
use super::index::updated::Updated;
use super::joins;
use super::query::{Clause, Query};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::Limits;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::{ResourceKey, ResourceType};

/// Most inner searches (of chains and `_has`) in one search.
const JOINS_MAX: usize = 256;

/// Compiles a search; chains and `_has` are searched on the way.
///
/// # Errors
/// 400 when a part of it cannot be done or is too costly; 500 when the index cannot be read.
pub fn compile(searcher: &Searcher, query: &Query, limits: &Limits) -> Result<Box<dyn Compiled>> {
    let compiler = Compiler { searcher, limits, joins: Cell::new(0) };
    let kinds: Result<Vec<_>> = query.types.iter().map(|kind| compiler.kind(*kind, &query.clauses)).collect();
    Ok(any(kinds?))
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
    joins: Cell<usize>,
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
            Clause::Param { param, tests } => Part::Typed(compile_tests(kind, param, tests)?),
            Clause::Not { param, tests } => Part::Without(compile_tests(kind, param, tests)?),
            Clause::Missing { param, missing: true } => Part::Without(present(kind, param)),
            Clause::Missing { param, missing: false } => Part::Typed(present(kind, param)),
            Clause::Id(ids) => {
                let keys = ids.iter().map(|id| ResourceKey::new(kind, id.clone()).hash64().to_be_bytes().to_vec());
                Part::Untyped(Box::new(Terms::list(key_field(), keys.collect())))
            }
            Clause::LastUpdated(tests) => Part::Untyped(Updated::query(tests)),
            Clause::Hierarchy { param, above, roots } => {
                let keys = hierarchy::reach(self.searcher, roots, *above, self.limits.join_keys)?;
                let place = Place::Target(ParamHash::of(kind, param.code));
                Part::Typed(Box::new(InKeys { place, keys: Arc::new(keys) }))
            }
            Clause::Chain { param, targets } => {
                let mut keys = KeySet::default();
                for (target, clause) in targets {
                    keys.extend(self.join(*target, clause, Place::Own)?);
                }
                joins::check(&keys, self.limits.join_keys)?;
                let place = Place::Target(ParamHash::of(kind, param.code));
                Part::Typed(Box::new(InKeys { place, keys: Arc::new(keys) }))
            }
            Clause::Has { source, param, clause } => {
                let keys = self.join(*source, clause, Place::Target(ParamHash::of(*source, param.code)))?;
                Part::Untyped(Box::new(InKeys { place: Place::Own, keys: Arc::new(keys) }))
            }
        })
    }

    /// The hashes in a place of the documents of a type for which a clause holds.
    fn join(&self, kind: ResourceType, clause: &Clause, place: Place) -> Result<KeySet> {
        self.joins.set(self.joins.get() + 1);
        if self.joins.get() > JOINS_MAX {
            let message = format!("chains and _has need more than {JOINS_MAX} searches: name the types");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        let inner = self.kind(kind, std::slice::from_ref(clause))?;
        joins::collect(self.searcher, inner.as_ref(), place, self.limits.join_keys)
    }
}

fn present(kind: ResourceType, param: &SearchParam) -> Box<dyn Compiled> {
    term(&Scope::plain(ParamHash::of(kind, param.code)).head(Form::Present))
}
