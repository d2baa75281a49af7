//! The ways in: structure only, or everything.

use hashbrown::HashMap;

use super::answers::Answers;
use super::beside::Beside;
use super::claims;
use super::entries::BundleIndex;
use super::registry::Registry;
use super::rules::At;
use super::state::{Check, ISSUES, Options, Rules, STEPS, Scope};
use super::terms::Terms;
use super::types;
use super::walk::{self, Site};
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::definitions::element::type_by_name;
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks the structure of a resource.
///
/// # Errors
/// 400 with up to 100 errors and as many warnings, each with a FHIRPath expression; one more issue says when there were more.
pub fn structure(resource: &Json) -> Result<()> {
    without_rules(resource, Options::default())
}

/// Checks what storage, search and the conversion between JSON and XML need of a resource: known elements, each in its JSON
/// shape, none of them empty, one form of a choice, texts that XML can hold too. It does not ask for required elements, nor
/// for the formats of values.
///
/// # Errors
/// As [`structure()`].
pub fn shape(resource: &Json) -> Result<()> {
    without_rules(resource, Options { shape_only: true, ..Options::default() })
}

fn without_rules(resource: &Json, options: Options) -> Result<()> {
    let mut check = new(Registry::core(), options, false, None);
    walk::resource::<false>(&mut check, resource, &[], Site::Root, &scope(resource), &Path::root("Resource"));
    if check.issues.is_empty() { Ok(()) } else { Err(Fault::of(Category::Invalid, told(check))) }
}

/// Validates a resource against the base definitions, the profiles that are named here, and with
/// [`Options::by_meta`] those that it claims. The issues are in the order of the walk, at most 100, and one more that
/// says when there were more; a resource is valid when none is an error.
pub fn validate(registry: &Registry, resource: &Json, profiles: &[&str], options: Options) -> Vec<Issue> {
    validate_with(registry, None, resource, profiles, options)
}

/// As [`validate`], with large code systems beside the registry.
pub fn validate_with(
    registry: &Registry,
    answers: Option<&Answers>,
    resource: &Json,
    profiles: &[&str],
    options: Options,
) -> Vec<Issue> {
    validate_beside(registry, answers, None, resource, profiles, options)
}

/// As [`validate_with`]; where resources are given beside it, a relative reference of the resource must lead to one of them, which
/// has to conform to what the reference asks for.
pub fn validate_beside<'j>(
    registry: &Registry,
    answers: Option<&Answers>,
    beside: Option<&'j Beside<'j>>,
    resource: &'j Json,
    profiles: &[&str],
    options: Options,
) -> Vec<Issue> {
    let kind = resource.text_known(names::RESOURCE_TYPE).unwrap_or("");
    let index = (kind == "Bundle").then(|| BundleIndex::new(resource));
    let services = Terms(registry, answers);
    let mut check = new(registry, options, true, index.as_ref());
    check.answers = answers;
    check.beside = beside;
    check.services = Some(&services);
    let root = Path::root(if kind.is_empty() { "Resource" } else { kind });
    let mut rules = Rules::new();
    if let Some(owner) = type_by_name(kind) {
        for url in profiles {
            types::claimed(&mut check, url, owner, &mut rules, &root);
        }
    }
    let asked: Vec<At<'_>> = rules.to_vec();
    walk::resource::<true>(&mut check, resource, &asked, Site::Root, &scope(resource), &Path::root("Resource"));
    claims::name(&mut check, resource);
    told(check)
}

/// A validation at its start.
pub(super) fn new<'r, 'j>(
    registry: &'r Registry,
    options: Options,
    has_rules: bool,
    bundle: Option<&'j BundleIndex<'j>>,
) -> Check<'r, 'j> {
    Check {
        registry,
        answers: None,
        options,
        has_rules,
        issues: Vec::new(),
        blamed: Vec::new(),
        more: false,
        is_quiet: false,
        failed: false,
        bundle,
        beside: None,
        services: None,
        nested: 0,
        steps: STEPS,
        known: HashMap::new(),
        ids: HashMap::new(),
        waiting: Vec::new(),
        conforms: walk::conforms,
    }
}

fn scope(resource: &Json) -> Scope<'_> {
    let node = Node::resource(resource);
    Scope { resource: node, root: node, full_url: None, depth: 0, place: None }
}

fn told(mut check: Check<'_, '_>) -> Vec<Issue> {
    if check.more {
        let text = format!("only the first {ISSUES} errors and as many warnings are shown");
        check.issues.push(Issue::information(text));
    }
    check.issues
}
