//! From a [`Query`] to a tantivy query: terms where a posting list can answer, columns where a range must be
//! compared, key sets where another search comes first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use tantivy::query::{BooleanQuery, Occur, Query as Compiled};
use tantivy::{Searcher, Term};

use super::compile_values::compile_tests;
use super::compile_words::compile_words;
use super::hierarchy;
use super::index::codec::{Documents, Form, Scope};
use super::index::combine::{all, all_documents, any, term};
use super::index::error::failed;
use super::index::keyset::{InKeys, KeySet, Place};
use super::index::schema::{key_field, terms_field};
use super::index::terms::Terms;
use super::index::updated::Updated;
use super::joins;
use super::page::count;
use super::query::{Clause, ContainedSearch, Query, ReferenceTest, Test};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::Limits;
use crate::fhir::definitions::compartment::membership;
use crate::fhir::definitions::params::SearchParam;
use crate::fhir::types::ResourceKey;

/// Most inner searches (of chains and `_has`) in one search.
const JOINS_MAX: usize = 256;

/// Compiles a search; chains and `_has` are searched on the way.
///
/// # Errors
/// 400 when a part of it cannot be done or is too costly; 500 when the index cannot be read.
pub fn compile(searcher: &Searcher, query: &Query, limits: &Limits) -> Result<Box<dyn Compiled>> {
    let compiler = Compiler { searcher, limits, joins: Cell::new(0), joined: RefCell::default() };
    let mut kinds = Vec::new();
    for kind in query.types.iter().filter(|_| query.contained.search != ContainedSearch::Only) {
        if query.types.len() == 1 || has_documents(searcher, Documents::of(*kind))? {
            kinds.push(compiler.kind(Documents::of(*kind), &query.clauses)?);
        }
    }
    if query.contained.search != ContainedSearch::None {
        kinds.push(compiler.contained(query)?);
    }
    Ok(any(kinds))
}

/// Whether there may be such a document; of 145 types few have any.
fn has_documents(searcher: &Searcher, of: Documents) -> Result<bool> {
    let head = Scope::plain(of.all()).head(Form::Kind);
    let count = searcher.doc_freq(&Term::from_field_bytes(terms_field(), &head));
    Ok(count.map_err(failed("count the documents of a type"))? > 0)
}

/// What a clause asks, and whether it already says the type.
enum Part {
    Typed(Box<dyn Compiled>),
    Untyped(Box<dyn Compiled>),
    Without(Box<dyn Compiled>),
}

/// Which targets of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    /// Resources of their own.
    Outside,
    /// Those that stand in the resource that refers to them.
    Inside,
}

struct Compiler<'a> {
    searcher: &'a Searcher,
    limits: &'a Limits,
    joins: Cell<usize>,
    /// What chains and `_has` came to, by the address of their clause: it does not depend on the type searched.
    joined: RefCell<HashMap<(*const Clause, Side), Arc<KeySet>>>,
}

impl Compiler<'_> {
    /// The contained resources for which the clauses hold, or what contains them.
    fn contained(&self, query: &Query) -> Result<Box<dyn Compiled>> {
        let mut found = Vec::new();
        for of in query.types.iter().map(|kind| Documents::contained(*kind)) {
            if has_documents(self.searcher, of)? {
                found.push(self.kind(of, &query.clauses)?);
            }
        }
        let found = any(found);
        if query.contained.is_alone {
            return Ok(found);
        }
        let keys = joins::collect(self.searcher, found.as_ref(), Place::Container, self.limits.join_keys)?;
        Ok(Box::new(InKeys { place: Place::Own, keys: Arc::new(keys) }))
    }

    fn kind(&self, of: Documents, clauses: &[Clause]) -> Result<Box<dyn Compiled>> {
        let mut musts: Vec<Box<dyn Compiled>> = Vec::new();
        let mut nots: Vec<Box<dyn Compiled>> = Vec::new();
        let mut typed = false;
        for clause in clauses {
            match self.clause(of, clause)? {
                Part::Typed(query) => {
                    typed = true;
                    musts.push(query);
                }
                Part::Untyped(query) => musts.push(query),
                Part::Without(query) => nots.push(query),
            }
        }
        if !typed {
            musts.insert(0, all_documents(of));
        }
        if nots.is_empty() {
            return Ok(all(musts));
        }
        let musts = musts.into_iter().map(|query| (Occur::Must, query));
        let nots = nots.into_iter().map(|query| (Occur::MustNot, query));
        Ok(Box::new(BooleanQuery::new(musts.chain(nots).collect())))
    }

    fn clause(&self, of: Documents, clause: &Clause) -> Result<Part> {
        Ok(match clause {
            Clause::Param { param, tests } => {
                self.check_plain_ids(of, param, tests)?;
                Part::Typed(compile_tests(of.param(param.id), tests)?)
            }
            Clause::Not { param, tests } => Part::Without(compile_tests(of.param(param.id), tests)?),
            Clause::Missing { param, missing: true } => Part::Without(present(of, param)),
            Clause::Missing { param, missing: false } => Part::Typed(present(of, param)),
            Clause::Words { place, tests } => {
                let queries = tests.iter().map(|test| compile_words(*place, test));
                Part::Untyped(any(queries.collect()))
            }
            Clause::Id(ids) if of.are_contained() => {
                let scope = Scope::plain(of.named("_id"));
                let terms = ids.iter().map(|id| scope.exact(Form::Code, id.as_str())).collect();
                Part::Untyped(Box::new(Terms::list(terms_field(), terms)))
            }
            Clause::Id(ids) => {
                let kind = of.kind;
                let keys = ids.iter().map(|id| ResourceKey::new(kind, id.clone()).hash64().to_be_bytes().to_vec());
                Part::Untyped(Box::new(Terms::list(key_field(), keys.collect())))
            }
            Clause::LastUpdated(tests) => Part::Untyped(Updated::query(tests)),
            Clause::Chain { param, .. } | Clause::Hierarchy { param, .. } => {
                let param = of.param(param.id);
                let outside = InKeys { place: Place::Target(param), keys: self.keys(clause, Side::Outside)? };
                let inside = InKeys { place: Place::Inner(param), keys: self.keys(clause, Side::Inside)? };
                if inside.keys.is_empty() {
                    return Ok(Part::Typed(Box::new(outside)));
                }
                Part::Typed(any(vec![Box::new(outside), Box::new(inside)]))
            }
            Clause::Has { .. } | Clause::Element { .. } => {
                Part::Untyped(Box::new(InKeys { place: Place::Own, keys: self.keys(clause, Side::Outside)? }))
            }
            Clause::Working => Part::Typed(term(&Scope::plain(of.named("mode")).head(Form::Present))),
            Clause::Compartment(owner) => Part::Typed(members(of, owner)),
            Clause::All(clauses) => Part::Typed(self.kind(of, clauses)?),
            Clause::Any(clauses) => {
                let each = clauses.iter().map(|clause| self.kind(of, std::slice::from_ref(clause)));
                Part::Typed(any(each.collect::<Result<_>>()?))
            }
            Clause::Complement(clause) => Part::Without(self.kind(of, std::slice::from_ref(clause))?),
        })
    }

    /// Refuses a plain id by which resources of several types are referred to (FHIR R4 `search.html`, 3.1.1.4.12).
    fn check_plain_ids(&self, of: Documents, param: &SearchParam, tests: &[Test]) -> Result<()> {
        let scope = Scope::plain(of.param(param.id));
        for test in tests {
            let Test::Reference(ReferenceTest::Local { types, id }) = test else { continue };
            if types.len() < 2 {
                continue;
            }
            let mut found = Vec::new();
            for target in types {
                let referrers = term(&scope.target(ResourceKey::new(*target, id.clone()).hash64()));
                if count(self.searcher, referrers.as_ref())? > 0 {
                    found.push(target.name());
                }
            }
            if let [first, second, ..] = found[..] {
                let message = format!(
                    "search parameter \"{}\": the id {id} is that of a {first} and of a {second}: write {first}/{id}",
                    param.code
                );
                return Err(Fault::coded(Category::Invalid, "multiple-matches", message));
            }
        }
        Ok(())
    }

    /// The keys that a chain, `_has` or an element passes to the search around it.
    fn keys(&self, clause: &Clause, side: Side) -> Result<Arc<KeySet>> {
        let address = (std::ptr::from_ref(clause), side);
        if let Some(keys) = self.joined.borrow().get(&address) {
            return Ok(keys.clone());
        }
        let mut keys = KeySet::default();
        match clause {
            Clause::Hierarchy { .. } if side == Side::Inside => {}
            Clause::Hierarchy { above, roots, .. } => {
                keys = hierarchy::reach(self.searcher, roots, *above, self.limits.join_keys)?;
            }
            Clause::Chain { targets, .. } => {
                for (target, clause) in targets {
                    let are_contained = side == Side::Inside;
                    let of = if are_contained { Documents::contained(*target) } else { Documents::of(*target) };
                    if !are_contained || has_documents(self.searcher, of)? {
                        keys.extend(self.join(of, clause, Place::Own)?);
                    }
                }
            }
            Clause::Has { source, param, clause } => {
                let of = Documents::of(*source);
                keys = self.join(of, clause, Place::Target(of.param(param.id)))?;
            }
            Clause::Element { kind, name, clause } => {
                keys = self.join(Documents::elements(*kind, name), clause, Place::Container)?;
            }
            _ => return Err(Fault::internal("a clause without a join was joined")),
        }
        joins::check(&keys, self.limits.join_keys)?;
        let keys = Arc::new(keys);
        self.joined.borrow_mut().insert(address, keys.clone());
        Ok(keys)
    }

    /// The hashes in a place of the documents of a type for which a clause holds.
    fn join(&self, of: Documents, clause: &Clause, place: Place) -> Result<KeySet> {
        self.joins.set(self.joins.get() + 1);
        if self.joins.get() > JOINS_MAX {
            let message = format!("chains and _has need more than {JOINS_MAX} searches: name the types");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        let inner = self.kind(of, std::slice::from_ref(clause))?;
        joins::collect(self.searcher, inner.as_ref(), place, self.limits.join_keys)
    }
}

/// Those of the documents that are in the compartment of a resource.
fn members(of: Documents, owner: &ResourceKey) -> Box<dyn Compiled> {
    let Some(membership) = membership(owner.kind, of.kind) else { return any(Vec::new()) };
    let hash = owner.hash64();
    let refers = membership.params.iter().map(|param| term(&Scope::plain(of.param(param.id)).target(hash)));
    let mut parts: Vec<Box<dyn Compiled>> = refers.collect();
    if membership.is_self && of == Documents::of(owner.kind) {
        parts.push(Box::new(Terms::list(key_field(), vec![hash.to_be_bytes().to_vec()])));
    }
    any(parts)
}

fn present(of: Documents, param: &SearchParam) -> Box<dyn Compiled> {
    term(&Scope::plain(of.param(param.id)).head(Form::Present))
}
