//! All definitions of a tenant, and the set that they make.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use twox_hash::XxHash3_64;

use super::check;
use super::definition::{Definition, unusable};
use super::set::{Defined, Effect, ParamSet};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::params::{
    Component, ParamId, ParamKind, SearchParam, all_params, search_param, search_params,
};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;
use crate::search::index::codec::ParamHash;

/// What the canonical URLs of the official parameters begin with.
const OFFICIAL: &str = "http://hl7.org/fhir/SearchParameter/";

/// The definitions in force, by where they come from.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    by_source: BTreeMap<Box<str>, Read>,
}

#[derive(Debug, Clone)]
struct Read {
    url: Box<str>,
    code: Box<str>,
    definition: Result<Arc<Definition>>,
}

/// The official parameters by their canonical URLs.
static BY_URL: LazyLock<HashMap<&str, &Arc<SearchParam>>> =
    LazyLock::new(|| all_params().iter().map(|param| (&*param.url, param)).collect());

/// What the terms of the official parameters begin with.
static HASHES: LazyLock<HashSet<ParamHash>> = LazyLock::new(|| {
    let of = |kind: ResourceType| search_params(kind).iter().map(move |param| ParamHash::of(kind, param.id));
    ResourceType::all().flat_map(|kind| of(kind).chain([ParamHash::kind(kind)])).collect()
});

impl Definitions {
    /// Takes in what a source says now: a SearchParameter resource, or nothing any more. Whether anything has changed.
    pub fn set(&mut self, source: &str, resource: Option<&Json>) -> bool {
        let Some(resource) = resource.filter(|resource| Definition::is_in_force(resource)) else {
            return self.by_source.remove(source).is_some();
        };
        let (url, code) = Definition::names(resource);
        let definition = Definition::read(resource).and_then(|read| check::whole(&read).map(|()| Arc::new(read)));
        let read = Read { url, code, definition };
        self.by_source.insert(source.into(), read);
        true
    }

    /// Where they come from.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.by_source.keys().map(|source| &**source)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_source.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// The set that they make.
    pub fn build(&self) -> ParamSet {
        let mut builder = Builder::default();
        // Composites come last: what they are made of is known then.
        for is_composite in [false, true] {
            for (source, read) in &self.by_source {
                let is_it = |definition: &Arc<Definition>| (definition.kind == ParamKind::Composite) == is_composite;
                match &read.definition {
                    Ok(definition) if is_it(definition) => builder.add(source, definition),
                    _ => {}
                }
            }
        }
        let defined = self.by_source.iter().map(|(source, read)| {
            let effect = match (&read.definition, builder.effects.remove(&**source)) {
                (Err(fault), _) => Effect::None(fault.clone()),
                (Ok(_), Some(effect)) => effect,
                (Ok(_), None) => Effect::None(Fault::internal("search parameters: one was left out")),
            };
            Defined { source: source.clone(), url: read.url.clone(), code: read.code.clone(), effect }
        });
        ParamSet::new(defined.collect())
    }
}

#[derive(Default)]
struct Builder<'a> {
    effects: HashMap<&'a str, Effect>,
    by_url: HashMap<&'a str, Arc<SearchParam>>,
    /// Who has a code of a type.
    taken: HashMap<(ResourceType, String), &'a str>,
    hashes: HashMap<ParamHash, ParamId>,
}

impl<'a> Builder<'a> {
    fn add(&mut self, source: &'a str, definition: &'a Definition) {
        let effect = self.effect(source, definition).unwrap_or_else(Effect::None);
        if let Effect::Added(param) | Effect::Official(param) = &effect {
            self.by_url.entry(&definition.url).or_insert_with(|| param.clone());
        }
        self.effects.insert(source, effect);
    }

    fn effect(&mut self, source: &'a str, of: &'a Definition) -> Result<Effect> {
        if let Some(official) = official(of)? {
            return Ok(Effect::Official(official));
        }
        if of.code.starts_with('_') {
            return Err(unusable("code", "names that begin with `_` are those of the specification"));
        }
        // Names that differ in case only do not mean different things (`search.html`, 3.1.1.1).
        let code = of.code.to_ascii_lowercase();
        let taken_by = |kind: &ResourceType| Some((*kind, *self.taken.get(&(*kind, code.clone()))?));
        if let Some((kind, other)) = of.base.iter().find_map(taken_by) {
            return Err(taken(&of.code, kind, other));
        }
        let components = self.components(of)?;
        let param = Arc::new(param(of, components));
        for kind in &param.base {
            let hash = ParamHash::of(*kind, param.id);
            if HASHES.contains(&hash) || self.hashes.get(&hash).is_some_and(|other| *other != param.id) {
                let message = "by chance the index cannot tell this parameter from another one; write its expression a \
                               little differently";
                return Err(unusable("expression", message));
            }
            self.hashes.insert(hash, param.id);
        }
        for kind in &param.base {
            self.taken.insert((*kind, code.clone()), source);
        }
        Ok(Effect::Added(param))
    }

    fn components(&self, of: &Definition) -> Result<Vec<Component>> {
        let found = of.components.iter().enumerate().map(|(at, (url, expression))| {
            let place = format!("component[{at}].definition");
            let known = BY_URL.get(&**url).copied().or_else(|| self.by_url.get(&**url));
            let shown: String = url.chars().take(120).flat_map(char::escape_debug).collect();
            let unknown = || unusable(&place, format!("there is no search parameter \"{shown}\" in force"));
            let param = known.ok_or_else(unknown)?.clone();
            if matches!(param.kind, ParamKind::Composite | ParamKind::Special) {
                let kind = param.kind.code();
                return Err(unusable(&place, format!("a component cannot be of type {kind}")));
            }
            Ok(Component { param, expression: expression.to_string().into() })
        });
        found.collect()
    }
}

/// The official parameter that a definition describes, as those of implementation guides do: it has its code and type and
/// names an official definition.
fn official(of: &Definition) -> Result<Option<Arc<SearchParam>>> {
    let known: Vec<_> = of.base.iter().filter_map(|kind| Some((*kind, search_param(*kind, &of.code)?))).collect();
    let Some((kind, first)) = known.first() else {
        // Names that differ in case only do not mean different things (`search.html`, 3.1.1.1).
        let alike = |kind: &ResourceType| {
            let found = search_params(*kind).iter().find(|param| param.code.eq_ignore_ascii_case(&of.code))?;
            Some((*kind, found.code.to_string()))
        };
        return match of.base.iter().find_map(alike) {
            None => Ok(None),
            Some((kind, code)) => Err(of_the_specification(&code, kind)),
        };
    };
    let names_it =
        of.url.starts_with(OFFICIAL) || of.derived_from.as_ref().is_some_and(|url| url.starts_with(OFFICIAL));
    if names_it && known.len() == of.base.len() && known.iter().all(|(_, param)| param.kind == of.kind) {
        return Ok(Some((*first).clone()));
    }
    Err(of_the_specification(&of.code, *kind))
}

fn of_the_specification(code: &str, kind: ResourceType) -> Fault {
    let message = format!("the specification has a search parameter \"{code}\" of {kind}; another code is needed");
    Fault::coded(Category::Conflict, "duplicate", message).at("SearchParameter.code")
}

fn taken(code: &str, kind: ResourceType, other: &str) -> Fault {
    let message = format!("{other} defines the search parameter \"{code}\" of {kind} already");
    Fault::coded(Category::Conflict, "duplicate", message).at("SearchParameter.code")
}

fn param(of: &Definition, components: Vec<Component>) -> SearchParam {
    SearchParam {
        id: id(of, &components),
        code: of.code.to_string().into(),
        url: of.url.to_string().into(),
        kind: of.kind,
        base: of.base.clone(),
        expression: Some(of.expression.to_string().into()),
        targets: of.targets.clone(),
        components,
        details: Some(Box::new(of.details.clone())),
    }
}

/// A hash of all that decides about the values.
fn id(of: &Definition, components: &[Component]) -> ParamId {
    let mut text = format!("{}\0{}", of.kind.code(), of.expression);
    of.base.iter().for_each(|kind| text.extend(["\0", kind.name()]));
    for Component { param, expression } in components {
        text.extend(["\0", param.kind.code(), "\0", expression]);
    }
    ParamId::added(XxHash3_64::oneshot(text.as_bytes()))
}
