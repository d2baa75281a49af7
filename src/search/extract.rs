//! From a resource to the values that it is found by.
//!
//! The expressions of a type's parameters are compiled at its first resource. Most of them begin with one
//! property (`Observation.code`): those whose property the resource does not have are not run.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::kind::dispatch;
use super::kind::element::Element;
use super::value::{Extracted, Value};
use crate::fhir::definitions::names;
use crate::fhir::definitions::params::{ParamId, ParamKind, SearchParam, expression_for, param, search_params};
use crate::fhir::fhirpath::{Collection, Context, Expression, Node, compile};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;

/// All values of a resource. `base`: the server's base, to recognise its own absolute URLs. What is broken in the
/// resource has no value.
pub fn extract(kind: ResourceType, resource: &Json, base: &str) -> Extracted {
    let plan = plan(kind);
    let root = Node::resource(resource);
    let context = Context::new(root);
    let mut found = Extracted::default();
    let Some(object) = resource.as_object() else { return found };
    let mut wanted = plan.always;
    for (name, _) in object.iter() {
        wanted |= name.id().and_then(|id| plan.by_name.get(&id)).copied().unwrap_or(0);
    }
    for (at, step) in plan.steps.iter().enumerate() {
        if at >= u128::BITS as usize || wanted & (1 << at) != 0 {
            step.run(root, &context, base, &mut found);
        }
    }
    found
}

/// The parameters of a type, compiled.
struct Plan {
    steps: Vec<Step>,
    /// By the number of a property's name: the steps (as bits) that may find something when it is there.
    by_name: HashMap<u16, u128>,
    /// Steps that do not depend on one property.
    always: u128,
}

struct Step {
    id: ParamId,
    kind: ParamKind,
    expression: Expression,
    components: Vec<(ParamKind, Expression)>,
}

static PLANS: LazyLock<Vec<OnceLock<Plan>>> = LazyLock::new(|| ResourceType::all().map(|_| OnceLock::new()).collect());

fn plan(kind: ResourceType) -> &'static Plan {
    PLANS[kind.index()].get_or_init(|| Plan::new(kind))
}

impl Plan {
    fn new(kind: ResourceType) -> Self {
        let mut plan = Self { steps: Vec::new(), by_name: HashMap::new(), always: 0 };
        for param in search_params(kind) {
            // `_id` and `_lastUpdated` are the index's own
            if matches!(param.code, "_id" | "_lastUpdated") {
                continue;
            }
            let Some(text) = expression_for(kind, param) else { continue };
            let Some(step) = Step::new(param, &text) else { continue };
            let bit = 1_u128.checked_shl(plan.steps.len() as u32).unwrap_or(0);
            match first_properties(&text) {
                Some(properties) => plan.note(&properties, bit),
                None => plan.always |= bit,
            }
            plan.steps.push(step);
        }
        plan
    }

    fn note(&mut self, properties: &[&str], bit: u128) {
        for (number, name) in names::ALL.iter().enumerate() {
            let Ok(number) = u16::try_from(number) else { continue };
            let plain = name.strip_prefix('_').unwrap_or(name);
            // the property itself, or one form of it when it is a choice
            let is_form = |property: &&str| {
                plain
                    .strip_prefix(*property)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            if properties.iter().any(is_form) {
                *self.by_name.entry(number).or_default() |= bit;
            }
        }
    }
}

/// The properties of the resource with which the branches of a path begin; none when the expression may also
/// yield something for a resource without them.
fn first_properties(expression: &str) -> Option<Vec<&str>> {
    const TELLING: [&str; 8] = ["exists", "empty", "not()", "!", " and ", " or ", "iif", "all("];
    if TELLING.iter().any(|word| expression.contains(word)) {
        return None;
    }
    expression.split(" | ").map(first_property).collect()
}

fn first_property(branch: &str) -> Option<&str> {
    let (kind, rest) = branch.trim_start_matches(['(', ' ']).split_once('.')?;
    if ResourceType::find(kind).is_none() && !matches!(kind, "Resource" | "DomainResource") {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let is_property = !rest[end..].starts_with('(') && end > 0;
    is_property.then(|| &rest[..end])
}

impl Step {
    fn new(of: &SearchParam, text: &str) -> Option<Self> {
        let components = of.components.iter().map(|component| {
            let expression = compile(component.expression).ok()?;
            Some((param(component.param).kind, expression))
        });
        Some(Self {
            id: of.id,
            kind: of.kind,
            expression: compile(text).ok()?,
            components: components.collect::<Option<_>>()?,
        })
    }

    fn run<'a>(&self, root: Node<'a>, context: &Context<'a>, base: &str, found: &mut Extracted) {
        let Ok(items) = self.expression.eval(root, context) else { return };
        let start = found.values.len();
        let mut out = |value: Value| {
            // combined paths find the same value again; short lists only, for the comparison is quadratic
            let group = &found.values[start..];
            if group.len() > 16 || !group.iter().any(|(_, earlier)| *earlier == value) {
                found.values.push((self.id, value));
            }
        };
        if self.kind == ParamKind::Composite {
            return self.tuples(&items, context, base, &mut out);
        }
        for element in items.iter().filter_map(Element::of) {
            dispatch::extract(self.kind, element, base, &mut out);
        }
    }

    fn tuples<'a>(&self, items: &Collection<'a>, context: &Context<'a>, base: &str, out: &mut dyn FnMut(Value)) {
        for node in items.iter().filter_map(|item| item.as_node()) {
            let mut components = Vec::with_capacity(self.components.len());
            for (kind, expression) in &self.components {
                let mut values = Vec::new();
                if let Ok(items) = expression.eval(node, context) {
                    for element in items.iter().filter_map(Element::of) {
                        dispatch::extract(*kind, element, base, &mut |value| values.push(value));
                    }
                }
                components.push(values);
            }
            dispatch::tuples(&components, out);
        }
    }
}
