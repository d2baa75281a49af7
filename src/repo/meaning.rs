//! What a search means by value sets and code systems: the codes of `:in`, `:not-in`, `:above` and `:below`, looked up before it is
//! compiled (`search/codeset`), and tokens whose code system is not case-sensitive (`search/caseless`).

use std::future::ready;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::read::read;
use super::resolver::{Later, Resolver};
use super::tenancy::Tenancy;
use super::terminology;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::terminology::about::LOINC;
use crate::fhir::terminology::compose::{Part, ValueSet};
use crate::fhir::terminology::context::Context;
use crate::fhir::terminology::expand::{Wanted, expand};
use crate::fhir::terminology::{Content, Core, Filter, Library, Op, Params, Query as Selection};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::caseless::loosen;
use crate::search::codeset::{Asked, AskedCode, CodeSet, ConceptTest};
use crate::search::concept_tests::each_mut;
use crate::search::query::Query;

/// Most codes of a value set that is more than some code systems or filters of them: all of its concepts are held at once.
const EXPANDED_MAX: usize = 100_000;

/// See the module.
pub(super) struct Meaning;

impl Resolver for Meaning {
    fn resolve<'a>(&'a self, at: &'a Arc<Tenancy>, mut query: Query) -> Later<'a, Result<Query>> {
        loosen(&mut query.clauses, &mut |url| !case_sensitive(at, url));
        let mut asked = HashSet::new();
        let mut note = |test: &mut ConceptTest| {
            asked.insert(test.asked.clone());
            Ok::<(), Fault>(())
        };
        match each_mut(&mut query.clauses, &mut note) {
            Ok(()) if asked.is_empty() => Box::pin(ready(Ok(query))),
            Ok(()) => Box::pin(resolved(at, query, asked)),
            Err(fault) => Box::pin(ready(Err(fault))),
        }
    }
}

/// Whether case matters in the codes of a system; so it does where the system is not known. The first that has it says, as in
/// `terminology`; what is in an index is not waited for.
fn case_sensitive(at: &Tenancy, url: &str) -> bool {
    let of_library = |library: &dyn Library| {
        let read = library.code_system(url, None);
        let read =
            read.inspect_err(|fault| tracing::warn!(%fault, "a code system cannot be read; case matters in its codes"));
        let found = read.ok().flatten();
        found.filter(|system| system.about().content != Content::NotPresent).map(|system| system.about().case_sensitive)
    };
    // "LOINC codes are not case sensitive" (`loinc.html`), whether it is loaded or not
    let of_text = || (url == LOINC).then_some(false);
    let known = of_text().or_else(|| at.own.case_sensitive(url)).or_else(|| at.concepts.seen().case_sensitive(url));
    known.or_else(|| of_library(&at.packages.now().terms)).or_else(|| of_library(&Core)).unwrap_or(true)
}

/// Looks up the codes that the conditions of a search mean.
///
/// # Errors
/// 400 `not-found` for a value set or code that is not known, `not-supported` for a code system that is not, `too-costly` for too
/// many codes; 503 or 500 from the database.
async fn resolved(at: &Arc<Tenancy>, mut query: Query, asked: HashSet<Asked>) -> Result<Query> {
    let mut wanted = Vec::with_capacity(asked.len());
    for asked in asked {
        let literal = match &asked {
            Asked::In(text) => literal(at, text).await?,
            Asked::Above(_) | Asked::Below(_) => None,
        };
        wanted.push((asked, literal));
    }
    let most = at.limits.value_set_codes;
    let installed = at.concepts.installed().await?;
    let systems: Vec<String> = installed.all().iter().map(|slot| slot.url().to_owned()).collect();
    let found = terminology::with(at.clone(), move |library| {
        let mut found = HashMap::with_capacity(wanted.len());
        let mut left = most;
        for (asked, literal) in wanted {
            let codes = look_up(library, &systems, &asked, literal, left)?;
            left = left.saturating_sub(codes.len());
            found.insert(asked, Arc::new(codes));
        }
        Ok(found)
    })
    .await?;
    each_mut(&mut query.clauses, &mut |test| {
        test.codes = found.get(&test.asked).cloned();
        Ok::<(), Fault>(())
    })?;
    Ok(query)
}

/// The value set that a reference leads to, if it leads to one of this server: "If the server can treat the reference as a literal URL, it
/// does, else it tries to match known logical ValueSet.url values."
async fn literal(at: &Tenancy, text: &str) -> Result<Option<Arc<Json>>> {
    let own = text.strip_prefix(&*at.base).map(|rest| rest.trim_start_matches('/'));
    let id = own.unwrap_or(text).strip_prefix("ValueSet/").and_then(|id| ResourceId::parse(id).ok());
    let Some(id) = id else { return Ok(None) };
    match read(at, &ResourceKey::new(ResourceType::parse("ValueSet")?, id)).await {
        Ok(stored) => Ok(Some(Arc::new(parse_stored(stored.body.as_deref().unwrap_or_default())?))),
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn missing(message: String) -> Fault {
    Fault::coded(Category::Invalid, "not-found", message)
}

fn too_costly(most: usize) -> Fault {
    let message = format!("the value sets and codes of the search come to more than {most} codes");
    Fault::coded(Category::Invalid, "too-costly", message)
}

/// The codes that are meant, `most` at most. `large`: the URLs of the large code systems; `literal`: the value set that the reference leads to.
fn look_up(
    library: &dyn Library,
    large: &[String],
    asked: &Asked,
    literal: Option<Arc<Json>>,
    most: usize,
) -> Result<CodeSet> {
    let found = match asked {
        Asked::In(text) => members(library, text, literal, most),
        Asked::Above(token) => related(library, large, token, Op::Generalizes, most),
        Asked::Below(token) => related(library, large, token, Op::IsA, most),
    };
    // The definition is not what the URL of the request names: to the search it is a bad value.
    found.map_err(|fault| match fault.category() {
        Category::NotFound | Category::Unprocessable => Fault::of(Category::Invalid, fault.issues().to_vec()),
        _ => fault,
    })
}

/// The codes of a value set: of the resource that a reference leads to, else of the one with a canonical URL.
fn members(library: &dyn Library, url: &str, literal: Option<Arc<Json>>, most: usize) -> Result<CodeSet> {
    let context = Context::new(library, &Params::default(), None)?;
    let set = match literal {
        Some(json) => Rc::new(context.understood(ValueSet::new(json)?)?),
        None => context.value_set(url)?.ok_or_else(|| missing(format!("value set {url} is not known here")))?,
    };
    if let Some(codes) = plain(&context, &set, most)? {
        return Ok(codes);
    }
    let most = most.min(EXPANDED_MAX);
    let wanted = Wanted { count: Some(most + 1), nested: false, ..Wanted::default() };
    let expanded = expand(&context, &wanted, &set)?;
    if expanded.items.len() > most {
        return Err(too_costly(most));
    }
    let mut codes = CodeSet::default();
    for item in &expanded.items {
        let found = &item.shown.found;
        codes.insert(&found.url, &found.concept.code);
    }
    Ok(codes)
}

/// The codes of a value set that only includes code systems or filters of them: one after the other, so there may be many.
fn plain(context: &Context<'_>, set: &ValueSet, most: usize) -> Result<Option<CodeSet>> {
    let is_plain = |part: &Part| part.system.is_some() && part.concepts.is_none() && part.value_sets.is_empty();
    if !set.excludes.is_empty() || !set.includes.iter().all(is_plain) {
        return Ok(None);
    }
    let mut codes = CodeSet::default();
    for part in &set.includes {
        let Some(url) = part.system.as_deref() else { return Ok(None) };
        let resolved = context.resolve(url, part.version.as_deref(), None)?;
        let Some(system) = resolved.system.filter(|system| system.about().enumerable) else { return Ok(None) };
        part.filters.iter().try_for_each(|filter| system.check(filter))?;
        let active_only = set.inactive == Some(false);
        let query = Selection { filters: &part.filters, active_only, ..Selection::default() };
        let mut is_full = false;
        system.select(&query, &mut |concept| {
            is_full = codes.insert(url, &concept.code) > most;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if is_full {
            return Err(too_costly(most));
        }
    }
    Ok(Some(codes))
}

/// A code, and those above or below it.
fn related(library: &dyn Library, large: &[String], token: &AskedCode, op: Op, most: usize) -> Result<CodeSet> {
    let code = &*token.code;
    let urls: Vec<&str> = match &token.system {
        Some(url) => vec![url],
        None => large.iter().map(String::as_str).collect(),
    };
    let mut codes = CodeSet::default();
    for url in urls {
        let Some(system) = library.code_system(url, None)? else {
            let message =
                format!("code system {url} is not known here, so what is above and below its codes is not either");
            return Err(Fault::unsupported(message));
        };
        let Some(concept) = system.find(code)? else { continue };
        codes.insert(url, &concept.code);
        if !system.about().hierarchy.subsumes() {
            continue;
        }
        let filters = [Filter { property: "concept".into(), op, value: concept.code.clone() }];
        let mut is_full = false;
        system.select(&Selection { filters: &filters, ..Selection::default() }, &mut |concept| {
            is_full = codes.insert(url, &concept.code) > most;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if is_full {
            return Err(too_costly(most));
        }
    }
    match (codes.len(), &token.system) {
        (0, Some(url)) => Err(missing(format!("code system {url} has no code {code}"))),
        (0, _) => {
            Err(missing(format!("no large code system here has the code {code}: name its system, as SYSTEM|{code}")))
        }
        _ => Ok(codes),
    }
}
