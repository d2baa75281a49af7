//! Extensions by their definitions (FHIR R4 `extensibility.html`, `defining-extensions.html#context`).

use super::invariant::Outcome;
use super::known::TYPES;
use super::registry::Registry;
use super::rules::{At, ExtensionContext, Profile, Slicing};
use super::state::{Check, Rules, Scope, shown};
use super::types::{Holder, extend};
use crate::fhir::definitions::conformance::CORE;
use crate::fhir::definitions::element::{Property, properties, type_by_name};
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::{Expression, Item, Node};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::path::Path;

/// Where an extension stands.
#[derive(Clone, Copy)]
pub struct Site<'j> {
    /// The object that has it.
    pub holder: Holder<'j>,
    /// The resource that it is in, and the property that the object is a value of.
    pub scope: Scope<'j>,
}

/// Adds the rules of an extension's definition, found by its URL.
pub fn by_url<'r, 'j>(
    check: &mut Check<'r, 'j>,
    object: &Object,
    site: Site<'j>,
    property: &Property,
    below: &[At<'r>],
    rules: &mut Rules<'r>,
    path: &Path,
) {
    let Some(url) = url_of(object) else { return };
    if Some(site.holder.owner) == TYPES.extension && !url.contains(':') {
        return part(check, url, site, below, rules, path);
    }
    let is_modifier = property.name.id() == Some(names::MODIFIER_EXTENSION);
    let its_url = || vec![path.child("url").to_string()];
    match check.registry.profile(url) {
        Some(Ok(profile)) if Some(profile.type_id) == TYPES.extension => {
            extend(rules, &[At::root(profile)]);
            if profile.is_modifier != is_modifier {
                let right = if is_modifier { "extension" } else { "modifierExtension" };
                check.fail_of_several(
                    "extension",
                    || format!("the extension {} stands in {right}", shown(url)),
                    path,
                    its_url,
                );
            }
            // R4's own definitions have some where R4 lets them, and a later package does not
            let is_definition = site.scope.resource.type_id.is_some_and(|id| id.name() == "StructureDefinition");
            let of_core = || Registry::core().profile(url).and_then(Result::ok).filter(|_| is_definition);
            if !may_stand(check, profile, site) && !of_core().is_some_and(|core| may_stand(check, core, site)) {
                let allowed: Vec<&str> = profile.contexts.iter().map(told).collect();
                let text =
                    || format!("the extension {} must not stand here, only on {}", shown(url), allowed.join(", "));
                check.fail_of_several("extension", text, path, its_url);
            } else if !profile.context_invariants.is_empty() {
                check.waiting.push((std::ptr::from_ref(site.holder.object).addr(), profile));
            }
        }
        Some(Ok(_)) => check.fail_of_several("extension", || format!("{} is no extension", shown(url)), path, its_url),
        Some(Err(why)) => check.warn("not-supported", || format!("the extension {url} cannot be checked: {why}"), path),
        None if !url.contains(':') => {
            let text = || format!("the url of an extension must be absolute, not \"{}\"", shown(url));
            check.fail_of_several("extension", text, path, its_url);
        }
        None if url.starts_with(CORE) || (is_modifier && check.options.unknown_is_error) => {
            check.fail_of_several("extension", || format!("the extension {} is not known", shown(url)), path, its_url);
        }
        None if check.options.is_thorough && !is_example(url) => {
            check.fail_of_several(
                "extension",
                || format!("the extension {} is not known here", shown(url)),
                path,
                its_url,
            );
        }
        None => check.warn("extension", || format!("the extension {} is not known here", shown(url)), path),
    }
}

/// Holds an element against what its extensions ask of it (`StructureDefinition.contextInvariant`).
#[inline]
pub fn held<'j>(check: &mut Check<'_, 'j>, node: Node<'j>, scope: &Scope<'j>, path: &Path) {
    if !check.waiting.is_empty() {
        hold(check, node, scope, path);
    }
}

#[cold]
fn hold<'j>(check: &mut Check<'_, 'j>, node: Node<'j>, scope: &Scope<'j>, path: &Path) {
    let objects = [Some(node.json), node.sibling].map(|json| json.and_then(Json::as_object));
    let addresses = objects.map(|object| object.map(|object| std::ptr::from_ref(object).addr()));
    // each element within looks at what waits for those around it
    check.charge(check.waiting.len() as u64, path);
    if check.steps == 0 {
        return check.waiting.clear();
    }
    let (held, others): (Vec<_>, Vec<_>) = check.waiting.drain(..).partition(|one| addresses.contains(&Some(one.0)));
    check.waiting = others;
    for profile in held.into_iter().map(|one| one.1) {
        for invariant in &profile.context_invariants {
            let (outcome, steps) = invariant.holds(node, &check.context(scope));
            check.charge(steps, path);
            let told = || format!("the extension {} may stand only where {}", shown(&profile.url), invariant.human);
            match outcome {
                Outcome::Fails => check.fail("extension", told, path),
                Outcome::Unknown(why) => check.warn("not-supported", || format!("{}: {why}", told()), path),
                Outcome::Holds => {}
            }
        }
    }
}

/// Whether a URL is one of those that stand for any other in examples.
fn is_example(url: &str) -> bool {
    url.contains("example.org") || url.contains("acme.com") || url.contains("nema.org") || url.starts_with(TOOLS)
}

/// Extensions of HL7's own tools.
const TOOLS: &str = "http://hl7.org/fhir/tools/StructureDefinition/";

fn url_of(object: &Object) -> Option<&str> {
    object.get_name(&Name::known(names::URL)).and_then(Json::as_str)
}

/// A part of an extension: one that the definition around it has.
fn part<'r>(check: &mut Check<'r, '_>, url: &str, site: Site<'_>, below: &[At<'r>], rules: &[At<'r>], path: &Path) {
    let is_in =
        |at: &At<'r>| at.rule().slicing.as_ref().is_some_and(|s| rules.iter().any(|rule| is_slice(*at, s, *rule)));
    // a definition that names no parts has none
    let is_whole = |around: &str| {
        let profile = check.registry.profile(around).and_then(Result::ok);
        around.contains(':') && profile.is_some_and(|profile| Some(profile.type_id) == TYPES.extension)
    };
    let has_parts = below.iter().any(|at| at.rule().slicing.is_some());
    let is_told = has_parts || (check.options.is_thorough && url_of(site.holder.object).is_some_and(is_whole));
    if is_told && !below.iter().any(is_in) {
        let text = || format!("the extension around this one has no part with the url \"{}\"", shown(url));
        check.fail_of_several("extension", text, path, || vec![path.child("url").to_string()]);
    }
}

fn is_slice(whole: At<'_>, slicing: &Slicing, one: At<'_>) -> bool {
    std::ptr::eq(whole.profile, one.profile) && slicing.slices.iter().any(|slice| slice.1 == one.index)
}

fn told(context: &ExtensionContext) -> &str {
    match context {
        ExtensionContext::Element(text) | ExtensionContext::Extension(text) => text,
        ExtensionContext::Expression(_) => "what an expression says",
    }
}

/// Whether an extension may stand where it does, as far as that can be told.
fn may_stand<'j>(check: &Check<'_, 'j>, profile: &Profile, site: Site<'j>) -> bool {
    profile.contexts.is_empty() || profile.contexts.iter().any(|context| fits(check, context, site))
}

/// Whether the object is among what an expression finds in the resource.
fn is_found<'j>(check: &Check<'_, 'j>, expression: &Expression, site: Site<'j>) -> bool {
    let Ok(items) = expression.eval(site.scope.resource, &check.context(&site.scope)) else { return true };
    let is_it = |json: Option<&Json>| {
        json.and_then(Json::as_object).is_some_and(|object| std::ptr::eq(object, site.holder.object))
    };
    items.iter().filter_map(Item::as_node).any(|node| is_it(Some(node.json)) || is_it(node.sibling))
}

fn fits<'j>(check: &Check<'_, 'j>, context: &ExtensionContext, site: Site<'j>) -> bool {
    let owner = site.holder.owner;
    let expression = match context {
        ExtensionContext::Expression(Some(expression)) => return is_found(check, expression, site),
        ExtensionContext::Expression(None) => return true,
        ExtensionContext::Extension(url) => {
            let (base, _) = url.split_once('#').unwrap_or((url, ""));
            let holder = url_of(site.holder.object).filter(|_| Some(owner) == TYPES.extension);
            return holder.is_some_and(|holder| holder == base || !holder.contains(':'));
        }
        ExtensionContext::Element(expression) => expression.trim_end_matches("[x]"),
    };
    // every element is one, and so is a resource here
    if expression == "Element" || type_by_name(expression).is_some_and(|wanted| owner.is_a(wanted)) {
        return true;
    }
    // classes of R5 that stand for the types with a canonical URL
    if matches!(expression, "CanonicalResource" | "MetadataResource") && owner.resource_type().is_some() {
        return properties(owner).iter().any(|property| property.element == "url");
    }
    let Some((outer, property)) = site.scope.place else { return false };
    let Some((before, last)) = expression.rsplit_once('.') else { return false };
    if property.element != last && property.name.as_str() != last {
        return false;
    }
    // a longer path goes through data types: its beginning is not known here, so it is not held against the extension
    type_by_name(before).map_or(before.contains('.'), |wanted| outer.is_a(wanted))
}
