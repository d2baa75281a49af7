//! From a resource to the values that it is found by.
//!
//! The expressions of a type's parameters are compiled at its first resource. Most of them begin with one
//! property (`Observation.code`): those whose property the resource does not have are not run. What a tenant adds to a
//! type has a plan of its own, which comes after that of the type.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::content;
use super::kind::element::{Element, computed, each, text};
use super::kind::string::spread;
use super::kind::token::drop_beside;
use super::kind::{dispatch, reference};
use super::links;
use super::nested;
use super::path;
use super::value::{Contained, Extracted, Nested, Value};
use crate::fhir::definitions::names;
use crate::fhir::definitions::params::{ParamId, ParamKind, SearchParam, expression_for, search_params};
use crate::fhir::fhirpath::{Bounds, Collection, Context, Expression, Node, Options, compile_with};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;

/// The values of a resource for the official parameters. `base`: the server's base, to recognise its own absolute URLs.
/// What is broken in the resource has no value.
pub fn extract(kind: ResourceType, resource: &Json, base: &str) -> Extracted {
    extract_with(kind, None, resource, base)
}

/// The same, and the values for what is added to the type. Contained resources have values for the official parameters.
pub fn extract_with(kind: ResourceType, added: Option<&Plan>, resource: &Json, base: &str) -> Extracted {
    let mut found = own(kind, added, resource, base);
    let within = resource.as_object().into_iter().flat_map(|object| each(object, names::CONTAINED));
    for inner in within.take(CONTAINED_MAX) {
        let Some(object) = inner.as_object() else { continue };
        let kind = text(object, names::RESOURCE_TYPE).and_then(ResourceType::find);
        if let (Some(kind), Some(id)) = (kind, text(object, names::ID)) {
            found.contained.push(Contained { kind, id: id.into(), values: own(kind, None, inner, base) });
        }
    }
    if let Some(object) = resource.as_object() {
        found.links = links::links(object, &found.values, base);
    }
    found
}

/// Most contained resources of one resource that are searched.
const CONTAINED_MAX: usize = 1000;

/// The values of a resource without those that it contains.
fn own(kind: ResourceType, added: Option<&Plan>, resource: &Json, base: &str) -> Extracted {
    let root = Node::resource(resource);
    let official = (plan(kind), Context::new(root));
    let added = added.map(|plan| (plan, Context { bounds: BOUNDS, ..Context::new(root) }));
    let mut found = Extracted::default();
    let Some(object) = resource.as_object() else { return found };
    for (plan, context) in std::iter::once(official).chain(added) {
        let mut wanted = ALWAYS;
        for (name, _) in object.iter() {
            wanted |= name.id().and_then(|id| plan.by_name.get(&id)).copied().unwrap_or(0);
        }
        for step in &plan.steps {
            step.run(root, &context, base, wanted, &mut found);
        }
    }
    nested::extract(kind, root, &Context::new(root), base, &mut found.nested);
    if let Some((name, kind, inner)) = nested::first(kind, object) {
        // words are asked of the whole Bundle
        let values = Extracted { narrative: "".into(), content: "".into(), ..own(kind, None, inner, base) };
        found.nested.push(Nested { name, values });
    }
    found.narrative = content::narrative(object);
    found.content = content::content(object);
    found.is_working = kind.name() == "List" && text(object, names::MODE) == Some("working");
    found
}

/// What an added expression may cost on one resource; beyond it has no values there.
const BOUNDS: Bounds = Bounds { steps: 200_000, items: 10_000, text: 1 << 20 };

/// The bit of branches that do not depend on one property.
const ALWAYS: u128 = 1;

/// Parameters of a type, compiled.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    /// By the number of a property's name: the branches (as bits) that may find something when it is there.
    by_name: HashMap<u16, u128>,
}

#[derive(Debug)]
struct Step {
    id: ParamId,
    kind: ParamKind,
    /// The operands of a union; their values are put together here, without comparing whole elements.
    branches: Vec<Branch>,
    components: Vec<Component>,
}

#[derive(Debug)]
struct Branch {
    expression: Expression,
    bit: u128,
    /// The implied system of the codes that it yields.
    system: Option<&'static str>,
    is_family: bool,
}

#[derive(Debug)]
struct Component {
    kind: ParamKind,
    expression: Expression,
    system: Option<&'static str>,
}

static PLANS: LazyLock<Vec<OnceLock<Plan>>> = LazyLock::new(|| ResourceType::all().map(|_| OnceLock::new()).collect());

fn plan(kind: ResourceType) -> &'static Plan {
    PLANS[kind.index()].get_or_init(|| Plan::new(kind, search_params(kind).iter().map(|param| &***param)))
}

impl Plan {
    /// A plan for some parameters of a type; each id is taken once.
    pub fn new<'a>(kind: ResourceType, params: impl Iterator<Item = &'a SearchParam>) -> Self {
        let mut plan = Self { steps: Vec::new(), by_name: HashMap::new() };
        let mut next = ALWAYS << 1;
        for param in params {
            // `_id` and `_lastUpdated` are the index's own
            if matches!(&*param.code, "_id" | "_lastUpdated") || plan.steps.iter().any(|step| step.id == param.id) {
                continue;
            }
            let Some(text) = expression_for(kind, param) else { continue };
            let parts = path::operands(&text);
            let Some(mut step) = Step::new(kind, param, &parts) else { continue };
            for part in parts {
                let Ok(expression) = compile_with(part, &Options::SEARCH) else { continue };
                let bit = match first_property(part).filter(|_| next != 0) {
                    Some(property) => {
                        let bit = next;
                        plan.note(property, bit);
                        next <<= 1; // 0 when all bits are given away
                        bit
                    }
                    None => ALWAYS,
                };
                let system = path::element(kind, part).and_then(|element| element.system);
                let is_family = part.ends_with(".family");
                step.branches.push(Branch { expression, bit, system, is_family });
            }
            plan.steps.push(step);
        }
        plan
    }

    fn note(&mut self, property: &str, bit: u128) {
        for (number, name) in names::ALL.iter().enumerate() {
            let Ok(number) = u16::try_from(number) else { continue };
            let rest = name.strip_prefix('_').unwrap_or(name).strip_prefix(property);
            // the property itself, or one form of it when it is a choice
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase())) {
                *self.by_name.entry(number).or_default() |= bit;
            }
        }
    }
}

/// The property of the resource with which a path begins; none when the expression may also yield something for a
/// resource without it.
pub fn first_property(expression: &str) -> Option<&str> {
    const TELLING: [&str; 9] = ["exists", "empty", "not()", "!", " and ", " or ", "iif", "all(", "|"];
    if TELLING.iter().any(|word| expression.contains(word)) {
        return None;
    }
    let (kind, rest) = expression.trim_start_matches(['(', ' ']).split_once('.')?;
    if ResourceType::find(kind).is_none() && !matches!(kind, "Resource" | "DomainResource") {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let is_property = !rest[end..].starts_with('(') && end > 0;
    is_property.then(|| &rest[..end])
}

impl Step {
    /// `parts`: the operands of the parameter's expression.
    fn new(kind: ResourceType, of: &SearchParam, parts: &[&str]) -> Option<Self> {
        let components = of.components.iter().map(|component| {
            let expression = compile_with(&component.expression, &Options::SEARCH).ok()?;
            let mut systems = parts.iter().map(|part| {
                let owner = path::target(kind, part)?;
                path::below(owner, &component.expression)?.system
            });
            let first = systems.next().flatten();
            let system = first.filter(|_| systems.all(|system| system == first));
            Some(Component { kind: component.param.kind, expression, system })
        });
        let components = components.collect::<Option<_>>()?;
        Some(Self { id: of.id, kind: of.kind, branches: Vec::new(), components })
    }

    fn run<'a>(&self, root: Node<'a>, context: &Context<'a>, base: &str, wanted: u128, found: &mut Extracted) {
        let start = found.values.len();
        let mut out = |value: Value| {
            // combined paths find the same value again; short lists only, for the comparison is quadratic
            let group = &found.values[start..];
            if group.len() > 16 || !group.iter().any(|(_, earlier)| *earlier == value) {
                found.values.push((self.id, value));
            }
        };
        for branch in self.branches.iter().filter(|branch| branch.bit & wanted != 0) {
            let Ok(items) = branch.expression.eval(root, context) else { continue };
            if self.kind == ParamKind::Composite {
                self.tuples(&items, context, base, &mut out);
                continue;
            }
            for item in items.iter() {
                let value = match Element::of(item) {
                    Some(element) => {
                        let element = Element { is_family: branch.is_family, ..element.with_system(branch.system) };
                        dispatch::extract(self.kind, element, base, &mut out);
                        continue;
                    }
                    None => computed(item),
                };
                if let Some((json, type_name)) = value {
                    let element = Element { json: &json, type_name, system: None, is_family: false };
                    dispatch::extract(self.kind, element, base, &mut out);
                }
            }
        }
    }

    fn tuples<'a>(&self, items: &Collection<'a>, context: &Context<'a>, base: &str, out: &mut dyn FnMut(Value)) {
        for node in items.iter().filter_map(|item| item.as_node()) {
            let mut components = Vec::with_capacity(self.components.len());
            // the later components are the rarer ones: values before codes
            for Component { kind, expression, system } in self.components.iter().rev() {
                let mut values = Vec::new();
                if let Ok(items) = expression.eval(node, context) {
                    for element in items.iter().filter_map(Element::of) {
                        let element = element.with_system(*system);
                        dispatch::extract(*kind, element, base, &mut |value| values.push(value));
                    }
                }
                drop_beside(&mut values);
                spread(&mut values);
                reference::spread(&mut values);
                if values.is_empty() {
                    break;
                }
                components.push(values);
            }
            if components.len() == self.components.len() {
                components.reverse();
                dispatch::tuples(&components, out);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::limits::Limits;
    use crate::fhir::definitions::params::all_params;
    use crate::fhir::json::parse as json;
    use crate::fhir::types::{ResourceId, ResourceKey};
    use crate::search::matches::{DocMeta, matches};
    use crate::search::params::ParamSet;
    use crate::search::parse::{ParseContext, parse};

    pub(in crate::search) const OBSERVATION: &str = r##"{"resourceType":"Observation","id":"o","meta":{
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

    pub(in crate::search) const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,
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
            params: &ParamSet::default(),
        };
        let query =
            parse(kind, &[(name.into(), value.into())], &context).unwrap_or_else(|e| panic!("{name}={value}: {e}"));
        let values = extract(kind, &resource, "http://host/fhir");
        let id = resource.get("id").and_then(Json::as_str).expect("an id");
        let meta = DocMeta {
            key: ResourceKey::new(kind, ResourceId::parse(id).expect("an id")),
            updated: Timestamp(1_600_000_000_000_000),
        };
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
                ("performer:missing", "false"),
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
    fn tokens_are_found_by_their_texts_types_and_mime_types() {
        let patient = PATIENT.replace(
            r#""type":{"text":"MR"}"#,
            r#""type":{"text":"Medical Récord","coding":[{"system":"t","code":"MR"},{"code":"X"},{"system":"u","code":"U"}]}"#,
        );
        check(
            &patient,
            &[
                ("identifier:text", "medical"),
                ("identifier:text", "record"),
                ("identifier:of-type", "t|MR|7"),
                ("identifier:of-type", "x|y|z,u|U|7"),
            ],
            &[
                ("identifier:text", "edical"),
                ("identifier:text", "7"),
                ("identifier:of-type", "t|MR|8"),
                ("identifier:of-type", "t|U|7"),
                ("identifier:of-type", "t|mr|7"),
            ],
        );
        check(
            OBSERVATION,
            &[("code:text", "BLOOD  pres"), ("code:text", "bp"), ("code:text", "pressure"), ("combo-code:text", "bp")],
            &[("code:text", "85354-9"), ("code:text", "lood"), ("category:text", "vital"), ("code", "bp")],
        );
        let text_only = r#"{"resourceType":"Observation","id":"o","code":{"text":"Weight"}}"#;
        check(text_only, &[("code:text", "wei"), ("code:missing", "false"), ("code:not", "x")], &[("code", "weight")]);
        let document = r#"{"resourceType":"DocumentReference","id":"d","content":[{"attachment":
            {"contentType":"text/xml; charset=UTF-8"}}]}"#;
        check(
            document,
            &[("contenttype:below", "text/xml"), ("contenttype:below", "text/xml; charset=UTF-8")],
            &[("contenttype", "text/xml"), ("contenttype:below", "text/x"), ("contenttype:below", "text")],
        );
    }

    #[test]
    fn urls_and_canonicals_have_hierarchies() {
        let plan = r#"{"resourceType":"PlanDefinition","id":"p","url":"http://acme.org/fhir/PlanDefinition/123",
            "action":[{"definitionCanonical":"http://acme.org/some|1.0.2"}]}"#;
        check(
            plan,
            &[
                ("url:below", "http://acme.org/fhir/"),
                ("url:above", "http://acme.org/fhir/PlanDefinition/123/_history/5"),
                ("url:above", "http://acme.org/fhir/PlanDefinition/123"),
                ("definition:below", "http://acme.org/some"),
                ("definition:below", "http://acme.org/some|1"),
                ("definition:below", "http://acme.org/some|1.0"),
                ("definition:below", "http://acme.org/some|1.0.2"),
                ("definition", "http://acme.org/some"),
            ],
            &[
                ("url:below", "http://other.org/"),
                ("url:above", "http://acme.org/fhir/PlanDefinition/1234"),
                ("url", "http://acme.org/fhir/"),
                ("definition:below", "http://acme.org/some|1.0.2.3"),
                ("definition:below", "http://acme.org/some|2"),
                ("definition:below", "http://acme.org/"),
                ("definition", "http://acme.org/some|1"),
            ],
        );
    }

    #[test]
    fn a_code_has_the_system_of_its_binding() {
        const GENDER: &str = "http://hl7.org/fhir/administrative-gender|";
        check(
            PATIENT,
            &[
                ("gender", "http://hl7.org/fhir/administrative-gender|female"),
                ("gender", GENDER),
                ("gender:not", "|female"),
                ("gender:not", "http://hl7.org/fhir/administrative-gender|male"),
            ],
            &[("gender", "|female"), ("gender", "http://other|female"), ("gender", "FEMALE")],
        );
        check(OBSERVATION, &[("status", "http://hl7.org/fhir/observation-status|final")], &[("status", "|final")]);
        // its binding draws from two systems
        let task = r#"{"resourceType":"Task","id":"t","status":"draft","intent":"order"}"#;
        check(
            task,
            &[("intent", "order"), ("intent", "|order")],
            &[("intent", "http://hl7.org/fhir/request-intent|order")],
        );
        // the component of a composite
        let document = r#"{"resourceType":"DocumentReference","id":"d","status":"current",
            "relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/e"}}]}"#;
        check(
            document,
            &[
                ("relation", "http://hl7.org/fhir/document-relationship-type|replaces"),
                ("relationship", "DocumentReference/e$http://hl7.org/fhir/document-relationship-type|replaces"),
            ],
            &[("relationship", "DocumentReference/e$|replaces")],
        );
        let canonical = r#"{"resourceType":"DocumentReference","id":"d","status":"current",
            "relatesTo":[{"code":"replaces","target":{"reference":"http://x/a|1.2"}}]}"#;
        check(
            canonical,
            &[("relationship", "http://x/a|1.2$replaces"), ("relationship", "http://x/a$replaces")],
            &[("relationship", "http://x/a|1$replaces"), ("relationship", "http://x$replaces")],
        );
    }

    #[test]
    fn a_range_is_found_where_a_number_may_stand() {
        let risk = |probability: &str| {
            format!(
                r#"{{"resourceType":"RiskAssessment","id":"r","status":"final","subject":{{"reference":"Patient/p"}},
                "prediction":[{{"probabilityRange":{probability}}}]}}"#
            )
        };
        check(
            &risk(r#"{"low":{"value":10},"high":{"value":20}}"#),
            &[
                ("probability", "gt15"),
                ("probability", "lt15"),
                ("probability", "ge20"),
                ("probability", "sa9"),
                ("probability", "eb20.5"),
                ("probability", "ne15"),
                ("probability", "ap15"),
                ("probability:missing", "false"),
            ],
            &[("probability", "15"), ("probability", "gt20"), ("probability", "lt10"), ("probability", "sa10")],
        );
        check(&risk(r#"{"low":{"value":10}}"#), &[("probability", "gt1000")], &[("probability", "lt10")]);
        check(&risk("{}"), &[("probability:missing", "true")], &[]);
    }

    #[test]
    fn tokens_on_strings_and_contact_points_ignore_case() {
        let patient = PATIENT.replace("a@b", "Ann@Example.org");
        check(
            &patient,
            &[("email", "ann@example.ORG"), ("telecom", "ANN@EXAMPLE.ORG"), ("email", "Ann@Example.org")],
            &[("email", "ann"), ("identifier", "MRN|7"), ("phone", "ann@example.org")],
        );
        let questionnaire = r#"{"resourceType":"Questionnaire","id":"q","status":"draft","version":"1.0-Beta"}"#;
        check(questionnaire, &[("version", "1.0-BETA"), ("version:not", "1.0")], &[("version:not", "1.0-beta")]);
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
                ("family", "ludenscheidt"),
                ("name", "mullerluden"),
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
                ("family", "denscheidt"),
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
        let unknown =
            PATIENT.replace("\"active\":true", r#""_deceasedBoolean":{"extension":[{"url":"u","valueCode":"x"}]}"#);
        check(
            &unknown,
            &[("deceased:missing", "true"), ("deceased:not", "true")],
            &[("deceased", "true"), ("deceased", "false")],
        );
    }

    #[test]
    fn resources_inside_of_bundles_are_references() {
        let bundle = r#"{"resourceType":"Bundle","id":"b","type":"document","identifier":{"value":"i"},"timestamp":
            "2024-01-01T00:00:00Z","entry":[{"resource":{"resourceType":"Composition","id":"c","title":"Discharge","date":"2024"}},
            {"resource":{"resourceType":"Composition","id":"d","title":"Not the first"}}]}"#;
        check(
            bundle,
            &[
                ("composition", "Composition/c"),
                ("identifier", "i"),
                ("timestamp", "2024"),
                ("composition.title", "discharge"),
                ("composition:Composition.date", "lt2025"),
                ("composition._id", "c"),
                ("composition.status:missing", "true"),
            ],
            &[
                ("composition", "d"),
                ("composition.title", "not"),
                ("composition._id", "d"),
                ("message.event", "x"),
                ("composition.title:missing", "true"),
            ],
        );
    }

    #[test]
    fn every_expression_compiles() {
        for kind in ResourceType::all() {
            let compiled = plan(kind).steps.len();
            assert!(plan(kind).steps.iter().all(|step| !step.branches.is_empty()), "{kind}");
            let wanted = search_params(kind).iter().filter(|param| {
                !matches!(&*param.code, "_id" | "_lastUpdated") && expression_for(kind, param).is_some()
            });
            assert_eq!(compiled, wanted.clone().count(), "{kind}");
            for (step, param) in plan(kind).steps.iter().zip(wanted) {
                let text = expression_for(kind, param).expect("an expression");
                assert_eq!(step.branches.len(), path::operands(&text).len(), "{kind}: {text}");
            }
        }
        assert!(all_params().len() > 1000);
    }

    #[test]
    fn unions_are_taken_apart_only_where_they_are_plain() {
        let cases: [(&str, &[&str]); 4] = [
            ("A.b | A.c.where(x = 1 | 2)", &["A.b", "A.c.where(x = 1 | 2)"]),
            ("(A.b | A.c).text", &["(A.b | A.c).text"]),
            ("A.b | A.c and A.d", &["A.b | A.c and A.d"]),
            ("A.b", &["A.b"]),
        ];
        for (text, expected) in cases {
            assert_eq!(path::operands(text), expected, "{text}");
        }
        assert_eq!(first_property("(Observation.value.ofType(Quantity))"), Some("value"));
        assert_eq!(first_property("Resource.meta.tag"), Some("meta"));
        for text in ["Observation", "Patient.deceased.exists()", "name.x", "Patient.children()"] {
            assert_eq!(first_property(text), None, "{text}");
        }
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
            plan(kind)
                .steps
                .iter()
                .for_each(|step| step.run(root, &Context::new(root), "http://host/fhir", u128::MAX, &mut all));
            assert_eq!(extract(kind, &resource, "http://host/fhir").values, all.values);
        }
    }

    #[test]
    fn values_of_a_parameter_stand_together() {
        let resource = json(OBSERVATION.as_bytes()).expect("JSON");
        let found = extract(ResourceType::find("Observation").expect("a type"), &resource, "");
        let mut seen = Vec::new();
        for (id, _) in &found.values {
            if seen.last() != Some(id) {
                assert!(!seen.contains(id), "{}", id.official().expect("official").code);
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
            let root = Node::resource(&resource);
            for step in &plan(kind).steps {
                let start = std::time::Instant::now();
                let mut found = Extracted::default();
                for _ in 0..1000 {
                    found.values.clear();
                    step.run(root, &Context::new(root), "http://host/fhir", u128::MAX, &mut found);
                }
                let ns = start.elapsed().as_nanos() / 1000;
                if ns > 300 {
                    println!(
                        "{ns} ns, {} values: {} {}",
                        found.values.len(),
                        step.id.official().expect("official").code,
                        step.branches.len()
                    );
                }
            }
        }
    }
}
