//! Where the resources come from.

use std::sync::Arc;

use crate::base::fault::Result;
use crate::fhir::definitions::params::{ParamKind, search_param};
use crate::fhir::json::Json;
use crate::fhir::types::{ResourceId, ResourceType};

/// Finds resources for a query.
pub trait Source {
    /// The current version of a resource; none when there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    fn read(&self, kind: ResourceType, id: &ResourceId) -> Result<Option<Arc<Json>>>;

    /// What a literal reference names (`Reference.reference`, not one that begins with `#`); none when it leads elsewhere, or
    /// nowhere.
    ///
    /// # Errors
    /// When that cannot be told.
    fn resolve(&self, reference: &str) -> Result<Option<Arc<Json>>>;

    /// The names of the search parameters of a type, those of all types included.
    fn params(&self, kind: ResourceType) -> Vec<String>;

    /// Whether a search parameter is for references, as far as is known.
    fn leads(&self, kind: ResourceType, param: &str) -> bool {
        search_param(kind, param).is_none_or(|param| param.kind == ParamKind::Reference)
    }

    /// A page of a search.
    ///
    /// # Errors
    /// 400 for parameters or a cursor that are wrong, 410 for a page that is no longer held.
    fn search(&self, search: &Search) -> Result<Found>;

    /// Most matches of a search that are answered at once.
    fn most(&self) -> usize;
}

/// What is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The type.
    pub kind: ResourceType,
    /// Names and values, as in a URL but decoded; none with a cursor.
    pub params: Vec<(String, String)>,
    /// How many matches at most; `None` for as many as a page has by default.
    pub count: Option<usize>,
    /// The page of an earlier answer that is asked for.
    pub cursor: Option<String>,
}

/// A page of a search.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The number of all matches, if it is known.
    pub total: Option<u64>,
    /// How many matches stand before the page.
    pub offset: usize,
    /// How many matches a page has at most.
    pub size: usize,
    /// The matches.
    pub entries: Vec<Entry>,
    /// Cursors of the first page,
    pub first: Option<String>,
    /// of the one before,
    pub previous: Option<String>,
    /// of the next one,
    pub next: Option<String>,
    /// and of the last.
    pub last: Option<String>,
}

/// A match.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The resource.
    pub resource: Arc<Json>,
    /// `Bundle.entry.search.mode`, if it is known.
    pub mode: Option<&'static str>,
    /// `Bundle.entry.search.score`, as it is written.
    pub score: Option<String>,
}
