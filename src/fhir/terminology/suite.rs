//! The public suite of the terminology ecosystem (`tx-ecosystem`), run if the test data lies beside the repository.
//!
//! Its files are in the form of R5. What is asked and expected is put into the form of R4 first: properties of codes go into the extensions
//! that R5 defines for them. A case is in one of the forms for servers that give hierarchies; a key of a message, which the
//! suite leaves open to others than its own server, must be right where it is given.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use super::core::Core;
use super::loaded::{Loaded, Packages};
use super::params::Params;
use super::service::{Call, Operation, run};
use super::shelf::{Layers, Shelf};
use crate::fhir::definitions::shipped;
use crate::fhir::json::{Json, Object, parse, write};
use crate::fhir::outcome::outcome;
use crate::fhir::validate::shape;

type Files = BTreeMap<String, Json>;

/// The packages that every tenant has in use unless it says otherwise.
static SHIPPED: LazyLock<Loaded> = LazyLock::new(|| Loaded::new(Arc::new(Shipped)));

struct Shipped;

impl Packages for Shipped {
    fn added(&self, kind: &str) -> Vec<(Box<str>, Box<str>)> {
        let rows = shipped::packages().iter().flat_map(|packed| packed.rows.iter());
        rows.filter(|row| *row.kind == *kind).map(|row| (row.url.clone(), row.version.clone())).collect()
    }

    fn definition(&self, kind: &str, canonical: &str) -> Option<Json> {
        let (url, version) = super::version::split(canonical);
        shipped::packages().iter().find_map(|packed| {
            let is_it = |row: &&crate::fhir::definitions::packed::Row| {
                *row.kind == *kind && *row.url == *url && version.is_none_or(|version| *row.version == *version)
            };
            let at = packed.rows.iter().position(|row| is_it(&row))?;
            packed.json(at)
        })
    }
}

const PROPERTY: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.property";
const CONTAINS_PROPERTY: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property";

/// Where the test data lies, if it is there.
fn shared(path: &str) -> Option<std::path::PathBuf> {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| root.join(place).join(path));
    let found = places.into_iter().find(|place| place.exists());
    assert!(found.is_some() || std::env::var_os("REQUIRE_SHARED").is_none(), "../shared/{path} is missing");
    found
}

/// The place of an issue in its old form. 89 cases demand it and 42 others do not expect it, of the same server; so it is not compared.
const LOCATION: &str = "location";

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json.get(name).and_then(Json::as_str).unwrap_or("")
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn read(path: &std::path::Path) -> Files {
    let file = std::fs::File::open(path).expect("the suite");
    let mut files = Files::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().expect("the suite") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let Some(name) = path.split_once("tests/").map(|(_, name)| name.to_owned()) else { continue };
        if !name.ends_with(".json") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a file");
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        if let Ok(json) = parse(bytes) {
            files.insert(name, json);
        }
    }
    files
}

/// Extensions of R4 for what R5 has as elements.
fn to_r4(json: &Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(to_r4).collect()),
        Json::Object(object) => object_to_r4(object),
        other => other.clone(),
    }
}

fn object_to_r4(object: &Object) -> Json {
    let mut out: Object = object.iter().map(|(name, value)| (name.clone(), to_r4(value))).collect();
    let is_concept_map = out.get("resourceType").and_then(Json::as_str) == Some("ConceptMap");
    if let Some(relationship) = out.remove("relationship").filter(|_| out.get("code").is_some()) {
        let equivalence = match relationship.as_str() {
            Some("source-is-narrower-than-target") => "wider",
            Some("source-is-broader-than-target") => "narrower",
            Some("not-related-to") => "disjoint",
            Some("related-to") => "relatedto",
            _ => "equivalent",
        };
        out.set("equivalence", Json::string(equivalence));
    }
    if is_concept_map {
        for (r5, r4) in [("sourceScopeUri", "sourceUri"), ("targetScopeUri", "targetUri")] {
            if let Some(value) = out.remove(r5) {
                out.set(r4, value);
            }
        }
    }
    let is_expansion = out.get("timestamp").is_some();
    let is_contains = out.get("system").is_some() && out.get("code").is_some();
    if (is_expansion || is_contains) && out.get("property").and_then(Json::as_array).is_some() {
        let properties = out.remove("property").unwrap_or(Json::Null);
        let mut extensions =
            out.remove("extension").and_then(|e| e.as_array().map(<[Json]>::to_vec)).unwrap_or_default();
        let url = if is_expansion { PROPERTY } else { CONTAINS_PROPERTY };
        extensions
            .extend(properties.as_array().unwrap_or_default().iter().map(|property| property_to_r4(property, url)));
        out.set("extension", Json::Array(extensions));
    }
    Json::Object(out)
}

fn property_to_r4(property: &Json, url: &str) -> Json {
    let mut parts = Vec::new();
    let mut out = Object::new();
    for (name, value) in property.as_object().expect("a property").iter() {
        let part = |url: &str, kind: &str| Json::object([("url", Json::string(url)), (kind, value.clone())]);
        match name.as_str() {
            "code" => parts.push(part("code", "valueCode")),
            "uri" => parts.push(part("uri", "valueUri")),
            name if name.starts_with("value") => parts.push(part("value", name)),
            name => out.set(name, value.clone()),
        }
    }
    out.set("extension", Json::Array(parts));
    out.set("url", Json::string(url));
    Json::Object(out)
}

/// Whether something that is expected may be absent.
fn is_optional(json: &Json) -> bool {
    match json.get("$optional$") {
        Some(Json::Bool(optional)) => *optional,
        Some(Json::String(when)) => &**when == "version:4" || !when.starts_with("version:"),
        _ => false,
    }
}

/// Where an answer is not as expected, or nothing.
fn difference(expected: &Json, given: &Json, path: &str) -> Option<String> {
    match (expected, given) {
        (Json::Object(expected), Json::Object(given)) => objects(expected, given, path),
        (Json::Array(expected), Json::Array(given)) => arrays(expected, given, path),
        (Json::String(expected), Json::String(given)) => {
            (!is_text(expected, given)).then(|| format!("{path}: expected {expected:?}, got {given:?}"))
        }
        (Json::Number(a), Json::Number(b)) => {
            let number = |n: &crate::fhir::json::Number| n.as_str().parse::<f64>().ok();
            (number(a) != number(b)).then(|| format!("{path}: expected {}, got {}", a.as_str(), b.as_str()))
        }
        (expected, given) => {
            (expected != given).then(|| format!("{path}: expected {}, got {}", shown(expected), shown(given)))
        }
    }
}

fn shown(json: &Json) -> String {
    let mut out = Vec::new();
    write(json, &mut out);
    String::from_utf8_lossy(&out).chars().take(700).collect()
}

fn objects(expected: &Object, given: &Object, path: &str) -> Option<String> {
    let names = |name: &str| -> Vec<String> {
        let list = expected.get(name).and_then(Json::as_array).unwrap_or_default();
        list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let (optional, counted) = (names("$optional-properties$"), names("$count-arrays$"));
    for (name, value) in expected.iter() {
        let name = name.as_str();
        if name.starts_with('$') || name == LOCATION {
            continue;
        }
        let place = format!("{path}.{name}");
        let Some(found) = given.get(name) else {
            let is_all_optional = value.as_array().is_some_and(|all| all.iter().all(is_optional));
            if optional.iter().any(|one| one == name) || is_optional(value) || is_all_optional {
                continue;
            }
            return Some(format!("{place}: is absent, expected {}", shown(value)));
        };
        if counted.iter().any(|one| one == name) {
            let counts = (value.as_array().map(<[Json]>::len), found.as_array().map(<[Json]>::len));
            if counts.0 != counts.1 {
                return Some(format!("{place}: counts {counts:?}"));
            }
            continue;
        }
        if optional.iter().any(|one| one == name) && name == "compose" {
            continue;
        }
        if let Some(difference) = difference(value, found, &place) {
            return Some(difference);
        }
    }
    let unexpected = given.iter().filter(|(name, _)| expected.get(name.as_str()).is_none());
    let mut unexpected =
        unexpected.filter(|(name, _)| name.as_str() != LOCATION && !optional.iter().any(|one| one == name.as_str()));
    let unexpected = unexpected.next();
    unexpected.map(|(name, value)| format!("{path}.{name}: not expected: {}", shown(value)))
}

/// The order of lists does not matter; what is optional may be absent.
fn arrays(expected: &[Json], given: &[Json], path: &str) -> Option<String> {
    let mut left: Vec<&Json> = given.iter().collect();
    let mut missing = None;
    for one in expected {
        match left.iter().position(|given| difference(one, given, path).is_none()) {
            Some(at) => {
                left.remove(at);
            }
            None if is_optional(one) => {}
            None => missing = missing.or(Some(one)),
        }
    }
    match (missing, left.first()) {
        (None, None) => None,
        (Some(missing), Some(left)) if path.contains("contains") || expected.len() == given.len() => {
            difference(missing, left, path).or(Some(format!("{path}: expected {}", shown(missing))))
        }
        (Some(missing), left) => Some(format!(
            "{path}: expected {} got {}",
            shown(missing),
            left.map(|json| shown(json)).unwrap_or_default()
        )),
        (None, Some(left)) => Some(format!("{path}: not expected: {}", shown(left))),
    }
}

/// Texts by their patterns. The suite itself writes the same message with and without quotation marks.
fn is_text(expected: &str, given: &str) -> bool {
    let plain = |text: &str| text.replace('\'', "");
    let Some(pattern) = expected.strip_prefix('$').and_then(|rest| rest.strip_suffix('$')) else {
        return match expected.split_once("$version$") {
            Some((before, after)) => {
                given.starts_with(before) && given.ends_with(after) && given.len() > before.len() + after.len()
            }
            None => plain(expected) == plain(given),
        };
    };
    let (kind, rest) = pattern.split_once(':').unwrap_or((pattern, ""));
    match kind {
        "external" => rest.split_once(':').is_none_or(|(_, part)| plain(given).contains(&plain(part))),
        "either" => rest.split('\u{1}').any(|one| plain(one) == plain(given)),
        "choice" => rest.split('|').any(|one| one == given),
        "fragments" => rest.split(';').all(|one| given.contains(one)) || rest.contains('|'),
        "uuid" => given.strip_prefix("urn:uuid:").unwrap_or(given).len() == 36,
        "instant" => given.contains('T'),
        _ => !given.is_empty(),
    }
}

/// What is expected, with the texts of the suite's own server in place of the marks for them, where it has them.
fn with_texts(json: &Json, files: &Files, name: &str) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(|item| with_texts(item, files, name)).collect()),
        Json::Object(object) => {
            Json::Object(object.iter().map(|(key, value)| (key.clone(), with_texts(value, files, name))).collect())
        }
        Json::String(mark) if mark.starts_with("$external:") => {
            let number = mark.trim_matches('$').split(':').nth(1).unwrap_or("");
            let known =
                files.get("messages-tx.fhir.org.json").and_then(|all| all.get(name)).map(|texts| text(texts, number));
            known
                .filter(|text| !text.is_empty())
                .map_or_else(|| json.clone(), |text| Json::string(format!("$either:{text}$")))
        }
        other => other.clone(),
    }
}

/// Why a case fails, or nothing.
fn failure(case: &Json, files: &Files, shelf: &Shelf) -> Option<String> {
    let library = Layers(vec![shelf, &*SHIPPED, &Core]);
    let operation = match text(case, "operation") {
        "expand" => Operation::Expand,
        "validate-code" => Operation::ValidateInValueSet,
        "cs-validate-code" => Operation::ValidateInCodeSystem,
        "lookup" => Operation::Lookup,
        "translate" => Operation::Translate,
        "batch-validate" => Operation::BatchValidate,
        "compare" => Operation::Compare,
        other => return Some(format!("operation {other}")),
    };
    let request = to_r4(&files[text(case, "request")]);
    if let Err(fault) = shape(&request) {
        return Some(format!("the request: {fault}"));
    }
    let mut params = Params::from_resource(&request).expect("parameters");
    if let Some(profile) = files.get(text(case, "profile")) {
        params.extend(&Params::from_resource(&to_r4(profile)).expect("parameters"));
    }
    let header = case.get("Accept-Language").and_then(Json::as_str);
    let call = Call {
        operation,
        params: &params,
        accept_language: header,
        own: None,
        id: "6f1d6b0e-0000-4000-8000-000000000000",
        now: "2026-11-28T12:00:00Z",
    };
    let (answer, is_fault) = match run(&library, &call) {
        Ok(json) => (json, false),
        Err(fault) => (outcome(fault.issues()), true),
    };
    if is_fault != text(case, "http-code").starts_with('4') {
        return Some(format!("the answer is {}", shown(&answer)));
    }
    let names = ["response", "response2"].map(|name| text(case, name));
    let expected = names.into_iter().filter_map(|name| Some(with_texts(&to_r4(files.get(name)?), files, name)));
    let mut differences = expected.map(|expected| difference(&expected, &answer, ""));
    let first = differences.next().expect("a response").map(|why| format!("{why}\n    {}", shown(&answer)));
    if first.is_none() || differences.any(|one| one.is_none()) { None } else { first }
}

/// The cases of this suite that stand in the baseline, each with its reason.
fn baseline() -> Vec<String> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/baseline.toml"));
    let cases = text.split("[[case]]").filter(|case| case.contains("suite = \"tx-ecosystem\""));
    let name = |case: &str| {
        let line = case.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        assert!(case.lines().any(|line| line.starts_with("reason = \"") && line.len() > 60), "a reason: {case}");
        line.expect("a name").to_owned()
    };
    let mut names: Vec<String> = cases.map(name).collect();
    names.sort();
    names
}

#[test]
fn the_public_suite_passes_but_for_its_baseline() {
    let Some(path) = shared("data/tests/tx-ecosystem.tgz") else {
        println!("the suite is not there");
        return;
    };
    let files = read(&path);
    let (mut count, mut failed) = (0, Vec::new());
    for suite in list(&files["test-cases.json"], "suites") {
        let mut shelf = Shelf::default();
        for name in list(suite, "setup").iter().filter_map(Json::as_str) {
            shelf.add(Arc::new(to_r4(&files[name])));
        }
        for case in list(suite, "tests") {
            count += 1;
            if let Some(why) = failure(case, &files, &shelf) {
                println!("{}/{}: {why}", text(suite, "name"), text(case, "name"));
                failed.push(format!("{}/{}", text(suite, "name"), text(case, "name")));
            }
        }
    }
    failed.sort();
    println!("{} of {count} cases pass", count - failed.len());
    assert_eq!(count, 502);
    assert_eq!(failed, baseline(), "the cases that fail and those of the baseline");
}
