//! From the snapshot of a StructureDefinition to rules (FHIR R4 `elementdefinition.html`).

use std::sync::{Arc, OnceLock};

use super::bindings::{additional, binding};
use super::invariant::Constraint;
use super::rules::{
    At, Binding, Discriminator, DiscriminatorKind, Expected, ExtensionContext, NarrativeControl, Probe, Profile, Rule,
    Slicing, SlicingRules, Target, TypeRule, ValueBounds,
};
use crate::fhir::definitions::conformance::CORE;
use crate::fhir::definitions::element::{self, Property, TypeId, TypeKind, type_by_name};
use crate::fhir::fhirpath;
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// What the type codes of the System namespace begin with.
const SYSTEM: &str = "http://hl7.org/fhirpath/";

/// Finds the rules of the base definition of a type.
pub type BaseOf<'b> = &'b dyn Fn(TypeId) -> Option<At<'b>>;

/// The rules of a snapshot. `base` is none for the base definitions themselves.
///
/// # Errors
/// Why the definition cannot be used.
pub fn compile(definition: &Json, elements: &[Json], base: Option<BaseOf<'_>>) -> Result<Profile, String> {
    let text = |name: &str| definition.get(name).and_then(Json::as_str).unwrap_or("");
    let type_id = type_by_name(last_segment(text("type"))).ok_or_else(|| format!("unknown type `{}`", text("type")))?;
    let mut builder = Builder { base, drafts: Vec::new(), open: Vec::new() };
    for element in elements {
        let element = element.as_object().ok_or("an element that is no object")?;
        builder.element(element, type_id)?;
    }
    if builder.drafts.is_empty() {
        return Err("it has no elements".to_owned());
    }
    let is_modifier = elements[0].get("isModifier").and_then(Json::as_bool) == Some(true);
    Ok(Profile {
        url: text("url").into(),
        type_id,
        rules: builder.finish(),
        is_modifier,
        contexts: contexts(definition),
        context_invariants: context_invariants(definition),
    })
}

/// What must hold for an element that has the extension (`StructureDefinition.contextInvariant`).
fn context_invariants(definition: &Json) -> Vec<Constraint> {
    let list = definition.get("contextInvariant").and_then(Json::as_array).unwrap_or_default();
    list.iter().filter_map(Json::as_str).map(|text| Constraint::new("contextInvariant", true, text, text)).collect()
}

/// Where an extension may stand.
fn contexts(definition: &Json) -> Vec<ExtensionContext> {
    let context = |json: &Json| {
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let expression = text("expression")?;
        Some(match text("type")? {
            "element" => ExtensionContext::Element(expression.rsplit('#').next().unwrap_or(expression).into()),
            "extension" => ExtensionContext::Extension(expression.into()),
            _ => ExtensionContext::Expression(fhirpath::compile(expression).ok().map(Box::new)),
        })
    };
    let list = definition.get("context").and_then(Json::as_array).unwrap_or_default();
    list.iter().filter_map(context).collect()
}

fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// A rule that is being made.
struct Draft {
    rule: Rule,
    /// The type whose properties its children are.
    owner: TypeId,
    /// The rule of the base definition for the same element.
    path: Box<str>,
    children: Vec<(u16, u32)>,
    slices: Vec<(Box<str>, u32)>,
    /// The path that `contentReference` names.
    content: Option<Box<str>>,
}

struct Builder<'b> {
    base: Option<BaseOf<'b>>,
    drafts: Vec<Draft>,
    /// The number of the rule that is open at each depth, the root first.
    open: Vec<u32>,
}

/// What the base definition says about an element.
struct Inherited {
    min: u32,
    max: Option<u32>,
    position: u16,
    properties: Vec<&'static Property>,
}

impl Inherited {
    /// The element of a type with a name such as `value[x]`, or with that of one form of a choice.
    fn find(owner: TypeId, name: &str) -> Option<Self> {
        let plain = name.trim_end_matches("[x]");
        let all = element::properties(owner);
        let first = all.iter().find(|p| p.element == plain && p.is_choice == (plain != name));
        let first = first.or_else(|| all.iter().find(|p| p.is_choice && p.name.as_str() == name))?;
        let properties = all.iter().filter(|p| p.position == first.position).collect();
        Some(Self { min: first.min.into(), max: first.max.map(u32::from), position: first.position, properties })
    }

    /// The type whose properties the children are, given the types that the profile allows.
    fn owner(&self, codes: &[&str]) -> Option<TypeId> {
        let declared = self.properties[0].type_id;
        let is_open = self.properties.len() > 1 || declared.kind() == TypeKind::Resource;
        match codes {
            [code] if is_open => type_by_name(code),
            _ if self.properties.len() > 1 => type_by_name("Element"),
            _ => Some(declared),
        }
    }
}

impl<'b> Builder<'b> {
    fn element(&mut self, element: &Object, root: TypeId) -> Result<(), String> {
        let path = text(element, "path").ok_or("an element without a path")?;
        let depth = path.matches('.').count();
        if depth == 0 {
            let mut rule = Rule { id: path.into(), ..Rule::default() };
            let base = self.base.and_then(|base| base(root));
            rule.constraints = constraints(element, &|key| base.is_some_and(|base| has_key(base, key)));
            self.drafts.push(Draft::new(rule, root, path));
            self.open = vec![0];
            return Ok(());
        }
        if depth > self.open.len() {
            return Err(format!("`{path}` comes before the element that holds it"));
        }
        self.open.truncate(depth);
        let (parent_path, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = self.open[depth - 1];
        if *self.drafts[parent as usize].path != *parent_path {
            return Err(format!("`{path}` comes before the element that holds it"));
        }
        let owner = self.drafts[parent as usize].owner;
        let inherited = Inherited::find(owner, name);
        if inherited.is_none() && owner.kind() == TypeKind::Primitive {
            // the value itself, which is no element of its own
            let rule = Rule { id: path.into(), ..Rule::default() };
            self.drafts.push(Draft::new(rule, owner, path));
            self.open.push(u32::try_from(self.drafts.len() - 1).map_err(|_| "too many elements")?);
            return Ok(());
        }
        let inherited = inherited.ok_or_else(|| format!("`{path}`: {} has no element `{name}`", owner.name()))?;
        let index = self.add(element, path, parent, &inherited)?;
        self.open.push(index);
        Ok(())
    }

    /// Adds the rule of an element, as a child or a slice of its parent.
    fn add(&mut self, element: &Object, path: &str, parent: u32, inherited: &Inherited) -> Result<u32, String> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let form = inherited.properties.iter().find(|p| p.is_choice && p.name.as_str() == name);
        let codes: Vec<&str> = match form {
            Some(form) => vec![form.type_id.name()],
            None => items(element, "type").filter_map(|t| t.get("code")?.as_str()).collect(),
        };
        let slice = text(element, "sliceName").or_else(|| form.map(|_| name));
        let parent_id = self.drafts[parent as usize].rule.id.clone();
        let id = format!("{parent_id}.{name}{}{}", if slice.is_some() { ":" } else { "" }, slice.unwrap_or(""));
        let owner = inherited.owner(&codes).unwrap_or(self.drafts[parent as usize].owner);
        let base = self.base_rule(parent, inherited.position);
        let mut draft = Draft::new(self.rule(element, inherited, base, &codes), owner, path);
        draft.rule.id = id.into();
        if slice.is_some() {
            draft.rule.min = element.get("min").and_then(number).unwrap_or(0);
            draft.rule.max = text(element, "max").and_then(|max| max.parse().ok());
        }
        draft.content = text(element, "contentReference").map(|c| c.rsplit('#').next().unwrap_or(c).into());
        let index = u32::try_from(self.drafts.len()).map_err(|_| "too many elements")?;
        self.drafts.push(draft);
        match slice {
            Some(slice) => self.add_slice(slice, parent, inherited, index),
            None => self.drafts[parent as usize].children.push((inherited.position, index)),
        }
        Ok(index)
    }

    /// The rule that the base definition has for the child of a rule at a position.
    fn base_rule(&self, parent: u32, position: u16) -> Option<At<'b>> {
        self.base?(self.drafts[parent as usize].owner)?.child(position)
    }

    /// Puts a rule below the element that it is a slice of, or below the slice that it divides again (`a/b`).
    fn add_slice(&mut self, name: &str, parent: u32, inherited: &Inherited, index: u32) {
        let children = &self.drafts[parent as usize].children;
        let found = children.iter().rfind(|child| child.0 == inherited.position).map(|child| child.1);
        let whole = found.unwrap_or_else(|| {
            let made = u32::try_from(self.drafts.len()).unwrap_or(u32::MAX);
            let copy = Rule {
                id: self.drafts[index as usize].rule.id.split(':').next().unwrap_or("").into(),
                ..Rule::default()
            };
            let (owner, path) = (self.drafts[index as usize].owner, self.drafts[index as usize].path.clone());
            self.drafts.push(Draft::new(copy, owner, &path));
            self.drafts[parent as usize].children.push((inherited.position, made));
            made
        });
        let mut holder = whole;
        for (at, _) in name.match_indices('/') {
            let outer = self.drafts[holder as usize].slices.iter().find(|slice| *slice.0 == name[..at]);
            holder = outer.map_or(holder, |slice| slice.1);
        }
        let draft = &mut self.drafts[holder as usize];
        draft.slices.push((name.into(), index));
        if draft.rule.slicing.is_none() {
            let (kind, path) = if inherited.properties[0].is_choice {
                (DiscriminatorKind::Type, "$this")
            } else {
                (DiscriminatorKind::Value, "url")
            };
            let is_known = inherited.properties[0].is_choice || inherited.properties[0].type_id.name() == "Extension";
            let implied = is_known.then(|| Discriminator { kind, path: path.into(), probe: probe(kind, path) });
            draft.rule.slicing = Some(Box::new(Slicing {
                discriminators: implied.into_iter().collect(),
                is_ordered: false,
                rules: SlicingRules::Open,
                slices: Box::default(),
                criteria: OnceLock::new(),
            }));
        }
    }

    /// What an element asks for beyond its base definition.
    fn rule(&self, element: &Object, inherited: &Inherited, base: Option<At<'b>>, codes: &[&str]) -> Rule {
        let min = element.get("min").and_then(number).unwrap_or(0);
        let max = text(element, "max").and_then(|max| max.parse::<u32>().ok());
        let of_types: Vec<At<'b>> = codes.iter().filter_map(|code| self.base?(type_by_name(code)?)).collect();
        let is_known = |key: &str| base.into_iter().chain(of_types.iter().copied()).any(|at| has_key(at, key));
        let binding = binding(element);
        let is_new = |b: &Binding| base.and_then(|at| at.rule().binding.as_ref()) != Some(b);
        Rule {
            id: Box::default(),
            min: if min > inherited.min { min } else { 0 },
            max: max.filter(|max| inherited.max.is_none_or(|most| *max < most)),
            types: types(element, inherited, self.base.is_some()),
            value: expected(element),
            binding: binding.filter(is_new),
            more: additional(element),
            constraints: constraints(element, &is_known),
            bounds: bounds(element),
            narrative: narrative(element),
            children: Box::default(),
            needed: Box::default(),
            slicing: slicing(element).map(Box::new),
        }
    }

    /// Leaves out what says nothing, and puts the rest together.
    fn finish(mut self) -> Vec<Rule> {
        let content: Vec<Option<u32>> = self.drafts.iter().map(|draft| self.content_of(draft)).collect();
        let mut useful: Vec<bool> =
            self.drafts.iter().map(|draft| draft.rule.says_something() || !draft.slices.is_empty()).collect();
        loop {
            let mut changed = false;
            for (n, draft) in self.drafts.iter().enumerate() {
                let below = draft.children.iter().any(|child| useful[child.1 as usize]);
                let is_useful = useful[n] || below || content[n].is_some_and(|at| useful[at as usize]);
                changed |= is_useful != useful[n];
                useful[n] = is_useful;
            }
            if !changed {
                break;
            }
        }
        let mut children: Vec<Vec<(u16, u32)>> =
            self.drafts.iter_mut().map(|draft| std::mem::take(&mut draft.children)).collect();
        for list in &mut children {
            list.retain(|child| useful[child.1 as usize]);
            list.sort_unstable();
        }
        let needs: Vec<bool> = self.drafts.iter().map(|draft| self.is_needed(draft)).collect();
        let finish = |(n, draft): (usize, Draft)| {
            let own = &children[n];
            let list = if own.is_empty() { content[n].map_or(own, |at| &children[at as usize]) } else { own };
            let mut rule = draft.rule;
            rule.children = list.clone().into();
            rule.needed = list.iter().filter(|child| needs[child.1 as usize]).copied().collect();
            // a slicing without slices, as the base definitions have for extensions, says nothing
            rule.slicing = rule.slicing.filter(|_| !draft.slices.is_empty());
            if let Some(slicing) = &mut rule.slicing {
                slicing.slices = draft.slices.into();
            }
            rule
        };
        std::mem::take(&mut self.drafts).into_iter().enumerate().map(finish).collect()
    }

    /// Whether an element or one of its slices must be there.
    fn is_needed(&self, draft: &Draft) -> bool {
        draft.rule.min > 0 || draft.slices.iter().any(|slice| self.drafts[slice.1 as usize].rule.min > 0)
    }

    fn content_of(&self, draft: &Draft) -> Option<u32> {
        let wanted = draft.content.as_deref()?;
        let at = self.drafts.iter().position(|other| *other.path == *wanted)?;
        u32::try_from(at).ok()
    }
}

impl Draft {
    fn new(rule: Rule, owner: TypeId, path: &str) -> Self {
        Self { rule, owner, path: path.into(), children: Vec::new(), slices: Vec::new(), content: None }
    }
}

impl Rule {
    /// Whether it asks for anything, its children and slices aside.
    fn says_something(&self) -> bool {
        self.min > 0
            || self.max.is_some()
            || !self.types.is_empty()
            || self.value.is_some()
            || self.binding.is_some()
            || !self.more.is_empty()
            || !self.constraints.is_empty()
            || self.bounds.is_some()
            || self.narrative.is_some()
    }
}

fn has_key(at: At<'_>, key: &str) -> bool {
    at.rule().constraints.iter().any(|constraint| *constraint.key == *key)
}

fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn number(json: &Json) -> Option<u32> {
    json.as_number()?.as_str().parse().ok()
}

fn items<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a Json> {
    object.get(name).and_then(Json::as_array).unwrap_or_default().iter()
}

fn texts(json: &Json, name: &str) -> Vec<Box<str>> {
    let items = json.get(name).and_then(Json::as_array).unwrap_or_default();
    items.iter().filter_map(Json::as_str).map(Into::into).collect()
}

/// The prepared form of a discriminator's path.
fn probe(kind: DiscriminatorKind, path: &str) -> Probe {
    if path == "$this" {
        return Probe::This;
    }
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric()) && Name::new(name).id().is_some();
    let path = path.strip_prefix("$this.").unwrap_or(path);
    // a choice is not a property of JSON; `value` as the name of a primitive or choice goes the long way
    let needs_type = matches!(kind, DiscriminatorKind::Type | DiscriminatorKind::Profile);
    if !needs_type && path.split('.').all(|name| is_plain(name) && !is_choice(name)) {
        return Probe::Names(path.split('.').map(Name::new).collect());
    }
    match fhirpath::compile(path) {
        Ok(expression) => Probe::Path(expression),
        Err(fault) => Probe::Broken(fault.message().into()),
    }
}

/// Whether some type has a choice element of this name.
fn is_choice(name: &str) -> bool {
    matches!(name, "value")
        || element::all_types().flat_map(element::properties).any(|p| p.is_choice && p.element == name)
}

fn slicing(element: &Object) -> Option<Slicing> {
    let slicing = element.get("slicing")?;
    let discriminator = |json: &Json| {
        let path = json.get("path").and_then(Json::as_str).unwrap_or("$this");
        let kind = match json.get("type").and_then(Json::as_str)? {
            "value" | "pattern" => DiscriminatorKind::Value,
            "exists" => DiscriminatorKind::Exists,
            "type" => DiscriminatorKind::Type,
            "profile" => DiscriminatorKind::Profile,
            _ => return None,
        };
        Some(Discriminator { kind, path: path.into(), probe: probe(kind, path) })
    };
    let discriminators = slicing.get("discriminator").and_then(Json::as_array).unwrap_or_default();
    Some(Slicing {
        discriminators: discriminators.iter().filter_map(discriminator).collect(),
        is_ordered: slicing.get("ordered").and_then(Json::as_bool).unwrap_or(false),
        rules: match slicing.get("rules").and_then(Json::as_str) {
            Some("closed") => SlicingRules::Closed,
            Some("openAtEnd") => SlicingRules::OpenAtEnd,
            _ => SlicingRules::Open,
        },
        slices: Box::default(),
        criteria: OnceLock::new(),
    })
}

/// The types of an element, if they are not just those of the base definition.
fn types(element: &Object, inherited: &Inherited, is_derived: bool) -> Box<[TypeRule]> {
    let rule = |json: &Json| {
        let code = json.get("code").and_then(Json::as_str)?;
        let targets = texts(json, "targetProfile").into_iter().map(Target::new);
        Some(TypeRule {
            type_id: type_by_name(code)?,
            profiles: texts(json, "profile").into(),
            targets: targets.collect(),
        })
    };
    // a System type stands for the value of a primitive, or for an id or url, of which there is one type only
    let is_system = |json: &Json| json.get("code").and_then(Json::as_str).is_some_and(|code| code.starts_with(SYSTEM));
    // the ids of resources are called strings
    let is_id = matches!(inherited.properties.as_slice(), [one] if one.type_id.name() == "id");
    if is_id || items(element, "type").any(is_system) {
        return Box::default();
    }
    let types: Box<[TypeRule]> = items(element, "type").filter_map(rule).collect();
    let has_profile = types.iter().any(|t| !t.profiles.is_empty());
    let same = |t: &TypeRule| {
        let Some(property) = inherited.properties.iter().find(|p| p.type_id == t.type_id) else { return false };
        let kinds: Vec<_> = t.targets.iter().map(|target| target.kind).collect();
        let any = property.targets.is_empty()
            && t.targets.iter().all(|target| *target.url == *"http://hl7.org/fhir/StructureDefinition/Resource");
        any || (kinds.len() == property.targets.len()
            && property.targets.iter().all(|kind| kinds.contains(&Some(*kind))))
    };
    let is_new = is_derived && !(types.len() == inherited.properties.len() && types.iter().all(same));
    if has_profile || is_new { types } else { Box::default() }
}

impl Target {
    fn new(url: Box<str>) -> Self {
        let kind = url.strip_prefix(CORE).and_then(|name| ResourceType::find(name.split('|').next().unwrap_or(name)));
        Self { url, kind }
    }
}

fn expected(element: &Object) -> Option<Expected> {
    element.iter().find_map(|(name, value)| {
        let is_choice = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase());
        match (name.as_str().strip_prefix("fixed"), name.as_str().strip_prefix("pattern")) {
            (Some(rest), _) if is_choice(rest) => Some(Expected::Fixed(value.clone())),
            (_, Some(rest)) if is_choice(rest) => Some(Expected::Pattern(value.clone())),
            _ => None,
        }
    })
}

fn narrative(element: &Object) -> Option<Box<NarrativeControl>> {
    let mut control = NarrativeControl::default();
    let mut languages = Vec::new();
    for extension in items(element, "extension") {
        let url = extension.get("url").and_then(Json::as_str).and_then(|url| url.strip_prefix(CORE));
        let value = extension.get("valueCode").and_then(Json::as_str);
        match (url, value) {
            (Some("narrative-language-control"), Some(code)) => languages.push(code.into()),
            (Some("narrative-source-control"), Some(level)) => control.by_source = level != "success",
            _ => {}
        }
    }
    control.languages = languages.into();
    (control.by_source || !control.languages.is_empty()).then(|| Box::new(control))
}

fn bounds(element: &Object) -> Option<Box<ValueBounds>> {
    let mut bounds = ValueBounds::default();
    let mut is_any = false;
    for (name, value) in element.iter() {
        match name.as_str() {
            "maxLength" => bounds.max_length = number(value).map(u64::from),
            name if name.starts_with("minValue") => bounds.min = Some(value.clone()),
            name if name.starts_with("maxValue") => bounds.max = Some(value.clone()),
            _ => continue,
        }
        is_any = true;
    }
    is_any.then(|| Box::new(bounds))
}

/// The invariants that are not known already; `ele-1` and `ext-1` hold everywhere, by the walk.
fn constraints(element: &Object, is_known: &dyn Fn(&str) -> bool) -> Box<[Arc<Constraint>]> {
    let constraint = |json: &Json| {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or("");
        let (key, expression) = (text("key"), text("expression"));
        if matches!(key, "ele-1" | "ext-1") || expression.is_empty() || is_known(key) {
            return None;
        }
        Some(Arc::new(Constraint::new(key, text("severity") == "error", text("human"), expression)))
    };
    items(element, "constraint").filter_map(constraint).collect()
}
