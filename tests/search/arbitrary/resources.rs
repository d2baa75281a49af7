//! Resources made of the definitions: whatever search parameters look at is mostly there, other elements are rare.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::definitions::{Definitions, Element, upper_first};
use super::random::Random;
use super::types::{Place, complex, primitive, pruned};

/// Elements of every resource that have a place of their own, or are not searched.
const OWN: [&str; 8] =
    ["id", "implicitRules", "language", "text", "contained", "extension", "modifierExtension", "resourceType"];

/// How deep backbone elements go.
const DEPTH_MAX: usize = 4;

/// Makes resources.
#[derive(Debug)]
pub struct Maker<'a> {
    /// The definitions.
    pub all: &'static Definitions,
    /// Chance.
    pub random: &'a mut Random,
    /// The base URL of the server.
    pub base: &'a str,
    /// Whether required elements are there and nothing is broken, so that a server takes it.
    pub is_sound: bool,
}

/// What is being made.
struct Resource {
    /// The names of elements in the expressions of its parameters.
    names: BTreeSet<String>,
    /// The names of types in them.
    types: BTreeSet<String>,
    /// The texts in them.
    texts: Vec<String>,
    contained: Vec<String>,
}

/// The expressions of a type's parameters.
fn expressions(all: &'static Definitions, kind: &str) -> Vec<&'static str> {
    let of_param = all.params_of(kind).flat_map(|param| {
        let parts = param.components.iter().map(|(_, text)| text.as_str());
        param.expression.as_deref().into_iter().chain(parts).collect::<Vec<_>>()
    });
    of_param.collect()
}

/// The words of an expression that may be names of elements and types.
fn words(expression: &str) -> Vec<String> {
    let outside: String = expression.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

impl Maker<'_> {
    /// A resource of a type.
    pub fn resource(&mut self, kind: &str, id: &str) -> Value {
        let expressions = expressions(self.all, kind);
        let quoted = expressions.iter().flat_map(|text| text.split('\'').skip(1).step_by(2).map(str::to_owned));
        let (names, types): (BTreeSet<String>, BTreeSet<String>) =
            expressions.iter().flat_map(|text| words(text)).partition(|word| word.starts_with(char::is_lowercase));
        let types = types.into_iter().chain(names.iter().cloned()).collect();
        let mut made = Resource { names, types, texts: quoted.collect(), contained: Vec::new() };
        // what `near` looks at within the position
        made.names
            .extend((kind == "Location").then_some(["latitude", "longitude"]).into_iter().flatten().map(str::to_owned));
        let mut out = Map::new();
        out.insert("resourceType".to_owned(), json!(kind));
        out.insert("id".to_owned(), json!(id));
        if self.all.is(kind, "DomainResource") && self.random.chance(30) {
            let inner = *self.random.pick(&["Patient", "Practitioner", "Group", "Organization", "Device"]);
            let mut resource = json!({"resourceType": inner, "id": "c1"});
            if inner == "Group" {
                resource["type"] = json!("person");
                resource["actual"] = json!(true);
            }
            out.insert("contained".to_owned(), json!([resource]));
            made.contained.push("c1".to_owned());
        }
        let Value::Object(rest) = self.object(kind, &made, 0) else { return Value::Object(out) };
        out.extend(rest);
        Value::Object(out)
    }

    /// The properties of a type, or of an element.
    fn object(&mut self, path: &str, made: &Resource, depth: usize) -> Value {
        let mut out = Map::new();
        for element in self.all.elements.get(path).map_or(&[][..], Vec::as_slice) {
            if OWN.contains(&element.name.as_str()) && !path.contains('.') && depth == 0
                || matches!(element.name.as_str(), "id" | "extension" | "modifierExtension")
            {
                continue;
            }
            let is_required = self.is_sound && element.is_required;
            let often = if made.names.contains(&element.name) { 70 - 10 * depth.min(4) } else { 3 };
            if !is_required && (depth >= DEPTH_MAX || !self.random.chance(often)) {
                continue;
            }
            let before = out.len();
            for _ in 0..if is_required { 20 } else { 1 } {
                self.property(element, made, depth, &mut out);
                if out.len() > before {
                    break;
                }
            }
        }
        Value::Object(out)
    }

    fn property(&mut self, element: &'static Element, made: &Resource, depth: usize, out: &mut Map<String, Value>) {
        let searched: Vec<&String> = element.types.iter().filter(|kind| made.types.contains(*kind)).collect();
        let kind = match searched.is_empty() || self.random.chance(25) {
            true => self.random.pick(&element.types).as_str(),
            false => self.random.pick(&searched).as_str(),
        };
        let key =
            if element.is_choice { format!("{}{}", element.name, upper_first(kind)) } else { element.name.clone() };
        let is_primitive = kind.starts_with(char::is_lowercase) && kind != "xhtml";
        let count = if element.is_list { 1 + self.random.below(3) } else { 1 };
        let mut values: Vec<Option<Value>> = (0..count).map(|_| self.value(element, kind, made, depth)).collect();
        if !is_primitive && (self.is_sound || self.random.chance(70)) {
            values = values.into_iter().map(|value| value.and_then(pruned)).collect();
        }
        if is_primitive && (values.iter().any(Option::is_none)) {
            // no value, but the reason why
            let reason = json!({"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]});
            let beside: Vec<Value> =
                values.iter().map(|value| if value.is_none() { reason.clone() } else { Value::Null }).collect();
            out.insert(format!("_{key}"), if element.is_list { json!(beside) } else { reason });
            if values.iter().any(Option::is_some) {
                out.insert(key, json!(values));
            }
            return;
        }
        let mut values: Vec<Value> = values.into_iter().flatten().collect();
        values.retain(|value| value.as_object().is_none_or(|object| !object.is_empty()));
        match (element.is_list, values.len()) {
            (_, 0) => {}
            (true, _) => _ = out.insert(key, json!(values)),
            (false, _) => _ = out.insert(key, values.swap_remove(0)),
        }
    }

    /// A value of an element; none for one that has no value.
    fn value(&mut self, element: &'static Element, kind: &'static str, made: &Resource, depth: usize) -> Option<Value> {
        let place =
            Place { base: self.base, targets: &element.targets, contained: &made.contained, is_broken: !self.is_sound };
        if kind.starts_with(char::is_lowercase) {
            if kind == "code" && !made.texts.is_empty() && self.random.chance(40) {
                return Some(json!(self.random.pick(&made.texts)));
            }
            return if self.random.chance(8) { None } else { primitive(self.random, kind, place) };
        }
        match kind {
            // what Bundle-composition and Bundle-message look at
            "Resource" if !self.is_sound => {
                let kind = *self.random.pick(&["Composition", "MessageHeader", "Patient"]);
                Some(json!({"resourceType": kind, "id": self.random.pick(&["1", "2", "a.B-c"])}))
            }
            "Resource" | "Narrative" | "Extension" => None,
            "Meta" => Some(self.meta()),
            _ => complex(self.random, kind, place).or_else(|| Some(self.object(kind, made, depth + 1))),
        }
    }

    /// What every resource is found by.
    fn meta(&mut self) -> Value {
        let place = Place { base: self.base, targets: &[], contained: &[], is_broken: false };
        let mut meta = json!({});
        for (name, kind) in [("tag", "Coding"), ("security", "Coding")] {
            if self.random.chance(50) {
                let codings = (0..1 + self.random.below(2)).filter_map(|_| complex(self.random, kind, place));
                let codings: Vec<Value> = codings.filter(|c| c.as_object().is_some_and(|c| !c.is_empty())).collect();
                if !codings.is_empty() {
                    meta[name] = json!(codings);
                }
            }
        }
        if self.random.chance(50) {
            meta["profile"] = json!([super::texts::canonical(self.random)]);
        }
        if self.random.chance(50) {
            meta["source"] = json!(super::texts::uri(self.random));
        }
        meta
    }
}

#[test]
fn resources_have_what_is_searched() {
    use super::super::values::values;
    let Some(all) = super::super::definitions::definitions() else { return };
    assert_eq!(
        words("a.b.where(system='email' | x) as Quantity"),
        ["a", "b", "where", "system", "x", "as", "Quantity"]
    );
    let mut random = Random::new(1);
    let mut maker = Maker { all, random: &mut random, base: "http://host/fhir", is_sound: false };
    let mut without = Vec::new();
    for kind in &all.resources {
        let made: Vec<Value> = (0..30).map(|n| maker.resource(kind, &n.to_string())).collect();
        let params = all.params_of(kind).filter(|p| p.expression.is_some() && p.code != "_lastUpdated");
        let empty =
            params.filter(|param| made.iter().all(|json| values(all, param, json, "http://host/fhir").is_empty()));
        without.extend(empty.map(|param| format!("{kind}.{}", param.code)));
    }
    assert!(without.len() < 60, "{} parameters without a value: {without:?}", without.len());
}
