//! The walk over a resource: its structure (FHIR R4 `json.html`, `validation.html` "structure", "cardinality", "value
//! domains"), and at each element the rules of its type and of all profiles that apply to it.
//!
//! `RULES` says whether these rules are asked, or the structure only: writes ask no more than that in most modes, and
//! what a structure does not need is then not even in the code.

use super::bundle;
use super::complex;
use super::contained;
use super::definitional;
use super::element;
use super::extensions;
use super::known::TYPES;
use super::language;
use super::primitive::Primitive;
use super::questionnaire;
use super::registry::{asking, base};
use super::rules::At;
use super::single;
use super::slices::Slices;
use super::state::{Check, DEPTH, Rules, STRUCTURE, Scope, shown};
use super::types::{self, Holder};
use super::unknown;
use crate::fhir::definitions::element::{self as model, Property, TypeId, property, resource_type_id};
use crate::fhir::definitions::names;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

static NULL: Json = Json::Null;

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// It is the whole.
    Root,
    /// In `contained` of another.
    Contained,
    /// In an entry of a Bundle, or in Parameters.
    Inside,
}

/// One element of an object: its value, and for a primitive what `_name` says.
struct Element<'j> {
    property: &'static Property,
    value: Option<&'j Json>,
    sibling: Option<&'j Json>,
}

/// Walks a resource with the rules that its place asks for.
pub fn resource<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    json: &'j Json,
    asked: &[At<'r>],
    site: Site,
    outer: &Scope<'j>,
    path: &Path,
) {
    let Json::Object(object) = json else {
        return check.fail(STRUCTURE, || format!("a resource must be a JSON object, not {}", json.kind()), path);
    };
    let name = match object.get_known(names::RESOURCE_TYPE) {
        Some(Json::String(name)) => name,
        Some(_) => return check.fail(STRUCTURE, || "resourceType must be a string".to_owned(), path),
        None => return check.fail("required", || "the resource has no resourceType".to_owned(), path),
    };
    let Some(kind) = ResourceType::find(name) else {
        let is_name = site == Site::Root && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let named = Path::root(name);
        let place = if is_name && !name.is_empty() { &named } else { path };
        return check.fail("value", || format!("unknown resource type \"{}\"", shown(name)), place);
    };
    let root = Path::root(kind.name());
    let path = if site == Site::Root { &root } else { path };
    let owner = resource_type_id(kind);
    let node = Node { json, sibling: None, type_id: Some(owner) };
    let container = if site == Site::Contained { outer.root } else { node };
    let scope = Scope { resource: node, root: container, ..outer.deeper(None) };
    let mut rules = Rules::new();
    if RULES {
        rules.extend(base(owner));
        rules.extend(asked.iter().copied());
        types::by_meta(check, object, owner, &mut rules, path);
    }
    let holder = Holder { object, owner, is_resource: true, is_contained: site == Site::Contained };
    if RULES && object.get("_id").is_some() {
        check.fail(STRUCTURE, || "the id of a resource must not have extensions".to_owned(), &path.child("id"));
    }
    self::object::<RULES>(check, holder, &rules, &scope, path);
    if RULES {
        for at in &rules {
            element::check(check, &scope, *at, node, path);
        }
        extensions::held(check, node, &scope, path);
        contained::check(check, json, path);
        definitional::check(check, json, path);
        if check.options.is_thorough {
            language::check(check, object, path);
        }
        if Some(owner) == TYPES.bundle {
            bundle::check(check, json, path);
        }
        if Some(owner) == TYPES.response {
            questionnaire::check(check, json, path);
        }
    }
}

/// Walks the properties of an object.
pub fn object<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    holder: Holder<'j>,
    rules: &[At<'r>],
    scope: &Scope<'j>,
    path: &Path,
) {
    if holder.object.is_empty() {
        return check.fail(STRUCTURE, || "must not be an empty object".to_owned(), path);
    }
    if scope.depth > DEPTH {
        return check.fail("too-costly", || format!("nested more than {DEPTH} elements deep"), path);
    }
    let mut seen = 0_u128;
    let has_siblings = holder.object.iter().any(|(name, _)| name.id().is_some_and(names::is_sibling));
    for (name, json) in holder.object.iter() {
        let Some(element) = element(check, holder, (name, json), has_siblings, &mut seen, path) else { continue };
        let place = path.child(element.property.element);
        if holder.is_contained && element.property.name.id() == Some(names::CONTAINED) {
            check.fail(STRUCTURE, || "dom-2: a contained resource must not contain others".to_owned(), &place);
        } else {
            values::<RULES>(check, &element, holder, rules, scope, &place);
        }
    }
    if check.options.shape_only {
        return;
    }
    types::missing(check, holder.owner, seen, path);
    if RULES {
        for at in rules {
            types::needed(check, *at, holder.owner, seen, path);
        }
    }
    if Some(holder.owner) == TYPES.extension {
        types::extension(check, holder.object, path);
    }
    if RULES && has_only_id(holder.object) && !holder.is_resource && !is_primitive(holder.owner) {
        let is_spared = check.options.takes_unstorable;
        let text = || "ele-1: there must be a value or children beside the id".to_owned();
        check.unless(is_spared, "invariant", text, path);
    }
}

fn has_only_id(object: &Object) -> bool {
    object.len() == 1 && object.get_known(names::ID).is_some()
}

fn is_primitive(owner: TypeId) -> bool {
    TYPES.primitives[owner.0 as usize].is_some()
}

/// The element that a property of an object belongs to: a value with its `_name`. A `_name` beside its value is none.
/// The positions of those seen are noted as bits.
#[inline]
fn element<'j>(
    check: &mut Check<'_, 'j>,
    holder: Holder<'j>,
    (name, json): (&Name, &'j Json),
    has_siblings: bool,
    seen: &mut u128,
    path: &Path,
) -> Option<Element<'j>> {
    if holder.is_resource && name.id() == Some(names::RESOURCE_TYPE) {
        return None;
    }
    let (found, is_sibling) = find(holder.owner, name);
    let Some(property) = found else {
        unknown::tell(check, holder.owner, name, path);
        return None;
    };
    if is_sibling && holder.object.get_name(&property.name).is_some() {
        return None;
    }
    let bit = 1 << property.position;
    if *seen & bit != 0 {
        one_choice(check, holder, property, path);
    }
    *seen |= bit;
    if is_sibling {
        return Some(Element { property, value: None, sibling: Some(json) });
    }
    let sibling = name.id().filter(|_| has_siblings && has_element(holder.owner, property)).and_then(names::sibling);
    let sibling = sibling.and_then(|sibling| holder.object.get_known(sibling));
    Some(Element { property, value: Some(json), sibling })
}

/// Refuses a second form of a choice.
#[cold]
fn one_choice(check: &mut Check<'_, '_>, holder: Holder<'_>, second: &Property, path: &Path) {
    let mut forms = holder.object.iter().filter_map(|(name, _)| find(holder.owner, name).0);
    let is_other = |form: &&Property| form.position == second.position && form.name != second.name;
    if let Some(first) = forms.find(is_other) {
        let element = second.element;
        let text = || format!("only one of {element}[x] is allowed: {} and {}", first.name, second.name);
        check.fail(STRUCTURE, text, &path.child(element));
    }
}

/// The property with a name, and whether the name is its `_name`.
#[inline]
fn find(owner: TypeId, name: &Name) -> (Option<&'static Property>, bool) {
    if let Some(found) = property(owner, name) {
        return (Some(found), false);
    }
    let Some(plain) = name.id().filter(|_| name.as_str().starts_with('_')).and_then(names::sibling) else {
        return (None, false);
    };
    let found = property(owner, &Name::known(plain));
    (found.filter(|property| has_element(owner, property)), true)
}

/// Whether a property may have a `_name`: a primitive that is an element in XML too. Attributes (`id` of elements, `url` of
/// extensions) and narratives have nowhere to keep one.
fn has_element(owner: TypeId, property: &Property) -> bool {
    let is_attribute = match property.name.id() {
        Some(names::ID) => owner.resource_type().is_none(),
        Some(names::URL) => Some(owner) == TYPES.extension,
        _ => false,
    };
    !is_attribute && TYPES.primitives[property.type_id.0 as usize].is_some_and(|kind| kind != Primitive::Xhtml)
}

/// The values of an element: an array exactly where the element repeats.
fn values<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    element: &Element<'j>,
    holder: Holder<'j>,
    rules: &[At<'r>],
    scope: &Scope<'j>,
    path: &Path,
) {
    let property = element.property;
    let mut below = Rules::new();
    if RULES {
        for at in rules {
            below.extend(at.child(property.position));
        }
    }
    let mut slices = Slices::of(&below);
    if !property.is_list() {
        if let Some(name) = not_single(element) {
            return check.fail(STRUCTURE, || format!("{name} must not be an array"), path);
        }
        if element.sibling.is_some() && element.value == Some(&Json::Null) {
            let text = || format!("{name} must not be null, only items of arrays may be", name = element.property.name);
            return check.fail(STRUCTURE, text, path);
        }
        types::count(check, &below, 1, path);
        value::<RULES>(check, element.value, element.sibling, holder, property, &below, &mut slices, scope, path);
        return slices.finish(check, path);
    }
    let Some((values, siblings)) = lists(check, element, holder.owner, path) else { return };
    let len = values.len().max(siblings.len());
    types::count_of(check, property, len, path);
    types::count(check, &below, len, path);
    for index in 0..len {
        let (one, sibling) = (values.get(index), siblings.get(index).filter(|s| **s != Json::Null));
        value::<RULES>(check, one, sibling, holder, property, &below, &mut slices, scope, &path.item(index));
    }
    slices.finish(check, path);
}

/// The name of the half that is an array though the element does not repeat.
fn not_single(element: &Element<'_>) -> Option<String> {
    let is_array = |json: Option<&Json>| matches!(json, Some(Json::Array(_)));
    if is_array(element.value) {
        return Some(element.property.name.to_string());
    }
    is_array(element.sibling).then(|| format!("_{}", element.property.name))
}

/// The items of a repeating element and what `_name` says of each.
fn lists<'j>(
    check: &mut Check<'_, 'j>,
    element: &Element<'j>,
    owner: TypeId,
    path: &Path,
) -> Option<(&'j [Json], &'j [Json])> {
    let name = &element.property.name;
    let values = match element.value {
        Some(Json::Array(items)) => Some(items.as_slice()),
        Some(_) => {
            check.fail(STRUCTURE, || format!("{name} must be an array"), path);
            return None;
        }
        None => None,
    };
    if values.is_some_and(<[Json]>::is_empty) {
        let is_spared = check.options.takes_unstorable
            && TYPES.primitives[element.property.type_id.0 as usize].is_some()
            && TYPES.required[owner.0 as usize] >> element.property.position & 1 == 0;
        check.unless(is_spared, STRUCTURE, || "must not be an empty array".to_owned(), path);
    }
    let siblings = match element.sibling {
        Some(Json::Array(items)) => items.as_slice(),
        Some(_) => {
            check.fail(STRUCTURE, || format!("_{name} must be an array"), path);
            return None;
        }
        None => return Some((values.unwrap_or_default(), &[])),
    };
    let count = values.map_or(0, <[Json]>::len);
    let is_spared = check.options.takes_unstorable && siblings.iter().skip(count).all(|item| *item != Json::Null);
    if siblings.iter().all(|item| *item == Json::Null) {
        check.unless(is_spared, STRUCTURE, || format!("_{name} must have an item that is not null"), path);
    }
    if values.is_some() && count != siblings.len() {
        check.unless(is_spared, STRUCTURE, || format!("{name} and _{name} must have the same number of items"), path);
    }
    Some((values.unwrap_or_default(), siblings))
}

/// One value of an element.
#[expect(clippy::too_many_arguments, reason = "everything that surrounds one value; it is called in two places")]
fn value<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    value: Option<&'j Json>,
    sibling: Option<&'j Json>,
    holder: Holder<'j>,
    property: &'static Property,
    below: &Rules<'r>,
    slices: &mut Slices<'r, 'j>,
    scope: &Scope<'j>,
    path: &Path,
) {
    let type_id = property.type_id;
    let json = value.unwrap_or(&NULL);
    if Some(type_id) == TYPES.any {
        return inside::<RULES>(check, json, holder, property, below, slices, scope, path);
    }
    let primitive = TYPES.primitives[type_id.0 as usize];
    if let (Some(primitive), Some(json), None) = (primitive, value, sibling)
        && (!RULES || (below.is_empty() && asking(type_id).is_none()))
    {
        return single::check(check, primitive, json, property, scope, path);
    }
    let node = Node { json, sibling, type_id: Some(type_id) };
    let mut rules = Rules::new();
    if RULES {
        rules.extend(asking(type_id));
        types::extend(&mut rules, below);
        slices.place(check, scope, node, &mut rules, path);
        types::typed(check, scope, node, &mut rules, path);
    }
    if let Some(primitive) = primitive {
        let is_filled = matches!(json, Json::Null) && sibling.is_some();
        if !is_filled && value.is_some() {
            single::check(check, primitive, json, property, scope, path);
        }
        if let Some(sibling) = sibling {
            let inner = scope.deeper(Some((holder.owner, property)));
            sibling_of::<RULES>(check, sibling, property, is_filled, &rules, &inner, path);
        }
    } else {
        let Json::Object(object) = json else {
            let kind = json.kind();
            let text = || format!("{} must be an object, not {kind} (type {})", property.name, type_id.name());
            return check.fail(STRUCTURE, text, path);
        };
        if RULES && Some(type_id) == TYPES.extension {
            let site = extensions::Site { holder, scope: *scope };
            extensions::by_url(check, object, site, property, below, &mut rules, path);
        }
        let inner = Holder { object, owner: type_id, is_resource: false, is_contained: false };
        self::object::<RULES>(check, inner, &rules, &scope.deeper(Some((holder.owner, property))), path);
        if RULES {
            complex::check(check, json, property, &rules, scope, path);
        }
    }
    if RULES {
        for at in &rules {
            element::check(check, scope, *at, node, path);
        }
        extensions::held(check, node, scope, path);
    }
}

/// A resource within the resource.
#[expect(clippy::too_many_arguments, reason = "everything that surrounds one value")]
fn inside<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    json: &'j Json,
    holder: Holder<'j>,
    property: &Property,
    below: &Rules<'r>,
    slices: &mut Slices<'r, 'j>,
    scope: &Scope<'j>,
    path: &Path,
) {
    let is_contained = property.name.id() == Some(names::CONTAINED);
    let site = if is_contained { Site::Contained } else { Site::Inside };
    let mut scope = *scope;
    if !is_contained {
        scope.full_url = holder.object.get_known(names::FULL_URL).and_then(Json::as_str);
    }
    let mut rules = below.clone();
    if RULES {
        let node = Node::resource(json);
        slices.place(check, &scope, node, &mut rules, path);
        types::typed(check, &scope, node, &mut rules, path);
    }
    resource::<RULES>(check, json, &rules, site, &scope, path);
}

/// `_name` of a primitive: an Element.
fn sibling_of<'r, 'j, const RULES: bool>(
    check: &mut Check<'r, 'j>,
    sibling: &'j Json,
    property: &Property,
    is_alone: bool,
    rules: &[At<'r>],
    scope: &Scope<'j>,
    path: &Path,
) {
    let Json::Object(object) = sibling else {
        let kind = sibling.kind();
        return check.fail(STRUCTURE, || format!("_{} must be an object, not {kind}", property.name), path);
    };
    let holder = Holder { object, owner: property.type_id, is_resource: false, is_contained: false };
    self::object::<RULES>(check, holder, rules, scope, path);
    if RULES && is_alone && has_only_id(object) {
        let text = || "ele-1: there must be a value or an extension beside the id".to_owned();
        check.fail("invariant", text, path);
    }
}

/// Whether a node conforms to a profile, base definitions aside; what is known already is not asked again.
pub fn conforms<'r, 'j>(
    check: &mut Check<'r, 'j>,
    scope: &Scope<'j>,
    node: Node<'j>,
    profile: &'r super::rules::Profile,
) -> bool {
    let Json::Object(object) = node.json else { return true };
    let Some(owner) = node.type_id.filter(|id| id.is_a(profile.type_id)) else { return false };
    let key = (std::ptr::from_ref(node.json).addr(), std::ptr::from_ref(profile).addr());
    if let Some(known) = check.known.get(&key) {
        return *known;
    }
    // while it is being found out it counts as conforming, so that circles end
    check.known.insert(key, true);
    let is_resource = owner.resource_type().is_some();
    let contained = scope.root.json.get_known(names::CONTAINED).and_then(Json::as_array).unwrap_or_default();
    let is_contained = contained.iter().any(|one| std::ptr::eq(one, node.json));
    let inner_scope = match is_resource {
        true if is_contained => Scope { resource: node, ..*scope },
        true => Scope { resource: node, root: node, ..*scope },
        false => *scope,
    };
    let mut inner = check.quiet();
    std::mem::swap(&mut inner.known, &mut check.known);
    let at = At::root(profile);
    let place = Path::root(model::TypeId::name(owner));
    let holder = Holder { object, owner, is_resource, is_contained };
    self::object::<true>(&mut inner, holder, &[at], &inner_scope, &place);
    element::check(&mut inner, &inner_scope, at, node, &place);
    std::mem::swap(&mut inner.known, &mut check.known);
    let (steps, conforms) = (inner.steps, !inner.failed);
    check.charge(check.steps.saturating_sub(steps), &place);
    check.known.insert(key, conforms);
    conforms
}
