//! The prepared form of what validation needs of the definitions: profiles, value sets and code systems, each as one
//! compact JSON text without what only people read. They keep the form of FHIR, so the program compiles them as it
//! does those of a package, each when it is first needed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The constraints that every element has; the program checks them without FHIRPath.
const EVERYWHERE: [&str; 2] = ["ele-1", "ext-1"];

/// What becomes of the definitions: the texts one after the other, and where each begins and ends.
#[derive(Default)]
pub struct Prepared {
    /// The texts.
    pub text: String,
    /// URL, whether a profile, value set or code system (0, 1, 2), start and end.
    index: Vec<(String, u8, usize, usize)>,
}

impl Prepared {
    /// Of these definitions.
    pub fn new(definitions: &[Value]) -> Self {
        let mut out = Self::default();
        let filtered = filtered_systems(definitions);
        for definition in definitions {
            let url = definition["url"].as_str().unwrap_or("");
            match definition["resourceType"].as_str() {
                Some("StructureDefinition") => out.add(url, 0, &profile(definition)),
                Some("ValueSet") => out.add(url, 1, &value_set(definition)),
                Some("CodeSystem") => out.add(url, 2, &code_system(definition, filtered.contains(url))),
                _ => {}
            }
        }
        out.index.sort();
        out.index.dedup_by(|later, earlier| later.0 == earlier.0 && later.1 == earlier.1);
        out
    }

    fn add(&mut self, url: &str, kind: u8, value: &Value) {
        let start = self.text.len();
        self.text += &value.to_string();
        self.index.push((url.to_owned(), kind, start, self.text.len()));
    }

    /// The source of the index.
    pub fn source(&self) -> String {
        let mut out = String::new();
        let len = self.index.len();
        writeln!(
            out,
            "/// URL, kind, start and end of every definition, sorted.\npub static INDEX: [(&str, u8, u32, u32); {len}] = {:?};",
            self.index
        )
        .expect("a string");
        out
    }
}

/// These properties of an object.
fn pick(value: &Value, names: &[&str]) -> Map<String, Value> {
    let picked = names.iter().filter_map(|name| Some(((*name).to_owned(), value.get(*name)?.clone())));
    picked.collect()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn profile(definition: &Value) -> Value {
    let names = [
        "resourceType",
        "url",
        "name",
        "kind",
        "abstract",
        "context",
        "contextInvariant",
        "type",
        "baseDefinition",
        "derivation",
    ];
    let mut out = pick(definition, &names);
    let elements: Vec<Value> = list(&definition["snapshot"], "element").iter().map(element).collect();
    out.insert("snapshot".to_owned(), json!({ "element": elements }));
    Value::Object(out)
}

fn element(element: &Value) -> Value {
    let names = ["path", "sliceName", "slicing", "min", "max", "contentReference", "maxLength"];
    let mut out = pick(element, &names);
    if element["path"] == "Extension" && element["isModifier"] == true {
        out.insert("isModifier".to_owned(), json!(true));
    }
    let is_value =
        |name: &str| ["fixed", "pattern", "minValue", "maxValue"].iter().any(|start| name.starts_with(start));
    out.extend(
        element
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| is_value(name))
            .map(|(n, v)| (n.clone(), v.clone())),
    );
    let types = list(element, "type").iter().map(|t| {
        let mut kept = pick(t, &["profile", "targetProfile"]);
        kept.insert("code".to_owned(), json!(super::type_name(t)));
        Value::Object(kept)
    });
    let constraints = list(element, "constraint").iter().filter(|c| !EVERYWHERE.iter().any(|key| c["key"] == *key));
    let constraints = constraints.map(|c| Value::Object(pick(c, &["key", "severity", "human", "expression"])));
    for (name, values) in [("type", types.collect::<Vec<_>>()), ("constraint", constraints.collect())] {
        if !values.is_empty() {
            out.insert(name.to_owned(), Value::Array(values));
        }
    }
    if element["binding"]["valueSet"].is_string() {
        out.insert("binding".to_owned(), Value::Object(pick(&element["binding"], &["strength", "valueSet"])));
    }
    Value::Object(out)
}

fn value_set(definition: &Value) -> Value {
    let mut out = pick(definition, &["resourceType", "url", "version"]);
    let compose = ["include", "exclude"].into_iter().filter_map(|side| {
        let parts = definition["compose"].get(side)?.as_array()?;
        let parts = parts.iter().map(|part| {
            let mut kept = pick(part, &["system", "version", "filter", "valueSet"]);
            if part.get("concept").is_some() {
                let concepts = list(part, "concept").iter().map(|c| Value::Object(pick(c, &["code"])));
                kept.insert("concept".to_owned(), concepts.collect());
            }
            Value::Object(kept)
        });
        Some((side.to_owned(), parts.collect()))
    });
    out.insert("compose".to_owned(), Value::Object(compose.collect()));
    Value::Object(out)
}

fn code_system(definition: &Value, with_properties: bool) -> Value {
    let names = ["resourceType", "url", "version", "content", "caseSensitive", "hierarchyMeaning"];
    let mut out = pick(definition, &names);
    out.insert("concept".to_owned(), concepts(definition, with_properties));
    Value::Object(out)
}

fn concepts(owner: &Value, with_properties: bool) -> Value {
    let concept = |c: &Value| {
        let mut kept = pick(c, if with_properties { &["code", "display", "property"] } else { &["code", "display"] });
        let designations = list(c, "designation").iter().map(|d| Value::Object(pick(d, &["language", "value"])));
        let designations: Vec<Value> = designations.collect();
        if !designations.is_empty() {
            kept.insert("designation".to_owned(), Value::Array(designations));
        }
        if !list(c, "concept").is_empty() {
            kept.insert("concept".to_owned(), concepts(c, with_properties));
        }
        Value::Object(kept)
    };
    list(owner, "concept").iter().map(concept).collect()
}

/// The code systems that a value set filters by a property of its concepts.
fn filtered_systems(definitions: &[Value]) -> BTreeSet<&str> {
    let sets = definitions.iter().filter(|d| d["resourceType"] == "ValueSet");
    let parts = sets.flat_map(|set| ["include", "exclude"].into_iter().flat_map(|side| list(&set["compose"], side)));
    let by_property = |f: &Value| !matches!(f["op"].as_str(), Some("is-a" | "descendent-of" | "is-not-a"));
    parts.filter(|p| list(p, "filter").iter().any(by_property)).filter_map(|p| p["system"].as_str()).collect()
}
