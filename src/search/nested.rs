//! The names with children of `_filter` (FHIR R4 `search_filter.html`, 3.1.3.3), such as
//! `characteristic[code eq x].value`: what is asked of the children is asked of one and the same element.
//!
//! Each such element has a document of its own in the index, which goes with its resource. So everything that a
//! filter can ask of a resource it can ask of an element: several codings of one child, negations, chains.
//!
//! The page names two things that R4 does not have any more, and this is how they are read. `Observation.related`
//! has become `hasMember` and `derivedFrom`: its `type` is `has-member` (the page says `has-component`, its name in
//! DSTU 1) or `derived-from`, its `target` what is referred to. The elements `event`, `item` and `item-event` of
//! ServiceRequest have nothing in their place: the names are known and have no children.
//!
//! The same is done with the resource that begins a document or a message, whose parameters are chained to `composition` and
//! `message` of Bundle (`bundle.html`, 2.36.4).

use std::sync::LazyLock;

use super::kind::dispatch;
use super::kind::element::Element;
use super::path;
use super::value::{Extracted, Nested};
use crate::fhir::definitions::params::{ParamId, ParamKind, search_param};
use crate::fhir::fhirpath::{Context, Expression, Node, Options, compile_with};
use crate::fhir::json::{Json, Object};
use crate::fhir::types::ResourceType;

/// Most elements of a resource that are searched.
const NESTED_MAX: usize = 1000;

/// A name with children.
#[derive(Debug)]
pub struct Names {
    /// The type against which it can be used.
    kind: &'static str,
    /// The name.
    pub name: &'static str,
    /// The names below it; none when R4 has no such elements.
    pub children: &'static [Child],
    elements: &'static [Elements],
}

/// A child.
#[derive(Debug)]
pub struct Child {
    /// Its name.
    pub name: &'static str,
    /// What it asks.
    pub meaning: Meaning,
}

/// What a child asks of an element.
#[derive(Debug)]
pub enum Meaning {
    /// One of these parameters, of the element only.
    Params(&'static [&'static str]),
    /// A code: it is the element that has a value for this parameter.
    Codes(&'static [(&'static str, &'static str)]),
}

/// Where elements stand.
#[derive(Debug)]
struct Elements {
    /// The property of the resource.
    property: &'static str,
    /// FHIRPath from the element to values, and the parameters that these belong to.
    values: &'static [(&'static str, &'static str)],
}

/// The code system of [`Meaning::Codes`], as STU 3 had it.
pub const RELATIONSHIPS: &str = "http://hl7.org/fhir/observation-relationshiptypes";

static ALL: [Names; 6] = [
    Names {
        kind: "Observation",
        name: "related",
        children: &[
            Child { name: "target", meaning: Meaning::Params(&["has-member", "derived-from"]) },
            Child {
                name: "type",
                meaning: Meaning::Codes(&[
                    ("has-member", "has-member"),
                    ("has-component", "has-member"),
                    ("derived-from", "derived-from"),
                ]),
            },
        ],
        elements: &[
            Elements { property: "hasMember", values: &[("$this", "has-member")] },
            Elements { property: "derivedFrom", values: &[("$this", "derived-from")] },
        ],
    },
    Names {
        kind: "Group",
        name: "characteristic",
        children: &[
            Child { name: "code", meaning: Meaning::Params(&["characteristic"]) },
            Child { name: "value", meaning: Meaning::Params(&["value"]) },
        ],
        elements: &[Elements {
            property: "characteristic",
            values: &[
                ("code", "characteristic"),
                ("value.ofType(CodeableConcept)", "value"),
                ("value.ofType(boolean)", "value"),
            ],
        }],
    },
    Names {
        kind: "DocumentReference",
        name: "relatesTo",
        children: &[
            Child { name: "code", meaning: Meaning::Params(&["relation"]) },
            Child { name: "target", meaning: Meaning::Params(&["relatesto"]) },
        ],
        elements: &[Elements { property: "relatesTo", values: &[("code", "relation"), ("target", "relatesto")] }],
    },
    Names { kind: "ServiceRequest", name: "event", children: &[], elements: &[] },
    Names { kind: "ServiceRequest", name: "item", children: &[], elements: &[] },
    Names { kind: "ServiceRequest", name: "item-event", children: &[], elements: &[] },
];

/// Parameters of Bundle whose value is its first resource, and the type of that.
static FIRST: [(&str, &str); 2] = [("composition", "Composition"), ("message", "MessageHeader")];

/// The name and the type of the resource within resources of a type that the chain of a parameter leads to.
pub fn within(kind: ResourceType, code: &str) -> Option<(&'static str, ResourceType)> {
    let (name, inner) = FIRST.iter().find(|(name, _)| kind.name() == "Bundle" && *name == code)?;
    Some((name, ResourceType::find(inner)?))
}

/// The resource within a resource that has a name of [`within`].
pub fn first(kind: ResourceType, object: &Object) -> Option<(&'static str, ResourceType, &Json)> {
    if kind.name() != "Bundle" {
        return None;
    }
    let inner = object.get("entry")?.as_array()?.first()?.get("resource")?;
    let inner_type = inner.get("resourceType")?.as_str()?;
    let (name, _) = FIRST.iter().find(|(_, of)| *of == inner_type)?;
    Some((name, ResourceType::find(inner_type)?, inner))
}

/// The names of a type that have children in R4.
pub fn of(kind: ResourceType) -> impl Iterator<Item = &'static Names> {
    ALL.iter().filter(move |names| names.kind == kind.name() && !names.elements.is_empty())
}

/// A name of a type, also one that has no children.
pub fn find(kind: ResourceType, name: &str) -> Option<&'static Names> {
    ALL.iter().find(|names| names.kind == kind.name() && names.name == name)
}

/// Where a name's values come from, compiled.
struct Plan {
    name: &'static str,
    elements: Vec<(&'static str, Expression, Vec<Step>)>,
}

struct Step {
    id: ParamId,
    kind: ParamKind,
    expression: Expression,
    /// The implied system of the codes that it yields.
    system: Option<&'static str>,
}

static PLANS: LazyLock<Vec<(ResourceType, Plan)>> = LazyLock::new(|| {
    let plans = ResourceType::all().flat_map(|kind| of(kind).map(move |names| (kind, Plan::new(kind, names))));
    plans.collect()
});

impl Plan {
    fn new(kind: ResourceType, names: &'static Names) -> Self {
        let compile = |text: &str| compile_with(text, &Options::SEARCH).ok();
        let elements = names.elements.iter().filter_map(|elements| {
            let whole = format!("{kind}.{}", elements.property);
            let steps = elements.values.iter().filter_map(|(expression, code)| {
                let param = search_param(kind, code)?;
                let system = path::element(kind, &format!("{whole}.{expression}")).and_then(|element| element.system);
                Some(Step { id: param.id, kind: param.kind, expression: compile(expression)?, system })
            });
            Some((elements.property, compile(&whole)?, steps.collect()))
        });
        Self { name: names.name, elements: elements.collect() }
    }
}

/// The elements of a resource that have a name, with the values of their children.
pub fn extract<'a>(kind: ResourceType, root: Node<'a>, context: &Context<'a>, base: &str, out: &mut Vec<Nested>) {
    for (_, plan) in PLANS.iter().filter(|(of, _)| *of == kind) {
        for (property, whole, steps) in &plan.elements {
            if root.json.get(property).is_none() {
                continue;
            }
            let Ok(elements) = whole.eval(root, context) else { continue };
            for node in elements.iter().filter_map(|item| item.as_node()).take(NESTED_MAX - out.len().min(NESTED_MAX)) {
                let mut values = Extracted::default();
                steps.iter().for_each(|step| step.run(node, context, base, &mut values));
                out.push(Nested { name: plan.name, values });
            }
        }
    }
}

impl Step {
    fn run<'a>(&self, node: Node<'a>, context: &Context<'a>, base: &str, found: &mut Extracted) {
        let Ok(items) = self.expression.eval(node, context) else { return };
        for element in items.iter().filter_map(Element::of) {
            let element = element.with_system(self.system);
            dispatch::extract(self.kind, element, base, &mut |value| found.values.push((self.id, value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_whole() {
        let kind = |name| ResourceType::find(name).expect(name);
        for names in &ALL {
            let plan = Plan::new(kind(names.kind), names);
            assert_eq!(plan.elements.len(), names.elements.len(), "{}", names.name);
            for ((property, _, steps), elements) in plan.elements.iter().zip(names.elements) {
                assert_eq!(steps.len(), elements.values.len(), "{property}");
            }
            for child in names.children {
                let codes: Vec<&str> = match &child.meaning {
                    Meaning::Params(codes) => codes.to_vec(),
                    Meaning::Codes(codes) => codes.iter().map(|(_, code)| *code).collect(),
                };
                for code in codes {
                    let has = |elements: &Elements| elements.values.iter().any(|(_, of)| *of == code);
                    assert!(names.elements.iter().any(has), "{code} of {}", names.name);
                }
            }
        }
        // the code of a relation has the system of its binding
        let relates = find(kind("DocumentReference"), "relatesTo").expect("a name");
        let steps = &Plan::new(kind("DocumentReference"), relates).elements[0].2;
        assert_eq!(steps[0].system, Some("http://hl7.org/fhir/document-relationship-type"));
    }
}
