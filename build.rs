//! Makes the tables of the FHIR definitions from `fhir-profiles/`: `definitions.bin` (types, properties, search
//! parameters, compartments; see `src/fhir/definitions/format.rs`), `names.rs` (property names, their perfect
//! hash, resource types), the profiles, value sets and code systems for validation (`build/conformance.rs`), and code systems,
//! value sets and concept maps with their texts (`build/terminology.rs`).
//! No network, a second or two, and only when its inputs change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

#[path = "build/bindings.rs"]
mod bindings;
#[path = "build/conformance.rs"]
mod conformance;
#[path = "build/corrections.rs"]
mod corrections;
#[path = "src/fhir/definitions/format.rs"]
mod format;
#[path = "build/terminology.rs"]
mod terminology;

use format::{MembershipRow, NONE, ParamRow, PropertyRow, Tables, TypeRow};

const SOURCE: &str = "fhir-profiles/hl7.fhir.r4.examples#4.0.1.ndjson.zst";

/// The order of `ParamKind`.
const PARAM_KINDS: [&str; 9] =
    ["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"];

fn main() {
    for input in ["build.rs", "build", "src/fhir/definitions/format.rs", SOURCE] {
        println!("cargo::rerun-if-changed={input}");
    }
    let definitions = Definitions::read(SOURCE);
    let types: Vec<&Value> = definitions.types().collect();
    let model = Model::new(&types, &bindings::ValueSets::new(&definitions.conformance));
    let systems = Numbers::new(model.systems());
    let names = Numbers::new(model.names());
    let tables = Tables {
        types: model.rows(&names, &systems),
        systems: systems.0.iter().map(String::as_str).collect(),
        params: params(&definitions.params, &model),
        memberships: memberships(&definitions.compartments, &definitions.params, &model),
    };
    let bytes = tables.encode();
    assert!(Tables::decode(&bytes).as_ref() == Some(&tables), "the tables do not survive their own encoding");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let prepared = conformance::Prepared::new(&definitions.conformance);
    let write = |name: &str, bytes: &[u8]| fs::write(Path::new(&out).join(name), bytes).expect("OUT_DIR is writable");
    write("definitions.bin", &bytes);
    write("names.rs", names_source(&names, &model).as_bytes());
    write("conformance.json", prepared.text.as_bytes());
    write("conformance.rs", prepared.source().as_bytes());
    let texts = terminology::Prepared::new(definitions.conformance.iter().chain(&definitions.concept_maps));
    write("terminology.bin", &texts.blocks);
    write("terminology.rs", texts.source().as_bytes());
}

/// The definitions that the tables are made of.
struct Definitions {
    /// Every StructureDefinition, ValueSet and CodeSystem.
    conformance: Vec<Value>,
    concept_maps: Vec<Value>,
    params: Vec<Value>,
    compartments: Vec<Value>,
}

impl Definitions {
    fn read(path: &str) -> Self {
        let file = fs::File::open(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let lines = BufReader::new(zstd::Decoder::new(file).expect("a zstd file"));
        let mut all =
            Self { conformance: Vec::new(), concept_maps: Vec::new(), params: Vec::new(), compartments: Vec::new() };
        for line in lines.lines() {
            let line = line.unwrap_or_else(|e| panic!("{path}: {e}"));
            let kind = line.split('"').nth(3).unwrap_or("");
            let list = match kind {
                "StructureDefinition" | "ValueSet" | "CodeSystem" => &mut all.conformance,
                "ConceptMap" => &mut all.concept_maps,
                "SearchParameter" => &mut all.params,
                "CompartmentDefinition" => &mut all.compartments,
                _ => continue,
            };
            let mut value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{path}: {e}"));
            corrections::correct(&mut value);
            list.push(value);
        }
        all
    }

    /// The StructureDefinitions that define types.
    fn types(&self) -> impl Iterator<Item = &Value> {
        let is_type = |d: &&Value| {
            d["resourceType"] == "StructureDefinition" && d["derivation"] != "constraint" && d["kind"] != "logical"
        };
        self.conformance.iter().filter(is_type)
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn texts<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    list(value, name).iter().filter_map(Value::as_str)
}

fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// Texts, sorted, with their numbers.
struct Numbers(Vec<String>);

impl Numbers {
    fn new(texts: BTreeSet<String>) -> Self {
        Self(texts.into_iter().collect())
    }

    fn find(&self, text: &str) -> u16 {
        let at = self.0.binary_search_by(|t| t.as_str().cmp(text)).unwrap_or_else(|_| panic!("unknown name {text}"));
        at as u16
    }
}

/// A JSON property on its way into the tables.
struct Property {
    name: String,
    element: String,
    type_name: String,
    min: u16,
    max: u16,
    flags: u16,
    position: u16,
    targets: Vec<u16>,
    /// The code system that the binding implies.
    system: Option<String>,
}

/// A type on its way into the tables.
struct Type {
    name: String,
    base: String,
    kind: u16,
    properties: Vec<Property>,
}

/// All types. The concrete resources come first, sorted by name.
struct Model {
    types: Vec<Type>,
    resources: usize,
}

impl Model {
    fn new(definitions: &[&Value], value_sets: &bindings::ValueSets<'_>) -> Self {
        let mut types = Vec::new();
        let is_resource = |d: &&&Value| text(d, "kind") == "resource" && d["abstract"] == Value::Bool(false);
        let mut resources: Vec<String> =
            definitions.iter().filter(|d| is_resource(d)).map(|d| text(d, "name").to_owned()).collect();
        resources.sort();
        for definition in definitions {
            types.extend(types_of(definition, &resources, value_sets));
        }
        types.sort_by_key(|t| (resources.binary_search(&t.name).unwrap_or(resources.len()), t.kind == 2));
        Self { types, resources: resources.len() }
    }

    fn resource(&self, name: &str) -> Option<u16> {
        let all = &self.types[..self.resources];
        all.binary_search_by(|t| t.name.as_str().cmp(name)).ok().map(|n| n as u16)
    }

    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::from(["resourceType".to_owned()]);
        let primitives: BTreeSet<&str> = self.types.iter().filter(|t| t.kind == 0).map(|t| t.name.as_str()).collect();
        for property in self.types.iter().flat_map(|t| &t.properties) {
            names.insert(property.name.clone());
            names.insert(property.element.clone());
            if primitives.contains(property.type_name.as_str()) {
                names.insert(format!("_{}", property.name));
            }
        }
        names
    }

    /// The code systems that bindings imply.
    fn systems(&self) -> BTreeSet<String> {
        self.types.iter().flat_map(|t| &t.properties).filter_map(|p| p.system.clone()).collect()
    }

    fn rows<'a>(&'a self, names: &Numbers, systems: &Numbers) -> Vec<TypeRow<'a>> {
        let ids: BTreeMap<&str, u16> =
            self.types.iter().enumerate().map(|(n, t)| (t.name.as_str(), n as u16)).collect();
        let id = |name: &str| *ids.get(name).unwrap_or_else(|| panic!("unknown type {name}"));
        let row = |p: &Property| PropertyRow {
            name: names.find(&p.name),
            element: names.find(&p.element),
            type_id: id(&p.type_name),
            min: p.min,
            max: p.max,
            flags: p.flags,
            position: p.position,
            targets: p.targets.clone(),
            system: p.system.as_ref().map_or(NONE, |system| systems.find(system)),
        };
        let rows = self.types.iter().map(|t| TypeRow {
            name: &t.name,
            base: if t.base.is_empty() { NONE } else { id(&t.base) },
            kind: t.kind,
            properties: t.properties.iter().map(row).collect(),
        });
        rows.collect()
    }
}

/// The type that a StructureDefinition defines, and its backbone elements.
fn types_of(definition: &Value, resources: &[String], value_sets: &bindings::ValueSets<'_>) -> Vec<Type> {
    let kind = match text(definition, "kind") {
        "primitive-type" => 0,
        "complex-type" => 1,
        "resource" => 3,
        other => panic!("unexpected kind {other}"),
    };
    let root = text(definition, "name");
    let base = last_segment(text(definition, "baseDefinition")).to_owned();
    let mut types = vec![Type { name: root.to_owned(), base, kind, properties: Vec::new() }];
    let elements = list(&definition["snapshot"], "element");
    let owners: BTreeSet<&str> =
        elements.iter().filter_map(|e| text(e, "path").rsplit_once('.')).map(|e| e.0).collect();
    for element in &elements[1..] {
        let path = text(element, "path");
        let (owner, name) = path.rsplit_once('.').expect("a path below the root");
        if kind == 0 && name == "value" || element["max"] == "0" {
            continue;
        }
        if owners.contains(path) {
            let base = text(&element["type"][0], "code").to_owned();
            types.push(Type { name: path.to_owned(), base, kind: 2, properties: Vec::new() });
        }
        let owner = types.iter_mut().find(|t| t.name == owner).expect("a parent comes before its children");
        let position = owner.properties.last().map_or(0, |p| p.position + 1);
        let made = properties(element, name, owners.contains(path), position, resources);
        owner.properties.extend(made.into_iter().map(|property| {
            let system = value_sets.system(element).filter(|_| property.type_name == "code").map(str::to_owned);
            Property { system, ..property }
        }));
    }
    types
}

/// The JSON properties of one element: one, or one for each type of a choice.
fn properties(element: &Value, name: &str, is_owner: bool, position: u16, resources: &[String]) -> Vec<Property> {
    let plain = name.trim_end_matches("[x]");
    let max = text(element, "max").parse().unwrap_or(NONE);
    let is_choice = plain != name;
    let flags = u16::from(is_choice)
        | u16::from(element["isModifier"] == Value::Bool(true)) << 1
        | u16::from(element["isSummary"] == Value::Bool(true)) << 2;
    let property = |name: String, type_name: &str, targets| Property {
        name,
        element: plain.to_owned(),
        type_name: type_name.to_owned(),
        min: element["min"].as_u64().unwrap_or(0) as u16,
        max,
        flags,
        position,
        targets,
        system: None,
    };
    if is_owner {
        return vec![property(plain.to_owned(), text(element, "path"), Vec::new())];
    }
    if let Some(reference) = element["contentReference"].as_str() {
        return vec![property(plain.to_owned(), reference.trim_start_matches('#'), Vec::new())];
    }
    let types = list(element, "type").iter().map(|t| {
        let type_name = type_name(t);
        let target = |url: &str| resources.binary_search_by(|r| r.as_str().cmp(last_segment(url))).ok();
        let targets = texts(t, "targetProfile").filter_map(target).map(|n| n as u16).collect();
        let name = if is_choice { plain.to_owned() + &capitalised(type_name) } else { plain.to_owned() };
        property(name, type_name, targets)
    });
    types.collect()
}

/// The FHIR type of `ElementDefinition.type`; for those that are written as a System type it stands in an extension,
/// but for `xhtml.id`, which is a string.
fn type_name(value: &Value) -> &str {
    let code = text(value, "code");
    if !code.starts_with("http://hl7.org/fhirpath/") {
        return code;
    }
    let is_type = |e: &&Value| text(e, "url").ends_with("/structuredefinition-fhir-type");
    list(value, "extension").iter().find(is_type).map_or("string", |e| text(e, "valueUrl"))
}

fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    text[..1].make_ascii_uppercase();
    text
}

/// The concrete types that a base stands for. DomainResource is every type but those derived from Resource itself.
fn concrete(base: &str, model: &Model) -> Vec<u16> {
    let all = 0..model.resources as u16;
    match base {
        "Resource" => all.collect(),
        "DomainResource" => all.filter(|n| model.types[*n as usize].base == "DomainResource").collect(),
        name => vec![model.resource(name).unwrap_or_else(|| panic!("unknown resource {name}"))],
    }
}

fn params<'a>(definitions: &'a [Value], model: &Model) -> Vec<ParamRow<'a>> {
    let number = |url: &str| definitions.iter().position(|d| text(d, "url") == url).expect("a known component") as u16;
    let row = |d: &'a Value| ParamRow {
        code: text(d, "code"),
        url: text(d, "url"),
        kind: PARAM_KINDS.iter().position(|k| *k == text(d, "type")).expect("a known type") as u16,
        base: texts(d, "base").flat_map(|base| concrete(base, model)).collect(),
        expression: text(d, "expression"),
        targets: texts(d, "target").filter_map(|target| model.resource(target)).collect(),
        components: list(d, "component")
            .iter()
            .map(|c| (number(text(c, "definition")), text(c, "expression")))
            .collect(),
    };
    definitions.iter().map(row).collect()
}

fn memberships(compartments: &[Value], params: &[Value], model: &Model) -> Vec<MembershipRow> {
    let mut rows = Vec::new();
    for definition in compartments {
        let compartment = model.resource(text(definition, "code")).expect("a known compartment");
        for member in list(definition, "resource") {
            let name = text(member, "code");
            let number = |code: &str| {
                params.iter().position(|p| text(p, "code") == code && texts(p, "base").any(|base| base == name))
            };
            let codes = || texts(member, "param").filter(|code| *code != "{def}");
            let row = MembershipRow {
                compartment,
                member: model.resource(name).expect("a known member"),
                is_self: u16::from(texts(member, "param").any(|code| code == "{def}")),
                params: codes().map(|code| number(code).expect("a known parameter") as u16).collect(),
            };
            if row.is_self == 1 || !row.params.is_empty() {
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row| (row.compartment, row.member));
    rows
}

/// The source of `names.rs`.
fn names_source(names: &Numbers, model: &Model) -> String {
    let all: Vec<&str> = names.0.iter().map(String::as_str).collect();
    let (displacements, slots) = perfect_hash(&all);
    let siblings: Vec<u16> = all
        .iter()
        .map(|name| {
            let other = name.strip_prefix('_').map_or_else(|| format!("_{name}"), str::to_owned);
            all.binary_search(&other.as_str()).map_or(NONE, |n| n as u16)
        })
        .collect();
    let resources: Vec<&str> = model.types[..model.resources].iter().map(|t| t.name.as_str()).collect();
    let mut out = String::new();
    let mut table = |doc: &str, name: &str, kind: &str, len: usize, values: String| {
        writeln!(out, "/// {doc}\npub static {name}: [{kind}; {len}] = {values};").expect("a string");
    };
    table("Every name, sorted; a name's number is its index.", "ALL", "&str", all.len(), format!("{all:?}"));
    let doc = "For each name its `_name`, and the reverse; `NONE` where there is none.";
    table(doc, "SIBLINGS", "u16", siblings.len(), format!("{siblings:?}"));
    table(
        "The displacement of each bucket.",
        "DISPLACEMENTS",
        "u16",
        displacements.len(),
        format!("{displacements:?}"),
    );
    table("The number in each slot.", "TABLE", "u16", slots.len(), format!("{slots:?}"));
    table("The concrete resource types, sorted.", "RESOURCES", "&str", resources.len(), format!("{resources:?}"));
    for (number, name) in all.iter().enumerate().filter(|(_, name)| !name.starts_with('_')) {
        writeln!(out, "/// `{name}`\npub const {}: u16 = {number};", constant(name)).expect("a string");
    }
    out
}

/// `birthDate` -> `BIRTH_DATE`
fn constant(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// Displacements and slots so that every name has a slot of its own: the fullest buckets choose first.
fn perfect_hash(names: &[&str]) -> (Vec<u16>, Vec<u16>) {
    let mut buckets = vec![Vec::new(); format::BUCKETS];
    for (number, name) in names.iter().enumerate() {
        let hash = format::hash(name);
        buckets[format::bucket(hash)].push((hash, number as u16));
    }
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|bucket| std::cmp::Reverse(buckets[*bucket].len()));
    let mut displacements = vec![0; format::BUCKETS];
    let mut slots = vec![NONE; format::SLOTS];
    for bucket in order {
        let members = &buckets[bucket];
        let fits = |displacement: u16| {
            let wanted: BTreeSet<usize> = members.iter().map(|(hash, _)| format::slot(*hash, displacement)).collect();
            wanted.len() == members.len() && wanted.iter().all(|slot| slots[*slot] == NONE)
        };
        let displacement = (0..NONE).find(|d| fits(*d)).expect("a displacement without collision");
        for (hash, number) in members {
            slots[format::slot(*hash, displacement)] = *number;
        }
        displacements[bucket] = displacement;
    }
    (displacements, slots)
}
