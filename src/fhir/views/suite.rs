//! The public tests of SQL on FHIR, run if the test data lies beside the repository.

use std::path::{Path, PathBuf};

use super::definition::View;
use super::text::value;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{Json, parse};

/// Where the tests lie, if they are there.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|place| root.join(place).join("data/tests/sql-on-fhir"));
    let found = places.into_iter().find(|place| place.exists());
    assert!(found.is_some() || std::env::var_os("REQUIRE_SHARED").is_none(), "the tests of SQL on FHIR are not there");
    found
}

/// The tables of the resources of a file, as JSON objects, and the names of its columns.
fn table(definition: &Json, resources: &[Json]) -> Result<(Vec<Json>, Vec<String>)> {
    let view = View::compile(definition, "view")?;
    let mut rows = Vec::new();
    for resource in resources {
        for row in view.rows(resource, Timestamp(1_700_000_000_000_000))? {
            let mut object = Json::object([]);
            for (column, cell) in view.columns().iter().zip(&row) {
                let mut text = Vec::new();
                value(cell, &mut text);
                object.as_object_mut().expect("an object").set(&column.name, parse(&text).expect("JSON"));
            }
            rows.push(object);
        }
    }
    Ok((rows, view.columns().iter().map(|column| column.name.to_string()).collect()))
}

/// A row in a form that is equal for equal rows: sorted by name, numbers by their value.
fn plain(json: &Json) -> String {
    match json {
        Json::Object(object) => {
            let mut parts: Vec<String> =
                object.iter().map(|(name, json)| format!("{}={}", name.as_str(), plain(json))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
        Json::Number(number) => format!("{}", number.as_str().parse::<f64>().expect("a number")),
        other => format!("{other:?}"),
    }
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// Why a test fails, or nothing.
fn failure(test: &Json, resources: &[Json]) -> Option<String> {
    let definition = test.get("view").expect("a view");
    let is_error = test.get("expectError").and_then(Json::as_bool) == Some(true);
    let (rows, columns) = match (table(definition, resources), is_error) {
        (Err(_), true) => return None,
        (Err(fault), false) => return Some(fault.to_string()),
        (Ok(_), true) => return Some("expected an error".to_owned()),
        (Ok(found), false) => found,
    };
    let wanted: Vec<&str> = list(test, "expectColumns").iter().filter_map(Json::as_str).collect();
    if !wanted.is_empty() && wanted != columns {
        return Some(format!("columns {columns:?}"));
    }
    if let Some(count) = test.get("expectCount").and_then(Json::as_number) {
        return (count.as_str() != rows.len().to_string()).then(|| format!("{} rows", rows.len()));
    }
    let mut got: Vec<String> = rows.iter().map(plain).collect();
    let mut expected: Vec<String> = list(test, "expect").iter().map(plain).collect();
    got.sort();
    expected.sort();
    (got != expected).then(|| format!("expected {expected:?}, got {got:?}"))
}

/// The cases of this suite that stand in the baseline.
fn baseline() -> Vec<String> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/baseline.toml"));
    let cases = text.split("[[case]]").filter(|case| case.contains("suite = \"sql-on-fhir\""));
    let name =
        |case: &str| case.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).map(str::to_owned);
    cases.map(|case| name(case).expect("a name")).collect()
}

#[test]
fn the_public_tests_pass() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: the tests of SQL on FHIR are not there");
        return;
    };
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let (mut count, mut failed) = (0, Vec::new());
    for file in &files {
        let suite = parse(&std::fs::read(file).expect("a file")).expect("JSON");
        let title = file.file_stem().expect("a name").to_string_lossy();
        for test in list(&suite, "tests") {
            count += 1;
            let name = format!("{title}/{}", test.get("title").and_then(Json::as_str).unwrap_or_default());
            if let Some(why) = failure(test, list(&suite, "resources")) {
                println!("{name}: {why}");
                failed.push(name);
            }
        }
    }
    assert!(files.len() >= 20 && count >= 97, "{count} tests in {} files", files.len());
    assert_eq!(failed, baseline(), "the tests that fail and those of the baseline");
}
