//! What the terminology service asks of code systems and of those who hold definitions: [`CodeSystem`] and [`Library`].
//!
//! All is synchronous and may take its time, so the service is called on a thread for CPU work. Code systems made of
//! resources are in memory; large ones (SNOMED CT, LOINC, ICD-10-CM) answer from an index of their own.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::about::About;
use super::concept::Concept;
use super::filter::Filter;
use crate::base::fault::Result;
use crate::fhir::json::Json;

/// What is selected of a code system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'q> {
    /// Filters that must all hold; each has passed [`CodeSystem::check`].
    pub filters: &'q [Filter],
    /// Words that a person has typed: each must begin a word of the display, of a designation or of the code. The best match comes first;
    /// an implementation should forgive a slip of the finger in longer words.
    pub text: Option<&'q str>,
    /// Leaves out concepts that are inactive.
    pub active_only: bool,
    /// Leaves out concepts that are abstract (`notSelectable`).
    pub selectable_only: bool,
    /// So many of the first concepts are counted, but not visited.
    pub skip: usize,
}

/// One version of a code system, with what is known of its concepts.
///
/// An implementer keeps these rules:
/// - One value is one version and never changes; another version is another value.
/// - The order of [`select`](Self::select) is the same in every call: without text that of the code system itself (parents before
///   children where it is a hierarchy), with text by rank. Pages of an expansion rest on it.
/// - A concept is visited once, whatever number of ways lead to it.
/// - `find`, `select` and the hierarchy's functions agree: what one of them yields the others know.
/// - Codes are compared as [`About::case_sensitive`] says; [`Concept::code`] is the code as the system writes it.
/// - What it does not have is `None` or an empty list; an error is for what cannot be answered: a filter it does not know, a broken index, a bound.
pub trait CodeSystem: Send + Sync + Debug {
    /// What is known of the code system as a whole.
    fn about(&self) -> &About;

    /// The concept with a code. A system with a grammar (UCUM, MIME types) makes one of every code that keeps the grammar.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn find(&self, code: &str) -> Result<Option<Cow<'_, Concept>>>;

    /// Why a code is none of this system, where more can be said than that it is unknown.
    fn complaint(&self, _code: &str) -> Option<String> {
        None
    }

    /// Why a code does not pass filters, where more can be said than that it does not.
    fn refusal(&self, _code: &str, _filters: &[Filter]) -> Option<String> {
        None
    }

    /// Whether a filter is one that this system understands, with a value of the right form.
    ///
    /// # Errors
    /// 422 with a text that names the filter, when it is not understood.
    fn check(&self, filter: &Filter) -> Result<()>;

    /// Whether the concept with a code passes all filters; false for a code that is not there.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn passes(&self, code: &str, filters: &[Filter]) -> Result<bool>;

    /// Visits the concepts that a query selects, until the visitor breaks off.
    ///
    /// # Errors
    /// 422 `too-costly` when the concepts cannot be listed ([`About::enumerable`]) or ranked within the bounds.
    fn select(&self, query: &Query<'_>, visit: &mut dyn FnMut(Cow<'_, Concept>) -> ControlFlow<()>) -> Result<()>;

    /// How many concepts a query selects, its `skip` aside; none when only counting them one by one would tell.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    fn count(&self, query: &Query<'_>) -> Result<Option<u64>>;

    /// Whether `ancestor` is strictly above `descendant`; both are codes of this system.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn subsumes(&self, ancestor: &str, descendant: &str) -> Result<bool>;

    /// The codes right above a code, in the system's order.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn parents(&self, code: &str) -> Result<Vec<Box<str>>>;

    /// The codes right below a code, in the system's order.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn children(&self, code: &str) -> Result<Vec<Box<str>>>;

    /// The ValueSet that a URL of this system implies (`http://snomed.info/sct?fhir_vs=isa/1234`), as a resource with `compose`.
    /// That of all codes need not be told: the service knows the URL of the system itself, with `?vs` and `?fhir_vs`, and a library finds
    /// [`About::value_set`].
    ///
    /// # Errors
    /// For a URL of a form that is known, with a content that is wrong.
    fn implicit_value_set(&self, _url: &str) -> Result<Option<Json>> {
        Ok(None)
    }

    /// The ConceptMap that a URL of this system implies (`http://snomed.info/sct?fhir_cm=1234`), as a resource with what it says of one
    /// code: of the source or, `is_reverse`, of the target.
    ///
    /// # Errors
    /// For a URL of a form that is known, with a content that is wrong.
    fn implicit_concept_map(&self, _url: &str, _code: &str, _is_reverse: bool) -> Result<Option<Json>> {
        Ok(None)
    }
}

/// Definitions by their canonical URLs. Where the version is none, the latest is meant; what that is, is the library's decision.
///
/// A library that has nothing of a kind leaves its method as it is.
pub trait Library: Send + Sync {
    /// A code system: that of the given version, or the latest. Never a supplement.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>>;

    /// The versions of a code system that are here, the latest last. One without a version is the empty text.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn code_system_versions(&self, _url: &str) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    /// A supplement by its own URL, as the code system of what it adds (`content` is `supplement`).
    ///
    /// # Errors
    /// When the content cannot be read.
    fn supplement(&self, _url: &str, _version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        Ok(None)
    }

    /// A ValueSet resource: that of the given version, or the latest.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>>;

    /// The versions of a value set that are here, the latest last.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn value_set_versions(&self, _url: &str) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    /// The URLs of the value sets that are here, in no order.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        Ok(Vec::new())
    }

    /// A StructureDefinition resource: that of the given version, or the latest. Its elements are in its snapshot, if it has one.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn structure(&self, _url: &str, _version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(None)
    }

    /// A ConceptMap resource: that of the given version, or the latest.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn concept_map(&self, _url: &str, _version: Option<&str>) -> Result<Option<Arc<Json>>> {
        Ok(None)
    }

    /// The ConceptMaps with a group whose source is a code system or, `is_reverse`, whose target is, and those with a group that names none.
    /// More may be told.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn concept_maps(&self, _system: &str, _is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        Ok(Vec::new())
    }
}
