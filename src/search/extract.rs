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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::limits::Limits;
    use crate::fhir::definitions::params::all_params;
    use crate::fhir::json::parse as json;
    use crate::fhir::types::ResourceId;
    use crate::search::matches::{DocMeta, matches};
    use crate::search::parse::{ParseContext, parse};

    const OBSERVATION: &str = r##"{"resourceType":"Observation","id":"o","meta":{
        "profile":["http://x/p"],"tag":[{"system":"t","code":"v"}],"source":"urn:s"},
        "contained":[{"resourceType":"Patient","id":"c","name":[{"family":"Hidden"}]}],
        "status":"final","category":[{"coding":[{"system":"cat","code":"vital-signs"}]}],
        "code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure"}],"text":"BP"},
        "subject":{"reference":"http://host/fhir/Patient/p","identifier":{"system":"mrn","value":"7"}},
        "encounter":{"reference":"Encounter/e/_history/2"},"performer":[{"reference":"#c"}],
        "effectivePeriod":{"start":"2024-02-01T10:00:00Z"},
        "component":[
          {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
           "valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
          {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
           "valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"##;

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,
        "identifier":[{"system":"mrn","value":"7","type":{"text":"MR"}},{"value":"8"}],
        "name":[{"family":"Müller-Lüdenscheidt","given":["Ève","Marie"],"prefix":["Dr."]}],
        "telecom":[{"system":"phone","value":"555"},{"system":"email","value":"a@b"}],
        "gender":"female","birthDate":"1980-02-29","address":[{"line":["1 Rue"],"city":"Paris","postalCode":"75001"}],
        "generalPractitioner":[{"reference":"Practitioner/d"}],"managingOrganization":{"display":"none"}}"#;

    /// Whether a search finds the resource.
    fn finds(resource: &str, name: &str, value: &str) -> bool {
        let resource = json(resource.as_bytes()).expect("JSON");
        let name_of_kind = resource.get("resourceType").and_then(Json::as_str).expect("a type");
        let kind = ResourceType::find(name_of_kind).expect("a type");
        let limits = Limits::default();
        let context = ParseContext {
            base: "http://host/fhir",
            strict: true,
            limits: &limits,
            now: Timestamp(1_700_000_000_000_000),
        };
        let query =
            parse(kind, &[(name.into(), value.into())], &context).unwrap_or_else(|e| panic!("{name}={value}: {e}"));
        let values = extract(kind, &resource, "http://host/fhir");
        let id = resource.get("id").and_then(Json::as_str).expect("an id");
        let meta = DocMeta { id: ResourceId::parse(id).expect("an id"), updated: Timestamp(1_600_000_000_000_000) };
        query.clauses.iter().all(|clause| matches(clause, &values, &meta).expect("no chain"))
    }

    fn check(resource: &str, found: &[(&str, &str)], not_found: &[(&str, &str)]) {
        for (name, value) in found {
            assert!(finds(resource, name, value), "{name}={value} finds it");
        }
        for (name, value) in not_found {
            assert!(!finds(resource, name, value), "{name}={value} does not find it");
        }
    }

    #[test]
    fn an_observation_is_found_by_what_it_says() {
        check(
            OBSERVATION,
            &[
                ("_id", "o"),
                ("_lastUpdated", "2020-09"),
                ("_profile", "http://x/p"),
                ("_tag", "t|v"),
                ("_source", "urn:s"),
                ("code", "http://loinc.org|85354-9"),
                ("code", "x,85354-9"),
                ("code:not", "x"),
                ("subject", "Patient/p"),
                ("subject", "p"),
                ("subject:Patient", "p"),
                ("patient", "http://host/fhir/Patient/p"),
                ("patient:identifier", "mrn|7"),
                ("encounter", "e"),
                ("date", "ge2030"),
                ("date", "sa2023"),
                ("value-quantity:missing", "true"),
                ("performer:missing", "true"),
                ("component-value-quantity", "gt100"),
                ("component-code-value-quantity", "http://loinc.org|8480-6$gt100"),
                ("component-code-value-quantity", "8462-4$lt100|http://unitsofmeasure.org|mm[Hg]"),
                ("combo-code", "8480-6"),
                ("combo-code-value-quantity", "8480-6$120"),
                ("status", "final"),
            ],
            &[
                ("code", "|85354-9"),
                ("code:not", "85354-9"),
                ("subject", "Group/p"),
                ("patient:identifier", "8"),
                ("date", "2024-02"),
                ("date", "eb2025"),
                ("component-code-value-quantity", "8462-4$gt100"),
                ("component-code-value-quantity", "85354-9$gt100"),
                ("_lastUpdated", "gt2020-09-13T12:26:40Z"),
                ("performer", "Patient/c"),
            ],
        );
    }

    #[test]
    fn a_patient_is_found_by_what_it_says() {
        check(
            PATIENT,
            &[
                ("name", "muller"),
                ("name", "EVE"),
                ("name:contains", "ludensch"),
                ("given:exact", "Ève"),
                ("family", "MÜLLER-"),
                ("identifier", "mrn|7"),
                ("identifier", "|8"),
                ("active", "true"),
                ("birthdate", "1980-02"),
                ("birthdate", "ap1980-03"),
                ("phone", "555"),
                ("telecom", "a@b"),
                ("address", "par"),
                ("address-postalcode", "75"),
                ("general-practitioner", "d"),
                ("deceased", "false"),
                ("organization:missing", "true"),
                ("gender", "female"),
            ],
            &[
                ("given:exact", "Eve"),
                ("family", "ludenscheidt"),
                ("phone", "a@b"),
                ("deceased", "true"),
                ("identifier", "mrn|8"),
                ("birthdate", "1980-03"),
                ("gender:missing", "true"),
            ],
        );
        let dead = PATIENT.replace("\"active\":true", "\"deceasedDateTime\":\"2020\"");
        check(
            &dead,
            &[("deceased", "true"), ("death-date", "2020"), ("active:missing", "true")],
            &[("deceased", "false")],
        );
    }

    #[test]
    fn resources_inside_of_bundles_are_references() {
        let bundle = r#"{"resourceType":"Bundle","id":"b","type":"document","identifier":{"value":"i"},"timestamp":
            "2024-01-01T00:00:00Z","entry":[{"resource":{"resourceType":"Composition","id":"c"}}]}"#;
        check(
            bundle,
            &[("composition", "Composition/c"), ("identifier", "i"), ("timestamp", "2024")],
            &[("composition", "d")],
        );
    }

    #[test]
    fn every_expression_compiles() {
        for kind in ResourceType::all() {
            let compiled = plan(kind).steps.len();
            let wanted = search_params(kind)
                .iter()
                .filter(|param| !matches!(param.code, "_id" | "_lastUpdated") && expression_for(kind, param).is_some());
            assert_eq!(compiled, wanted.count(), "{kind}");
            assert!(compiled <= 128, "{kind}");
        }
        assert!(all_params().len() > 1000);
    }

    #[test]
    fn broken_resources_cost_their_broken_values_only() {
        for text in [
            "{}",
            "[]",
            r#"{"resourceType":"Observation","code":"x","subject":[1],"valueQuantity":{"value":"5"},"effectiveDateTime":5}"#,
            r#"{"resourceType":"Patient","name":"x","birthDate":{}}"#,
        ] {
            let resource = json(text.as_bytes()).expect("JSON");
            for kind in ["Observation", "Patient"] {
                let found = extract(ResourceType::find(kind).expect("a type"), &resource, "");
                assert!(found.values.len() <= 4, "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn skipping_absent_properties_loses_nothing() {
        for text in [OBSERVATION, PATIENT] {
            let resource = json(text.as_bytes()).expect("JSON");
            let kind =
                resource.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find).expect("a type");
            let root = Node::resource(&resource);
            let mut all = Extracted::default();
            plan(kind).steps.iter().for_each(|step| step.run(root, &Context::new(root), "http://host/fhir", &mut all));
            assert_eq!(extract(kind, &resource, "http://host/fhir"), all);
        }
    }

    #[test]
    fn values_of_a_parameter_stand_together() {
        let resource = json(OBSERVATION.as_bytes()).expect("JSON");
        let found = extract(ResourceType::find("Observation").expect("a type"), &resource, "");
        let mut seen = Vec::new();
        for (id, _) in &found.values {
            if seen.last() != Some(id) {
                assert!(!seen.contains(id), "{}", param(*id).code);
                seen.push(*id);
            }
        }
        assert!(seen.len() > 10);
    }

    /// Run it in release: `cargo test --release --lib search::extract -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        for text in [OBSERVATION, PATIENT] {
            let resource = json(text.as_bytes()).expect("JSON");
            let kind =
                resource.get("resourceType").and_then(Json::as_str).and_then(ResourceType::find).expect("a type");
            let run = |times: u32| {
                let start = std::time::Instant::now();
                let values: usize = (0..times).map(|_| extract(kind, &resource, "http://host/fhir").values.len()).sum();
                (start.elapsed() / times, values / times as usize)
            };
            run(1000);
            let (time, values) = run(20_000);
            println!("extract {kind}: {time:?} for {values} values");
        }
    }
}
