//! Which slice a value is in (FHIR R4 `profiling.html#slicing`, `#discriminator`).

use smallvec::SmallVec;

use super::bound::Bound;
use super::codes::Membership;
use super::compare::is_prescribed;
use super::locations::{self, PLACES};
use super::registry::Registry;
use super::rules::{At, Criteria, Criterion, Discriminator, DiscriminatorKind, Expected, Probe, Rule, Slicing, Wanted};
use super::state::{Check, NESTED, Scope};
use super::systems;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::name::Name;
use crate::fhir::path::Path;

/// What a discriminator finds in one value.
type Found<'j> = SmallVec<[Node<'j>; 4]>;

/// The number of the slice that a value is in, among those of a rule, and of another one that it is in too.
pub fn slice_of<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    at: At<'r>,
    slicing: &'r Slicing,
    node: Node<'j>,
) -> (Option<usize>, Option<usize>) {
    let registry = check.registry;
    let criteria = slicing.criteria.get_or_init(|| criteria(registry, at, slicing));
    let (mut default, mut first) = (None, None);
    for (number, (name, _)) in slicing.slices.iter().enumerate() {
        if &**name == "@default" {
            default = Some(number);
            continue;
        }
        let Some(wanted) = &criteria[number] else { continue };
        let mut pairs = wanted.iter().zip(&slicing.discriminators);
        if !wanted.is_empty() && pairs.all(|(wanted, discriminator)| matches(check, scope, discriminator, wanted, node))
        {
            // too deep, everything conforms to everything
            if check.nested >= NESTED {
                return (Some(number), None);
            }
            if first.is_some() {
                return (first, Some(number));
            }
            first = Some(number);
        }
    }
    (first.or(default), None)
}

/// Whether some slice cannot be told from the others, so that nothing follows from a value that is in none.
pub fn is_unclear(slicing: &Slicing) -> bool {
    let clear = |criteria: &Option<Box<[Criterion]>>| criteria.as_ref().is_some_and(|c| !c.is_empty());
    slicing.criteria.get().is_some_and(|all| {
        all.iter().zip(&slicing.slices).any(|(criteria, (name, _))| &**name != "@default" && !clear(criteria))
    })
}

fn matches<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    discriminator: &Discriminator,
    wanted: &'r Criterion,
    node: Node<'j>,
) -> bool {
    if let Criterion::Always = wanted {
        return true;
    }
    let found = probe(check, scope, discriminator, node);
    match wanted {
        Criterion::Always => true,
        Criterion::Exists(exists) => found.is_empty() != *exists,
        Criterion::Value(values) => found
            .iter()
            .any(|node| values.iter().any(|wanted| is_prescribed(node.json, &wanted.value, wanted.is_fixed))),
        Criterion::Type(types) => {
            let is_of = |node: &Node<'j>| node.type_id.is_some_and(|id| types.iter().any(|wanted| id.is_a(*wanted)));
            found.iter().any(is_of)
        }
        Criterion::Code(url) => {
            let set = Bound::find(check.registry, check.answers, url);
            set.is_some_and(|set| found.iter().any(|node| has_code(check, &set, node.json)))
        }
        Criterion::Profile(urls) => found.iter().any(|node| conforms(check, scope, *node, urls)),
    }
}

fn conforms<'r, 'j>(check: &mut Check<'r, 'j>, scope: &Scope<'j>, node: Node<'j>, urls: &'r [Box<str>]) -> bool {
    if check.nested >= NESTED {
        return true;
    }
    let conforms = check.conforms;
    urls.iter().any(|url| match check.registry.profile(url) {
        Some(Ok(profile)) => conforms(check, scope, node, profile),
        _ => false,
    })
}

/// What keeps a value out of a slice, as far as that is a value in it that is prescribed or a code; else the value itself.
pub fn unlike(slicing: &Slicing, number: usize, json: &Json, path: &Path<'_>) -> Vec<String> {
    let of_value =
        |json: &Json, wanted: &Wanted, path: &Path<'_>| locations::unlike(json, &wanted.value, wanted.is_fixed, path);
    told_apart_by(slicing, number, json, path, &of_value)
}

/// What puts a value into a slice; see [`unlike`].
pub fn alike(slicing: &Slicing, number: usize, json: &Json, path: &Path<'_>) -> Vec<String> {
    let of_value = |json: &Json, wanted: &Wanted, path: &Path<'_>| locations::alike(json, &wanted.value, path);
    told_apart_by(slicing, number, json, path, &of_value)
}

/// A value, and what in it a slice is known by: `of_value` says which places, where that is a value that is prescribed.
fn told_apart_by(
    slicing: &Slicing,
    number: usize,
    json: &Json,
    path: &Path<'_>,
    of_value: &dyn Fn(&Json, &Wanted, &Path<'_>) -> Vec<String>,
) -> Vec<String> {
    let mut found = vec![path.to_string()];
    let criteria = slicing.criteria.get().and_then(|all| all.get(number)?.as_deref()).unwrap_or_default();
    for (criterion, discriminator) in criteria.iter().zip(&slicing.discriminators) {
        let values = match criterion {
            Criterion::Value(values) => Some(values),
            Criterion::Code(_) => None,
            _ => continue,
        };
        let of = |json: &Json, path: &Path<'_>| match values {
            Some(values) => values.iter().flat_map(|wanted| of_value(json, wanted, path)).collect(),
            None => locations::of_codes(json, path),
        };
        let mut add = |json: Option<&Json>, path: &Path<'_>| match json {
            _ if found.len() >= PLACES => {}
            Some(json) => found.extend(of(json, path)),
            None => found.push(path.to_string()),
        };
        match &discriminator.probe {
            Probe::This => add(Some(json), path),
            Probe::Names(names) => at_names(json, names, path, &mut add),
            Probe::Path(expression) if expression.text().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') => {
                let names: Vec<Name> = expression.text().split('.').map(Name::new).collect();
                at_names(json, &names, path, &mut add);
            }
            Probe::Path(_) | Probe::Broken(_) => {}
        }
    }
    found.dedup();
    found
}

/// Calls a function for what some names lead to, and for where nothing is.
fn at_names(json: &Json, names: &[Name], path: &Path<'_>, then: &mut dyn FnMut(Option<&Json>, &Path<'_>)) {
    match (json, names) {
        (Json::Array(items), _) => {
            items.iter().enumerate().for_each(|(n, item)| at_names(item, names, &path.item(n), then));
        }
        (Json::Null, _) => {}
        (json, []) => then(Some(json), path),
        (Json::Object(object), [name, rest @ ..]) => match object.get_name(name) {
            Some(value) => at_names(value, rest, &path.child(name.as_str()), then),
            None => then(None, &path.child(name.as_str())),
        },
        _ => {}
    }
}

/// Whether a code is in a value set; thoroughly, one of a version of its system that is not there is in none.
fn has_code(check: &Check<'_, '_>, set: &Bound<'_>, json: &Json) -> bool {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let is_there = || {
        let is_other = |system: &str| systems::is_other_version(check.registry, system, text("version"));
        !check.options.is_thorough || !text("system").is_some_and(is_other)
    };
    match json {
        Json::String(code) => set.contains(None, code) == Membership::In,
        Json::Object(object) => match object.get("coding").and_then(Json::as_array) {
            Some(codings) => codings.iter().any(|coding| has_code(check, set, coding)),
            None => text("code").is_some_and(|code| set.contains(text("system"), code) == Membership::In) && is_there(),
        },
        _ => false,
    }
}

fn probe<'j>(check: &Check<'_, 'j>, scope: &Scope<'j>, discriminator: &Discriminator, node: Node<'j>) -> Found<'j> {
    let mut found = Found::new();
    match &discriminator.probe {
        Probe::This => found.push(node),
        Probe::Names(names) => collect(node.json, names, &mut found),
        Probe::Path(expression) => {
            let items = expression.eval(node, &check.context(scope)).unwrap_or_default();
            found.extend(items.iter().filter_map(|item| item.as_node()));
        }
        Probe::Broken(_) => {}
    }
    found
}

fn collect<'j>(json: &'j Json, names: &[Name], found: &mut Found<'j>) {
    match (json, names) {
        (Json::Array(items), _) => items.iter().for_each(|item| collect(item, names, found)),
        (Json::Null, _) => {}
        (json, []) => found.push(Node { json, sibling: None, type_id: None }),
        (Json::Object(object), [name, rest @ ..]) => {
            if let Some(value) = object.get_name(name) {
                collect(value, rest, found);
            }
        }
        _ => {}
    }
}

/// What each slice is known by, for each discriminator.
fn criteria(registry: &Registry, at: At<'_>, slicing: &Slicing) -> Criteria {
    // a discriminator about which a slice says nothing does not concern it, as long as another one does
    let of_slice = |(_, index): &(Box<str>, u32)| {
        let each = slicing.discriminators.iter().map(|d| criterion(registry, at.sibling(*index), d));
        let each: Vec<Option<Criterion>> = each.collect();
        let is_told = each.iter().any(Option::is_some);
        is_told.then(|| each.into_iter().map(|one| one.unwrap_or(Criterion::Always)).collect())
    };
    slicing.slices.iter().map(of_slice).collect()
}

/// A place in a profile, or within a value that it prescribes.
#[derive(Clone, Copy)]
enum Place<'p> {
    Rule(At<'p>),
    Value(&'p Json, bool),
}

fn criterion(registry: &Registry, slice: At<'_>, discriminator: &Discriminator) -> Option<Criterion> {
    if &*discriminator.path == "url"
        && let Some(url) = slice.rule().types.iter().find_map(|t| t.profiles.first())
    {
        let url = url.split('|').next().unwrap_or(url);
        return Some(Criterion::Value([Wanted { value: Json::string(url), is_fixed: true }].into()));
    }
    let mut places = vec![Place::Rule(slice)];
    let steps = steps(&discriminator.path);
    for (n, step) in steps.iter().enumerate() {
        if *step == "resolve()" && n + 1 == steps.len() {
            return of_target(registry, &places, discriminator.kind);
        }
        places = places.iter().flat_map(|place| follow(registry, *place, step)).collect();
    }
    match discriminator.kind {
        DiscriminatorKind::Value => value(registry, &places),
        DiscriminatorKind::Exists => Some(exists(&places)),
        DiscriminatorKind::Type => {
            let rules = places.iter().filter_map(|place| place.rule());
            let types: Box<[_]> = rules.flat_map(|rule| rule.types.iter().map(|t| t.type_id)).collect();
            (!types.is_empty()).then_some(Criterion::Type(types))
        }
        DiscriminatorKind::Profile => {
            let rules = places.iter().filter_map(|place| place.rule());
            let urls: Box<[_]> =
                rules.flat_map(|rule| rule.types.iter()).flat_map(|t| t.profiles.iter().cloned()).collect();
            (!urls.is_empty()).then_some(Criterion::Profile(urls))
        }
    }
}

impl<'p> Place<'p> {
    fn rule(&self) -> Option<&'p Rule> {
        match self {
            Self::Rule(at) => Some(at.rule()),
            Self::Value(..) => None,
        }
    }
}

/// The steps of a discriminator's path.
fn steps(path: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = path.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == '.' && depth == 0
    });
    parts.filter(|part| *part != "$this").collect()
}

fn follow<'p>(registry: &'p Registry, place: Place<'p>, step: &str) -> Vec<Place<'p>> {
    match place {
        Place::Value(json, is_fixed) => {
            let mut found = Found::new();
            collect(json, &[Name::new(step)], &mut found);
            found.iter().map(|node| Place::Value(node.json, is_fixed)).collect()
        }
        Place::Rule(at) => follow_rule(registry, at, step),
    }
}

fn follow_rule<'p>(registry: &'p Registry, at: At<'p>, step: &str) -> Vec<Place<'p>> {
    let rule = at.rule();
    if let Some(url) = argument(step, "extension") {
        let extensions = child(at, "extension").into_iter().filter_map(|at| Some((at, at.rule().slicing.as_deref()?)));
        let slices = extensions.flat_map(|(at, slicing)| slicing.slices.iter().map(move |slice| at.sibling(slice.1)));
        let is_it = |slice: &At<'p>| slice.rule().types.iter().any(|t| t.profiles.iter().any(|p| &**p == url));
        let roots = |at: At<'p>| profiles(registry, at).into_iter().map(Place::Rule).chain([Place::Rule(at)]);
        return slices.filter(is_it).flat_map(roots).collect();
    }
    if let Some(kind) = argument(step, "ofType") {
        let slices = rule.slicing.iter().flat_map(|slicing| slicing.slices.iter().map(|slice| at.sibling(slice.1)));
        let is_of = |at: &At<'p>| at.rule().types.iter().any(|t| t.type_id.name() == kind);
        let found: Vec<_> = slices.filter(is_of).map(Place::Rule).collect();
        return if found.is_empty() { vec![Place::Rule(at)] } else { found };
    }
    if step == "resolve()" {
        let urls = rule.types.iter().flat_map(|t| t.targets.iter());
        let roots = urls.filter_map(|target| registry.profile(&target.url)?.ok().map(At::root));
        return roots.map(Place::Rule).collect();
    }
    if let Some(found) = child(at, step) {
        let slices =
            found.rule().slicing.iter().flat_map(|slicing| slicing.slices.iter().map(|slice| found.sibling(slice.1)));
        return [found].into_iter().chain(slices).map(Place::Rule).collect();
    }
    match &rule.value {
        Some(Expected::Fixed(json)) => follow(registry, Place::Value(json, true), step),
        Some(Expected::Pattern(json)) => follow(registry, Place::Value(json, false), step),
        None => profiles(registry, at).into_iter().flat_map(|at| follow_rule(registry, at, step)).collect(),
    }
}

/// The argument of `name('argument')`.
fn argument<'s>(step: &'s str, name: &str) -> Option<&'s str> {
    let inner = step.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.trim_matches(['\'', '"', ' ']))
}

/// The rule of a child by the name of the element.
fn child<'p>(at: At<'p>, name: &str) -> Option<At<'p>> {
    let name_of = |id: &'p str| id.rsplit('.').next().and_then(|last| last.split(':').next());
    let is_it = |at: &At<'p>| name_of(&at.rule().id).is_some_and(|last| last.trim_end_matches("[x]") == name);
    at.rule().children.iter().map(|child| at.sibling(child.1)).find(is_it)
}

/// The rules of the profiles that a rule's types have.
fn profiles<'p>(registry: &'p Registry, at: At<'p>) -> Vec<At<'p>> {
    let urls = at.rule().types.iter().flat_map(|t| t.profiles.iter());
    urls.filter_map(|url| registry.profile(url)?.ok().map(At::root)).collect()
}

fn value(registry: &Registry, places: &[Place<'_>]) -> Option<Criterion> {
    let mut wanted = Vec::new();
    for place in places {
        let rule = match place {
            Place::Value(json, is_fixed) => {
                wanted.push(Wanted { value: (*json).clone(), is_fixed: *is_fixed });
                continue;
            }
            Place::Rule(at) => at.rule(),
        };
        let of_profiles = if let Place::Rule(at) = place { profiles(registry, *at) } else { Vec::new() };
        let rules = [rule].into_iter().chain(of_profiles.iter().map(|at| at.rule()));
        wanted.extend(rules.filter_map(|rule| rule.value.as_ref()).map(|expected| match expected {
            Expected::Fixed(json) => Wanted { value: json.clone(), is_fixed: true },
            Expected::Pattern(json) => Wanted { value: json.clone(), is_fixed: false },
        }));
    }
    if !wanted.is_empty() {
        return Some(Criterion::Value(wanted.into()));
    }
    let binding = places.iter().filter_map(|place| place.rule()?.binding.as_ref()).find(|binding| binding.is_required);
    binding.map(|binding| Criterion::Code(binding.value_set.clone()))
}

fn exists(places: &[Place<'_>]) -> Criterion {
    let rules = || places.iter().filter_map(|place| place.rule());
    if rules().any(|rule| rule.max == Some(0)) {
        Criterion::Exists(false)
    } else if rules().any(|rule| rule.min > 0) {
        Criterion::Exists(true)
    } else {
        Criterion::Always
    }
}

/// What a reference must lead to.
fn of_target(registry: &Registry, places: &[Place<'_>], kind: DiscriminatorKind) -> Option<Criterion> {
    let rules = places.iter().filter_map(|place| place.rule());
    let targets: Vec<_> = rules.flat_map(|rule| rule.types.iter()).flat_map(|t| t.targets.iter()).collect();
    if targets.is_empty() {
        return None;
    }
    let type_of = |url: &str| registry.profile(url)?.ok().map(|profile| profile.type_id);
    match kind {
        DiscriminatorKind::Type => {
            Some(Criterion::Type(targets.iter().filter_map(|target| type_of(&target.url)).collect()))
        }
        DiscriminatorKind::Profile => {
            Some(Criterion::Profile(targets.iter().map(|target| target.url.clone()).collect()))
        }
        _ => None,
    }
}
