//! `_include` and `_revinclude` (FHIR R4 `search.html`, 3.1.1.5.2): from a page's resources to those they refer to,
//! and to those that refer to them.

use std::sync::Arc;

use tantivy::query::Query as Compiled;
use tantivy::{Searcher, Term};

use super::codec::{Form, ParamHash, Scope};
use super::combine::{all, all_of, any};
use super::error::failed;
use super::keyset::{InKeys, KeySet, Place};
use super::schema::terms_field;
use crate::base::fault::Result;
use crate::base::limits::Limits;
use crate::fhir::definitions::params::{ParamKind, search_params};
use crate::fhir::types::ResourceType;
use crate::search::joins::collect;
use crate::search::page::page;
use crate::search::query::Include;
use crate::search::rank::Rank;

/// What was found so far.
struct Walk<'a> {
    searcher: &'a Searcher,
    limits: &'a Limits,
    seen: KeySet,
    rows: Vec<(i64, u64)>,
    cut: bool,
}

/// Pairs of Seq and hash of what the includes add to a page, in the order of the includes, without the page's own
/// resources and without duplicates; and whether the bound cut it.
///
/// # Errors
/// 500 when the index cannot be read.
pub fn walk(
    searcher: &Searcher,
    includes: &[Include],
    start: &[u64],
    limits: &Limits,
) -> Result<(Vec<(i64, u64)>, bool)> {
    let seen: KeySet = start.iter().copied().collect();
    let mut walk = Walk { searcher, limits, seen, rows: Vec::new(), cut: false };
    let mut current: KeySet = start.iter().copied().collect();
    let mut first = true;
    while !current.is_empty() && !walk.cut {
        let before = walk.rows.len();
        for include in includes.iter().filter(|include| first || include.iterate) {
            walk.step(include, &current)?;
        }
        first = false;
        current = walk.rows[before..].iter().map(|(_, key)| *key).collect();
    }
    Ok((walk.rows, walk.cut))
}

impl Walk<'_> {
    fn step(&mut self, include: &Include, current: &KeySet) -> Result<()> {
        let params = self.params(include)?;
        if params.is_empty() || self.cut {
            return Ok(());
        }
        let found = if include.reverse {
            self.holders(include, &params, current)?
        } else {
            self.targets(include, &params, current)?
        };
        self.add(found)
    }

    /// The references that an include follows, with the types that hold them; of a `*` those that have a value in
    /// some document.
    fn params(&self, include: &Include) -> Result<Vec<(ResourceType, ParamHash)>> {
        let kinds: Vec<ResourceType> = match include.source {
            Some(kind) => vec![kind],
            None => ResourceType::all().collect(),
        };
        let mut found = Vec::new();
        for kind in kinds {
            if let Some(param) = &include.param {
                found.push((kind, ParamHash::of(kind, param.id)));
            } else if self.has(ParamHash::kind(kind), Form::Kind)? {
                self.references(kind, include, &mut found)?;
            }
        }
        Ok(found)
    }

    fn references(
        &self,
        kind: ResourceType,
        include: &Include,
        found: &mut Vec<(ResourceType, ParamHash)>,
    ) -> Result<()> {
        let official = search_params(kind).iter().filter(|param| param.kind == ParamKind::Reference).map(|p| p.id);
        let added = include.added.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id);
        for id in official.chain(added) {
            let hash = ParamHash::of(kind, id);
            if self.has(hash, Form::Present)? {
                found.push((kind, hash));
            }
        }
        Ok(())
    }

    /// Whether any document has a term.
    fn has(&self, param: ParamHash, form: Form) -> Result<bool> {
        let term = Term::from_field_bytes(terms_field(), &Scope::plain(param).head(form));
        Ok(self.searcher.doc_freq(&term).map_err(failed("count the documents of a term"))? > 0)
    }

    /// The targets of those of the current resources that are of the include's source type.
    fn targets(
        &self,
        include: &Include,
        params: &[(ResourceType, ParamHash)],
        current: &KeySet,
    ) -> Result<Option<Box<dyn Compiled>>> {
        let current = Arc::new(current.clone());
        let mut keys = KeySet::default();
        for group in params.chunk_by(|a, b| a.0 == b.0) {
            let own: Box<dyn Compiled> = Box::new(InKeys { place: Place::Own, keys: current.clone() });
            let holders = all(vec![own, all_of(group[0].0)]);
            for (_, param) in group {
                let place = Place::Target(*param);
                keys.extend(collect(self.searcher, holders.as_ref(), place, self.limits.join_keys)?);
            }
        }
        keys.retain(|key| !self.seen.contains(key));
        if keys.is_empty() {
            return Ok(None);
        }
        let found = in_keys(Place::Own, keys);
        Ok(Some(match include.target {
            Some(kind) => all(vec![found, all_of(kind)]),
            None => found,
        }))
    }

    /// The resources of the include's source type that refer to one of the current resources.
    fn holders(
        &self,
        include: &Include,
        params: &[(ResourceType, ParamHash)],
        current: &KeySet,
    ) -> Result<Option<Box<dyn Compiled>>> {
        let named = in_keys(Place::Own, current.clone());
        let named = match include.target {
            Some(kind) => all(vec![named, all_of(kind)]),
            None => named,
        };
        // with the hashes of their canonicals
        let keys = collect(self.searcher, named.as_ref(), Place::Own, self.limits.join_keys)?;
        let keys = Arc::new(keys);
        let each = params.iter().map(|(_, param)| -> Box<dyn Compiled> {
            Box::new(InKeys { place: Place::Target(*param), keys: keys.clone() })
        });
        Ok((!keys.is_empty()).then(|| any(each.collect())))
    }

    fn add(&mut self, found: Option<Box<dyn Compiled>>) -> Result<()> {
        let Some(found) = found else { return Ok(()) };
        // What is already there may come first: room for it, for what is still allowed, and for one too many.
        let room = self.limits.includes.saturating_sub(self.rows.len());
        let window = self.seen.len() + room + 1;
        let page = page(self.searcher, found.as_ref(), &[], (&[], &Rank::default()), (0, window))?;
        for row in page.rows {
            if self.seen.contains(&row.1) {
                continue;
            }
            if self.rows.len() >= self.limits.includes {
                self.cut = true;
                break;
            }
            self.seen.insert(row.1);
            self.rows.push(row);
        }
        Ok(())
    }
}

fn in_keys(place: Place, keys: KeySet) -> Box<dyn Compiled> {
    Box::new(InKeys { place, keys: Arc::new(keys) })
}
