//! The public tests of GraphQL over FHIR, run if the test data lies beside the repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::execute::{Root, execute};
use super::request::Request;
use super::source::{Entry, Found, Search, Source};
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::params::search_params;
use crate::fhir::json::{Json, parse, parse_with};
use crate::fhir::types::{ResourceId, ResourceType};
use crate::fhir::xml;

/// Where the tests lie, if they are there.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| root.join(place).join("data/tests/graphql"));
    let found = places.into_iter().find(|place| place.exists());
    assert!(found.is_some() || std::env::var_os("REQUIRE_SHARED").is_none(), "the tests of GraphQL are not there");
    found
}

/// The resources of the suite.
struct Examples(Vec<Arc<Json>>);

impl Examples {
    fn read(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder.join("examples")).expect("examples");
        let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        let read = |path: &PathBuf| {
            let mut text = std::fs::read_to_string(path).expect("a file");
            let is_xml = path.extension().is_some_and(|end| end == "xml");
            for foreign in [" xmlns:xsi=\"", " xsi:schemaLocation=\""] {
                while let Some(start) = text.find(foreign).filter(|_| is_xml) {
                    let length = foreign.len() + text[start + foreign.len()..].find('"').expect("a value") + 1;
                    text.replace_range(start..start + length, "");
                }
            }
            let json = if is_xml { xml::parse(text.as_bytes(), 64) } else { parse_with(text.as_bytes(), 64) };
            Arc::new(json.unwrap_or_else(|fault| panic!("{}: {fault}", path.display())))
        };
        Self(files.iter().map(read).collect())
    }

    fn find(&self, kind: &str, id: &str) -> Option<Arc<Json>> {
        let is = |json: &Json, name: &str, value: &str| json.get(name).and_then(Json::as_str) == Some(value);
        self.0.iter().find(|json| is(json, "resourceType", kind) && is(json, "id", id)).cloned()
    }
}

impl Source for Examples {
    fn read(&self, kind: ResourceType, id: &ResourceId) -> Result<Option<Arc<Json>>> {
        Ok(self.find(kind.name(), id.as_str()))
    }

    fn resolve(&self, reference: &str) -> Result<Option<Arc<Json>>> {
        Ok(reference.split_once('/').and_then(|(kind, id)| self.find(kind, id)))
    }

    fn params(&self, kind: ResourceType) -> Vec<String> {
        search_params(kind).iter().map(|param| param.code.to_string()).collect()
    }

    /// The two searches of the suite, as its authors answer them.
    fn search(&self, search: &Search) -> Result<Found> {
        let params: Vec<(&str, &str)> =
            search.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let entry = |kind: &str, id: &str, mode, score: Option<&str>| {
            let resource = self.find(kind, id).expect("an example");
            Entry { resource, mode, score: score.map(str::to_owned) }
        };
        match (search.kind.name(), params.as_slice()) {
            ("Patient", [("active", "true")]) => Ok(Found {
                total: Some(50),
                offset: 0,
                size: 50,
                entries: vec![
                    entry("Patient", "example", None, None),
                    entry("Patient", "xds", Some("match"), Some("0.5")),
                ],
                next: search.count.is_none().then(|| "77c97e03-8a6c-415f-a63d-11c80cf73f:50".to_owned()),
                ..Found::default()
            }),
            ("Condition", [("patient", "Patient/example")]) => {
                Ok(Found { entries: vec![entry("Condition", "example", Some("match"), None)], ..Found::default() })
            }
            other => Err(Fault::invalid(format!("{other:?}"))),
        }
    }

    fn most(&self) -> usize {
        1000
    }
}

/// A test of the manifest: its attributes.
fn attribute<'t>(test: &'t str, name: &str) -> Option<&'t str> {
    let start = test.find(&format!(" {name}=\""))? + name.len() + 3;
    test[start..].split('"').next()
}

/// An answer in a form that is equal for equal answers: sorted by name, numbers by their value.
fn plain(json: &Json) -> String {
    match json {
        Json::Object(object) => {
            let part = |(name, json): (&crate::fhir::name::Name, &Json)| format!("{}={}", name.as_str(), plain(json));
            let mut parts: Vec<String> = object.iter().map(part).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
        Json::Number(number) => format!("{}", number.as_str().parse::<f64>().expect("a number")),
        other => format!("{other:?}"),
    }
}

fn root_of(examples: &Examples, context: &str) -> Root {
    match context.strip_suffix("/$graphql").filter(|path| !path.is_empty()).and_then(|path| path.split_once('/')) {
        // the manifest names the file of this one, not its id
        Some(("List", "example-long")) => Root::Resource(examples.find("List", "long").expect(context)),
        Some((kind, id)) => Root::Resource(examples.find(kind, id).expect(context)),
        None => Root::System,
    }
}

fn run(examples: &Examples, context: &str, query: String) -> Result<Json> {
    let variables = parse(br#"{"var":true}"#).expect("JSON").as_object().expect("an object").clone();
    let request = Request { query, variables, operation: None };
    execute(&request, &root_of(examples, context), examples, Timestamp(1_700_000_000_000_000))
}

/// Why a test fails, or nothing.
fn failure(folder: &Path, examples: &Examples, test: &str) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let query = read(attribute(test, "source").expect("a source"));
    let output = attribute(test, "output").expect("an output");
    let context = attribute(test, "context").expect("a context");
    match (run(examples, context, query), output) {
        (Err(_), "$error") => None,
        (Ok(json), "$error") => Some(format!("expected an error, got {}", plain(&json))),
        (Err(fault), _) => Some(fault.to_string()),
        (Ok(json), output) => {
            let expected = plain(&parse(read(output).as_bytes()).expect("JSON"));
            let got = plain(&json);
            (got != expected).then(|| format!("expected {expected}\n     got {got}"))
        }
    }
}

/// The cases of this suite that stand in the baseline.
fn baseline() -> Vec<String> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/baseline.toml"));
    let cases = text.split("[[case]]").filter(|case| case.contains("suite = \"graphql\""));
    let name =
        |case: &str| case.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).map(str::to_owned);
    cases.map(|case| name(case).expect("a name")).collect()
}

#[test]
fn the_public_tests_pass_but_for_their_faults() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: the tests of GraphQL are not there");
        return;
    };
    let examples = Examples::read(&folder);
    let manifest = std::fs::read_to_string(folder.join("manifest.xml")).expect("the manifest");
    let tests: Vec<&str> = manifest.split("<test ").skip(1).collect();
    let mut failed = Vec::new();
    for test in &tests {
        let test = format!(" {test}");
        let name = attribute(&test, "name").expect("a name").to_owned();
        if let Some(why) = failure(&folder, &examples, &test) {
            println!("{name}: {why}");
            failed.push(name);
        }
    }
    assert_eq!(tests.len(), 29);
    assert_eq!(failed, baseline(), "the tests that fail and those of the baseline");
}

#[test]
fn the_public_documents_are_read() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("parser-tests.gql")).expect("the documents");
    let documents: Vec<&str> =
        text.split("#### ").skip(1).map(|part| part.split_once('\n').expect("a title").1).collect();
    assert!(documents.len() >= 20, "{}", documents.len());
    for document in documents {
        super::parser::parse(document).unwrap_or_else(|fault| panic!("{fault}: {document}"));
    }
}

#[test]
fn the_tests_of_servers_pass() {
    let Some(folder) = folder() else { return };
    let examples = Examples::read(&folder);
    let tests = parse(&std::fs::read(folder.join("server-tests.json")).expect("the tests")).expect("JSON");
    let mut count = 0;
    for group in ["instance-tests", "root-tests"] {
        for (name, test) in tests.get(group).and_then(Json::as_object).expect(group).iter() {
            let url = test.get("url").and_then(Json::as_str).expect("a url");
            let (path, query) = url.split_once("?query=").expect("a query");
            let data = run(&examples, path.trim_start_matches('/'), query.to_owned());
            let data = data.unwrap_or_else(|fault| panic!("{}: {fault}", name.as_str()));
            let expected = test.get("output").and_then(|output| output.get("data")).expect("data");
            assert_eq!(plain(&data), plain(expected), "{}", name.as_str());
            count += 1;
        }
    }
    assert!(count >= 2);
}
