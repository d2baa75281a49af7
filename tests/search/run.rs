//! Loads the data, asks the plan's queries, and compares.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::dataset::Dataset;
use super::evaluate::{Condition, Wanted, at_param};
use super::paths::{Param, param};
use super::plan::{Check, EACH, Planner, Query, order};
use crate::support::{Client, TestApp, on_both_databases, parallel};

/// A step of a chain: parameter, type, and whether the type is written.
type Step = (&'static str, &'static str, bool);

/// Class, type searched, steps, and the last parameter. `_has:` begins a step backwards: the type is the source.
pub const CHAINS: &[(&str, &str, &[Step], &str)] = &[
    ("chain", "Observation", &[("patient", "Patient", false)], "family"),
    ("chain of a date", "Condition", &[("patient", "Patient", false)], "birthdate"),
    ("typed chain", "Observation", &[("subject", "Patient", true)], "given"),
    ("typed chain of a token", "Encounter", &[("service-provider", "Organization", true)], "name"),
    (
        "chain of three",
        "Observation",
        &[("encounter", "Encounter", true), ("service-provider", "Organization", false)],
        "name",
    ),
    (
        "chain of four",
        "DiagnosticReport",
        &[("result", "Observation", false), ("subject", "Patient", true), ("organization", "Organization", false)],
        "name",
    ),
    ("_has", "Patient", &[("_has:patient", "Observation", true)], "code"),
    ("_has a date", "Patient", &[("_has:patient", "Encounter", true)], "date"),
    ("_has of a token", "Encounter", &[("_has:encounter", "Condition", true)], "code"),
    (
        "nested _has",
        "Organization",
        &[("_has:service-provider", "Encounter", true), ("_has:encounter", "Observation", true)],
        "code",
    ),
    ("chain in _has", "Patient", &[("_has:patient", "Observation", true), ("encounter", "Encounter", true)], "date"),
    ("_has in chain", "Observation", &[("patient", "Patient", false), ("_has:patient", "Condition", true)], "code"),
];

/// Class, type searched, the parameter as written, the source (empty for `_include`), and the reference parameter.
pub const INCLUDES: &[(&str, &str, &str, &str, &str)] = &[
    ("_include", "Observation", "_include=Observation:patient", "", "patient"),
    ("_include", "Encounter", "_include=Encounter:service-provider", "", "service-provider"),
    ("_include to Patient", "Observation", "_include=Observation:subject:Patient", "", "subject"),
    ("_include", "Condition", "_include=Condition:encounter", "", "encounter"),
    ("_revinclude", "Patient", "_revinclude=Encounter:patient", "Encounter", "patient"),
    ("_revinclude", "Encounter", "_revinclude=Observation:encounter", "Observation", "encounter"),
    ("_revinclude", "Organization", "_revinclude=Encounter:service-provider", "Encounter", "service-provider"),
];

/// Type and parameter that resources have at most one value of.
pub const SORTS: &[(&str, &str)] = &[
    ("Patient", "birthdate"),
    ("ValueSet", "name"),
    ("ValueSet", "title"),
    ("RiskAssessment", "probability"),
    ("RiskAssessment", "date"),
    ("Condition", "recorded-date"),
    ("Observation", "date"),
];

fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(Dataset::read)
}

fn plan() -> &'static [Query] {
    static PLAN: OnceLock<Vec<Query>> = OnceLock::new();
    PLAN.get_or_init(|| Planner::new(data(), 20_261_121).all())
}

#[test]
fn the_plan_asks_for_something() {
    let queries = plan();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    queries.iter().for_each(|q| *classes.entry(q.class.as_str()).or_default() += 1);
    let rare: Vec<_> = classes.iter().filter(|(_, n)| **n < 5).collect();
    assert!(classes.len() > 70 && EACH >= 5, "{classes:?}");
    assert!(rare.is_empty(), "classes with less than 5 queries: {rare:?}");
    let telling = queries.iter().filter(|q| !q.expected.is_empty() && q.expected.len() < data().of(q.kind).count());
    let telling = telling.count();
    assert!(
        telling * 3 >= queries.len() * 2,
        "{telling} of {} answers are neither empty nor everything",
        queries.len()
    );
}

on_both_databases! {
    fn searches_answer_as_the_evaluator_does(database) {
        let app = TestApp::start(database);
        let names = load(&app);
        let next = AtomicUsize::new(0);
        let found: Vec<Vec<String>> = parallel(4, |_| {
            let mut asker = Asker { client: app.client(), base: app.base(), names: &names, found: Vec::new() };
            while let Some(query) = plan().get(next.fetch_add(1, Ordering::SeqCst)) {
                asker.ask(query);
            }
            asker.found
        });
        let mut found: Vec<String> = found.into_iter().flatten().collect();
        found.sort();
        let shown = found.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(found.is_empty(), "{} of {} searches are wrong:\n{shown}", found.len(), plan().len());
    }
}

/// Loads all Bundles; gives back `Type/id` of every resource of the evaluator.
fn load(app: &TestApp) -> Vec<String> {
    let mut client = app.client();
    let mut names = vec![String::new(); data().resources.len()];
    for (bundle, entries) in data().bundles.iter().zip(&data().entries) {
        let answer = client.post("", bundle).expect(200).json();
        let answered = answer["entry"].as_array().unwrap();
        assert_eq!(answered.len(), entries.len());
        for (entry, n) in answered.iter().zip(entries) {
            let location = entry["response"]["location"].as_str().unwrap_or_else(|| panic!("no location: {entry}"));
            let parts: Vec<&str> = location.split('/').collect();
            let at = parts.iter().position(|p| *p == "_history").unwrap_or(parts.len());
            names[*n] = parts[at - 2..at].join("/");
        }
    }
    names
}

/// Asks queries of one server and collects what is wrong.
struct Asker<'a> {
    client: Client,
    base: String,
    names: &'a [String],
    found: Vec<String>,
}

impl Asker<'_> {
    fn ask(&mut self, query: &Query) {
        let conditions: Vec<String> = query.conditions.iter().map(|c| self.condition(c)).collect();
        let text = format!("{}?{}", query.kind, conditions.join("&"));
        let whole = query.expected.len() <= 2000;
        let options = if query.options.is_empty() { "&_count=1000" } else { query.options.as_str() };
        let target = if whole { format!("{text}{options}") } else { format!("{text}&_summary=count") };
        let mut page = self.client.get(&target);
        if page.status != 200 {
            self.found.push(format!("[{}] {target}: {} {}", query.class, page.status, page.text()));
            return;
        }
        let total = page.json()["total"].as_u64();
        if total != u64::try_from(query.expected.len()).ok() {
            self.found.push(format!("[{}] {target}: total {total:?}, not {}", query.class, query.expected.len()));
        }
        let (mut matches, mut included) = (Vec::new(), Vec::new());
        for _ in 0..5000 {
            let bundle = page.json();
            names_of(&bundle, "match", &mut matches);
            names_of(&bundle, "include", &mut included);
            let links = bundle["link"].as_array().into_iter().flatten();
            let next = links.into_iter().find(|l| l["relation"] == "next").and_then(|l| l["url"].as_str());
            let Some(next) = next else { break };
            page = self.client.send("GET", &next[next.find("/fhir").unwrap()..], &[], &[]).expect(200);
        }
        if whole {
            self.compare(query, &target, "matches", &query.expected, &matches);
            self.check(query, &target, &matches, &included);
        }
    }

    fn compare(&mut self, query: &Query, target: &str, what: &str, expected: &[usize], answered: &[String]) {
        let mut wanted: Vec<&str> = expected.iter().map(|n| self.names[*n].as_str()).collect();
        let mut got: Vec<&str> = answered.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        got.sort_unstable();
        if wanted == got {
            return;
        }
        let missing: Vec<&&str> = wanted.iter().filter(|n| got.binary_search(n).is_err()).take(2).collect();
        let more: Vec<&&str> = got.iter().filter(|n| wanted.binary_search(n).is_err()).take(2).collect();
        let counts = format!("{} {what}, not {}", got.len(), wanted.len());
        self.found.push(format!("[{}] {target}: {counts}; missing {missing:?}, too many {more:?}", query.class));
    }

    fn check(&mut self, query: &Query, target: &str, matches: &[String], included: &[String]) {
        match &query.check {
            Check::Set => {}
            Check::Included(expected) => self.compare(query, target, "included", expected, included),
            Check::Sorted { code, descending } => {
                let places: HashMap<&str, usize> =
                    self.names.iter().enumerate().map(|(n, name)| (name.as_str(), n)).collect();
                let order: Vec<usize> = matches.iter().filter_map(|m| places.get(m.as_str()).copied()).collect();
                if let Some(wrong) = disorder(&order, param(query.kind, code), *descending) {
                    self.found.push(format!("[{}] {target}: {wrong}", query.class));
                }
            }
        }
    }

    /// `name=value`, encoded.
    fn condition(&self, condition: &Condition) -> String {
        let (name, value) = self.parts(condition);
        format!("{}={}", encode(&name), encode(&value))
    }

    fn parts(&self, condition: &Condition) -> (String, String) {
        match condition {
            Condition::Param { code, modifier, values } => {
                let values: Vec<String> = values.iter().map(|v| self.value(v, modifier)).collect();
                (format!("{code}{modifier}"), values.join(","))
            }
            Condition::Chain { code, target, typed, inner } => {
                let (name, value) = self.parts(inner);
                let step = if *typed { format!("{code}:{target}") } else { (*code).to_owned() };
                (format!("{step}.{name}"), value)
            }
            Condition::Has { source, code, inner } => {
                let (name, value) = self.parts(inner);
                (format!("_has:{source}:{code}:{name}"), value)
            }
        }
    }

    fn value(&self, wanted: &Wanted, modifier: &str) -> String {
        if !wanted.parts.is_empty() {
            return wanted.parts.iter().map(|p| self.value(p, "")).collect::<Vec<_>>().join("$");
        }
        let Some(target) = wanted.target else {
            let text = wanted.text.replace('\\', "\\\\").replace(',', "\\,").replace('$', "\\$");
            return format!("{}{text}", wanted.prefix);
        };
        let name = &self.names[target];
        let id = name.split('/').nth(1).unwrap_or_default();
        match wanted.text.as_str() {
            "absolute" => format!("{}/{name}", self.base),
            "Type/id" => name.clone(),
            _ if modifier.is_empty() || modifier.starts_with(':') => id.to_owned(),
            _ => name.clone(),
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn names_of(bundle: &Value, mode: &str, names: &mut Vec<String>) {
    let entries = bundle["entry"].as_array().into_iter().flatten().filter(|e| e["search"]["mode"] == mode);
    let name = |e: &Value| {
        format!("{}/{}", e["resource"]["resourceType"].as_str().unwrap(), e["resource"]["id"].as_str().unwrap())
    };
    names.extend(entries.map(name));
}

/// Says where the order is wrong: values that go the wrong way, or a value after a resource without one.
fn disorder(matches: &[usize], param: &Param, descending: bool) -> Option<String> {
    let values: Vec<Option<&Value>> =
        matches.iter().map(|n| at_param(&data().resources[*n], param).first().copied()).collect();
    let wrong = if descending { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
    values.windows(2).find_map(|pair| match (pair[0], pair[1]) {
        (None, Some(later)) => Some(format!("{later} stands after a resource without a value")),
        (Some(a), Some(b)) if order(param.kind, a, b) == Some(wrong) => Some(format!("{a} stands before {b}")),
        _ => None,
    })
}
