//! The elements that must be there, how often, of which types, and which further profiles apply to them.

use super::known::TYPES;
use super::locations;
use super::registry::Registry;
use super::rules::At;
use super::state::{Check, NESTED, Rules, STRUCTURE, Scope, shown};
use super::vitals;
use crate::fhir::definitions::element::{self as model, Property, TypeId};
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::path::Path;

/// An object and what it is.
#[derive(Clone, Copy)]
pub struct Holder<'j> {
    /// The object.
    pub object: &'j Object,
    /// Its type.
    pub owner: TypeId,
    /// Whether it is a resource, with a `resourceType`.
    pub is_resource: bool,
    /// Whether it is a contained resource.
    pub is_contained: bool,
}

/// Appends rules that are not there yet.
pub fn extend<'r>(rules: &mut Rules<'r>, more: &[At<'r>]) {
    for at in more {
        if !rules.contains(at) {
            rules.push(*at);
        }
    }
}

/// Tells the elements that the base definition requires and that are not among those seen.
pub fn missing(check: &mut Check<'_, '_>, owner: TypeId, seen: u128, path: &Path) {
    let missing = TYPES.required[owner.0 as usize] & !seen;
    if missing == 0 {
        return;
    }
    let mut last = None;
    for property in model::properties(owner).iter().filter(|p| missing >> p.position & 1 == 1) {
        if last.replace(property.position) != Some(property.position) {
            let choice = if property.is_choice { "[x]" } else { "" };
            let text = || format!("the required element {}{choice} is missing", property.element);
            check.fail("required", text, &path.child(property.element));
        }
    }
}

/// Tells the elements that a profile requires and that are not among those seen.
pub fn needed<'r>(check: &mut Check<'r, '_>, at: At<'r>, owner: TypeId, seen: u128, path: &Path) {
    for (position, index) in &at.rule().needed {
        if seen >> position & 1 == 1 {
            continue;
        }
        let whole = at.sibling(*index);
        let slices = whole.rule().slicing.iter().flat_map(|slicing| &slicing.slices).map(|slice| at.sibling(slice.1));
        let property = model::properties(owner).iter().find(|p| p.position == *position);
        let Some(name) = property.map(|p| p.element) else { continue };
        for one in [whole].into_iter().chain(slices).filter(|one| one.rule().min > 0) {
            let rule = one.rule();
            let text = || format!("{} is required by the profile {}", rule.id, at.profile.name());
            check.fail_by(at.profile, "required", text, &path.child(name), Vec::new);
        }
    }
}

/// Holds the number of values against the definition of the element.
pub fn count_of(check: &mut Check<'_, '_>, property: &Property, len: usize, path: &Path) {
    let Some(max) = property.max.map(usize::from).filter(|max| len > *max && !check.options.shape_only) else { return };
    let text = || format!("has {len} items, more than allowed");
    check.fail_of_several(STRUCTURE, text, path, || locations::beyond(max, len, path));
}

/// Holds the number of values against the rules of the element.
pub fn count<'r>(check: &mut Check<'r, '_>, rules: &[At<'r>], len: usize, path: &Path) {
    for at in rules {
        let rule = at.rule();
        if len < rule.min as usize {
            let text =
                || format!("at least {} values are required by the profile {}, not {len}", rule.min, at.profile.name());
            check.fail_by(at.profile, "required", text, path, Vec::new);
        }
        if let Some(max) = rule.max.filter(|max| len > *max as usize) {
            let text = || match max {
                0 => format!("is not allowed by the profile {}", at.profile.name()),
                _ => format!("at most {max} values are allowed by the profile {}, not {len}", at.profile.name()),
            };
            check.fail_by(at.profile, STRUCTURE, text, path, || locations::beyond(max as usize, len, path));
        }
    }
}

/// `ext-1`: a value or extensions, one of both.
pub fn extension(check: &mut Check<'_, '_>, object: &Object, path: &Path) {
    let Some(owner) = TYPES.extension else { return };
    let is_value = |name: &Name| {
        let plain = name.id().filter(|_| name.as_str().starts_with('_')).and_then(names::sibling).map(Name::known);
        model::property(owner, plain.as_ref().unwrap_or(name)).is_some_and(|p| p.is_choice)
    };
    let has_value = object.iter().any(|(name, _)| is_value(name));
    let has_extension = object.get_known(names::EXTENSION).is_some();
    if has_value == has_extension {
        let text =
            if has_value { "must not have both a value and extensions" } else { "must have a value or extensions" };
        check.fail("invariant", || format!("ext-1: an extension {text}"), path);
    }
}

/// Holds the type of a value against the rules, and adds the rules of the profiles that the types name.
pub fn typed<'r, 'j>(check: &mut Check<'r, 'j>, scope: &Scope<'j>, node: Node<'j>, rules: &mut Rules<'r>, path: &Path) {
    let mut at = 0;
    // a profile that is added may name further ones
    while let Some(rule_at) = rules.get(at).copied() {
        at += 1;
        let rule = rule_at.rule();
        let Some(type_id) = node.type_id.filter(|_| !rule.types.is_empty()) else { continue };
        // a code is a string, but not where strings are allowed
        let fits = |allowed: TypeId| type_id == allowed || (is_general(allowed) && type_id.is_a(allowed));
        let mut fitting = rule.types.iter().filter(|t| fits(t.type_id));
        let Some(first) = fitting.next() else {
            let allowed: Vec<&str> = rule.types.iter().map(|t| t.type_id.name()).collect();
            let profile = rule_at.profile.name();
            let text = || {
                format!(
                    "the type {} is not allowed by the profile {profile}, only {}",
                    type_id.name(),
                    allowed.join(", ")
                )
            };
            check.fail_by(rule_at.profile, STRUCTURE, text, path, Vec::new);
            continue;
        };
        let urls: Vec<&'r str> =
            first.profiles.iter().chain(fitting.flat_map(|t| &t.profiles)).map(|url| &**url).collect();
        match urls.as_slice() {
            [] => {}
            [url] => add(check, url, rules, path),
            several => any_of(check, scope, node, several, rules, path),
        }
    }
}

/// Whether a type stands for those that are made of it.
pub fn is_general(kind: TypeId) -> bool {
    matches!(kind.name(), "Resource" | "DomainResource" | "Element" | "BackboneElement")
}

/// Adds the rules of a profile.
fn add<'r>(check: &mut Check<'r, '_>, url: &str, rules: &mut Rules<'r>, path: &Path) {
    match check.registry.profile(url) {
        Some(Ok(profile)) => extend(rules, &[At::root(profile)]),
        Some(Err(why)) => check.warn("not-supported", || format!("the profile {url} cannot be used: {why}"), path),
        None => check.warn("not-found", || format!("the profile {} is not known here", shown(url)), path),
    }
}

fn any_of<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    node: Node<'j>,
    urls: &[&'r str],
    rules: &mut Rules<'r>,
    path: &Path,
) {
    let conforms = check.conforms;
    for url in urls {
        match check.registry.profile(url) {
            Some(Ok(profile)) if check.nested < NESTED => {
                if conforms(check, scope, node, profile) {
                    return extend(rules, &[At::root(profile)]);
                }
            }
            _ => return,
        }
    }
    check.fail("value", || format!("conforms to none of the profiles {}", urls.join(", ")), path);
}

/// Adds the rules of the profiles that a resource claims in `meta.profile`.
pub fn by_meta<'r>(check: &mut Check<'r, '_>, object: &Object, owner: TypeId, rules: &mut Rules<'r>, path: &Path) {
    if !check.options.by_meta {
        return;
    }
    let meta = object.get_known(names::META).and_then(|meta| meta.get_known(names::PROFILE));
    let place = path.child("meta");
    let place = place.child("profile");
    for (n, url) in meta.and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let Some(url) = url.as_str() else {
            if check.options.is_thorough {
                let text = || "a profile that is claimed must be named by its URL".to_owned();
                check.fail("required", text, &place.item(n));
            }
            continue;
        };
        claimed(check, url, owner, rules, &place.item(n));
    }
    let is_nameless = |meta: &Json| meta.get_known(names::PROFILE).is_none() && meta.get("_profile").is_some();
    if check.options.is_thorough && object.get_known(names::META).is_some_and(is_nameless) {
        check.fail("required", || "a profile that is claimed must be named by its URL".to_owned(), &place);
    }
    let is_observation = Some(owner) == TYPES.observation;
    if let Some(url) = (is_observation && !check.options.for_storage)
        .then(|| vitals::implied(object, check.options.is_thorough))
        .flatten()
    {
        claimed(check, &url, owner, rules, path);
    }
}

/// Adds the rules of a profile that a resource must conform to.
pub fn claimed<'r>(check: &mut Check<'r, '_>, url: &str, owner: TypeId, rules: &mut Rules<'r>, path: &Path) {
    let registry: &'r Registry = check.registry;
    let why = match registry.profile(url).filter(|_| registry.has_version(url)) {
        Some(Ok(profile)) if owner.is_a(profile.type_id) => return extend(rules, &[At::root(profile)]),
        Some(Ok(profile)) => {
            let text =
                || format!("the profile {} is for {}, not for {}", shown(url), profile.type_id.name(), owner.name());
            return check.fail("value", text, path);
        }
        Some(Err(why)) => format!("the profile {} cannot be used: {why}", shown(url)),
        None => format!("the profile {} is not known here, so it was not checked", shown(url)),
    };
    if check.options.unknown_is_error {
        check.fail("not-found", || why, path);
    } else {
        check.warn("not-found", || why, path);
    }
}
