//! What is loaded: transaction Bundles, and their resources as raw JSON with the references resolved.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{shared, variable};

/// A resource; its place in [`Dataset::resources`] is its name for the evaluator.
#[derive(Debug)]
pub struct Resource {
    /// `resourceType`.
    pub kind: String,
    /// As it was loaded.
    pub json: Value,
    /// The resource that each `reference` text leads to.
    pub references: HashMap<String, usize>,
}

/// Bundles and what is in them.
#[derive(Debug, Default)]
pub struct Dataset {
    /// Transactions, in the order in which they must be loaded.
    pub bundles: Vec<Value>,
    /// For each bundle, the resource of each entry.
    pub entries: Vec<Vec<usize>>,
    /// Everything that is there afterwards.
    pub resources: Vec<Resource>,
    by_identifier: HashMap<(String, String, String), usize>,
}

impl Dataset {
    /// The edges and generated patients, and Synthea's where they are.
    pub fn read() -> Self {
        let mut all = Self::default();
        all.add(bundle(super::extra::resources()));
        generated().into_iter().for_each(|b| all.add(b));
        synthea().into_iter().for_each(|b| all.add(b));
        all
    }

    /// The edges, and the resources made for contexts, joins and filters; small.
    pub fn joined() -> Self {
        let mut all = Self::default();
        let mut resources = super::extra::resources();
        resources.extend(super::joined::resources());
        all.add(bundle(resources));
        all
    }

    /// The resources of a type.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.resources.iter().enumerate().filter(move |(_, r)| r.kind == kind).map(|(n, _)| n)
    }

    fn add(&mut self, bundle: Value) {
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let mut urls = HashMap::new();
        let mut members = Vec::new();
        for entry in &entries {
            let n = self.add_resource(entry);
            members.push(n);
            if let Some(url) = entry["fullUrl"].as_str() {
                urls.insert(url.to_owned(), n);
            }
        }
        for n in &members {
            let mut texts = Vec::new();
            references(&self.resources[*n].json, &mut texts);
            for text in texts {
                let target = urls.get(&text).copied().or_else(|| self.conditional(&text));
                target.map(|target| self.resources[*n].references.insert(text, target));
            }
        }
        self.entries.push(members);
        self.bundles.push(bundle);
    }

    /// A new resource, or the one that `If-None-Exist` finds.
    fn add_resource(&mut self, entry: &Value) -> usize {
        let json = entry["resource"].clone();
        let kind = json["resourceType"].as_str().unwrap().to_owned();
        let condition = entry["request"]["ifNoneExist"].as_str();
        if let Some(found) = condition.and_then(|c| self.conditional(&format!("{kind}?{c}"))) {
            return found;
        }
        let n = self.resources.len();
        for identifier in json["identifier"].as_array().into_iter().flatten() {
            let text = |name: &str| identifier[name].as_str().unwrap_or_default().to_owned();
            self.by_identifier.entry((kind.clone(), text("system"), text("value"))).or_insert(n);
        }
        self.resources.push(Resource { kind, json, references: HashMap::new() });
        n
    }

    /// `Practitioner?identifier=system|value`.
    fn conditional(&self, text: &str) -> Option<usize> {
        let (kind, query) = text.split_once('?')?;
        let value = query
            .strip_prefix("identifier=")?
            .replace("%7C", "|")
            .replace("%7c", "|")
            .replace("%3A", ":")
            .replace("%2F", "/");
        let (system, value) = value.rsplit_once('|')?;
        self.by_identifier.get(&(kind.to_owned(), system.to_owned(), value.to_owned())).copied()
    }
}

fn references(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Array(all) => all.iter().for_each(|j| references(j, found)),
        Value::Object(all) => all.iter().for_each(|(name, j)| match j {
            Value::String(text) if name == "reference" => found.push(text.clone()),
            _ => references(j, found),
        }),
        _ => {}
    }
}

fn bundle(resources: Vec<(String, Value)>) -> Value {
    let entry = |(url, resource): (String, Value)| {
        let kind = resource["resourceType"].clone();
        json!({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind}})
    };
    json!({"resourceType": "Bundle", "type": "transaction", "entry": resources.into_iter().map(entry).collect::<Vec<_>>()})
}

/// `cresset generate`: the hospital, and a few patients.
fn generated() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cresset"));
    // The plan of searches is made from it: the same on every day.
    let how = ["generate", "--seed", "7", "--patients", "10", "--today", "2026-11-25", "--out"];
    let output = command.args(how).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read_folder(folder.path(), usize::MAX)
}

/// The Synthea patients beside the repository.
fn synthea() -> Vec<Value> {
    let Some(folder) = shared("synthea") else { return Vec::new() };
    let patients = variable("CRESSET_SYNTHEA").and_then(|n| n.parse().ok()).unwrap_or(40);
    read_folder(&folder, 2 + patients)
}

/// The Bundles of a folder by name, so that what begins with `0-` comes first.
fn read_folder(folder: &Path, most: usize) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| -> Value {
        let bytes = std::fs::read(path).unwrap();
        let mut text = Vec::new();
        match path.extension().and_then(|e| e.to_str()) {
            Some("bz2") => bzip2::read::BzDecoder::new(bytes.as_slice()).read_to_end(&mut text).map(drop).unwrap(),
            _ => text = bytes,
        }
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    files.iter().take(most).map(read).filter(|b| b["resourceType"] == "Bundle").collect()
}
