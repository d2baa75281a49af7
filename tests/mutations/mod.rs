//! The validator against thousands of single mutations of the official examples: an element that is missing, unknown, of the wrong
//! type, shape, format or code, a target, invariant, slice, extension, narrative, id, Bundle ...
//!
//! Each kind of mutation says what must come of it: `Refused` with an error that names the element or one beside or above it,
//! `Accepted`, or `Depends` on the place, which only another validator can say. `CRESSET_MUTATIONS` is a folder with what HL7's
//! validator says (`cases.jsonl`: `id`, `resource`; `oracle.jsonl`: `id`, `verdict`); with `CRESSET_MUTATIONS_WRITE` such
//! cases are written there instead, from the resources in `bases.jsonl`. `docs/VALIDATION.md` has the numbers.

mod invariants;
mod kinds;
mod make;
mod random;
mod samples;
mod schema;
mod site;
mod structure;

use std::collections::BTreeMap;
use std::fs::{File, read_to_string, write};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use cresset::base::fault::Issue;
use cresset::fhir::definitions::package::Package;
use cresset::fhir::json::parse;
use cresset::fhir::validate::{Options, Registry, validate};
use serde_json::{Value, json};

use crate::support::{official, skip, variable};
use kinds::Expected;
use make::{Base, Case, cases};

/// The seed of the cases that always run.
const SEED: u64 = 3;

/// How many of each kind.
const COUNT: usize = 8;

/// The packages that the official validator is given.
const PACKAGES: [&str; 4] = [
    "hl7.terminology.r4-7.0.1",
    "hl7.fhir.uv.extensions.r4-5.3.0-ballot-tc1",
    "hl7.fhir.us.core-7.0.0",
    "hl7.fhir.uv.ips-2.0.0",
];

/// How many cases of a set may be judged otherwise than by the official validator: 1 %, beside the kinds that are judged otherwise
/// on purpose.
const OTHERWISE: f64 = 0.01;

/// Kinds that the specification or its JSON schema decides, not the official validator (`docs/VALIDATION.md`).
const DECIDED: [&str; 1] = ["blank string"];

fn errors(registry: &Registry, text: &str) -> Vec<Issue> {
    let options = Options { by_meta: true, is_thorough: true, takes_unstorable: true, ..Options::default() };
    match parse(text.as_bytes()) {
        Ok(json) => validate(registry, &json, &[], options),
        Err(fault) => fault.issues().to_vec(),
    }
}

/// Whether an error names the element, one above or beside it.
fn is_named(issues: &[Issue], path: &str) -> bool {
    let plain = |path: &str| {
        let mut out = String::new();
        let mut is_in = false;
        for c in path.chars() {
            is_in = (is_in || c == '[') && c != ']';
            if !is_in && c != ']' {
                out.push(c);
            }
        }
        out
    };
    let path = plain(path);
    let above = path.rsplit_once('.').map_or(path.as_str(), |parts| parts.0);
    issues.iter().any(|issue| {
        let place = plain(issue.expression.as_deref().unwrap_or(""));
        // what is no resource has no element
        place == "Resource" || place.is_empty() || path.starts_with(&place) || place.starts_with(above)
    })
}

/// The official examples that have no fault, as far as we know.
fn bases(folder: &Path) -> Vec<Base> {
    let examples = official::archive(&folder.join("examples-json-4.0.1-instances.tgz"));
    let small = examples.iter().filter(|(_, text)| text.len() < 20_000);
    let texts = small.map(|(name, text)| (name, String::from_utf8_lossy(text)));
    let sound = texts.filter(|(_, text)| errors(Registry::core(), text).is_empty());
    sound.map(|(name, text)| Base::new(name, serde_json::from_str(&text).unwrap())).collect()
}

#[test]
fn each_kind_is_judged_as_it_must_be() {
    let Some(folder) = official::folder() else { return };
    let bases = bases(&folder);
    assert!(bases.len() > 500, "{} examples without fault", bases.len());
    let cases = cases(&bases, SEED, COUNT);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let issues = errors(Registry::core(), &case.text);
        *counts.entry(case.kind.name).or_default() += 1;
        let is_right = match case.kind.expected {
            Expected::Refused => !issues.is_empty() && is_named(&issues, &case.path),
            Expected::Accepted => issues.is_empty(),
            Expected::Depends => true,
        };
        if !is_right {
            let told: Vec<String> = issues.iter().map(|i| format!("{:?} {}", i.expression, i.diagnostics)).collect();
            wrong.push(format!("{} at {}: {}", case.id, case.path, told.join("; ")));
        }
    }
    // small examples without fault have no complex extension, and hardly a Bundle
    let is_rare =
        |name: &str| matches!(name, "part of an extension" | "type of a Bundle" | "fullUrl" | "fullUrl twice");
    let is_few = |name: &str| counts.get(name).is_none_or(|n| *n < COUNT) && !is_rare(name);
    let few: Vec<_> = make::all().map(|kind| kind.name).filter(|name| is_few(name)).collect();
    assert!(few.is_empty(), "too few cases of {few:?}");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn lines(path: &Path) -> Vec<Value> {
    let text = read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("")
}

/// Writes cases for the official validator.
fn written(folder: &Path) {
    let bases = lines(&folder.join("bases.jsonl"));
    let read = |base: &Value| {
        let resource = text(base, "resource");
        Some(Base::new(text(base, "id"), serde_json::from_str(resource.trim_start_matches('\u{feff}')).ok()?))
    };
    let bases: Vec<Base> = bases.iter().filter_map(read).collect();
    let seed = variable("CRESSET_MUTATIONS_WRITE").and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let line = |case: &Case| json!({"id": case.id, "kind": case.kind.name, "path": case.path, "resource": case.text});
    let cases: Vec<String> = cases(&bases, seed, 70).iter().map(|case| line(case).to_string()).collect();
    write(folder.join("cases.jsonl"), cases.join("\n")).unwrap();
}

#[test]
fn the_official_validator_says_the_same() {
    let folder = variable("CRESSET_MUTATIONS").map(PathBuf::from);
    let (Some(folder), Some(data)) = (folder, official::folder()) else {
        return skip("what the official validator says of mutations", "REQUIRE_ORACLE");
    };
    if variable("CRESSET_MUTATIONS_WRITE").is_some() {
        return written(&folder);
    }
    let package = |name: &str| {
        let path = data.join("../packages").join(format!("{name}.tgz"));
        Package::read(BufReader::new(File::open(path).unwrap())).unwrap().resources
    };
    let registry = Registry::with(PACKAGES.into_iter().flat_map(package));
    let verdicts = lines(&folder.join("oracle.jsonl"));
    let verdicts: BTreeMap<&str, &Value> = verdicts.iter().map(|line| (text(line, "id"), &line["verdict"])).collect();
    let (mut all, mut otherwise) = (0_u32, Vec::new());
    for case in lines(&folder.join("cases.jsonl")) {
        let kind = text(&case, "kind");
        let Some(verdict) = verdicts.get(text(&case, "id")).filter(|_| !DECIDED.contains(&kind)) else { continue };
        all += 1;
        if **verdict != !errors(&registry, text(&case, "resource")).is_empty() {
            otherwise.push(format!("{} at {}: official {verdict}", text(&case, "id"), text(&case, "path")));
        }
    }
    assert!(all > 0, "no cases");
    eprintln!("{} of {all} judged otherwise:\n{}", otherwise.len(), otherwise.join("\n"));
    assert!(otherwise.len() as f64 <= f64::from(all) * OTHERWISE, "{} of {all}", otherwise.len());
}
