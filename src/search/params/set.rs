//! What can be searched in a tenant.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use twox_hash::XxHash3_64;

use crate::base::fault::Fault;
use crate::fhir::definitions::params::{SearchParam, search_param};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;
use crate::search::extract::{Plan, extract_with};
use crate::search::value::Extracted;

/// The search parameters of a tenant.
#[derive(Debug, Default)]
pub struct ParamSet {
    by_type: HashMap<ResourceType, OfType>,
    defined: Vec<Defined>,
    fingerprint: u64,
}

/// A definition, and what became of it.
#[derive(Debug, Clone)]
pub struct Defined {
    /// Where it comes from, such as `SearchParameter/id`.
    pub source: Box<str>,
    /// Its canonical URL.
    pub url: Box<str>,
    /// Its code.
    pub code: Box<str>,
    /// What became of it.
    pub effect: Effect,
}

/// What became of a definition.
#[derive(Debug, Clone)]
pub enum Effect {
    /// It adds this parameter.
    Added(Arc<SearchParam>),
    /// It describes an official parameter, which answers.
    Official(Arc<SearchParam>),
    /// It has no effect, for this reason.
    None(Fault),
}

/// What is added to a type.
#[derive(Debug, Default)]
struct OfType {
    /// Sorted by code.
    params: Vec<Arc<SearchParam>>,
    hash: u64,
    plan: OnceLock<Plan>,
}

impl ParamSet {
    /// The set of some definitions; of two that add the same code to a type the first one does.
    pub(super) fn new(defined: Vec<Defined>) -> Self {
        let mut by_type: HashMap<ResourceType, OfType> = HashMap::new();
        for param in defined.iter().filter_map(Defined::added) {
            for kind in &param.base {
                by_type.entry(*kind).or_default().params.push(param.clone());
            }
        }
        for of in by_type.values_mut() {
            of.params.sort_by(|a, b| a.code.cmp(&b.code));
            let mut ids: Vec<u64> = of.params.iter().map(|param| param.id.0).collect();
            ids.sort_unstable();
            ids.dedup();
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
            of.hash = XxHash3_64::oneshot(&bytes).max(1);
        }
        let mut text = String::new();
        for param in defined.iter().filter_map(Defined::added) {
            let description = param.details.as_ref().map_or("", |details| &details.description);
            text.extend([&*param.code, "\0", &param.url, "\0", description, "\0"]);
            text.push_str(&format!("{:x}{:?}\0", param.id.0, param.targets));
        }
        let fingerprint = if text.is_empty() { 0 } else { XxHash3_64::oneshot(text.as_bytes()) };
        Self { by_type, defined, fingerprint }
    }

    /// A hash of all that is said of what is added; 0: nothing is.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The parameter of a type with a code.
    pub fn find(&self, kind: ResourceType, code: &str) -> Option<&Arc<SearchParam>> {
        search_param(kind, code).or_else(|| {
            let params = self.added(kind);
            params.binary_search_by(|param| (*param.code).cmp(code)).ok().map(|at| &params[at])
        })
    }

    /// What is added to a type, sorted by code.
    pub fn added(&self, kind: ResourceType) -> &[Arc<SearchParam>] {
        self.by_type.get(&kind).map_or(&[], |of| &of.params)
    }

    /// All that is added, each once.
    pub fn all_added(&self) -> impl Iterator<Item = &Arc<SearchParam>> {
        self.defined.iter().filter_map(Defined::added)
    }

    /// Every definition.
    pub fn defined(&self) -> &[Defined] {
        &self.defined
    }

    /// A hash of what is added to a type; 0: nothing. Resources of the type are read in the same way by sets with the
    /// same hash.
    pub fn hash(&self, kind: ResourceType) -> u64 {
        self.by_type.get(&kind).map_or(0, |of| of.hash)
    }

    /// All values of a resource. `base`: the server's base, to recognise its own absolute URLs.
    pub fn extract(&self, kind: ResourceType, resource: &Json, base: &str) -> Extracted {
        let Some(of) = self.by_type.get(&kind) else { return extract_with(kind, None, resource, base) };
        let plan = of.plan.get_or_init(|| Plan::new(kind, of.params.iter().map(Arc::as_ref)));
        Extracted { params: of.hash, ..extract_with(kind, Some(plan), resource, base) }
    }
}

impl Defined {
    /// The parameter that it adds.
    pub fn added(&self) -> Option<&Arc<SearchParam>> {
        match &self.effect {
            Effect::Added(param) => Some(param),
            _ => None,
        }
    }
}
