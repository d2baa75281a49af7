//! The structure of resources (FHIR R4 `json.html`, `validation.html` "structure", "cardinality",
//! "value domains"), from the base definitions.

use std::sync::LazyLock;

use super::primitive::Primitive;
use crate::base::fault::{Category, Fault, Issue, Result};
use crate::fhir::definitions::element::{self, Property, TypeId, property, resource_type_id, type_by_name};
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::path::Path;
use crate::fhir::types::ResourceType;

/// Most issues that are told.
const ISSUES: usize = 100;

/// The code of most issues.
const STRUCTURE: &str = "structure";

/// Checks the structure of a resource.
///
/// # Errors
/// 400 with up to 100 issues, each with a FHIRPath expression; one more issue says when there were more.
pub fn structure(resource: &Json) -> Result<()> {
    let mut check = Check { rules: &RULES, issues: Vec::new(), more: false };
    check.resource(resource, &Path::root("Resource"), true, false);
    if check.issues.is_empty() {
        return Ok(());
    }
    if check.more {
        let text = format!("only the first {ISSUES} issues are shown");
        check.issues.push(Issue { severity: "information", ..Issue::error("informational", text) });
    }
    Err(Fault::of(Category::Invalid, check.issues))
}

/// What the check needs to know of each type, by its number.
struct Rules {
    types: Vec<Rule>,
    /// `Resource`: any resource.
    any: Option<TypeId>,
    extension: Option<TypeId>,
}

struct Rule {
    primitive: Option<Primitive>,
    /// The positions of required elements, as bits.
    required: u128,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    types: element::all_types().map(Rule::new).collect(),
    any: type_by_name("Resource"),
    extension: type_by_name("Extension"),
});

impl Rule {
    fn new(owner: TypeId) -> Self {
        let required = element::properties(owner).iter().filter(|p| p.min > 0);
        Self { primitive: Primitive::find(owner.name()), required: required.fold(0, |bits, p| bits | 1 << p.position) }
    }
}

struct Check {
    rules: &'static Rules,
    issues: Vec<Issue>,
    more: bool,
}

impl Check {
    #[cold]
    fn fail(&mut self, code: &'static str, text: impl Into<String>, path: &Path) {
        if self.issues.len() == ISSUES {
            self.more = true;
            return;
        }
        self.issues.push(Issue::error(code, text).at(path.to_string()));
    }

    /// A resource: the whole one, a contained one, or one within a Bundle or Parameters.
    fn resource(&mut self, json: &Json, path: &Path, is_root: bool, is_contained: bool) {
        let Json::Object(object) = json else {
            return self.fail(STRUCTURE, format!("a resource must be a JSON object, not {}", json.kind()), path);
        };
        let name = match object.get_name(&Name::known(names::RESOURCE_TYPE)) {
            Some(Json::String(name)) => name,
            Some(_) => return self.fail(STRUCTURE, "resourceType must be a string", path),
            None => return self.fail("required", "the resource has no resourceType", path),
        };
        let Some(kind) = ResourceType::find(name) else {
            return self.fail("value", format!("unknown resource type \"{}\"", shown(name)), path);
        };
        let owner = resource_type_id(kind);
        let root = Path::root(kind.name());
        self.object(object, owner, if is_root { &root } else { path }, true, is_contained);
    }

    /// The properties of an object of type `owner`.
    fn object(&mut self, object: &Object, owner: TypeId, path: &Path, is_resource: bool, is_contained: bool) {
        if object.is_empty() {
            return self.fail(STRUCTURE, "must not be an empty object", path);
        }
        let mut seen = 0_u128;
        for (name, value) in object.iter() {
            if is_resource && name.id() == Some(names::RESOURCE_TYPE) {
                continue;
            }
            let (found, is_sibling) = find(owner, name);
            let Some(property) = found else {
                self.fail(STRUCTURE, format!("unknown element \"{}\"", shown(name.as_str())), path);
                continue;
            };
            let bit = 1 << property.position;
            if property.is_choice && seen & bit != 0 {
                self.one_choice(object, owner, property, path);
            }
            seen |= bit;
            let place = path.child(property.element);
            if is_sibling {
                self.sibling(value, property, object, &place);
            } else if is_contained && property.name.id() == Some(names::CONTAINED) {
                self.fail(STRUCTURE, "a contained resource must not contain others", &place);
            } else {
                self.values(value, property, object, &place);
            }
        }
        let missing = self.rules.types[owner.0 as usize].required & !seen;
        if missing != 0 {
            self.missing(owner, missing, path);
        }
        if Some(owner) == self.rules.extension {
            self.extension(object, owner, path);
        }
    }

    #[cold]
    fn missing(&mut self, owner: TypeId, missing: u128, path: &Path) {
        let mut last = None;
        for property in element::properties(owner).iter().filter(|p| missing >> p.position & 1 == 1) {
            if last.replace(property.position) != Some(property.position) {
                let choice = if property.is_choice { "[x]" } else { "" };
                let text = format!("the required element {}{choice} is missing", property.element);
                self.fail("required", text, &path.child(property.element));
            }
        }
    }

    /// Refuses a second form of a choice; `valueString` and `_valueString` are the same form.
    fn one_choice(&mut self, object: &Object, owner: TypeId, second: &Property, path: &Path) {
        let mut forms = object.iter().filter_map(|(name, _)| find(owner, name).0);
        let is_other = |p: &Property| p.position == second.position && p.name != second.name;
        if let Some(first) = forms.find(|p| is_other(p)) {
            let text = format!("only one of {}[x] is allowed: {} and {}", second.element, first.name, second.name);
            self.fail(STRUCTURE, text, &path.child(second.element));
        }
    }

    /// `ext-1`: a value or extensions, one of both.
    fn extension(&mut self, object: &Object, owner: TypeId, path: &Path) {
        let has_value = object.iter().any(|(name, _)| find(owner, name).0.is_some_and(|p| p.is_choice));
        let has_extension = object.get_name(&Name::known(names::EXTENSION)).is_some();
        if has_value == has_extension {
            let text =
                if has_value { "must not have both a value and extensions" } else { "must have a value or extensions" };
            self.fail("invariant", text, path);
        }
    }

    /// The value of a property: an array exactly where the element repeats.
    fn values(&mut self, value: &Json, property: &Property, object: &Object, path: &Path) {
        match value {
            Json::Array(items) if property.is_list() => {
                if items.is_empty() {
                    self.fail(STRUCTURE, "must not be an empty array", path);
                }
                if property.max.is_some_and(|max| items.len() > max.into()) {
                    self.fail(STRUCTURE, format!("has {} items, more than allowed", items.len()), path);
                }
                for (index, item) in items.iter().enumerate() {
                    let is_filled = *item == Json::Null && has_sibling(object, property, index);
                    if !is_filled {
                        self.value(item, property, &path.item(index));
                    }
                }
            }
            Json::Array(_) => self.fail(STRUCTURE, format!("{} must not be an array", property.name), path),
            _ if property.is_list() => self.fail(STRUCTURE, format!("{} must be an array", property.name), path),
            one => self.value(one, property, path),
        }
    }

    fn value(&mut self, value: &Json, property: &Property, path: &Path) {
        let type_id = property.type_id;
        if let Some(primitive) = self.rules.types[type_id.0 as usize].primitive {
            if let Err((code, text)) = primitive.check(value) {
                self.fail(code, format!("{}: {text} (type {})", property.name, type_id.name()), path);
            }
            return;
        }
        if Some(type_id) == self.rules.any {
            return self.resource(value, path, false, property.name.id() == Some(names::CONTAINED));
        }
        match value {
            Json::Object(object) => self.object(object, type_id, path, false, false),
            other => {
                let text =
                    format!("{} must be an object, not {} (type {})", property.name, other.kind(), type_id.name());
                self.fail(STRUCTURE, text, path);
            }
        }
    }

    /// `_name` of a primitive: an Element, or an array of them that runs beside the values.
    fn sibling(&mut self, value: &Json, property: &Property, object: &Object, path: &Path) {
        match value {
            Json::Array(items) if property.is_list() => {
                let values = object.get_name(&property.name).map(|values| values.as_array().unwrap_or_default());
                if items.is_empty() || items.iter().all(|item| *item == Json::Null) {
                    self.fail(STRUCTURE, format!("_{} must have an item that is not null", property.name), path);
                }
                if values.is_some_and(|values| values.len() != items.len()) {
                    let text = format!("{0} and _{0} must have the same number of items", property.name);
                    self.fail(STRUCTURE, text, path);
                }
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Json::Null if values.and_then(|v| v.get(index)).is_some_and(|v| *v != Json::Null) => {}
                        item => self.element(item, property, &path.item(index)),
                    }
                }
            }
            Json::Array(_) => self.fail(STRUCTURE, format!("_{} must not be an array", property.name), path),
            _ if property.is_list() => self.fail(STRUCTURE, format!("_{} must be an array", property.name), path),
            one => self.element(one, property, path),
        }
    }

    fn element(&mut self, value: &Json, property: &Property, path: &Path) {
        match value {
            Json::Object(object) => self.object(object, property.type_id, path, false, false),
            other => self.fail(STRUCTURE, format!("_{} must be an object, not {}", property.name, other.kind()), path),
        }
    }
}

/// The property with a name, and whether the name is its `_name`.
fn find(owner: TypeId, name: &Name) -> (Option<&'static Property>, bool) {
    if let Some(found) = property(owner, name) {
        return (Some(found), false);
    }
    let Some(plain) = name.id().filter(|_| name.as_str().starts_with('_')).and_then(names::sibling) else {
        return (None, false);
    };
    let found = property(owner, &Name::known(plain));
    (found.filter(|p| RULES.types[p.type_id.0 as usize].primitive.is_some()), true)
}

/// Whether `_name` has something in the place of an item that is null.
fn has_sibling(object: &Object, property: &Property, index: usize) -> bool {
    let sibling = property.name.id().and_then(names::sibling).map(Name::known);
    let items = sibling.and_then(|name| object.get_name(&name)).and_then(Json::as_array);
    items.and_then(|items| items.get(index)).is_some_and(|item| *item != Json::Null)
}

/// A text of the request, short and safe to show.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
